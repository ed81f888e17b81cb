//! A process that outlives the terminal it was started from.
#![expect(unsafe_code, reason = "std offers no way to start a child in a session of its own")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets the child start in a session of its own: no terminal, and no signal that the terminal sends.
pub(super) fn own_session(command: &mut Command) {
    let enter = || {
        // SAFETY: setsid takes nothing, touches no memory of ours, and may be called between fork and exec
        // (signal-safety(7)).
        match unsafe { libc::setsid() } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    };
    // SAFETY: the closure allocates nothing and takes no lock; it only makes the one call above.
    unsafe { command.pre_exec(enter) };
}
