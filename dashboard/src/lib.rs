//! The local API of a Holloway daemon: the documents, a client and a server.
//!
//! The command line, the browser and the desktop application are clients of this one API; only the daemon has privileges
//! and keys. [`api`] holds the documents, every one of which carries `"schema": 1`; `server` (feature `server`) speaks
//! HTTP over a Unix socket, decides by the caller's credentials what is permitted, and hands typed requests to a
//! `server::Daemon`; `client` (feature `client`) is the other end.
//!
//! This crate does not know what a request does: no protocol, no settings, no files but the socket, no secrets except
//! the text of an invite on its way through, which no `Debug` shows.

pub mod api;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod server;
