//! Where this run of the program finds its daemon and its state.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use holloway_config::{Environment, Settings, StateDir, api_candidates, load};
use holloway_dashboard::api::{ApiError, ErrorCode};
use holloway_dashboard::client::Client;

use super::args::{Global, Typed};
use super::failure::Failure;
use super::output::{Form, Output};
use crate::daemon::DaemonOptions;

/// What every command may need to know.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    state_dir: Option<PathBuf>,
    log: Option<String>,
    environment: Environment,
    output: Output,
}

impl Context {
    /// What these flags mean in this environment.
    pub(crate) fn new(global: Global, environment: Environment) -> Self {
        let form = if global.json { Form::Json } else { Form::Text };
        let Global { state_dir, log, json: _ } = global;
        Self { state_dir, log, environment, output: Output::new(form) }
    }

    /// The way out.
    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// The log level that was asked for.
    pub(crate) fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// The running daemon.
    pub(crate) fn daemon(&self) -> Result<Client, ApiError> {
        self.find_daemon()?.ok_or_else(|| self.not_running())
    }

    /// The running daemon, if there is one. The first socket at which somebody answers counts; one that we may not open
    /// counts only when no other answers.
    pub(crate) fn find_daemon(&self) -> Result<Option<Client>, ApiError> {
        let mut denied = None;
        for socket in self.sockets() {
            match UnixStream::connect(&socket) {
                Ok(_) => return Ok(Some(Client::new(socket))),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => denied = Some(socket),
                Err(_) => {}
            }
        }
        denied.map_or(Ok(None), |socket| Err(not_permitted(&socket, self.names_state_dir())))
    }

    /// Where state lives.
    pub(crate) fn state_dir(&self) -> Result<StateDir, Failure> {
        Ok(StateDir::resolve(self.state_dir.as_deref(), &self.environment)?)
    }

    /// What a daemon on this state directory needs to start.
    pub(crate) fn daemon_options(&self) -> Result<DaemonOptions, Failure> {
        let state_dir = self.state_dir()?;
        let typed = load(&state_dir.config_file())?.with_environment(|name| std::env::var(name).ok());
        Ok(DaemonOptions { settings: Settings::new(typed)?, state_dir })
    }

    /// Whether the state directory was named rather than found.
    pub(crate) fn names_state_dir(&self) -> bool {
        self.state_dir.is_some() || self.environment.state_dir.is_some()
    }

    /// This command line with another command, for a hint.
    pub(crate) fn command(&self, command: &str) -> String {
        match &self.state_dir {
            Some(path) => format!("holloway --state-dir {} {command}", path.display()),
            None => format!("holloway {command}"),
        }
    }

    /// A text with the commands in it as they are to be typed here.
    pub(crate) fn as_typed_here(&self, text: &str) -> String {
        if self.state_dir.is_none() {
            return text.to_owned();
        }
        let typed = Typed::command();
        let is_command = |rest: &str| {
            let word = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
            // "holloway on this machine" is about no command.
            let is_prose = ["on", "off"].contains(&word) && rest[word.len()..].starts_with(' ');
            !is_prose && typed.get_subcommands().any(|command| command.get_name() == word)
        };
        let mut parts = text.split("holloway ");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |done, rest| {
            done + &if is_command(rest) { self.command(rest) } else { format!("holloway {rest}") }
        })
    }

    fn sockets(&self) -> Vec<PathBuf> {
        api_candidates(self.state_dir.as_deref(), &self.environment)
    }

    fn not_running(&self) -> ApiError {
        let sockets: Vec<String> = self.sockets().iter().map(|socket| socket.display().to_string()).collect();
        let message = format!("the daemon is not running: nobody listens at {}", sockets.join(" or "));
        let service = Path::new(SYSTEM_UNIT).exists() && self.state_dir.is_none();
        let command = if service { "systemctl start holloway".to_owned() } else { self.command("up") };
        ApiError::new(ErrorCode::DaemonNotRunning, message).with_hint(format!("run: {command}"))
    }
}

/// Where `holloway service install` puts the unit.
const SYSTEM_UNIT: &str = "/etc/systemd/system/holloway.service";

fn not_permitted(socket: &Path, is_named: bool) -> ApiError {
    let message = format!("you may not open the daemon's socket {}", socket.display());
    let hint = match is_named {
        true => "run the same command as the user that runs the daemon, or with sudo",
        false => "run the same command with sudo, or: sudo usermod -aG holloway $USER, then log in again",
    };
    ApiError::new(ErrorCode::PermissionDenied, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn context(state_dir: &Path) -> Context {
        let global = Global { state_dir: Some(state_dir.to_owned()), ..Global::default() };
        Context::new(global, Environment::default())
    }

    #[test]
    fn without_a_listener_the_daemon_is_not_running_and_the_hint_starts_it_there() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(dir.path());
        assert!(context.find_daemon().unwrap().is_none());
        let error = context.daemon().unwrap_err();
        assert_eq!(error.code, ErrorCode::DaemonNotRunning);
        assert_eq!(error.hint.unwrap(), format!("run: holloway --state-dir {} up", dir.path().display()));
    }

    #[test]
    fn hints_name_the_state_directory_that_was_named() {
        let context = context(Path::new("/srv/h"));
        let here = |text| context.as_typed_here(text);
        assert_eq!(
            here("holloway status, or: holloway create <network>"),
            "holloway --state-dir /srv/h status, or: holloway --state-dir /srv/h create <network>"
        );
        assert_eq!(here("update holloway on this machine"), "update holloway on this machine");
        assert_eq!(here("switch them on first: holloway on"), "switch them on first: holloway --state-dir /srv/h on");
        assert_eq!(here("run: holloway --state-dir /srv/h up"), "run: holloway --state-dir /srv/h up");
        assert_eq!(Context::new(Global::default(), Environment::default()).as_typed_here("holloway up"), "holloway up");
    }

    #[test]
    fn a_socket_that_a_killed_daemon_left_behind_is_no_daemon() {
        let dir = tempfile::tempdir().unwrap();
        drop(UnixListener::bind(dir.path().join("api.sock")).unwrap());
        assert!(dir.path().join("api.sock").exists());
        assert!(context(dir.path()).find_daemon().unwrap().is_none());
    }

    #[test]
    fn the_listener_in_the_state_directory_is_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("api.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(context(dir.path()).daemon().unwrap().socket(), socket);
    }

    #[test]
    fn a_fault_in_the_configuration_is_refused_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("holloway.toml"), "[tun]\ncolour = 1\n").unwrap();
        let Err(Failure::Refused(error)) = context(dir.path()).daemon_options() else { panic!("a refusal") };
        assert!(error.message.contains("holloway.toml:2"), "{error}");
        assert!(error.message.contains("tun.colour"), "{error}");
    }
}
