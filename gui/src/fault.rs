//! What a command of the pages fails with. The pages have the words for it; only what the daemon or the system says comes
//! as text.

use holloway_dashboard::api::ApiError;
use serde::Serialize;

/// Why a command failed; `code` chooses the words.
#[derive(Debug, Serialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The text is not an invite.
    #[error("this is not an invite")]
    NotAnInvite,
    /// The text is not a name of a network.
    #[error("this is not a name under .alt")]
    NotASite,
    /// The pages asked for something that is not theirs to ask.
    #[error("the pages may not ask this")]
    NotAllowed,
    /// A program of the desktop is missing or failed.
    #[error("{program}: {said}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it, or the system, said.
        said: String,
    },
    /// The daemon was not reached, or its answer cannot be used.
    #[error("{error}")]
    Daemon {
        /// Why, and what mends it.
        error: ApiError,
    },
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Daemon { error }
    }
}
