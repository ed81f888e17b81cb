//! The relay's one owner: who is registered, and what lanes do for them.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holloway_wire::{
    FromRelay, Instant, Load, MembershipCertificate, NodeId, Now, RELAY_FRAME_LEN, RegistrationId, RelayAnnouncement,
    RelayChannel, RelayDirection, RelayFrameHeader, RelayMessageKind, RelayRefusal, RelayRegistration, RelayState,
    Signed, ToRelay,
};

use crate::account::{Account, Month};
use crate::announcer::Announcer;
use crate::challenge::Challenger;
use crate::drop_reason::{DropCounts, DropReason};
use crate::forwarding::{Forwarding, ForwardingTable, Link};
use crate::members::{Member, Members};
use crate::pairs::Pairs;
use crate::quota::{Pace, Prefixes};
use crate::settings::{Identity, LIFETIME, Settings};
use holloway_wire::{SecureRng, random_bytes};

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

/// Names a question to the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct JudgeToken(u64);

/// What the owner knows of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A member in good standing.
    Member,
    /// Anything else.
    Stranger,
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
}

/// The relay at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Members registered.
    pub members: usize,
    /// Channels handed out.
    pub channels: usize,
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
            Standing::Member => self.register(applicant, now.monotonic),
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
        self.members.remove(node);
        for channel in self.pairs.remove(node) {
            self.forwarding(Forwarding::Retire(channel));
        }
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

    /// The relay is about to stop: it takes no further members, and says so to those it has.
    pub fn drain(&mut self, now: Now) {
        self.state = RelayState::Draining;
        self.announcer.announce_at(now.monotonic);
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
            ToRelay::Bind { registration, id, node } => {
                self.bind(from, registration, id, node, datagram.len(), now.monotonic)
            }
        }
    }

    /// Challenges a source, if it has said enough for that and does not ask too often.
    fn challenge(&mut self, from: SocketAddr, id: u64, heard: usize, now: Instant) -> Result<(), DropReason> {
        if !self.challenges.take(&from, now) {
            return Err(DropReason::RateLimited);
        }
        let challenge = self.challenger.challenge(&from, self.rng.as_mut(), now);
        let datagram = FromRelay::Challenge { id, challenge, observed: from }.encode();
        if datagram.len() <= heard {
            self.outputs.push_back(Output::Transmit { to: from, datagram });
        }
        Ok(())
    }

    /// Weighs an answer to a challenge: what is cheap first, the first failure stops.
    fn answer(
        &mut self,
        from: SocketAddr,
        id: u64,
        registration: &Signed<RelayRegistration>,
        certificates: Vec<MembershipCertificate>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let RelayRegistration { node, relay, challenge, observed } = registration.value();
        if *observed != from || !self.challenger.knows(challenge, &from, self.rng.as_mut(), now) {
            return Err(DropReason::Challenge);
        }
        if *relay != self.node || certificates[0].subject() != node {
            return Err(DropReason::Signature);
        }
        if !self.signatures.take(&from, now) {
            return Err(DropReason::RateLimited);
        }
        if !registration.verify(&self.identity.network) {
            return Err(DropReason::Signature);
        }
        if let Some(refusal) = self.refusal(node) {
            self.tell(from, &FromRelay::Refused { id, refusal });
            return Err(DropReason::Full);
        }
        self.ask(Applicant { node: *node, source: from, id }, certificates, now)
    }

    /// Why a member cannot register at the moment, whoever it is.
    fn refusal(&self, node: &NodeId) -> Option<RelayRefusal> {
        let is_known = self.members.get(node).is_some();
        if self.accounts.get(node).is_some_and(|account| account.is_used_up()) {
            return Some(RelayRefusal::Quota);
        }
        match self.state {
            RelayState::Draining if !is_known => Some(RelayRefusal::Draining),
            RelayState::Open if !is_known && self.members.len() >= self.settings.members_max => {
                Some(RelayRefusal::Full)
            }
            RelayState::Draining | RelayState::Open => None,
        }
    }

    fn ask(
        &mut self,
        applicant: Applicant,
        certificates: Vec<MembershipCertificate>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let node = applicant.node;
        // Its latest word counts.
        self.pending.retain(|pending| pending.applicant.node != node && now.since(pending.asked) < PENDING_FOR);
        if self.pending.len() >= PENDING_MAX {
            return Err(DropReason::Full);
        }
        self.next_token += 1;
        let token = JudgeToken(self.next_token);
        self.pending.push_back(Pending { token, applicant, asked: now });
        self.outputs.push_back(Output::Judge { token, node, source: applicant.source, certificates });
        Ok(())
    }

    fn register(&mut self, applicant: Applicant, now: Instant) {
        let Applicant { node, source, id } = applicant;
        let Some(account) = self.account(node) else {
            self.drops.count(DropReason::Full);
            self.tell(source, &FromRelay::Refused { id, refusal: RelayRefusal::Full });
            return;
        };
        account.hear(now);
        let registration = RegistrationId(u64::from_le_bytes(random_bytes(self.rng.as_mut())));
        let resumed = self.members.get(&node).is_some();
        let displaced = self.members.at_source(&source).filter(|before| *before != node);
        self.members.insert(node, Member::new(registration, source, account));
        displaced.into_iter().chain([node]).for_each(|moved| self.install_all(&moved));
        let state = self.state;
        self.tell(source, &FromRelay::Registered { id, registration, lifetime: LIFETIME, state, resumed });
    }

    fn account(&mut self, node: NodeId) -> Option<Arc<Account>> {
        if let Some(account) = self.accounts.get(&node) {
            return Some(account.clone());
        }
        (self.accounts.len() < ACCOUNTS_MAX).then(|| self.open_account(node, 0))
    }

    fn open_account(&mut self, node: NodeId, sent: u64) -> Arc<Account> {
        let Settings { rate_bytes, burst_bytes, month_bytes_max, .. } = self.settings;
        let account = Arc::new(Account::new(rate_bytes, burst_bytes, month_bytes_max, sent));
        self.kept.insert(node, sent);
        self.past_bytes = self.past_bytes.wrapping_sub(sent);
        self.accounts.insert(node, account.clone());
        account
    }

    fn ping(
        &mut self,
        from: SocketAddr,
        registration: RegistrationId,
        id: u64,
        heard: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Some((_, member)) = self.members.registered(registration, &from) else {
            // The member is elsewhere by now, or the relay was restarted: it may register again at once.
            self.challenge(from, id, heard, now)?;
            return Err(DropReason::UnknownRegistration);
        };
        member.account.hear(now);
        let pong = FromRelay::Pong { id, observed: from, load: self.load, state: self.state };
        self.tell(from, &pong);
        Ok(())
    }

    fn bind(
        &mut self,
        from: SocketAddr,
        registration: RegistrationId,
        id: u64,
        peer: NodeId,
        heard: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Some((node, member)) = self.members.registered(registration, &from) else {
            self.challenge(from, id, heard, now)?;
            return Err(DropReason::UnknownRegistration);
        };
        if !member.may_bind(now) {
            return Err(DropReason::RateLimited);
        }
        member.account.hear(now);
        if peer == node || self.members.get(&peer).is_none() {
            self.tell(from, &FromRelay::Unbound { id, node: peer });
            return Ok(());
        }
        let bound = self.pairs.bind(node, peer, self.rng.as_mut(), now);
        let channel = bound.map_err(|_| DropReason::Full)?;
        self.install(node, peer);
        self.install(peer, node);
        self.tell(from, &FromRelay::Bound { id, node: peer, channel });
        Ok(())
    }

    /// Says of all that a member has with others how it is passed on now.
    fn install_all(&mut self, node: &NodeId) {
        let peers: Vec<NodeId> = self.pairs.of(node).map(|(peer, _)| peer).collect();
        for peer in peers {
            self.install(*node, peer);
            self.install(peer, *node);
        }
    }

    /// Says how what one member sends to another is passed on now.
    fn install(&mut self, owner: NodeId, peer: NodeId) {
        let (Some(own), Some(other)) = (self.pairs.half(owner, peer), self.pairs.half(peer, owner)) else {
            return;
        };
        let forwarding = match self.members.get(&owner) {
            Some(member) => {
                let link = Link {
                    source: member.source,
                    to: self.members.get(&peer).map(|peer| peer.source),
                    channel: other.channel,
                    account: member.account.clone(),
                    used: own.used.clone(),
                };
                Forwarding::Install(own.channel, link)
            }
            None => Forwarding::Retire(own.channel),
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
                if self.members.at(&from).is_some_and(|member| member.may_be_told(now)) {
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
        for channel in self.pairs.expire(now) {
            self.forwarding(Forwarding::Retire(channel));
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
        accounts.fold(self.past_bytes, u64::wrapping_add)
    }

    fn announce(&mut self, now: Now) {
        self.load = self.announcer.load(self.sent_bytes(), self.settings.capacity_mbps, now.monotonic);
        let members = self.members.len();
        let signed = self.announcer.announce(&self.identity, &self.settings, self.load, members, self.state, now);
        self.outputs.push_back(Output::Announce(signed));
    }
}
