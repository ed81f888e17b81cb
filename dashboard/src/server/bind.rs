//! Makes the socket: never through a link, never over somebody who listens, and with its final mode before anybody can
//! connect. Which of two daemons owns a state directory is decided by a lock elsewhere.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket};

/// Connections that wait to be accepted: a burst of a few scripts.
const BACKLOG: u32 = 128;
/// Write permission for group and others.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// In a sticky directory only owners may rename or delete.
const STICKY: u32 = 0o1000;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A daemon listens there already.
    #[error("a daemon already listens at {}; run: holloway status", .0.display())]
    InUse(PathBuf),
    /// Something that is not a socket lies there, perhaps planted.
    #[error("{} is {found}, not a socket; look at it and move it away: ls -ld {}", path.display(), path.display())]
    NotASocket {
        /// Where.
        path: PathBuf,
        /// What lies there.
        found: &'static str,
    },
    /// Others could put a socket of their own in its place.
    #[error("{} can be written by other users; run: chmod go-w {}", .0.display(), .0.display())]
    DirectoryOpen(PathBuf),
    /// The operating system refused.
    #[error("cannot listen at {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens at `path` with this mode, the socket given to `group` where one is named. A stale socket is replaced.
///
/// # Errors
/// Refuses where a daemon listens, where something other than a socket lies, and where others may write the directory.
pub fn bind_unix(path: &Path, mode: u32, group: Option<u32>) -> Result<UnixListener, BindError> {
    check_directory(path)?;
    remove_stale(path)?;
    listen(path, mode, group).map_err(|source| io_error(path, source))
}

fn check_directory(path: &Path) -> Result<(), BindError> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        Some(_) | None => Path::new("."),
    };
    let mode = fs::metadata(dir).map_err(|e| io_error(dir, e))?.mode();
    if mode & WRITABLE_BY_OTHERS != 0 && mode & STICKY == 0 {
        return Err(BindError::DirectoryOpen(dir.to_owned()));
    }
    Ok(())
}

fn remove_stale(path: &Path) -> Result<(), BindError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error(path, error)),
    };
    if !kind.is_socket() {
        let found = if kind.is_symlink() {
            "a symbolic link"
        } else if kind.is_dir() {
            "a directory"
        } else {
            "a file"
        };
        let path = path.to_owned();
        return Err(BindError::NotASocket { path, found });
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|e| io_error(path, e))
        }
        Ok(_) => Err(BindError::InUse(path.to_owned())),
        // A full backlog is somebody's, too.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BindError::InUse(path.to_owned())),
        Err(error) => Err(io_error(path, error)),
    }
}

/// Between `bind` and `listen` connecting is refused, so mode and group are final before the first caller.
fn listen(path: &Path, mode: u32, group: Option<u32>) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    // The kernel gives the name in the file system no more than the mode of the socket itself.
    File::from(socket.as_fd().try_clone_to_owned()?).set_permissions(Permissions::from_mode(mode))?;
    socket.bind(path)?;
    let prepared = prepare(path, mode, group).and_then(|()| socket.listen(BACKLOG));
    if prepared.is_err() {
        // The reason is on its way to the caller; a leftover would be replaced next time.
        let _ = fs::remove_file(path);
    }
    prepared
}

fn prepare(path: &Path, mode: u32, group: Option<u32>) -> io::Result<()> {
    if group.is_some() {
        lchown(path, None, group)?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn io_error(path: &Path, source: io::Error) -> BindError {
    let path = path.to_owned();
    BindError::Io { path, source }
}
