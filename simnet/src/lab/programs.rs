//! Runs the system's own network programs.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Where distributions keep administrators' programs; an ordinary user's PATH lacks them.
const ADMIN_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The programs that a lab cannot do without, with the package that brings each.
const REQUIRED: [(&str, &str); 2] = [("ip", "iproute2"), ("nft", "nftables")];

/// Checks that the required programs are installed.
pub(super) fn require() -> Result<()> {
    let missing: Vec<&str> =
        REQUIRED.iter().filter(|(program, _)| locate(program).is_none()).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    bail!("the lab needs programs that are not installed: apt-get install {packages}")
}

/// Starts building a call of `program`.
pub(super) fn command(program: &str) -> Command {
    Command::new(locate(program).unwrap_or_else(|| PathBuf::from(program)))
}

/// Runs `program` with `input` on its standard input; the error carries what it complained about.
pub(super) fn feed<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &str) -> Result<()> {
    let mut child = command(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {program}"))?;
    // A program that refuses early closes its end; its own words below say more than EPIPE.
    let _ = child.stdin.take().expect("stdin was piped").write_all(input.as_bytes());
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    bail!("{program} refused: {}\ngiven:\n{input}", complaint.trim())
}

fn locate(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(ADMIN_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_file(candidate))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file())
}
