use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What the window should do, said as plainly as possible.
#[derive(Default)]
struct Model {
    seen: BTreeSet<u64>,
}

impl Model {
    fn accept(&mut self, counter: u64) -> Result<bool, DropReason> {
        let greatest = self.seen.last().copied();
        let is_late = greatest.is_some_and(|greatest| greatest >= counter && greatest - counter >= WINDOW);
        if is_late || !self.seen.insert(counter) {
            return Err(DropReason::Replayed);
        }
        Ok(greatest.is_none_or(|greatest| counter > greatest))
    }
}

#[test]
fn counters_are_taken_once_and_within_the_window() {
    const LAST: u64 = WINDOW - 1;
    let newest = Ok(true);
    let late = Ok(false);
    let refused = Err(DropReason::Replayed);
    let steps = [
        (0, newest),
        (1, newest),
        (1, refused),
        (9, newest),
        (8, late),
        (7, late),
        (7, refused),
        (0, refused),
        (WINDOW, newest),
        (LAST, late),
        (LAST, refused),
        (WINDOW, refused),
        (1, refused),
        (2, late),
        (2, refused),
        (WINDOW + 16, newest),
        (3, refused),
        (WINDOW + 16, refused),
        (4, refused),
        (17, late),
        (16, refused),
        (4 * WINDOW, newest),
        (4 * WINDOW - LAST, late),
        (10, refused),
        (4 * WINDOW - WINDOW, refused),
        (4 * WINDOW - (WINDOW + 1), refused),
        (4 * WINDOW - (WINDOW - 2), late),
        (4 * WINDOW + 1 - WINDOW, refused),
        (0, refused),
        (1 << 40, newest),
        (4 * WINDOW, refused),
        ((1 << 40) - LAST, late),
        ((1 << 40) - WINDOW, refused),
        ((1 << 40) + 1, newest),
        (u64::MAX - 1, newest),
        (u64::MAX, newest),
        (u64::MAX, refused),
        (u64::MAX - 1, refused),
        (u64::MAX - LAST, late),
        (u64::MAX - WINDOW, refused),
        (0, refused),
    ];
    let mut window = ReplayWindow::new();
    for (number, (counter, expected)) in steps.into_iter().enumerate() {
        let before = window.check(counter);
        assert_eq!(before.err(), expected.err(), "step {number}: {counter}");
        assert_eq!(window.accept(counter), expected, "step {number}: {counter}");
    }
}

#[test]
fn a_first_counter_may_be_any() {
    for first in [0, 1, 63, 64, WINDOW, u64::MAX] {
        let mut window = ReplayWindow::new();
        assert_eq!(window.accept(first), Ok(true));
        assert_eq!(window.accept(first), Err(DropReason::Replayed));
    }
}

#[test]
fn what_is_up_to_8000_late_is_taken_once_and_later_is_refused() {
    const LATE: u64 = 8000;
    let mut window = ReplayWindow::new();
    for start in (0..40_000).step_by(LATE as usize) {
        assert_eq!(window.accept(start + LATE), Ok(true));
        for counter in (start..start + LATE).rev() {
            let expected = if counter == start && start > 0 { Err(DropReason::Replayed) } else { Ok(false) };
            assert_eq!(window.accept(counter), expected, "{counter}");
            assert_eq!(window.accept(counter), Err(DropReason::Replayed));
        }
    }
    assert_eq!(window.check(40_000 - WINDOW), Err(DropReason::Replayed));
}

#[test]
fn looking_changes_nothing() {
    let mut window = ReplayWindow::new();
    window.accept(10).expect("the first");
    for counter in [11, 1 << 40, u64::MAX] {
        assert_eq!(window.check(counter), Ok(()));
    }
    assert_eq!(window.accept(9), Ok(false));
    assert_eq!(window.accept(11), Ok(true));
}

fn counters() -> impl Strategy<Value = Vec<u64>> {
    let near = (0..3 * WINDOW).boxed();
    let edges = prop_oneof![Just(0), Just(WINDOW - 1), Just(WINDOW), Just(WINDOW + 64), 0..200_000_u64].boxed();
    proptest::collection::vec(prop_oneof![4 => near, 1 => edges], 1..400)
}

proptest! {
    #[test]
    fn the_window_agrees_with_a_set_of_all_counters(counters in counters(), base in 0..u64::MAX / 2) {
        let (mut window, mut model) = (ReplayWindow::new(), Model::default());
        for counter in counters {
            let counter = base + counter;
            prop_assert_eq!(window.accept(counter), model.accept(counter), "{}", counter);
        }
    }

    #[test]
    fn a_steady_stream_with_jumps_agrees_too(steps in proptest::collection::vec((0..70_u64, 0..9000_u64), 1..400)) {
        let (mut window, mut model, mut greatest) = (ReplayWindow::new(), Model::default(), 0);
        for (ahead, back) in steps {
            greatest += ahead * ahead;
            for counter in [greatest, greatest.saturating_sub(back)] {
                prop_assert_eq!(window.accept(counter), model.accept(counter), "{}", counter);
            }
        }
    }
}
