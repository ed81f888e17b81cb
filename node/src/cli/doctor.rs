//! `holloway doctor`: renders the checks of this machine, each with its mend.

use serde::Serialize;

use super::context::Context;
use super::escape::shown;
use super::failure::{Failure, answer_is_no};
use super::style::Style;
use crate::doctor::{Check, DoctorInput, OPEN_PORTS, State, checks};

/// All checks, as `--json` prints them.
#[derive(Serialize)]
struct Report {
    schema: u32,
    checks: Vec<Check>,
}

/// Checks this machine; fails when something keeps the daemon from working.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let options = context.daemon_options()?;
    let status = match context.find_daemon() {
        Ok(Some(client)) => client.status().await.ok(),
        Ok(None) | Err(_) => None,
    };
    let input = DoctorInput::of_daemon(&options.state_dir, &options.settings, status.as_ref());
    let report = Report { schema: 1, checks: checks(&input) };
    context.output().answer(&report, |report, style| text(&report.checks, style) + &ports(style))?;
    let is_bad = report.checks.iter().any(|check| check.state == State::Fail);
    if is_bad { Err(answer_is_no()) } else { Ok(()) }
}

fn text(checks: &[Check], style: Style) -> String {
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let sign = match check.state {
            State::Ok => style.check_mark(),
            State::Warn => style.warning("!"),
            State::Fail => style.cross(),
        };
        text.push_str(&format!("{sign} {:<width$}  {}\n", check.name, shown(&check.what)));
        if let Some(mend) = &check.mend {
            text.push_str(&format!("  {:<width$}  mend: {}\n", "", shown(mend)));
        }
    }
    text
}

/// The ports that a firewall has to let through.
fn ports(style: Style) -> String {
    let mut text = format!("\n{}\n", style.heading("open ports (defaults)"));
    for port in OPEN_PORTS {
        text.push_str(&format!(
            "  {:<15}  from {}: {}; without it {}\n",
            port.port, port.from, port.purpose, port.without
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_stands_above_its_mend() {
        let check = |name: &'static str, state, mend: Option<&str>| Check {
            name,
            state,
            what: "as found".into(),
            mend: mend.map(str::to_owned),
        };
        let checks = [
            check("tun", State::Ok, None),
            check("clock", State::Warn, Some("timedatectl set-ntp true")),
            check("keys", State::Fail, Some("chmod 600 x")),
        ];
        let expected = "✓ tun    as found\n! clock  as found\n         mend: timedatectl set-ntp true\n\
                        ✗ keys   as found\n         mend: chmod 600 x\n";
        assert_eq!(text(&checks, Style::PLAIN), expected);
    }
}
