//! Relays: members that pass sealed datagrams on between those who cannot reach each other.
//!
//! [`Relays`] keeps the relays that are known, up to [`RELAYS_MAX`], by what they announce of themselves, measures how
//! far they are, and registers with the nearest, the *home relay*, and with the next, the *standby*: both are announced,
//! so that peers find us there. To reach a peer it registers with the relays that the peer announces for as long as they
//! are in use, asks each for a channel, and says which endpoint the peer has then.
//!
//! Where no relay answers to datagrams, it has a stream opened to one or two and goes on over that, as if the relay were
//! at the address that the stream is lent; it stays asking for the straight way, and takes it as soon as there is one.
//!
//! It does not know what is sent through a relay, nor whether there is a better way to a peer.

mod bindings;
mod detour;
mod links;
mod registration;
mod snapshot;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{
    Endpoint, FromRelay, HOME_RELAYS_MAX, IdentityKey, Instant, Label, MembershipCertificate, NetworkId, NodeId, Now,
    RELAYS_MAX, RegistrationId, RelayAnnouncement, RelayChannel, RelayRegistration, RelayState, Rights, SecureRng,
    Signed, ToRelay, UnixTime, is_dialable, random_bytes,
};

use crate::output::Verdict;
use crate::roster::Roster;

use bindings::{Bindings, Bound};
use detour::Detour;
use links::Links;
pub use links::RelayNews;
use registration::{Registration, Step, Wish};
pub use snapshot::{RelaySnapshot, RelayStanding};

/// A relay takes the home relay's place when its round trip is at most this share of the home relay's, and
const NEARER_PERCENT: u32 = 75;
/// shorter by at least this much: below it the difference is noise.
const NEARER_BY: Duration = Duration::from_millis(5);

/// A relay that does this much of what it can is left for another, and
const BUSY_PERCENT: u8 = 90;
/// one that does this much is not gone to.
const BUSY_AGAIN_PERCENT: u8 = 70;

/// How often the distance to every known relay is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(300);

/// How often it is looked which relays are to be measured.
const CHOOSE_EVERY: Duration = Duration::from_secs(30);

/// Relays measured at once: a home router sees a handful of new mappings, no storm.
const MEASURED_AT_ONCE: usize = 4;

/// A relay that is registered with for the sake of a peer is left when nothing was sent through it for this long.
const UNUSED_MAX: Duration = Duration::from_secs(300);

/// Peers that channels are kept to.
const WANTED_MAX: usize = 256;

/// Relays registered with for the sake of peers.
const VISITED_MAX: usize = 8;

/// An announcement that is older than its end by up to this much still says where a relay might be found.
const STALE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest time that an announcement may hold (ARCHITECTURE §5: every 30 s, gone after 60 s more; with thousands of
/// relays less often).
const LIFETIME_MAX: Duration = Duration::from_secs(3 * 3600);

/// How far ahead of our clock a relay's may be (ARCHITECTURE §5 "stored publications").
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// How often a neighbour is asked for relays: while there is none to use, and else.
const ASK_EVERY_WITHOUT: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_secs(300);

/// What the parent lends for the moment of an input.
pub(crate) struct Context<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) key: &'a IdentityKey,
    pub(crate) network: &'a NetworkId,
    /// Our certificate and its parents.
    pub(crate) chain: &'a [MembershipCertificate],
    pub(crate) rng: &'a mut dyn SecureRng,
    pub(crate) now: Now,
}

/// What is wanted done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RelaysOutput {
    /// Send this to a relay.
    Send { to: SocketAddr, message: ToRelay },
    /// The relays that we can be found at are others now.
    HomesChanged,
    /// A relay sees us at this address.
    Observed { relay: NodeId, address: SocketAddr },
    /// A peer can be reached here.
    Reachable { node: NodeId, endpoint: Endpoint },
    /// This endpoint leads nowhere any more.
    Unreachable { endpoint: Endpoint },
    /// What was sent to the first address of a relay goes to the second from now on.
    Moved { from: SocketAddr, to: SocketAddr },
    /// Open a stream to a relay, at one of these addresses, and answer with [`Relays::handle_stream`].
    OpenStream { relay: NodeId, addresses: Vec<SocketAddr> },
    /// Close the stream to a relay.
    CloseStream { relay: NodeId },
    /// Tell this to the relay of this machine.
    News(RelayNews),
    /// Ask this neighbour which relays it knows, or any.
    Ask { node: Option<NodeId> },
}

/// How a relay is spoken with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Datagrams,
    Stream,
}

struct Relay {
    announcement: Signed<RelayAnnouncement>,
    /// By datagrams.
    registration: Registration,
    /// By a stream.
    detour: Detour,
    bindings: Bindings,
    /// Something was sent through it, or is to be, until then.
    in_use_until: Option<Instant>,
}

impl Relay {
    fn endpoints(&self) -> Vec<SocketAddr> {
        self.announcement.value().endpoints.iter().filter(|address| is_dialable(address)).copied().collect()
    }

    fn stream_addresses(&self) -> Vec<SocketAddr> {
        let announcement = self.announcement.value();
        let Some(port) = announcement.stream_port else {
            return Vec::new();
        };
        let mut addresses: Vec<SocketAddr> =
            self.endpoints().iter().map(|endpoint| SocketAddr::new(endpoint.ip(), port)).collect();
        addresses.dedup();
        addresses
    }

    /// Our registration, by whichever way, and where the relay is then.
    fn registered(&self) -> Option<(RegistrationId, SocketAddr)> {
        self.registration.registered().or_else(|| self.detour.registered())
    }

    /// What it is to us by the way that works.
    fn standing(&self) -> &Registration {
        match self.detour.registration() {
            Some(by_stream) if !self.registration.is_good() => by_stream,
            Some(_) | None => &self.registration,
        }
    }

    fn is_usable(&self) -> bool {
        let is_open = self.announcement.value().state == RelayState::Open;
        self.standing().is_good() && !self.standing().is_draining() && is_open
    }

    /// Whether it has so much to do that one that is farther serves better. Who is with it stays a little longer, so that
    /// not all go to and fro.
    fn is_busy(&self, is_home: bool) -> bool {
        let load = self.standing().load().unwrap_or(self.announcement.value().load);
        load.percent() >= if is_home { BUSY_PERCENT } else { BUSY_AGAIN_PERCENT }
    }

    fn is_at(&self, address: &SocketAddr) -> bool {
        self.registration.endpoint() == Some(*address) || self.detour.at() == Some(*address)
    }

    fn by(&mut self, way: Way) -> Option<&mut Registration> {
        match way {
            Way::Datagrams => Some(&mut self.registration),
            Way::Stream => self.detour.registration_mut(),
        }
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.in_use_until.is_some_and(|until| until > now)
    }
}

/// Someone to be reached through relays.
struct Wanted {
    relays: Vec<NodeId>,
    until: Instant,
}

/// The relays that this node knows, and what they are to it.
#[derive(Default)]
pub(crate) struct Relays {
    known: BTreeMap<NodeId, Relay>,
    /// The home relay, then the standby.
    homes: Vec<NodeId>,
    wanted: BTreeMap<NodeId, Wanted>,
    ask_at: Option<Instant>,
    asked: Option<Instant>,
    choose_at: Option<Instant>,
    /// Where this machine is a relay itself.
    links: Option<Links>,
    outputs: VecDeque<RelaysOutput>,
}

impl Relays {
    pub(crate) fn poll_output(&mut self) -> Option<RelaysOutput> {
        self.outputs.pop_front()
    }

    /// The relays that we can be found at, the home relay first.
    pub(crate) fn homes(&self) -> Vec<NodeId> {
        let is_registered = |node: &&NodeId| self.known.get(node).is_some_and(|relay| relay.registered().is_some());
        self.homes.iter().filter(is_registered).copied().collect()
    }

    /// Whether we are registered with the relay at an address: nobody else has frames for us.
    pub(crate) fn is_registered_at(&self, address: &SocketAddr) -> bool {
        let is_there = |registration: &Registration| registration.registered().is_some_and(|(_, at)| at == *address);
        let by_stream = |relay: &Relay| relay.detour.registration().is_some_and(is_there);
        self.known.values().any(|relay| is_there(&relay.registration) || by_stream(relay))
    }

    /// The name of the relay that an endpoint is behind.
    pub(crate) fn name_behind(&self, endpoint: &Endpoint) -> Option<Label> {
        let Endpoint::Relayed { relay: address, .. } = endpoint else {
            return None;
        };
        let relay = self.known.values().find(|relay| relay.is_at(address))?;
        Some(relay.announcement.value().name.clone())
    }

    /// The names of the relays that the way to a peer leads over after the one that an endpoint is behind: on the way that
    /// we have asked for. The peer's own way to us is another circuit, over the same relays as a rule.
    pub(crate) fn route_behind(&self, peer: &NodeId, endpoint: &Endpoint) -> Vec<Label> {
        let Endpoint::Relayed { relay: address, .. } = endpoint else {
            return Vec::new();
        };
        let relay = self.known.values().find(|relay| relay.is_at(address));
        let route = relay.and_then(|relay| relay.bindings.route(peer)).unwrap_or_default();
        let name = |node: &NodeId| self.known.get(node).map(|relay| relay.announcement.value().name.clone());
        route.iter().filter_map(name).collect()
    }

    /// What others may be told: the newest words of the relays that are there, the nearest first.
    pub(crate) fn announcements(&self, now: UnixTime) -> Vec<Signed<RelayAnnouncement>> {
        let is_told = |relay: &&Relay| is_of_use(relay.announcement.value(), now);
        let mut told: Vec<&Relay> = self.known.values().filter(is_told).collect();
        told.sort_by_key(|relay| relay.standing().rtt().unwrap_or(Duration::MAX));
        told.into_iter().map(|relay| relay.announcement.clone()).collect()
    }

    /// A relay speaks of itself; `is_gossip` where that must be of this minute.
    pub(crate) fn handle_announcement(
        &mut self,
        signed: &Signed<RelayAnnouncement>,
        is_gossip: bool,
        context: &mut Context<'_>,
    ) -> Verdict {
        let announcement = signed.value();
        let (node, now) = (announcement.node, context.now.unix);
        if node == context.key.node_id() {
            return Verdict::Ignore;
        }
        let ahead = now + AHEAD_MAX;
        let is_early =
            announcement.expires > ahead + LIFETIME_MAX || UnixTime::from_nanos(announcement.sequence) > ahead;
        let is_late = if is_gossip { announcement.expires <= now } else { !is_of_use(announcement, now) };
        let is_relay = context.roster.member(&node).is_some_and(|member| member.rights.contains(Rights::RELAY));
        if is_early || is_late || !is_relay || context.roster.is_blocked(&node) {
            return Verdict::Ignore;
        }
        let is_newer = |held: &Relay| announcement.sequence > held.announcement.value().sequence;
        if !self.known.get(&node).is_none_or(is_newer) {
            return Verdict::Ignore;
        }
        if !signed.verify(context.network) {
            return Verdict::Reject;
        }
        self.take(signed.clone(), context);
        Verdict::Accept
    }

    fn take(&mut self, announcement: Signed<RelayAnnouncement>, context: &mut Context<'_>) {
        let node = announcement.value().node;
        self.heard(announcement.value());
        if let Some(relay) = self.known.get_mut(&node) {
            if relay.announcement.value().endpoints != announcement.value().endpoints {
                relay.registration.doubt(context.now.monotonic);
            }
            relay.announcement = announcement;
        } else if self.make_room(context.now) {
            let relay = Relay {
                announcement,
                registration: Registration::new(),
                detour: Detour::new(),
                bindings: Bindings::default(),
                in_use_until: None,
            };
            self.known.insert(node, relay);
        } else {
            return;
        }
        self.renew_wanted(context.now.monotonic);
        self.choose(context);
    }

    /// Makes room for a relay that was heard of: the one that is of the least use goes, if any is of none.
    fn make_room(&mut self, now: Now) -> bool {
        if self.known.len() < self.capacity() {
            return true;
        }
        let is_idle =
            |relay: &Relay| relay.registered().is_none() && !relay.detour.is_open() && !relay.is_in_use(now.monotonic);
        let worst = self.known.iter().filter(|(_, relay)| is_idle(relay)).max_by_key(|(_, relay)| {
            let is_gone = relay.announcement.value().expires <= now.unix;
            (is_gone, relay.registration.has_failed(), relay.registration.rtt())
        });
        let Some(worst) = worst.map(|(node, _)| *node) else {
            return false;
        };
        self.known.remove(&worst);
        true
    }

    /// A node is no member any more, or may not relay.
    pub(crate) fn handle_left(&mut self, node: &NodeId, context: &mut Context<'_>) {
        self.wanted.remove(node);
        let Some(relay) = self.known.remove(node) else {
            return;
        };
        self.lose(relay, context.now.monotonic);
        self.choose(context);
    }

    fn lose(&mut self, mut relay: Relay, now: Instant) {
        if relay.detour.is_open() {
            let node = relay.announcement.value().node;
            self.outputs.push_back(RelaysOutput::CloseStream { relay: node });
        }
        let Some((_, at)) = relay.registered() else {
            return;
        };
        for channel in relay.bindings.lose(now) {
            self.outputs.push_back(RelaysOutput::Unreachable { endpoint: Endpoint::relayed(at, channel) });
        }
    }

    /// A neighbour can be asked.
    pub(crate) fn handle_neighbour(&mut self, node: NodeId, now: Instant) {
        if self.known.len() < self.capacity() {
            self.outputs.push_back(RelaysOutput::Ask { node: Some(node) });
        }
        self.ask_at.get_or_insert(now + ASK_EVERY_WITHOUT);
    }

    /// This machine is somewhere else now, perhaps.
    pub(crate) fn handle_network_change(&mut self, context: &mut Context<'_>) {
        for relay in self.known.values_mut() {
            relay.registration.handle_network_change(context.now.monotonic);
        }
        self.handle_timeout(context);
    }

    /// Someone is to be reached who announces these relays; without any, through ours.
    pub(crate) fn want(&mut self, peer: NodeId, announced: &[NodeId], context: &mut Context<'_>) {
        let until = context.now.monotonic + UNUSED_MAX;
        let own = self.homes();
        let relays = if announced.is_empty() { own } else { announced.to_vec() };
        let now = context.now.monotonic;
        let is_unknown = |relay: &NodeId| !self.known.contains_key(relay) && *relay != context.key.node_id();
        if relays.iter().any(is_unknown) && self.may_ask(now) {
            self.outputs.push_back(RelaysOutput::Ask { node: None });
        }
        if self.wanted.len() >= WANTED_MAX && !self.wanted.contains_key(&peer) {
            let oldest = self.wanted.iter().min_by_key(|(_, wanted)| wanted.until).map(|(node, _)| *node);
            oldest.map(|oldest| self.wanted.remove(&oldest));
        }
        self.wanted.insert(peer, Wanted { relays, until });
        for relay in self.known.values_mut() {
            relay.bindings.handle_unanswered(&peer, draw(context.rng), now);
        }
        self.renew_wanted(context.now.monotonic);
        self.choose(context);
    }

    /// Whether neighbours may be asked for relays now, which counts as done.
    fn may_ask(&mut self, now: Instant) -> bool {
        let may = self.asked.is_none_or(|asked| now.since(asked) >= ASK_EVERY_WITHOUT);
        if may {
            self.asked = Some(now);
        }
        may
    }

    /// A peer has found a way to us through a relay: ours to it is asked for soon.
    pub(crate) fn handle_found_by(&mut self, peer: &NodeId, endpoint: &Endpoint, now: Instant) {
        let at = endpoint.socket_addr();
        if let Some(relay) = self.known.values_mut().find(|relay| relay.is_at(&at)) {
            relay.bindings.handle_present(peer, now);
        }
    }

    /// Something was sent to a peer through a relay.
    pub(crate) fn handle_used(&mut self, peer: &NodeId, endpoint: &Endpoint, now: Instant) {
        let until = now + UNUSED_MAX;
        if let Some(wanted) = self.wanted.get_mut(peer) {
            wanted.until = until;
        }
        let at = endpoint.socket_addr();
        if let Some(relay) = self.known.values_mut().find(|relay| relay.is_at(&at)) {
            relay.in_use_until = Some(until);
        }
    }

    /// A path through a relay is silent: the relay may be gone.
    pub(crate) fn handle_silent(&mut self, endpoint: &Endpoint, context: &mut Context<'_>) {
        let (at, now) = (endpoint.socket_addr(), context.now.monotonic);
        if let Some(relay) = self.known.values_mut().find(|relay| relay.is_at(&at)) {
            let way = if relay.detour.at() == Some(at) { Way::Stream } else { Way::Datagrams };
            if let Some(registration) = relay.by(way) {
                registration.doubt(now);
            }
            if let Endpoint::Relayed { channel, .. } = endpoint {
                relay.bindings.doubt(*channel, draw(context.rng), now);
            }
        }
        self.handle_timeout(context);
    }

    /// Somebody looks at the relays.
    pub(crate) fn handle_watched(&mut self, now: Instant) {
        self.known.values_mut().for_each(|relay| relay.registration.handle_watched(now));
    }

    /// A straight path is silent: it may be the network that this machine is in, and then relays are silent, too.
    pub(crate) fn handle_doubt(&mut self, context: &mut Context<'_>) {
        for node in &self.homes {
            if let Some(relay) = self.known.get_mut(node) {
                relay.registration.doubt(context.now.monotonic);
            }
        }
        self.handle_timeout(context);
    }

    /// Whether a peer is to be reached through relays.
    pub(crate) fn is_wanted(&self, peer: &NodeId) -> bool {
        self.wanted.contains_key(peer)
    }

    /// A peer announces other relays.
    pub(crate) fn handle_moved(&mut self, peer: &NodeId, announced: &[NodeId], context: &mut Context<'_>) {
        let Some(wanted) = self.wanted.get_mut(peer).filter(|wanted| wanted.relays != announced) else {
            return;
        };
        if !announced.is_empty() {
            wanted.relays = announced.to_vec();
            self.renew_wanted(context.now.monotonic);
            self.choose(context);
        }
    }

    /// Keeps the relays in use by which wanted peers are reached, and has channels asked for.
    fn renew_wanted(&mut self, now: Instant) {
        self.wanted.retain(|_, wanted| wanted.until > now);
        for wanted in self.wanted.values() {
            for node in &wanted.relays {
                if let Some(relay) = self.known.get_mut(node) {
                    relay.in_use_until = relay.in_use_until.max(Some(wanted.until));
                }
            }
        }
        let wanted = &self.wanted;
        for (node, relay) in &mut self.known {
            // Our own relays may lead there whichever the peer's are.
            let is_home = self.homes.contains(node);
            relay.bindings.retain(|peer| wanted.get(peer).is_some_and(|at| is_home || at.relays.contains(node)));
        }
    }

    /// Something from a relay.
    pub(crate) fn handle_message(&mut self, from: SocketAddr, message: &FromRelay, context: &mut Context<'_>) -> bool {
        let is_its = |relay: &Relay| relay.is_at(&from) || relay.announcement.value().endpoints.contains(&from);
        // Two relays may announce one address; the ids tell for which of them an answer is.
        let relays: Vec<NodeId> = self.known.iter().filter(|(_, relay)| is_its(relay)).map(|(node, _)| *node).collect();
        for node in &relays {
            self.message(*node, from, message, context);
        }
        self.choose(context);
        !relays.is_empty()
    }

    fn message(&mut self, node: NodeId, from: SocketAddr, message: &FromRelay, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        let Some(relay) = self.known.get_mut(&node) else {
            return;
        };
        let registered_at = relay.registered().map(|(_, at)| at).filter(|at| *at == from);
        let way = if relay.detour.at() == Some(from) { Way::Stream } else { Way::Datagrams };
        let Some(registration) = relay.by(way) else {
            return;
        };
        let steps = match *message {
            FromRelay::Challenge { id, challenge, observed } => {
                registration.handle_challenge(from, id, challenge, observed, now)
            }
            FromRelay::Registered { id, registration: own, state, resumed, .. } => {
                registration.handle_registered(from, id, own, (state, resumed), now)
            }
            FromRelay::Refused { id, refusal } => registration.handle_refused(from, id, refusal, now),
            FromRelay::Pong { id, observed, load, state } => {
                registration.handle_pong(from, id, observed, (load, state), now)
            }
            FromRelay::Bound { id, node: peer, channel, ref route } => {
                let bound = Bound { channel, route: route.clone() };
                if let Some(at) = registered_at
                    && let Some(before) = relay.bindings.handle_bound(&peer, id, &bound, now)
                {
                    let endpoint = Endpoint::relayed(at, channel);
                    self.outputs.push_back(RelaysOutput::Reachable { node: peer, endpoint });
                    self.unreachable(at, before);
                }
                Vec::new()
            }
            FromRelay::Unbound { id, node: peer } => {
                let lost = relay.bindings.handle_unbound(&peer, id, now);
                registered_at.into_iter().for_each(|at| self.unreachable(at, lost));
                Vec::new()
            }
            // For the relay of a machine that is one.
            FromRelay::Extended { .. } => Vec::new(),
            FromRelay::Gone { channel } => {
                self.gone(node, registered_at, channel, now);
                Vec::new()
            }
        };
        self.steps(node, way, steps, context);
    }

    fn gone(&mut self, node: NodeId, registered_at: Option<SocketAddr>, channel: RelayChannel, now: Instant) {
        if let Some(at) = registered_at
            && let Some(relay) = self.known.get_mut(&node)
        {
            relay.bindings.handle_gone(channel, now);
            self.unreachable(at, Some(channel));
        }
    }

    fn unreachable(&mut self, at: SocketAddr, channels: impl IntoIterator<Item = RelayChannel>) {
        let endpoints = channels.into_iter().map(|channel| Endpoint::relayed(at, channel));
        self.outputs.extend(endpoints.map(|endpoint| RelaysOutput::Unreachable { endpoint }));
    }

    /// Does what a registration wants.
    fn steps(&mut self, node: NodeId, way: Way, steps: Vec<Step>, context: &mut Context<'_>) {
        let mut queue = VecDeque::from(steps);
        while let Some(step) = queue.pop_front() {
            match step {
                Step::Send(to, message) => self.outputs.push_back(RelaysOutput::Send { to, message }),
                Step::Observed(address) => {
                    self.outputs.push_back(RelaysOutput::Observed { relay: node, address });
                }
                Step::Sign { challenge, observed } => {
                    let body = RelayRegistration { node: context.key.node_id(), relay: node, challenge, observed };
                    let registration = Signed::sign(body, context.key, context.network);
                    let certificates = context.chain.to_vec();
                    let message = ToRelay::Answer { id: 0, registration, certificates };
                    if let Some(registration) = self.known.get_mut(&node).and_then(|relay| relay.by(way)) {
                        queue.extend(registration.handle_signed(message, context.rng, context.now.monotonic));
                    }
                }
                Step::Registered(at) => self.registered(&node, way, at, context.now.monotonic),
                Step::Lost => self.lost(node, way, context.now.monotonic),
                Step::Slow | Step::Failed if way == Way::Datagrams => self.take_detour(node, context.now.monotonic),
                Step::Measured | Step::Slow | Step::Failed => {}
            }
        }
    }

    fn registered(&mut self, node: &NodeId, way: Way, at: SocketAddr, now: Instant) {
        tracing::debug!(relay = %node.short(), ?way, "registered");
        if let Some(relay) = self.known.get_mut(node)
            && way == Way::Datagrams
        {
            let by_stream = relay.detour.registered().map(|(_, at)| at);
            if relay.detour.close() {
                self.outputs.extend(by_stream.map(|from| RelaysOutput::Moved { from, to: at }));
                self.outputs.push_back(RelaysOutput::CloseStream { relay: *node });
            }
        }
        // What was sent through it until now may have come before it knew where we are.
        if let Some(relay) = self.known.get_mut(node) {
            relay.bindings.handle_registered(now);
            let channels = relay.bindings.channels();
            let reachable =
                |(node, channel)| RelaysOutput::Reachable { node, endpoint: Endpoint::relayed(at, channel) };
            self.outputs.extend(channels.map(reachable));
        }
        self.changed_homes(node);
    }

    fn lost(&mut self, node: NodeId, way: Way, now: Instant) {
        tracing::debug!(relay = %node.short(), ?way, "the registration is gone");
        let at = self.known.get_mut(&node).and_then(|relay| match way {
            Way::Datagrams => relay.registration.endpoint(),
            Way::Stream => relay.detour.at(),
        });
        if let Some(at) = at {
            self.forget_channels(node, at, now);
        }
        self.link_lost(node);
        if way == Way::Datagrams {
            self.take_detour(node, now);
        }
    }

    fn forget_channels(&mut self, node: NodeId, at: SocketAddr, now: Instant) {
        if let Some(relay) = self.known.get_mut(&node) {
            let lost = relay.bindings.lose(now);
            self.unreachable(at, lost);
        }
        self.changed_homes(&node);
    }

    fn changed_homes(&mut self, node: &NodeId) {
        if self.homes.contains(node) {
            self.outputs.push_back(RelaysOutput::HomesChanged);
        }
    }

    /// Chooses home relay and standby anew, and begins what is lacking.
    fn choose(&mut self, context: &mut Context<'_>) {
        let before = std::mem::take(&mut self.homes);
        let rank = |(node, relay): (&NodeId, &Relay)| {
            let is_busy = relay.is_busy(before.contains(node));
            (is_busy, relay.standing().rtt().unwrap_or(Duration::MAX), *node)
        };
        let mut usable: Vec<(bool, Duration, NodeId)> =
            self.known.iter().filter(|(_, relay)| relay.is_usable()).map(rank).collect();
        usable.sort();
        self.choose_links(&usable);
        for place in 0..HOME_RELAYS_MAX {
            let Some((best_is_busy, best, nearest)) = usable.first().copied() else { break };
            let is_much_nearer = |rtt: Duration| {
                best.saturating_add(NEARER_BY) <= rtt && best <= rtt.saturating_mul(NEARER_PERCENT) / 100
            };
            let held = before.get(place).and_then(|held| usable.iter().find(|(_, _, node)| node == held)).copied();
            let chosen = match held {
                Some((is_busy, rtt, held)) if is_busy == best_is_busy && !is_much_nearer(rtt) => held,
                Some(_) | None => nearest,
            };
            usable.retain(|(_, _, node)| *node != chosen);
            self.homes.push(chosen);
        }
        self.choose_at = (!self.known.is_empty()).then(|| context.now.monotonic + CHOOSE_EVERY);
        if self.homes != before {
            self.outputs.push_back(RelaysOutput::HomesChanged);
        }
        self.begin(context);
    }

    /// Begins registrations and measurements that are due.
    fn begin(&mut self, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        let asking = self.known.values().filter(|relay| relay.registration.is_asking()).count();
        let mut room = MEASURED_AT_ONCE.saturating_sub(asking);
        let visited = self.visited(now);
        let links = self.nearest_links();
        let mut begun = Vec::new();
        for (node, relay) in &mut self.known {
            let is_home = self.homes.contains(node);
            let is_due = relay.registration.measured().is_none_or(|at| now.since(at) >= MEASURE_EVERY);
            let wish = match (is_home || visited.contains(node) || links.contains(node), is_due) {
                (true, _) => Wish::Register,
                (false, true) => Wish::Measure,
                (false, false) => Wish::Nothing,
            };
            relay.registration.set_wish(wish);
            let at: Vec<SocketAddr> = relay.detour.at().into_iter().collect();
            if let Some(by_stream) = relay.detour.registration_mut() {
                by_stream.set_wish(Wish::Register);
                begun.push((*node, Way::Stream, by_stream.begin(&at, context.rng, now)));
            }
            if wish == Wish::Register || (wish == Wish::Measure && room > 0) {
                let steps = relay.registration.begin(&relay.endpoints(), context.rng, now);
                room -= usize::from(wish == Wish::Measure && !steps.is_empty());
                begun.push((*node, Way::Datagrams, steps));
            }
        }
        for (node, way, steps) in begun {
            self.steps(node, way, steps, context);
        }
        self.bind(context);
        self.tell_links();
    }

    /// Asks for the channels that are lacking.
    fn bind(&mut self, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        // Whom we do not get to by its own relays, as they do not answer, are full or unknown: ours may have a way there.
        let is_barred = |relay: &NodeId| self.known.get(relay).is_none_or(|relay| relay.standing().is_reluctant());
        let beyond: Vec<NodeId> = self
            .wanted
            .iter()
            .filter(|(_, wanted)| wanted.relays.iter().all(is_barred))
            .map(|(peer, _)| *peer)
            .collect();
        let mut lost = Vec::new();
        for (node, relay) in &mut self.known {
            let Some((registration, at)) = relay.registered() else { continue };
            let is_home = self.homes.contains(node);
            for (peer, wanted) in &self.wanted {
                let leads_there = wanted.relays.contains(node) || (is_home && beyond.contains(peer));
                if leads_there && peer != node {
                    relay.bindings.want(*peer, draw(context.rng), now);
                }
            }
            let relays = |peer: &NodeId| self.wanted.get(peer).map(|wanted| wanted.relays.clone()).unwrap_or_default();
            let (questions, channels) = relay.bindings.handle_timeout(registration, now, || draw(context.rng), relays);
            self.outputs.extend(questions.into_iter().map(|message| RelaysOutput::Send { to: at, message }));
            lost.push((at, channels));
        }
        lost.into_iter().for_each(|(at, channels)| self.unreachable(at, channels));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let relays = self.known.values().flat_map(|relay| {
            let is_registered = relay.registered().is_some();
            let bindings = is_registered.then(|| relay.bindings.poll_timeout()).flatten();
            let in_use = relay.in_use_until.filter(|_| is_registered);
            let by_stream = relay.detour.registration().and_then(Registration::poll_timeout);
            [relay.registration.poll_timeout(), by_stream, bindings, in_use]
        });
        relays.flatten().chain(self.ask_at).chain(self.choose_at).min()
    }

    /// Harmless when called early or twice.
    pub(crate) fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        self.renew_wanted(now);
        let mut due = Vec::new();
        for (node, relay) in &mut self.known {
            relay.in_use_until = relay.in_use_until.filter(|until| *until > now);
            let endpoints = relay.endpoints();
            due.push((*node, Way::Datagrams, relay.registration.handle_timeout(&endpoints, context.rng, now)));
            let at: Vec<SocketAddr> = relay.detour.at().into_iter().collect();
            if let Some(by_stream) = relay.detour.registration_mut() {
                due.push((*node, Way::Stream, by_stream.handle_timeout(&at, context.rng, now)));
            }
        }
        for (node, way, steps) in due {
            self.steps(node, way, steps, context);
        }
        self.choose(context);
        if self.ask_at.is_some_and(|at| at <= now) {
            let every = if self.homes.is_empty() { ASK_EVERY_WITHOUT } else { ASK_EVERY };
            self.ask_at = Some(now + every);
            self.outputs.push_back(RelaysOutput::Ask { node: None });
        }
    }
}

fn draw(rng: &mut dyn SecureRng) -> u64 {
    u64::from_le_bytes(random_bytes(rng)).max(1)
}

/// Whether an announcement says where to try.
fn is_of_use(announcement: &RelayAnnouncement, now: UnixTime) -> bool {
    announcement.expires + STALE_MAX > now && announcement.state == RelayState::Open
}
