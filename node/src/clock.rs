use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use holloway_wire::{Instant, Now, UnixTime};

/// Both clocks of this machine. The monotonic one starts at an hour, so that "a while ago" can be said of its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: StdInstant,
}

/// What the monotonic clock reads at the start.
const OFFSET_NANOS: u64 = 3600 * 1_000_000_000;

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: StdInstant::now() }
    }

    /// The moment, on both clocks.
    pub(crate) fn now(&self) -> Now {
        let since_start = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX - OFFSET_NANOS);
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Instant::from_nanos(OFFSET_NANOS + since_start),
            unix: UnixTime::from_nanos(u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    /// A monotonic moment as tokio's.
    pub(crate) fn tokio_instant(&self, at: Instant) -> tokio::time::Instant {
        let since_start = std::time::Duration::from_nanos(at.as_nanos().saturating_sub(OFFSET_NANOS));
        tokio::time::Instant::from_std(self.start + since_start)
    }
}

/// Seconds since 1970, as databases have them.
pub(crate) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A wall-clock time as RFC 3339 in UTC, to the second.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The date of a day number since 1970 in the proleptic Gregorian calendar, counted in 400-year eras from March
/// (the leap day comes last).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use holloway_wire::UnixTime;

    use super::rfc3339;

    #[test]
    fn known_moments_are_written_as_rfc3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_219_200, "2026-11-21T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(UnixTime::from_secs(seconds)), text);
        }
    }
}
