//! `holloway doctor`: renders the checks of this machine, each with its mend.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use holloway_config::Settings;
use holloway_dashboard::api::NetworkStatus;
use holloway_wire::NetworkId;
use serde::Serialize;

use super::context::Context;
use super::escape::shown;
use super::failure::{Failure, answer_is_no};
use super::style::Style;
use crate::doctor::{Check, DoctorInput, Listen, OverlayNetwork, State, Transport, checks};

/// All checks, as `--json` prints them.
#[derive(Serialize)]
struct Report {
    schema: u32,
    checks: Vec<Check>,
}

/// Checks this machine; fails when something keeps the daemon from working.
pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let options = context.daemon_options()?;
    let mut input = DoctorInput::of_system(options.state_dir.path().to_owned(), options.state_dir.api_socket().path);
    input.listens = listens(&options.settings);
    input.interfaces = vec![options.settings.tun.name.clone()];
    if let Ok(Some(client)) = context.find_daemon()
        && let Ok(status) = client.status().await
    {
        input.names = Some(status.dns.integration.clone());
        input.interfaces = status.networks.iter().map(|network| network.interface.clone()).collect();
        input.networks = status.networks.iter().filter_map(overlay).collect();
    }
    let report = Report { schema: 1, checks: checks(&input) };
    context.output().answer(&report, |report, style| text(&report.checks, style))?;
    let is_bad = report.checks.iter().any(|check| check.state == State::Fail);
    if is_bad { Err(answer_is_no()) } else { Ok(()) }
}

/// What the daemon's first network binds, as configured.
fn listens(settings: &Settings) -> Vec<Listen> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let listen = |purpose: &str, transport, address| Listen { purpose: purpose.into(), transport, address };
    let mut listens: Vec<Listen> =
        settings.listen.data.iter().map(|address| listen("data", Transport::Udp, *address)).collect();
    listens.push(listen("control", Transport::Tcp, SocketAddr::new(any, settings.listen.control_tcp)));
    listens.push(listen("control", Transport::Udp, SocketAddr::new(any, settings.listen.control_quic)));
    if settings.dns.enabled {
        listens.push(listen("dns", Transport::Udp, SocketAddr::new(settings.dns.listen, settings.dns.port)));
    }
    listens
}

fn overlay(network: &NetworkStatus) -> Option<OverlayNetwork> {
    let id: NetworkId = network.id.parse().ok()?;
    Some(OverlayNetwork { label: network.label.parse().ok()?, prefix: id.prefix() })
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
