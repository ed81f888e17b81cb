//! `holloway status`: made to be read by somebody tired.

use holloway_dashboard::api::{DaemonState, DataplaneStatus, NetworkStatus, Status};

use super::args::Check;
use super::context::Context;
use super::duration::{coarse, milliseconds};
use super::escape::shown;
use super::failure::{Failure, answer_is_no};
use super::output::Form;
use super::style::Style;
use super::{invites, peers};

/// Shows everything at a glance.
pub(crate) async fn show(context: &Context) -> Result<(), Failure> {
    let status = context.daemon()?.status().await?;
    context.output().answer(&status, text)
}

/// Says by its exit code whether the daemon lives, or is ready; says why not on stderr.
pub(crate) async fn check(context: &Context, check: Check) -> Result<(), Failure> {
    let health = context.daemon()?.health().await?;
    if context.output().form() == Form::Json {
        context.output().document(&health)?;
    }
    let holds = match check {
        Check::Live => health.live,
        Check::Ready => health.ready,
    };
    if holds {
        return Ok(());
    }
    for reason in &health.reasons {
        context.output().note(&shown(reason));
    }
    Err(answer_is_no())
}

fn text(status: &Status, style: Style) -> String {
    let mut text = format!(
        "holloway {}  {}, up {}\n",
        shown(&status.version),
        state_words(status, style),
        coarse(status.uptime_s)
    );
    for network in &status.networks {
        text.push_str(&network_text(network, style));
    }
    text.push_str(&names_text(status, style));
    text.push_str(&attention_text(status, style));
    text
}

fn state_words(status: &Status, style: Style) -> String {
    if !status.on {
        return style.warning("switched off (holloway on)");
    }
    match status.state {
        DaemonState::Starting => style.warning("starting"),
        DaemonState::Waiting => style.warning("waiting for a network (holloway create, or holloway join)"),
        DaemonState::Ready => style.good("ready"),
        DaemonState::Stopping => style.warning("stopping"),
    }
}

fn network_text(network: &NetworkStatus, style: Style) -> String {
    let heading = style.heading(&shown(&network.label));
    let place = format!("{} on {}", shown(&network.prefix), shown(&network.interface));
    let mut text = format!("\n{heading}  {place}\n");
    for (name, value) in network_lines(network) {
        text.push_str(&format!("  {name:<13} {value}\n"));
    }
    match network.peers.as_slice() {
        [] => text.push_str("\n  no other members yet: holloway invite\n"),
        peers => {
            text.push('\n');
            text.push_str(&peers::table(peers, "  ", style));
        }
    }
    text
}

fn network_lines(network: &NetworkStatus) -> Vec<(&'static str, String)> {
    let control = &network.control;
    let mut lines = vec![
        ("this machine", format!("{}  {}", shown(&network.fqdn), shown(&network.address))),
        ("rights", invites::rights(&network.rights)),
        ("control", format!("connected to {} of {} members", control.peers, network.peers.len())),
        ("data path", data_words(network)),
        ("", dataplane_words(&network.dataplane)),
    ];
    if let Some(relay) = &network.home_relay {
        let rtt = relay.rtt_ms.map_or_else(String::new, |rtt| format!(", {}", milliseconds(rtt)));
        lines.push(("home relay", format!("{}{rtt}", shown(&relay.name))));
    }
    if network.revoked > 0 {
        lines.push(("revoked", members(network.revoked)));
    }
    if !network.drops.is_empty() {
        let drops: Vec<String> = network.drops.iter().map(|(why, count)| format!("{} {count}", shown(why))).collect();
        lines.push(("dropped", drops.join(", ")));
    }
    lines
}

fn data_words(network: &NetworkStatus) -> String {
    let listen = joined(&network.data.listen, "nothing");
    let mut words = format!("listens at {listen}");
    if !network.data.observed.is_empty() {
        words += &format!("; others see it at {}", joined(&network.data.observed, "nothing"));
    }
    if let Some(mapped) = &network.data.mapped {
        words += &format!("; the router forwards {} to it", shown(mapped));
    }
    words
}

/// How packets are carried, and what would make it faster.
fn dataplane_words(dataplane: &DataplaneStatus) -> String {
    let DataplaneStatus { lanes, cipher, mtu, .. } = dataplane;
    let threads = if *lanes == 1 { "1 lane".to_owned() } else { format!("{lanes} lanes") };
    let offloads = [
        (dataplane.tun_offload, "large TCP packets at the interface"),
        (dataplane.tun_uso || !dataplane.tun_offload, "large UDP packets at the interface"),
        (dataplane.udp_gso, "segmented sends"),
        (dataplane.udp_gro, "coalesced receives"),
    ];
    let missing: Vec<&str> = offloads.iter().filter(|(is_there, _)| !is_there).map(|(_, name)| *name).collect();
    let slower = if missing.is_empty() { String::new() } else { format!("; slower without {}", missing.join(", ")) };
    format!("{}, {threads}, MTU {mtu}{slower}", shown(cipher))
}

fn names_text(status: &Status, style: Style) -> String {
    let heading = style.heading("names");
    let listening = joined(&status.dns.listening, "nothing");
    let integration = shown(&status.dns.integration);
    format!("\n{heading}\n  {:<13} answers at {listening}\n  {:<13} {integration}\n", "resolver", "system")
}

fn attention_text(status: &Status, style: Style) -> String {
    if status.attention.is_empty() {
        return String::new();
    }
    let heading = style.heading("needs attention");
    status.attention.iter().fold(format!("\n{heading}\n"), |text, item| {
        format!("{text}  {} {}: {}\n", style.warning("!"), shown(&item.what), shown(&item.command))
    })
}

fn joined(places: &[String], none: &str) -> String {
    match places {
        [] => none.to_owned(),
        places => places.iter().map(|place| shown(place)).collect::<Vec<_>>().join(", "),
    }
}

fn members(count: u64) -> String {
    format!("{count} member{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use holloway_dashboard::api::{Attention, ControlStatus, DataStatus, DnsStatus, HomeRelay, Right, SchemaVersion};

    use super::super::peers::examples::{bob, carol};
    use super::*;

    fn dataplane() -> DataplaneStatus {
        DataplaneStatus {
            tun_offload: true,
            tun_uso: true,
            udp_gso: true,
            udp_gro: true,
            lanes: 1,
            cipher: "aes-256-gcm".into(),
            mtu: 1440,
        }
    }

    #[test]
    fn what_is_missing_is_said_where_it_matters() {
        assert_eq!(dataplane_words(&dataplane()), "aes-256-gcm, 1 lane, MTU 1440");
        let poor = DataplaneStatus { tun_offload: false, tun_uso: false, udp_gso: false, lanes: 2, ..dataplane() };
        let expected =
            "aes-256-gcm, 2 lanes, MTU 1440; slower without large TCP packets at the interface, segmented sends";
        assert_eq!(dataplane_words(&poor), expected);
    }

    fn status() -> Status {
        let network = NetworkStatus {
            label: "home".into(),
            id: "nnnn".into(),
            prefix: "fd42:1337:beef::/48".into(),
            interface: "hollow0".into(),
            name: "alice".into(),
            fqdn: "alice.home.alt".into(),
            address: "fd42::a".into(),
            node_id: "aaaa".into(),
            rights: vec![Right::Issue, Right::Admin],
            control: ControlStatus { listen: vec!["/ip4/0.0.0.0/tcp/42042".into()], peers: 1 },
            data: DataStatus {
                listen: vec!["0.0.0.0:42042".into()],
                observed: vec!["198.51.100.10:42042".into()],
                mapped: None,
            },
            dataplane: dataplane(),
            home_relay: Some(HomeRelay { name: "alice".into(), rtt_ms: Some(1.2) }),
            peers: vec![bob(), carol()],
            revoked: 1,
            drops: BTreeMap::from([("replayed".into(), 2)]),
        };
        Status {
            schema: SchemaVersion,
            version: "0.1.0".into(),
            state: DaemonState::Ready,
            uptime_s: 11_520,
            on: true,
            networks: vec![network],
            dataplane: Some(dataplane()),
            attention: vec![Attention { what: "carol has no path".into(), command: "holloway ping carol".into() }],
            dns: DnsStatus { listening: vec!["127.42.0.53:53".into()], integration: "by /etc/resolv.conf".into() },
        }
    }

    #[test]
    fn everything_is_said_at_a_glance() {
        let expected = "\
holloway 0.1.0  ready, up 3 h 12 min

home  fd42:1337:beef::/48 on hollow0
  this machine  alice.home.alt  fd42::a
  rights        issue admin
  control       connected to 1 of 2 members
  data path     listens at 0.0.0.0:42042; others see it at 198.51.100.10:42042
                aes-256-gcm, 1 lane, MTU 1440
  home relay    alice, 1.20 ms
  revoked       1 member
  dropped       replayed 2

  NAME   ADDRESS  CONTROL    PATH                      RTT      LAST PACKET  SESSION  RECEIVED  SENT
  bob    fd42::b  connected  direct 203.0.113.7:42042  0.40 ms  0.2 s ago    31 s     1.5 KiB   7 B
  carol  fd42::c  silent     none                      -        never        none     1.5 KiB   7 B
    no path: it answers at none of its 2 addresses

names
  resolver      answers at 127.42.0.53:53
  system        by /etc/resolv.conf

needs attention
  ! carol has no path: holloway ping carol
";
        assert_eq!(text(&status(), Style::PLAIN), expected);
    }

    #[test]
    fn every_line_of_attention_ends_in_the_command_to_run() {
        let text = text(&status(), Style::PLAIN);
        let lines: Vec<&str> = text.lines().filter(|line| line.trim_start().starts_with('!')).collect();
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with("holloway ping carol"));
    }

    #[test]
    fn a_daemon_without_a_network_says_what_it_waits_for() {
        let status = Status { state: DaemonState::Waiting, networks: vec![], attention: vec![], ..status() };
        let text = text(&status, Style::PLAIN);
        assert!(text.contains("waiting for a network (holloway create, or holloway join)"));
        assert!(!text.contains("attention"));
    }

    #[test]
    fn nothing_that_another_machine_chose_reaches_the_terminal_unescaped() {
        let mut status = status();
        let evil = "\u{1b}[2J\u{9b}\n\u{202e}".to_owned();
        status.attention[0].what.clone_from(&evil);
        status.dns.integration.clone_from(&evil);
        let network = &mut status.networks[0];
        network.data.observed = vec![evil.clone()];
        network.drops = BTreeMap::from([(evil.clone(), 1)]);
        network.home_relay = Some(HomeRelay { name: evil.clone(), rtt_ms: None });
        network.peers[0].name.clone_from(&evil);
        network.peers[0].path.endpoint = Some(evil);
        assert!(!text(&status, Style::PLAIN).contains(['\u{1b}', '\u{9b}', '\u{202e}']));
    }
}
