//! How members are reached, for people: relays, routes, and for one peer what was tried and what would help.
//!
//! Judges what a network's view says. It does not ask anybody, does not know what time it is, and keeps nothing.

mod listing;
mod netcheck;

use std::time::Duration;

use holloway_dashboard::api as doc;
use holloway_mesh::{CandidateKind, CandidateResult, PeerSnapshot, RelaySnapshot, RelayStanding};
use holloway_wire::{Endpoint, Label, Rights};

use super::engine::NetworkView;
use super::status::{is_stream, peer_status};

pub(crate) use listing::{own_relay, relays, routes};
pub(crate) use netcheck::netcheck;

/// A peer that fell silent this recently may be moving; what is known of it is being tried.
const MOVING_FOR: Duration = Duration::from_secs(30);

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
            endpoint: (!way.endpoint.is_relayed() && !is_stream(&way.endpoint)).then(|| way.endpoint.to_string()),
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
            (CandidateKind::Announced | CandidateKind::Called | CandidateKind::Seen, _) if is_stream(&way.endpoint) => {
                format!("{name} was seen over TCP")
            }
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
            (None, None) if self.status.path.kind == doc::PathKind::Direct => "straight over TCP".to_owned(),
            (None, Some(relay)) if self.status.path.further_relays.is_empty() => format!("through the relay {relay}"),
            (None, Some(relay)) => {
                format!("through the relays {relay} and {}", self.status.path.further_relays.join(" and "))
            }
            (None, None) => "through a relay".to_owned(),
        }
    }

    fn path_time(&self) -> String {
        self.peer.rtt.map_or_else(String::new, |rtt| format!(",{}", in_time(Some(rtt))))
    }

    fn last_words(&self) -> String {
        match self.last_way().map(|way| (way.endpoint, self.relay_of(&way.endpoint))) {
            Some((_, Some(relay))) => format!("through the relay {relay}"),
            Some((endpoint, None)) if endpoint.is_relayed() => "through a relay".to_owned(),
            Some((endpoint, None)) if is_stream(&endpoint) => "straight over TCP".to_owned(),
            Some((endpoint, None)) => format!("straight at {endpoint}"),
            None => "through a relay".to_owned(),
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
mod tests;
