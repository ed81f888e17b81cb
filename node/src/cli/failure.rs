//! Why a command ends without success, and the exit code that says so.

use std::io;

use holloway_config::{ConfigError, PermissionError, StateDirError};
use holloway_dashboard::api::{ApiError, ErrorCode, ErrorDocument};

use super::context::Context;
use super::output::Output;

/// Refused or failed, where no code of the API says it better.
const EXIT_FAILED: u8 = 1;

/// Why a command ends without success.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A refusal, still to be told.
    Refused(ApiError),
    /// All has been said; only the exit code is left.
    Told(u8),
    /// Nobody reads our output any more.
    Closed,
}

impl Failure {
    /// What was typed cannot be meant.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused(ApiError::new(ErrorCode::Usage, message).with_hint(hint))
    }

    /// Writing to stdout failed.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Refused(ApiError::new(ErrorCode::Internal, format!("cannot write to standard output: {error}")))
    }

    /// The same, with the commands in its hint as they are to be typed here.
    pub(crate) fn for_context(self, context: &Context) -> Self {
        match self {
            Self::Refused(ApiError { code, message, hint }) => {
                let hint = hint.map(|hint| context.as_typed_here(&hint));
                Self::Refused(ApiError { code, message, hint })
            }
            Self::Told(_) | Self::Closed => self,
        }
    }

    /// Tells what is still to be told and gives the exit code.
    pub(crate) fn report(self, output: &Output) -> u8 {
        match self {
            Self::Refused(error) => {
                let code = error.code.exit_code();
                output.refusal(&ErrorDocument::from(error));
                code
            }
            Self::Told(code) => code,
            // A reader that has seen enough is no failure of ours.
            Self::Closed => 0,
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Refused(ApiError::new(ErrorCode::Usage, error.to_string()))
    }
}

impl From<StateDirError> for Failure {
    fn from(error: StateDirError) -> Self {
        Self::Refused(ApiError::new(ErrorCode::Usage, error.to_string()))
    }
}

impl From<PermissionError> for Failure {
    fn from(error: PermissionError) -> Self {
        Self::Refused(ApiError::new(ErrorCode::Internal, error.to_string()))
    }
}

/// A refusal somewhere in the chain keeps its code; a denial by the system becomes one.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        if let Some(refusal) = error.chain().find_map(|cause| cause.downcast_ref::<ApiError>()) {
            return Self::Refused(refusal.clone());
        }
        let denied = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(is_denial);
        let message = format!("{error:#}");
        Self::Refused(match denied {
            true => ApiError::new(ErrorCode::PermissionDenied, message).with_hint("run the same command with sudo"),
            false => ApiError::new(ErrorCode::Internal, message),
        })
    }
}

/// EPERM and EACCES; both have this kind.
fn is_denial(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

/// The exit code of a command that was carried out, and whose answer is no.
pub(crate) fn answer_is_no() -> Failure {
    Failure::Told(EXIT_FAILED)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn code_of(failure: Failure) -> u8 {
        match failure {
            Failure::Refused(error) => error.code.exit_code(),
            Failure::Told(code) => code,
            Failure::Closed => 0,
        }
    }

    #[test]
    fn every_kind_of_failure_has_its_exit_code() {
        let refused = |code| code_of(ApiError::new(code, "").into());
        assert_eq!(refused(ErrorCode::InviteExpired), 1);
        assert_eq!(refused(ErrorCode::NetworkRequired), 2);
        assert_eq!(refused(ErrorCode::DaemonNotRunning), 3);
        assert_eq!(refused(ErrorCode::PermissionDenied), 4);
        assert_eq!(code_of(Failure::usage("", "")), 2);
        assert_eq!(code_of(answer_is_no()), 1);
    }

    #[test]
    fn a_refusal_deep_in_a_chain_keeps_its_code() {
        let refusal = Err::<(), _>(ApiError::new(ErrorCode::PrefixConflict, "the prefix is in use"));
        let Failure::Refused(error) = refusal.context("starting").unwrap_err().into() else { panic!("a refusal") };
        assert_eq!(error.code, ErrorCode::PrefixConflict);
        let denied = Err::<(), _>(io::Error::from(io::ErrorKind::PermissionDenied)).context("opening tun");
        assert_eq!(code_of(denied.unwrap_err().into()), 4);
        assert_eq!(code_of(anyhow::anyhow!("anything else").into()), 1);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_but_a_full_disk_is_one() {
        assert_eq!(code_of(Failure::output(&io::Error::from(io::ErrorKind::BrokenPipe))), 0);
        assert_eq!(code_of(Failure::output(&io::Error::from(io::ErrorKind::StorageFull))), 1);
    }
}
