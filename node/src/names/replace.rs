//! Reading and replacing small files of the operating system: bounded, no link followed, mode and owner kept, whole
//! where the file system allows.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::NamesError;

/// Largest file that is read: a hosts file with 100,000 lines (block lists of advertisers) has about 4 MiB.
const FILE_BYTES_MAX: u64 = 16 << 20;
const MODE_MASK: u32 = 0o7777;

/// Mode and owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Attributes {
    /// A file of this process that only it can read.
    pub(super) fn private() -> Self {
        Self { mode: 0o600, ..Self::public() }
    }

    /// A file of this process that everybody can read.
    pub(super) fn public() -> Self {
        let owner = fs::metadata("/proc/self").map_or((0, 0), |process| (process.uid(), process.gid()));
        Self { mode: 0o644, uid: owner.0, gid: owner.1 }
    }

    fn of(metadata: &Metadata) -> Self {
        Self { mode: metadata.mode() & MODE_MASK, uid: metadata.uid(), gid: metadata.gid() }
    }
}

/// What lies at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Existing {
    /// Nothing.
    Nothing,
    /// A plain file.
    Plain { bytes: Vec<u8>, attributes: Attributes },
    /// A symbolic link: somebody else's arrangement.
    Link(PathBuf),
}

/// Looks at a path without following a link there.
pub(super) fn look(path: &Path) -> Result<Existing, NamesError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::Nothing),
        Err(error) => return Err(NamesError::io(path, error)),
    };
    if metadata.is_symlink() {
        return fs::read_link(path).map(Existing::Link).map_err(|e| NamesError::io(path, e));
    }
    if !metadata.is_file() {
        return Err(NamesError::Kind { path: path.to_owned(), found: "not a regular file" });
    }
    let bytes = read(path, libc::O_NOFOLLOW)?;
    Ok(Existing::Plain { bytes, attributes: Attributes::of(&metadata) })
}

/// Reads a file, through links.
pub(super) fn read_through(path: &Path) -> Result<Vec<u8>, NamesError> {
    read(path, 0)
}

fn read(path: &Path, flags: i32) -> Result<Vec<u8>, NamesError> {
    let failed = |error| NamesError::io(path, error);
    let file = OpenOptions::new().read(true).custom_flags(flags | libc::O_NONBLOCK).open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(NamesError::Kind { path: path.to_owned(), found: "not a regular file" });
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(NamesError::Kind { path: path.to_owned(), found: "larger than any such file" });
    }
    Ok(bytes)
}

/// Replaces a file, on disk when this returns. A reader sees the old or the new content; where the file is a mount of
/// its own (containers, `ip netns exec`), or its directory cannot be written, it is written in place.
pub(super) fn replace(path: &Path, bytes: &[u8], attributes: Attributes) -> Result<(), NamesError> {
    let replaced = match rename_over(path, bytes, attributes) {
        Err(error) if is_for_writing_in_place(&error) && path.exists() => write_in_place(path, bytes),
        other => other,
    };
    replaced.map_err(|error| NamesError::io(path, error))
}

/// Removes a file; one that is gone already is fine.
pub(super) fn remove(path: &Path) -> Result<(), NamesError> {
    let removed = match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_directory(path),
    };
    removed.map_err(|error| NamesError::io(path, error))
}

fn is_for_writing_in_place(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), ResourceBusy | ReadOnlyFilesystem | PermissionDenied)
}

fn rename_over(path: &Path, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
    let temporary = temporary_name(path)?;
    // Left where a daemon was killed at this point; a failure to remove it shows in the next line.
    let _ = fs::remove_file(&temporary);
    let file = create(&temporary)?;
    let written = fill(file, bytes, attributes);
    let renamed = written.and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_directory(path));
    if renamed.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    renamed
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn fill(mut file: File, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (attributes.uid, attributes.gid) {
        fchown(&file, Some(attributes.uid), Some(attributes.gid))?;
    }
    file.set_permissions(Permissions::from_mode(attributes.mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// One write that covers the old content, then the cut: between the two the file is the new content and empty lines,
/// good for every reader and recognised by [`is_torn`].
fn write_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    let covered = usize::try_from(file.metadata()?.len().min(FILE_BYTES_MAX)).unwrap_or_default();
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().max(covered), b'\n');
    file.write_all_at(&padded, 0)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Whether `found` is what a kill leaves while `new` is written in place over `old`.
pub(super) fn is_torn(found: &[u8], new: &[u8], old: &[u8]) -> bool {
    let Some(rest) = found.strip_prefix(new) else {
        return false;
    };
    found.len() == old.len() && rest.iter().all(|byte| *byte == b'\n')
}

fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(".holloway");
    Ok(path.with_file_name(name))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}
