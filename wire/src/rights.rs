use std::fmt;
use std::str::FromStr;

use crate::error::DecodeError;

/// What a member may do beyond being one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Rights(u8);

/// Every right with its name, in the order in which they are shown.
const NAMES: [(Rights, &str); 4] =
    [(Rights::ISSUE, "issue"), (Rights::ADMIN, "admin"), (Rights::RELAY, "relay"), (Rights::EXIT, "exit")];

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// May certify others.
    pub const ISSUE: Self = Self(1);
    /// May serve as relay.
    pub const RELAY: Self = Self(2);
    /// May serve as exit.
    pub const EXIT: Self = Self(4);
    /// May revoke anyone and see everything.
    pub const ADMIN: Self = Self(8);
    /// All rights: the root's own.
    pub const ALL: Self = Self(15);

    /// Whether all of `other` are held.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the rights held.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        NAMES.iter().filter(|(right, _)| self.contains(*right)).map(|(_, name)| *name).collect()
    }

    /// The bits as carried.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Reads carried bits.
    ///
    /// # Errors
    /// [`DecodeError::Value`] for a right that this version does not know.
    pub const fn from_bits(bits: u8) -> Result<Self, DecodeError> {
        if bits & !Self::ALL.0 != 0 {
            return Err(DecodeError::Value);
        }
        Ok(Self(bits))
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl FromStr for Rights {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        NAMES.iter().find(|(_, name)| *name == text).map(|(right, _)| *right).ok_or(DecodeError::Value)
    }
}
