//! Root enough for a lab without being root: a user namespace of one's own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::panic;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use libc::{MS_BIND, MS_PRIVATE, MS_REC, c_ulong};

use super::syscalls;

/// Files of /etc that a host has its own version of; here they must be plain files, because a
/// private file cannot be mounted over a link that leads nowhere.
const OWN_FILES: [&str; 2] = ["resolv.conf", "hosts"];

/// Where the machine's /etc is kept while ours is on top of it.
const OUTER_ETC: &str = "/run/outer-etc";

/// Moves this process into user, network and mount namespaces of its own, as root there.
///
/// `/run` becomes empty and private (`ip netns` keeps namespaces there, and nothing in a lab shall
/// reach the machine's own daemons), and `/etc` a private view of the machine's in which
/// `/etc/netns` can be written. Call it first thing in `main`: it works only while the process has
/// one thread.
///
/// # Errors
///
/// When there are more threads, or the system does not allow it to ordinary users; then only root
/// can run a lab.
pub fn enter_user_namespace() -> Result<()> {
    let threads = fs::read_dir("/proc/self/task")?.count();
    ensure!(
        threads == 1,
        "a process with {threads} threads cannot enter a user namespace: call this before any starts"
    );
    let (user, group) = syscalls::effective_ids();
    let own_files = read_own_files();
    syscalls::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET | libc::CLONE_NEWNS)
        .context("this system gives ordinary users no user namespaces")?;
    fs::write("/proc/self/setgroups", "deny")?;
    map_to_root("/proc/self/uid_map", user)?;
    map_to_root("/proc/self/gid_map", group)?;
    mount("none", "/", "", MS_REC | MS_PRIVATE)?;
    mount("tmpfs", "/run", "tmpfs", 0)?;
    fs::create_dir("/run/netns")?;
    cover_etc(&own_files)
}

/// Runs `work` on a fresh thread in a mount namespace of its own: what it mounts, nobody else sees, and it goes with the
/// thread. What `work` starts is inside too. A panic in it goes on in the caller.
///
/// `/proc/self` still is the process as it was; the thread's own view is `/proc/thread-self`.
///
/// # Errors
///
/// When the caller is not root.
pub fn in_mount_namespace<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let inside = || {
        syscalls::unshare(libc::CLONE_NEWNS).context("a mount namespace takes root")?;
        mount("none", "/", "", MS_REC | MS_PRIVATE)?;
        Ok(work())
    };
    thread::scope(|scope| scope.spawn(inside).join().unwrap_or_else(|payload| panic::resume_unwind(payload)))
}

/// Opens `/dev/net/tun` as a daemon in the lab will: where this fails, no lab can carry traffic.
///
/// # Errors
///
/// When the device is missing or may not be opened.
pub fn open_tun() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/net/tun")
}

fn read_own_files() -> [(&'static str, Vec<u8>); OWN_FILES.len()] {
    OWN_FILES.map(|name| {
        let text = fs::read(Path::new("/etc").join(name)).unwrap_or_default();
        (name, text)
    })
}

fn map_to_root(file: &str, outer: u32) -> Result<()> {
    fs::write(file, format!("0 {outer} 1\n")).with_context(|| format!("writing {file}"))
}

/// Puts an /etc on top of the machine's that has the same entries and can be written to.
fn cover_etc(own_files: &[(&str, Vec<u8>)]) -> Result<()> {
    fs::create_dir(OUTER_ETC)?;
    mount("/etc", OUTER_ETC, "", MS_BIND | MS_REC)?;
    mount("tmpfs", "/etc", "tmpfs", 0)?;
    fs::create_dir("/etc/netns")?;
    for (name, text) in own_files {
        fs::write(Path::new("/etc").join(name), text)?;
    }
    for entry in fs::read_dir(OUTER_ETC)? {
        let name = entry?.file_name();
        let (outer, inner) = (Path::new(OUTER_ETC).join(&name), Path::new("/etc").join(&name));
        if inner.symlink_metadata().is_err() {
            show_entry(&outer, &inner)?;
        }
    }
    Ok(())
}

/// Makes one entry of the machine's /etc visible in ours. Links are copied, because relative ones
/// mean something only where they are.
fn show_entry(outer: &Path, inner: &Path) -> Result<()> {
    let kind = outer.symlink_metadata()?.file_type();
    if kind.is_symlink() {
        return Ok(std::os::unix::fs::symlink(fs::read_link(outer)?, inner)?);
    }
    if kind.is_dir() {
        fs::create_dir(inner)?;
    } else {
        File::create(inner)?;
    }
    syscalls::mount(outer, inner, "", MS_BIND | MS_REC).with_context(|| format!("mounting {}", inner.display()))
}

fn mount(source: &str, target: &str, kind: &str, flags: c_ulong) -> Result<()> {
    syscalls::mount(Path::new(source), Path::new(target), kind, flags).with_context(|| format!("mounting {target}"))
}
