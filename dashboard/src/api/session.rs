//! Signing in with a browser.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Password, SchemaVersion};

/// What somebody who has signed in may do; the greater may do whatever the lesser may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look.
    Viewer,
    /// Switch the daemon off, and join networks.
    Operator,
    /// Change what others see, and make invites.
    Admin,
}

/// A link by which a browser signs in once. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignInLink {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The address to open.
    pub url: String,
    /// What whoever opens it may do.
    pub role: Role,
    /// Seconds in which it can be used.
    pub expires_s: u64,
    /// SHA-256 of the certificate that the browser will be shown, where it comes by TLS.
    #[serde(default)]
    pub fingerprint: Option<String>,
}

impl fmt::Debug for SignInLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInLink").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Signs in. `Debug` does not show by what.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// What follows `#sign-in=` in a link's address; else a name and a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The account's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
    /// Six digits, where the account asks for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Password>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Session {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// What they may do.
    pub role: Role,
    /// The account, where it is not by a link.
    pub account: Option<String>,
    /// Whether the account asks for codes.
    #[serde(default)]
    pub totp: bool,
}

/// Nobody has, any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SignedOut {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Always true.
    pub signed_out: bool,
}
