//! Why a configuration is refused, and where the offending value was written.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// How much of a key or value is quoted back; the rest of a hostile one helps nobody.
const QUOTE_CHARS_MAX: usize = 60;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line, as this flag.
    Flag(String),
    /// In the environment, as this variable.
    Variable(String),
    /// In a file, on this line (counted from 1).
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", shown(path)),
        }
    }
}

/// Why the configuration is refused; its text is one line and names place, key, fault and what is legal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The operator wrote a key or value that means nothing here.
    #[error("{origin}: key {key}: {fault}")]
    Key {
        /// Where it was written.
        origin: Origin,
        /// The dotted key, escaped for display.
        key: String,
        /// What is wrong and what is legal.
        fault: String,
    },
    /// The file is not TOML.
    #[error("{origin}: {fault}")]
    Syntax {
        /// Where reading stopped.
        origin: Origin,
        /// What the parser met.
        fault: String,
    },
    /// The path leads to something that is not a configuration file.
    #[error("{}: {fault}", shown(path))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead, and what is legal.
        fault: String,
    },
    /// The operating system would not let us read the file.
    #[error("{}: cannot be read: {source}", shown(path))]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ConfigError {
    pub(crate) fn key(origin: &Origin, key: &str, fault: impl Into<String>) -> Self {
        Self::Key { origin: origin.clone(), key: quoted(key), fault: fault.into() }
    }
}

/// Shortens and escapes text of unknown origin so that one line of message stays one line.
pub(crate) fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(QUOTE_CHARS_MAX).flat_map(char::escape_debug).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A path for a message: escaped, never shortened, because it is what the reader must act on.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().flat_map(char::escape_debug).collect()
}
