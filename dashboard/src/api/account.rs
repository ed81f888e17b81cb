//! Accounts of people who sign in to the pages by name and password.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Role, SchemaVersion};

/// Something that is not shown or logged by mistake.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// All accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Accounts {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// By name.
    pub accounts: Vec<Account>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Account {
    /// The name to sign in with.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether a code is asked for beside the password.
    pub totp: bool,
    /// Since when, RFC 3339.
    pub created: String,
    /// When somebody last signed in with it, RFC 3339.
    pub signed_in: Option<String>,
}

/// Makes an account, or gives one another password or role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutAccount {
    /// What it may do.
    pub role: Role,
    /// At least 12 characters, at most 256 bytes; may be left out for an account that is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Password>,
}

/// An account is gone, and signed out everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AccountRemoved {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Its name.
    pub name: String,
}

/// Changes the password of whoever has signed in; all of its other sessions end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    /// The one that holds.
    pub old: Password,
    /// The one that shall.
    pub new: Password,
}

/// A secret for codes (TOTP, RFC 6238), which holds once a code has shown that the device has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TotpSecret {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The secret in base32, to type.
    pub secret: Password,
    /// The same as an `otpauth://` address, to scan.
    pub url: Password,
}

/// Confirms the secret with a code, or with the password and a code takes it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TotpCode {
    /// Six digits.
    pub code: Password,
}
