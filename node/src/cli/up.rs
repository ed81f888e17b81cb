//! `holloway up`: the daemon, in this process.

use super::context::Context;
use super::failure::Failure;
use super::logging;
use crate::daemon;

/// Runs the daemon until it is asked to stop.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    logging::start(context.log(), logging::DAEMON)?;
    daemon::run_foreground(context.daemon_options()?).await.map_err(Failure::from)
}
