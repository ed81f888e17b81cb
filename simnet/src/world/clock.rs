use std::time::Duration;

use holloway_wire::{Instant, Now, UnixTime};

/// Wall-clock time at which every world begins, in seconds: any time will do.
const EPOCH: u64 = 1_800_000_000;

/// One machine's clocks: a monotonic one that begins anywhere, and a wall clock that may be off and be set.
///
/// A shell never lets the wall clock go backwards while the program runs ([`Now`]); a new start believes the machine.
#[derive(Clone)]
pub(crate) struct Clock {
    begins: Duration,
    skew_ms: i64,
    latest: UnixTime,
}

impl Clock {
    pub(crate) fn new(begins: Duration, skew_ms: i64) -> Self {
        Self { begins, skew_ms, latest: UnixTime::default() }
    }

    /// Sets the wall clock to this far from the true time.
    pub(crate) fn set_skew(&mut self, skew_ms: i64) {
        self.skew_ms = skew_ms;
    }

    /// The program was started anew.
    pub(crate) fn restart(&mut self, begins: Duration) {
        self.begins = begins;
        self.latest = UnixTime::default();
    }

    /// What the machine's clocks say at a true moment.
    pub(crate) fn now(&mut self, at: Instant) -> Now {
        let skew = Duration::from_millis(self.skew_ms.unsigned_abs());
        let truth = UnixTime::from_secs(EPOCH) + Duration::from_nanos(at.as_nanos());
        let shown = if self.skew_ms < 0 {
            UnixTime::from_nanos(truth.as_nanos().saturating_sub(skew.as_nanos() as u64))
        } else {
            truth + skew
        };
        self.latest = self.latest.max(shown);
        Now { monotonic: at + self.begins, unix: self.latest }
    }

    /// The true moment at which the machine's monotonic clock shows `monotonic`.
    pub(crate) fn truth(&self, monotonic: Instant) -> Instant {
        Instant::from_nanos(monotonic.as_nanos().saturating_sub(self.begins.as_nanos() as u64))
    }
}
