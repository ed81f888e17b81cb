//! Requests that are carried out with or without a running daemon.

use holloway_dashboard::api::ApiError;
use holloway_dashboard::client::Client;

use super::context::Context;
use super::failure::{Failure, answer_is_no};
use super::logging;
use super::output::to_stderr;
use super::signals::StopSignals;
use crate::daemon;

/// Who carried a request out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The daemon that runs.
    RunningDaemon,
    /// One of our own, which has stopped again.
    TemporaryDaemon,
}

/// Carries `operation` out with the running daemon or, where none runs, with one that lives only for this.
pub(crate) async fn perform<T>(
    context: &Context,
    operation: impl AsyncFnOnce(&Client) -> Result<T, ApiError>,
) -> Result<(T, By), Failure> {
    if let Some(client) = context.find_daemon()? {
        return Ok((operation(&client).await?, By::RunningDaemon));
    }
    logging::start(context.log(), logging::QUIET)?;
    let mut signals = StopSignals::listen();
    let temporary = daemon::start_temporary(context.daemon_options()?).await?;
    let client = temporary.client();
    let outcome = tokio::select! {
        outcome = operation(&client) => outcome.map_err(Failure::from),
        () = signals.asked() => {
            to_stderr("interrupted\n");
            Err(answer_is_no())
        }
    };
    temporary.stop().await;
    Ok((outcome?, By::TemporaryDaemon))
}
