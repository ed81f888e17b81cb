use holloway_dashboard::api as doc;
use holloway_mesh::{PeerSnapshot, RelaySnapshot, RelayStanding};
use holloway_wire::{Label, RelayAnnouncement, RelayRefusal, RelayState};

use super::milliseconds;
use crate::daemon::engine::NetworkView;
use crate::daemon::status::peer_status;

/// The relays that a network knows, the nearest first.
pub(crate) fn relays(network: &NetworkView) -> impl Iterator<Item = doc::RelayStatus> {
    network.snapshot.relays.iter().map(|relay| relay_status(relay, &network.label))
}

/// This machine as a relay of a network, if it is one.
pub(crate) fn own_relay(network: &NetworkView) -> Option<doc::OwnRelay> {
    let own = network.snapshot.own_relay.as_ref()?;
    Some(doc::OwnRelay { network: network.label.to_string(), announced: announced(own) })
}

/// A network's routes: its prefix, then its members.
pub(crate) fn routes(network: &NetworkView) -> Vec<doc::RouteStatus> {
    let has_interface = network.interface.is_some();
    let prefix = doc::RouteStatus {
        network: network.label.to_string(),
        destination: network.snapshot.prefix.to_string(),
        member: None,
        via: if has_interface { doc::RouteVia::Interface } else { doc::RouteVia::None },
        interface: network.interface.clone(),
        endpoint: None,
        relay: None,
        mtu: has_interface.then(|| network.dataplane.mtu.into()),
    };
    let members = network.snapshot.peers.iter().map(|peer| route(peer, network));
    std::iter::once(prefix).chain(members).collect()
}

pub(super) fn relay_status(relay: &RelaySnapshot, network: &Label) -> doc::RelayStatus {
    let (standing, why) = standing(relay);
    doc::RelayStatus {
        network: network.to_string(),
        announced: doc::AnnouncedRelay { load_percent: relay.load.percent(), ..announced(&relay.announcement) },
        standing,
        why: why.map(str::to_owned),
        rtt_ms: relay.rtt.map(milliseconds),
        endpoint: relay.endpoint.filter(|_| !relay.is_stream).map(|address| address.to_string()),
        stream: relay.is_stream,
        current: relay.is_current,
    }
}

fn standing(relay: &RelaySnapshot) -> (doc::RelayStanding, Option<&'static str>) {
    match relay.standing {
        RelayStanding::Home => (doc::RelayStanding::Home, None),
        RelayStanding::Standby => (doc::RelayStanding::Standby, None),
        RelayStanding::Visited => (doc::RelayStanding::Visited, None),
        RelayStanding::Known => (doc::RelayStanding::Known, None),
        RelayStanding::Untried => (doc::RelayStanding::Untried, None),
        RelayStanding::Silent if relay.is_current => {
            let why = "it announces itself and does not answer: a firewall may keep UDP from it";
            (doc::RelayStanding::Silent, Some(why))
        }
        RelayStanding::Silent => (doc::RelayStanding::Silent, Some("it does not answer, nor announce itself any more")),
        RelayStanding::Refusing(refusal) => (doc::RelayStanding::Refusing, Some(refusal_words(refusal))),
    }
}

const fn refusal_words(refusal: RelayRefusal) -> &'static str {
    match refusal {
        RelayRefusal::Full => "it has as many members as it can take",
        RelayRefusal::NotAMember => "it does not know this machine as a member",
        RelayRefusal::Draining => "it is about to stop",
        RelayRefusal::Quota => "this machine has used up what it may send through it this month",
    }
}

fn announced(relay: &RelayAnnouncement) -> doc::AnnouncedRelay {
    let degrees = |hundredths: i16| f64::from(hundredths) / 100.0;
    doc::AnnouncedRelay {
        name: relay.name.to_string(),
        node_id: relay.node.to_string(),
        region: relay.region.clone(),
        place: relay.place.map(|place| doc::Place {
            latitude: degrees(place.latitude()),
            longitude: degrees(place.longitude()),
            source: doc::PlaceSource::Operator,
        }),
        load_percent: relay.load.percent(),
        members: relay.members.into(),
        capacity_mbps: relay.capacity_mbps.into(),
        endpoints: relay.endpoints.iter().map(ToString::to_string).collect(),
        version: relay.software.clone(),
        draining: match relay.state {
            RelayState::Open => false,
            RelayState::Draining => true,
        },
        links: relay
            .links
            .iter()
            .map(|link| doc::RelayLink { node_id: link.relay.to_string(), rtt_ms: milliseconds(link.rtt()) })
            .collect(),
    }
}

fn route(peer: &PeerSnapshot, network: &NetworkView) -> doc::RouteStatus {
    let path = peer_status(peer, network).path;
    doc::RouteStatus {
        network: network.label.to_string(),
        destination: format!("{}/128", peer.address),
        member: Some(peer.label.to_string()),
        via: match path.kind {
            doc::PathKind::Direct => doc::RouteVia::Direct,
            doc::PathKind::Relay => doc::RouteVia::Relay,
            doc::PathKind::None => doc::RouteVia::None,
        },
        interface: None,
        endpoint: path.endpoint,
        relay: path.relay,
        mtu: path.mtu,
    }
}
