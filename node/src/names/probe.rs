//! Judges by effect: does a name resolve the way every program resolves it?

use std::net::ToSocketAddrs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long a name may take; the C library itself gives up after 10 s with one server (resolv.conf(5)).
pub(crate) const PROBE_PATIENCE: Duration = Duration::from_secs(5);

/// Whether the C library resolves this name. It reads its configuration at most once in a while, so a process that has
/// resolved before must not ask: that is what [`probe_in_child`] is for.
pub(crate) fn probe(name: &str) -> bool {
    (name, 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.next().is_some())
}

/// Whether a fresh process resolves it: runs `program` with `arguments`, which must call [`probe`] and exit with 0 for
/// yes. A child that takes longer than [`PROBE_PATIENCE`] is ended and means no.
pub(crate) async fn probe_in_child(program: &Path, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    matches!(timeout(PROBE_PATIENCE, child.wait()).await, Ok(Ok(status)) if status.success())
}
