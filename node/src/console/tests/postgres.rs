//! A PostgreSQL server of Debian's, for one test: in a directory of its own, reached by its socket alone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A server that runs until it is dropped.
pub(super) struct Server {
    dir: TempDir,
    programs: PathBuf,
}

impl Server {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Self { programs: programs(), dir };
        // The server refuses to be root; whoever it is needs the directory.
        fs::set_permissions(server.dir.path(), Permissions::from_mode(0o777)).unwrap();
        server.run("initdb", &["--auth=trust", "--no-sync", "--username=holloway", "--encoding=UTF8", "--locale=C"]);
        server.begin();
        server
    }

    /// Starts it (again).
    pub(super) fn begin(&self) {
        let socket = self.dir.path().display();
        let options = format!("-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off");
        let log = self.dir.path().join("log");
        self.run("pg_ctl", &["start", "--wait", "--options", &options, "--log", log.to_str().unwrap()]);
    }

    /// Stops it at once, with whoever is connected.
    pub(super) fn end(&self) {
        self.run("pg_ctl", &["stop", "--wait", "--mode", "fast"]);
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("postgres://holloway@localhost/postgres?host={}", self.dir.path().display())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let done = command
            .args(arguments)
            .arg("--pgdata")
            .arg(self.dir.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("PostgreSQL's programs run");
        assert!(done.success(), "{} {arguments:?}", program.display());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test may have stopped it.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.end()));
    }
}

/// Where Debian puts the server's programs; they are not in the path.
fn programs() -> PathBuf {
    let versions = fs::read_dir(Path::new("/usr/lib/postgresql")).expect("PostgreSQL is installed (apt: postgresql)");
    let mut found: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin")).collect();
    found.sort();
    found.pop().expect("a version of PostgreSQL")
}
