//! What was there before, and what we put in its place: written before anything is changed, removed after everything is
//! undone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::NamesError;
use super::replace::{Attributes, Existing, look, remove, replace};

const SCHEMA: u32 = 1;

/// The journal's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Journal {
    schema: u32,
    pub(super) resolv_conf: Option<ResolvConf>,
    pub(super) hosts: Option<Hosts>,
}

/// What became of `resolv.conf`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResolvConf {
    pub(super) path: PathBuf,
    /// `None`: there was no file.
    pub(super) before: Option<Before>,
    pub(super) written: String,
    /// The server in our text.
    pub(super) own: std::net::IpAddr,
}

/// A file as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    pub(super) content: Content,
    pub(super) attributes: Attributes,
}

/// Text where it is text, so that a person can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    Text(String),
    Bytes(Vec<u8>),
}

/// That there is, or is about to be, a block in the hosts file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hosts {
    pub(super) path: PathBuf,
    /// The file had no newline at its end; the one before our block is ours.
    pub(super) glued: bool,
    /// There was no file at all.
    pub(super) created: bool,
}

impl Journal {
    /// One that says nothing.
    pub(super) const fn empty() -> Self {
        Self { schema: SCHEMA, resolv_conf: None, hosts: None }
    }

    /// Reads it; `None` where there is none. `of` is named where it cannot be read.
    pub(super) fn read(path: &Path, of: &Path) -> Result<Option<Self>, NamesError> {
        let failed = |what: String| NamesError::Journal { path: path.to_owned(), of: of.to_owned(), what };
        match look(path)? {
            Existing::Nothing => Ok(None),
            Existing::Link(_) => Err(failed("it is a symbolic link".to_owned())),
            Existing::Plain { bytes, .. } => {
                let journal: Self = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
                if journal.schema == SCHEMA { Ok(Some(journal)) } else { Err(failed("its version is unknown".into())) }
            }
        }
    }

    /// Writes it, on disk when this returns; an empty one is removed.
    pub(super) fn write(&self, path: &Path) -> Result<(), NamesError> {
        if *self == Self::empty() {
            return remove(path);
        }
        let bytes = serde_json::to_vec_pretty(self).expect("strings and numbers are JSON");
        replace(path, &bytes, Attributes::private())
    }
}

impl Content {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}
