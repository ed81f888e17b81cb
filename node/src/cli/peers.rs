//! `holloway peers`, and the table of peers that `holloway status` shows too.

use holloway_dashboard::api::{InNetwork, PathKind, PathStatus, PeerStatus, Peers};

use super::bytes::amount;
use super::context::Context;
use super::duration::{coarse, fine, milliseconds};
use super::escape::shown;
use super::failure::Failure;
use super::style::Style;
use super::table::{Cell, Table};

/// Lists the other members.
pub(crate) async fn list(context: &Context, network: &InNetwork) -> Result<(), Failure> {
    let peers = context.daemon()?.peers(network).await?;
    context.output().answer(&peers, list_text)
}

/// The peers of one network, each with what control, path and packets say of it.
pub(crate) fn table<'a>(peers: impl IntoIterator<Item = &'a PeerStatus>, indent: &str, style: Style) -> String {
    let mut table =
        Table::new(["NAME", "ADDRESS", "CONTROL", "PATH", "RTT", "LAST PACKET", "SESSION", "RECEIVED", "SENT"]);
    for peer in peers {
        table.row(row(peer));
        if let Some(why) = &peer.path.why {
            table.below(&format!("no path: {why}"));
        }
    }
    table.render(indent, style)
}

/// A path in a few words.
pub(crate) fn path_words(path: &PathStatus) -> String {
    let part = |text: &Option<String>| text.as_deref().unwrap_or("?").to_owned();
    let by = if path.stream { " over TCP" } else { "" };
    match path.kind {
        PathKind::Direct if path.stream => format!("direct{by}"),
        PathKind::Direct => format!("direct {}", part(&path.endpoint)),
        PathKind::Relay => {
            let relays = path.relay.iter().chain(&path.further_relays).map(String::as_str).collect::<Vec<_>>();
            format!("relay {}{by}", if relays.is_empty() { "-".into() } else { relays.join(", ") })
        }
        PathKind::None => "none".to_owned(),
    }
}

fn row(peer: &PeerStatus) -> [Cell; 9] {
    let session = peer.session.as_ref();
    let last_packet = session.and_then(|session| session.last_received_s);
    [
        Cell::from(&peer.name),
        Cell::from(&peer.address),
        match (peer.control, peer.online) {
            (true, _) => Cell::painted("connected", Style::good),
            (false, true) => Cell::from("indirect"),
            (false, false) => Cell::painted("silent", Style::warning),
        },
        path_cell(&peer.path),
        Cell::from(peer.path.rtt_ms.map_or_else(|| "-".to_owned(), milliseconds)),
        Cell::from(last_packet.map_or_else(|| "never".to_owned(), |seconds| format!("{} ago", fine(seconds)))),
        Cell::from(session.map_or_else(|| "none".to_owned(), |session| coarse(session.age_s))),
        Cell::from(amount(peer.rx_bytes)),
        Cell::from(amount(peer.tx_bytes)),
    ]
}

fn path_cell(path: &PathStatus) -> Cell {
    let words = path_words(path);
    match path.kind {
        PathKind::Direct => Cell::painted(&words, Style::good),
        PathKind::Relay => Cell::painted(&words, Style::warning),
        PathKind::None => Cell::painted(&words, Style::bad),
    }
}

fn list_text(peers: &Peers, style: Style) -> String {
    if peers.peers.is_empty() {
        return "no other members; invite one: holloway invite\n".to_owned();
    }
    let mut text = String::new();
    for group in peers.peers.chunk_by(|one, next| one.network == next.network) {
        text.push_str(&format!("{}\n", style.heading(&shown(&group[0].network))));
        text.push_str(&table(group.iter().map(|member| &member.peer), "  ", style));
    }
    text
}

#[cfg(test)]
pub(crate) mod examples {
    use holloway_dashboard::api::SessionStatus;

    use super::*;

    /// A peer with a direct path.
    pub(crate) fn bob() -> PeerStatus {
        PeerStatus {
            name: "bob".into(),
            fqdn: "bob.home.alt".into(),
            address: "fd42::b".into(),
            node_id: "bbbb".into(),
            rights: vec![],
            groups: vec![],
            online: true,
            control: true,
            path: PathStatus {
                kind: PathKind::Direct,
                endpoint: Some("203.0.113.7:42042".into()),
                relay: None,
                further_relays: vec![],
                stream: false,
                rtt_ms: Some(0.4),
                mtu: Some(1440),
                why: None,
            },
            session: Some(SessionStatus {
                established: "2026-11-20T20:00:00Z".into(),
                age_s: 31,
                last_received_s: Some(0.2),
                cipher: "chacha20-poly1305".into(),
            }),
            rx_bytes: 1536,
            tx_bytes: 7,
            rotations: 0,
        }
    }

    /// A peer without a path.
    pub(crate) fn carol() -> PeerStatus {
        let why = Some("it answers at none of its 2 addresses".into());
        let path = PathStatus {
            kind: PathKind::None,
            endpoint: None,
            relay: None,
            further_relays: vec![],
            stream: false,
            rtt_ms: None,
            mtu: None,
            why,
        };
        PeerStatus {
            name: "carol".into(),
            address: "fd42::c".into(),
            online: false,
            control: false,
            path,
            session: None,
            ..bob()
        }
    }
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{PeerInNetwork, SchemaVersion};

    use super::examples::{bob, carol};
    use super::*;

    #[test]
    fn control_path_and_last_packet_are_told_apart() {
        let text = table([&bob(), &carol()], "", Style::PLAIN);
        let expected = "\
NAME   ADDRESS  CONTROL    PATH                      RTT      LAST PACKET  SESSION  RECEIVED  SENT
bob    fd42::b  connected  direct 203.0.113.7:42042  0.40 ms  0.2 s ago    31 s     1.5 KiB   7 B
carol  fd42::c  silent     none                      -        never        none     1.5 KiB   7 B
  no path: it answers at none of its 2 addresses
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_hostile_peer_cannot_reach_the_terminal() {
        let mut peer = carol();
        peer.name = "\u{1b}]0;owned\u{7}".into();
        peer.path.why = Some("line\nbreak \u{202e}".into());
        let text = table([&peer], "", Style::PLAIN);
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    }

    #[test]
    fn each_network_has_its_own_table() {
        let member = |network: &str| PeerInNetwork { network: network.into(), peer: bob() };
        let peers = Peers { schema: SchemaVersion, peers: vec![member("home"), member("home"), member("work")] };
        let text = list_text(&peers, Style::PLAIN);
        assert_eq!(text.matches("NAME").count(), 2);
        assert!(text.starts_with("home\n  NAME") && text.contains("\nwork\n  NAME"), "{text}");
    }
}
