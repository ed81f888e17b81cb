//! What the demo needs from the system: to be root, or root enough in a user namespace, and a TUN device.

use std::io;

use holloway_config::effective_uid;
use holloway_dashboard::api::{ApiError, ErrorCode};
use holloway_simnet::lab;

use crate::cli::Failure;

/// Where the demo stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// On the machine itself, as root.
    Machine,
    /// In a user namespace of its own.
    UserNamespace,
}

const ROOT_UID: u32 = 0;

/// Obtains what the demo needs, or says how to give it.
pub(super) fn obtain() -> Result<Ground, Failure> {
    let is_root = effective_uid() == ROOT_UID;
    lab::open_tun().map_err(|error| no_tun(&error, is_root))?;
    if is_root {
        return Ok(Ground::Machine);
    }
    lab::enter_user_namespace().map_err(|error| not_permitted(&format!("{error:#}")))?;
    Ok(Ground::UserNamespace)
}

fn no_tun(error: &io::Error, is_root: bool) -> Failure {
    if error.kind() == io::ErrorKind::PermissionDenied && !is_root {
        return not_permitted("an ordinary user may not open /dev/net/tun on this machine");
    }
    let message = format!("the demo needs network interfaces, and /dev/net/tun cannot be opened: {error}");
    let hint = "run: sudo modprobe tun   (in a container: start it with --device /dev/net/tun and --privileged)";
    ApiError::new(ErrorCode::PermissionDenied, message).with_hint(hint).into()
}

fn not_permitted(why: &str) -> Failure {
    let program = std::env::current_exe().map_or("holloway".to_owned(), |path| path.display().to_string());
    let message = format!("the demo builds network namespaces and interfaces, and {why}");
    ApiError::new(ErrorCode::PermissionDenied, message).with_hint(format!("run: sudo {program} demo")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(failure: Failure) -> ApiError {
        let Failure::Refused(error) = failure else { panic!("{failure:?} instead of a refusal") };
        error
    }

    #[test]
    fn an_ordinary_user_gets_the_sudo_line_and_exit_code_4() {
        let error = refusal(no_tun(&io::Error::from(io::ErrorKind::PermissionDenied), false));
        assert_eq!(error.code.exit_code(), 4);
        let hint = error.hint.unwrap();
        assert!(hint.starts_with("run: sudo /") && hint.ends_with(" demo"), "{hint}");
    }

    #[test]
    fn without_the_device_even_root_is_told_what_to_do() {
        let error = refusal(no_tun(&io::Error::from(io::ErrorKind::NotFound), true));
        assert_eq!(error.code.exit_code(), 4);
        assert!(error.hint.unwrap().contains("modprobe tun"));
    }
}
