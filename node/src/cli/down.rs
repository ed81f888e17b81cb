//! `holloway down`: returns when the daemon has gone.

use std::time::Duration;

use holloway_dashboard::api::{ApiError, ErrorCode};
use tokio::time::{Instant, sleep};

use super::context::Context;
use super::failure::Failure;

/// Longest clean stop: routes, names and interfaces are put back, sessions are closed.
const STOP_TIME_MAX: Duration = Duration::from_secs(30);

/// How often it is looked whether the daemon has gone.
const LOOK: Duration = Duration::from_millis(20);

/// Stops the running daemon.
#[expect(clippy::wildcard_enum_match_arm, reason = "one code is looked for, whatever the others are")]
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    // Whoever wants it stopped need not hear how to start it.
    let client = context.daemon().map_err(|error| match error.code {
        ErrorCode::DaemonNotRunning => ApiError::new(error.code, error.message),
        _ => error,
    })?;
    let down = client.down().await?;
    let deadline = Instant::now() + STOP_TIME_MAX;
    // The socket's file is the last thing that a daemon removes.
    while client.socket().exists() {
        if Instant::now() > deadline {
            let message = format!("the daemon still runs {} s after it was asked to stop", STOP_TIME_MAX.as_secs());
            let hint = format!("run: {}", context.command("doctor"));
            return Err(ApiError::new(ErrorCode::Timeout, message).with_hint(hint).into());
        }
        sleep(LOOK).await;
    }
    context.output().answer(&down, |_, _| "the daemon has stopped\n".to_owned())
}
