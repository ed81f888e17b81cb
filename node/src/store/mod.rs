//! What the program learned, durable: networks, invite ledgers, publications, block-lists, events.
//!
//! One SQLite file. A write is on the disk when it returns, whole or not at all. A file that is damaged, empty, foreign
//! or from a newer version is refused and kept, never replaced by an empty one: an empty block-list is a security
//! failure.
//!
//! This module does not know what a publication proves, who may redeem an invite, where the keys lie, or that there is
//! a daemon.

mod error;
mod events;
pub(crate) mod file;
mod machine;
mod networks;
mod open;
mod relay_usage;
mod state;
#[cfg(test)]
mod tests;
mod transaction;

pub(crate) use error::StoreError;
pub(crate) use events::{Event, NewEvent, severity_of, severity_text};
pub(crate) use networks::{Chosen, Network, NetworkKey, NewNetwork, Origin};
pub(crate) use open::Store;
pub(crate) use transaction::Transaction;
