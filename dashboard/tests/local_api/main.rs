//! The local API over real Unix sockets: what a daemon answers, to whom, and what it survives.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod accounts;
mod browsers;
mod busy;
mod example_console;
mod example_daemon;
mod hostile_callers;
mod hostile_daemons;
mod operations;
mod permissions;
mod socket;
mod streams;
