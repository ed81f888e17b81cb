//! The client's end: one typed method per operation over the daemon's Unix socket.
//!
//! The server is not trusted: sizes and times are bounded, and what is not the expected document is an error that says
//! so. Nothing is retried; the caller knows whether that would be safe.

mod connection;
mod operations;
mod passage;
mod query;
mod stream;

pub use operations::Client;
pub use passage::{Message, Messages, Passage, Passed};
pub use stream::{EventStream, Streamed};
