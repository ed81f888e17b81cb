//! The relay's one owner: who is registered, and what lanes do for them.

mod circuits;
mod registering;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holloway_wire::{
    FromRelay, Instant, Load, MembershipCertificate, NodeId, Now, OwnLink, RELAY_FRAME_LEN, RegistrationId,
    RelayAnnouncement, RelayChannel, RelayDirection, RelayFrameHeader, RelayLink, RelayMessageKind, RelayRefusal,
    RelayRegistration, RelayState, Rights, SecureRng, Signed, ToRelay, random_bytes,
};

use crate::account::{Account, Month};
use crate::announcer::{Announcer, Condition};
use crate::challenge::Challenger;
use crate::drop_reason::{DropCounts, DropReason};
use crate::forwarding::{Forwarding, ForwardingTable, Link};
use crate::members::{Member, Members};
use crate::pairs::{Pair, Pairs};
use crate::party::{Party, Side, Trunk};
use crate::quota::{Pace, Prefixes, Turns};
use crate::settings::{Identity, LIFETIME, Settings};
use crate::topology::Topology;

use circuits::Circuits;

/// Challenges to one source prefix: a household whose machines all come back at once.
const CHALLENGES: Pace = Pace { per_second: 10, burst: 50 };

/// Signatures of one source prefix that are looked at; each takes a tenth of a millisecond.
const SIGNATURES: Pace = Pace { per_second: 10, burst: 50 };

/// Members that the owner is asked about at once.
const PENDING_MAX: usize = 256;

/// A question to the owner that is not answered by then is forgotten.
const PENDING_FOR: Duration = Duration::from_secs(10);

/// Accounts kept: those of all members that a network may have.
const ACCOUNTS_MAX: usize = 100_000;

/// How often lapsed members and unused pairs are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How often what members have sent is given out, to be kept.
const USAGE_EVERY: Duration = Duration::from_secs(60);

/// A member that has not been heard of for this long has missed a ping (every 20 s).
const SILENT_FOR: Duration = Duration::from_secs(23);

/// Names a question to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JudgeToken(u64);

/// What the owner knows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A member in good standing.
    Member,
    /// One that may relay, too: circuits may come from it.
    Relay,
    /// Anything else.
    Stranger,
}

impl Standing {
    /// The standing of one that has these rights, if it is a member.
    #[must_use]
    pub fn of(rights: Option<Rights>) -> Self {
        match rights {
            Some(rights) if rights.contains(Rights::RELAY) => Self::Relay,
            Some(_) => Self::Member,
            None => Self::Stranger,
        }
    }
}

/// What a member has sent in a month, to be kept across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The member.
    pub node: NodeId,
    /// The month.
    pub month: Month,
    /// Bytes.
    pub sent_bytes: u64,
}

/// What the relay wants done.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// Where.
        to: SocketAddr,
        /// What.
        datagram: Vec<u8>,
    },
    /// Say whether this node is a member; it has shown that it has the key and is where it says.
    Judge {
        /// For the answer.
        token: JudgeToken,
        /// Who.
        node: NodeId,
        /// Where it is.
        source: SocketAddr,
        /// Its certificate, and some of its parents.
        certificates: Vec<MembershipCertificate>,
    },
    /// Tell the lanes.
    Forwarding(Forwarding),
    /// Tell everyone.
    Announce(Signed<RelayAnnouncement>),
    /// Keep this.
    Keep(Vec<Usage>),
    /// Register with this relay, or see whether it is still there, and say so with [`Server::handle_link`]: circuits are
    /// to lead over it.
    Link {
        /// The relay.
        relay: NodeId,
    },
}

/// The relay at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Members registered.
    pub members: usize,
    /// Channels handed out.
    pub channels: usize,
    /// Circuits that come from other relays or lead on to them.
    pub circuits: usize,
    /// The relays that it reaches by itself.
    pub links: Vec<RelayLink>,
    /// Bytes taken to be passed on, since the start.
    pub sent_bytes: u64,
    /// The share of the capacity that was used between the last two announcements.
    pub load: Load,
    /// Whether it takes further members.
    pub state: RelayState,
    /// What was not taken or passed on, and why.
    pub drops: DropCounts,
}

/// Who asked to be registered, where it is, and the id for its answer.
#[derive(Clone, Copy)]
struct Applicant {
    node: NodeId,
    source: SocketAddr,
    id: u64,
}

struct Pending {
    token: JudgeToken,
    applicant: Applicant,
    asked: Instant,
}

/// One relay. After any `handle_*`, drain [`Server::poll_output`], then read [`Server::poll_timeout`].
pub struct Server {
    identity: Identity,
    node: NodeId,
    settings: Settings,
    rng: Box<dyn SecureRng>,
    challenger: Challenger,
    challenges: Prefixes,
    signatures: Prefixes,
    pending: VecDeque<Pending>,
    next_token: u64,
    members: Members,
    pairs: Pairs,
    topology: Topology,
    circuits: Circuits,
    accounts: BTreeMap<NodeId, Arc<Account>>,
    /// What each account had when it was last kept.
    kept: BTreeMap<NodeId, u64>,
    month: Month,
    /// Bytes of months that are over.
    past_bytes: u64,
    table: ForwardingTable,
    announcer: Announcer,
    load: Load,
    state: RelayState,
    sweep_at: Instant,
    keep_at: Instant,
    drops: DropCounts,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A relay with nobody registered, and what its members have sent this month so far.
    #[must_use]
    pub fn new(
        identity: Identity,
        settings: Settings,
        usage: Vec<Usage>,
        mut rng: Box<dyn SecureRng>,
        now: Now,
    ) -> Self {
        let challenger = Challenger::new(rng.as_mut(), now.monotonic);
        let mut server = Self {
            node: identity.node_id(),
            identity,
            settings,
            rng,
            challenger,
            challenges: Prefixes::new(CHALLENGES),
            signatures: Prefixes::new(SIGNATURES),
            pending: VecDeque::new(),
            next_token: 0,
            members: Members::default(),
            pairs: Pairs::default(),
            topology: Topology::default(),
            circuits: Circuits::default(),
            accounts: BTreeMap::new(),
            kept: BTreeMap::new(),
            month: Month::of(now.unix),
            past_bytes: 0,
            table: ForwardingTable::new(),
            announcer: Announcer::new(now.monotonic),
            load: Load::NONE,
            state: RelayState::Open,
            sweep_at: now.monotonic + SWEEP_EVERY,
            keep_at: now.monotonic + USAGE_EVERY,
            drops: DropCounts::default(),
            outputs: VecDeque::new(),
        };
        let month = server.month;
        for usage in usage.into_iter().filter(|usage| usage.month == month) {
            server.open_account(usage.node, usage.sent_bytes);
        }
        server
    }

    /// Whether a datagram is for a relay; a machine that is one has datagrams of its own, and may be another's member.
    #[must_use]
    pub fn takes(datagram: &[u8]) -> bool {
        RelayMessageKind::of(datagram) == Some(RelayMessageKind::ToRelay)
            || (RelayFrameHeader::is_frame(datagram) && datagram.get(1) == Some(&(RelayDirection::ToRelay as u8)))
    }

    /// A datagram for the relay: a frame to pass on, or a message.
    pub fn handle_datagram(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        let result = if RelayFrameHeader::is_frame(datagram) {
            self.frame(from, datagram, now.monotonic)
        } else {
            self.message(from, datagram, now)
        };
        if let Err(reason) = result {
            self.drops.count(reason);
        }
    }

    /// The owner says who a node is.
    pub fn handle_verdict(&mut self, token: JudgeToken, standing: Standing, now: Now) {
        let Some(at) = self.pending.iter().position(|pending| pending.token == token) else {
            return;
        };
        let Some(Pending { applicant, .. }) = self.pending.remove(at) else {
            return;
        };
        match standing {
            Standing::Member => self.register(applicant, false, now.monotonic),
            Standing::Relay => self.register(applicant, true, now.monotonic),
            Standing::Stranger => {
                self.drops.count(DropReason::NotAMember);
                let refused = FromRelay::Refused { id: applicant.id, refusal: RelayRefusal::NotAMember };
                self.tell(applicant.source, &refused);
            }
        }
    }

    /// A node is no longer a member: nothing is passed on for it or to it from here on.
    pub fn handle_expelled(&mut self, node: &NodeId) {
        self.pending.retain(|pending| pending.applicant.node != *node);
        self.topology.forget(node);
        self.topology.set_own(*node, None);
        for pair in self.pairs.of_node(node) {
            self.part(pair);
        }
        for side in [Side::Ours, Side::Theirs] {
            self.lose_trunk(Trunk { relay: *node, side });
        }
        self.members.remove(node);
    }

    /// Where the relay takes datagrams has changed.
    pub fn handle_endpoints(&mut self, endpoints: Vec<SocketAddr>, now: Now) {
        if self.settings.endpoints != endpoints {
            self.settings.endpoints = endpoints;
            self.announcer.announce_at(now.monotonic);
        }
    }

    /// What a lane has dropped since its last report.
    pub fn handle_drops(&mut self, drops: &DropCounts) {
        self.drops.add(drops);
    }

    /// The relay is about to stop: it takes no further members, and says so to those it has, who look for another.
    pub fn drain(&mut self, now: Now) {
        self.state = RelayState::Draining;
        self.announcer.announce_at(now.monotonic);
        let (load, state) = (self.load, self.state);
        // Only the two of them know the registration: nobody else can send them away.
        let word = |member: &Member| {
            let pong = FromRelay::Pong { id: member.registration.0, observed: member.source, load, state };
            (member.source, pong)
        };
        let words: Vec<(SocketAddr, FromRelay)> = self.members.all().map(word).collect();
        words.iter().for_each(|(to, word)| self.tell(*to, word));
    }

    /// The relay stops now: everyone is told that no channel leads anywhere any more, instead of finding out.
    pub fn stop(&mut self, now: Now) {
        self.drain(now);
        for (owner, peer, channel) in self.pairs.all() {
            self.answer_party(owner, &FromRelay::Gone { channel });
            self.part((owner, peer));
        }
    }

    /// Time has passed. Harmless when early or repeated.
    pub fn handle_timeout(&mut self, now: Now) {
        self.turn_month(now);
        if self.sweep_at <= now.monotonic {
            self.sweep(now.monotonic);
        }
        if self.keep_at <= now.monotonic {
            self.keep_at = now.monotonic + USAGE_EVERY;
            self.keep_usage();
            // A link is kept for as long as anything leads over it, whoever sends.
            self.outputs.extend(self.pairs.onward().map(|relay| Output::Link { relay }));
        }
        if self.announcer.due() <= now.monotonic {
            self.announce(now);
        }
    }

    /// The next thing to do, until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Server::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.sweep_at.min(self.keep_at).min(self.announcer.due())
    }

    /// The relay now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            members: self.members.len(),
            channels: self.pairs.len(),
            circuits: self.pairs.circuits(),
            links: self.topology.own_links(),
            sent_bytes: self.sent_bytes(),
            load: self.load,
            state: self.state,
            drops: self.drops.clone(),
        }
    }

    fn tell(&mut self, to: SocketAddr, message: &FromRelay) {
        self.outputs.push_back(Output::Transmit { to, datagram: message.encode() });
    }

    fn forwarding(&mut self, forwarding: Forwarding) {
        self.table.apply(forwarding.clone());
        self.outputs.push_back(Output::Forwarding(forwarding));
    }

    fn message(&mut self, from: SocketAddr, datagram: &[u8], now: Now) -> Result<(), DropReason> {
        match ToRelay::decode(datagram).map_err(|_| DropReason::Malformed)? {
            ToRelay::Register { id } => self.challenge(from, id, datagram.len(), now.monotonic),
            ToRelay::Answer { id, registration, certificates } => {
                self.answer(from, id, &registration, certificates, now.monotonic)
            }
            ToRelay::Ping { registration, id } => self.ping(from, registration, id, datagram.len(), now.monotonic),
            ToRelay::Bind { registration, id, node, relays } => {
                self.bind(from, (registration, id), node, &relays, datagram.len(), now)
            }
            ToRelay::Extend { registration, id, from: owner, to, route, channel } => {
                self.asked_to_extend(from, (registration, id), (owner, to), (route, channel), now.monotonic)
            }
        }
    }

    fn bind(
        &mut self,
        from: SocketAddr,
        (registration, id): (RegistrationId, u64),
        peer: NodeId,
        relays: &[NodeId],
        heard: usize,
        now: Now,
    ) -> Result<(), DropReason> {
        let Some((node, member)) = self.members.registered(registration, &from) else {
            self.challenge(from, id, heard, now.monotonic)?;
            return Err(DropReason::UnknownRegistration);
        };
        if !member.may_bind(now.monotonic) {
            return Err(DropReason::RateLimited);
        }
        member.account.hear(now.monotonic);
        if peer == node {
            self.tell(from, &FromRelay::Unbound { id, node: peer });
            return Ok(());
        }
        if !self.is_here(node, &peer, relays, now.monotonic) {
            self.bind_beyond(node, id, peer, relays, now);
            return Ok(());
        }
        let pair = (Party::member(node), Party::member(peer));
        let bound = self.pairs.bind(pair.0, pair.1, self.rng.as_mut(), now.monotonic);
        let channel = bound.map_err(|_| DropReason::Full)?;
        self.install_pair(pair);
        self.tell(from, &FromRelay::Bound { id, node: peer, channel, route: Vec::new() });
        Ok(())
    }

    /// Whether a peer is best reached right here by a member. One that was registered here and announces other relays may
    /// have gone without a word; it has if it has sent to the member from beyond one since.
    fn is_here(&self, node: NodeId, peer: &NodeId, announced: &[NodeId], now: Instant) -> bool {
        let is_elsewhere = !announced.is_empty() && !announced.contains(&self.node);
        let Some(heard) = self.members.get(peer).map(|member| member.account.heard()) else {
            return false;
        };
        let comes_from_beyond = || self.pairs.used_from_beyond(*peer, node).is_some_and(|used| used > heard);
        !is_elsewhere || (now.since(heard) < SILENT_FOR && !comes_from_beyond())
    }

    /// Says of all that a member has with others, and of all that comes over it if it is a relay, how it is passed on now.
    fn install_all(&mut self, node: &NodeId) {
        let own = Party::member(*node);
        let with_others: Vec<Pair> = self.pairs.of(own).map(|(peer, _)| (own, peer)).collect();
        let over = self.pairs.over(Trunk { relay: *node, side: Side::Theirs });
        with_others.into_iter().chain(over).for_each(|pair| self.install_pair(pair));
    }

    fn install_pair(&mut self, (one, other): Pair) {
        self.install(one, other);
        self.install(other, one);
    }

    /// Says how what one party sends to another is passed on now.
    fn install(&mut self, owner: Party, peer: Party) {
        let (Some(own), Some(other)) = (self.pairs.half(owner, peer).cloned(), self.pairs.half(peer, owner)) else {
            return;
        };
        let head = match peer.beyond {
            None => Some(RelayFrameHeader { direction: RelayDirection::FromRelay, channel: other.channel }),
            Some(_) => other.onward.map(|channel| RelayFrameHeader { direction: RelayDirection::ToRelay, channel }),
        };
        let onward = head.and_then(|head| Some((self.address(&peer)?, head)));
        let forwarding = match (self.address(&owner), self.payer(&owner)) {
            (Some(source), Some(account)) => {
                Forwarding::Install(own.channel, Link { source, onward, account, used: own.used })
            }
            (Some(_) | None, _) => Forwarding::Retire(own.channel),
        };
        self.forwarding(forwarding);
    }

    fn frame(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> Result<(), DropReason> {
        let header = RelayFrameHeader::decode(datagram).map_err(|_| DropReason::Malformed)?;
        match self.table.forward(&from, &header, datagram.len(), now) {
            Ok((to, head)) => {
                let mut datagram = datagram.to_vec();
                datagram[..RELAY_FRAME_LEN].copy_from_slice(&head.encode());
                self.outputs.push_back(Output::Transmit { to, datagram });
                Ok(())
            }
            Err(reason) => {
                self.missed(from, header.channel, datagram.len(), reason, now);
                Err(reason)
            }
        }
    }

    /// A frame was not passed on: whoever can do something about it is told, if that is not more than it has said.
    fn missed(&mut self, from: SocketAddr, channel: RelayChannel, heard: usize, reason: DropReason, now: Instant) {
        match reason {
            DropReason::UnknownChannel | DropReason::Unreachable => {
                let may_be_told = self.members.at(&from).is_some_and(|member| member.may_be_told(now));
                if may_be_told || self.may_tell_relay(&from, now) {
                    self.tell(from, &FromRelay::Gone { channel });
                } else if reason == DropReason::UnknownChannel {
                    self.challenge_quietly(from, heard, now);
                }
            }
            DropReason::ForeignSource => self.challenge_quietly(from, heard, now),
            DropReason::Malformed
            | DropReason::Challenge
            | DropReason::Signature
            | DropReason::NotAMember
            | DropReason::NotARelay
            | DropReason::RateLimited
            | DropReason::UnknownRegistration
            | DropReason::TooFast
            | DropReason::Quota
            | DropReason::Full
            | DropReason::NoRoom => {}
        }
    }

    /// Challenges a source that sends frames: its member may have another address by now.
    fn challenge_quietly(&mut self, from: SocketAddr, heard: usize, now: Instant) {
        if let Err(reason) = self.challenge(from, 0, heard, now) {
            self.drops.count(reason);
        }
    }

    fn sweep(&mut self, now: Instant) {
        self.sweep_at = now + SWEEP_EVERY;
        for node in self.members.lapsed(now) {
            self.members.remove(&node);
            self.install_all(&node);
        }
        for pair in self.pairs.unused(now) {
            self.part(pair);
        }
    }

    fn turn_month(&mut self, now: Now) {
        let month = Month::of(now.unix);
        if month == self.month {
            return;
        }
        self.keep_usage();
        self.month = month;
        for (node, account) in &self.accounts {
            self.past_bytes = self.past_bytes.wrapping_add(account.sent_bytes());
            account.begin_month();
            self.kept.insert(*node, 0);
        }
    }

    fn keep_usage(&mut self) {
        let mut changed = Vec::new();
        for (node, account) in &self.accounts {
            let sent_bytes = account.sent_bytes();
            if self.kept.insert(*node, sent_bytes) != Some(sent_bytes) {
                changed.push(Usage { node: *node, month: self.month, sent_bytes });
            }
        }
        if !changed.is_empty() {
            self.outputs.push_back(Output::Keep(changed));
        }
    }

    fn sent_bytes(&self) -> u64 {
        let accounts = self.accounts.values().map(|account| account.sent_bytes());
        accounts.fold(self.past_bytes, u64::wrapping_add).wrapping_add(self.circuits.bytes())
    }

    fn announce(&mut self, now: Now) {
        self.load = self.announcer.load(self.sent_bytes(), self.settings.capacity_bytes(), now.monotonic);
        let condition = Condition {
            load: self.load,
            members: self.members.len(),
            state: self.state,
            links: self.topology.own_links(),
            relays: self.topology.relays(now.unix),
        };
        let signed = self.announcer.announce(&self.identity, &self.settings, condition, now);
        self.outputs.push_back(Output::Announce(signed));
    }
}
