//! The roster: who is a member, under which name and address, where, and who no longer is.
//!
//! Everything in it came as a [`holloway_wire::Publication`] that carries its own proof; the roster checks the proof
//! once, at the door, and keeps what holds. A certificate's chain must lead to the root with rights and validity only
//! narrowing.
//! Revocations are a grow-only set: a revoked key is out for ever, and with it what it issued, except what the
//! revocation keeps. The block-list is local and nobody else's business. When a statement comes or the time changes,
//! every membership that can rest on it is judged again from the same statements, so that order of arrival does not
//! matter, and what a statement costs does not grow with the network.
//!
//! The roster does not know how publications travel, nor what a session is.

mod certificates;
mod chain;
mod index;
mod labels;
mod members;

pub(crate) use chain::ChainError;
pub(crate) use members::{Accepted, Member, REVOCATIONS_MAX, Rejected, Roster, RosterChange, digest_of_revocations};
