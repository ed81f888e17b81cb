//! Makes `.alt` names resolve for every program on this machine (Linux), and takes it back.
//!
//! The life of an [`Integration`]: [`recover`] undoes what a killed daemon left; [`Integration::prepare`] looks at the
//! machine, says whose upstream servers were configured, and decides on a `Way`; once the resolver answers,
//! [`Integration::apply`] puts it into `/etc/resolv.conf` where that is a plain file; the caller then resolves a name in
//! a fresh process ([`probe_in_child`]) and tells the result to [`Integration::judge`], which falls back to a managed
//! block in `/etc/hosts` where names do not resolve (systemd-resolved refuses `.alt` from v255 on);
//! [`Integration::publish`] keeps that block true; [`Integration::undo`] restores everything byte for byte.
//!
//! Whatever is about to change is journaled first, so that a crash at any point can be undone. A file that somebody else
//! changed meanwhile is theirs: only our lines are taken out. In a network namespace that is not init's, files that the
//! host shares are never touched.
//!
//! This module does not know what a name means, where names come from, how they are answered, or the store.

mod block;
mod error;
mod journal;
mod place;
mod probe;
mod replace;
mod resolv_conf;
#[cfg(test)]
mod tests;
mod way;

pub(crate) use block::HostsEntry;
pub(crate) use error::NamesError;
pub(crate) use place::Places;
pub(crate) use probe::{probe, probe_in_child};
pub(crate) use way::{Integration, NamesSettings, recover};
