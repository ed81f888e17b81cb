//! `holloway dashboard`: the pages, with a link by which a browser signs in once.

use std::process::{Command, Stdio};

use holloway_dashboard::api::{Role, SignInLink};

use super::context::Context;
use super::duration::coarse;
use super::failure::Failure;
use super::style::Style;

/// What opens an address in the browser of whoever sits in front of the machine.
const OPENER: &str = "xdg-open";

/// Whether the browser is to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Where there is a screen.
    WhereSeen,
    /// Only print the link.
    Never,
}

/// Makes a link, shows it, and opens it where there is a screen.
pub(crate) async fn run(context: &Context, opening: Opening) -> Result<(), Failure> {
    let link = context.daemon()?.sign_in_link().await?;
    if opening == Opening::WhereSeen && has_screen() {
        open(&link.url);
    }
    context.output().answer(&link, text)
}

fn text(link: &SignInLink, _: Style) -> String {
    let may = match link.role {
        Role::Viewer => "look",
        Role::Operator => "look, join networks and switch this machine off",
        Role::Admin => "do everything",
    };
    let time = coarse(link.expires_s);
    let trust = link.fingerprint.as_ref().map_or_else(String::new, |fingerprint| {
        format!("\nThe browser asks whether to trust this machine's own certificate. Its SHA-256 fingerprint is\n{fingerprint}\n")
    });
    format!("{}\n\nWho opens it first may {may}; it is good for {time}, once.\n{trust}", link.url)
}

/// Whether somebody sees a browser that opens here: not over SSH, and not as another user than the screen's.
fn has_screen() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let has_display = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    has_display && !is_set("SSH_CONNECTION") && !is_set("SUDO_USER")
}

/// A browser that does not open is no failure: the link is printed.
fn open(url: &str) {
    let mut command = Command::new(OPENER);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        tracing::debug!(%error, "no browser was opened");
    }
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::SchemaVersion;

    use super::*;

    #[test]
    fn the_address_stands_alone_in_the_first_line() {
        let link = SignInLink {
            schema: SchemaVersion,
            url: "http://127.0.0.1:42080/#sign-in=00ff".into(),
            role: Role::Admin,
            expires_s: 300,
            fingerprint: None,
        };
        let shown = text(&link, Style::PLAIN);
        assert_eq!(shown.lines().next(), Some("http://127.0.0.1:42080/#sign-in=00ff"));
        assert!(shown.contains("may do everything; it is good for 5 min, once"), "{shown}");
    }
}
