//! One machine of the demo: a host of the lab with a daemon of ours.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use holloway_simnet::lab::{Daemon, Host, Process};
use serde::de::DeserializeOwned;

use super::stop::Stop;

/// Longest time for one command: a join may wait 30 s for an answer.
const COMMAND_DEADLINE: Duration = Duration::from_secs(60);

/// Longest start of a daemon.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// Settings of the environment that would reach into the demo's daemons.
const FOREIGN_SETTINGS: [&str; 2] = ["HOLLOWAY_STATE_DIR", "HOLLOWAY_LOG"];

/// A host with a daemon.
pub(super) struct Machine {
    daemon: Daemon,
    program: PathBuf,
}

/// What a command said and how it ended.
pub(super) struct Said {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: String,
}

impl Machine {
    /// Puts a machine on `host`; its state goes into `directory`. Starts nothing.
    pub(super) fn new(host: &Host, program: &Path, directory: &Path) -> Self {
        let state = directory.join(format!("state-{}", host.name()));
        let daemon = Daemon::stopped::<&str>(host, program, &state, &[]);
        Self { daemon, program: program.to_owned() }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.host().name()
    }

    /// Where it runs.
    pub(super) fn host(&self) -> &Host {
        self.daemon.host()
    }

    /// Where its state is.
    pub(super) fn state_dir(&self) -> &Path {
        self.daemon.state_directory()
    }

    /// Starts its daemon.
    pub(super) fn start(&mut self) -> Result<()> {
        self.daemon.up()
    }

    /// Waits until its daemon is `live` or `ready`.
    pub(super) fn wait_for(&self, check: &str, stop: &Stop) -> Result<()> {
        stop.until(START_DEADLINE, &format!("{}'s daemon to be {check}", self.name()), || {
            self.daemon.rss_kib()?;
            Ok(self.run(&["status", "--check", check], None, stop)?.status.success().then_some(()))
        })
    }

    /// Its daemon's resident memory in KiB.
    pub(super) fn memory_kib(&self) -> Result<u64> {
        self.daemon.rss_kib()
    }

    /// Stops its daemon cleanly, if it runs: somebody who looked around may have stopped it before.
    pub(super) fn stop(&mut self) -> Result<()> {
        if self.memory_kib().is_err() {
            return Ok(());
        }
        let status = self.daemon.terminate()?;
        if !status.success() {
            bail!("{}'s daemon ended with {status}", self.name());
        }
        Ok(())
    }

    /// Runs one of our commands there and reads the document that it prints.
    pub(super) fn ask<T: DeserializeOwned>(&self, arguments: &[&str], stop: &Stop) -> Result<T> {
        self.ask_with(arguments, None, stop)
    }

    /// As [`ask`](Self::ask), with something on stdin: a secret must not stand in a process list.
    pub(super) fn ask_with<T: DeserializeOwned>(&self, words: &[&str], input: Option<&str>, stop: &Stop) -> Result<T> {
        let said = self.run(words, input, stop)?;
        let line = words.join(" ");
        if !said.status.success() {
            bail!("{}: holloway {line}: {}", self.name(), said.complaint());
        }
        serde_json::from_slice(&said.stdout).with_context(|| format!("{}: holloway {line}", self.name()))
    }

    /// As [`ask`](Self::ask), where a refusal only means: not yet.
    pub(super) fn try_ask<T: DeserializeOwned>(&self, arguments: &[&str], stop: &Stop) -> Result<Option<T>> {
        let said = self.run(arguments, None, stop)?;
        Ok(said.status.success().then(|| serde_json::from_slice(&said.stdout)).transpose()?)
    }

    /// Whether one of our commands succeeds there.
    pub(super) fn succeeds(&self, arguments: &[&str], stop: &Stop) -> Result<bool> {
        Ok(self.run(arguments, None, stop)?.status.success())
    }

    /// Starts one of the demo's tools there; it ends when the value is dropped.
    pub(super) fn spawn_tool(&self, arguments: &[&str]) -> Result<Process> {
        let mut command = self.command();
        self.host().spawn("tool", command.arg("demo-tool").args(arguments))
    }

    fn run(&self, arguments: &[&str], input: Option<&str>, stop: &Stop) -> Result<Said> {
        let mut command = self.command();
        command.arg("--json").args(arguments);
        say(&mut command, input, stop).with_context(|| format!("{}: holloway {}", self.name(), arguments.join(" ")))
    }

    fn command(&self) -> Command {
        let mut command = self.host().command(&self.program);
        for setting in FOREIGN_SETTINGS {
            command.env_remove(setting);
        }
        command.arg("--state-dir").arg(self.state_dir());
        command
    }
}

impl Said {
    /// The message of the refusal, or whatever it said.
    fn complaint(&self) -> String {
        let document = serde_json::from_str::<serde_json::Value>(self.stderr.trim()).ok();
        let message = document.and_then(|document| document.pointer("/error/message")?.as_str().map(str::to_owned));
        message.unwrap_or_else(|| self.stderr.trim().to_owned())
    }
}

/// Runs a command to its end, or until somebody stops us; the lab ends what is left in its namespaces.
fn say(command: &mut Command, input: Option<&str>, stop: &Stop) -> Result<Said> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // A command that refuses early closes its end; its own words say more than EPIPE.
        let _ = stdin.write_all(input.as_bytes());
    }
    let stdout = read_all(child.stdout.take().context("stdout is piped")?);
    let stderr = read_all(child.stderr.take().context("stderr is piped")?);
    let status = wait(&mut child, stop)?;
    let stdout = stdout.join().unwrap_or_default();
    let stderr = String::from_utf8_lossy(&stderr.join().unwrap_or_default()).into_owned();
    Ok(Said { status, stdout, stderr })
}

fn wait(child: &mut Child, stop: &Stop) -> Result<ExitStatus> {
    let waited = stop.until(COMMAND_DEADLINE, "its end", || Ok(child.try_wait()?));
    if waited.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    waited
}

/// Reads on a thread of its own: a pipe that nobody empties would stop the program.
fn read_all(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is all there is to show.
        let _ = pipe.read_to_end(&mut bytes);
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_reaches_the_command_and_its_words_come_back() {
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo oh >&2; exit 3"]);
        let said = say(&mut command, Some("token"), &Stop::default()).unwrap();
        assert_eq!((said.stdout.as_slice(), said.status.code()), (&b"token"[..], Some(3)));
        assert_eq!(said.complaint(), "oh");
    }

    #[test]
    fn a_refusal_is_told_by_its_message() {
        let stderr = r#"{"schema":1,"error":{"code":"invite_spent","message":"the invite was used"}}"#.to_owned();
        let said = Said { status: ExitStatus::default(), stdout: vec![], stderr };
        assert_eq!(said.complaint(), "the invite was used");
    }
}
