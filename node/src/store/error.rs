use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use holloway_config::PermissionError;
use holloway_wire::Label;

/// Primary result codes of SQLite (sqlite.org/rescode.html).
const READ_ONLY: u32 = 8;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANNOT_OPEN: u32 = 14;
const NOT_A_DATABASE: u32 = 26;
/// An extended result code has the primary one in its low byte.
const PRIMARY: u32 = 0xff;

/// Why the store cannot be used. Where the file itself is at fault the text ends in the way out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StoreError {
    /// The file has no content at all, which no version of the program leaves behind.
    #[error("the store {} is empty (0 bytes), not a new one; {}", path.display(), way_out(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Keys or a write-ahead log say that there was a store; there is none.
    #[error("the store {} is gone although this machine has been in a network; {}", path.display(), way_out(path))]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Bytes that are not what was written.
    #[error("the store {} is damaged: {what}; {kept}; {}", path.display(), way_out(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
        /// Where a copy is.
        kept: Kept,
    },
    /// A database, but not one of this program.
    #[error("{} is a database, but not a store of holloway; {}", path.display(), way_out(path))]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error(
        "the store {} was written by a newer version of holloway (schema {found}, this one knows {known}); it was not \
         changed; install that version again, or {}", path.display(), way_out(path)
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A row says something that cannot be.
    #[error("the store holds {what} that cannot be read; restore holloway.db from a backup")]
    Unreadable {
        /// Which row.
        what: &'static str,
    },
    /// Others could read or change the file, or it is no file.
    #[error(transparent)]
    Permission(#[from] PermissionError),
    /// No room left.
    #[error("the disk is full: nothing was written, earlier state is intact; make room, then try again")]
    Full,
    /// The file or its directory cannot be written.
    #[error("the store cannot be opened for writing: its file system or directory is read-only; make it writable")]
    ReadOnly,
    /// The label names another network here.
    #[error("there is already a network {0} on this machine; leave it first: holloway leave {0}")]
    LabelTaken(Label),
    /// The same network twice.
    #[error("this machine is already in that network, as {0}")]
    NetworkKnown(Label),
    /// Another network with the same /48.
    #[error("network {0} on this machine has the same address prefix; leave it first: holloway leave {0}")]
    PrefixTaken(Label),
    /// A network that was left meanwhile.
    #[error("this network is no longer on this machine")]
    UnknownNetwork,
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that SQLite says.
    #[error("the store failed: {0}")]
    Sqlite(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match result_code(&error) {
            Some(FULL) => Self::Full,
            // In a read-only directory the log cannot even be made.
            Some(READ_ONLY | CANNOT_OPEN) => Self::ReadOnly,
            Some(_) | None => Self::Sqlite(error),
        }
    }
}

/// Whether SQLite says that the bytes are wrong, as opposed to the circumstances.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(result_code(error), Some(CORRUPT | NOT_A_DATABASE))
}

fn result_code(error: &sqlx::Error) -> Option<u32> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(extended & PRIMARY)
}

fn way_out(path: &Path) -> String {
    let networks = path.with_file_name("networks");
    format!(
        "restore it from a backup, or move it and {} away and join again (members that you blocked are forgotten then)",
        networks.display()
    )
}

/// What became of the bytes of a damaged store.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A copy lies here, from now or from an earlier attempt.
    Copy(PathBuf),
    /// No copy could be made; the file itself is as it was.
    Original(io::Error),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy(path) => write!(f, "a copy is kept at {}", path.display()),
            Self::Original(error) => write!(f, "it was left as it is (no copy could be made: {error})"),
        }
    }
}
