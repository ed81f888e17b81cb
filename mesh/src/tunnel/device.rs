use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holloway_wire::{
    Capabilities, CookieReply, Endpoint, HandshakeInitiation, HandshakeResponse, InitiationPayload, Instant,
    MembershipCertificate, NodeId, Now, RecordFlags, RecordHeader, RecordKind, ResponsePayload, SessionIndex,
    StaticPublicKey, StaticSecret, Suite, UnixTime, encode_initiation, encode_response, set_mac1, set_mac2,
};

use super::cookie::{CookieChecker, Verdict, mac1_key, open_cookie};
use super::initiation::Claim;
use super::peer::{
    Attempt, Attempts, Cookie, Due, Handshake, Hold, Peer, Pending, Session, was_begun_by_lower,
};
use super::session::{Opener, Role, Sealer, halves};
use crate::aead;
use crate::drop_reason::{DropCounts, DropReason};
use crate::noise::{Ephemeral, Initiator, Responder, Split};
use crate::rng::{SecureRng, random_bytes};
use crate::settings::{CipherChoice, Settings};

/// The lower side of a crossing answers after this many attempts of its own, in case only one direction gets through.
const CROSSING_PATIENCE: u32 = 3;

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
    Confirmed { node: NodeId, chain: Vec<MembershipCertificate> },
    /// A handshake that we began is answered; this is how the peer saw us.
    Answered { node: NodeId, from: Endpoint, observed: SocketAddr },
    /// Something was received on a session.
    Received { node: NodeId, from: Endpoint, kind: RecordKind, content: Vec<u8>, is_newest: bool },
    /// A session waits for revocations; this one should ask for them.
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
    local: LocalKeys,
    settings: Settings,
    peers: BTreeMap<NodeId, Peer>,
    pending: BTreeMap<NodeId, Pending>,
    indices: HashMap<u32, (SessionIndex, NodeId)>,
    deadlines: BTreeSet<(Instant, NodeId)>,
    greatest: BTreeMap<NodeId, UnixTime>,
    last_timestamp: UnixTime,
    cookies: CookieChecker,
    outputs: VecDeque<DeviceOutput>,
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
            indices: HashMap::new(),
            deadlines: BTreeSet::new(),
            greatest: BTreeMap::new(),
            last_timestamp: UnixTime::default(),
            outputs: VecDeque::new(),
            drops: DropCounts::default(),
        }
    }

    pub(crate) fn poll_output(&mut self) -> Option<DeviceOutput> {
        self.outputs.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Tells the device which revocations we know, for handshakes to come.
    pub(crate) fn set_revocations(&mut self, digest: [u8; 16]) {
        self.local.revocations = digest;
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
        self.drop_pending(node);
        self.outputs.retain(|output| !matches!(output, DeviceOutput::Received { node: from, .. } if from == node));
        let Some(peer) = self.peers.remove(node) else {
            return;
        };
        if let Some(at) = peer.filed {
            self.deadlines.remove(&(at, *node));
        }
        let sessions = peer.current.into_iter().chain(peer.replaced.into_iter().map(|(session, _)| session));
        let mut indices: Vec<SessionIndex> = sessions.map(|session| session.index).collect();
        if let Handshake::Attempting(attempts) = peer.handshake {
            indices.extend(attempts.answerable.into_iter().map(|attempt| attempt.index));
        }
        for index in indices {
            self.release(index);
        }
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
        match peer.sending() {
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
    pub(crate) fn note_traffic(
        &mut self,
        node: &NodeId,
        direction: Traffic,
        rng: &mut dyn SecureRng,
        now: Now,
    ) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if direction.sent {
            peer.activity.sent = Some(now.monotonic);
        }
        if direction.received {
            peer.activity.received = Some(now.monotonic);
        }
        self.handshake_if_wanted(node, rng, now);
    }

    /// Begins a handshake although there is a session: its path is in doubt.
    pub(crate) fn renew(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if matches!(peer.handshake, Handshake::Idle) {
            peer.handshake = Handshake::Attempting(Attempts::begin(now.monotonic));
            self.attempt(node, rng, now);
        }
    }

    /// The node to which a live index belongs.
    pub(crate) fn owner(&self, index: SessionIndex) -> Option<NodeId> {
        self.indices.get(&slot(index)).filter(|(live, _)| *live == index).map(|(_, node)| *node)
    }

    /// Lets data flow on a peer's session: its revocations are here.
    pub(crate) fn release_hold(&mut self, node: &NodeId) {
        let Some(session) = self.peers.get_mut(node).and_then(|peer| peer.current.as_mut()) else {
            return;
        };
        if session.hold == Hold::Free {
            return;
        }
        session.hold = Hold::Free;
        self.open_for_data(node);
    }

    pub(crate) fn handle_timeout(&mut self, rng: &mut dyn SecureRng, now: Now) {
        while let Some(&(at, node)) = self.deadlines.first() {
            if at > now.monotonic {
                return;
            }
            self.deadlines.pop_first();
            let Some(peer) = self.peers.get_mut(&node) else {
                continue;
            };
            peer.filed = None;
            for due in peer.due(&self.settings, now.monotonic) {
                self.handle_due(&node, &due, rng, now);
            }
            self.file(&node);
        }
    }

    fn handle_due(&mut self, node: &NodeId, due: &Due, rng: &mut dyn SecureRng, now: Now) {
        match due {
            Due::Attempt => self.attempt(node, rng, now),
            Due::GiveUp => self.give_up(node),
            Due::Late => self.outputs.push_back(DeviceOutput::LateRotation { node: *node }),
            Due::AskRevocations(_) => self.outputs.push_back(DeviceOutput::AskRevocations { node: *node }),
            Due::Retire(index) => self.release(*index),
            Due::Lapse(index) => {
                self.release(*index);
                self.outputs.push_back(DeviceOutput::Rerouted { node: *node });
            }
        }
    }

    fn handshake_if_wanted(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if peer.wants_handshake(&self.settings, now.monotonic) {
            peer.handshake = Handshake::Attempting(Attempts::begin(now.monotonic));
            self.attempt(node, rng, now);
        }
        self.file(node);
    }

    /// Sends one message 1 to all endpoints of a peer.
    fn attempt(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Now) {
        let Some(index) = self.allocate(*node, rng) else {
            return;
        };
        let timestamp = self.next_timestamp(now.unix);
        let Some(peer) = self.peers.get(node) else {
            return;
        };
        let Some((initiator, mut message)) = self.write_initiation(peer, index, timestamp, rng) else {
            self.release(index);
            self.give_up(node);
            return;
        };
        set_mac1(&mut message, &mac1_key(&peer.static_key));
        let jitter = Duration::from_millis(u64::from(random_bytes::<1>(rng)[0]) / 2);
        let mac1 = message[message.len() - 32..message.len() - 16].try_into().expect("mac1 has 16 bytes");
        let with_cookie = peer.fresh_cookie(now.monotonic).map(|cookie| {
            let mut message = message.clone();
            set_mac2(&mut message, &cookie.value);
            (cookie.endpoint, message)
        });
        self.file_attempt(node, Attempt { index, initiator, mac1 }, jitter, now.monotonic);
        self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::All, datagram: message });
        if let Some((endpoint, datagram)) = with_cookie {
            self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Exactly(endpoint), datagram });
        }
    }

    fn file_attempt(&mut self, node: &NodeId, attempt: Attempt, jitter: Duration, now: Instant) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let Handshake::Attempting(attempts) = &mut peer.handshake else {
            return;
        };
        let unanswerable = attempts.sent(attempt, jitter, now);
        let attempt = attempts.count;
        self.outputs.push_back(DeviceOutput::Attempting { node: *node, attempt });
        if let Some(index) = unanswerable {
            self.indices.remove(&slot(index));
        }
        self.file(node);
    }

    fn write_initiation(
        &self,
        peer: &Peer,
        index: SessionIndex,
        timestamp: UnixTime,
        rng: &mut dyn SecureRng,
    ) -> Option<(Initiator, Vec<u8>)> {
        let payload = InitiationPayload {
            timestamp,
            capabilities: self.capabilities(),
            revocations: self.local.revocations,
            certificates: self.local.chain.clone(),
        };
        let ephemeral = Ephemeral(random_bytes(rng));
        let (initiator, noise) = Initiator::start(
            &self.local.secret,
            &peer.static_key,
            &self.local.prologue,
            ephemeral,
            &payload.encode(),
        )
        .ok()?;
        Some((initiator, encode_initiation(index, &noise)))
    }

    fn capabilities(&self) -> Capabilities {
        match self.settings.cipher {
            CipherChoice::VectorAes if aead::supports(Suite::Aes256Gcm) => Capabilities::VECTOR_AES,
            CipherChoice::VectorAes | CipherChoice::ChaCha20Poly1305 => Capabilities::default(),
        }
    }

    /// Strictly grows, whatever the clock does: max(now, last + 1).
    fn next_timestamp(&mut self, now: UnixTime) -> UnixTime {
        let next = now.max(UnixTime::from_nanos(self.last_timestamp.as_nanos() + 1));
        self.last_timestamp = next;
        next
    }

    fn give_up(&mut self, node: &NodeId) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if let Handshake::Attempting(attempts) = std::mem::replace(&mut peer.handshake, Handshake::Idle) {
            for attempt in attempts.answerable {
                self.indices.remove(&slot(attempt.index));
            }
        }
        for _ in peer.staged.take() {
            self.drops.count(DropReason::NoSession);
        }
        self.outputs.push_back(DeviceOutput::GaveUp { node: *node });
    }

    /// Reads message 1 as far as that needs no knowledge of members.
    pub(crate) fn read_initiation(
        &mut self,
        from: Endpoint,
        message: &HandshakeInitiation<'_>,
        rng: &mut dyn SecureRng,
        now: Now,
    ) -> Option<Claim> {
        if !self.cookies.knows_us(&message.macs) {
            self.drops.count(DropReason::Mac1);
            return None;
        }
        match self.cookies.weigh(&message.macs, &from, now.monotonic) {
            Verdict::Read => {}
            Verdict::AskForCookie => {
                let datagram = self.cookies.reply(message.sender, &message.macs, &from, rng, now.monotonic);
                self.drops.count(DropReason::CookieRequired);
                self.outputs.push_back(DeviceOutput::Send {
                    node: self.local.node,
                    to: Destination::Exactly(from),
                    datagram,
                });
                return None;
            }
            Verdict::Drop(reason) => {
                self.drops.count(reason);
                return None;
            }
        }
        self.read_claim(from, message, rng).map_err(|reason| self.drops.count(reason)).ok()
    }

    fn read_claim(
        &self,
        from: Endpoint,
        message: &HandshakeInitiation<'_>,
        rng: &mut dyn SecureRng,
    ) -> Result<Claim, DropReason> {
        let ephemeral = Ephemeral(random_bytes(rng));
        let responder = Responder::read(&self.local.secret, &self.local.prologue, ephemeral, message.noise)
            .map_err(|_| DropReason::Handshake)?;
        if *responder.remote() == self.local.public {
            return Err(DropReason::Reflected);
        }
        let payload = InitiationPayload::decode(responder.payload()).map_err(|_| DropReason::Payload)?;
        Ok(Claim { responder, payload, sender: message.sender, from })
    }

    /// Whether a claim is newer than all before it and not too far from our clock.
    pub(crate) fn check_timestamp(&self, claim: &Claim, now: Now) -> Result<(), DropReason> {
        if claim.payload.timestamp.distance(now.unix) > self.settings.max_clock_skew {
            return Err(DropReason::ClockSkew);
        }
        match self.greatest.get(claim.subject()) {
            Some(greatest) if claim.payload.timestamp <= *greatest => Err(DropReason::Timestamp),
            _ => Ok(()),
        }
    }

    /// Answers message 1 of a member.
    pub(crate) fn accept(&mut self, claim: Claim, rng: &mut dyn SecureRng, now: Now) {
        let node = *claim.subject();
        self.greatest.insert(node, claim.payload.timestamp);
        if self.goes_first(&node) {
            self.drops.count(DropReason::Crossed);
            return;
        }
        let Some(index) = self.allocate(node, rng) else {
            self.drops.count(DropReason::RateLimited);
            return;
        };
        let suite = self.choose_suite(claim.payload.capabilities);
        let payload = ResponsePayload {
            suite,
            revocations: self.local.revocations,
            observed: claim.from.socket_addr(),
        };
        let differs = claim.payload.revocations != self.local.revocations;
        let static_key = *claim.proven_key();
        let (from, sender, chain) = (claim.from, claim.sender, claim.payload.certificates);
        let Ok((noise, split)) = claim.responder.respond(&payload.encode()) else {
            self.release(index);
            self.drops.count(DropReason::Handshake);
            return;
        };
        let mut datagram = encode_response(index, sender, &noise);
        set_mac1(&mut datagram, &mac1_key(&static_key));
        let keys = NewSession { index, remote: sender, role: Role::Responder, suite, differs };
        let session = self.make_session(&keys, &split, now);
        self.drop_pending(&node);
        self.pending.insert(node, Pending { session, chain, static_key });
        self.outputs.push_back(DeviceOutput::Send { node, to: Destination::Exactly(from), datagram });
    }

    /// Whether both sides began at once and ours goes first.
    fn goes_first(&self, node: &NodeId) -> bool {
        let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get(node) else {
            return false;
        };
        self.local.node < *node && attempts.count > 0 && attempts.count < CROSSING_PATIENCE
    }

    fn choose_suite(&self, theirs: Capabilities) -> Suite {
        let both = self.capabilities().contains(Capabilities::VECTOR_AES) && theirs.contains(Capabilities::VECTOR_AES);
        if both { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
    }

    fn make_session(&self, new: &NewSession, split: &Split, now: Now) -> Session {
        let rotate_at = self.settings.rotate_after_packets;
        let (sealer, opener) = halves(split, new.role, new.suite, new.remote, rotate_at);
        Session {
            index: new.index,
            sealer: Arc::new(sealer),
            opener: Arc::new(opener),
            role: new.role,
            suite: new.suite,
            established: now.monotonic,
            established_unix: now.unix,
            hold: if new.differs { Hold::Revocations { ask_at: now.monotonic } } else { Hold::Free },
            rotation_due: Some(Session::rotates_at(new.role, now.monotonic, &self.settings)),
        }
    }

    /// Reads message 2.
    pub(crate) fn handle_response(
        &mut self,
        from: Endpoint,
        message: &HandshakeResponse<'_>,
        rng: &mut dyn SecureRng,
        now: Now,
    ) {
        if !self.cookies.knows_us(&message.macs) {
            self.drops.count(DropReason::Mac1);
            return;
        }
        if let Err(reason) = self.finish(from, message, rng, now) {
            self.drops.count(reason);
        }
    }

    fn finish(
        &mut self,
        from: Endpoint,
        message: &HandshakeResponse<'_>,
        rng: &mut dyn SecureRng,
        now: Now,
    ) -> Result<(), DropReason> {
        let node = self.owner(message.receiver).ok_or(DropReason::Unsolicited)?;
        let peer = self.peers.get_mut(&node).ok_or(DropReason::Unsolicited)?;
        let Handshake::Attempting(attempts) = &mut peer.handshake else {
            return Err(DropReason::Unsolicited);
        };
        let at = attempts.answerable.iter().position(|attempt| attempt.index == message.receiver);
        let attempt = at.and_then(|at| attempts.answerable.remove(at)).ok_or(DropReason::Unsolicited)?;
        let Attempt { index, initiator, mac1 } = attempt;
        let (payload, split) = match initiator.finish(message.noise) {
            Ok(done) => done,
            Err((initiator, _)) => {
                attempts.answerable.push_back(Attempt { index, initiator, mac1 });
                return Err(DropReason::Handshake);
            }
        };
        let Ok(payload) = ResponsePayload::decode(&payload) else {
            self.release(index);
            return Err(DropReason::Payload);
        };
        if payload.suite == Suite::Aes256Gcm && !self.capabilities().contains(Capabilities::VECTOR_AES) {
            self.release(index);
            return Err(DropReason::Payload);
        }
        let differs = payload.revocations != self.local.revocations;
        let new = NewSession { index, remote: message.sender, role: Role::Initiator, suite: payload.suite, differs };
        let session = self.make_session(&new, &split, now);
        self.outputs.push_back(DeviceOutput::Answered { node, from, observed: payload.observed });
        self.establish(&node, session, now.monotonic);
        self.keepalive(&node);
        self.handshake_if_wanted(&node, rng, now);
        Ok(())
    }

    /// Takes a cookie that a peer gave us; the next attempt uses it.
    pub(crate) fn handle_cookie(&mut self, from: Endpoint, message: &CookieReply<'_>, now: Instant) {
        let cookie = self.owner(message.receiver).and_then(|node| {
            let peer = self.peers.get_mut(&node)?;
            let Handshake::Attempting(attempts) = &mut peer.handshake else {
                return None;
            };
            let attempt = attempts.answerable.iter().find(|attempt| attempt.index == message.receiver)?;
            let value = open_cookie(&peer.static_key, message.nonce, message.sealed, &attempt.mac1)?;
            peer.cookie = Some(Cookie { value, endpoint: from, received: now });
            Some(())
        });
        if cookie.is_none() {
            self.drops.count(DropReason::Unsolicited);
        }
    }

    /// Opens a transport record that no lane could place.
    pub(crate) fn handle_transport(
        &mut self,
        from: Endpoint,
        datagram: &mut [u8],
        rng: &mut dyn SecureRng,
        now: Now,
    ) {
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
        let unsupported = RecordFlags::SEVERAL | RecordFlags::CHECKSUM | RecordFlags::FRAGMENT;
        if opened.flags.has(unsupported) || kind == RecordKind::Ethernet {
            return Err(DropReason::Unsupported);
        }
        let (content, is_newest) = (opened.content.to_vec(), opened.is_newest);
        if self.pending.get(&node).is_some_and(|pending| pending.session.index == header.index) {
            self.confirm(&node, now.monotonic);
        }
        let peer = self.peers.get(&node).ok_or(DropReason::UnknownSession)?;
        let is_held = peer.session(header.index).is_some_and(|session| session.hold != Hold::Free);
        if is_held && kind == RecordKind::Ip && !content.is_empty() {
            return Err(DropReason::RevocationsPending);
        }
        self.outputs.push_back(DeviceOutput::Received { node, from, kind, content, is_newest });
        self.note_traffic(&node, Traffic { sent: false, received: true }, rng, now);
        Ok(())
    }

    fn opener(&self, node: &NodeId, index: SessionIndex) -> Option<Arc<Opener>> {
        if let Some(pending) = self.pending.get(node)
            && pending.session.index == index
        {
            return Some(pending.session.opener.clone());
        }
        self.peers.get(node)?.session(index).map(|session| session.opener.clone())
    }

    /// The first authentic record on a pending session: the initiator has the keys.
    fn confirm(&mut self, node: &NodeId, now: Instant) {
        let Some(Pending { mut session, chain, static_key }) = self.pending.remove(node) else {
            return;
        };
        self.ensure_peer(*node, static_key);
        self.outputs.push_back(DeviceOutput::Confirmed { node: *node, chain });
        if self.loses_crossing(node, &session) {
            session.rotation_due = None;
            self.announce_receiving(node, &session);
            let peer = self.peers.get_mut(node).expect("the peer was ensured above");
            let surplus = peer.shelve(session, now);
            surplus.into_iter().for_each(|index| self.release(index));
            return;
        }
        self.establish(node, session, now);
    }

    /// Whether both sides began at once, both handshakes completed, and the other one counts.
    fn loses_crossing(&self, node: &NodeId, confirmed: &Session) -> bool {
        let Some(current) = self.peers.get(node).and_then(|peer| peer.current.as_ref()) else {
            return false;
        };
        current.role == Role::Initiator
            && confirmed.established <= current.established
            && was_begun_by_lower(Role::Initiator, &self.local.node, node)
    }

    fn establish(&mut self, node: &NodeId, session: Session, now: Instant) {
        self.announce_receiving(node, &session);
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let mut released = peer.replace(session, now);
        if let Handshake::Attempting(attempts) = std::mem::replace(&mut peer.handshake, Handshake::Idle) {
            released.extend(attempts.answerable.into_iter().map(|attempt| attempt.index));
        }
        released.into_iter().for_each(|index| self.release(index));
        self.open_for_data(node);
        self.file(node);
    }

    /// Lets lanes receive on a session, unless it waits for revocations.
    fn announce_receiving(&mut self, node: &NodeId, session: &Session) {
        if session.hold == Hold::Free {
            self.outputs.push_back(DeviceOutput::Installed {
                node: *node,
                index: session.index,
                opener: session.opener.clone(),
                sealer: session.sealer.clone(),
            });
        }
    }

    /// Sends what was staged, if the session is free for it.
    fn open_for_data(&mut self, node: &NodeId) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if peer.sending().is_none() {
            return;
        }
        let staged = peer.staged.take();
        let session = peer.sending().expect("it was there before the staged packets were taken");
        let (index, opener, sealer) = (session.index, session.opener.clone(), session.sealer.clone());
        self.outputs.push_back(DeviceOutput::Installed { node: *node, index, opener, sealer });
        for (kind, content) in staged {
            if let Some(datagram) = seal(session, RecordFlags::new(kind), &content) {
                self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Current, datagram });
            }
        }
        self.outputs.push_back(DeviceOutput::Rerouted { node: *node });
    }

    /// Sends an empty record: shows that we have the keys.
    fn keepalive(&mut self, node: &NodeId) {
        let Some(session) = self.peers.get(node).and_then(|peer| peer.current.as_ref()) else {
            return;
        };
        if let Some(datagram) = seal(session, RecordFlags::new(RecordKind::Ip), &[]) {
            self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Current, datagram });
        }
    }

    fn drop_pending(&mut self, node: &NodeId) {
        if let Some(pending) = self.pending.remove(node) {
            self.release(pending.session.index);
        }
    }

    fn allocate(&mut self, node: NodeId, rng: &mut dyn SecureRng) -> Option<SessionIndex> {
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

    fn release(&mut self, index: SessionIndex) {
        self.indices.remove(&slot(index));
        self.outputs.push_back(DeviceOutput::Retired { index });
    }

    /// Files a peer's next deadline.
    fn file(&mut self, node: &NodeId) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let deadline = peer.deadline(&self.settings);
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

struct NewSession {
    index: SessionIndex,
    remote: SessionIndex,
    role: Role,
    suite: Suite,
    differs: bool,
}

/// The slot of an index: its low bits.
const fn slot(index: SessionIndex) -> u32 {
    index.0 & ((1 << SLOT_BITS) - 1)
}

fn seal(session: &Session, flags: RecordFlags, content: &[u8]) -> Option<Vec<u8>> {
    let mut datagram = Vec::with_capacity(content.len() + holloway_wire::RECORD_OVERHEAD);
    session.sealer.seal(flags, content, &mut datagram).ok()?;
    Some(datagram)
}
