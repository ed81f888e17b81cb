//! How members are reached, for people: relays, routes, and for one peer what was tried and what would help.
//!
//! Judges what a network's view says. It does not ask anybody, does not know what time it is, and keeps nothing.

use std::time::Duration;

use holloway_dashboard::api as doc;
use holloway_mesh::{CandidateKind, CandidateResult, PeerSnapshot, RelaySnapshot, RelayStanding};
use holloway_wire::{Endpoint, Label, RelayAnnouncement, RelayRefusal, RelayState, Rights};

use super::engine::NetworkView;
use super::status::peer_status;

/// A peer that fell silent this recently may be moving; what is known of it is being tried.
const MOVING_FOR: Duration = Duration::from_secs(30);

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

/// How a peer is reached, and why.
pub(crate) fn why(peer: &PeerSnapshot, network: &NetworkView) -> doc::Why {
    let candidates = peer.candidates.iter();
    let ways = candidates.map(|(endpoint, candidate)| Way {
        endpoint: *endpoint,
        kind: candidate.kind,
        result: candidate.result,
        rtt: candidate.rtt,
    });
    Case::new(peer, ways.collect(), network).explained()
}

fn relay_status(relay: &RelaySnapshot, network: &Label) -> doc::RelayStatus {
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
        place: relay
            .place
            .map(|place| doc::Place { latitude: degrees(place.latitude()), longitude: degrees(place.longitude()) }),
        load_percent: relay.load.percent(),
        members: relay.members.into(),
        capacity_mbps: relay.capacity_mbps.into(),
        endpoints: relay.endpoints.iter().map(ToString::to_string).collect(),
        version: relay.software.clone(),
        draining: match relay.state {
            RelayState::Open => false,
            RelayState::Draining => true,
        },
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

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// One way to a peer, and what came of it.
#[derive(Clone, Copy)]
struct Way {
    endpoint: Endpoint,
    kind: CandidateKind,
    result: CandidateResult,
    rtt: Option<Duration>,
}

/// What is known of one peer.
struct Case<'a> {
    peer: &'a PeerSnapshot,
    network: &'a NetworkView,
    status: doc::PeerStatus,
    ways: Vec<Way>,
}

/// How a peer is reached, or what is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Straight,
    Relayed,
    /// This machine is not a member any more.
    Expelled,
    /// The peer is refused here.
    Blocked,
    /// Nobody has said where the peer is.
    Unannounced,
    /// The peer is asked, or was asked in vain.
    Unanswered,
    /// The way in use does not answer any more, nor does another.
    FellSilent,
    /// There was nothing to send.
    Resting,
}

impl<'a> Case<'a> {
    fn new(peer: &'a PeerSnapshot, ways: Vec<Way>, network: &'a NetworkView) -> Self {
        Self { peer, network, status: peer_status(peer, network), ways }
    }

    fn explained(self) -> doc::Why {
        let reach = self.reach();
        let tried = self.ways.iter().map(|way| self.tried(way)).collect();
        let (summary, advice) = (self.summary(reach), self.advice(reach));
        let doc::PeerStatus { name, fqdn, address, path, session, .. } = self.status;
        doc::Why {
            schema: doc::SchemaVersion,
            network: self.network.label.to_string(),
            name,
            fqdn,
            address,
            path,
            session,
            tried,
            summary,
            advice,
        }
    }

    fn reach(&self) -> Reach {
        let snapshot = &self.network.snapshot;
        if !snapshot.is_member {
            return Reach::Expelled;
        }
        if snapshot.blocked.contains(&self.peer.node) {
            return Reach::Blocked;
        }
        if self.last_way().is_some_and(|way| way.result == CandidateResult::Silent) {
            return Reach::FellSilent;
        }
        let is_in_vain = self.has(CandidateResult::Waiting) && !self.has(CandidateResult::Answered);
        match self.status.path.kind {
            doc::PathKind::Direct => Reach::Straight,
            doc::PathKind::Relay => Reach::Relayed,
            doc::PathKind::None if self.ways.is_empty() => Reach::Unannounced,
            doc::PathKind::None if self.peer.is_handshaking || is_in_vain => Reach::Unanswered,
            doc::PathKind::None => Reach::Resting,
        }
    }

    /// The way that packets go, or went last.
    fn last_way(&self) -> Option<&Way> {
        self.ways.iter().find(|way| Some(way.endpoint) == self.peer.endpoint)
    }

    fn has(&self, result: CandidateResult) -> bool {
        self.ways.iter().any(|way| way.result == result)
    }

    fn straight(&self) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(|way| !way.endpoint.is_relayed())
    }

    fn tried(&self, way: &Way) -> doc::TriedWay {
        let in_use = Some(way.endpoint) == self.peer.endpoint && self.status.path.kind != doc::PathKind::None;
        let result = match way.result {
            CandidateResult::Untried => doc::WayResult::Untried,
            CandidateResult::Waiting => doc::WayResult::Waiting,
            CandidateResult::Answered => doc::WayResult::Answered,
            CandidateResult::Silent => doc::WayResult::Silent,
        };
        doc::TriedWay {
            endpoint: (!way.endpoint.is_relayed()).then(|| way.endpoint.to_string()),
            relay: self.relay_of(&way.endpoint).map(Label::to_string),
            kind: match way.kind {
                CandidateKind::Announced => doc::WayKind::Announced,
                CandidateKind::Called => doc::WayKind::Called,
                CandidateKind::Seen => doc::WayKind::Seen,
                CandidateKind::Relayed => doc::WayKind::Relay,
            },
            result,
            rtt_ms: way.rtt.map(milliseconds),
            in_use,
            words: format!("{}; {}.", self.origin_words(way), self.outcome_words(way, result, in_use)),
        }
    }

    fn relay_of(&self, endpoint: &Endpoint) -> Option<&'a Label> {
        if !endpoint.is_relayed() {
            return None;
        }
        let at = endpoint.socket_addr();
        let relay = self.network.snapshot.relays.iter().find(|relay| relay.endpoint == Some(at));
        relay.map(|relay| &relay.announcement.name)
    }

    fn origin_words(&self, way: &Way) -> String {
        let name = &self.peer.label;
        match (way.kind, self.relay_of(&way.endpoint)) {
            (CandidateKind::Announced, _) => format!("{name} announces this address"),
            (CandidateKind::Called, _) => format!("{name} named this address when it called"),
            (CandidateKind::Seen, _) => format!("{name} was seen at this address"),
            (CandidateKind::Relayed, Some(relay)) => format!("the relay {relay} leads to {name}"),
            (CandidateKind::Relayed, None) => {
                format!("a relay at {} leads to {name}", way.endpoint.socket_addr())
            }
        }
    }

    fn outcome_words(&self, way: &Way, result: doc::WayResult, in_use: bool) -> String {
        let has_path = self.status.path.kind != doc::PathKind::None;
        match (result, in_use) {
            (doc::WayResult::Silent, true) => "packets still go this way, but no answer comes back any more".to_owned(),
            (doc::WayResult::Answered, true) => format!("it is in use and has answered{}", in_time(way.rtt)),
            (doc::WayResult::Untried | doc::WayResult::Waiting, true) => "it is in use".to_owned(),
            (doc::WayResult::Answered, false) => format!("it has answered{} and is not in use", in_time(way.rtt)),
            (doc::WayResult::Waiting, false) => "it was tried, and no answer has come so far".to_owned(),
            (doc::WayResult::Silent, false) => "it does not answer any more".to_owned(),
            // A new session probes every address, which candidates do not note either.
            (doc::WayResult::Untried, false) if has_path => "nothing has come from it, nor is it needed".to_owned(),
            (doc::WayResult::Untried, false) => "it has not been tried yet".to_owned(),
        }
    }

    fn summary(&self, reach: Reach) -> String {
        let name = &self.peer.label;
        let sentence = match reach {
            Reach::Straight => format!("{name} is reached {}{}.", self.path_words(), self.path_time()),
            Reach::Relayed => {
                format!("{name} is reached {}{}; {}.", self.path_words(), self.path_time(), self.why_relayed())
            }
            Reach::Expelled => {
                format!("{name} is not reached: this machine is no longer a member of {}.", self.network.label)
            }
            Reach::Blocked => format!("{name} is not reached: it is blocked on this machine."),
            Reach::Unannounced => format!("{name} is not reached: nobody has told this machine where it is."),
            Reach::Unanswered if self.peer.is_handshaking => {
                format!("{name} is not reached yet: it is being tried by {}.", self.ways_words())
            }
            Reach::Unanswered => {
                format!("{name} is not reached: it was tried by {} and has not answered.", self.ways_words())
            }
            Reach::FellSilent => format!(
                "{name} is not reached: it was reached {}, and does not answer there any more{}. Every way that is \
                 known is tried again while there is something to send.",
                self.last_words(),
                self.heard().map_or_else(String::new, |heard| format!("; its last word is {} s old", heard.as_secs())),
            ),
            Reach::Resting => {
                let when = if self.peer.endpoint.is_some() { "for a while" } else { "yet" };
                format!("{name} is not reached: nothing was sent to it {when}. The next packet begins a session.")
            }
        };
        match self.peer.session.as_ref().is_some_and(|session| session.is_held) {
            true => format!("{sentence} Packets wait until both have told each other what is revoked."),
            false => sentence,
        }
    }

    fn path_words(&self) -> String {
        match (&self.status.path.endpoint, &self.status.path.relay) {
            (Some(endpoint), _) => format!("straight at {endpoint}"),
            (None, Some(relay)) => format!("through the relay {relay}"),
            (None, None) => "through a relay".to_owned(),
        }
    }

    fn path_time(&self) -> String {
        self.peer.rtt.map_or_else(String::new, |rtt| format!(",{}", in_time(Some(rtt))))
    }

    fn last_words(&self) -> String {
        match self.last_way().map(|way| (way.endpoint, self.relay_of(&way.endpoint))) {
            Some((endpoint, _)) if !endpoint.is_relayed() => format!("straight at {endpoint}"),
            Some((_, Some(relay))) => format!("through the relay {relay}"),
            Some((_, None)) | None => "through a relay".to_owned(),
        }
    }

    /// Whether packets go to a relay over TCP.
    fn is_by_stream(&self) -> bool {
        let by = self.peer.endpoint.map(|endpoint| endpoint.socket_addr());
        self.network.snapshot.relays.iter().any(|relay| relay.is_stream && relay.endpoint == by)
    }

    fn why_relayed(&self) -> String {
        if self.is_by_stream() {
            return "the network that this machine is in lets no UDP through, so packets go over TCP".to_owned();
        }
        if let Some(way) = self.straight().find(|way| way.result == CandidateResult::Answered) {
            return format!("at {} it has answered straight before, and is asked there again", way.endpoint);
        }
        let fell_silent = self.straight().any(|way| way.result == CandidateResult::Silent);
        let (one_has_not, none_has, cause) = match fell_silent {
            true => ("does not answer any more", "answers any more", "something on the way drops UDP now"),
            false => {
                let cause = "both routers seem to change ports, or a firewall drops UDP";
                ("has not answered", "has answered", cause)
            }
        };
        match self.straight().count() {
            0 => "no address is known that could be tried straight".to_owned(),
            1 => format!("the one address that was tried straight {one_has_not}: {cause}"),
            count => format!("none of the {count} addresses that were tried straight {none_has}: {cause}"),
        }
    }

    fn ways_words(&self) -> String {
        let straight = self.straight().count();
        match (straight, self.ways.len() - straight) {
            (straight, 0) => counted(straight, "address", "addresses"),
            (0, relayed) => counted(relayed, "relay", "relays"),
            (straight, relayed) => {
                format!("{} and {}", counted(straight, "address", "addresses"), counted(relayed, "relay", "relays"))
            }
        }
    }

    fn heard(&self) -> Option<Duration> {
        self.peer.session.as_ref().and_then(|session| session.last_received)
    }

    /// The one thing that would improve it.
    fn advice(&self, reach: Reach) -> Option<doc::Advice> {
        let name = &self.peer.label;
        match reach {
            Reach::Straight => None,
            Reach::Relayed if self.is_by_stream() => {
                let what = "let UDP out through the firewall of this network: then packets can go straight, and faster";
                Some(doc::Advice { what: what.to_owned(), command: None })
            }
            Reach::Relayed => data_port(self.network).map(|port| {
                let what = format!(
                    "forward UDP port {port} of the router to this machine and let it through the firewall, here or \
                     likewise at {name}: then packets can go straight"
                );
                doc::Advice { what, command: None }
            }),
            Reach::Expelled => {
                let what = "forget the network, or ask a member for an invite to join anew";
                Some(advice(what, &format!("holloway leave {}", self.network.label)))
            }
            Reach::Blocked => Some(advice("take the block back", &format!("holloway unblock {name}"))),
            Reach::Resting => Some(advice("send it something", &format!("holloway ping {name}"))),
            Reach::FellSilent if self.heard().is_some_and(|heard| heard < MOVING_FOR) => None,
            Reach::Unannounced | Reach::Unanswered | Reach::FellSilent => Some(self.advice_for_silence(reach)),
        }
    }

    fn advice_for_silence(&self, reach: Reach) -> doc::Advice {
        let name = &self.peer.label;
        if self.network.snapshot.neighbours.is_empty() {
            let what = format!(
                "this machine has no control connection to any member: look at its own network, and whether {name} is \
                 switched on"
            );
            return advice(&what, "holloway doctor");
        }
        let was_never_heard = reach == Reach::Unanswered;
        if (self.peer.is_neighbour || was_never_heard)
            && let Some(advice) = self.advice_for_relays()
        {
            return advice;
        }
        if self.peer.is_neighbour {
            let what = format!("{name} is there, as its control connection shows: UDP to it gets nowhere");
            return advice(&what, "holloway doctor");
        }
        let what = format!("see whether {name} is switched on and holloway runs there (there: holloway status)");
        doc::Advice { what, command: None }
    }

    /// What is missing of relays, if anything.
    fn advice_for_relays(&self) -> Option<doc::Advice> {
        let snapshot = &self.network.snapshot;
        if snapshot.own_relay.is_some() || snapshot.relays.iter().any(is_usable) {
            return None;
        }
        if !snapshot.relays.is_empty() {
            return Some(advice("no relay that is known here serves this machine; see why", "holloway relays"));
        }
        let place = if snapshot.rights.contains(Rights::ISSUE) { "" } else { ", on a machine with the right to issue" };
        let what = format!(
            "no relay is known: invite a machine that both can reach to be one{place}, or make sure that {} is \
             switched on",
            self.peer.label
        );
        Some(advice(&what, "holloway invite --right relay"))
    }
}

fn is_usable(relay: &RelaySnapshot) -> bool {
    match relay.standing {
        RelayStanding::Home | RelayStanding::Standby | RelayStanding::Visited | RelayStanding::Known => true,
        RelayStanding::Untried => relay.is_current,
        RelayStanding::Silent | RelayStanding::Refusing(_) => false,
    }
}

fn advice(what: &str, command: &str) -> doc::Advice {
    doc::Advice { what: what.to_owned(), command: Some(command.to_owned()) }
}

fn in_time(rtt: Option<Duration>) -> String {
    match rtt.map(milliseconds) {
        None => String::new(),
        Some(rtt) if rtt < 10.0 => format!(" in {rtt:.1} ms"),
        Some(rtt) => format!(" in {rtt:.0} ms"),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// The port at which others send to this machine; that of IPv4, where routers change ports.
fn data_port(network: &NetworkView) -> Option<u16> {
    let outside = || network.data_listen.iter().filter(|address| !address.ip().is_loopback());
    outside().find(|address| address.is_ipv4()).or_else(|| outside().next()).map(std::net::SocketAddr::port)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use holloway_mesh::{CipherChoice, DropCounts, SessionSnapshot, Snapshot};
    use holloway_wire::{IdentityKey, Load, NetworkId, NodeId, OverlayAddr, Place, RelayChannel, Suite, UnixTime};

    use super::super::network::Dataplane;
    use super::*;

    const ROOT: u8 = 1;
    const ALICE: u8 = 2;
    const BOB: u8 = 3;
    const CAROL: u8 = 4;

    const ALICE_AT: &str = "198.51.100.1:42042";
    const CAROL_AT: &str = "203.0.113.7:42042";
    const CAROL_AT_HOME: &str = "192.168.1.7:42042";

    fn node(seed: u8) -> NodeId {
        IdentityKey::from_bytes(&[seed; 32]).node_id()
    }

    fn label(text: &str) -> Label {
        text.parse().unwrap()
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn straight(text: &str) -> Endpoint {
        Endpoint::udp(address(text))
    }

    fn behind(relay: &str) -> Endpoint {
        Endpoint::relayed(address(relay), RelayChannel(7))
    }

    fn way(endpoint: Endpoint, result: CandidateResult) -> Way {
        let kind = if endpoint.is_relayed() { CandidateKind::Relayed } else { CandidateKind::Announced };
        Way { endpoint, kind, result, rtt: None }
    }

    fn both(result: CandidateResult) -> Vec<Way> {
        vec![way(straight(CAROL_AT), result), way(straight(CAROL_AT_HOME), result)]
    }

    /// Carol, of whom nothing is known but her certificate.
    fn carol() -> PeerSnapshot {
        PeerSnapshot {
            node: node(CAROL),
            label: label("carol"),
            address: OverlayAddr::of_node(&NetworkId::of_root(&node(ROOT)), &node(CAROL)),
            rights: Rights::NONE,
            groups: vec![],
            is_neighbour: false,
            session: None,
            is_handshaking: false,
            endpoint: None,
            relay: None,
            rtt: None,
            record_limit: None,
            mtu: None,
            candidates: vec![],
            rotations: 0,
            received_bytes: 0,
            sent_bytes: 0,
            certificate: None,
        }
    }

    fn session(heard: Duration) -> Option<SessionSnapshot> {
        Some(SessionSnapshot {
            established: UnixTime::from_secs(1_763_668_800),
            age: Duration::from_secs(100),
            last_received: Some(heard),
            suite: Suite::ChaCha20Poly1305,
            is_held: false,
        })
    }

    /// Carol with packets going to and fro by an endpoint.
    fn carol_at(endpoint: Endpoint) -> PeerSnapshot {
        PeerSnapshot {
            session: session(Duration::from_secs(1)),
            endpoint: Some(endpoint),
            relay: endpoint.is_relayed().then(|| label("alice")),
            rtt: Some(Duration::from_millis(12)),
            mtu: Some(1400),
            ..carol()
        }
    }

    fn announcement() -> RelayAnnouncement {
        RelayAnnouncement {
            node: node(ALICE),
            sequence: 1,
            expires: UnixTime::from_secs(1_763_668_860),
            name: label("alice"),
            region: "Montréal".into(),
            place: Place::new(4550, -7357),
            capacity_mbps: 1000,
            load: Load::of_percent(3),
            members: 12,
            software: "0.1.0".into(),
            endpoints: vec![address(ALICE_AT)],
            stream_port: None,
            state: RelayState::Open,
        }
    }

    fn relay(standing: RelayStanding) -> RelaySnapshot {
        RelaySnapshot {
            announcement: announcement(),
            endpoint: Some(address(ALICE_AT)),
            is_stream: false,
            rtt: Some(Duration::from_micros(1200)),
            standing,
            load: Load::of_percent(5),
            is_current: true,
        }
    }

    /// Bob's view of the network home, with a control connection to alice and no relay.
    fn network() -> NetworkView {
        let id = NetworkId::of_root(&node(ROOT));
        NetworkView {
            label: label("home"),
            id,
            interface: Some("hollow0".into()),
            data_listen: vec![address("[::]:42050"), address("127.0.0.1:9"), address("0.0.0.0:42042")],
            dataplane: Dataplane {
                tun: None,
                udp_gso: true,
                udp_gro: true,
                lanes: 1,
                cipher: CipherChoice::ChaCha20Poly1305,
                mtu: 1440,
            },
            control_listen: vec![],
            bootstrap: vec![],
            snapshot: Snapshot {
                network: id,
                network_label: label("home"),
                prefix: id.prefix(),
                node: node(BOB),
                is_member: true,
                label: label("bob"),
                address: OverlayAddr::of_node(&id, &node(BOB)),
                rights: Rights::ISSUE,
                observed: vec![],
                neighbours: vec![node(ALICE)],
                relays: vec![],
                own_relay: None,
                has_caught_up: true,
                peers: vec![],
                names: vec![],
                blocked: vec![],
                revocations: 0,
                drops: DropCounts::default(),
            },
        }
    }

    fn with_relay(standing: RelayStanding) -> NetworkView {
        let mut network = network();
        network.snapshot.relays = vec![relay(standing)];
        network
    }

    fn explain(peer: &PeerSnapshot, ways: Vec<Way>, network: &NetworkView) -> doc::Why {
        Case::new(peer, ways, network).explained()
    }

    fn command(why: &doc::Why) -> Option<&str> {
        why.advice.as_ref()?.command.as_deref()
    }

    #[test]
    fn a_straight_path_needs_no_advice() {
        let ways = vec![
            Way { rtt: Some(Duration::from_millis(12)), ..way(straight(CAROL_AT), CandidateResult::Answered) },
            Way { kind: CandidateKind::Called, ..way(straight(CAROL_AT_HOME), CandidateResult::Untried) },
        ];
        let why = explain(&carol_at(straight(CAROL_AT)), ways, &network());
        assert_eq!(why.summary, "carol is reached straight at 203.0.113.7:42042, in 12 ms.");
        assert_eq!(why.advice, None);
        assert_eq!((why.name.as_str(), why.fqdn.as_str()), ("carol", "carol.home.alt"));
        assert_eq!((why.path.kind, why.path.mtu), (doc::PathKind::Direct, Some(1400)));
        assert_eq!((why.tried[0].in_use, why.tried[0].result), (true, doc::WayResult::Answered));
        assert_eq!(why.tried[0].words, "carol announces this address; it is in use and has answered in 12 ms.");
        assert_eq!((why.tried[1].in_use, why.tried[1].result), (false, doc::WayResult::Untried));
        assert_eq!(
            why.tried[1].words,
            "carol named this address when it called; nothing has come from it, nor is it needed."
        );
    }

    #[test]
    fn a_relayed_path_says_why_it_is_not_straight_and_which_port_to_forward() {
        let mut ways = both(CandidateResult::Waiting);
        ways.push(Way { kind: CandidateKind::Seen, ..way(straight("203.0.113.7:1"), CandidateResult::Waiting) });
        ways.push(way(behind(ALICE_AT), CandidateResult::Answered));
        let why = explain(&carol_at(behind(ALICE_AT)), ways, &with_relay(RelayStanding::Home));
        assert_eq!(
            why.summary,
            "carol is reached through the relay alice, in 12 ms; none of the 3 addresses that were tried straight has \
             answered: both routers seem to change ports, or a firewall drops UDP."
        );
        let advice = why.advice.unwrap();
        assert!(advice.what.contains("forward UDP port 42042 "), "{}", advice.what);
        assert_eq!(advice.command, None);
        let relayed = &why.tried[3];
        assert_eq!((relayed.endpoint.as_deref(), relayed.relay.as_deref()), (None, Some("alice")));
        assert_eq!((relayed.kind, relayed.in_use), (doc::WayKind::Relay, true));
        assert!(relayed.words.starts_with("the relay alice leads to carol; it is in use"), "{}", relayed.words);
    }

    #[test]
    fn a_path_by_a_stream_says_that_udp_does_not_get_through() {
        let mut network = with_relay(RelayStanding::Home);
        network.snapshot.relays[0].is_stream = true;
        let ways = vec![way(behind(ALICE_AT), CandidateResult::Answered)];
        let why = explain(&carol_at(behind(ALICE_AT)), ways, &network);
        assert!(why.summary.contains("lets no UDP through"), "{}", why.summary);
        assert!(why.advice.unwrap().what.starts_with("let UDP out"));
    }

    #[test]
    fn a_relayed_path_counts_one_or_no_address_in_words_too() {
        let peer = carol_at(behind(ALICE_AT));
        let summary = |ways| explain(&peer, ways, &with_relay(RelayStanding::Home)).summary;
        let relayed = way(behind(ALICE_AT), CandidateResult::Answered);
        assert!(summary(vec![relayed]).ends_with("; no address is known that could be tried straight."));
        let one = |result| vec![relayed, way(straight(CAROL_AT), result)];
        assert!(
            summary(one(CandidateResult::Waiting))
                .contains("; the one address that was tried straight has not answered: ")
        );
        assert!(
            summary(one(CandidateResult::Silent)).contains("tried straight does not answer any more: something on")
        );
        assert!(
            summary(one(CandidateResult::Answered)).contains("; at 203.0.113.7:42042 it has answered straight before")
        );
    }

    #[test]
    fn a_relay_that_is_not_known_any_more_is_told_by_its_address() {
        let ways = vec![way(behind("192.0.2.9:1"), CandidateResult::Waiting)];
        let why = explain(&carol(), ways, &with_relay(RelayStanding::Home));
        assert_eq!((&why.tried[0].endpoint, &why.tried[0].relay), (&None, &None));
        assert!(why.tried[0].words.starts_with("a relay at 192.0.2.9:1 leads to carol; "), "{}", why.tried[0].words);
    }

    #[test]
    fn a_blocked_peer_is_unblocked_by_name() {
        let mut network = network();
        network.snapshot.blocked = vec![node(CAROL)];
        let why = explain(&carol(), both(CandidateResult::Waiting), &network);
        assert_eq!(why.summary, "carol is not reached: it is blocked on this machine.");
        assert_eq!(command(&why), Some("holloway unblock carol"));
    }

    #[test]
    fn whoever_is_no_member_any_more_reaches_nobody() {
        let mut network = network();
        network.snapshot.is_member = false;
        let why = explain(&carol_at(straight(CAROL_AT)), both(CandidateResult::Answered), &network);
        assert_eq!(why.summary, "carol is not reached: this machine is no longer a member of home.");
        assert_eq!(command(&why), Some("holloway leave home"));
    }

    #[test]
    fn without_a_control_connection_this_machine_is_looked_at_first() {
        let mut network = network();
        network.snapshot.neighbours = vec![];
        let why = explain(&carol(), vec![], &network);
        assert_eq!(why.summary, "carol is not reached: nobody has told this machine where it is.");
        assert_eq!(command(&why), Some("holloway doctor"));
    }

    #[test]
    fn a_peer_that_nobody_has_heard_of_may_be_switched_off() {
        let why = explain(&carol(), vec![], &network());
        assert_eq!(command(&why), None);
        assert!(why.advice.unwrap().what.contains("whether carol is switched on"));
        assert_eq!(why.path.kind, doc::PathKind::None);
    }

    #[test]
    fn a_peer_that_never_answered_wants_a_relay_where_there_is_none() {
        let why = explain(&carol(), both(CandidateResult::Waiting), &network());
        assert_eq!(why.summary, "carol is not reached: it was tried by 2 addresses and has not answered.");
        assert_eq!(command(&why), Some("holloway invite --right relay"));
        assert!(why.tried.iter().all(|way| way.words.ends_with("it was tried, and no answer has come so far.")));
    }

    #[test]
    fn whoever_may_not_invite_is_told_so() {
        let mut network = network();
        network.snapshot.rights = Rights::NONE;
        let advice = explain(&carol(), both(CandidateResult::Waiting), &network).advice.unwrap();
        assert!(advice.what.contains("on a machine with the right to issue"), "{}", advice.what);
    }

    #[test]
    fn relays_that_do_not_serve_are_to_be_looked_at() {
        for standing in [RelayStanding::Silent, RelayStanding::Refusing(RelayRefusal::Full)] {
            let why = explain(&carol(), both(CandidateResult::Waiting), &with_relay(standing));
            assert_eq!(command(&why), Some("holloway relays"));
        }
    }

    #[test]
    fn a_peer_that_never_answered_although_there_are_relays_may_be_switched_off() {
        let mut ways = both(CandidateResult::Waiting);
        ways.push(way(behind(ALICE_AT), CandidateResult::Waiting));
        let mut own = network();
        own.snapshot.own_relay = Some(announcement());
        for network in [with_relay(RelayStanding::Home), own] {
            let why = explain(&carol(), ways.clone(), &network);
            assert_eq!(
                why.summary,
                "carol is not reached: it was tried by 2 addresses and 1 relay and has not answered."
            );
            assert_eq!(command(&why), None);
            assert!(why.advice.unwrap().what.contains("whether carol is switched on"));
        }
    }

    #[test]
    fn a_handshake_under_way_is_told_as_such() {
        let peer = PeerSnapshot { is_handshaking: true, ..carol() };
        let why = explain(&peer, vec![way(straight(CAROL_AT), CandidateResult::Waiting)], &network());
        assert_eq!(why.summary, "carol is not reached yet: it is being tried by 1 address.");
    }

    #[test]
    fn a_peer_with_a_control_connection_is_there_and_udp_is_in_question() {
        let peer = PeerSnapshot { is_neighbour: true, ..carol() };
        let why = explain(&peer, both(CandidateResult::Waiting), &with_relay(RelayStanding::Home));
        assert_eq!(command(&why), Some("holloway doctor"));
        let without_relay = explain(&peer, both(CandidateResult::Waiting), &network());
        assert_eq!(command(&without_relay), Some("holloway invite --right relay"));
    }

    #[test]
    fn a_peer_that_fell_silent_just_now_is_given_time_and_then_looked_for() {
        let silent_for = |seconds| PeerSnapshot {
            session: session(Duration::from_secs(seconds)),
            is_handshaking: true,
            ..carol_at(straight(CAROL_AT))
        };
        let ways = || vec![way(straight(CAROL_AT), CandidateResult::Silent)];
        let now = explain(&silent_for(29), ways(), &network());
        assert_eq!(now.advice, None);
        let later = explain(&silent_for(30), ways(), &network());
        assert!(
            later.summary.starts_with(
                "carol is not reached: it was reached straight at 203.0.113.7:42042, and does not answer there any \
                 more; its last word is 30 s old."
            ),
            "{}",
            later.summary
        );
        assert!(later.tried[0].words.ends_with("; packets still go this way, but no answer comes back any more."));
        assert!(later.advice.unwrap().what.contains("whether carol is switched on"));
    }

    #[test]
    fn a_peer_that_was_lost_with_its_keys_is_told_by_its_last_relay() {
        let peer = PeerSnapshot { session: None, ..carol_at(behind(ALICE_AT)) };
        let ways = vec![way(behind(ALICE_AT), CandidateResult::Silent)];
        let why = explain(&peer, ways, &with_relay(RelayStanding::Home));
        assert!(why.summary.contains("reached through the relay alice, and does not answer there any more. Every"));
        assert!(!why.tried[0].in_use);
    }

    #[test]
    fn a_peer_that_nothing_was_sent_to_is_not_reached_and_well() {
        let why = explain(&carol(), both(CandidateResult::Untried), &network());
        assert_eq!(why.summary, "carol is not reached: nothing was sent to it yet. The next packet begins a session.");
        assert_eq!(command(&why), Some("holloway ping carol"));
        let lapsed = PeerSnapshot { session: None, ..carol_at(straight(CAROL_AT)) };
        let why = explain(&lapsed, both(CandidateResult::Answered), &network());
        assert!(why.summary.contains("nothing was sent to it for a while"), "{}", why.summary);
    }

    #[test]
    fn a_session_that_waits_for_revocations_says_so() {
        let mut peer = carol_at(straight(CAROL_AT));
        peer.session.as_mut().unwrap().is_held = true;
        let why = explain(&peer, both(CandidateResult::Answered), &network());
        assert!(why.summary.ends_with(" Packets wait until both have told each other what is revoked."));
    }

    #[test]
    fn a_relay_is_shown_with_its_place_in_degrees_and_its_newest_load() {
        let network = with_relay(RelayStanding::Standby);
        let shown: Vec<_> = relays(&network).collect();
        let [relay] = shown.as_slice() else { panic!("one relay") };
        assert_eq!((relay.network.as_str(), relay.standing), ("home", doc::RelayStanding::Standby));
        assert_eq!((relay.rtt_ms, relay.announced.load_percent), (Some(1.2), 5));
        assert_eq!(relay.announced.place, Some(doc::Place { latitude: 45.5, longitude: -73.57 }));
        assert_eq!((relay.endpoint.as_deref(), &relay.why), (Some(ALICE_AT), &None));
        assert!(relay.current && !relay.announced.draining);
    }

    #[test]
    fn a_relay_that_does_not_serve_says_why() {
        for (refusal, part) in [
            (RelayRefusal::Full, "as many members"),
            (RelayRefusal::NotAMember, "does not know this machine"),
            (RelayRefusal::Draining, "about to stop"),
            (RelayRefusal::Quota, "this month"),
        ] {
            let status = relay_status(&relay(RelayStanding::Refusing(refusal)), &label("home"));
            assert_eq!(status.standing, doc::RelayStanding::Refusing);
            assert!(status.why.unwrap().contains(part));
        }
        let gone = RelaySnapshot { is_current: false, ..relay(RelayStanding::Silent) };
        assert!(relay_status(&gone, &label("home")).why.unwrap().contains("nor announce itself"));
    }

    #[test]
    fn this_machine_as_a_relay_is_shown_as_it_announces_itself() {
        assert_eq!(own_relay(&network()), None);
        let mut network = network();
        network.snapshot.own_relay = Some(RelayAnnouncement { state: RelayState::Draining, ..announcement() });
        let own = own_relay(&network).unwrap();
        assert_eq!((own.network.as_str(), own.announced.members, own.announced.draining), ("home", 12, true));
    }

    #[test]
    fn routes_lead_to_the_interface_straight_through_a_relay_or_nowhere() {
        let mut network = with_relay(RelayStanding::Home);
        network.snapshot.peers = vec![carol_at(straight(CAROL_AT)), carol_at(behind(ALICE_AT)), carol()];
        let routes = routes(&network);
        let vias: Vec<_> = routes.iter().map(|route| route.via).collect();
        use doc::RouteVia::{Direct, Interface, None as Nowhere, Relay};
        assert_eq!(vias, [Interface, Direct, Relay, Nowhere]);
        assert_eq!((routes[0].member.as_deref(), routes[0].interface.as_deref()), (None, Some("hollow0")));
        assert!(routes[0].destination.ends_with("/48") && routes[1].destination.ends_with("/128"));
        assert_eq!((routes[0].mtu, routes[1].mtu, routes[3].mtu), (Some(1440), Some(1400), None));
        assert_eq!((routes[1].endpoint.as_deref(), routes[2].relay.as_deref()), (Some(CAROL_AT), Some("alice")));
        network.interface = None;
        assert_eq!(super::routes(&network)[0].via, Nowhere);
    }

    #[test]
    fn the_port_to_forward_is_one_that_the_router_sees() {
        let mut network = network();
        assert_eq!(data_port(&network), Some(42042), "IPv4 comes first");
        network.data_listen.pop();
        assert_eq!(data_port(&network), Some(42050));
        network.data_listen = vec![address("127.0.0.1:9")];
        assert_eq!(data_port(&network), None);
    }
}
