use std::io;
use std::path::{Path, PathBuf};

/// Why names could not be integrated or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NamesError {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{} is {found}; look at it: ls -ld {}", path.display(), path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The journal cannot be read; what it kept is lost to us, not to a person.
    #[error("the journal {} cannot be read: {what}; compare it with {}, then remove it", path.display(), of.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Whose earlier content it has.
        of: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl NamesError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
