use std::fmt;
use std::time::Duration;

/// Lines of history that a violation shows.
const HISTORY_SHOWN: usize = 200;

/// Something that must not be was. Both of its texts show the newest of what went before.
#[derive(Clone)]
pub struct Violation {
    /// The world's seed: it happens again with it.
    pub seed: u64,
    /// When, in virtual time.
    pub at: Duration,
    /// What.
    pub what: String,
    /// What went before, newest last; filled when the run was asked to remember.
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.history[self.history.len().saturating_sub(HISTORY_SHOWN)..] {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {} at {:.3} s: {}", self.seed, self.at.as_secs_f64(), self.what)
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}
