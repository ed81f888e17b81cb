use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holloway_wire::{
    COOKIE_LEN, Endpoint, Instant, MembershipCertificate, SessionIndex, StaticPublicKey, Suite, UnixTime,
};

use super::cookie::COOKIE_LIFETIME;
use super::session::{Opener, PACKETS_MAX, Role, Sealer};
use super::staged::StagedPackets;
use crate::noise::Initiator;
use crate::settings::Settings;

/// When the first retries follow (ARCHITECTURE §5 "Times and limits": at 0, 0.25, 0.75, 1.75 s, then every second).
const FIRST_RETRIES: [Duration; 3] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000)];
pub(crate) const RETRY_EVERY: Duration = Duration::from_secs(1);
/// From here on retries come slower.
const SLOW_AFTER: Duration = Duration::from_secs(10);
const SLOW_RETRY_EVERY: Duration = Duration::from_secs(5);
/// From here on there are none until there is traffic again.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_secs(30);
/// Attempts that may still be answered, and so the answers of which a responder keeps the keys.
pub(crate) const ANSWERABLE: usize = 3;
/// A rotation is late after this long and this many unanswered attempts.
const LATE_AFTER: Duration = Duration::from_secs(5);
const LATE_ATTEMPTS: u32 = 3;
/// Replaced sessions stay open for what is still under way.
const REPLACED_FOR: Duration = Duration::from_secs(180);
const REPLACED_MAX: usize = 8;
/// How long a session outlives the moment at which its rotation should have begun.
const HARD_STOP_AFTER: Duration = Duration::from_secs(60);
/// A session without traffic for this long is left to lapse instead of being rotated.
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// The responder leaves rotation to the initiator for this long.
const RESPONDER_WAITS: Duration = Duration::from_secs(10);
/// How often revocations are asked for while a session waits for them: both sides tell theirs unasked at first.
pub(crate) const ASK_REVOCATIONS_EVERY: Duration = Duration::from_millis(250);

/// One remote member, as far as sessions go.
pub(crate) struct Peer {
    pub(crate) static_key: StaticPublicKey,
    pub(crate) handshake: Handshake,
    pub(crate) current: Option<Session>,
    pub(crate) replaced: VecDeque<(Session, Instant)>,
    pub(crate) staged: StagedPackets,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) activity: Activity,
    /// How many sessions have followed another.
    pub(crate) rotations: u64,
    /// The deadline under which the device has filed this peer.
    pub(crate) filed: Option<Instant>,
}

/// A cookie that the peer gave us, for messages from us to one of its endpoints.
pub(crate) struct Cookie {
    pub(crate) value: [u8; COOKIE_LEN],
    pub(crate) endpoint: Endpoint,
    pub(crate) received: Instant,
}

/// When there was traffic last.
#[derive(Default, Clone, Copy)]
pub(crate) struct Activity {
    pub(crate) sent: Option<Instant>,
    pub(crate) received: Option<Instant>,
    /// Anything at all, a keepalive or probe say: it does not keep a session from lapsing.
    pub(crate) heard: Option<Instant>,
}

impl Activity {
    fn last(&self) -> Option<Instant> {
        self.sent.max(self.received)
    }
}

/// Our own handshake with a peer.
pub(crate) enum Handshake {
    Idle,
    Attempting(Attempts),
}

pub(crate) struct Attempts {
    pub(crate) started: Instant,
    pub(crate) count: u32,
    pub(crate) next: Instant,
    pub(crate) answerable: VecDeque<Attempt>,
    pub(crate) late_reported: bool,
    /// The last message 1, without a cookie.
    pub(crate) message: Vec<u8>,
    /// Initiations of the peer that were not answered because ours goes first.
    pub(crate) crossed: u32,
}

/// One message 1 that may still be answered.
pub(crate) struct Attempt {
    pub(crate) index: SessionIndex,
    pub(crate) initiator: Box<Initiator>,
    pub(crate) mac1: [u8; 16],
    /// See [`Session::order`].
    pub(crate) order: u64,
}

impl Attempts {
    pub(crate) fn begin(now: Instant) -> Self {
        Self {
            started: now,
            count: 0,
            next: now,
            answerable: VecDeque::new(),
            late_reported: false,
            message: Vec::new(),
            crossed: 0,
        }
    }

    /// Counts from now on; what was sent may still be answered.
    pub(crate) const fn begin_anew(&mut self, now: Instant) {
        (self.started, self.next) = (now, now);
        (self.count, self.crossed) = (0, 0);
    }

    /// Leaves it to the peer, whose initiation is being answered: nothing sent so far may be answered any more, and the
    /// next attempt waits. Returns the indices that are free now.
    pub(crate) fn leave_to_peer(&mut self, now: Instant) -> Vec<SessionIndex> {
        self.crossed = 0;
        self.message.clear();
        self.next = self.next.max(now + RETRY_EVERY);
        self.answerable.drain(..).map(|attempt| attempt.index).collect()
    }

    /// Nothing could be sent this time: the next attempt comes later.
    pub(crate) fn postpone(&mut self, now: Instant) {
        self.next = now + RETRY_EVERY;
    }

    /// Files a sent attempt; returns the index of one that is no longer answerable.
    pub(crate) fn sent(&mut self, attempt: Attempt, jitter: Duration, now: Instant) -> Option<SessionIndex> {
        let delay = match FIRST_RETRIES.get(self.count as usize) {
            Some(delay) => *delay,
            None if now.since(self.started) < SLOW_AFTER => RETRY_EVERY + jitter,
            None => SLOW_RETRY_EVERY + jitter,
        };
        self.count += 1;
        self.next = now + delay;
        self.answerable.push_back(attempt);
        if self.answerable.len() > ANSWERABLE { self.answerable.pop_front().map(|old| old.index) } else { None }
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now.since(self.started) >= GIVE_UP_AFTER
    }

    pub(crate) fn is_late(&self, now: Instant) -> bool {
        !self.late_reported && self.count > LATE_ATTEMPTS && now.since(self.started) >= LATE_AFTER
    }
}

/// A session whose message 2 is under way; nothing is sent on it before its first authentic record.
pub(crate) struct Pending {
    pub(crate) session: Session,
    pub(crate) chain: Vec<MembershipCertificate>,
    pub(crate) static_key: StaticPublicKey,
    pub(crate) until: Instant,
}

/// Keys after a handshake.
pub(crate) struct Session {
    pub(crate) index: SessionIndex,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) opener: Arc<Opener>,
    pub(crate) role: Role,
    pub(crate) suite: Suite,
    pub(crate) established: Instant,
    pub(crate) established_unix: UnixTime,
    pub(crate) hold: Hold,
    pub(crate) rotation_due: Option<Instant>,
    /// The hard stop.
    pub(crate) ends: Instant,
    /// Where among this node's attempts and answers the handshake stands: of an initiator, when message 1 was sent; of
    /// a responder, when message 2 was.
    pub(crate) order: u64,
}

/// Whether data may flow on a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    Free,
    /// The peer knows other revocations than we do, and has not told us all of them yet.
    Revocations {
        ask_at: Instant,
    },
}

impl Session {
    /// When this side starts rotation.
    pub(crate) fn rotates_at(role: Role, established: Instant, settings: &Settings) -> Instant {
        let own = established + settings.rotate_after;
        match role {
            Role::Initiator => own,
            Role::Responder => own + RESPONDER_WAITS,
        }
    }

    /// How many packets make this side start rotation. The responder leaves it to the initiator at first.
    fn rotates_after_packets(&self, settings: &Settings) -> u64 {
        match self.role {
            Role::Initiator => settings.rotate_after_packets,
            Role::Responder => settings.rotate_after_packets.saturating_mul(2),
        }
    }

    fn packets(&self) -> u64 {
        self.sealer.sealed().max(self.opener.opened())
    }

    /// When a session that is established now ends, rotated or not.
    pub(crate) fn hard_stop(established: Instant, settings: &Settings) -> Instant {
        established + settings.rotate_after + HARD_STOP_AFTER
    }

    fn is_spent(&self, now: Instant) -> bool {
        now >= self.ends || self.sealer.sealed() >= PACKETS_MAX
    }

    fn may_send(&self, now: Instant) -> bool {
        self.hold == Hold::Free && !self.is_spent(now)
    }
}

/// What a peer's timers ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Attempt,
    GiveUp,
    Late,
    AskRevocations,
    Retire(SessionIndex),
    Lapse(SessionIndex),
}

impl Peer {
    pub(crate) fn new(static_key: StaticPublicKey) -> Self {
        Self {
            static_key,
            handshake: Handshake::Idle,
            current: None,
            replaced: VecDeque::new(),
            staged: StagedPackets::default(),
            cookie: None,
            activity: Activity::default(),
            rotations: 0,
            filed: None,
        }
    }

    pub(crate) fn session(&self, index: SessionIndex) -> Option<&Session> {
        let replaced = self.replaced.iter().map(|(session, _)| session);
        self.current.iter().chain(replaced).find(|session| session.index == index)
    }

    /// The session for sending: the current one or, while that waits for revocations, the one that it replaced.
    pub(crate) fn sending(&self, now: Instant) -> Option<&Session> {
        let current = self.current.as_ref()?;
        if current.hold == Hold::Free {
            return Some(current).filter(|session| session.may_send(now));
        }
        self.replaced.iter().rev().map(|(session, _)| session).find(|session| session.may_send(now))
    }

    /// Whether the current session waits for revocations.
    pub(crate) fn is_held(&self) -> bool {
        self.current.as_ref().is_some_and(|session| session.hold != Hold::Free)
    }

    /// Frees every session; returns those replaced ones that were not free before.
    pub(crate) fn free_replaced(&mut self) -> impl Iterator<Item = &Session> {
        let held = self.replaced.iter_mut().map(|(session, _)| session).filter(|session| session.hold != Hold::Free);
        held.map(|session| {
            session.hold = Hold::Free;
            &*session
        })
    }

    pub(crate) const fn is_handshaking(&self) -> bool {
        matches!(self.handshake, Handshake::Attempting(_))
    }

    /// The cookie to use towards an endpoint.
    pub(crate) fn fresh_cookie(&self, now: Instant) -> Option<&Cookie> {
        self.cookie.as_ref().filter(|cookie| now.since(cookie.received) < COOKIE_LIFETIME)
    }

    /// Makes `session` the current one; the one before stays open for a while. Returns what no longer fits.
    pub(crate) fn replace(&mut self, session: Session, now: Instant) -> Vec<SessionIndex> {
        if let Some(before) = self.current.replace(session) {
            self.rotations += 1;
            self.replaced.push_back((before, now + REPLACED_FOR));
        }
        self.trim()
    }

    /// Keeps a session that lost against the current one, for what is still under way on it.
    pub(crate) fn shelve(&mut self, session: Session, now: Instant) -> Vec<SessionIndex> {
        self.replaced.push_back((session, now + REPLACED_FOR));
        self.trim()
    }

    fn trim(&mut self) -> Vec<SessionIndex> {
        let surplus = self.replaced.len().saturating_sub(REPLACED_MAX);
        self.replaced.drain(..surplus).map(|(session, _)| session.index).collect()
    }

    /// Whether traffic calls for a handshake now: there is no session, or rotation is due.
    pub(crate) fn wants_handshake(&self, settings: &Settings, now: Instant) -> bool {
        if matches!(self.handshake, Handshake::Attempting(_)) {
            return false;
        }
        match &self.current {
            None => true,
            Some(session) => {
                session.packets() >= session.rotates_after_packets(settings)
                    || now >= Session::rotates_at(session.role, session.established, settings)
            }
        }
    }

    /// The next moment at which [`Peer::due`] may have something.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let attempt = match &self.handshake {
            Handshake::Idle => None,
            Handshake::Attempting(attempts) => Some(attempts.next.min(attempts.started + GIVE_UP_AFTER)),
        };
        let current = self.current.iter().flat_map(|session| {
            let ask = match session.hold {
                Hold::Free => None,
                Hold::Revocations { ask_at } => Some(ask_at),
            };
            [session.rotation_due, Some(session.ends), ask].into_iter().flatten()
        });
        let replaced = self.replaced.front().map(|(_, until)| *until);
        attempt.into_iter().chain(current).chain(replaced).min()
    }

    /// What is due. Harmless when asked early or twice.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        while self.replaced.front().is_some_and(|(_, until)| *until <= now) {
            let (session, _) = self.replaced.pop_front().expect("front was just seen");
            due.push(Due::Retire(session.index));
        }
        self.session_due(now, &mut due);
        self.handshake_due(now, &mut due);
        due
    }

    fn session_due(&mut self, now: Instant, due: &mut Vec<Due>) {
        let is_active = self.activity.last().is_some_and(|last| now.since(last) < IDLE_AFTER);
        let is_attempting = matches!(self.handshake, Handshake::Attempting(_));
        let Some(session) = &mut self.current else {
            return;
        };
        if session.is_spent(now) {
            due.push(Due::Lapse(session.index));
            self.current = None;
            return;
        }
        if let Hold::Revocations { ask_at } = &mut session.hold
            && *ask_at <= now
        {
            *ask_at = now + ASK_REVOCATIONS_EVERY;
            due.push(Due::AskRevocations);
        }
        if session.rotation_due.is_some_and(|at| at <= now) {
            session.rotation_due = None;
            if is_active && !is_attempting {
                self.handshake = Handshake::Attempting(Attempts::begin(now));
            }
        }
    }

    fn handshake_due(&mut self, now: Instant, due: &mut Vec<Due>) {
        let has_session = self.current.is_some();
        let Handshake::Attempting(attempts) = &mut self.handshake else {
            return;
        };
        if attempts.is_over(now) {
            due.push(Due::GiveUp);
            return;
        }
        if has_session && attempts.is_late(now) {
            attempts.late_reported = true;
            due.push(Due::Late);
        }
        if attempts.next <= now {
            due.push(Due::Attempt);
        }
    }
}
