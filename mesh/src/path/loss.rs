/// Probes of one size before it can be given up (RFC 8899 §5.1.2 MAX_PROBES).
pub(super) const TRIES_MIN: u32 = 3;

/// Most probes of one size, however lossy the path.
pub(super) const TRIES_MAX: u32 = 12;

/// One in this many sizes may be given up by bad luck.
const WHOLE: u32 = 1000;

/// Each observation weighs this part of the estimate: some ten observations matter.
const WEIGHT: u32 = 8;

/// Below this many of a thousand, chance hardly matters: a path with one loss in ten gets there in one of a hundred
/// times, by some 25 answers in a row.
const CLEAN: u32 = 5;

/// How often probes that would pass get no answer: an estimate, from those of which it is known that they would.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loss {
    permille: u32,
}

impl Loss {
    pub(super) const fn note_lost(&mut self) {
        self.permille = (self.permille * (WEIGHT - 1) + WHOLE) / WEIGHT;
    }

    pub(super) const fn note_answered(&mut self) {
        self.permille = self.permille * (WEIGHT - 1) / WEIGHT;
    }

    /// Whether chance hardly matters.
    pub(super) const fn is_clean(&self) -> bool {
        self.permille < CLEAN
    }

    /// How many probes of a size must be lost before it is likely the size that does not pass.
    pub(super) fn tries(&self) -> u32 {
        let mut chance = WHOLE;
        let mut tries = 0;
        while chance > 1 && tries < TRIES_MAX {
            chance = chance * self.permille / WHOLE;
            tries += 1;
        }
        tries.max(TRIES_MIN)
    }
}
