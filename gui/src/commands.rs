//! The commands that the pages may call; `build.rs` and `capabilities/main.json` list them again.
#![expect(clippy::needless_pass_by_value, reason = "commands get what they are called with by value")]

use std::time::Duration;

use serde::Serialize;
use tauri::ipc::Channel;
use tauri::{AppHandle, State};

use crate::allowed::is_allowed;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::notices::{Notice, Notices};
use crate::socket::Sockets;
use crate::stream::{Streamed, Streams};
use crate::tray::Glance;
use crate::{autostart, invite, notification, site, starting, tray};

/// Longer than any operation; a handshake gives up at 30 s.
const TIME_MAX: Duration = Duration::from_secs(60);
/// A request is a name, or an invite of a few hundred characters.
const BODY_LEN_MAX: usize = 32 * 1024;

/// What the daemon answered.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

/// Asks the daemon; `path` is what follows `/api/v1/`.
#[tauri::command]
pub(crate) async fn api(
    sockets: State<'_, Sockets>,
    method: String,
    path: String,
    body: Option<String>,
) -> Result<Answer, Fault> {
    if !is_allowed(&method, &path) || body.as_ref().is_some_and(|body| body.len() > BODY_LEN_MAX) {
        return Err(Fault::NotAllowed);
    }
    let passed = sockets.passage().pass(&method, &format!("/api/v1/{path}"), body, Some(TIME_MAX)).await?;
    Ok(Answer { status: passed.status, body: passed.body })
}

/// Sends what changes from now on.
#[tauri::command]
pub(crate) fn follow(sockets: State<'_, Sockets>, streams: State<'_, Streams>, channel: Channel<Streamed>) {
    streams.follow(sockets.passage(), channel);
}

/// Sends what the desktop has to tell.
#[tauri::command]
pub(crate) fn notices(notices: State<'_, Notices>, channel: Channel<Notice>) {
    notices.listen(channel);
}

/// What there is to know of this machine.
#[tauri::command]
pub(crate) fn machine(app: AppHandle, sockets: State<'_, Sockets>) -> Machine {
    Machine::look(&app, sockets.passage().socket().display().to_string())
}

/// The invite in a text.
#[tauri::command]
pub(crate) fn read_invite(text: &str) -> Result<String, Fault> {
    invite::read(text)
}

/// Opens the site at a name in the system's browser.
#[tauri::command]
pub(crate) fn open_site(name: &str) -> Result<(), Fault> {
    site::open(&site::address(name)?)
}

/// Starts the system's daemon.
#[tauri::command]
pub(crate) async fn start_daemon() -> Result<(), Fault> {
    starting::start_daemon().await
}

/// Makes the application start with the desktop, or not.
#[tauri::command]
pub(crate) fn set_autostart(app: AppHandle, on: bool) -> Result<(), Fault> {
    autostart::set(&app, on)
}

/// Shows in the tray how things are.
#[tauri::command]
pub(crate) fn show_tray(app: AppHandle, glance: Glance) {
    tray::show(&app, &glance);
}

/// Shows a notification.
#[tauri::command]
pub(crate) async fn notify(title: String, body: String) -> Result<(), Fault> {
    let shown = tauri::async_runtime::spawn_blocking(move || notification::show(&title, &body)).await;
    shown.unwrap_or_else(|error| Err(Fault::Program { program: "notifications", said: error.to_string() }))
}
