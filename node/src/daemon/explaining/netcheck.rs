use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use holloway_dashboard::api as doc;
use holloway_mesh::{Observation, RelaySnapshot, RelayStanding};
use holloway_wire::{Label, NodeId};

use super::listing::relays;
use crate::daemon::engine::NetworkView;
use crate::portmap::{Mapping, Protocol, Refusal, Standing, is_internet};

/// Words on our source address that are older say nothing of now. Relays and home peers are pinged every 20 s.
const FRESH: Duration = Duration::from_secs(90);

/// What a network's data path has met, and what that means.
pub(crate) fn netcheck(network: &NetworkView, now: Instant) -> doc::NetworkCheck {
    let answered = answered_from(network);
    let udp = udp(network, &answered);
    let nat = nat(network);
    let port_mapping = port_mapping(network, now);
    let ipv6 = family(network, &answered, IpAddr::is_ipv6);
    let direct = direct(udp, nat.mapping, port_mapping.state);
    doc::NetworkCheck {
        network: network.label.to_string(),
        udp,
        ipv4: family(network, &answered, IpAddr::is_ipv4),
        summary: summary(direct, udp, nat.mapping, ipv6.state),
        ipv6,
        nat,
        port_mapping,
        relays: relays(network).collect(),
        direct,
    }
}

/// Addresses of the internet from which datagrams come back.
fn answered_from(network: &NetworkView) -> Vec<IpAddr> {
    let snapshot = &network.snapshot;
    let relays = snapshot.relays.iter().filter(|relay| answers(relay) && !relay.is_stream);
    let relays = relays.filter_map(|relay| relay.endpoint);
    let peers = snapshot.peers.iter().filter_map(|peer| {
        let heard = peer.session.as_ref()?.last_received?;
        let endpoint = peer.endpoint.filter(|endpoint| !endpoint.is_relayed())?;
        (heard < FRESH).then(|| endpoint.socket_addr())
    });
    relays.chain(peers).map(|address| address.ip()).filter(is_outside).collect()
}

fn answers(relay: &RelaySnapshot) -> bool {
    match relay.standing {
        RelayStanding::Home | RelayStanding::Standby | RelayStanding::Visited | RelayStanding::Known => true,
        RelayStanding::Untried | RelayStanding::Silent | RelayStanding::Refusing(_) => false,
    }
}

/// Whether an address lies beyond the local network.
fn is_outside(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_internet(*ip),
        IpAddr::V6(ip) => !ip.is_unique_local() && !ip.is_unicast_link_local(),
    }
}

fn udp(network: &NetworkView, answered: &[IpAddr]) -> doc::UdpState {
    let by_stream = network.snapshot.relays.iter().any(|relay| answers(relay) && relay.is_stream);
    match (answered.is_empty(), by_stream) {
        (false, _) => doc::UdpState::Works,
        (true, true) => doc::UdpState::Blocked,
        (true, false) => doc::UdpState::Unknown,
    }
}

fn family(network: &NetworkView, answered: &[IpAddr], is_of: fn(&IpAddr) -> bool) -> doc::FamilyCheck {
    let addresses: Vec<String> = network.local.iter().filter(|ip| is_of(ip)).map(ToString::to_string).collect();
    let state = match (addresses.is_empty(), answered.iter().any(is_of)) {
        (_, true) => doc::FamilyState::Works,
        (false, false) => doc::FamilyState::Unproven,
        (true, false) => doc::FamilyState::Absent,
    };
    doc::FamilyCheck { state, addresses }
}

fn nat(network: &NetworkView) -> doc::NatCheck {
    let fresh: Vec<&Observation> = network
        .snapshot
        .observations
        .iter()
        .filter(|seen| seen.age < FRESH && matches!(seen.address.ip(), IpAddr::V4(ip) if is_internet(ip)))
        .collect();
    let mapping = mapping(network, &fresh);
    let seen = fresh.iter().map(|seen| doc::SeenAt {
        by: label_of(network, &seen.by).map_or_else(|| seen.by.short().to_string(), Label::to_string),
        address: seen.address.to_string(),
        age_s: seen.age.as_secs(),
    });
    let seen: Vec<doc::SeenAt> = seen.collect();
    doc::NatCheck { mapping, words: nat_words(mapping, &seen), seen }
}

/// What the router does to what goes out. Who came in by a forwarded port sees that one, which says nothing of the
/// others.
fn mapping(network: &NetworkView, fresh: &[&Observation]) -> doc::NatMapping {
    if !fresh.is_empty() && fresh.iter().all(|seen| network.local.contains(&seen.address.ip())) {
        return doc::NatMapping::None;
    }
    let all: Vec<SocketAddr> = fresh.iter().map(|seen| seen.address).collect();
    let outward: Vec<SocketAddr> =
        all.iter().copied().filter(|address| Some(*address) != network.port_mapping.external()).collect();
    let telling = if outward.is_empty() { all } else { outward };
    let is_one = telling.windows(2).all(|pair| pair[0] == pair[1]);
    match (telling.len(), is_one) {
        (0 | 1, _) => doc::NatMapping::Unknown,
        (_, true) => doc::NatMapping::EndpointIndependent,
        (_, false) => doc::NatMapping::EndpointDependent,
    }
}

fn label_of<'a>(network: &'a NetworkView, node: &NodeId) -> Option<&'a Label> {
    network.snapshot.peers.iter().find(|peer| peer.node == *node).map(|peer| &peer.label)
}

fn nat_words(mapping: doc::NatMapping, seen: &[doc::SeenAt]) -> String {
    let places: Vec<String> = seen.iter().map(|seen| format!("{} at {}", seen.by, seen.address)).collect();
    let places = places.join(", ");
    match (mapping, seen) {
        (doc::NatMapping::None, _) => format!("none: others see this machine's own address ({places})"),
        (doc::NatMapping::EndpointIndependent, _) => {
            format!("one outside address for all destinations: this machine is seen by {places}")
        }
        (doc::NatMapping::EndpointDependent, _) => {
            format!("another outside address for each destination: this machine is seen by {places}")
        }
        (doc::NatMapping::Unknown, []) => "unknown: nobody on the internet has said where it sees this machine".into(),
        (doc::NatMapping::Unknown, _) => format!("unknown: it takes two to compare, and only {places} has seen it"),
    }
}

fn port_mapping(network: &NetworkView, now: Instant) -> doc::PortMappingCheck {
    let (state, words) = match &network.port_mapping {
        Standing::Held(mapping) => return held(mapping, now),
        Standing::Off => (doc::PortMappingState::Off, "none: the router is not asked (listen.port_mapping)".into()),
        Standing::NoRouter => (doc::PortMappingState::NoRouter, "none: this machine has no router of IPv4".into()),
        Standing::Public => {
            (doc::PortMappingState::NotNeeded, "none is needed: this machine's own address is a public one".into())
        }
        Standing::Asking => (doc::PortMappingState::Asking, "the router is being asked".into()),
        Standing::Refused(refusals) => (doc::PortMappingState::Refused, refusal_words(refusals)),
    };
    doc::PortMappingCheck { state, protocol: None, external: None, expires_in_s: None, words }
}

fn held(mapping: &Mapping, now: Instant) -> doc::PortMappingCheck {
    let Mapping { protocol, external, until } = mapping;
    let expires_in_s = until.saturating_duration_since(now).as_secs();
    doc::PortMappingCheck {
        state: doc::PortMappingState::Held,
        protocol: Some(protocol.to_string()),
        external: Some(external.to_string()),
        expires_in_s: Some(expires_in_s),
        words: format!("the router forwards {external} to this machine, by {protocol}"),
    }
}

fn refusal_words(refusals: &[(Protocol, Refusal)]) -> String {
    if let Some(ip) = refusals.iter().find_map(|(_, refusal)| match refusal {
        Refusal::Unusable(ip) => Some(ip),
        Refusal::Silent | Refusal::Refused(_) => None,
    }) {
        return format!("none: the router's own address {ip} is not public, there is another router before it");
    }
    let said: Vec<String> = refusals
        .iter()
        .filter_map(|(protocol, refusal)| match refusal {
            Refusal::Refused(words) => Some(format!("{protocol}: {words}")),
            Refusal::Silent | Refusal::Unusable(_) => None,
        })
        .collect();
    match said.is_empty() {
        true => "none: the router answers neither PCP nor NAT-PMP nor UPnP".into(),
        false => format!("none: the router refuses ({})", said.join("; ")),
    }
}

fn direct(udp: doc::UdpState, nat: doc::NatMapping, mapped: doc::PortMappingState) -> doc::DirectPaths {
    match (udp, nat) {
        (doc::UdpState::Blocked, _) => doc::DirectPaths::None,
        (doc::UdpState::Unknown, _) => doc::DirectPaths::Unknown,
        (doc::UdpState::Works, doc::NatMapping::None) => doc::DirectPaths::Anyone,
        (doc::UdpState::Works, _) if mapped == doc::PortMappingState::Held => doc::DirectPaths::Anyone,
        (doc::UdpState::Works, doc::NatMapping::EndpointIndependent) => doc::DirectPaths::Most,
        (doc::UdpState::Works, doc::NatMapping::EndpointDependent) => doc::DirectPaths::Open,
        (doc::UdpState::Works, doc::NatMapping::Unknown) => doc::DirectPaths::Unknown,
    }
}

fn summary(direct: doc::DirectPaths, udp: doc::UdpState, nat: doc::NatMapping, ipv6: doc::FamilyState) -> String {
    let words = match direct {
        doc::DirectPaths::Anyone if nat == doc::NatMapping::None => {
            "Others can reach this machine directly, unless a firewall drops what it has not asked for."
        }
        doc::DirectPaths::Anyone => "Others can reach this machine directly: the router forwards its port.",
        doc::DirectPaths::Most => {
            "Direct paths to everyone but peers whose routers take another port for each destination; to those through \
             a relay."
        }
        doc::DirectPaths::Open if ipv6 == doc::FamilyState::Works => {
            "Direct paths only to peers that anyone can reach, or by IPv6; to others through a relay."
        }
        doc::DirectPaths::Open => "Direct paths only to peers that anyone can reach; to others through a relay.",
        doc::DirectPaths::None => "No direct paths: this network lets no UDP through. Everything goes through relays.",
        doc::DirectPaths::Unknown if udp == doc::UdpState::Unknown => {
            "Not known yet: no relay or member on the internet has answered to a datagram."
        }
        doc::DirectPaths::Unknown => {
            "Not known yet: it takes two on the internet to compare how they see this machine."
        }
    };
    words.to_owned()
}
