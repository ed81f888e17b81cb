use std::collections::BTreeMap;

use holloway_wire::Instant;

/// What is going to happen, in order of time; what was filed first comes first among equals.
pub(crate) struct Queue<T> {
    entries: BTreeMap<(Instant, u64), T>,
    filed: u64,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: BTreeMap::new(), filed: 0 }
    }

    /// Files something for a moment.
    pub(crate) fn push(&mut self, at: Instant, entry: T) {
        self.filed += 1;
        self.entries.insert((at, self.filed), entry);
    }

    /// Takes out the next entry that is due at `until` or before.
    pub(crate) fn pop_until(&mut self, until: Instant) -> Option<(Instant, T)> {
        let first = self.entries.first_entry()?;
        if first.key().0 > until {
            return None;
        }
        let ((at, _), entry) = first.remove_entry();
        Some((at, entry))
    }
}
