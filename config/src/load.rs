//! Reads `holloway.toml` with bounded time and memory, whatever the path leads to.
//!
//! Together with `secret_file` and the existence checks of `state_dir` the only place here that touches the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{ConfigError, Origin};
use crate::typed::Typed;

/// Largest configuration file: every key of a hundred networks fits in a tenth of it.
pub const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What editors on other systems put in front of UTF-8 text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads what was typed into the file at `path`; a file that does not exist holds no decisions.
///
/// # Errors
/// Refuses what is not a regular file, is larger than [`FILE_BYTES_MAX`], or is not UTF-8 TOML. Which keys and values
/// are legal is decided later, by [`Settings`](crate::Settings).
pub fn load(path: &Path) -> Result<Typed, ConfigError> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Typed::default()),
        Err(source) => return Err(unreadable(path, source)),
    };
    let bytes = read_bounded(path, file)?;
    Typed::from_toml(path, decoded(path, &bytes)?)
}

/// Opens without waiting for the other end of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

fn read_bounded(path: &Path, file: File) -> Result<Vec<u8>, ConfigError> {
    let metadata = file.metadata().map_err(|e| unreadable(path, e))?;
    if !metadata.is_file() {
        let fault = if metadata.is_dir() {
            "is a directory; a regular file is expected"
        } else {
            "is a pipe, device or socket; a regular file is expected"
        };
        return Err(not_a_file(path, fault.to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| unreadable(path, e))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let fault = format!("is larger than {FILE_BYTES_MAX} bytes; this cannot be a configuration");
        return Err(not_a_file(path, fault));
    }
    Ok(bytes)
}

fn decoded<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, ConfigError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = &bytes[..error.valid_up_to()];
        ConfigError::Syntax {
            origin: Origin::File { path: path.to_owned(), line: 1 + valid.iter().filter(|b| **b == b'\n').count() },
            fault: "not UTF-8; save the file as UTF-8 text".to_owned(),
        }
    })?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

fn unreadable(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::Unreadable { path: path.to_owned(), source }
}

fn not_a_file(path: &Path, fault: String) -> ConfigError {
    ConfigError::NotAFile { path: path.to_owned(), fault }
}
