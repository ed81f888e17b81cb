use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{
    ControlAddr, Digest, Domain, ENDPOINTS_MAX, Endpoint, EndpointAnnouncement, HOME_PEERS_MAX, Instant, NodeId, Now,
    Publication, PunchCall, RecordKind, SessionControl, Signed, UnixTime, is_dialable,
};

use super::Node;
use crate::output::{ControlCommand, LocalAddrs};
use crate::snapshot::Observation;

/// Changes within this span go into one announcement.
const SETTLE: Duration = Duration::from_millis(100);
/// How long an announcement holds, and
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// how often it is renewed without a change: records in the DHT are kept for an hour.
const RENEW: Duration = Duration::from_secs(45 * 60);
/// Members up to which everyone is told where we are. In a larger network that would cost each of them more than it is
/// worth: who wants to reach us finds us in the DHT.
const TOLD_TO_ALL_MAX: usize = 1024;

/// Members whose word about our own address is kept: the newest.
const OBSERVERS_MAX: usize = 4;
/// Home peers: members whom we keep a session with, so that they see our address and our NAT keeps its mapping.
const HOME_PEERS: usize = 2;
/// How often a home peer is pinged: below the 30 s after which the shortest-lived NATs forget (RFC 4787 REQ-5 asks
/// for two minutes, and many keep 30 s).
const KEEPALIVE: Duration = Duration::from_secs(20);

/// How often one caller may name endpoints that are not known yet: each gets a handshake message, whoever is there
/// (PROMISES case 34: one probe a second to an address that is not verified).
const CALLED_EVERY: Duration = Duration::from_secs(1);

/// Calls in a session in that time that may name further endpoints: one that moves learns in steps where it is.
const CALLS_AT_ONCE: u32 = 4;

/// What a call is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallCounts {
    /// All endpoints are probed.
    Fully,
    /// Those that were not known are: nowhere goes more than one probe a second because somebody says so.
    ForNews,
    /// Nothing.
    ForNothing,
}

/// Decides when this node says where it is, and what.
pub(super) struct Announcer {
    local: LocalAddrs,
    observed: BTreeMap<NodeId, (SocketAddr, Instant)>,
    /// The address that a router forwards to us.
    mapped: Option<SocketAddr>,
    due: Option<Instant>,
    keepalive_at: Instant,
    sequence: u64,
}

impl Announcer {
    pub(super) fn new(now: Now) -> Self {
        Self {
            local: LocalAddrs::default(),
            observed: BTreeMap::new(),
            mapped: None,
            due: None,
            keepalive_at: now.monotonic + KEEPALIVE,
            sequence: 0,
        }
    }

    /// Takes the machine's addresses; says whether those of the data path changed. The control plane may notice that the
    /// machine is elsewhere before anybody has looked where.
    pub(super) fn set_local(&mut self, local: LocalAddrs, now: Now) -> bool {
        let has_moved = self.local.data != local.data;
        if has_moved {
            self.observed.clear();
        }
        if self.local != local {
            self.local = local;
            if self.sequence == 0 && !self.local.control.is_empty() {
                // The first hello says where we are, so it is not waited for further changes.
                self.due = Some(now.monotonic);
            } else {
                self.announce_soon(now);
            }
        }
        has_moved
    }

    /// A router forwards this address to us, or none does any more.
    fn set_mapped(&mut self, mapped: Option<SocketAddr>, now: Now) {
        let mapped = mapped.filter(is_dialable).map(|address| Endpoint::udp(address).socket_addr());
        if self.mapped != mapped {
            self.mapped = mapped;
            self.announce_soon(now);
        }
    }

    pub(super) fn announce_soon(&mut self, now: Now) {
        let soon = now.monotonic + SETTLE;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// A member says at which address it saw us.
    pub(super) fn note_observed(&mut self, by: NodeId, address: SocketAddr, now: Now) {
        if !is_dialable(&address) {
            return;
        }
        let is_news = self.observed.values().all(|(known, _)| *known != address);
        self.observed.insert(by, (address, now.monotonic));
        while self.observed.len() > OBSERVERS_MAX {
            let oldest = self.observed.iter().min_by_key(|(_, (_, at))| *at).map(|(node, _)| *node);
            if let Some(oldest) = oldest {
                self.observed.remove(&oldest);
            }
        }
        if is_news && !self.local.data.contains(&address) {
            self.announce_soon(now);
        }
    }

    pub(super) fn observed(&self) -> Vec<SocketAddr> {
        let mut addresses: Vec<SocketAddr> = self.observed.values().map(|(address, _)| *address).collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// What others have seen, for people.
    pub(super) fn observations(&self, now: Now) -> Vec<Observation> {
        let observation = |(by, (address, at)): (&NodeId, &(SocketAddr, Instant))| Observation {
            by: *by,
            address: *address,
            age: now.monotonic.since(*at),
        };
        self.observed.iter().map(observation).collect()
    }

    /// Where we can be reached: what a router forwards first, then as seen by others, then our own addresses.
    pub(super) fn endpoints(&self) -> Vec<SocketAddr> {
        let own = self.local.data.iter().filter(|address| is_dialable(address));
        let own = own.map(|address| Endpoint::udp(*address).socket_addr());
        let mut endpoints = Vec::new();
        for address in self.mapped.into_iter().chain(self.observed()).chain(own) {
            if !endpoints.contains(&address) {
                endpoints.push(address);
            }
        }
        endpoints.truncate(ENDPOINTS_MAX);
        endpoints
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.into_iter().chain([self.keepalive_at]).min()
    }
}

impl Node {
    /// A router forwards this address to the data path, or, with `None`, none does any more.
    pub fn handle_port_mapping(&mut self, external: Option<SocketAddr>, now: Now) {
        self.announcer.set_mapped(external, now);
        self.settle(now);
    }

    pub(super) fn announcer_timeout(&mut self, now: Now) {
        if self.announcer.due.is_some_and(|due| due <= now.monotonic) {
            self.announce(now);
        }
        if self.announcer.keepalive_at <= now.monotonic {
            self.announcer.keepalive_at = now.monotonic + KEEPALIVE;
            for node in self.home_peers() {
                self.greet(&node, now);
            }
        }
    }

    /// Members that we dialled: they are the ones that we may be behind a NAT from.
    fn home_peers(&self) -> Vec<NodeId> {
        let mut peers = self.neighbours.admitted();
        peers.truncate(HOME_PEERS);
        peers
    }

    /// Pings a home peer inside its session: its answer says how it sees us, and our NAT keeps the mapping.
    pub(super) fn greet(&mut self, node: &NodeId, now: Now) {
        /// No ping of an operator's has this id.
        const GREETING: u64 = 0;
        let greeting = SessionControl::Ping { id: GREETING }.encode();
        self.device.send(node, RecordKind::Control, greeting, self.rng.as_mut(), now);
        self.path_sent(node, now);
    }

    /// Whether a new neighbour becomes a home peer.
    pub(super) fn is_home_peer(&self, node: &NodeId) -> bool {
        self.home_peers().contains(node)
    }

    /// Says where we are. What others know already is not said again before it is due.
    fn announce(&mut self, now: Now) {
        self.announcer.due = Some(now.monotonic + RENEW);
        let node = self.identity.node_id();
        let control = self.announcer.local.control.iter().take(ENDPOINTS_MAX).map(one_spelling).collect();
        let mut home_peers = self.neighbours.admitted();
        home_peers.truncate(HOME_PEERS_MAX);
        let announcement = EndpointAnnouncement {
            node,
            sequence: next_sequence(self.last_sequence(), now),
            expires: now.unix + LIFETIME,
            endpoints: self.announcer.endpoints(),
            control,
            home_peers,
            relays: self.home_relays(),
        };
        if self.roster.endpoints(&node).is_some_and(|held| says_the_same(held, &announcement)) {
            return;
        }
        self.announcer.sequence = announcement.sequence;
        let signed = Signed::sign(announcement, &self.identity.key, &self.identity.network);
        let publication = Publication::Endpoints(signed);
        let key = record_key(&self.identity.network, &node);
        self.outputs.push_back(super::Output::Control(ControlCommand::PutRecord { key, value: publication.encode() }));
        if self.roster.members().count() <= TOLD_TO_ALL_MAX {
            self.publish(&publication, now);
        } else if let Err(reason) = self.roster.offer(&publication, now) {
            tracing::warn!(%reason, "own announcement does not hold");
        }
    }

    /// An announcement of our own came from elsewhere: of an earlier start, whose clock was ahead or whose disk was
    /// not quick enough. It must not stand if it is not true.
    pub(super) fn own_announcement_came(&mut self, now: Now) {
        if self.last_sequence() > self.announcer.sequence {
            self.announcer.announce_soon(now);
        }
    }

    fn last_sequence(&self) -> u64 {
        let stored = self.roster.endpoints(&self.identity.node_id()).map_or(0, |own| own.sequence);
        stored.max(self.announcer.sequence)
    }

    /// Takes a publication of our own in, and tells everyone.
    pub(super) fn publish(&mut self, publication: &Publication, now: Now) {
        let body = publication.encode();
        match self.roster.offer(publication, now) {
            Ok(_) => self.outputs.push_back(super::Output::Control(ControlCommand::Publish { body })),
            Err(reason) => tracing::warn!(%reason, "own publication does not hold"),
        }
    }

    /// Calls a peer through the control plane: it should send to us while we send to it.
    pub(super) fn call(&mut self, node: NodeId, now: Now) {
        if self.neighbours.admitted().is_empty() {
            return;
        }
        let call =
            PunchCall { from: self.identity.node_id(), to: node, at: now.unix, endpoints: self.announcer.endpoints() };
        let signed = Signed::sign(call, &self.identity.key, &self.identity.network);
        self.neighbours.call(&signed, &self.roster, now.monotonic);
    }

    /// A peer calls us: we try as well.
    pub(super) fn called(&mut self, call: &Signed<PunchCall>, now: Now) {
        let PunchCall { from, at, endpoints, .. } = call.value();
        let ahead = now.unix + self.settings.max_clock_skew;
        let is_old = |greatest: &UnixTime| at <= greatest && *greatest <= ahead;
        let is_stranger = self.roster.member(from).is_none() || self.roster.is_blocked(from);
        if is_stranger || self.greatest_calls.get(from).is_some_and(is_old) {
            return;
        }
        self.greatest_calls.insert(*from, *at);
        let is_live = self.has_live_session(from, now);
        if self.call_counts(from, now) == CallCounts::Fully {
            self.agent(*from).add_called(endpoints);
        }
        let agent = self.agent(*from);
        if is_live {
            let probes = agent.probe_all(now.monotonic);
            self.path_outputs(from, probes, now);
        } else {
            self.device.renew(from, self.rng.as_mut(), now);
            self.try_new_endpoints(from, now);
        }
    }

    /// What a call counts for now, as its caller's turn.
    pub(super) fn call_counts(&mut self, from: &NodeId, now: Now) -> CallCounts {
        let (since, calls) = self.calls_acted_on.entry(*from).or_insert((now.monotonic, 0));
        if now.monotonic.since(*since) >= CALLED_EVERY {
            (*since, *calls) = (now.monotonic, 0);
        }
        *calls = calls.saturating_add(1);
        match *calls {
            1 => CallCounts::Fully,
            2..=CALLS_AT_ONCE => CallCounts::ForNews,
            _ => CallCounts::ForNothing,
        }
    }

    /// Endpoints that became known while a handshake is under way are tried at once: the peer may be sending already.
    pub(super) fn try_new_endpoints(&mut self, node: &NodeId, now: Now) {
        let Some(agent) = self.paths.get_mut(node).filter(|_| self.device.is_attempting(node)) else {
            return;
        };
        for endpoint in agent.untried(now.monotonic) {
            self.device.attempt_at(node, endpoint);
        }
    }

    /// Looks for a peer's record in the DHT.
    pub(super) fn look_up(&mut self, node: &NodeId) {
        let id = self.neighbours.next_request_id();
        let key = record_key(&self.identity.network, node);
        self.outputs.push_back(super::Output::Control(ControlCommand::FindRecord { id, key }));
    }
}

/// The sequence of our next publication: the wall clock or one more than the last, unless our clock was far ahead when
/// that was made. Nobody has taken it then.
pub(super) fn next_sequence(last: u64, now: Now) -> u64 {
    /// As far as others take a publication that is dated ahead (ARCHITECTURE §5 "Times and limits").
    const AHEAD_MAX: Duration = Duration::from_secs(60);
    let was_ahead = UnixTime::from_nanos(last) > now.unix + AHEAD_MAX;
    if was_ahead { now.unix.as_nanos() } else { now.unix.as_nanos().max(last.saturating_add(1)) }
}

/// An address in the one spelling in which it travels.
fn one_spelling(address: &ControlAddr) -> ControlAddr {
    let canonical = Endpoint::udp(*address.socket_addr()).socket_addr();
    match address {
        ControlAddr::Tcp(_) => ControlAddr::Tcp(canonical),
        ControlAddr::Quic(_) => ControlAddr::Quic(canonical),
    }
}

/// Whether an announcement says nothing but what one of not long before said.
fn says_the_same(held: &EndpointAnnouncement, new: &EndpointAnnouncement) -> bool {
    let is_recent = held.expires + RENEW > new.expires;
    let found = |said: &EndpointAnnouncement| (said.endpoints.clone(), said.control.clone());
    let helped = |said: &EndpointAnnouncement| (said.home_peers.clone(), said.relays.clone());
    is_recent && found(held) == found(new) && helped(held) == helped(new)
}

/// Where a node's record is found in the DHT.
fn record_key(network: &holloway_wire::NetworkId, node: &NodeId) -> [u8; 32] {
    Digest::of(Domain::Record, &[network.as_bytes(), node.as_bytes()]).0
}

const _: () = assert!(UnixTime::from_secs(1).as_nanos() == 1_000_000_000, "sequences are wall-clock nanoseconds");
