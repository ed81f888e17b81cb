use std::time::Duration;

use holloway_wire::Instant;

use super::loss::{Loss, TRIES_MAX, TRIES_MIN};
use super::sizes::LEAST;

/// Shortest and longest wait for an answer. Between them it is twice the round trip.
const WAIT_MIN: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Answers to controls before a size is given up: with fewer, a run of bad luck would look like a narrow path.
const CONTROLS: u32 = 3;

/// Unanswered controls in a row after which nothing can be said: the path is dead, or the peer does not answer MTU
/// probes. At 30 % loss each way, six in a row come about once in fifty trials.
const CONTROLS_LOST_MAX: u32 = 6;

/// What a trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The size passes.
    Passed,
    /// It does not, while less does.
    Failed,
    /// Nothing passes: it says nothing about sizes.
    Undecided,
}

/// What a trial wants next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask with a record of this size.
    Ask(u16),
    /// Wait for an answer.
    Wait,
    /// Nothing.
    Over(Verdict),
}

/// Whether one size passes. When some probes of it went unanswered, *controls*, of the least size, tell a narrow path
/// from a lossy or a dead one.
#[derive(Debug)]
pub(super) struct Trial {
    size: u16,
    tries: u32,
    controls_answered: u32,
    controls_lost: u32,
    has_passed: bool,
    asked: Vec<Asked>,
    under_way: Option<UnderWay>,
}

/// A question that may still be answered, if late.
#[derive(Debug, Clone, Copy)]
struct Asked {
    id: u64,
    size: u16,
    sent: Instant,
}

#[derive(Debug, Clone, Copy)]
struct UnderWay {
    id: u64,
    size: u16,
    until: Instant,
}

/// Most questions of one trial: the tries, and between any two answered controls the lost ones.
const ASKED_MAX: usize = (TRIES_MAX + (CONTROLS + 1) * CONTROLS_LOST_MAX) as usize;

impl Trial {
    pub(super) const fn new(size: u16) -> Self {
        Self {
            size,
            tries: 0,
            controls_answered: 0,
            controls_lost: 0,
            has_passed: false,
            asked: Vec::new(),
            under_way: None,
        }
    }

    pub(super) const fn size(&self) -> u16 {
        self.size
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.under_way.map(|probe| probe.until)
    }

    /// What to do next on a path with this loss.
    pub(super) fn next(&self, loss: &Loss) -> Next {
        if self.has_passed {
            return Next::Over(Verdict::Passed);
        }
        if self.under_way.is_some() {
            return Next::Wait;
        }
        if self.tries < TRIES_MIN {
            return Next::Ask(self.size);
        }
        if self.size <= LEAST || self.controls_lost >= CONTROLS_LOST_MAX {
            return Next::Over(Verdict::Undecided);
        }
        if self.controls_answered < CONTROLS {
            return Next::Ask(LEAST);
        }
        if self.tries < loss.tries() { Next::Ask(self.size) } else { Next::Over(Verdict::Failed) }
    }

    /// A question was sent.
    pub(super) fn handle_asked(&mut self, id: u64, size: u16, rtt: Option<Duration>, now: Instant) {
        debug_assert!(self.asked.len() < ASKED_MAX, "a trial ends");
        self.tries += u32::from(size == self.size);
        self.asked.push(Asked { id, size, sent: now });
        let wait = rtt.map_or(WAIT_MIN, |rtt| (rtt * 2).clamp(WAIT_MIN, WAIT_MAX));
        self.under_way = Some(UnderWay { id, size, until: now + wait });
    }

    /// An answer; returns its round trip if it is one to a question of this trial.
    pub(super) fn handle_reply(&mut self, id: u64, size: u16, loss: &mut Loss, now: Instant) -> Option<Duration> {
        let at = self.asked.iter().position(|asked| asked.id == id && asked.size == size)?;
        let asked = self.asked.swap_remove(at);
        if self.under_way.is_some_and(|probe| probe.id == id) {
            self.under_way = None;
        }
        if size == self.size {
            self.has_passed = true;
            (1..self.tries).for_each(|_| loss.note_lost());
        } else {
            self.controls_answered += 1;
            self.controls_lost = 0;
        }
        loss.note_answered();
        Some(now.since(asked.sent))
    }

    /// Gives up waiting for an answer that is due. A lost probe of the size itself says nothing about loss yet.
    pub(super) fn handle_timeout(&mut self, loss: &mut Loss, now: Instant) {
        let Some(probe) = self.under_way.take_if(|probe| probe.until <= now) else {
            return;
        };
        if probe.size != self.size {
            self.controls_lost += 1;
            loss.note_lost();
        }
    }
}
