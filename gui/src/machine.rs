//! What the pages show of this machine and this application.

use serde::Serialize;
use tauri::AppHandle;

use crate::{autostart, starting};

/// Facts that only the application knows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// The application's version.
    pub(crate) version: &'static str,
    /// Where the daemon is looked for.
    pub(crate) socket: String,
    /// Who runs the application, where the environment tells.
    pub(crate) user: Option<String>,
    /// Whether the application can have the daemon started.
    pub(crate) can_start: bool,
    /// Whether the application starts with the desktop.
    pub(crate) autostart: bool,
}

impl Machine {
    /// Looks.
    pub(crate) fn look(app: &AppHandle, socket: String) -> Self {
        let user = std::env::var("USER").ok().filter(|name| is_user_name(name));
        let autostart = autostart::is_on(app);
        Self { version: env!("CARGO_PKG_VERSION"), socket, user, can_start: starting::can_start_daemon(), autostart }
    }
}

/// The name goes into a command that people paste into a root shell.
fn is_user_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !name.is_empty() && name.len() <= 32 && !name.starts_with('-') && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_user_name;

    #[test]
    fn only_plain_names_go_into_commands() {
        assert!(is_user_name("ann") && is_user_name("ann.b_2-c"));
        assert!(!["", "-a", "a b", "a;b", "$(id)", "a\nb"].into_iter().any(is_user_name));
    }
}
