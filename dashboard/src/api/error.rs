//! Refusals: a code for scripts, a sentence for people, the command that helps.

use serde::{Deserialize, Serialize};

use super::SchemaVersion;

/// Why a request was refused; scripts tell refusals apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request cannot be understood.
    Usage,
    /// There is no such thing.
    NotFound,
    /// The daemon is in no network, or not in that one.
    NoNetwork,
    /// The daemon is in several networks, and none was named.
    NetworkRequired,
    /// The text is not an invite.
    InviteMalformed,
    /// The invite's time is over.
    InviteExpired,
    /// The invite was redeemed before.
    InviteSpent,
    /// The invite was withdrawn.
    InviteWithdrawn,
    /// Somebody has to approve of this machine first.
    ApprovalPending,
    /// The invite is for another network than the one that was reached.
    InviteWrongNetwork,
    /// The invite belongs to another key.
    InviteForeignKey,
    /// The machine that issued the invite does not answer.
    IssuerUnreachable,
    /// The machine that issued the invite was revoked.
    IssuerRevoked,
    /// This machine's key has been revoked in the network.
    KeyRevoked,
    /// Two clocks differ by more than is allowed.
    ClockSkew,
    /// Another machine has the name.
    NameTaken,
    /// The text is not a name.
    NameInvalid,
    /// The networks of this machine are switched off.
    SwitchedOff,
    /// The caller may not do this.
    PermissionDenied,
    /// The password is right; a code is asked for beside it.
    CodeRequired,
    /// Too often; later it may work.
    TooMany,
    /// Nobody listens at the socket.
    DaemonNotRunning,
    /// It took too long.
    Timeout,
    /// The network's /48 overlaps something here.
    PrefixConflict,
    /// This machine is a member already.
    AlreadyMember,
    /// The daemon could not do it for reasons of its own.
    Internal,
    /// A code that this version does not know.
    #[serde(other)]
    Unknown,
}

impl ErrorCode {
    /// The exit code of a command refused with this code: 1 refused, 2 usage, 3 no daemon, 4 not permitted.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Usage | Self::NetworkRequired => 2,
            Self::DaemonNotRunning => 3,
            Self::PermissionDenied | Self::CodeRequired => 4,
            Self::NotFound
            | Self::NoNetwork
            | Self::InviteMalformed
            | Self::InviteExpired
            | Self::InviteSpent
            | Self::InviteWithdrawn
            | Self::ApprovalPending
            | Self::InviteWrongNetwork
            | Self::InviteForeignKey
            | Self::IssuerUnreachable
            | Self::IssuerRevoked
            | Self::KeyRevoked
            | Self::ClockSkew
            | Self::NameTaken
            | Self::NameInvalid
            | Self::SwitchedOff
            | Self::TooMany
            | Self::Timeout
            | Self::PrefixConflict
            | Self::AlreadyMember
            | Self::Internal
            | Self::Unknown => 1,
        }
    }

    /// The HTTP status that goes with this code.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::Usage | Self::NetworkRequired | Self::InviteMalformed | Self::NameInvalid => 400,
            Self::CodeRequired => 401,
            Self::PermissionDenied => 403,
            Self::TooMany => 429,
            Self::NotFound | Self::NoNetwork => 404,
            Self::InviteExpired
            | Self::InviteSpent
            | Self::InviteWithdrawn
            | Self::ApprovalPending
            | Self::InviteWrongNetwork
            | Self::InviteForeignKey
            | Self::IssuerRevoked
            | Self::KeyRevoked
            | Self::ClockSkew
            | Self::NameTaken
            | Self::PrefixConflict
            | Self::SwitchedOff
            | Self::AlreadyMember => 409,
            Self::Internal | Self::Unknown => 500,
            Self::DaemonNotRunning => 503,
            Self::IssuerUnreachable | Self::Timeout => 504,
        }
    }
}

/// A refusal: what happened and why, and the one command that fixes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[error("{message}")]
pub struct ApiError {
    /// For scripts.
    pub code: ErrorCode,
    /// For people: what happened, and why.
    pub message: String,
    /// What to do, as a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ApiError {
    /// A refusal without a hint.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// The same refusal with what to do about it.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// A refusal as it travels, and as `--json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ErrorDocument {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The refusal.
    pub error: ApiError,
}

impl From<ApiError> for ErrorDocument {
    fn from(error: ApiError) -> Self {
        Self { schema: SchemaVersion, error }
    }
}
