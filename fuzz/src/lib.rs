//! Entry points for fuzzing: plain functions of bytes that must never panic.
//!
//! Knows nothing of what drives it: libFuzzer in `fuzz_targets/`, the replay of the corpus in the crates' own tests.

pub mod mesh;
pub mod relay;
pub mod wire;
