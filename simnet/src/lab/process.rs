//! Programs that run in a host: with a deadline, with logs, and gone when dropped.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ground::Ground;
use super::{syscalls, wait_until};

/// How much of the end of a log goes into an error message: a screen and a half.
const TAIL_BYTES: u64 = 4096;

/// Sends `signal` (a `libc::SIG…` number) to the process `pid`.
///
/// # Errors
///
/// When there is no such process.
pub fn signal(pid: u32, signal: i32) -> Result<()> {
    let pid = i32::try_from(pid).context("no such pid")?;
    syscalls::kill(pid, signal).with_context(|| format!("sending signal {signal} to {pid}"))
}

/// A running program; dropping it kills it and all of its process group. What left the group, or
/// outlived a program that ended by itself, goes with the lab.
#[derive(Debug)]
pub struct Process {
    label: String,
    pid: u32,
    child: Arc<SharedChild>,
    logs: Logs,
}

/// A child of this process, until it has been waited for. Behind a lock because the lab ends it too
/// when it goes first: a pid alone could by then be somebody else's.
#[derive(Debug)]
struct SharedChild(Mutex<Child>);

/// The lab's hold on a process that it may have to end.
#[derive(Debug)]
pub(super) struct Leash(Weak<SharedChild>);

#[derive(Debug)]
struct Logs {
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    pub(super) fn spawn(ground: &Arc<Ground>, label: &str, command: &mut Command) -> Result<Self> {
        let process = Self::start(ground, label, command)?;
        ground.add_log(process.logs.stdout.clone());
        ground.add_log(process.logs.stderr.clone());
        Ok(process)
    }

    fn start(ground: &Ground, label: &str, command: &mut Command) -> Result<Self> {
        let logs = Logs { stdout: ground.fresh_path(label, "out"), stderr: ground.fresh_path(label, "err") };
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&logs.stdout)?)
            .stderr(File::create(&logs.stderr)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {label}: {command:?}"))?;
        let pid = child.id();
        let child = Arc::new(SharedChild(Mutex::new(child)));
        ground.add_leash(Leash(Arc::downgrade(&child)));
        Ok(Self { label: label.to_owned(), pid, child, logs })
    }

    /// The program's pid, also the number of its process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has written to standard output so far.
    pub fn stdout(&self) -> String {
        read_lossy(&self.logs.stdout)
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        read_lossy(&self.logs.stderr)
    }

    /// Sends it a signal (a `libc::SIG…` number).
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn signal(&self, number: i32) -> Result<()> {
        // Held meanwhile, so that nobody waits for the child and frees its pid.
        let mut child = self.child.lock();
        ensure!(child.try_wait()?.is_none(), "{} has ended", self.label);
        signal(self.pid, number)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.lock().try_wait()?)
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    ///
    /// When it has not by `deadline`; the error has the tails of its logs.
    pub fn wait_for_end(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.label);
        wait_until(deadline, &what, || self.child.lock().try_wait().transpose())
            .with_context(|| self.logs.tails())?
            .context("asking for the exit status")
    }

    /// Kills it and its process group with SIGKILL and waits for the end.
    ///
    /// # Errors
    ///
    /// When the system cannot say how it ended.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        Ok(self.child.kill()?)
    }
}

impl SharedChild {
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) -> io::Result<ExitStatus> {
        let mut child = self.lock();
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        let group = i32::try_from(child.id()).expect("the kernel's pids are positive i32");
        // Fails only when it is a zombie since just now, which the wait below tells.
        let _ = syscalls::kill(-group, libc::SIGKILL);
        child.wait()
    }
}

impl Leash {
    /// Kills the process and its group if it still runs.
    pub(super) fn kill(&self) {
        if let Some(child) = self.0.upgrade() {
            let _ = child.kill();
        }
    }

    /// Whether there is nothing left to hold.
    pub(super) fn is_slack(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Logs {
    fn tails(&self) -> String {
        [&self.stdout, &self.stderr].into_iter().filter_map(|log| tail(log)).collect()
    }
}

/// Runs `command` to its end. Output goes through files: a pipe that nobody empties would stop it.
pub(super) fn run(ground: &Ground, label: &str, command: &mut Command, deadline: Duration) -> Result<Output> {
    let mut process = Process::start(ground, label, command)?;
    let ended = process.wait_for_end(deadline).with_context(|| format!("running {command:?}"));
    let output = ended.and_then(|status| {
        Ok(Output { status, stdout: fs::read(&process.logs.stdout)?, stderr: fs::read(&process.logs.stderr)? })
    });
    let _ = fs::remove_file(&process.logs.stdout);
    let _ = fs::remove_file(&process.logs.stderr);
    output
}

/// The end of a log with a heading, unless it is empty.
pub(super) fn tail(log: &Path) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let name = log.file_name()?.to_string_lossy();
    (!bytes.is_empty()).then(|| format!("\n--- {name} ---\n{}\n", text.trim_end()))
}

fn read_lossy(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
