use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use holloway_wire::{
    Endpoint, Instant, MembershipCertificate, NodeId, Now, RecordFlags, RecordHeader, RecordKind, SecureRng,
    SessionIndex, StaticPublicKey, StaticSecret, Suite, UnixTime, random_bytes,
};

use super::cookie::CookieChecker;
use super::peer::{ASK_REVOCATIONS_EVERY, Due, Handshake, Hold, Peer, Pending, Session};
use super::session::{Opener, Role, Sealer, halves};
use super::unpack::unpack;
use crate::drop_reason::{DropCounts, DropReason};
use crate::noise::Split;
use crate::settings::Settings;

/// Low bits of a session index, unique among live indices of a node, so that lanes keep sessions in fixed slots.
const SLOT_BITS: u32 = 16;

/// Handshakes and sessions at once, of 2^16 slots: beyond this, finding a free slot by chance would take long.
const INDICES_MAX: usize = 1 << (SLOT_BITS - 1);

/// What the tunnels know of this node.
pub(crate) struct LocalKeys {
    pub(crate) node: NodeId,
    pub(crate) secret: StaticSecret,
    pub(crate) public: StaticPublicKey,
    pub(crate) prologue: Vec<u8>,
    pub(crate) chain: Vec<MembershipCertificate>,
    pub(crate) revocations: [u8; 16],
}

/// To which of a peer's endpoints a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Destination {
    /// The one in use.
    Current,
    /// All that are worth trying.
    All,
    /// This one.
    Exactly(Endpoint),
}

/// What the device wants done.
pub(crate) enum DeviceOutput {
    /// A datagram for a peer.
    Send { node: NodeId, to: Destination, datagram: Vec<u8> },
    /// A session is open for receiving.
    Installed { node: NodeId, index: SessionIndex, opener: Arc<Opener>, sealer: Arc<Sealer> },
    /// An index is no longer in use.
    Retired { index: SessionIndex },
    /// Which session is for sending has changed.
    Rerouted { node: NodeId },
    /// A handshake that a peer began is confirmed; these are its certificates.
    Confirmed { node: NodeId, from: Endpoint, chain: Vec<MembershipCertificate> },
    /// A handshake that we began is answered; this is how the peer saw us.
    Answered { node: NodeId, from: Endpoint, observed: SocketAddr },
    /// There is a session where there was none.
    Up { node: NodeId },
    /// Something was received on a session.
    Received { node: NodeId, from: Endpoint, kind: RecordKind, content: Vec<u8>, is_newest: bool },
    /// A session waits for revocations.
    Held { node: NodeId },
    /// It still does: the peer should be asked.
    AskRevocations { node: NodeId },
    /// Nobody answered for 30 s.
    GaveUp { node: NodeId },
    /// A handshake is about to be tried; whoever knows paths may help.
    Attempting { node: NodeId, attempt: u32 },
    /// A rotation is late; traffic goes on.
    LateRotation { node: NodeId },
}

/// All tunnels of one node in one network.
pub(crate) struct Device {
    pub(super) local: LocalKeys,
    pub(super) settings: Settings,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    pub(super) pending: BTreeMap<NodeId, VecDeque<Pending>>,
    pub(super) pending_deadlines: BTreeSet<(Instant, NodeId)>,
    indices: HashMap<u32, (SessionIndex, NodeId)>,
    deadlines: BTreeSet<(Instant, NodeId)>,
    pub(super) greatest: BTreeMap<NodeId, UnixTime>,
    pub(super) last_timestamp: UnixTime,
    last_order: u64,
    pub(super) cookies: CookieChecker,
    pub(super) outputs: VecDeque<DeviceOutput>,
    pub(crate) drops: DropCounts,
}

impl Device {
    pub(crate) fn new(local: LocalKeys, settings: Settings) -> Self {
        Self {
            cookies: CookieChecker::new(&local.public),
            local,
            settings,
            peers: BTreeMap::new(),
            pending: BTreeMap::new(),
            pending_deadlines: BTreeSet::new(),
            indices: HashMap::new(),
            deadlines: BTreeSet::new(),
            greatest: BTreeMap::new(),
            last_timestamp: UnixTime::default(),
            last_order: 0,
            outputs: VecDeque::new(),
            drops: DropCounts::default(),
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<DeviceOutput> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().into_iter().chain(self.pending_deadlines.first()).map(|(at, _)| *at).min()
    }

    /// Tells the device which revocations we know, for handshakes to come.
    pub(crate) fn set_revocations(&mut self, digest: [u8; 16]) {
        self.local.revocations = digest;
    }

    /// The certificates that we show.
    pub(crate) fn chain(&self) -> &[MembershipCertificate] {
        &self.local.chain
    }

    /// Changes the certificates that we show, in handshakes to come.
    pub(crate) fn set_chain(&mut self, chain: Vec<MembershipCertificate>) {
        self.local.chain = chain;
    }

    /// Whether the device holds a peer.
    pub(crate) fn peer(&self, node: &NodeId) -> Option<&Peer> {
        self.peers.get(node)
    }

    /// Makes sure that there is a peer with this key; a changed key ends what the old one had.
    pub(crate) fn ensure_peer(&mut self, node: NodeId, static_key: StaticPublicKey) {
        if self.peers.get(&node).is_some_and(|peer| peer.static_key != static_key) {
            self.forget(&node);
        }
        self.peers.entry(node).or_insert_with(|| Peer::new(static_key));
    }

    /// Ends everything with a peer at once.
    pub(crate) fn forget(&mut self, node: &NodeId) {
        for pending in self.pending.remove(node).into_iter().flatten() {
            self.free(pending.session.index);
        }
        self.outputs.retain(|output| !matches!(output, DeviceOutput::Received { node: from, .. } if from == node));
        let Some(peer) = self.peers.remove(node) else {
            return;
        };
        if let Some(at) = peer.filed {
            self.deadlines.remove(&(at, *node));
        }
        if let Handshake::Attempting(attempts) = peer.handshake {
            attempts.answerable.iter().for_each(|attempt| self.free(attempt.index));
        }
        let sessions = peer.current.into_iter().chain(peer.replaced.into_iter().map(|(session, _)| session));
        sessions.for_each(|session| self.retire(session.index));
        self.outputs.push_back(DeviceOutput::Rerouted { node: *node });
    }

    /// Sends content to a peer, or stages it and begins a handshake.
    pub(crate) fn send(
        &mut self,
        node: &NodeId,
        kind: RecordKind,
        content: Vec<u8>,
        rng: &mut dyn SecureRng,
        now: Now,
    ) {
        let Some(peer) = self.peers.get_mut(node) else {
            self.drops.count(DropReason::NoRoute);
            return;
        };
        peer.activity.sent = Some(now.monotonic);
        match peer.sending(now.monotonic) {
            Some(session) => {
                if let Some(datagram) = seal(session, RecordFlags::new(kind), &content) {
                    self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Current, datagram });
                } else {
                    self.drops.count(DropReason::Exhausted);
                }
            }
            None => {
                if !peer.staged.push(kind, content) {
                    self.drops.count(DropReason::StageFull);
                }
            }
        }
        self.handshake_if_wanted(node, rng, now);
    }

    /// Sends a message of the session itself to one endpoint of a peer, if there is a session at all.
    pub(crate) fn send_control(&mut self, node: &NodeId, to: Destination, content: &[u8]) -> bool {
        let Some(session) = self.peers.get(node).and_then(|peer| peer.current.as_ref()) else {
            return false;
        };
        let Some(datagram) = seal(session, RecordFlags::new(RecordKind::Control), content) else {
            return false;
        };
        self.outputs.push_back(DeviceOutput::Send { node: *node, to, datagram });
        true
    }

    /// Takes note of traffic that lanes carried.
    pub(crate) fn note_traffic(&mut self, node: &NodeId, direction: Traffic, rng: &mut dyn SecureRng, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if direction.sent {
            peer.activity.sent = Some(now.monotonic);
        }
        if direction.received {
            peer.activity.received = Some(now.monotonic);
            peer.activity.heard = Some(now.monotonic);
        }
        self.handshake_if_wanted(node, rng, now);
    }

    fn note_heard(&mut self, node: &NodeId, now: Instant) {
        if let Some(peer) = self.peers.get_mut(node) {
            peer.activity.heard = Some(now);
        }
    }

    /// The node to which a live index belongs.
    pub(crate) fn owner(&self, index: SessionIndex) -> Option<NodeId> {
        self.indices.get(&slot(index)).filter(|(live, _)| *live == index).map(|(_, node)| *node)
    }

    /// Whether an index is the one of a peer's current session: only there is the newest record the peer's last word.
    pub(crate) fn is_current(&self, node: &NodeId, index: SessionIndex) -> bool {
        self.peers.get(node).and_then(|peer| peer.current.as_ref()).is_some_and(|session| session.index == index)
    }

    /// Lets data flow on a peer's sessions: its revocations are here.
    pub(crate) fn release_hold(&mut self, node: &NodeId, now: Instant) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let freed: Vec<DeviceOutput> = peer.free_replaced().map(|session| installed(*node, session)).collect();
        self.outputs.extend(freed);
        if let Some(session) = peer.current.as_mut().filter(|session| session.hold != Hold::Free) {
            session.hold = Hold::Free;
            self.open_for_data(node, now);
            self.file(node);
        }
    }

    pub(crate) fn handle_timeout(&mut self, rng: &mut dyn SecureRng, now: Now) {
        self.expire_pending(now.monotonic);
        while let Some(&(at, node)) = self.deadlines.first() {
            if at > now.monotonic {
                return;
            }
            self.deadlines.pop_first();
            let Some(peer) = self.peers.get_mut(&node) else {
                continue;
            };
            peer.filed = None;
            for due in peer.due(now.monotonic) {
                self.handle_due(&node, &due, rng, now);
            }
            self.file(&node);
        }
    }

    fn expire_pending(&mut self, now: Instant) {
        while let Some(&(at, node)) = self.pending_deadlines.first() {
            if at > now {
                return;
            }
            self.pending_deadlines.pop_first();
            let Some(waiting) = self.pending.get_mut(&node) else {
                continue;
            };
            let mut expired = Vec::new();
            while waiting.front().is_some_and(|pending| pending.until <= now) {
                expired.extend(waiting.pop_front().map(|pending| pending.session.index));
            }
            if waiting.is_empty() {
                self.pending.remove(&node);
            }
            expired.into_iter().for_each(|index| self.free(index));
        }
    }

    fn handle_due(&mut self, node: &NodeId, due: &Due, rng: &mut dyn SecureRng, now: Now) {
        match due {
            Due::Attempt => self.attempt(node, rng, now),
            Due::GiveUp => self.give_up(node),
            Due::Late => self.outputs.push_back(DeviceOutput::LateRotation { node: *node }),
            Due::AskRevocations => self.outputs.push_back(DeviceOutput::AskRevocations { node: *node }),
            Due::Retire(index) => self.retire(*index),
            Due::Lapse(index) => {
                self.retire(*index);
                self.outputs.push_back(DeviceOutput::Rerouted { node: *node });
            }
        }
    }

    pub(super) fn make_session(&self, new: &NewSession, split: &Split, now: Now) -> Session {
        let rotate_at = self.settings.rotate_after_packets;
        let (sealer, opener) = halves(split, new.role, new.suite, new.remote, rotate_at);
        let ask_at = now.monotonic + ASK_REVOCATIONS_EVERY;
        Session {
            index: new.index,
            sealer: Arc::new(sealer),
            opener: Arc::new(opener),
            role: new.role,
            suite: new.suite,
            established: now.monotonic,
            established_unix: now.unix,
            hold: if new.differs { Hold::Revocations { ask_at } } else { Hold::Free },
            rotation_due: Some(Session::rotates_at(new.role, now.monotonic, &self.settings)),
            ends: Session::hard_stop(now.monotonic, &self.settings),
            order: new.order,
        }
    }

    /// Opens a transport record that no lane could place.
    pub(crate) fn handle_transport(&mut self, from: Endpoint, datagram: &mut [u8], rng: &mut dyn SecureRng, now: Now) {
        if let Err(reason) = self.open(from, datagram, rng, now) {
            self.drops.count(reason);
        }
    }

    fn open(
        &mut self,
        from: Endpoint,
        datagram: &mut [u8],
        rng: &mut dyn SecureRng,
        now: Now,
    ) -> Result<(), DropReason> {
        let header = RecordHeader::decode(datagram).map_err(|_| DropReason::Malformed)?;
        let node = self.owner(header.index).ok_or(DropReason::UnknownSession)?;
        let opener = self.opener(&node, header.index).ok_or(DropReason::UnknownSession)?;
        let opened = opener.open(&header, datagram)?;
        let kind = opened.flags.kind().ok_or(DropReason::Unsupported)?;
        let is_newest = opened.is_newest;
        let has_content = kind == RecordKind::Ip && !opened.content.is_empty();
        let contents = unpack(opened.flags, opened.content);
        self.confirm(&node, header.index, from, now.monotonic);
        let contents = contents?;
        let peer = self.peers.get(&node).ok_or(DropReason::UnknownSession)?;
        let is_held = peer.session(header.index).is_some_and(|session| session.hold != Hold::Free);
        if is_held && has_content {
            return Err(DropReason::RevocationsPending);
        }
        let is_newest = is_newest && self.is_current(&node, header.index);
        for content in contents {
            self.outputs.push_back(DeviceOutput::Received { node, from, kind, content, is_newest });
        }
        self.note_heard(&node, now.monotonic);
        self.note_traffic(&node, Traffic { sent: false, received: has_content }, rng, now);
        Ok(())
    }

    fn opener(&self, node: &NodeId, index: SessionIndex) -> Option<Arc<Opener>> {
        let mut pending = self.pending.get(node).into_iter().flatten().map(|pending| &pending.session);
        let session = pending
            .find(|session| session.index == index)
            .or_else(|| self.peers.get(node).and_then(|peer| peer.session(index)));
        session.map(|session| session.opener.clone())
    }

    /// The first authentic record on a pending session: the initiator has the keys.
    fn confirm(&mut self, node: &NodeId, index: SessionIndex, from: Endpoint, now: Instant) {
        let Some(Pending { mut session, chain, static_key, .. }) = self.take_pending(node, index) else {
            return;
        };
        self.ensure_peer(*node, static_key);
        self.outputs.push_back(DeviceOutput::Confirmed { node: *node, from, chain });
        if !self.has_later(node, &session) {
            self.establish(node, session, now);
            return;
        }
        session.rotation_due = None;
        if session.hold == Hold::Free {
            self.outputs.push_back(installed(*node, &session));
        }
        let peer = self.peers.get_mut(node).expect("the peer was ensured above");
        let surplus = peer.shelve(session, now);
        surplus.into_iter().for_each(|index| self.retire(index));
        self.file(node);
    }

    /// Takes out a pending session; older ones will not be used any more.
    fn take_pending(&mut self, node: &NodeId, index: SessionIndex) -> Option<Pending> {
        let waiting = self.pending.get_mut(node)?;
        let at = waiting.iter().position(|pending| pending.session.index == index)?;
        let older: Vec<SessionIndex> = waiting.drain(..at).map(|pending| pending.session.index).collect();
        let taken = waiting.pop_front();
        if waiting.is_empty() {
            self.pending.remove(node);
        }
        older.into_iter().for_each(|index| self.free(index));
        taken
    }

    /// Whether both sides began at once, both handshakes completed, and the current session was begun after this one
    /// was answered.
    fn has_later(&self, node: &NodeId, confirmed: &Session) -> bool {
        let current = self.peers.get(node).and_then(|peer| peer.current.as_ref());
        current.is_some_and(|current| current.role == Role::Initiator && current.order > confirmed.order)
    }

    pub(super) fn establish(&mut self, node: &NodeId, session: Session, now: Instant) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let (was_up, is_held) = (peer.current.is_some(), session.hold != Hold::Free);
        let surplus = peer.replace(session, now);
        let handshake = std::mem::replace(&mut peer.handshake, Handshake::Idle);
        surplus.into_iter().for_each(|index| self.retire(index));
        if let Handshake::Attempting(attempts) = handshake {
            attempts.answerable.iter().for_each(|attempt| self.free(attempt.index));
        }
        if !was_up {
            self.outputs.push_back(DeviceOutput::Up { node: *node });
        }
        if is_held {
            self.outputs.push_back(DeviceOutput::Held { node: *node });
        } else {
            self.open_for_data(node, now);
        }
        self.file(node);
    }

    /// Installs the current session, which is free, and sends what was staged.
    fn open_for_data(&mut self, node: &NodeId, now: Instant) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let Some(current) = &peer.current else {
            return;
        };
        self.outputs.push_back(installed(*node, current));
        if current.hold == Hold::Free && peer.sending(now).is_some() {
            let staged = peer.staged.take();
            let session = peer.sending(now).expect("it was there before the staged packets were taken");
            for (kind, content) in staged {
                if let Some(datagram) = seal(session, RecordFlags::new(kind), &content) {
                    self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Current, datagram });
                }
            }
        }
        self.outputs.push_back(DeviceOutput::Rerouted { node: *node });
    }

    /// Sends an empty record: shows that we have the keys, and where we are.
    pub(crate) fn keepalive(&mut self, node: &NodeId) {
        let Some(session) = self.peers.get(node).and_then(|peer| peer.current.as_ref()) else {
            return;
        };
        if let Some(datagram) = seal(session, RecordFlags::new(RecordKind::Ip), &[]) {
            self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Current, datagram });
        }
    }

    /// Sends an empty record on every session: we may be somewhere else.
    pub(crate) fn keepalive_all(&mut self) {
        let nodes: Vec<NodeId> = self.peers.keys().copied().collect();
        nodes.iter().for_each(|node| self.keepalive(node));
    }

    pub(super) fn next_order(&mut self) -> u64 {
        self.last_order += 1;
        self.last_order
    }

    pub(super) fn allocate(&mut self, node: NodeId, rng: &mut dyn SecureRng) -> Option<SessionIndex> {
        if self.indices.len() >= INDICES_MAX {
            return None;
        }
        loop {
            let index = SessionIndex(u32::from_le_bytes(random_bytes(rng)));
            if let std::collections::hash_map::Entry::Vacant(entry) = self.indices.entry(slot(index)) {
                entry.insert((index, node));
                return Some(index);
            }
        }
    }

    /// Frees the index of a handshake.
    pub(super) fn free(&mut self, index: SessionIndex) {
        self.indices.remove(&slot(index));
    }

    /// Frees the index of a session, which lanes may know.
    fn retire(&mut self, index: SessionIndex) {
        self.free(index);
        self.outputs.push_back(DeviceOutput::Retired { index });
    }

    /// Files a peer's next deadline.
    pub(super) fn file(&mut self, node: &NodeId) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let deadline = peer.deadline();
        if deadline == peer.filed {
            return;
        }
        if let Some(at) = peer.filed {
            self.deadlines.remove(&(at, *node));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, *node));
        }
        peer.filed = deadline;
    }
}

/// Which way lanes carried packets since their last report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) sent: bool,
    pub(crate) received: bool,
}

/// What a session is made of, besides keys.
pub(super) struct NewSession {
    pub(super) index: SessionIndex,
    pub(super) remote: SessionIndex,
    pub(super) role: Role,
    pub(super) suite: Suite,
    pub(super) differs: bool,
    pub(super) order: u64,
}

/// The slot of an index: its low bits.
const fn slot(index: SessionIndex) -> u32 {
    index.0 & ((1 << SLOT_BITS) - 1)
}

fn installed(node: NodeId, session: &Session) -> DeviceOutput {
    DeviceOutput::Installed {
        node,
        index: session.index,
        opener: session.opener.clone(),
        sealer: session.sealer.clone(),
    }
}

fn seal(session: &Session, flags: RecordFlags, content: &[u8]) -> Option<Vec<u8>> {
    let mut datagram = Vec::with_capacity(content.len() + holloway_wire::RECORD_OVERHEAD);
    session.sealer.seal(flags, content, &mut datagram).ok()?;
    Some(datagram)
}
