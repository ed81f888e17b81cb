use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Longest label in octets (RFC 1035 §2.3.4).
const LABEL_LEN_MAX: usize = 63;

/// Labels with a meaning of their own, which no host may take.
const RESERVED: [&str; 12] =
    ["ns", "mail", "id", "issuer", "ca", "www", "mesh", "localhost", "wpad", "isatap", "local", "alt"];

/// Why a text is not a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing there.
    #[error("a name needs at least one character")]
    Empty,
    /// More than 63 octets.
    #[error("a name has at most 63 characters")]
    TooLong,
    /// Something else than letters, digits and hyphens.
    #[error("a name has only the letters a-z, digits and hyphens")]
    Character,
    /// A hyphen at either end.
    #[error("a name neither starts nor ends with a hyphen")]
    Hyphen,
    /// The `xn--` form of a non-ASCII name.
    #[error("a name cannot be in the xn-- form")]
    Punycode,
    /// A word that has another meaning.
    #[error("this name is reserved")]
    Reserved,
}

/// One label of a name: a host's or a network's. Letters, digits and hyphens, lower case (RFC 1123 §2.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes the nearest valid label of a machine's host name: the part before the first dot, other characters
    /// replaced by hyphens. `None` when nothing remains that may name a host.
    #[must_use]
    pub fn from_hostname(hostname: &str) -> Option<Self> {
        let first = hostname.split('.').next().unwrap_or_default();
        let replaced: String =
            first.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        let short: String = replaced.trim_matches('-').chars().take(LABEL_LEN_MAX).collect();
        short.trim_end_matches('-').parse().ok()
    }

    /// This label with `-` and a suffix, shortened so that it stays legal.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        let room = LABEL_LEN_MAX - suffix.len() - 1;
        let stem: String = self.0.chars().take(room).collect();
        Self(format!("{}-{suffix}", stem.trim_end_matches('-')).into())
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > LABEL_LEN_MAX {
            return Err(NameError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(NameError::Character);
        }
        let lower = text.to_ascii_lowercase();
        if lower.starts_with('-') || lower.ends_with('-') {
            return Err(NameError::Hyphen);
        }
        if lower.starts_with("xn--") {
            return Err(NameError::Punycode);
        }
        if RESERVED.contains(&lower.as_str()) {
            return Err(NameError::Reserved);
        }
        Ok(Self(lower.into()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
