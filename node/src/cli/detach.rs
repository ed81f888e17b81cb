//! `holloway up --detach`: the daemon in a process of its own, with its log in a file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use holloway_config::StateDir;
use holloway_dashboard::api::{ApiError, DaemonState, ErrorCode};
use holloway_dashboard::client::Client;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::context::Context;
use super::failure::Failure;
use super::meaning::UpMode;
use super::session::own_session;

/// Longest start: interfaces, sockets and names are set up, peers are not waited for.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// How often it is looked how far the daemon is.
const LOOK: Duration = Duration::from_millis(50);

/// A log beyond this is put aside at the next start, so that two of them bound what is kept.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// How much of the log's end explains a failed start: a screenful.
const TAIL_BYTES: u64 = 2048;

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// The daemon answers.
    Live,
    /// The daemon can do its job.
    Ready,
}

/// What to wait for where the daemon gets a process of its own.
pub(crate) fn readiness(mode: UpMode) -> Option<Readiness> {
    match mode {
        UpMode::Foreground => None,
        UpMode::Detached => Some(Readiness::Live),
        UpMode::DetachedReady => Some(Readiness::Ready),
    }
}

/// Starts the daemon and waits until it is as far as asked, or has failed.
pub(crate) async fn run(context: &Context, readiness: Readiness) -> Result<(), Failure> {
    let state_dir = context.daemon_options()?.state_dir;
    let socket = state_dir.api_socket().path;
    if tokio::net::UnixStream::connect(&socket).await.is_ok() {
        let message = format!("a daemon runs already and listens at {}", socket.display());
        let hint = format!("run: {}", context.command("status"));
        return Err(ApiError::new(ErrorCode::Internal, message).with_hint(hint).into());
    }
    state_dir.create()?;
    let log = Log::open(&state_dir)?;
    let mut child = start(context, &state_dir, &log)?;
    wait(&mut child, &Client::new(socket), readiness, &log).await?;
    let document = json!({
        "schema": 1, "pid": child.id(), "ready": readiness == Readiness::Ready, "log": log.path.display().to_string(),
    });
    context.output().answer(&document, |_, _| format!("the daemon runs; its log: {}\n", log.path.display()))
}

fn start(context: &Context, state_dir: &StateDir, log: &Log) -> anyhow::Result<Child> {
    let program = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new(program);
    // The daemon's socket follows from who chose the directory, so a default is not repeated as a flag.
    if context.names_state_dir() {
        command.arg("--state-dir").arg(fs::canonicalize(state_dir.path())?);
    }
    if let Some(level) = context.log() {
        command.args(["--log", level]);
    }
    command.arg("up").stdin(Stdio::null()).stdout(log.file.try_clone()?).stderr(log.file.try_clone()?);
    command.current_dir("/");
    own_session(&mut command);
    command.spawn().context("starting the daemon")
}

async fn wait(child: &mut Child, client: &Client, readiness: Readiness, log: &Log) -> Result<(), Failure> {
    let deadline = Instant::now() + START_TIME_MAX;
    let mut state = "it does not answer yet".to_owned();
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().map_err(anyhow::Error::from)? {
            return Err(ended(status, log).into());
        }
        match progress(client, readiness).await {
            Ok(None) => return Ok(()),
            Ok(Some(why)) => state = why,
            Err(_) => {}
        }
        sleep(LOOK).await;
    }
    let message = format!("the daemon runs, but after {} s it is not ready: {state}", START_TIME_MAX.as_secs());
    Err(ApiError::new(ErrorCode::Timeout, message).with_hint(format!("see {}", log.path.display())).into())
}

/// Why the daemon is not as far as asked; `None` when it is. A daemon without a network is as ready as it can be.
async fn progress(client: &Client, readiness: Readiness) -> Result<Option<String>, ApiError> {
    let health = client.health().await?;
    let reached = match readiness {
        Readiness::Live => health.live,
        Readiness::Ready => health.ready || client.status().await?.state == DaemonState::Waiting,
    };
    Ok((!reached).then(|| health.reasons.join(", ")))
}

/// The daemon has told its log why; its exit code says what kind of reason it was.
fn ended(status: ExitStatus, log: &Log) -> ApiError {
    let code = [ErrorCode::Usage, ErrorCode::DaemonNotRunning, ErrorCode::PermissionDenied]
        .into_iter()
        .find(|code| status.code() == Some(i32::from(code.exit_code())))
        .unwrap_or(ErrorCode::Internal);
    let message = format!("the daemon did not start ({status}):\n{}", log.tail().trim_end());
    ApiError::new(code, message).with_hint(format!("the whole log: {}", log.path.display()))
}

/// The log file of one start.
struct Log {
    path: PathBuf,
    file: File,
    start: u64,
}

impl Log {
    fn open(state_dir: &StateDir) -> Result<Self, Failure> {
        let path = state_dir.path().join("daemon.log");
        Self::open_file(path).context("opening the daemon's log").map_err(Failure::from)
    }

    fn open_file(path: PathBuf) -> io::Result<Self> {
        put_aside(&path);
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&path)?;
        let start = file.metadata()?.len();
        Ok(Self { path, file, start })
    }

    /// The end of what this start has written.
    fn tail(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            let from = file.metadata()?.len().saturating_sub(TAIL_BYTES).max(self.start);
            file.seek(SeekFrom::Start(from))?;
            file.take(TAIL_BYTES).read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("(its log cannot be read: {error})"),
        }
    }
}

/// Fails only where the log stays and goes on growing, which the operator sees.
fn put_aside(path: &Path) {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        let _ = fs::rename(path, path.with_extension("log.1"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_log_is_private_and_its_tail_is_of_this_start_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        fs::write(&path, "an earlier start\n").unwrap();
        let mut log = Log::open_file(path.clone()).unwrap();
        log.file.write_all(b"port in use\n").unwrap();
        assert_eq!(log.tail(), "port in use\n");
        let fresh = Log::open_file(dir.path().join("fresh.log")).unwrap();
        assert_eq!(fresh.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(Log::open_file(path).is_err(), "a link is not followed");
    }

    #[test]
    fn a_log_that_has_grown_too_long_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.log");
        File::create(&path).unwrap().set_len(LOG_BYTES_MAX + 1).unwrap();
        assert_eq!(Log::open_file(path).unwrap().start, 0);
        assert!(dir.path().join("daemon.log.1").exists());
    }

    #[test]
    fn the_exit_code_of_the_daemon_becomes_ours_and_the_log_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Log::open_file(dir.path().join("daemon.log")).unwrap();
        log.file.write_all(b"no CAP_NET_ADMIN\n").unwrap();
        let denied = ended(ExitStatus::from_raw(4 << 8), &log);
        assert_eq!(denied.code, ErrorCode::PermissionDenied);
        assert!(denied.message.contains("no CAP_NET_ADMIN"));
        assert_eq!(ended(ExitStatus::from_raw(libc::SIGKILL), &log).code.exit_code(), 1);
    }
}
