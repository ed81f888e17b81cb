//! `holloway probe-name`: does the system resolve a name, as any program would?

use super::failure::{Failure, answer_is_no};

/// Succeeds when getaddrinfo finds an address.
pub(crate) fn run(name: &str) -> Result<(), Failure> {
    if crate::names::probe(name) { Ok(()) } else { Err(answer_is_no()) }
}
