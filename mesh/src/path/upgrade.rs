use std::time::Duration;

use holloway_wire::Instant;

/// Pauses between attempts to get away from a relay. NATs that let nothing through today may be others tomorrow, but a
/// home router should not see a storm of mappings that lead nowhere.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

/// When the next attempt to get away from a relay is due.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    attempts: usize,
    at: Option<Instant>,
}

impl Upgrade {
    /// A relay is in use from now on, or the network has changed.
    pub(super) const fn begin(&mut self) {
        self.attempts = 0;
        self.at = None;
    }

    /// Takes the turn, if it is time for one.
    pub(super) fn take_turn(&mut self, now: Instant) -> bool {
        if self.at.is_some_and(|at| at > now) {
            return false;
        }
        self.at = Some(now + PAUSES[self.attempts.min(PAUSES.len() - 1)]);
        self.attempts += 1;
        true
    }
}
