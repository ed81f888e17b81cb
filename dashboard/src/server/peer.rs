//! Asks the kernel who is at the other end of a connection. The answer dates from the moment of `connect`, so a caller
//! that changes its identity or dies afterwards changes nothing.
#![expect(unsafe_code, reason = "std and tokio offer no SO_PEERGROUPS, and /proc would race with the caller's exit")]

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use tokio::net::UnixStream;

use super::access::Credentials;

/// Linux's own limit on supplementary groups (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;
/// Enough for nearly everybody in one question.
const GROUPS_USUAL: usize = 64;

/// Reads the peer's user and groups.
pub(super) fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
    let peer = stream.peer_cred()?;
    let mut groups = supplementary_groups(stream.as_raw_fd())?;
    groups.push(peer.gid());
    let uid = peer.uid();
    Ok(Credentials { uid, groups })
}

fn supplementary_groups(socket: RawFd) -> io::Result<Vec<u32>> {
    match ask(socket, GROUPS_USUAL) {
        Err(error) if error.raw_os_error() == Some(libc::ERANGE) => ask(socket, GROUPS_MAX),
        answer => answer,
    }
}

fn ask(socket: RawFd, room: usize) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; room];
    let mut bytes = libc::socklen_t::try_from(room * size_of::<libc::gid_t>()).expect("the most groups fit in 256 KiB");
    // SAFETY: `groups` is writable memory of exactly `bytes` bytes, both outlive the call, and the kernel writes at most
    // that many bytes and the number written into `bytes`.
    let result = unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_PEERGROUPS, groups.as_mut_ptr().cast(), &raw mut bytes)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(bytes as usize / size_of::<libc::gid_t>());
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_peer_has_the_user_and_groups_that_this_process_has() {
        let (near, _far) = UnixStream::pair().unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let numbers = |name: &str| -> Vec<u32> {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect()
        };
        let found = credentials(&near).unwrap();
        assert_eq!(found.uid, numbers("Uid:")[1]);
        let mut expected = numbers("Groups:");
        expected.push(numbers("Gid:")[1]);
        assert_eq!(found.groups, expected);
    }

    #[tokio::test]
    async fn too_little_room_is_noticed() {
        let (near, _far) = UnixStream::pair().unwrap();
        let all = ask(near.as_raw_fd(), GROUPS_USUAL).unwrap();
        if !all.is_empty() {
            let error = ask(near.as_raw_fd(), all.len() - 1).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ERANGE));
        }
    }
}
