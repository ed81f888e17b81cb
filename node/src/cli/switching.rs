//! `holloway on` and `holloway off`.

use holloway_dashboard::api::Switch;

use super::context::Context;
use super::failure::Failure;

/// Switches the networks of the running daemon.
pub(crate) async fn run(context: &Context, switch: Switch) -> Result<(), Failure> {
    let switched = context.daemon()?.switch(&switch).await?;
    context.output().answer(&switched, |switched, _| {
        let text = if switched.on {
            "this machine's networks are on\n"
        } else {
            "this machine's networks are off; on again with: holloway on\n"
        };
        text.to_owned()
    })
}
