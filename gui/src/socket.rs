//! Which daemon is meant: the socket, and who may be listening there. Looks where the command line looks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use holloway_dashboard::client::Passage;

const SYSTEM_SOCKET: &str = "/run/holloway/api.sock";
const SOCKET: &str = "api.sock";
const ROOT_UID: u32 = 0;

/// Where to look for a daemon. One that is installed later is found, so the answer is asked for again each time.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    candidates: Vec<PathBuf>,
    own_uid: u32,
}

/// The variables of the environment that say where a user's state lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct Homes {
    pub(crate) xdg_state_home: Option<OsString>,
    pub(crate) home: Option<OsString>,
}

impl Homes {
    /// Reads this process's environment; empty variables count as unset (XDG base directory specification).
    pub(crate) fn of_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self { xdg_state_home: variable("XDG_STATE_HOME"), home: variable("HOME") }
    }

    fn state(&self) -> Option<PathBuf> {
        let absolute = |value: &Option<OsString>| value.as_ref().map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(&self.xdg_state_home).or_else(|| absolute(&self.home).map(|home| home.join(".local/state")))
    }
}

impl Sockets {
    /// Who names a state directory means that daemon and no other; else the system's comes before the user's own.
    pub(crate) fn new(state_dir: Option<&Path>, homes: &Homes) -> Self {
        let own = || homes.state().map(|state| state.join("holloway").join(SOCKET));
        let candidates = match state_dir {
            Some(dir) => vec![dir.join(SOCKET)],
            None => [Some(PathBuf::from(SYSTEM_SOCKET)), own()].into_iter().flatten().collect(),
        };
        Self { candidates, own_uid: rustix::process::geteuid().as_raw() }
    }

    /// The way to the first daemon that there is; without any, to where the first one would be.
    pub(crate) fn passage(&self) -> Passage {
        Passage::new(self.choose(Path::try_exists), vec![ROOT_UID, self.own_uid])
    }

    /// What may not be looked at is there: the daemon's directory is closed to strangers, who want to hear just that.
    fn choose(&self, exists: impl Fn(&Path) -> std::io::Result<bool>) -> &Path {
        let found = self.candidates.iter().find(|path| exists(path).unwrap_or(true));
        found.or(self.candidates.first()).map_or(Path::new(SYSTEM_SOCKET), PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn homes() -> Homes {
        Homes { xdg_state_home: None, home: Some("/home/ann".into()) }
    }

    #[test]
    fn who_names_a_directory_means_that_daemon_alone() {
        let sockets = Sockets::new(Some(Path::new("/srv/x")), &homes());
        assert_eq!(sockets.choose(|_| Ok(false)), Path::new("/srv/x/api.sock"));
        assert_eq!(sockets.candidates.len(), 1);
    }

    #[test]
    fn the_systems_daemon_comes_first_then_the_users_own() {
        let sockets = Sockets::new(None, &homes());
        let own = Path::new("/home/ann/.local/state/holloway/api.sock");
        assert_eq!(sockets.choose(|_| Ok(true)), Path::new(SYSTEM_SOCKET));
        assert_eq!(sockets.choose(|path| Ok(path == own)), own);
        assert_eq!(sockets.choose(|_| Ok(false)), Path::new(SYSTEM_SOCKET));
    }

    #[test]
    fn a_socket_that_may_not_be_looked_at_is_there() {
        let sockets = Sockets::new(None, &homes());
        let closed =
            |path: &Path| if path == Path::new(SYSTEM_SOCKET) { Err(io::Error::other("closed")) } else { Ok(true) };
        assert_eq!(sockets.choose(closed), Path::new(SYSTEM_SOCKET));
    }

    #[test]
    fn relative_homes_are_ignored() {
        let odd = Homes { xdg_state_home: Some("here".into()), home: Some("/home/ann".into()) };
        assert_eq!(odd.state(), Some(PathBuf::from("/home/ann/.local/state")));
        assert_eq!(Homes { xdg_state_home: Some("/state".into()), ..homes() }.state(), Some(PathBuf::from("/state")));
        assert_eq!(Sockets::new(None, &Homes::default()).candidates, [PathBuf::from(SYSTEM_SOCKET)]);
    }
}
