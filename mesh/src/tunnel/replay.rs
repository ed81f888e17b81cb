use crate::drop_reason::DropReason;

/// Records that may arrive late and still be told from replays (ARCHITECTURE §5: at least 8192; 11 MB of full records
/// in flight).
const WINDOW: u64 = 8192;

const WORD_BITS: u64 = 64;

/// One word more than the window, so that advancing never clears a bit that is still needed (RFC 6479 §3).
const WORDS: usize = (WINDOW / WORD_BITS) as usize + 1;

/// Tells fresh records from replayed ones (RFC 6479: a ring of words, no shifting).
pub(crate) struct ReplayWindow {
    greatest: Option<u64>,
    seen: Box<[u64; WORDS]>,
}

impl ReplayWindow {
    pub(crate) fn new() -> Self {
        Self { greatest: None, seen: Box::new([0; WORDS]) }
    }

    /// Whether a record with this counter could still be taken. Changes nothing: the record is not yet authentic.
    pub(crate) fn check(&self, counter: u64) -> Result<(), DropReason> {
        let Some(greatest) = self.greatest else {
            return Ok(());
        };
        if counter > greatest {
            return Ok(());
        }
        let is_late = greatest - counter >= WINDOW;
        if is_late || self.seen[word(counter)] & bit(counter) != 0 {
            return Err(DropReason::Replayed);
        }
        Ok(())
    }

    /// Takes an authentic record; says whether it is the newest so far.
    pub(crate) fn accept(&mut self, counter: u64) -> Result<bool, DropReason> {
        self.check(counter)?;
        let is_newest = self.greatest.is_none_or(|greatest| counter > greatest);
        if is_newest {
            self.advance(counter);
        }
        self.seen[word(counter)] |= bit(counter);
        Ok(is_newest)
    }

    /// The first counter that can still be told from replays.
    pub(crate) fn oldest(&self) -> u64 {
        self.greatest.map_or(0, |greatest| (greatest + 1).saturating_sub(WINDOW))
    }

    fn advance(&mut self, counter: u64) {
        let from = self.greatest.map_or(0, |greatest| greatest / WORD_BITS + 1);
        let to = counter / WORD_BITS;
        for index in from..=to.min(from.saturating_add(WORDS as u64)) {
            self.seen[(index % WORDS as u64) as usize] = 0;
        }
        if to.saturating_sub(from) >= WORDS as u64 {
            self.seen.fill(0);
        }
        self.greatest = Some(counter);
    }
}

fn word(counter: u64) -> usize {
    (counter / WORD_BITS % WORDS as u64) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % WORD_BITS)
}

#[cfg(test)]
#[path = "../../tests/unit/replay.rs"]
mod tests;
