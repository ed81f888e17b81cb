//! Checks of this machine, each with its mend.
//!
//! Two steps: [`Facts::gather`] looks, [`judge()`] says what it means, as a pure function; [`checks`] is both. Nothing is
//! changed on the machine, and no check needs root, though some see less without.
//!
//! Does not know the store, the protocol, or what the daemon does about a finding.

mod facts;
mod input;
mod judge;
mod ports;

pub(crate) use facts::{DoctorInput, Facts};
pub(crate) use judge::{Check, State, judge};
pub(crate) use ports::OPEN_PORTS;

/// Looks at the machine and says what it means.
pub(crate) fn checks(input: &DoctorInput) -> Vec<Check> {
    judge(&Facts::gather(input), input)
}
