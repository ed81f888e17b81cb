use std::time::Duration;

use holloway_control::DialAddr;
use holloway_dashboard::api::{
    Attention, ControlStatus, DaemonState, DataStatus, DataplaneStatus, DnsStatus, HomeRelay, NetworkStatus, PathKind,
    PathStatus, PeerStatus, Right, SchemaVersion, SessionStatus, Status,
};
use holloway_mesh::{CipherChoice, PeerSnapshot, RelayStanding, SessionSnapshot, Snapshot};
use holloway_wire::{Endpoint, Label, Rights, Suite};

use super::engine::{NetworkView, View};
use super::names::{NamesView, fqdn};
use super::network::Dataplane;
use crate::clock::rfc3339;

/// A peer heard of this recently counts as online.
const ONLINE_FOR: Duration = Duration::from_secs(30);

/// Everything `status` shows.
pub(crate) fn status(view: &View, uptime: Duration, state: DaemonState, on: bool) -> Status {
    let names = &view.names;
    Status {
        schema: SchemaVersion,
        version: env!("CARGO_PKG_VERSION").into(),
        state,
        uptime_s: uptime.as_secs(),
        on,
        networks: view.networks.iter().map(network_status).collect(),
        dataplane: view
            .networks
            .iter()
            .map(|network| dataplane_status(&network.dataplane))
            .reduce(|one, other| least(one, &other)),
        attention: attention(view, names, on),
        dns: DnsStatus {
            listening: names.listening.iter().map(ToString::to_string).collect(),
            integration: names.integration.clone(),
        },
    }
}

/// One network.
pub(crate) fn network_status(network: &NetworkView) -> NetworkStatus {
    let snapshot = &network.snapshot;
    NetworkStatus {
        label: network.label.to_string(),
        id: network.id.to_string(),
        prefix: snapshot.prefix.to_string(),
        interface: network.interface.clone().unwrap_or_default(),
        name: snapshot.label.to_string(),
        fqdn: fqdn(&snapshot.label, &network.label),
        address: snapshot.address.to_string(),
        node_id: snapshot.node.to_string(),
        rights: rights(snapshot.rights),
        control: ControlStatus {
            listen: network.control_listen.iter().map(DialAddr::to_string).collect(),
            peers: snapshot.neighbours.len() as u64,
        },
        data: DataStatus {
            listen: network.data_listen.iter().map(ToString::to_string).collect(),
            observed: snapshot.observed.iter().map(ToString::to_string).collect(),
            mapped: network.port_mapping.external().map(|external| external.to_string()),
        },
        dataplane: dataplane_status(&network.dataplane),
        home_relay: home_relay(snapshot),
        peers: snapshot.peers.iter().map(|peer| peer_status(peer, network)).collect(),
        revoked: snapshot.revocations as u64,
        drops: snapshot.drops.iter().map(|(reason, count)| (reason.name().to_owned(), count)).collect(),
    }
}

fn home_relay(snapshot: &Snapshot) -> Option<HomeRelay> {
    let home = snapshot.relays.iter().find(|relay| relay.standing == RelayStanding::Home)?;
    let rtt_ms = home.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0);
    Some(HomeRelay { name: home.announcement.name.to_string(), rtt_ms })
}

fn dataplane_status(dataplane: &Dataplane) -> DataplaneStatus {
    let suite = match dataplane.cipher {
        CipherChoice::VectorAes => Suite::Aes256Gcm,
        CipherChoice::ChaCha20Poly1305 => Suite::ChaCha20Poly1305,
    };
    DataplaneStatus {
        tun_offload: dataplane.tun.is_some_and(|tun| tun.tso),
        tun_uso: dataplane.tun.is_some_and(|tun| tun.uso),
        udp_gso: dataplane.udp_gso,
        udp_gro: dataplane.udp_gro,
        lanes: dataplane.lanes as u64,
        cipher: suite.name().into(),
        mtu: dataplane.mtu.into(),
    }
}

/// What the data paths of two networks both make use of.
fn least(one: DataplaneStatus, other: &DataplaneStatus) -> DataplaneStatus {
    DataplaneStatus {
        tun_offload: one.tun_offload && other.tun_offload,
        tun_uso: one.tun_uso && other.tun_uso,
        udp_gso: one.udp_gso && other.udp_gso,
        udp_gro: one.udp_gro && other.udp_gro,
        lanes: one.lanes.min(other.lanes),
        cipher: one.cipher,
        mtu: one.mtu.min(other.mtu),
    }
}

/// One peer.
pub(crate) fn peer_status(peer: &PeerSnapshot, network: &NetworkView) -> PeerStatus {
    let is_blocked = network.snapshot.blocked.contains(&peer.node);
    let heard = peer.session.as_ref().and_then(|session| session.last_received);
    PeerStatus {
        name: peer.label.to_string(),
        fqdn: fqdn(&peer.label, &network.label),
        address: peer.address.to_string(),
        node_id: peer.node.to_string(),
        rights: rights(peer.rights),
        groups: peer.groups.clone(),
        online: peer.is_neighbour || heard.is_some_and(|heard| heard < ONLINE_FOR),
        control: peer.is_neighbour,
        path: path_status(peer, is_blocked),
        session: peer.session.as_ref().map(session_status),
        rx_bytes: peer.received_bytes,
        tx_bytes: peer.sent_bytes,
        rotations: peer.rotations,
    }
}

/// The path by an endpoint, and over which relays it leads if it is behind one.
pub(crate) fn path_at(endpoint: &Endpoint, relay: Option<&Label>, route: &[Label]) -> PathStatus {
    let is_straight = !endpoint.is_relayed() && !is_stream(endpoint);
    PathStatus {
        kind: if endpoint.is_relayed() { PathKind::Relay } else { PathKind::Direct },
        endpoint: is_straight.then(|| endpoint.to_string()),
        relay: relay.map(ToString::to_string),
        further_relays: route.iter().map(ToString::to_string).collect(),
        stream: is_stream(endpoint),
        rtt_ms: None,
        mtu: None,
        why: None,
    }
}

/// Whether what is sent to an endpoint goes over a stream, for which an address of this machine stands.
pub(crate) fn is_stream(endpoint: &Endpoint) -> bool {
    endpoint.socket_addr().ip().is_loopback()
}

fn path_status(peer: &PeerSnapshot, is_blocked: bool) -> PathStatus {
    match (peer.endpoint, &peer.session) {
        (Some(endpoint), Some(_)) => PathStatus {
            rtt_ms: peer.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
            mtu: peer.mtu.map(|mtu| mtu as u64),
            ..path_at(&endpoint, peer.relay.as_ref(), &peer.route)
        },
        _ => {
            let why = if is_blocked { "blocked on this machine".into() } else { why_none(peer) };
            PathStatus {
                kind: PathKind::None,
                endpoint: None,
                relay: None,
                further_relays: Vec::new(),
                stream: false,
                rtt_ms: None,
                mtu: None,
                why: Some(why),
            }
        }
    }
}

fn why_none(peer: &PeerSnapshot) -> String {
    if peer.is_handshaking {
        return format!("a handshake is under way, {} endpoints tried", peer.candidates.len());
    }
    if peer.candidates.is_empty() {
        return "it has not announced any endpoint yet".into();
    }
    if peer.endpoint.is_some() {
        return "no traffic for a while; the keys have lapsed".into();
    }
    "no traffic yet".into()
}

fn session_status(session: &SessionSnapshot) -> SessionStatus {
    SessionStatus {
        established: rfc3339(session.established),
        age_s: session.age.as_secs(),
        last_received_s: session.last_received.map(|ago| (ago.as_secs_f64() * 10.0).round() / 10.0),
        cipher: session.suite.name().into(),
    }
}

/// Rights as the API has them.
pub(crate) fn rights(rights: Rights) -> Vec<Right> {
    [
        (Rights::ISSUE, Right::Issue),
        (Rights::ADMIN, Right::Admin),
        (Rights::RELAY, Right::Relay),
        (Rights::EXIT, Right::Exit),
    ]
    .into_iter()
    .filter(|(right, _)| rights.contains(*right))
    .map(|(_, right)| right)
    .collect()
}

/// Rights as the core has them.
pub(crate) fn to_rights(wanted: &[Right]) -> Rights {
    wanted.iter().fold(Rights::NONE, |rights, right| {
        rights.with(match right {
            Right::Issue => Rights::ISSUE,
            Right::Admin => Rights::ADMIN,
            Right::Relay => Rights::RELAY,
            Right::Exit => Rights::EXIT,
        })
    })
}

/// What an operator should do something about; each with the command that does it.
fn attention(view: &View, names: &NamesView, on: bool) -> Vec<Attention> {
    let item = |what: String, command: &str| Attention { what, command: command.to_owned() };
    let mut items = Vec::new();
    if !on {
        items.push(item("this machine's networks are switched off".into(), "holloway on"));
    } else if view.networks.is_empty() {
        items.push(item("this machine is in no network yet".into(), "holloway join <invite>"));
    }
    for network in &view.networks {
        if network.interface.is_none() {
            items.push(item(format!("{} has no network interface", network.label), "holloway doctor"));
        }
        if !network.snapshot.is_member {
            let what = format!("this machine is no longer a member of {}", network.label);
            items.push(item(what, &format!("holloway leave {}", network.label)));
            continue;
        }
        if network.snapshot.neighbours.is_empty() && !network.snapshot.peers.is_empty() {
            items.push(item(format!("no control connection to any member of {}", network.label), "holloway doctor"));
        }
        for (invite, applicant) in &network.snapshot.applicants {
            let what = format!("{} waits to be approved as a member of {}", applicant.label, network.label);
            items.push(item(what, &format!("holloway invite approve {invite}")));
        }
    }
    items.extend(names.troubles.iter().map(|trouble| item(trouble.clone(), "holloway doctor")));
    items
}
