//! Waiting for a condition with a deadline.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at: short beside anything a lab waits for, long beside a look.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `condition` gives a value, looking at least once.
///
/// # Errors
///
/// When `deadline` has passed; the error says `what` was waited for.
pub fn wait_until<T>(deadline: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        if start.elapsed() >= deadline {
            bail!("waited {deadline:?} in vain for {what}");
        }
        thread::sleep(POLL_INTERVAL);
    }
}
