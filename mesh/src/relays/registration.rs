use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{
    Challenge, Instant, Load, RegistrationId, RelayRefusal, RelayState, SecureRng, ToRelay, random_bytes,
};

/// Waits after each of the messages that ask for one thing: a lost one costs a quarter of a second.
const TRIES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(750), Duration::from_millis(1000), Duration::from_millis(1750)];

/// The try that only an address gets which has answered before: others, which may be anyone's, get one message a second at
/// most.
const TRY_OF_THE_KNOWN: usize = 2;

/// Waits after pings: a relay that is gone is given up within a second and a half.
const PING_TRIES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(500)];

/// How often a registration is confirmed: below the 30 s after which the shortest-lived NATs forget a mapping.
const PING_EVERY: Duration = Duration::from_secs(20);

/// The least time between two of them while somebody looks, who asks for them once a second: with the tries one that is gone
/// is known after three and a half seconds, and shown a second later.
const WATCHED_EVERY: Duration = Duration::from_secs(1);

/// Pauses after a relay has not answered.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Endpoints of one relay that are asked at once.
const ENDPOINTS_ASKED: usize = 6;

/// What is wanted of a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// Nothing.
    Nothing,
    /// To know how far it is.
    Measure,
    /// To be reached through it.
    Register,
}

/// What came of an input.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "steps are few and moved once")]
pub(super) enum Step {
    /// Send this.
    Send(SocketAddr, ToRelay),
    /// Sign this challenge, and give the answer to [`Registration::handle_signed`].
    Sign { challenge: Challenge, observed: SocketAddr },
    /// The relay sees us at this address.
    Observed(SocketAddr),
    /// We can be reached through the relay, which is here, from now on.
    Registered(SocketAddr),
    /// We cannot any more.
    Lost,
    /// The distance, the load or the readiness of the relay has changed.
    Measured,
    /// It has not answered the first question: something in between may let no datagrams through.
    Slow,
    /// It did not answer, or refused.
    Failed,
}

/// Our standing with one relay.
#[derive(Debug)]
pub(super) struct Registration {
    wish: Wish,
    stage: Stage,
    /// Where it has answered last.
    endpoint: Option<SocketAddr>,
    rtt: Option<Duration>,
    measured: Option<Instant>,
    load: Option<Load>,
    is_draining: bool,
    refusal: Option<RelayRefusal>,
    failures: u32,
    /// Whether the relay has taken us, and nothing has shown that it knows us no more.
    was_registered: bool,
    /// Not asked again before this.
    rests_until: Option<Instant>,
}

/// A question that is repeated until it is answered.
#[derive(Debug)]
struct Question {
    /// Each message has an id of its own, so that the answer tells its round trip.
    asked: Vec<(u64, Instant)>,
    due: Instant,
}

#[derive(Debug)]
enum Stage {
    Idle,
    /// Asked for a challenge.
    Asking(Question),
    /// The challenge is answered.
    Answering {
        question: Question,
        message: Box<ToRelay>,
        to: SocketAddr,
    },
    Registered {
        id: RegistrationId,
        at: SocketAddr,
        ping: Option<Question>,
        ping_at: Instant,
    },
}

impl Registration {
    pub(super) const fn new() -> Self {
        Self {
            wish: Wish::Nothing,
            stage: Stage::Idle,
            endpoint: None,
            rtt: None,
            measured: None,
            load: None,
            is_draining: false,
            refusal: None,
            failures: 0,
            was_registered: false,
            rests_until: None,
        }
    }

    /// The last measured round trip.
    pub(super) const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    pub(super) const fn measured(&self) -> Option<Instant> {
        self.measured
    }

    pub(super) const fn load(&self) -> Option<Load> {
        self.load
    }

    pub(super) const fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// Where the relay has answered last.
    pub(super) const fn endpoint(&self) -> Option<SocketAddr> {
        self.endpoint
    }

    /// Why it has refused us.
    pub(super) const fn refusal(&self) -> Option<RelayRefusal> {
        self.refusal
    }

    /// Whether it has answered when it was last asked, and taken us or not been asked to.
    pub(super) const fn is_good(&self) -> bool {
        self.rtt.is_some() && self.failures == 0 && self.refusal.is_none()
    }

    /// Whether it has been asked in vain.
    pub(super) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether it has not answered at once, or does not take us.
    pub(super) fn is_reluctant(&self) -> bool {
        let is_slow = match &self.stage {
            Stage::Asking(question) | Stage::Answering { question, .. } => question.asked.len() > 1,
            Stage::Idle | Stage::Registered { .. } => false,
        };
        is_slow || self.has_failed() || self.refusal.is_some()
    }

    /// Whether it is being asked something right now.
    pub(super) const fn is_asking(&self) -> bool {
        matches!(self.stage, Stage::Asking(_) | Stage::Answering { .. })
    }

    /// Our registration, and where the relay is.
    pub(super) const fn registered(&self) -> Option<(RegistrationId, SocketAddr)> {
        match self.stage {
            Stage::Registered { id, at, .. } => Some((id, at)),
            Stage::Idle | Stage::Asking(_) | Stage::Answering { .. } => None,
        }
    }

    /// Says what is wanted from now on.
    pub(super) fn set_wish(&mut self, wish: Wish) {
        self.wish = wish;
        let is_needless = match self.stage {
            Stage::Idle | Stage::Asking(_) => false,
            Stage::Answering { .. } | Stage::Registered { .. } => wish != Wish::Register,
        };
        if is_needless {
            self.stage = Stage::Idle;
            self.was_registered = false;
        }
    }

    /// Begins what is wanted, if nothing is under way and it is not too early.
    pub(super) fn begin(&mut self, endpoints: &[SocketAddr], rng: &mut dyn SecureRng, now: Instant) -> Vec<Step> {
        let is_resting = self.rests_until.is_some_and(|until| until > now);
        if !matches!(self.stage, Stage::Idle) || self.wish == Wish::Nothing || is_resting {
            return Vec::new();
        }
        self.stage = Stage::Asking(Question { asked: Vec::new(), due: now });
        self.ask(endpoints, rng, now)
    }

    /// What was known of the way to the relay may not hold any more: it is asked again, at once.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.rests_until = None;
        self.failures = 0;
        self.refusal = None;
        match &mut self.stage {
            Stage::Registered { ping_at, ping: None, .. } => *ping_at = now,
            Stage::Idle | Stage::Asking(_) | Stage::Answering { .. } | Stage::Registered { .. } => {}
        }
    }

    /// This machine is somewhere else: what is being asked may have gone nowhere, and an answer to a challenge holds for
    /// where it was. All that is begun anew.
    pub(super) fn handle_network_change(&mut self, now: Instant) {
        self.doubt(now);
        match &mut self.stage {
            Stage::Registered { ping_at, ping, .. } => (*ping_at, *ping) = (now, None),
            Stage::Idle | Stage::Asking(_) | Stage::Answering { .. } => self.stage = Stage::Idle,
        }
    }

    /// Somebody looks at the relays: one that has not answered for a while is asked now.
    pub(super) fn handle_watched(&mut self, now: Instant) {
        let is_fresh = self.measured.is_some_and(|measured| now.since(measured) < WATCHED_EVERY);
        if let Stage::Registered { ping_at, ping: None, .. } = &mut self.stage
            && !is_fresh
        {
            *ping_at = now;
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Idle => self.rests_until.filter(|_| self.wish != Wish::Nothing),
            Stage::Asking(question) | Stage::Answering { question, .. } => Some(question.due),
            Stage::Registered { ping: Some(ping), .. } => Some(ping.due),
            Stage::Registered { ping_at, .. } => Some(*ping_at),
        }
    }

    /// Harmless when called early or twice.
    pub(super) fn handle_timeout(
        &mut self,
        endpoints: &[SocketAddr],
        rng: &mut dyn SecureRng,
        now: Instant,
    ) -> Vec<Step> {
        if self.poll_timeout().is_none_or(|at| at > now) {
            return Vec::new();
        }
        match &mut self.stage {
            Stage::Idle => {
                self.rests_until = None;
                self.begin(endpoints, rng, now)
            }
            Stage::Asking(_) => self.ask(endpoints, rng, now),
            Stage::Answering { question, message, to } => match question.next(&TRIES, rng, now) {
                Some(id) => {
                    let (to, message) = (*to, with_id(message, id));
                    vec![Step::Send(to, message)]
                }
                None => self.fail(now),
            },
            Stage::Registered { id, at, ping, ping_at } => {
                let (registration, at) = (*id, *at);
                let question = ping.get_or_insert_with(|| Question { asked: Vec::new(), due: now });
                match question.next(&PING_TRIES, rng, now) {
                    Some(id) => {
                        *ping_at = now + PING_EVERY;
                        vec![Step::Send(at, ToRelay::Ping { registration, id })]
                    }
                    None => self.fail(now),
                }
            }
        }
    }

    fn ask(&mut self, endpoints: &[SocketAddr], rng: &mut dyn SecureRng, now: Instant) -> Vec<Step> {
        let Stage::Asking(question) = &mut self.stage else {
            return Vec::new();
        };
        match question.next(&TRIES, rng, now) {
            Some(id) => {
                let asked = self.endpoint.filter(|last| endpoints.contains(last)).into_iter();
                let others = endpoints.iter().copied().filter(|other| Some(*other) != self.endpoint);
                let is_for_all = question.asked.len() != TRY_OF_THE_KNOWN;
                let asked = asked.chain(others.filter(|_| is_for_all)).take(ENDPOINTS_ASKED);
                let slow = (question.asked.len() == 2).then_some(Step::Slow);
                asked.map(|to| Step::Send(to, ToRelay::Register { id })).chain(slow).collect()
            }
            None => self.fail(now),
        }
    }

    fn fail(&mut self, now: Instant) -> Vec<Step> {
        self.stage = Stage::Idle;
        self.rest(now);
        let lost = std::mem::take(&mut self.was_registered).then_some(Step::Lost);
        lost.into_iter().chain([Step::Failed]).collect()
    }

    fn rest(&mut self, now: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        self.failures += 1;
        self.rests_until = Some(now + pause);
    }

    /// A challenge.
    pub(super) fn handle_challenge(
        &mut self,
        from: SocketAddr,
        id: u64,
        challenge: Challenge,
        observed: SocketAddr,
        now: Instant,
    ) -> Vec<Step> {
        match &mut self.stage {
            Stage::Asking(question) => {
                let Some(rtt) = question.answer(id, now) else {
                    return Vec::new();
                };
                self.stage = Stage::Idle;
                self.note(from, rtt, now);
                let mut steps = vec![Step::Observed(observed), Step::Measured];
                if self.wish == Wish::Register {
                    steps.push(Step::Sign { challenge, observed });
                }
                steps
            }
            // It does not know the registration any more, or has seen a frame of ours come from elsewhere. What it says
            // in answer to nothing only makes us look.
            Stage::Registered { at, ping, ping_at, .. } if *at == from => {
                if ping.as_ref().is_some_and(|ping| ping.knows(id)) {
                    // We are elsewhere, or the relay has forgotten us; channels are what they were, or it will say so.
                    self.stage = Stage::Idle;
                    return vec![Step::Observed(observed), Step::Sign { challenge, observed }];
                }
                if id == 0 && ping.is_none() {
                    *ping_at = now;
                }
                Vec::new()
            }
            Stage::Idle | Stage::Answering { .. } | Stage::Registered { .. } => Vec::new(),
        }
    }

    /// The answer to a challenge is signed: `message` with any id.
    pub(super) fn handle_signed(&mut self, message: ToRelay, rng: &mut dyn SecureRng, now: Instant) -> Vec<Step> {
        let Some(to) = self.endpoint.filter(|_| matches!(self.stage, Stage::Idle)) else {
            return Vec::new();
        };
        let mut question = Question { asked: Vec::new(), due: now };
        let id = question.next(&TRIES, rng, now).expect("it was never asked");
        let first = with_id(&message, id);
        self.stage = Stage::Answering { question, message: Box::new(message), to };
        vec![Step::Send(to, first)]
    }

    /// The relay has taken us.
    pub(super) fn handle_registered(
        &mut self,
        from: SocketAddr,
        id: u64,
        registration: RegistrationId,
        (state, resumed): (RelayState, bool),
        now: Instant,
    ) -> Vec<Step> {
        let Stage::Answering { question, to, .. } = &mut self.stage else {
            return Vec::new();
        };
        let (true, Some(rtt)) = (*to == from, question.answer(id, now)) else {
            return Vec::new();
        };
        self.stage = Stage::Registered { id: registration, at: from, ping: None, ping_at: now + PING_EVERY };
        self.note(from, rtt, now);
        self.is_draining = state == RelayState::Draining;
        // One that has been started anew knows nothing of what was.
        let lost = (std::mem::replace(&mut self.was_registered, true) && !resumed).then_some(Step::Lost);
        lost.into_iter().chain([Step::Registered(from), Step::Measured]).collect()
    }

    /// The relay does not want us.
    pub(super) fn handle_refused(
        &mut self,
        from: SocketAddr,
        id: u64,
        refusal: RelayRefusal,
        now: Instant,
    ) -> Vec<Step> {
        match &mut self.stage {
            Stage::Answering { question, to, .. } if *to == from && question.knows(id) => {
                self.refusal = Some(refusal);
                self.fail(now)
            }
            Stage::Idle | Stage::Asking(_) | Stage::Answering { .. } | Stage::Registered { .. } => Vec::new(),
        }
    }

    /// A ping is answered.
    pub(super) fn handle_pong(
        &mut self,
        from: SocketAddr,
        id: u64,
        observed: SocketAddr,
        (load, state): (Load, RelayState),
        now: Instant,
    ) -> Vec<Step> {
        let Stage::Registered { id: registration, at, ping, .. } = &mut self.stage else {
            return Vec::new();
        };
        if *at == from && id == registration.0 {
            // It was not asked: it is about to stop.
            self.is_draining = state == RelayState::Draining;
            return vec![Step::Measured];
        }
        let (true, Some(rtt)) = (*at == from, ping.as_mut().and_then(|ping| ping.answer(id, now))) else {
            return Vec::new();
        };
        *ping = None;
        self.note(from, rtt, now);
        self.load = Some(load);
        self.is_draining = state == RelayState::Draining;
        vec![Step::Observed(observed), Step::Measured]
    }

    fn note(&mut self, endpoint: SocketAddr, rtt: Duration, now: Instant) {
        self.endpoint = Some(endpoint);
        // As TCP does (RFC 6298 §2), an eighth of each new one: a single slow answer moves nobody.
        self.rtt = Some(self.rtt.map_or(rtt, |before| (before * 7 + rtt) / 8));
        self.measured = Some(now);
        self.failures = 0;
        self.refusal = None;
        self.rests_until = None;
    }
}

impl Question {
    /// The id of the next message, or `None` when all went unanswered.
    fn next<const N: usize>(&mut self, tries: &[Duration; N], rng: &mut dyn SecureRng, now: Instant) -> Option<u64> {
        let wait = tries.get(self.asked.len())?;
        // 0 is what answers to nothing have.
        let id = u64::from_le_bytes(random_bytes(rng)).max(1);
        self.asked.push((id, now));
        self.due = now + *wait;
        Some(id)
    }

    fn knows(&self, id: u64) -> bool {
        self.asked.iter().any(|(asked, _)| *asked == id)
    }

    /// The round trip of the message that is answered.
    fn answer(&self, id: u64, now: Instant) -> Option<Duration> {
        self.asked.iter().find(|(asked, _)| *asked == id).map(|(_, sent)| now.since(*sent))
    }
}

/// The same message under another id.
fn with_id(message: &ToRelay, id: u64) -> ToRelay {
    match message.clone() {
        ToRelay::Answer { registration, certificates, .. } => ToRelay::Answer { id, registration, certificates },
        other @ (ToRelay::Register { .. } | ToRelay::Ping { .. } | ToRelay::Bind { .. } | ToRelay::Extend { .. }) => {
            other
        }
    }
}
