//! What was typed, or handed over by whoever opens a link.

use std::path::PathBuf;

use clap::Parser;

/// The window for the Holloway daemon on this machine.
#[derive(Clone, Debug, Parser)]
#[command(name = "holloway-gui", version)]
pub(crate) struct Arguments {
    /// The state directory of the daemon that is meant, where it is not the system's
    #[arg(long, value_name = "DIR", env = "HOLLOWAY_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Show nothing but the tray, as after logging in
    #[arg(long)]
    pub(crate) hidden: bool,

    /// An invite, or a link to one: holloway:holloway1…
    #[arg(value_name = "INVITE")]
    pub(crate) invite: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_as_it_comes_from_the_desktop() {
        let arguments = Arguments::try_parse_from(["holloway-gui", "holloway:holloway1abc"]).unwrap();
        assert_eq!(arguments.invite.as_deref(), Some("holloway:holloway1abc"));
        assert!(!arguments.hidden);
    }
}
