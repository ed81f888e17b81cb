//! Channels that members ask for, as `mesh/src/relays/bindings.rs` does it.

use std::time::Duration;

use holloway_wire::{Instant, NodeId, ToRelay};

use super::network::Network;
use super::party::Number;

/// Waits after each question, and the pauses after all went unanswered or were refused.
const TRIES: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000)];
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Ids of questions: the number of the ask above the attempt, so that an answer finds its ask.
const ATTEMPT_BITS: u32 = 16;

/// One member wants a channel to another.
pub(super) struct Ask {
    pub(super) from: Number,
    pub(super) to: Number,
    began: Option<Instant>,
    attempt: u64,
    tries: usize,
    absences: u32,
    due: Instant,
    pub(super) bound: Option<Bound>,
}

/// It has one.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    /// Since it was first asked for.
    pub(super) after: Duration,
    /// The relays that follow the first.
    pub(super) route: Vec<NodeId>,
}

impl Ask {
    pub(super) fn new(from: Number, to: Number) -> Self {
        let due = Instant::from_nanos(0);
        Self { from, to, began: None, attempt: 0, tries: 0, absences: 0, due, bound: None }
    }
}

impl Network {
    /// Asks, asks again, or rests.
    pub(super) fn ask_due(&mut self, number: usize) {
        let now = self.now;
        let ask = &mut self.asks[number];
        ask.began.get_or_insert(now);
        if ask.bound.is_some() || ask.due > now {
            return;
        }
        let Some(wait) = TRIES.get(ask.tries) else {
            self.rest(number);
            return;
        };
        if ask.tries == 0 {
            ask.attempt += 1;
        }
        (ask.tries, ask.due) = (ask.tries + 1, now + *wait);
        let id = (number as u64) << ATTEMPT_BITS | ask.attempt;
        let (from, to) = (ask.from, ask.to);
        self.asks_again(number, *wait);
        let home = self.parties[from as usize].registered().next();
        let Some((home, registration)) = home else { return };
        let peer = &self.parties[to as usize];
        let relays = peer.registered().map(|(relay, _)| self.nodes[relay as usize]).collect();
        self.send(from, home, ToRelay::Bind { registration, id, node: peer.node, relays }.encode());
    }

    fn rest(&mut self, number: usize) {
        let now = self.now;
        let ask = &mut self.asks[number];
        let pause = FIRST_PAUSE.saturating_mul(1 << ask.absences.min(8)).min(PAUSE_MAX);
        ask.absences += 1;
        (ask.tries, ask.due) = (0, now + pause);
        ask.attempt += 1;
        self.asks_again(number, pause);
    }

    /// The ask that an answer is for, if it still waits for it.
    fn asked(&mut self, id: u64) -> Option<(usize, &mut Ask)> {
        let number = (id >> ATTEMPT_BITS) as usize;
        let attempt = id & ((1 << ATTEMPT_BITS) - 1);
        let ask = self.asks.get_mut(number)?;
        (ask.attempt == attempt && ask.bound.is_none()).then_some((number, ask))
    }

    pub(super) fn bound(&mut self, id: u64, route: &[NodeId]) {
        let now = self.now;
        if let Some((_, ask)) = self.asked(id) {
            let after = ask.began.map_or(Duration::ZERO, |began| now.since(began));
            ask.bound = Some(Bound { after, route: route.to_vec() });
        }
    }

    pub(super) fn unbound(&mut self, id: u64) {
        if let Some(number) = self.asked(id).map(|(number, _)| number) {
            self.rest(number);
        }
    }
}
