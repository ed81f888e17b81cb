//! The one question that std does not answer about this process. Knows no files and no settings.
#![expect(unsafe_code, reason = "std offers no way to ask for the effective user id")]

/// Returns the effective user id: the owner that secret files must have.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes no arguments, touches no memory of ours and cannot fail.
    unsafe { libc::geteuid() }
}
