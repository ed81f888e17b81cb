//! Simulated networks for Holloway.
//!
//! Feature `lab`: Linux network namespaces in which the real binary runs, for tests, benchmarks and
//! `holloway demo`. This part knows none of the product's crates and no protocol: it drives `ip`,
//! `nft` and whatever binary it is given.

//!
//! Feature `world`: a deterministic world that drives the pure cores through virtual time. This part
//! knows no socket, no file, no task and no real clock.
//!
//! Feature `scale`: real relays and as many members as it takes to see how the control plane's cost grows.

#[cfg(feature = "lab")]
pub mod lab;
#[cfg(feature = "scale")]
pub mod scale;
#[cfg(feature = "world")]
pub mod world;
