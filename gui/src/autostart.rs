//! Whether the application starts with the desktop: a file in the person's own `autostart` folder, and nothing else.

use tauri::AppHandle;
use tauri_plugin_autostart::ManagerExt;

use crate::fault::Fault;

/// Whether it does. A folder that cannot be read holds no such file.
pub(crate) fn is_on(app: &AppHandle) -> bool {
    app.autolaunch().is_enabled().unwrap_or(false)
}

/// Makes it so.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn set(app: &AppHandle, on: bool) -> Result<(), Fault> {
    let launch = app.autolaunch();
    let done = match (on, launch.is_enabled().unwrap_or(false)) {
        (true, false) => launch.enable(),
        (false, true) => launch.disable(),
        (true, true) | (false, false) => Ok(()),
    };
    done.map_err(|error| Fault::Program { program: "autostart", said: error.to_string() })
}
