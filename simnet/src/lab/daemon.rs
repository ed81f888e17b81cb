//! The product's daemon in a host, driven by its own command line.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Host, Process, syscalls};

/// Longest time for one command: `join` may take its own 30 s for a handshake that fails.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// Longest time for a clean stop, which undoes routes and names: beyond it the daemon hangs.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// Settings of the environment that would reach into the daemon under test.
const FOREIGN_SETTINGS: [&str; 1] = ["HOLLOWAY_STATE_DIR"];

/// One daemon of the real binary: a host, a state directory, and the process while it runs.
#[derive(Debug)]
pub struct Daemon {
    host: Host,
    binary: PathBuf,
    state_directory: PathBuf,
    arguments: Vec<OsString>,
    process: Option<Process>,
}

impl Daemon {
    /// Names a daemon without starting it, for commands that work without one. `arguments` go
    /// behind `up`.
    pub fn stopped<S: AsRef<OsStr>>(host: &Host, binary: &Path, state_directory: &Path, arguments: &[S]) -> Self {
        let arguments = arguments.iter().map(|item| item.as_ref().to_owned());
        Self {
            host: host.clone(),
            binary: binary.to_owned(),
            state_directory: state_directory.to_owned(),
            arguments: arguments.collect(),
            process: None,
        }
    }

    /// Starts `BINARY --state-dir DIR up ARGUMENTS` in `host`.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn start<S: AsRef<OsStr>>(host: &Host, binary: &Path, state_directory: &Path, arguments: &[S]) -> Result<Self> {
        let mut daemon = Self::stopped(host, binary, state_directory, arguments);
        daemon.up()?;
        Ok(daemon)
    }

    /// Starts the process, again or for the first time; does not wait until it is ready.
    ///
    /// # Errors
    ///
    /// When it runs already or cannot be started.
    pub fn up(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the daemon on {} runs already", self.host.name());
        let mut command = self.command();
        command.arg("up").args(&self.arguments);
        self.process = Some(self.host.spawn("daemon", &mut command)?);
        Ok(())
    }

    /// The host it runs in.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its state directory.
    pub fn state_directory(&self) -> &Path {
        &self.state_directory
    }

    /// Its process, while it runs.
    ///
    /// # Errors
    ///
    /// When it has been stopped.
    pub fn process(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("the daemon on {} is not running", self.host.name()))
    }

    /// Runs `BINARY --state-dir DIR ARGUMENTS` in the host; the exit status is the caller's.
    ///
    /// # Errors
    ///
    /// When the program cannot be started or takes more than a minute.
    pub fn cli<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output> {
        self.host.run(self.command().args(arguments), COMMAND_DEADLINE)
    }

    /// Runs `BINARY --state-dir DIR ARGUMENTS --json` and parses what it prints.
    ///
    /// # Errors
    ///
    /// When it fails (the error has what it said) or prints something else.
    pub fn json<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Value> {
        let mut command = self.command();
        command.args(arguments).arg("--json");
        let output = self.host.run(&mut command, COMMAND_DEADLINE)?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("{command:?} ended with {}: {}", output.status, complaint.trim());
        }
        serde_json::from_slice(&output.stdout).with_context(|| {
            let text = String::from_utf8_lossy(&output.stdout);
            format!("{command:?} printed no JSON: {text}")
        })
    }

    /// Waits until `status --check ready` succeeds.
    ///
    /// # Errors
    ///
    /// When the daemon ends instead, or is not ready by `deadline`; the error has the logs' tails.
    pub fn wait_ready(&mut self, deadline: Duration) -> Result<()> {
        let host = self.host.clone();
        host.wait_until(deadline, "the daemon to be ready", || self.is_ready().transpose())?
    }

    /// Kills it with SIGKILL, as a crash would.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        self.take_process()?.kill()
    }

    /// Asks it to stop with SIGTERM and waits for the end.
    ///
    /// # Errors
    ///
    /// When it is not running, or does not stop in time (then it is killed).
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        let mut process = self.take_process()?;
        process.signal(libc::SIGTERM)?;
        process.wait_for_end(STOP_DEADLINE)
    }

    /// Stops it cleanly and starts it again.
    ///
    /// # Errors
    ///
    /// When it does not stop or does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.terminate()?;
        self.up()
    }

    /// Its resident memory in KiB.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn rss_kib(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process()?.pid());
        fs::read_to_string(&path)?
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.split_whitespace().next()?.parse().ok())
            .with_context(|| format!("no VmRSS in {path}: the daemon has ended"))
    }

    /// The processor time it has used, in user and kernel mode.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let path = format!("/proc/{}/stat", self.process()?.pid());
        let stat = fs::read_to_string(&path)?;
        let ticks = cpu_ticks(&stat).with_context(|| format!("{path} is not as in proc(5)"))?;
        Ok(ticks as f64 / syscalls::clock_ticks_per_second()? as f64)
    }

    /// `Some(Ok)` once it is ready, `Some(Err)` once it never will be.
    fn is_ready(&mut self) -> Result<Option<()>> {
        let process = self.process.as_mut().context("the daemon is not running")?;
        if let Some(status) = process.ended()? {
            bail!("the daemon on {} ended with {status}: {}", self.host.name(), process.stderr());
        }
        let ready = self.cli(&["status", "--check", "ready"])?;
        Ok(ready.status.success().then_some(()))
    }

    fn take_process(&mut self) -> Result<Process> {
        self.process.take().with_context(|| format!("the daemon on {} is not running", self.host.name()))
    }

    fn command(&self) -> Command {
        let mut command = self.host.command(&self.binary);
        for setting in FOREIGN_SETTINGS {
            command.env_remove(setting);
        }
        command.arg("--state-dir").arg(&self.state_directory);
        command
    }
}

/// The sum of utime and stime, fields 14 and 15 of proc(5); counted behind the program's name, which
/// may contain spaces.
fn cpu_ticks(stat: &str) -> Option<u64> {
    /// The name is field 2, so the first one behind it is field 3.
    const UTIME: usize = 14 - 3;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(UTIME);
    let user: u64 = times.next()?.parse().ok()?;
    let kernel: u64 = times.next()?.parse().ok()?;
    Some(user + kernel)
}
