//! `holloway service`: the systemd unit.

use holloway_dashboard::api::{ApiError, ErrorCode};
use serde_json::json;

use super::args::ServiceCommand;
use super::context::Context;
use super::failure::Failure;
use crate::service::{ServicePlaces, install, remove};

/// Installs or removes the unit.
pub(crate) fn run(context: &Context, command: ServiceCommand) -> Result<(), Failure> {
    if holloway_config::effective_uid() != 0 {
        let message = "a system service belongs to root";
        let error = ApiError::new(ErrorCode::PermissionDenied, message);
        return Err(error.with_hint("run the same command with sudo").into());
    }
    let places = ServicePlaces::of_system();
    let done = match command {
        ServiceCommand::Install => {
            let program = std::env::current_exe().map_err(anyhow::Error::from)?;
            install(&program, &places).map_err(anyhow::Error::from)?;
            "installed and started"
        }
        ServiceCommand::Remove => {
            remove(&places).map_err(anyhow::Error::from)?;
            "stopped and removed"
        }
    };
    let document = json!({"schema": 1, "state": done});
    context.output().answer(&document, |_, _| format!("the service is {done}\n"))
}
