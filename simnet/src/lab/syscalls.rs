//! The few system calls that std does not offer: namespaces, mounts, signals.
#![expect(unsafe_code, reason = "std has no setns, unshare, mount, kill or sysconf")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libc::{c_int, c_ulong};

/// Moves the calling thread into the network namespace behind `namespace`.
pub(super) fn enter_network_namespace(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no memory is passed; the descriptor is open for the length of the borrow.
    check(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Gives the calling thread, and with it a process that has no other, new namespaces of the kinds in `flags` (`CLONE_NEW…`).
pub(super) fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: no memory is passed; std keeps no state that depends on namespaces.
    check(unsafe { libc::unshare(flags) })
}

/// Mounts `source` on `target`; an empty `kind` means that `flags` need no file system type.
pub(super) fn mount(source: &Path, target: &Path, kind: &str, flags: c_ulong) -> io::Result<()> {
    let source = CString::new(source.as_os_str().as_bytes())?;
    let target = CString::new(target.as_os_str().as_bytes())?;
    let kind = CString::new(kind)?;
    // SAFETY: the three strings end in NUL and outlive the call; no data pointer is given.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) })
}

/// Sends `signal` to one process, or to a whole process group when `pid` is negative.
pub(super) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::kill(pid, signal) })
}

/// The effective user and group of this process.
pub(super) fn effective_ids() -> (u32, u32) {
    // SAFETY: both calls take nothing and cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// The unit of the times in `/proc/PID/stat`.
pub(super) fn clock_ticks_per_second() -> io::Result<u64> {
    // SAFETY: no memory is passed.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).map_err(|_| io::Error::last_os_error())
}

fn check(result: c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
