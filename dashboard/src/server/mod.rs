//! The server's end: HTTP over a Unix socket, for callers known by their credentials.
//!
//! A connection is accepted, its peer's user and groups are read from the kernel, and both decide once what the caller
//! may do ([`Access`]). Every route names the permission that it needs; the rest is parsing at the door and one call
//! of [`Daemon`]. Callers with nothing to say are bounded: connections per kind of caller, header and body sizes, and
//! the time for each. A full house closes the connection that has idled longest, so that nobody can lock others out.

mod access;
mod audit;
mod bind;
mod browser;
mod changes;
mod connections;
mod console;
mod console_handlers;
mod daemon;
mod extract;
mod handlers;
mod openapi;
mod peer;
mod refusal;
mod routes;
mod serve;
mod stream;

pub use access::{Access, Credentials, Permission, Standing};
pub use bind::{BindError, bind_unix};
pub use browser::{Authorities, Clear, Encrypt, Encrypted, Pages, Sessions, serve_browsers};
pub use console::{Checked, Console, Grant, NewDeed};
pub use daemon::Daemon;
pub use openapi::openapi_json;
pub use serve::{Services, serve};
