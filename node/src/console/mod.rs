//! The console's store: what admins look back at, and who they are.
//!
//! It keeps figures over time, connections, security events and how they were handled, what people did by the API, and
//! accounts: in a SQLite file beside the node's own store, or in a PostgreSQL database that several machines share. The
//! node does not need it: whatever happens to it, the networks run on, and whoever asks is told why there is no history.
//!
//! A [`record::Recorder`] looks at the daemon's status now and then and writes down what has changed ([`observe`] says
//! what that is); all else is questions. This module does not know how a status comes about, nor how requests arrive.

mod accounts;
mod audit;
mod connections;
mod error;
mod events;
mod history;
mod keeper;
mod observe;
mod open;
mod overview;
mod passwords;
mod record;
mod retain;
mod service;
#[cfg(test)]
mod tests;

pub(crate) use keeper::{Keeper, Place, Watched};
pub(crate) use service::ConsoleService;
