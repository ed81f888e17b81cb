use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{Instant, SourcePrefix};

/// A bucket of turns: so many in one second, so many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

/// How much of a [`Pace`] has been used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    /// When all that was taken will have been earned.
    earned: Instant,
}

impl Default for Turns {
    fn default() -> Self {
        Self::NONE
    }
}

impl Turns {
    /// None has been taken.
    pub(crate) const NONE: Self = Self { earned: Instant::from_nanos(0) };

    /// Takes a turn, if there is one.
    pub(crate) fn take(&mut self, pace: Pace, now: Instant) -> bool {
        let cost = Duration::from_secs(1) / pace.per_second;
        let earned = self.earned.max(now) + cost;
        if earned.since(now) > cost * pace.burst {
            return false;
        }
        self.earned = earned;
        true
    }
}

/// Prefixes of which it is known how often they ask; the oldest is forgotten for a new one.
const PREFIXES_MAX: usize = 4096;

/// Turns for each source prefix.
pub(crate) struct Prefixes {
    pace: Pace,
    turns: BTreeMap<SourcePrefix, Turns>,
    order: VecDeque<SourcePrefix>,
}

impl Prefixes {
    pub(crate) const fn new(pace: Pace) -> Self {
        Self { pace, turns: BTreeMap::new(), order: VecDeque::new() }
    }

    /// Takes a turn of the prefix that a source is in.
    pub(crate) fn take(&mut self, source: &SocketAddr, now: Instant) -> bool {
        let prefix = SourcePrefix::of(source.ip());
        if !self.turns.contains_key(&prefix) {
            if self.order.len() >= PREFIXES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.turns.remove(&oldest);
            }
            self.order.push_back(prefix);
        }
        self.turns.entry(prefix).or_insert(Turns::NONE).take(self.pace, now)
    }
}
