//! Where things live: the state directory and the local API's socket. Knows names, not contents.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use holloway_wire::Label;

use crate::secret_file::{PermissionError, create_private_dir};

const STATE_DIR_VARIABLE: &str = "HOLLOWAY_STATE_DIR";
const SYSTEM_STATE_DIR: &str = "/var/lib/holloway";
const SYSTEM_SOCKET: &str = "/run/holloway/api.sock";
const FOLDER: &str = "holloway";
const SOCKET: &str = "api.sock";
const ROOT_UID: u32 = 0;

/// The few things outside flags and files that decide where things live.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `HOLLOWAY_STATE_DIR`
    pub state_dir: Option<OsString>,
    /// `XDG_STATE_HOME`
    pub xdg_state_home: Option<OsString>,
    /// `HOME`
    pub home: Option<OsString>,
    /// The effective user id.
    pub uid: u32,
}

impl Environment {
    /// Reads this process's environment; empty variables count as unset (XDG base directory specification).
    #[must_use]
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            state_dir: variable(STATE_DIR_VARIABLE),
            xdg_state_home: variable("XDG_STATE_HOME"),
            home: variable("HOME"),
            uid: crate::effective_uid(),
        }
    }

    /// `$XDG_STATE_HOME/holloway`; a relative value is ignored, as that specification asks.
    fn user_state_dir(&self) -> Option<PathBuf> {
        let xdg = self.xdg_state_home.as_ref().map(PathBuf::from);
        let home = self.home.as_ref().map(PathBuf::from);
        let base = xdg
            .filter(|path| path.is_absolute())
            .or_else(|| home.filter(|path| path.is_absolute()).map(|h| h.join(".local/state")));
        base.map(|base| base.join(FOLDER))
    }
}

/// Nobody said where state lives, and the environment does not tell.
#[derive(Debug, thiserror::Error)]
#[error(
    "no place for state: neither HOLLOWAY_STATE_DIR nor XDG_STATE_HOME nor HOME is set; run: holloway --state-dir DIR"
)]
pub struct StateDirError;

/// The directory that holds one daemon's keys, store, lock and configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
    chosen: Chosen,
}

/// Who decided where state lives; it also decides where the socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chosen {
    ByOperator,
    SystemDefault,
    UserDefault,
}

impl StateDir {
    /// Decides in the order flag, environment, default.
    ///
    /// # Errors
    /// Fails for a user without home directory who says nothing.
    pub fn resolve(flag: Option<&Path>, environment: &Environment) -> Result<Self, StateDirError> {
        if let Some(path) = explicit(flag, environment) {
            return Ok(Self { path, chosen: Chosen::ByOperator });
        }
        if environment.uid == ROOT_UID {
            return Ok(Self { path: PathBuf::from(SYSTEM_STATE_DIR), chosen: Chosen::SystemDefault });
        }
        let path = environment.user_state_dir().ok_or(StateDirError)?;
        let chosen = Chosen::UserDefault;
        Ok(Self { path, chosen })
    }

    /// Creates the directory, 0700, where it is missing.
    ///
    /// # Errors
    /// Refuses a directory that others can enter or that is not ours, with the command that mends it.
    pub fn create(&self) -> Result<(), PermissionError> {
        create_private_dir(&self.path)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the operator decided.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.path.join("holloway.toml")
    }

    /// What the program learned.
    #[must_use]
    pub fn store_file(&self) -> PathBuf {
        self.path.join("holloway.db")
    }

    /// Held by the one daemon that runs on this directory.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// One folder per network.
    #[must_use]
    pub fn networks_dir(&self) -> PathBuf {
        self.path.join("networks")
    }

    /// The keys of one network.
    #[must_use]
    pub fn network_dir(&self, label: &Label) -> PathBuf {
        self.networks_dir().join(label.as_str())
    }

    /// Where this directory's daemon listens, and who may connect.
    #[must_use]
    pub fn api_socket(&self) -> ApiSocket {
        match self.chosen {
            Chosen::SystemDefault => ApiSocket { path: PathBuf::from(SYSTEM_SOCKET), access: SocketAccess::Group },
            Chosen::ByOperator | Chosen::UserDefault => {
                ApiSocket { path: self.path.join(SOCKET), access: SocketAccess::Owner }
            }
        }
    }
}

/// Where a daemon's API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSocket {
    /// The socket.
    pub path: PathBuf,
    /// Who may open it.
    pub access: SocketAccess,
}

/// Who may open the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketAccess {
    /// The daemon's user: mode 0600.
    Owner,
    /// The group `holloway` too: mode 0660.
    Group,
}

impl SocketAccess {
    /// The socket's mode.
    #[must_use]
    pub fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
        }
    }
}

/// The sockets at which a client looks for a daemon, in this order. Who names a directory means that daemon and no other.
#[must_use]
pub fn api_candidates(flag: Option<&Path>, environment: &Environment) -> Vec<PathBuf> {
    if let Some(path) = explicit(flag, environment) {
        return vec![path.join(SOCKET)];
    }
    let user = environment.user_state_dir().map(|dir| dir.join(SOCKET));
    [Some(PathBuf::from(SYSTEM_SOCKET)), user].into_iter().flatten().collect()
}

fn explicit(flag: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| environment.state_dir.as_ref().map(PathBuf::from))
}
