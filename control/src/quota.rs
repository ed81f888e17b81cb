use std::collections::HashMap;
use std::time::Duration;

use holloway_wire::SourcePrefix;
use tokio::time::Instant;

use crate::limits::SOURCES_MAX;

/// How much strangers may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrangerLimits {
    /// Requests of one source prefix (/24 or /56) being answered at once.
    pub concurrent_per_prefix: u32,
    /// Requests of one source prefix within a minute.
    pub per_minute_per_prefix: u32,
    /// Requests of all strangers being answered at once.
    pub concurrent_total: u32,
}

/// Counts what strangers ask, by where they ask from.
pub(crate) struct Quota {
    limits: StrangerLimits,
    sources: HashMap<SourcePrefix, Source>,
    total: u32,
}

/// A token bucket that refills within a minute, and what is under way.
struct Source {
    tokens: f64,
    refilled: Instant,
    under_way: u32,
}

impl Quota {
    pub(crate) fn new(limits: StrangerLimits) -> Self {
        Self { limits, sources: HashMap::new(), total: 0 }
    }

    /// Takes one request in, if there is room for it. What is taken must be given back with [`Quota::release`].
    pub(crate) fn take(&mut self, prefix: SourcePrefix, now: Instant) -> bool {
        let limits = self.limits;
        if self.total >= limits.concurrent_total {
            return false;
        }
        let Some(source) = self.source(prefix, now) else { return false };
        source.refill(limits, now);
        if source.under_way >= limits.concurrent_per_prefix || source.tokens < 1.0 {
            return false;
        }
        source.tokens -= 1.0;
        source.under_way += 1;
        self.total += 1;
        true
    }

    /// Gives back what [`Quota::take`] took.
    pub(crate) fn release(&mut self, prefix: SourcePrefix) {
        if let Some(source) = self.sources.get_mut(&prefix) {
            source.under_way = source.under_way.saturating_sub(1);
            self.total = self.total.saturating_sub(1);
        }
    }

    fn source(&mut self, prefix: SourcePrefix, now: Instant) -> Option<&mut Source> {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&prefix) {
            self.sources.retain(|_, source| source.under_way > 0 || now - source.refilled < MINUTE);
            if self.sources.len() >= SOURCES_MAX {
                return None;
            }
        }
        let tokens = f64::from(self.limits.per_minute_per_prefix);
        Some(self.sources.entry(prefix).or_insert(Source { tokens, refilled: now, under_way: 0 }))
    }
}

const MINUTE: Duration = Duration::from_secs(60);

impl Source {
    fn refill(&mut self, limits: StrangerLimits, now: Instant) {
        let full = f64::from(limits.per_minute_per_prefix);
        let earned = (now - self.refilled).as_secs_f64() / MINUTE.as_secs_f64() * full;
        self.tokens = (self.tokens + earned).min(full);
        self.refilled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Quota {
        Quota::new(StrangerLimits { concurrent_per_prefix: 2, per_minute_per_prefix: 3, concurrent_total: 3 })
    }

    fn prefix(text: &str) -> SourcePrefix {
        SourcePrefix::of(text.parse().unwrap())
    }

    #[test]
    fn neighbours_share_a_prefix_and_mapped_addresses_are_their_ipv4_selves() {
        assert_eq!(prefix("192.0.2.1"), prefix("192.0.2.254"));
        assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
        assert_eq!(prefix("::ffff:192.0.2.1"), prefix("192.0.2.9"));
        assert_eq!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:ff::1"));
        assert_ne!(prefix("2001:db8:0:1::1"), prefix("2001:db8:0:100::1"));
    }

    #[test]
    fn concurrency_is_bounded_per_prefix_and_in_total() {
        let (mut quota, now) = (quota(), Instant::now());
        let (near, far, third) = (prefix("192.0.2.1"), prefix("198.51.100.1"), prefix("203.0.113.1"));
        assert!(quota.take(near, now) && quota.take(near, now));
        assert!(!quota.take(near, now));
        assert!(quota.take(far, now));
        assert!(!quota.take(third, now));
        quota.release(near);
        assert!(quota.take(third, now));
    }

    #[test]
    fn a_minute_refills_what_a_prefix_may_ask() {
        let (mut quota, now) = (quota(), Instant::now());
        let near = prefix("192.0.2.1");
        for _ in 0..3 {
            assert!(quota.take(near, now));
            quota.release(near);
        }
        assert!(!quota.take(near, now));
        assert!(quota.take(near, now + MINUTE / 3));
        quota.release(near);
        assert!(!quota.take(near, now + MINUTE / 3));
    }
}
