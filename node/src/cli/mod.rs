//! The command line: a client of the local API.
//!
//! Two stages. `args` is what was typed; `meaning` turns it into requests that can be made, or refuses. Each command
//! then has a file of its own that makes its request and renders the answer; rendering is a pure function of the
//! document, so that it can be tested without a daemon. Everything that came from elsewhere passes `escape` on its way
//! to a terminal, and all output passes `output`, which does not mind when nobody reads it.
//!
//! The command line does not know how the daemon does its work, and has no privileges or keys. Where no daemon runs, the
//! few commands that must work without one ask [`crate::daemon`] for a temporary one and remain its client.

mod args;
mod bytes;
mod certificates;
mod completions;
mod context;
mod dashboard;
mod demo_tool;
mod detach;
mod doctor;
mod down;
mod duration;
mod escape;
mod events;
mod failure;
mod invites;
mod join;
mod logging;
mod meaning;
mod members;
mod netcheck;
mod networks;
mod output;
mod overview;
mod peers;
mod ping;
mod probe;
mod program;
mod qr;
mod reach;
mod records;
mod relays;
mod routes;
mod service;
mod session;
mod signals;
mod status;
mod style;
mod switching;
mod table;
mod top;
mod up;
mod why;

pub(crate) use args::DemoArgs;
pub(crate) use escape::shown_lines;
pub(crate) use failure::Failure;
pub(crate) use output::{Form, Output, to_stderr};
pub(crate) use program::main;
pub(crate) use signals::StopSignals;
pub(crate) use style::Style;
