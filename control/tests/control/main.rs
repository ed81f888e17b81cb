//! Real swarms on loopback, talking to each other. One test binary, because linking libp2p is what takes long.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests pick the one event that matters, and fail by panicking"
)]

mod dialing;
mod gate;
mod gossip;
mod handle;
mod local;
mod meeting;
mod records;
mod requests;
mod world;
