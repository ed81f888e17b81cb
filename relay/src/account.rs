#[expect(clippy::disallowed_types, reason = "lanes share an account and count without a lock")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use holloway_wire::{Instant, UnixTime};

use crate::drop_reason::DropReason;

/// A calendar month (UTC) since 1970-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(pub u32);

impl Month {
    /// The month that a moment is in.
    #[must_use]
    pub const fn of(time: UnixTime) -> Self {
        // Days since 0000-03-01, in which years end with February (Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms", civil_from_days).
        const DAYS_TO_1970: u64 = 719_468;
        const DAYS_IN_ERA: u64 = 146_097;
        let days = time.as_secs() / 86_400 + DAYS_TO_1970;
        let (era, day) = (days / DAYS_IN_ERA, days % DAYS_IN_ERA);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year + year / 4 - year / 100);
        let months = (era * 400 + year) * 12 + (5 * day_of_year + 2) / 153 + 2;
        Self((months - 1970 * 12) as u32)
    }
}

/// What a member may send through the relay, and has sent. Shared by lanes and server.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "see the import")]
pub struct Account {
    /// Nanoseconds that one byte takes to be earned, in 1/1024.
    cost: u64,
    burst: Duration,
    month_bytes_max: u64,
    /// When all that was sent will have been earned, in nanoseconds (a token bucket kept as one moment: GCRA, ITU-T
    /// I.371).
    earned: AtomicU64,
    /// Bytes sent this month.
    sent: AtomicU64,
    /// When anything was last heard from the member, in nanoseconds.
    heard: AtomicU64,
}

impl Account {
    #[expect(clippy::disallowed_types, reason = "see the import")]
    pub(crate) fn new(rate_bytes: u64, burst_bytes: u64, month_bytes_max: Option<u64>, sent: u64) -> Self {
        let cost = (1_000_000_000 * COST_UNIT / rate_bytes.max(1)).max(1);
        Self {
            cost,
            burst: Duration::from_nanos(cost.saturating_mul(burst_bytes) / COST_UNIT),
            month_bytes_max: month_bytes_max.unwrap_or(u64::MAX),
            earned: AtomicU64::new(0),
            sent: AtomicU64::new(sent),
            heard: AtomicU64::new(0),
        }
    }

    /// Charges for `bytes`, if they may be sent.
    ///
    /// # Errors
    /// [`DropReason::TooFast`], or [`DropReason::Quota`] when the month is used up.
    pub fn charge(&self, bytes: usize, now: Instant) -> Result<(), DropReason> {
        let (bytes, now) = (bytes as u64, now.as_nanos());
        if self.sent.load(Relaxed).saturating_add(bytes) > self.month_bytes_max {
            return Err(DropReason::Quota);
        }
        let end = now.saturating_add(u64::try_from(self.burst.as_nanos()).unwrap_or(u64::MAX));
        let earn = |earned: u64| {
            let earned = earned.max(now) + bytes * self.cost / COST_UNIT;
            (earned <= end).then_some(earned)
        };
        self.earned.fetch_update(Relaxed, Relaxed, earn).map_err(|_| DropReason::TooFast)?;
        self.sent.fetch_add(bytes, Relaxed);
        self.heard.store(now, Relaxed);
        Ok(())
    }

    /// The member gave a sign of life.
    pub(crate) fn hear(&self, now: Instant) {
        self.heard.store(now.as_nanos(), Relaxed);
    }

    /// When it last did.
    pub(crate) fn heard(&self) -> Instant {
        Instant::from_nanos(self.heard.load(Relaxed))
    }

    /// Bytes sent this month.
    #[must_use]
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// A new month begins.
    pub(crate) fn begin_month(&self) {
        self.sent.store(0, Relaxed);
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.sent_bytes() >= self.month_bytes_max
    }
}

/// Costs are kept in this part of a nanosecond: a byte at ten gigabits a second costs less than one.
const COST_UNIT: u64 = 1024;
