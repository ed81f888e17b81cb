//! The store as a file, before SQLite sees it. Knows names, modes and the first bytes, not the schema.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use holloway_config::check_secret_file;

use super::StoreError;
use super::error::Kept;

/// How every SQLite 3 file begins (sqlite.org/fileformat.html §1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_LEN: usize = 100;
const MODE: u32 = 0o600;
/// Files that SQLite keeps beside the database; the log may hold commits that the database has not.
const LOG: &str = "-wal";
const SHARED_MEMORY: &str = "-shm";

/// What lies where the store should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, and no trace of an earlier store.
    Nothing,
    /// A database, by its first bytes.
    Database,
}

/// Looks at the file without changing anything.
pub(crate) fn inspect(path: &Path) -> Result<Found, StoreError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return inspect_absence(path),
        Err(error) => return Err(io_error(path, error)),
        Ok(_) => check_secret_file(path)?,
    }
    let (header, length) = read_header(path).map_err(|e| io_error(path, e))?;
    if length == 0 {
        return Err(StoreError::Empty { path: path.to_owned() });
    }
    if !header.starts_with(MAGIC) {
        return Err(damaged(path, "it is not a database"));
    }
    let is_whole = page_size(&header).is_some_and(|size| length % size == 0);
    if !is_whole && !has_log(path) {
        return Err(damaged(path, "it ends in the middle of a page"));
    }
    Ok(Found::Database)
}

fn read_header(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    let file = open_for_reading(path)?;
    let length = file.metadata()?.len();
    let mut header = Vec::with_capacity(HEADER_LEN);
    file.take(HEADER_LEN as u64).read_to_end(&mut header)?;
    Ok((header, length))
}

/// Bytes 16 and 17 of the header; 1 stands for 65,536.
fn page_size(header: &[u8]) -> Option<u64> {
    let size = u16::from_be_bytes([*header.get(16)?, *header.get(17)?]);
    let size = if size == 1 { 65_536 } else { u64::from(size) };
    (size >= 512).then_some(size)
}

/// A kill or a full disk while the log is written back may leave part of a page, which the log still has whole.
fn has_log(path: &Path) -> bool {
    fs::symlink_metadata(beside(path, LOG)).is_ok_and(|log| log.len() > 0)
}

/// A log without its database: the database was lost, and SQLite would replay the log into a new one.
fn inspect_absence(path: &Path) -> Result<Found, StoreError> {
    match fs::symlink_metadata(beside(path, LOG)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(io_error(path, error)),
        Ok(_) => Err(StoreError::Missing { path: path.to_owned() }),
    }
}

/// The refusal of a damaged store, a copy kept.
pub(super) fn damaged(path: &Path, what: impl Into<String>) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), what: what.into(), kept: keep_copy(path) }
}

/// Where a new store is made before it gets its name; what an earlier attempt left there is removed.
pub(crate) fn nursery(path: &Path) -> Result<PathBuf, StoreError> {
    let nursery = beside(path, ".new");
    for leftover in [nursery.clone(), beside(&nursery, LOG), beside(&nursery, SHARED_MEMORY)] {
        match fs::remove_file(&leftover) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&leftover, error)),
        }
    }
    create(&nursery).map_err(|e| io_error(&nursery, e))?;
    Ok(nursery)
}

/// Gives a finished new store its name. The daemon's lock keeps anybody else from taking it meanwhile.
pub(crate) fn publish(nursery: &Path, path: &Path) -> Result<(), StoreError> {
    let publish = || {
        open_for_reading(nursery)?.sync_all()?;
        fs::rename(nursery, path)?;
        sync_directory(path)
    };
    publish().map_err(|e| io_error(path, e))
}

fn keep_copy(path: &Path) -> Kept {
    let copy = beside(path, ".damaged");
    match copy_new(path, &copy).and_then(|()| copy_new(&beside(path, LOG), &beside(&copy, LOG))) {
        Ok(()) => Kept::Copy(copy),
        Err(error) => Kept::Original(error),
    }
}

/// Copies unless the source is missing or an earlier copy is there: that one is nearer to the moment of the damage.
fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = match open_for_reading(from) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut target = match create(to) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    };
    let copied = io::copy(&mut source, &mut target).and_then(|_| target.sync_all());
    if copied.is_err() {
        // Half a copy is none; why it failed is what the caller reports.
        let _ = fs::remove_file(to);
    }
    copied
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(MODE).custom_flags(libc::O_NOFOLLOW).open(path)
}

fn open_for_reading(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

fn io_error(path: &Path, source: io::Error) -> StoreError {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    if matches!(source.kind(), StorageFull | QuotaExceeded) {
        return StoreError::Full;
    }
    if source.kind() == ReadOnlyFilesystem {
        return StoreError::ReadOnly;
    }
    StoreError::Io { path: path.to_owned(), source }
}
