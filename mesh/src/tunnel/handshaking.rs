use std::collections::VecDeque;
use std::time::Duration;

use holloway_wire::{
    Capabilities, CookieReply, Endpoint, HandshakeInitiation, HandshakeResponse, InitiationPayload, Instant, NodeId,
    Now, ResponsePayload, SecureRng, SessionIndex, Suite, UnixTime, encode_initiation, encode_response, random_bytes,
    set_mac1, set_mac2,
};

use super::cookie::{Verdict, mac1_key, open_cookie};
use super::device::{Destination, Device, DeviceOutput, NewSession};
use super::initiation::Claim;
use super::peer::{ANSWERABLE, Attempt, Attempts, Cookie, GIVE_UP_AFTER, Handshake, Peer, Pending};
use super::session::Role;
use crate::aead;
use crate::drop_reason::DropReason;
use crate::noise::{Ephemeral, Initiator, Responder};
use crate::settings::CipherChoice;

/// Crossing initiations that the lower side leaves unanswered before it gives in: the peer may be unable to read ours,
/// for want of a parent of our certificate say.
const CROSSING_PATIENCE: u32 = 2;

/// Greatest timestamps from which on those are forgotten that the clock refuses anyway: a minute's handshakes of many
/// thousand members.
const TIMESTAMPS_KEPT: usize = 4096;

impl Device {
    /// Begins a handshake if traffic calls for one.
    pub(super) fn handshake_if_wanted(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        if peer.wants_handshake(&self.settings, now.monotonic) {
            peer.handshake = Handshake::Attempting(Attempts::begin(now.monotonic));
            self.attempt(node, rng, now);
        }
        self.file(node);
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

    /// This machine is somewhere else: a handshake begins, and one that is under way begins anew, as what it has sent so
    /// far may have gone nowhere.
    pub(crate) fn renew_from_here(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Now) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        match &mut peer.handshake {
            Handshake::Idle => peer.handshake = Handshake::Attempting(Attempts::begin(now.monotonic)),
            Handshake::Attempting(attempts) => attempts.begin_anew(now.monotonic),
        }
        self.attempt(node, rng, now);
    }

    /// Whether a handshake of ours is under way.
    pub(crate) fn is_attempting(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(Peer::is_handshaking)
    }

    /// Sends the last message 1 to an endpoint that became known after it was sent.
    pub(crate) fn attempt_at(&mut self, node: &NodeId, endpoint: Endpoint) {
        if let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get(node)
            && !attempts.message.is_empty()
        {
            let datagram = attempts.message.clone();
            self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Exactly(endpoint), datagram });
        }
    }

    /// Sends one message 1 to all endpoints of a peer.
    pub(super) fn attempt(&mut self, node: &NodeId, rng: &mut dyn SecureRng, now: Now) {
        let Some(index) = self.allocate(*node, rng) else {
            if let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get_mut(node) {
                attempts.postpone(now.monotonic);
            }
            return;
        };
        let timestamp = self.next_timestamp(now.unix);
        let Some(peer) = self.peers.get(node) else {
            return;
        };
        let Some((initiator, mut message)) = self.write_initiation(peer, index, timestamp, rng) else {
            self.free(index);
            self.give_up(node);
            return;
        };
        set_mac1(&mut message, &mac1_key(&peer.static_key));
        let mac1 = message[message.len() - 32..message.len() - 16].try_into().expect("mac1 has 16 bytes");
        let with_cookie = peer.fresh_cookie(now.monotonic).map(|cookie| {
            let mut message = message.clone();
            set_mac2(&mut message, &cookie.value);
            (cookie.endpoint, message)
        });
        let attempt = Attempt { index, initiator: Box::new(initiator), mac1, order: self.next_order() };
        self.file_attempt(node, attempt, message.clone(), rng, now.monotonic);
        self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::All, datagram: message });
        if let Some((endpoint, datagram)) = with_cookie {
            self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Exactly(endpoint), datagram });
        }
    }

    fn file_attempt(
        &mut self,
        node: &NodeId,
        attempt: Attempt,
        message: Vec<u8>,
        rng: &mut dyn SecureRng,
        now: Instant,
    ) {
        let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get_mut(node) else {
            return;
        };
        let jitter = Duration::from_millis(u64::from(random_bytes::<1>(rng)[0]) / 2);
        let unanswerable = attempts.sent(attempt, jitter, now);
        attempts.message = message;
        let attempt = attempts.count;
        self.outputs.push_back(DeviceOutput::Attempting { node: *node, attempt });
        if let Some(index) = unanswerable {
            self.free(index);
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
        let (initiator, noise) =
            Initiator::start(&self.local.secret, &peer.static_key, &self.local.prologue, ephemeral, &payload.encode())
                .ok()?;
        Some((initiator, encode_initiation(index, &noise)))
    }

    fn capabilities(&self) -> Capabilities {
        match self.settings.cipher {
            CipherChoice::VectorAes if aead::supports(Suite::Aes256Gcm) => Capabilities::VECTOR_AES,
            CipherChoice::VectorAes | CipherChoice::ChaCha20Poly1305 => Capabilities::default(),
        }
    }

    /// Strictly grows, max(now, last + 1), unless the last was so far ahead that nobody took it: our clock was wrong,
    /// and has been mended.
    fn next_timestamp(&mut self, now: UnixTime) -> UnixTime {
        let after_last = UnixTime::from_nanos(self.last_timestamp.as_nanos().saturating_add(1));
        let was_ahead = after_last > now + self.settings.max_clock_skew;
        self.last_timestamp = if was_ahead { now } else { now.max(after_last) };
        self.last_timestamp
    }

    pub(super) fn give_up(&mut self, node: &NodeId) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        let handshake = std::mem::replace(&mut peer.handshake, Handshake::Idle);
        let staged = peer.staged.take().len();
        if let Handshake::Attempting(attempts) = handshake {
            attempts.answerable.iter().for_each(|attempt| self.free(attempt.index));
        }
        (0..staged).for_each(|_| self.drops.count(DropReason::NoSession));
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
                let to = Destination::Exactly(from);
                self.outputs.push_back(DeviceOutput::Send { node: self.local.node, to, datagram });
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
        let payload = InitiationPayload::decode(responder.payload()).map_err(|_| DropReason::Payload)?;
        let claim = Claim { responder, payload, sender: message.sender, from };
        if *claim.proven_key() == self.local.public || *claim.subject() == self.local.node {
            return Err(DropReason::Reflected);
        }
        Ok(claim)
    }

    /// Whether a claim is newer than all before it and not too far from our clock. A greatest timestamp that is too
    /// far ahead itself is of a time when our clock was wrong, and counts for nothing.
    pub(crate) fn check_timestamp(&self, claim: &Claim, now: Now) -> Result<(), DropReason> {
        let timestamp = claim.payload.timestamp;
        if timestamp.distance(now.unix) > self.settings.max_clock_skew {
            return Err(DropReason::ClockSkew);
        }
        let ahead = now.unix + self.settings.max_clock_skew;
        match self.greatest.get(claim.subject()) {
            Some(greatest) if timestamp <= *greatest && *greatest <= ahead => Err(DropReason::Timestamp),
            Some(_) | None => Ok(()),
        }
    }

    fn note_timestamp(&mut self, node: NodeId, timestamp: UnixTime, now: Now) {
        if self.greatest.len() >= TIMESTAMPS_KEPT {
            let skew = self.settings.max_clock_skew;
            self.greatest.retain(|_, greatest| *greatest + skew >= now.unix);
        }
        self.greatest.insert(node, timestamp);
    }

    /// Answers message 1 of a member.
    pub(crate) fn accept(&mut self, claim: Claim, rng: &mut dyn SecureRng, now: Now) {
        let node = *claim.subject();
        self.note_timestamp(node, claim.payload.timestamp, now);
        if self.goes_first(&node, claim.from) {
            self.drops.count(DropReason::Crossed);
            return;
        }
        let Some(index) = self.allocate(node, rng) else {
            self.drops.count(DropReason::RateLimited);
            return;
        };
        self.leave_to_peer(&node, now.monotonic);
        let suite = self.choose_suite(claim.payload.capabilities);
        let payload = ResponsePayload { suite, revocations: self.local.revocations, observed: claim.from.observed() };
        let differs = claim.payload.revocations != self.local.revocations;
        let static_key = *claim.proven_key();
        let (from, sender, chain) = (claim.from, claim.sender, claim.payload.certificates);
        let Ok((noise, split)) = claim.responder.respond(&payload.encode()) else {
            self.free(index);
            self.drops.count(DropReason::Handshake);
            return;
        };
        let mut datagram = encode_response(index, sender, &noise);
        set_mac1(&mut datagram, &mac1_key(&static_key));
        let order = self.next_order();
        let keys = NewSession { index, remote: sender, role: Role::Responder, suite, differs, order };
        let session = self.make_session(&keys, &split, now);
        self.file_pending(node, Pending { session, chain, static_key, until: now.monotonic + GIVE_UP_AFTER });
        self.outputs.push_back(DeviceOutput::Send { node, to: Destination::Exactly(from), datagram });
    }

    /// Whether both sides began at once and ours goes first; then it also goes to where the peer's came from.
    fn goes_first(&mut self, node: &NodeId, from: Endpoint) -> bool {
        let is_lower = self.local.node < *node;
        let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get_mut(node) else {
            return false;
        };
        if !is_lower || attempts.message.is_empty() || attempts.crossed >= CROSSING_PATIENCE {
            return false;
        }
        attempts.crossed += 1;
        let datagram = attempts.message.clone();
        self.outputs.push_back(DeviceOutput::Send { node: *node, to: Destination::Exactly(from), datagram });
        true
    }

    fn leave_to_peer(&mut self, node: &NodeId, now: Instant) {
        let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get_mut(node) else {
            return;
        };
        let unanswerable = attempts.leave_to_peer(now);
        unanswerable.into_iter().for_each(|index| self.free(index));
        self.file(node);
    }

    fn file_pending(&mut self, node: NodeId, pending: Pending) {
        let waiting: &mut VecDeque<Pending> = self.pending.entry(node).or_default();
        self.pending_deadlines.insert((pending.until, node));
        waiting.push_back(pending);
        if waiting.len() > ANSWERABLE
            && let Some(oldest) = waiting.pop_front()
        {
            self.free(oldest.session.index);
        }
    }

    fn choose_suite(&self, theirs: Capabilities) -> Suite {
        let both = self.capabilities().contains(Capabilities::VECTOR_AES) && theirs.contains(Capabilities::VECTOR_AES);
        if both { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
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
        let (Answered { index, order }, payload, split) = self.take_answered(&node, message)?;
        let offers_aes = self.capabilities().contains(Capabilities::VECTOR_AES);
        let payload = ResponsePayload::decode(&payload)
            .ok()
            .filter(|payload| payload.suite != Suite::Aes256Gcm || offers_aes)
            .ok_or_else(|| {
                self.free(index);
                DropReason::Payload
            })?;
        let differs = payload.revocations != self.local.revocations;
        let role = Role::Initiator;
        let new = NewSession { index, remote: message.sender, role, suite: payload.suite, differs, order };
        let session = self.make_session(&new, &split, now);
        self.outputs.push_back(DeviceOutput::Answered { node, from, observed: payload.observed });
        self.establish(&node, session, now.monotonic);
        self.keepalive(&node);
        self.handshake_if_wanted(&node, rng, now);
        Ok(())
    }

    /// Takes out the attempt that a message answers, with what the answer says. One that it does not answer stays.
    fn take_answered(
        &mut self,
        node: &NodeId,
        message: &HandshakeResponse<'_>,
    ) -> Result<(Answered, Vec<u8>, crate::noise::Split), DropReason> {
        let Some(Peer { handshake: Handshake::Attempting(attempts), .. }) = self.peers.get_mut(node) else {
            return Err(DropReason::Unsolicited);
        };
        let answerable = &mut attempts.answerable;
        let at = answerable.iter().position(|attempt| attempt.index == message.receiver);
        let at = at.ok_or(DropReason::Unsolicited)?;
        let Attempt { index, initiator, mac1, order } = answerable.remove(at).ok_or(DropReason::Unsolicited)?;
        match initiator.finish(message.noise) {
            Ok((payload, split)) => Ok((Answered { index, order }, payload, split)),
            Err(initiator) => {
                answerable.insert(at, Attempt { index, initiator, mac1, order });
                Err(DropReason::Handshake)
            }
        }
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
}

/// An attempt that was answered.
struct Answered {
    index: SessionIndex,
    order: u64,
}
