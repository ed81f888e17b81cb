//! Files that hold secrets, and the directories they lie in: nobody else reads them, and a link planted by somebody
//! else is never followed. Knows modes and owners, not what the bytes mean.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::effective_uid;
use crate::error::shown;

/// Largest secret file: a key is 32 bytes, a text form of one a few hundred.
pub const SECRET_BYTES_MAX: u64 = 4096;

const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;
/// Permission bits, without the file's type.
const MODE_MASK: u32 = 0o7777;
/// What others must not have.
const OTHERS_MASK: u32 = 0o077;
/// Temporary names tried before giving up; more than one is taken only after a crash.
const TEMPORARY_ATTEMPTS: usize = 16;

/// Why a secret's file or directory is refused; its text ends in the command that mends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PermissionError {
    /// Others have access.
    #[error("{} is open to other users (mode {mode:04o}); run: chmod {mend:o} {}", shown(path), argument(path))]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode it must have.
        mend: u32,
    },
    /// Somebody else owns it, and could change it at will.
    #[error("{} belongs to uid {owner}, not to uid {expected}; run: chown {expected} {}", shown(path), argument(path))]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The owner it must have.
        expected: u32,
    },
    /// A link, directory, pipe or device where a file was expected, or the like.
    #[error("{} is {found}, not {expected}; look at it and move it away: ls -ld {}", shown(path), argument(path))]
    Kind {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What must be there.
        expected: &'static str,
    },
    /// A secret that would be overwritten.
    #[error(
        "{} exists already and is not overwritten; look at it and move it away: ls -l {}",
        shown(path),
        argument(path)
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// More bytes than any secret has.
    #[error("{} is larger than {SECRET_BYTES_MAX} bytes; restore it from a backup", shown(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", shown(path))]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Checks that a secret's file is a regular file, ours, and closed to everybody else.
///
/// # Errors
/// Says what is wrong with it and the command that mends it.
pub fn check_secret_file(path: &Path) -> Result<(), PermissionError> {
    let metadata = fs::symlink_metadata(path).map_err(|e| failed(path, e))?;
    check_file(path, &metadata)
}

/// Reads a secret of at most [`SECRET_BYTES_MAX`] bytes, checking the very file that is read.
///
/// # Errors
/// As [`check_secret_file`], and where the file is missing or too large.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, PermissionError> {
    check_secret_file(path)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|e| failed(path, e))?;
    let metadata = file.metadata().map_err(|e| failed(path, e))?;
    check_file(path, &metadata)?;
    if metadata.len() > SECRET_BYTES_MAX {
        return Err(PermissionError::TooLarge { path: path.into() });
    }
    read_once(file).map_err(|e| failed(path, e))
}

/// Reads into one allocation, so that growing leaves no copy of the secret behind.
fn read_once(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(SECRET_BYTES_MAX).expect("the bound fits any address space");
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut filled = 0;
    let mut file = file.take(SECRET_BYTES_MAX);
    loop {
        match file.read(&mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes a new secret, 0600 and on disk when this returns.
///
/// # Errors
/// Refuses where the name is taken, by anything, and where the directory is not private.
pub fn create_secret_file(path: &Path, secret: &[u8]) -> Result<(), PermissionError> {
    write(path, secret, |temporary| {
        fs::hard_link(temporary, path)?;
        fs::remove_file(temporary)
    })
}

/// Writes a secret in the place of an older one, 0600 and on disk when this returns; a reader sees the old or the new
/// one, never a part. A link at this name is replaced, not followed.
///
/// # Errors
/// Refuses where the directory is not private.
pub fn replace_secret_file(path: &Path, secret: &[u8]) -> Result<(), PermissionError> {
    write(path, secret, |temporary| fs::rename(temporary, path))
}

fn write(path: &Path, secret: &[u8], publish: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), PermissionError> {
    let dir = parent(path);
    check_private_dir(dir)?;
    let (temporary, file) = create_temporary(path).map_err(|e| failed(path, e))?;
    let result = fill(file, secret).and_then(|()| publish(&temporary)).and_then(|()| File::open(dir)?.sync_all());
    result.map_err(|error| {
        // The temporary file may be gone already; the first error is the one to report.
        let _ = fs::remove_file(&temporary);
        if error.kind() == io::ErrorKind::AlreadyExists {
            return PermissionError::Exists { path: path.into() };
        }
        failed(path, error)
    })
}

fn fill(mut file: File, secret: &[u8]) -> io::Result<()> {
    file.write_all(secret)?;
    file.sync_all()
}

fn create_temporary(path: &Path) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
    for _ in 0..TEMPORARY_ATTEMPTS {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        hidden.push(format!(".{}.{number}.new", std::process::id()));
        let temporary = parent(path).join(hidden);
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&temporary);
        match created {
            Ok(file) => return Ok((temporary, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Creates a directory, and those above it that are missing, 0700 from their first moment.
///
/// # Errors
/// Refuses a directory that exists and is not private, as [`check_private_dir`].
pub fn create_private_dir(path: &Path) -> Result<(), PermissionError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DIR_MODE);
    match builder.create(path) {
        Ok(()) => {}
        // Something else is there; the check names it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(path, error)),
    }
    check_private_dir(path)
}

/// Checks that a directory is one, ours, and closed to everybody else.
///
/// # Errors
/// Says what is wrong with it and the command that mends it.
pub fn check_private_dir(path: &Path) -> Result<(), PermissionError> {
    let metadata = fs::symlink_metadata(path).map_err(|e| failed(path, e))?;
    if !metadata.is_dir() {
        return Err(wrong_kind(path, &metadata, "a directory"));
    }
    check_owner_and_mode(path, &metadata, DIR_MODE)
}

fn check_file(path: &Path, metadata: &Metadata) -> Result<(), PermissionError> {
    if !metadata.is_file() {
        return Err(wrong_kind(path, metadata, "a regular file"));
    }
    check_owner_and_mode(path, metadata, FILE_MODE)
}

fn check_owner_and_mode(path: &Path, metadata: &Metadata, mend: u32) -> Result<(), PermissionError> {
    let (owner, expected) = (metadata.uid(), effective_uid());
    let (path, mode) = (path.to_owned(), metadata.mode() & MODE_MASK);
    if owner != expected {
        return Err(PermissionError::Owner { path, owner, expected });
    }
    if mode & OTHERS_MASK != 0 {
        return Err(PermissionError::Mode { path, mode, mend });
    }
    Ok(())
}

fn wrong_kind(path: &Path, metadata: &Metadata, expected: &'static str) -> PermissionError {
    let found = if metadata.is_symlink() {
        "a symbolic link"
    } else if metadata.is_dir() {
        "a directory"
    } else if metadata.is_file() {
        "a regular file"
    } else {
        "a pipe, device or socket"
    };
    let path = path.to_owned();
    PermissionError::Kind { path, found, expected }
}

fn failed(path: &Path, source: io::Error) -> PermissionError {
    let path = path.to_owned();
    PermissionError::Io { path, source }
}

/// A path as one argument of a shell command, to be copied as it stands.
fn argument(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if text.chars().all(is_plain) {
        return text.into_owned();
    }
    let escaped: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    format!("'{}'", escaped.replace('\'', r"'\''"))
}
