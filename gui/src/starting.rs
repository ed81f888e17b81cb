//! Starts other programs, with arguments that are ours.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::fault::Fault;

/// The way to start the system's daemon as an ordinary user: polkit asks for the password in a window of its own.
const START: [&str; 3] = ["systemctl", "start", "holloway.service"];
const UNITS: [&str; 3] = [
    "/etc/systemd/system/holloway.service",
    "/usr/lib/systemd/system/holloway.service",
    "/lib/systemd/system/holloway.service",
];
/// There where systemd is the system's first process (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// Whether [`start_daemon`] has what it takes.
pub(crate) fn can_start_daemon() -> bool {
    let is_service = Path::new(SYSTEMD).exists() && UNITS.iter().any(|unit| Path::new(unit).exists());
    is_service && ["pkexec", "systemctl"].iter().all(|program| find(program).is_some())
}

/// Starts the system's daemon, and waits until that is done.
///
/// # Errors
/// A program is missing, or whoever was asked said no.
pub(crate) async fn start_daemon() -> Result<(), Fault> {
    let failed = |said: String| Fault::Program { program: "pkexec", said };
    let output = tokio::process::Command::new("pkexec").args(START).stdin(Stdio::null()).output().await;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(if said.is_empty() { output.status.to_string() } else { said }))
}

/// Starts a program that goes on by itself.
///
/// # Errors
/// It is missing, or cannot be started.
pub(crate) fn detached(program: &'static str, arguments: &[&str]) -> Result<(), Fault> {
    let quiet = || Stdio::null();
    let spawned = Command::new(program).args(arguments).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    let mut child = spawned.map_err(|error| Fault::Program { program, said: error.to_string() })?;
    // Whoever ends must be waited for; how it ended is between it and the person.
    std::thread::spawn(move || child.wait());
    Ok(())
}

fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}
