//! The daemon as a systemd service: the unit's text, its installation and removal, and telling the service manager that
//! the daemon is ready.
//!
//! Does not know what the daemon does, nor any service manager but systemd.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const UNIT: &str = "holloway.service";
/// Members may read, switch on and off, and join (ARCHITECTURE §5 "Local API").
const GROUP: &str = "holloway";
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why the service was not installed or removed. Nothing is left half done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ServiceError {
    /// Only root may.
    #[error("installing or removing the service takes root; run: sudo holloway service {0}")]
    NotRoot(&'static str),
    /// Another service manager, or none.
    #[error("systemd does not run this machine; run the daemon from your service manager with: holloway up")]
    NoSystemd,
    /// Somebody other than root could change what root would run.
    #[error(
        "{} can be changed by others than root, and a service would run it as root; run: sudo install -m 755 {} \
         /usr/local/bin/holloway && sudo /usr/local/bin/holloway service install", changed.display(), program.display()
    )]
    Untrusted {
        /// The program.
        program: PathBuf,
        /// The file or directory that others can change.
        changed: PathBuf,
    },
    /// A path that a unit cannot name.
    #[error("{} cannot stand in a unit file; install the program as /usr/local/bin/holloway", .0.escape_debug())]
    Path(String),
    /// There is no such unit.
    #[error("there is no service to remove ({} is missing)", .0.display())]
    NotInstalled(PathBuf),
    /// A step failed.
    #[error("{command} failed: {output}; what was done before it was taken back")]
    Step {
        /// The command.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where a service lives. Given by the caller, so that a machine can stand in a folder.
#[derive(Clone, Debug)]
pub(crate) struct ServicePlaces {
    /// Where administrators' units lie.
    pub(crate) units: PathBuf,
    /// Exists where systemd runs the machine (sd_booted(3)).
    pub(crate) booted: PathBuf,
    /// Where `systemctl` and `groupadd` are; the search path where empty.
    pub(crate) programs: PathBuf,
}

impl ServicePlaces {
    /// The real places.
    pub(crate) fn of_system() -> Self {
        Self {
            units: PathBuf::from("/etc/systemd/system"),
            booted: PathBuf::from("/run/systemd/system"),
            programs: PathBuf::new(),
        }
    }

    fn unit(&self) -> PathBuf {
        self.units.join(UNIT)
    }
}

/// Installs `program` as a service, enables and starts it; returns when the daemon is ready. Doing it again renews the
/// unit; a daemon that runs goes on under the earlier one until it is restarted.
///
/// # Errors
/// Says which step failed; then nothing has changed.
pub(crate) fn install(program: &Path, places: &ServicePlaces) -> Result<(), ServiceError> {
    check_machine(places, "install")?;
    let program = fs::canonicalize(program).map_err(|e| failed(program, e))?;
    check_trusted(&program)?;
    let text = unit_text(&program)?;
    run(places, "groupadd", &["--system", "--force", GROUP])?;
    let unit = places.unit();
    let earlier = fs::read(&unit).ok();
    write(&unit, text.as_bytes())?;
    let started = run(places, "systemctl", &["daemon-reload"])
        .and_then(|()| run(places, "systemctl", &["enable", "--now", UNIT]));
    if started.is_err() {
        take_back(places, earlier.as_deref());
    }
    started
}

/// Stops, disables and removes the service. State, keys and the group stay.
///
/// # Errors
/// Says which step failed, or that there is no service.
pub(crate) fn remove(places: &ServicePlaces) -> Result<(), ServiceError> {
    check_machine(places, "remove")?;
    let unit = places.unit();
    if !unit.exists() {
        return Err(ServiceError::NotInstalled(unit));
    }
    run(places, "systemctl", &["disable", "--now", UNIT])?;
    fs::remove_file(&unit).map_err(|e| failed(&unit, e))?;
    run(places, "systemctl", &["daemon-reload"])
}

/// The text of the unit.
///
/// Sandboxed to what the daemon does: it makes an interface and routes (CAP_NET_ADMIN), answers on port 53
/// (CAP_NET_BIND_SERVICE), gives its socket to the group (CAP_CHOWN), lets its lanes go first (CAP_SYS_NICE), and writes
/// its state, its socket, and resolv.conf and hosts in /etc, by rename, for which the directory must be writable. Programs
/// in home directories may be run.
///
/// # Errors
/// Refuses a path that a unit cannot name.
pub(crate) fn unit_text(program: &Path) -> Result<String, ServiceError> {
    let program = quoted(program)?;
    Ok(format!(
        "\
[Unit]
Description=Holloway, a private network of machines that invite each other
After=network-online.target nss-lookup.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} up
Restart=on-failure
RestartSec=2s
RestartSteps=5
RestartMaxDelaySec=60s
RestartPreventExitStatus=2 4
TimeoutStopSec=15s
UMask=0077
LimitNOFILE=65536

StateDirectory=holloway
StateDirectoryMode=0700
RuntimeDirectory=holloway
RuntimeDirectoryMode=0750

CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_CHOWN CAP_SYS_NICE
NoNewPrivileges=yes
DevicePolicy=closed
DeviceAllow=/dev/net/tun rw
ProtectSystem=strict
ReadWritePaths=/etc
ProtectHome=read-only
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"
    ))
}

/// Tells the service manager that the daemon is ready. Without one it does nothing.
///
/// # Errors
/// Where there is one and it cannot be told.
pub(crate) fn notify_ready() -> io::Result<()> {
    notify(std::env::var_os(NOTIFY_SOCKET), "READY=1")
}

/// Tells the service manager that the daemon is about to stop. Without one it does nothing.
///
/// # Errors
/// Where there is one and it cannot be told.
pub(crate) fn notify_stopping() -> io::Result<()> {
    notify(std::env::var_os(NOTIFY_SOCKET), "STOPPING=1")
}

/// One datagram to a path, or to an abstract name that begins with `@` (sd_notify(3)).
fn notify(socket: Option<OsString>, message: &str) -> io::Result<()> {
    let Some(socket) = socket.filter(|socket| !socket.is_empty()) else {
        return Ok(());
    };
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsString::from_vec(path.to_vec()))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

fn check_machine(places: &ServicePlaces, verb: &'static str) -> Result<(), ServiceError> {
    if holloway_config::effective_uid() != 0 {
        return Err(ServiceError::NotRoot(verb));
    }
    if !places.booted.is_dir() {
        return Err(ServiceError::NoSystemd);
    }
    Ok(())
}

/// The program and every directory on the way to it must be root's alone to change.
fn check_trusted(program: &Path) -> Result<(), ServiceError> {
    for part in program.ancestors() {
        let metadata = fs::metadata(part).map_err(|e| failed(part, e))?;
        if metadata.uid() != 0 || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
            return Err(ServiceError::Untrusted { program: program.to_owned(), changed: part.to_owned() });
        }
    }
    Ok(())
}

/// A path in the syntax of ExecStart (systemd.service(5)): specifiers and variables doubled, quotes escaped.
fn quoted(path: &Path) -> Result<String, ServiceError> {
    let refused = || ServiceError::Path(path.to_string_lossy().into_owned());
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control)).ok_or_else(refused)?;
    let escaped = text.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}

fn write(unit: &Path, bytes: &[u8]) -> Result<(), ServiceError> {
    let temporary = unit.with_extension("service.new");
    let written = || {
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, unit)
    };
    written().map_err(|e| failed(unit, e))
}

/// After a failed start. What fails here comes after the failure that is reported.
fn take_back(places: &ServicePlaces, earlier: Option<&[u8]>) {
    match earlier {
        Some(bytes) => {
            let _ = write(&places.unit(), bytes);
        }
        None => {
            let _ = run(places, "systemctl", &["disable", "--now", UNIT]);
            let _ = fs::remove_file(places.unit());
        }
    }
    let _ = run(places, "systemctl", &["daemon-reload"]);
}

fn run(places: &ServicePlaces, program: &str, arguments: &[&str]) -> Result<(), ServiceError> {
    let command = format!("{program} {}", arguments.join(" "));
    let outcome = Command::new(places.programs.join(program)).args(arguments).stdin(Stdio::null()).output();
    let output = match outcome {
        Ok(done) if done.status.success() => return Ok(()),
        Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(ServiceError::Step { command, output })
}

fn failed(path: &Path, source: io::Error) -> ServiceError {
    ServiceError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// A machine in a folder: its `systemctl` and `groupadd` write down how they were called, and fail where a file says.
    fn machine() -> (TempDir, ServicePlaces) {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for dir in ["units", "booted", "bin"] {
            fs::create_dir(at(dir)).unwrap();
        }
        for program in ["systemctl", "groupadd"] {
            let script = format!(
                "#!/bin/sh\necho \"{program} $*\" >> '{log}'\ncase \"$*\" in *\"$(cat '{fail}' 2>/dev/null || echo none)\"*) echo no >&2; exit 1;; esac\n",
                log = at("log").display(),
                fail = at("fail").display()
            );
            fs::write(at("bin").join(program), script).unwrap();
            fs::set_permissions(at("bin").join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let places = ServicePlaces { units: at("units"), booted: at("booted"), programs: at("bin") };
        (root, places)
    }

    fn log(root: &TempDir) -> Vec<String> {
        let text = fs::read_to_string(root.path().join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A program that only root can change, as `/usr/local/bin/holloway` would be.
    const PROGRAM: &str = "/bin/true";

    fn is_root() -> bool {
        let is_root = holloway_config::effective_uid() == 0;
        if !is_root {
            eprintln!("skipped: needs root");
        }
        is_root
    }

    #[test]
    fn unit_names_the_program_once_and_is_sandboxed() {
        let text = unit_text(Path::new("/usr/local/bin/holloway")).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            "ExecStart=\"/usr/local/bin/holloway\" up",
            "Type=notify",
            "Restart=on-failure",
            "RestartSec=2s",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "DeviceAllow=/dev/net/tun rw",
            "StateDirectoryMode=0700",
            "RuntimeDirectoryMode=0750",
            "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_CHOWN CAP_SYS_NICE",
        ] {
            assert_eq!(lines.iter().filter(|found| **found == line).count(), 1, "{line}");
        }
    }

    #[test]
    fn path_with_special_characters_is_quoted_and_one_with_a_newline_refused() {
        let text = unit_text(Path::new("/opt/a b/50%/$x/\"q\"/holloway")).unwrap();
        assert!(text.contains("ExecStart=\"/opt/a b/50%%/$$x/\\\"q\\\"/holloway\" up\n"));
        assert!(matches!(unit_text(Path::new("/opt/a\nExecStartPre=/x")), Err(ServiceError::Path(_))));
    }

    #[test]
    fn systemd_accepts_the_unit() {
        let dir = tempfile::tempdir().unwrap();
        let unit = dir.path().join(UNIT);
        fs::write(&unit, unit_text(Path::new(PROGRAM)).unwrap()).unwrap();
        let Ok(verdict) = Command::new("systemd-analyze").arg("verify").arg(&unit).output() else {
            eprintln!("skipped: no systemd-analyze");
            return;
        };
        let complaints = String::from_utf8_lossy(&verdict.stderr);
        // These two are known from v254 on; older versions ignore them.
        let is_known = |line: &&str| !line.contains("'RestartSteps'") && !line.contains("'RestartMaxDelaySec'");
        let ours: Vec<&str> = complaints.lines().filter(|line| line.contains(UNIT)).filter(is_known).collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }

    #[test]
    fn installing_makes_group_and_unit_and_starts_it() {
        if !is_root() {
            return;
        }
        let (root, places) = machine();
        install(Path::new(PROGRAM), &places).unwrap();
        let expected = [
            "groupadd --system --force holloway",
            "systemctl daemon-reload",
            "systemctl enable --now holloway.service",
        ];
        assert_eq!(log(&root), expected);
        assert!(fs::read_to_string(places.unit()).unwrap().contains("ExecStart="));
        assert_eq!(fs::metadata(places.unit()).unwrap().mode() & 0o777, 0o644);
        install(Path::new(PROGRAM), &places).unwrap();
        assert_eq!(fs::read_dir(&places.units).unwrap().count(), 1);
    }

    #[test]
    fn failed_start_takes_the_unit_back() {
        if !is_root() {
            return;
        }
        let (root, places) = machine();
        fs::write(root.path().join("fail"), "enable").unwrap();
        assert!(matches!(install(Path::new(PROGRAM), &places), Err(ServiceError::Step { .. })));
        assert!(!places.unit().exists());
        fs::write(places.unit(), "earlier").unwrap();
        assert!(install(Path::new(PROGRAM), &places).is_err());
        assert_eq!(fs::read_to_string(places.unit()).unwrap(), "earlier");
    }

    #[test]
    fn removing_stops_and_forgets_the_unit() {
        if !is_root() {
            return;
        }
        let (root, places) = machine();
        assert!(matches!(remove(&places), Err(ServiceError::NotInstalled(_))));
        fs::write(places.unit(), "unit").unwrap();
        remove(&places).unwrap();
        assert!(!places.unit().exists());
        assert_eq!(log(&root), ["systemctl disable --now holloway.service", "systemctl daemon-reload"]);
    }

    #[test]
    fn machine_without_systemd_is_told_so_and_nothing_is_run() {
        if !is_root() {
            return;
        }
        let (root, mut places) = machine();
        places.booted = root.path().join("missing");
        assert!(matches!(install(Path::new(PROGRAM), &places), Err(ServiceError::NoSystemd)));
        assert!(log(&root).is_empty());
    }

    #[test]
    fn program_that_others_can_change_is_refused() {
        if !is_root() {
            return;
        }
        let (root, places) = machine();
        let program = root.path().join("holloway");
        fs::write(&program, "").unwrap();
        // The temporary directory is writable by everybody, so the file in it can be replaced.
        let error = install(&program, &places).unwrap_err();
        assert!(matches!(error, ServiceError::Untrusted { .. }) && error.to_string().contains("sudo install -m 755"));
        assert!(log(&root).is_empty() && !places.unit().exists());
    }

    #[test]
    fn readiness_reaches_a_path_and_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("holloway-test-{}", std::process::id());
        let named = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(abstract_name.as_bytes()).unwrap();
        let hidden = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, name) in [(named, path.into_os_string()), (hidden, format!("@{abstract_name}").into())] {
            notify(Some(name), "READY=1").unwrap();
            let mut bytes = [0; 32];
            let length = socket.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], b"READY=1");
        }
        notify(None, "READY=1").unwrap();
        assert!(notify(Some("/nonexistent/notify".into()), "READY=1").is_err());
    }
}
