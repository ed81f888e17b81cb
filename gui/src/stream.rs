//! The daemon's stream on its way to the pages. One at a time: whoever asks again has loaded the pages anew.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holloway_dashboard::api::ApiError;
use holloway_dashboard::client::Passage;
use serde::Serialize;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;

const TARGET: &str = "/api/v1/stream?changes=true";
const OPEN_TIME_MAX: Duration = Duration::from_secs(10);
/// The daemon says every 15 s that it lives.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// A message for the pages: the kinds that the daemon has, and `open` and `end`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Streamed {
    kind: String,
    data: String,
}

/// The stream that is open. A lock, as commands run on several threads.
#[derive(Default)]
pub(crate) struct Streams(Mutex<Option<JoinHandle<()>>>);

impl Streams {
    /// Opens the stream and ends the one before.
    pub(crate) fn follow(&self, passage: Passage, channel: Channel<Streamed>) {
        let task = tauri::async_runtime::spawn(async move {
            let tell = |kind: &str, data: String| channel.send(Streamed { kind: kind.to_owned(), data });
            let end = carry(&passage, &tell).await;
            // The pages may be gone.
            let _ = tell("end", end.map_or_else(|error| error.message, |()| String::new()));
        });
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
        if let Some(before) = before {
            before.abort();
        }
    }
}

async fn carry(passage: &Passage, tell: &impl Fn(&str, String) -> tauri::Result<()>) -> Result<(), ApiError> {
    let mut messages = passage.follow(TARGET, OPEN_TIME_MAX).await?;
    let mut heard = tell("open", String::new());
    while heard.is_ok() {
        let Ok(message) = tokio::time::timeout(SILENCE_MAX, messages.next()).await else {
            return Ok(());
        };
        let Some(message) = message? else {
            return Ok(());
        };
        heard = tell(&message.kind, message.data);
    }
    Ok(())
}
