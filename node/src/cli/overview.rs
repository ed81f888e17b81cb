//! What bare `holloway` says: how to start.

use holloway_dashboard::api::{ApiError, ErrorCode};

use super::failure::Failure;
use super::output::{Form, Output, to_stderr};

const OVERVIEW: &str = "\
holloway - a private network of your own machines, with names of its own

  holloway demo             see it work: three machines behind two NATs, on this one

  holloway create home      found a network here
  holloway up               run the daemon (--detach: in the background; or: holloway service install)
  holloway invite           make an invite for another machine, and there:
  holloway join <invite>    become a member

  holloway status           what is going on, and what needs attention
  holloway --help           every command
";

/// Shows the way and ends as a command line without a command does.
pub(crate) fn show(output: Output) -> Failure {
    match output.form() {
        Form::Json => {
            let error = ApiError::new(ErrorCode::Usage, "no command was given");
            error.with_hint("run: holloway --help").into()
        }
        Form::Text => {
            to_stderr(OVERVIEW);
            Failure::Told(ErrorCode::Usage.exit_code())
        }
    }
}
