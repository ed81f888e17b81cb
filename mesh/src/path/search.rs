use super::sizes::{STEP, Sizes};

/// Sizes tried in one search. Bisecting from 1500 to 9000 takes nine; the rest is for a path that changes its mind.
const TRIALS_MAX: u32 = 40;

/// A search for the greatest size that passes: up from one that does, by the common sizes, then by halves between the
/// greatest that passed and the least that failed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Search {
    passed: Option<u16>,
    failed: Option<u16>,
    is_rechecked: bool,
    trials: u32,
}

impl Search {
    /// A search for more than a size that is known to pass.
    pub(super) const fn above(passed: u16) -> Self {
        Self { passed: Some(passed), failed: None, is_rechecked: false, trials: 0 }
    }

    /// The size to try next, or `None` when the search is over. `limit` is the size in use.
    pub(super) fn goal(&self, sizes: &Sizes, limit: u16, is_lossy: bool) -> Option<u16> {
        if self.trials >= TRIALS_MAX {
            return None;
        }
        let Some(passed) = self.passed else {
            return Some(limit);
        };
        let Some(failed) = self.failed else {
            return sizes.above(passed);
        };
        if failed - passed <= STEP {
            return (is_lossy && !self.is_rechecked).then_some(failed);
        }
        let between = sizes.above(passed).filter(|size| *size < failed);
        between.or_else(|| {
            let likely_all = sizes.is_common(passed);
            Some(if likely_all { passed + STEP } else { passed + (failed - passed) / 2 })
        })
    }

    /// Whether the least that failed did so twice.
    pub(super) const fn is_rechecked(&self) -> bool {
        self.is_rechecked
    }

    pub(super) const fn begin_trial(&mut self) {
        self.trials += 1;
    }

    pub(super) fn handle_passed(&mut self, size: u16) {
        self.passed = self.passed.max(Some(size));
        if self.failed.is_some_and(|failed| failed <= size) {
            self.failed = None;
            self.is_rechecked = false;
        }
    }

    /// What passed before and fails now no longer counts.
    pub(super) fn handle_failed(&mut self, size: u16) {
        self.is_rechecked = self.failed == Some(size);
        self.failed = Some(self.failed.map_or(size, |failed| failed.min(size)));
        self.passed = self.passed.filter(|passed| *passed < size);
    }
}
