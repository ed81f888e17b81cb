//! An ordinary user can run a lab inside a user namespace.
//!
//! The test starts itself again as an ordinary user (when it is root) and builds a lab there. It is
//! its own `main`, because a test harness has threads and such a process cannot enter a user
//! namespace. It answers `--list` as test runners expect.
#![expect(clippy::print_stdout, reason = "speaks the protocol of test runners")]

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holloway_simnet::lab::{Lab, NatKind, enter_user_namespace};

const NAME: &str = "an_ordinary_user_runs_a_lab_in_a_user_namespace";

/// Tells the second start from the first.
const INSIDE: &str = "--as-ordinary-user";

/// `nobody`.
const ORDINARY_USER: u32 = 65534;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if has("--list") {
        if !has("--ignored") {
            println!("{NAME}: test");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if has(INSIDE) {
        run_lab()?;
        return Ok(ExitCode::SUCCESS);
    }
    start_as_ordinary_user()?;
    println!("test {NAME} ... ok");
    Ok(ExitCode::SUCCESS)
}

fn start_as_ordinary_user() -> Result<()> {
    // A copy in a place that everybody can reach: the build directory may be root's alone.
    let directory = tempfile::tempdir()?;
    let program = directory.path().join("lab");
    std::fs::copy(std::env::current_exe()?, &program)?;
    open_to_all(directory.path())?;
    let mut command = Command::new(&program);
    command.arg(INSIDE).current_dir("/");
    if is_root()? {
        command.uid(ORDINARY_USER).gid(ORDINARY_USER);
    }
    ensure!(command.status()?.success(), "the lab of the ordinary user failed; see above");
    Ok(())
}

fn run_lab() -> Result<()> {
    const DEADLINE: Duration = Duration::from_secs(20);
    ensure!(Lab::new("too-early").is_err(), "a lab without any rights");
    let passwd = std::fs::read("/etc/passwd")?;
    enter_user_namespace()?;
    ensure!(std::fs::read("/etc/passwd")? == passwd, "/etc has changed");
    let lab = Lab::new("user")?;
    let alice = lab.public_host("alice")?;
    let bob = lab.nat(NatKind::Home, "nat")?.host("bob")?;
    let socket = alice.in_namespace(|| std::net::UdpSocket::bind((alice.ipv4(), 42042)))??;
    socket.set_read_timeout(Some(DEADLINE))?;
    bob.in_namespace(|| std::net::UdpSocket::bind(("0.0.0.0", 0))?.send_to(b"hello", (alice.ipv4(), 42042)))??;
    socket.recv(&mut [0; 16]).context("nothing arrived")?;
    let seen = bob.run(bob.command("cat").arg("/etc/resolv.conf"), DEADLINE)?;
    ensure!(seen.stdout.starts_with(b"nameserver 192.168."), "{seen:?}");
    lab.close()?;
    ensure!(std::fs::read_dir("/run/netns")?.next().is_none(), "leftovers");
    Ok(())
}

fn is_root() -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("Uid:"));
    Ok(line.is_some_and(|line| line.split_whitespace().nth(2) == Some("0")))
}

fn open_to_all(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o755);
    Ok(std::fs::set_permissions(directory, permissions)?)
}
