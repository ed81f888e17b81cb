//! Holloway's relay as a pure state machine: registration, forwarding, limits and announcement.
//!
//! A relay is an ordinary member with the `relay` right. Another member registers by answering a challenge that is bound
//! to its source address, with its certificate and its signature; then others who are registered may bind a [`RelayChannel`]
//! to it, and what they send on that channel is passed on. The relay sees who talks to whom, how much and when, and
//! nothing else: what it carries is sealed from end to end.
//!
//! [`Server`] keeps the members and says what lanes shall do; a [`ForwardingTable`] is what lanes do it with. Nobody who
//! is not registered gets anything passed on, nor an answer that is longer than the question.
//!
//! This crate does not know who is a member: its owner judges that. It does not know what a session is, what time it is,
//! nor that sockets and tasks exist.
//!
//! [`RelayChannel`]: holloway_wire::RelayChannel

#![warn(clippy::iter_over_hash_type)]

mod account;
mod announcer;
mod challenge;
mod drop_reason;
mod forwarding;
mod members;
mod pairs;
mod party;
mod quota;
mod server;
mod settings;
mod topology;

pub use account::{Account, Month};
pub use drop_reason::{DropCounts, DropReason};
pub use forwarding::{Forwarding, ForwardingTable, Link};
pub use server::{JudgeToken, Output, Server, Snapshot, Standing, Usage};
pub use settings::{BYTES_PER_MEGABIT, Identity, Settings};
