//! One network on one machine: the machines of this crate put together.
//!
//! [`Node`] routes. Packets and datagrams go to the tunnels, which say "to this peer" and are answered with an
//! endpoint by the peer's path; what the control plane brings goes to the neighbours or the issuer; what the roster
//! reports goes to everyone whom it concerns. After every input the outputs of the parts are carried to each other
//! until nothing is left to carry.

mod announcing;
mod commands;
mod controlling;
mod relaying;
mod revoking;
mod sessions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use holloway_wire::{
    Datagram, DecodeError, Endpoint, Hello, InnerPacket, Instant, NetworkId, NodeId, Now, OverlayAddr,
    PROTOCOL_VERSION, Publication, PublicationKind, RECORD_OVERHEAD, RecordKind, RelayAnnouncement, RelayFrameHeader,
    RelayMessageKind, Signed, UnixTime,
};

use crate::allowed_ips::AllowedIps;
use crate::command::{Command, CommandError, CommandId, Reply};
use crate::drop_reason::{DropCounts, DropReason};
use crate::invite::Issuer;
use crate::neighbours::{Context, Neighbours};
use crate::output::{ControlEvent, Event, LocalAddrs, Output, Persisted, RecordId, Stored, TrafficReport, Write};
use crate::path::PathAgent;
use crate::pings::Pings;
use crate::relays::Relays;
use crate::roster::{Roster, RosterChange};
use crate::settings::{Identity, Settings};
use crate::snapshot::{PeerSnapshot, SessionSnapshot, Snapshot};
use crate::tunnel::{Device, LocalKeys};
use holloway_wire::SecureRng;

use announcing::Announcer;
use commands::Promise;
use revoking::Exchange;

/// Which timer [`Node::poll_timeout`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerName {
    /// A session's or handshake's.
    Tunnel,
    /// A path's.
    Path,
    /// The control plane's.
    Neighbours,
    /// A relay's.
    Relays,
    /// A ping's.
    Ping,
    /// Our own announcement's.
    Announcement,
    /// A membership that begins or ends.
    Membership,
}

/// One network on one machine. See the crate's page for the contract of its verbs.
pub struct Node {
    identity: Identity,
    settings: Settings,
    rng: Box<dyn SecureRng>,
    address: OverlayAddr,
    roster: Roster,
    device: Device,
    paths: BTreeMap<NodeId, PathAgent>,
    path_deadlines: BTreeSet<(Instant, NodeId)>,
    traffic: BTreeMap<NodeId, Carried>,
    allowed_ips: AllowedIps,
    neighbours: Neighbours,
    relays: Relays,
    /// What this machine says of itself as a relay.
    own_relay: Option<Signed<RelayAnnouncement>>,
    issuer: Issuer,
    pings: Pings,
    announcer: Announcer,
    promises: BTreeMap<RecordId, Promise>,
    next_record: u64,
    unkept: Vec<Write>,
    greatest_calls: BTreeMap<NodeId, UnixTime>,
    /// When endpoints that a caller named were last taken fully, and how many calls have come since.
    calls_acted_on: BTreeMap<NodeId, (Instant, u32)>,
    exchanges: BTreeMap<NodeId, Exchange>,
    drops: DropCounts,
    outputs: VecDeque<Output>,
    /// Both clocks at the last input.
    last: Now,
    /// Whether what was stored has been taken in.
    has_begun: bool,
}

/// Inner bytes carried for one peer.
#[derive(Debug, Clone, Copy, Default)]
struct Carried {
    received: u64,
    sent: u64,
}

impl Node {
    /// Starts a node with what it kept. Its first outputs are ready to be polled.
    #[must_use]
    pub fn new(identity: Identity, settings: Settings, stored: Stored, rng: Box<dyn SecureRng>, now: Now) -> Self {
        let node_id = identity.node_id();
        let local = LocalKeys {
            node: node_id,
            secret: identity.static_key.clone(),
            public: identity.static_key.public(),
            prologue: prologue(&identity.network),
            chain: identity.chain.clone(),
            revocations: [0; 16],
        };
        let mut node = Self {
            address: OverlayAddr::of_node(&identity.network, &node_id),
            roster: Roster::new(identity.network),
            device: Device::new(local, settings.clone()),
            paths: BTreeMap::new(),
            path_deadlines: BTreeSet::new(),
            traffic: BTreeMap::new(),
            allowed_ips: AllowedIps::default(),
            neighbours: Neighbours::default(),
            relays: Relays::default(),
            own_relay: None,
            issuer: Issuer::new(stored.invites, settings.max_clock_skew),
            pings: Pings::default(),
            announcer: Announcer::new(now),
            promises: BTreeMap::new(),
            next_record: 0,
            unkept: Vec::new(),
            greatest_calls: BTreeMap::new(),
            calls_acted_on: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            drops: DropCounts::default(),
            outputs: VecDeque::new(),
            last: now,
            has_begun: false,
            identity,
            settings,
            rng,
        };
        node.restore(stored.publications, stored.blocked, now);
        node.device.set_revocations(node.roster.revocation_digest());
        node.settle(now);
        node.has_begun = true;
        node
    }

    fn restore(&mut self, publications: Vec<Publication>, blocked: Vec<NodeId>, now: Now) {
        for key in blocked {
            self.roster.set_blocked(key, true);
        }
        let own = self.identity.chain.iter().rev().cloned().map(Publication::Certificate);
        let kept = publications.iter().map(|publication| (publication.slot(), publication.encode())).collect();
        let all = own.chain(publications).collect();
        for (publication, result) in self.roster.offer_all(all, now) {
            if let Err(reason) = result {
                tracing::debug!(subject = ?publication.subject(), %reason, "stored publication no longer holds");
            }
        }
        self.roster.skip_kept(&kept);
    }

    /// A packet from the local stack that no lane could place.
    pub fn handle_tun(&mut self, packet: Vec<u8>, now: Now) {
        let Ok(header) = InnerPacket::parse(&packet) else {
            self.drops.count(DropReason::InnerPacket);
            return;
        };
        let Some(node) = self.allowed_ips.route(&header.destination).copied() else {
            self.drops.count(DropReason::NoRoute);
            return;
        };
        self.carried(node).sent += packet.len() as u64;
        self.device.send(&node, RecordKind::Ip, packet, self.rng.as_mut(), now);
        self.path_sent(&node, now);
        self.settle(now);
    }

    /// A datagram that no lane could place.
    pub fn handle_datagram(&mut self, from: Endpoint, mut datagram: Vec<u8>, now: Now) {
        let mut from = from.canonical();
        if from.is_inside_overlay() {
            self.drops.count(DropReason::Looped);
            return;
        }
        if RelayFrameHeader::is_frame(&datagram) {
            let Some(sender) = self.unframe(from.socket_addr(), &mut datagram) else {
                return;
            };
            from = sender;
        } else if RelayMessageKind::of(&datagram).is_some() {
            self.relay_message(from.socket_addr(), &datagram, now);
            self.settle(now);
            return;
        }
        match Datagram::decode(&datagram) {
            Ok(Datagram::Transport) => {
                self.device.handle_transport(from, &mut datagram, self.rng.as_mut(), now);
            }
            Ok(Datagram::Initiation(message)) => {
                if let Some(claim) = self.device.read_initiation(from, &message, self.rng.as_mut(), now) {
                    self.handle_claim(claim, now);
                }
            }
            Ok(Datagram::Response(message)) => {
                self.device.handle_response(from, &message, self.rng.as_mut(), now);
            }
            Ok(Datagram::Cookie(message)) => self.device.handle_cookie(from, &message, now.monotonic),
            Err(DecodeError::Version(_)) => self.drops.count(DropReason::Version),
            Err(_) => self.drops.count(DropReason::Malformed),
        }
        self.settle(now);
    }

    /// Something from the control plane.
    pub fn handle_control(&mut self, event: ControlEvent, now: Now) {
        self.control_event(event, now);
        self.settle(now);
    }

    /// Something an operator asks.
    pub fn handle_command(&mut self, id: CommandId, command: Command, now: Now) {
        self.command(id, command, now);
        self.settle(now);
    }

    /// The disk has answered a write.
    pub fn handle_persisted(&mut self, id: RecordId, result: Persisted, now: Now) {
        match (self.promises.remove(&id), result) {
            (Some(promise), result) => self.keep_promise(promise, result, now),
            (None, Ok(())) => {}
            (None, Err(error)) => tracing::error!(error, "the store does not keep what others published"),
        }
        self.settle(now);
    }

    /// The machine's addresses are these now.
    pub fn handle_network_change(&mut self, local: LocalAddrs, now: Now) {
        if self.announcer.set_local(local, now) {
            self.paths.values_mut().for_each(|path| path.handle_network_change(now.monotonic));
            self.device.keepalive_all();
            self.with_relays(now, Relays::handle_network_change);
            self.try_all_again(now);
        }
        self.settle(now);
    }

    /// What lanes carried and dropped since their last report.
    pub fn handle_traffic(&mut self, report: &TrafficReport, now: Now) {
        self.drops.add(&report.drops);
        for session in &report.sessions {
            self.session_traffic(session, now);
        }
        for refused in &report.too_long {
            self.too_long(refused, now);
        }
        self.settle(now);
    }

    /// Time has passed. Harmless when early or repeated.
    pub fn handle_timeout(&mut self, now: Now) {
        self.device.handle_timeout(self.rng.as_mut(), now);
        self.path_timeouts(now);
        self.with_neighbours(now, |neighbours, context| {
            if neighbours.poll_timeout().is_some_and(|at| at <= context.now.monotonic) {
                neighbours.handle_timeout(context);
            }
        });
        if self.relays.poll_timeout().is_some_and(|at| at <= now.monotonic) {
            self.with_relays(now, Relays::handle_timeout);
        }
        for ping in self.pings.expired(now.monotonic) {
            self.done(ping.command, Err(CommandError::Timeout(ping.timeout)));
        }
        self.announcer_timeout(now);
        self.roster.handle_time(now);
        self.settle(now);
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Node::handle_timeout`] is due, and for which timer.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, TimerName)> {
        [
            self.device.poll_timeout().map(|at| (at, TimerName::Tunnel)),
            self.path_deadlines.first().map(|(at, _)| (*at, TimerName::Path)),
            self.neighbours.poll_timeout().map(|at| (at, TimerName::Neighbours)),
            self.relays.poll_timeout().map(|at| (at, TimerName::Relays)),
            self.pings.poll_timeout().map(|at| (at, TimerName::Ping)),
            self.announcer.poll_timeout().map(|at| (at, TimerName::Announcement)),
            self.roster.next_expiry().map(|at| (self.monotonic(at), TimerName::Membership)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When the wall clock will show `at`, if both clocks go alike.
    fn monotonic(&self, at: UnixTime) -> Instant {
        let left = at.as_nanos().saturating_sub(self.last.unix.as_nanos());
        self.last.monotonic + Duration::from_nanos(left)
    }

    /// Carries outputs between the parts until nothing is left to carry. Each carrying uses up an output, and none
    /// makes a new one of its own kind without end: what a part wants again it wants at a later time.
    fn settle(&mut self, now: Now) {
        self.last = now;
        loop {
            if let Some(output) = self.device.poll_output() {
                self.device_output(output, now);
            } else if let Some(change) = self.roster.poll_change() {
                self.roster_change(change, now);
            } else if let Some(output) = self.neighbours.poll_output() {
                self.neighbour_output(output, now);
            } else if let Some(output) = self.relays.poll_output() {
                self.relays_output(output, now);
            } else {
                break;
            }
        }
        self.keep();
    }

    /// Writes down what changed, in one go. Nothing waits for it.
    fn keep(&mut self) {
        if !self.unkept.is_empty() {
            let writes = std::mem::take(&mut self.unkept);
            self.write(writes);
        }
    }

    fn persist(&mut self, writes: Vec<Write>, promise: Promise) {
        let id = self.write(writes);
        self.promises.insert(id, promise);
    }

    fn write(&mut self, writes: Vec<Write>) -> RecordId {
        self.next_record += 1;
        let id = RecordId(self.next_record);
        self.outputs.push_back(Output::Persist { id, writes });
        id
    }

    /// Carries what the roster has to say at once: what follows rests on it.
    fn roster_changes(&mut self, now: Now) {
        while let Some(change) = self.roster.poll_change() {
            self.roster_change(change, now);
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn done(&mut self, id: CommandId, result: Result<Reply, CommandError>) {
        self.event(Event::CommandDone { id, result });
    }

    fn carried(&mut self, node: NodeId) -> &mut Carried {
        self.traffic.entry(node).or_default()
    }

    fn hello(&self, now: Now) -> Hello {
        Hello {
            version: PROTOCOL_VERSION,
            software: self.settings.software.clone(),
            time: now.unix,
            chain: self.own_chain(),
            announcement: self.roster.announcement(&self.identity.node_id()).cloned(),
        }
    }

    /// Our certificate as the roster has it, with its parents.
    fn own_chain(&self) -> Vec<holloway_wire::MembershipCertificate> {
        let chain = self.roster.chain(&self.identity.node_id());
        if chain.is_empty() { self.identity.chain.clone() } else { chain }
    }

    fn with_neighbours<T>(&mut self, now: Now, act: impl FnOnce(&mut Neighbours, &mut Context<'_>) -> T) -> T {
        let own = self.hello(now);
        let mut context = Context {
            roster: &mut self.roster,
            own: &own,
            node: self.identity.node_id(),
            max_clock_skew: self.settings.max_clock_skew,
            now,
        };
        act(&mut self.neighbours, &mut context)
    }

    /// What changed among the members.
    fn roster_change(&mut self, change: RosterChange, now: Now) {
        match change {
            RosterChange::Joined(node) => self.member_joined(node, now),
            RosterChange::Left(node) => self.member_left(node, now),
            RosterChange::Moved(node) => self.member_moved(node, now),
            RosterChange::Names => self.event(Event::NamesChanged),
            RosterChange::Revocations => {
                self.device.set_revocations(self.roster.revocation_digest());
            }
            RosterChange::Keep(slot, bytes) => {
                self.unkept.push(Write::Publication(slot, bytes));
                if slot.kind == PublicationKind::Certificate {
                    self.renew_own_chain(&slot.subject);
                }
            }
        }
    }

    /// A certificate is new: when it is our own or an issuer's above us, we show the new one from now on.
    fn renew_own_chain(&mut self, changed: &NodeId) {
        if !self.device.chain().iter().any(|own| own.subject() == changed) {
            return;
        }
        let chain = self.own_chain();
        let is_ours = chain.first().is_some_and(|own| *own.static_key() == self.identity.static_key.public());
        if is_ours && chain != self.device.chain() {
            self.device.set_chain(chain);
            self.event(Event::CertificateRenewed);
        }
    }

    fn member_joined(&mut self, node: NodeId, now: Now) {
        if node == self.identity.node_id() || self.roster.is_blocked(&node) {
            return;
        }
        let Some(member) = self.roster.member(&node).cloned() else {
            return;
        };
        self.allowed_ips.insert(IpAddr::V6(member.address.ip()), node);
        self.device.ensure_peer(node, member.static_key);
        self.member_moved(node, now);
        self.neighbours.handle_roster(now.monotonic);
        self.event(Event::MemberJoined { node, label: member.label, is_new: self.has_begun });
    }

    fn member_left(&mut self, node: NodeId, now: Now) {
        if node == self.identity.node_id() {
            self.event(Event::Expelled);
            return;
        }
        let address = OverlayAddr::of_node(&self.identity.network, &node);
        self.allowed_ips.remove(&IpAddr::V6(address.ip()));
        self.tell_parting(&node, now);
        self.device.forget(&node);
        self.traffic.remove(&node);
        self.exchanges.remove(&node);
        self.greatest_calls.remove(&node);
        self.calls_acted_on.remove(&node);
        if let Some(at) = self.paths.remove(&node).and_then(|agent| agent.filed) {
            self.path_deadlines.remove(&(at, node));
        }
        self.neighbours.expel(node);
        self.with_relays(now, |relays, context| relays.handle_left(&node, context));
        let label = self.roster.certificate(&node).map(|certificate| certificate.membership().label.clone());
        let blocked = self.roster.member(&node).is_some();
        self.event(Event::MemberLeft { node, label, blocked });
    }

    fn member_moved(&mut self, node: NodeId, now: Now) {
        if node == self.identity.node_id() {
            self.own_announcement_came(now);
            return;
        }
        if self.roster.member(&node).is_none() {
            return;
        }
        if let Some(announcement) = self.roster.endpoints(&node)
            && announcement.expires > now.unix
        {
            let (endpoints, relays) = (announcement.endpoints.clone(), announcement.relays.clone());
            self.agent(node).set_announced(&endpoints);
            if self.relays.is_wanted(&node) {
                self.with_relays(now, |known, context| known.handle_moved(&node, &relays, context));
            }
            self.try_new_endpoints(&node, now);
        }
        self.neighbours.handle_roster(now.monotonic);
    }

    /// This network's id.
    #[must_use]
    pub const fn network(&self) -> &NetworkId {
        &self.identity.network
    }

    /// This node's state, for people and for other parts of the program.
    #[must_use]
    pub fn snapshot(&self, now: Now) -> Snapshot {
        let node = self.identity.node_id();
        let own = self.roster.member(&node);
        let certificate = self.identity.chain[0].membership();
        let mut drops = self.drops.clone();
        drops.add(&self.device.drops);
        Snapshot {
            network: self.identity.network,
            network_label: self.identity.network_label.clone(),
            prefix: self.identity.network.prefix(),
            node,
            is_member: own.is_some(),
            label: own.map_or_else(|| certificate.label.clone(), |member| member.label.clone()),
            address: self.address,
            rights: own.map_or(certificate.rights, |member| member.rights),
            observed: self.announcer.observed(),
            observations: self.announcer.observations(now),
            neighbours: self.neighbours.admitted(),
            relays: self.relays.snapshots(now),
            own_relay: self.own_relay.as_ref().map(|own| own.value().clone()),
            has_caught_up: self.neighbours.has_caught_up(),
            peers: self
                .roster
                .members()
                .filter(|member| member.node != node)
                .map(|member| self.peer(member, now))
                .collect(),
            names: self.published_names(),
            blocked: self.roster.blocked().copied().collect(),
            applicants: self.issuer.applicants(now).map(|(id, applicant)| (id, applicant.clone())).collect(),
            revocations: self.roster.revocations().count(),
            drops,
        }
    }

    fn published_names(&self) -> Vec<(NodeId, Vec<holloway_wire::NameRecord>)> {
        let names = |node: &NodeId| self.roster.names(node).map(|names| names.records.clone()).unwrap_or_default();
        self.roster.members().map(|member| (member.node, names(&member.node))).collect()
    }

    fn peer(&self, member: &crate::roster::Member, now: Now) -> PeerSnapshot {
        let path = self.paths.get(&member.node);
        let peer = self.device.peer(&member.node);
        let carried = self.traffic.get(&member.node).copied().unwrap_or_default();
        PeerSnapshot {
            node: member.node,
            label: member.label.clone(),
            address: member.address,
            rights: member.rights,
            groups: member.groups.clone(),
            is_neighbour: self.neighbours.is_admitted(&member.node),
            session: peer.and_then(|peer| session_snapshot(peer, now)),
            is_handshaking: peer.is_some_and(crate::tunnel::Peer::is_handshaking),
            endpoint: path.and_then(PathAgent::current),
            relay: path.and_then(PathAgent::current).and_then(|endpoint| self.relays.name_behind(&endpoint)),
            route: path
                .and_then(PathAgent::current)
                .map(|way| self.relays.route_behind(&member.node, &way))
                .unwrap_or_default(),
            rtt: path.and_then(PathAgent::rtt),
            record_limit: path.and_then(PathAgent::record_limit),
            mtu: path.and_then(PathAgent::record_limit).map(|limit| limit - RECORD_OVERHEAD),
            candidates: path.into_iter().flat_map(PathAgent::candidates).collect(),
            rotations: peer.map_or(0, |peer| peer.rotations),
            received_bytes: carried.received,
            sent_bytes: carried.sent,
            certificate: self.roster.certificate(&member.node).cloned(),
        }
    }

    /// The certificates from a member's up to the root's; our own for `None`.
    #[must_use]
    pub fn certificate_chain(&self, member: Option<&str>) -> Option<Vec<holloway_wire::MembershipCertificate>> {
        match member {
            None => Some(self.own_chain()),
            Some(text) => {
                self.roster.find(text, &self.identity.network_label).map(|member| self.roster.chain(&member.node))
            }
        }
    }
}

fn session_snapshot(peer: &crate::tunnel::Peer, now: Now) -> Option<SessionSnapshot> {
    let session = peer.current.as_ref()?;
    Some(SessionSnapshot {
        established: session.established_unix,
        age: now.monotonic.since(session.established),
        last_received: peer.activity.heard.map(|at| now.monotonic.since(at)),
        suite: session.suite,
        is_held: peer.is_held(),
    })
}

/// Binds a handshake to the protocol version and the network (Noise §6).
fn prologue(network: &NetworkId) -> Vec<u8> {
    [b"holloway".as_slice(), &[PROTOCOL_VERSION], network.as_bytes()].concat()
}
