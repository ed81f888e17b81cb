//! The fuzzing corpus of this crate's entries, replayed and changed.
#![expect(clippy::disallowed_methods, reason = "the corpus lies in files")]

#[expect(unreachable_pub, reason = "the same file is the public surface of the fuzzing crate")]
#[path = "../../fuzz/src/relay.rs"]
mod entries;
#[path = "../../fuzz/replay.rs"]
mod replay;

const CASES_SCALE: u32 = 1;
