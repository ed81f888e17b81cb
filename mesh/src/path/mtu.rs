//! How long the records are that a path carries (RFC 8899, datagram packetization layer path MTU discovery).
//!
//! The search begins with a size that fits almost everywhere, which is used at once, and confirms it by a probe inside
//! the session. Then it goes up by the sizes that links mostly have, and by halves where those do not meet the truth;
//! or, when the first size does not pass, down to the one that carries an inner 1280, and below that only if even that
//! does not pass. What was found is used at once, tried again every few seconds, and sought anew every ten minutes, as
//! paths also widen. A size in use that stops passing while less does is a black hole: it is left at once. When nothing
//! at all passes, nothing is learned, and nothing changes.
//!
//! Data makes everything happen: a size is only tried after something was sent, so an idle path has no timer. There is
//! never more than one probe under way. Nothing but an answer from inside the session, and the local socket's refusal,
//! is believed; messages of routers, which anyone can forge, are not heard at all.

use std::time::Duration;

use holloway_wire::{Endpoint, Instant};

use super::loss::Loss;
use super::search::Search;
use super::sizes::{FLOOR, LEAST, Sizes};
use super::trial::{Next, Trial, Verdict};

/// From the first data to the first trial: most conversations are over by then, and need none.
const FIRST_AFTER: Duration = Duration::from_millis(200);

/// From the end of a trial to the next, at least.
const TRIAL_EVERY: Duration = Duration::from_millis(50);

/// How often a size in use is tried again. A black hole is noticed within this and the time that its trial takes, well
/// before TCP gives up.
const VALIDATE_EVERY: Duration = Duration::from_secs(5);

/// How often silence makes a size be tried again: traffic in one direction only is silent too.
const SUSPECT_EVERY: Duration = Duration::from_secs(2);

/// When a search is done again (RFC 8899 §5.1.1 PMTU_RAISE_TIMER).
const RAISE_EVERY: Duration = Duration::from_secs(600);

/// Longest pause after trials that showed nothing: the peer may be one that never answers.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What one path carries.
#[derive(Debug)]
pub(super) struct PathMtu {
    sizes: Sizes,
    limit: u16,
    state: State,
    trial: Option<Trial>,
    loss: Loss,
    rtt: Option<Duration>,
    next_at: Option<Instant>,
    /// When a trial last confirmed the size in use.
    settled_at: Option<Instant>,
    setbacks: u32,
}

#[derive(Debug)]
enum State {
    /// Looking for the greatest size.
    Searching(Search),
    /// The size in use is right, as far as is known.
    Settled { raise_at: Instant },
}

/// A probe to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) id: u64,
    pub(super) size: u16,
}

impl PathMtu {
    /// A path of which nothing is known; `before` is the limit of the path that was in use until now, which is no
    /// reason to fragment on this one; `mtu_max` is the greatest inner MTU wanted.
    pub(super) fn new(endpoint: &Endpoint, before: Option<u16>, mtu_max: Option<u16>) -> Self {
        let sizes = Sizes::new(endpoint, mtu_max);
        Self {
            limit: before.map_or(sizes.start(), |before| before.clamp(FLOOR, sizes.start())),
            sizes,
            state: State::Searching(Search::default()),
            trial: None,
            loss: Loss::default(),
            rtt: None,
            next_at: None,
            settled_at: None,
            setbacks: 0,
        }
    }

    /// The longest record to send, in bytes.
    pub(super) const fn limit(&self) -> u16 {
        self.limit
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.trial.as_ref().and_then(Trial::poll_timeout)
    }

    pub(super) const fn note_rtt(&mut self, rtt: Duration) {
        self.rtt = Some(rtt);
    }

    /// The way there may be another one now: what is known is tried again with the next data.
    pub(super) fn handle_moved(&mut self) {
        self.trial = None;
        self.next_at = None;
        self.setbacks = 0;
        self.state = State::Searching(Search::default());
    }

    /// Another path is in use: what is under way here counts no more.
    pub(super) fn handle_left(&mut self) {
        self.trial = None;
    }

    /// Data was sent. `ids` names probes.
    pub(super) fn handle_used(&mut self, ids: &mut u64, now: Instant) -> Option<Ask> {
        let next_at = *self.next_at.get_or_insert(now + FIRST_AFTER);
        if self.trial.is_some() || now < next_at {
            return None;
        }
        self.trial = Some(Trial::new(self.choose(now)));
        self.advance(ids, now)
    }

    /// Data was sent, and nothing came back for a while. A black hole shows so: what is sent vanishes, and the peer has
    /// nothing to answer. The size in use is tried again at once, if it was not just now.
    pub(super) fn handle_silence(&mut self, ids: &mut u64, now: Instant) -> Option<Ask> {
        if let State::Settled { .. } = self.state {
            let tried = self.settled_at.map_or(now, |at| at + SUSPECT_EVERY);
            self.next_at = self.next_at.map(|at| at.min(tried.max(now)));
        }
        self.handle_used(ids, now)
    }

    /// The size of the next trial.
    fn choose(&mut self, now: Instant) -> u16 {
        if let State::Settled { raise_at } = self.state
            && raise_at <= now
            && self.limit < self.sizes.max()
        {
            self.state = State::Searching(Search::above(self.limit));
        }
        let goal = self.goal();
        if let State::Searching(search) = &mut self.state {
            search.begin_trial();
        }
        goal.unwrap_or(self.limit)
    }

    fn goal(&self) -> Option<u16> {
        match &self.state {
            State::Searching(search) => search.goal(&self.sizes, self.limit, !self.loss.is_clean()),
            State::Settled { .. } => None,
        }
    }

    /// A probe was answered. An answer to no question of the present trial changes nothing.
    pub(super) fn handle_reply(&mut self, ask: Ask, ids: &mut u64, now: Instant) -> Option<Ask> {
        let rtt = self.trial.as_mut()?.handle_reply(ask.id, ask.size, &mut self.loss, now)?;
        self.note_rtt(rtt);
        self.advance(ids, now)
    }

    /// Harmless when called early or twice.
    pub(super) fn handle_timeout(&mut self, ids: &mut u64, now: Instant) -> Option<Ask> {
        self.trial.as_mut()?.handle_timeout(&mut self.loss, now);
        self.advance(ids, now)
    }

    /// The local socket refused a record of this length: it leaves this machine no more.
    pub(super) fn handle_too_long(&mut self, length: u16, now: Instant) {
        let is_news = matches!(self.state, State::Searching(_)) || length <= self.limit;
        if length <= LEAST || !is_news {
            return;
        }
        self.trial.take_if(|trial| trial.size() >= length);
        self.fail(length, now);
        self.next_at = Some(now);
    }

    fn advance(&mut self, ids: &mut u64, now: Instant) -> Option<Ask> {
        let trial = self.trial.as_mut()?;
        match trial.next(&self.loss) {
            Next::Wait => None,
            Next::Ask(size) => {
                *ids += 1;
                trial.handle_asked(*ids, size, self.rtt, now);
                Some(Ask { id: *ids, size })
            }
            Next::Over(verdict) => {
                let (size, under_way_until) = (trial.size(), trial.poll_timeout());
                self.trial = None;
                self.conclude(size, verdict, now);
                // After a late answer a later probe of the same size is still under way.
                self.next_at = self.next_at.max(under_way_until);
                None
            }
        }
    }

    fn conclude(&mut self, size: u16, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Passed => self.pass(size, now),
            Verdict::Failed => self.fail(size, now),
            Verdict::Undecided => {
                let pause = VALIDATE_EVERY.saturating_mul(1 << self.setbacks.min(u32::BITS - 2));
                self.setbacks += 1;
                self.next_at = Some(now + pause.min(PAUSE_MAX));
            }
        }
    }

    fn pass(&mut self, size: u16, now: Instant) {
        self.setbacks = 0;
        self.limit = self.limit.max(size);
        if let State::Searching(search) = &mut self.state {
            search.handle_passed(size);
        }
        self.plan(now);
    }

    /// A size does not pass: nothing as long is used from now on. That must show twice before packets are fragmented
    /// for it.
    fn fail(&mut self, size: u16, now: Instant) {
        self.setbacks = 0;
        let mut search = match self.state {
            State::Searching(search) => search,
            State::Settled { .. } => Search::default(),
        };
        search.handle_failed(size);
        let fallback = self.sizes.fallback(size);
        let is_sure = fallback >= FLOOR || search.is_rechecked();
        if size <= self.limit && is_sure {
            self.limit = fallback;
        }
        self.state = State::Searching(search);
        self.plan(now);
    }

    /// When the next trial may begin, and whether the search is over.
    fn plan(&mut self, now: Instant) {
        if self.goal().is_some() {
            self.next_at = Some(now + TRIAL_EVERY);
            return;
        }
        self.next_at = Some(now + VALIDATE_EVERY);
        self.settled_at = Some(now);
        if let State::Searching(_) = self.state {
            self.state = State::Settled { raise_at: now + RAISE_EVERY };
        }
    }
}

#[cfg(test)]
#[path = "../../tests/unit/mtu.rs"]
mod tests;
