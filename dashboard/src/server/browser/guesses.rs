//! How often somebody may guess. Each source has a budget of its own, so that nobody is locked out by what others do.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::Instant;

use super::super::refusal::Refusal;
use crate::api::ErrorCode;

/// Wrong guesses of one source
const WRONG_MAX: u32 = 10;
/// within this time.
const WITHIN: Duration = Duration::from_secs(60);
/// Sources that are remembered; the one that guessed the longest ago makes room.
const SOURCES_MAX: usize = 4096;

/// Who has guessed how often.
///
/// Behind a mutex because every connection has a task of its own; each lock is held for a few map operations.
#[derive(Debug, Default)]
pub(crate) struct Guesses(Mutex<BTreeMap<IpAddr, Budget>>);

#[derive(Clone, Copy, Debug)]
struct Budget {
    wrong: u32,
    since: Instant,
}

impl Guesses {
    /// Begins a guess; callers of the socket have shown who they are and guess as they like.
    ///
    /// # Errors
    /// Where the source's budget is used up; with how long to wait.
    pub(crate) fn begin(&self, source: Option<IpAddr>) -> Result<Guess<'_>, Refusal> {
        if let Some(source) = source {
            self.take(source).map_err(too_many)?;
        }
        Ok(Guess { guesses: self, source })
    }

    /// Takes a guess from a source's budget.
    fn take(&self, source: IpAddr) -> Result<(), Duration> {
        let now = Instant::now();
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if budgets.len() >= SOURCES_MAX {
            budgets.retain(|_, budget| now.duration_since(budget.since) < WITHIN);
        }
        if budgets.len() >= SOURCES_MAX
            && let Some(oldest) = budgets.iter().min_by_key(|(_, budget)| budget.since).map(|(source, _)| *source)
        {
            budgets.remove(&oldest);
        }
        let budget = budgets.entry(neighbourhood(source)).or_insert(Budget { wrong: 0, since: now });
        let age = now.duration_since(budget.since);
        if age >= WITHIN {
            *budget = Budget { wrong: 0, since: now };
        } else if budget.wrong >= WRONG_MAX {
            return Err(WITHIN.saturating_sub(age));
        }
        budget.wrong += 1;
        Ok(())
    }

    /// Gives a guess back: it was right.
    fn give_back(&self, source: IpAddr) {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = budgets.get_mut(&neighbourhood(source)) {
            budget.wrong = budget.wrong.saturating_sub(1);
        }
    }
}

/// A guess that was counted as wrong until it is known to be right.
pub(crate) struct Guess<'a> {
    guesses: &'a Guesses,
    source: Option<IpAddr>,
}

impl Guess<'_> {
    /// It cost nothing.
    pub(crate) fn was_right(self) {
        if let Some(source) = self.source {
            self.guesses.give_back(source);
        }
    }
}

fn too_many(wait: Duration) -> Refusal {
    let seconds = wait.as_secs().max(1);
    let message = format!("too many wrong guesses from here; try again in {seconds} s");
    Refusal::with_status(StatusCode::TOO_MANY_REQUESTS, ErrorCode::TooMany, message).retry_after(seconds)
}

/// One machine has a whole /64 of IPv6 to guess from.
fn neighbourhood(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_has_ten_wrong_guesses_a_minute_and_others_are_not_touched() {
        let guesses = Guesses::default();
        let many = (0..1000).filter(|_| guesses.take(source("192.0.2.1")).is_ok()).count();
        assert_eq!(many, 10);
        assert_eq!(guesses.take(source("192.0.2.1")), Err(WITHIN));
        assert_eq!(guesses.take(source("192.0.2.2")), Ok(()));
        tokio::time::advance(WITHIN).await;
        assert_eq!(guesses.take(source("192.0.2.1")), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn right_guesses_cost_nothing() {
        let guesses = Guesses::default();
        for _ in 0..100 {
            guesses.take(source("192.0.2.1")).unwrap();
            guesses.give_back(source("192.0.2.1"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_64_is_one_source_and_so_is_an_address_in_both_spellings() {
        let guesses = Guesses::default();
        let taken = (0..100_u32).filter(|host| guesses.take(source(&format!("2001:db8::{host:x}"))).is_ok()).count();
        assert_eq!(taken, 10);
        assert!(guesses.take(source("2001:db8:0:1::1")).is_ok());
        for _ in 0..10 {
            guesses.take(source("::ffff:192.0.2.9")).unwrap();
        }
        assert!(guesses.take(source("192.0.2.9")).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn sources_beyond_counting_take_no_memory() {
        let guesses = Guesses::default();
        for host in 0..20_000_u32 {
            guesses.take(IpAddr::from(host.to_be_bytes())).unwrap();
        }
        assert!(guesses.0.lock().unwrap().len() <= SOURCES_MAX);
    }
}
