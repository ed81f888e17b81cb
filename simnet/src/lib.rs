//! Simulated networks for Holloway.
//!
//! Feature `lab`: Linux network namespaces in which the real binary runs, for tests, benchmarks and
//! `holloway demo`. This part knows none of the product's crates and no protocol: it drives `ip`,
//! `nft` and whatever binary it is given.

#[cfg(feature = "lab")]
pub mod lab;
