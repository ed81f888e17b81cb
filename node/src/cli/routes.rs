//! `holloway routes`.

use holloway_dashboard::api::{InNetwork, RouteStatus, RouteVia, Routes};

use super::context::Context;
use super::escape::shown;
use super::failure::Failure;
use super::style::Style;
use super::table::{Cell, Table};

/// Lists the overlay's routes.
pub(crate) async fn list(context: &Context, network: &InNetwork) -> Result<(), Failure> {
    let routes = context.daemon()?.routes(network).await?;
    context.output().answer(&routes, list_text)
}

fn list_text(routes: &Routes, style: Style) -> String {
    if routes.routes.is_empty() {
        return "no routes: this machine is in no network; holloway create <network>, or holloway join <invite>\n"
            .to_owned();
    }
    let mut text = String::new();
    for group in routes.routes.chunk_by(|one, next| one.network == next.network) {
        let mut table = Table::new(["DESTINATION", "MEMBER", "VIA", "MTU"]);
        for route in group {
            table.row(row(route));
        }
        text.push_str(&format!("{}\n{}", style.heading(&shown(&group[0].network)), table.render("  ", style)));
    }
    text
}

fn row(route: &RouteStatus) -> [Cell; 4] {
    [
        Cell::from(&route.destination),
        Cell::from(route.member.as_deref().unwrap_or("this network")),
        via_cell(route),
        Cell::from(route.mtu.map_or_else(|| "-".to_owned(), |mtu| mtu.to_string())),
    ]
}

fn via_cell(route: &RouteStatus) -> Cell {
    let part = |text: &Option<String>| text.as_deref().unwrap_or("?").to_owned();
    match route.via {
        RouteVia::Interface => Cell::from(part(&route.interface)),
        RouteVia::Direct => Cell::painted(&format!("direct {}", part(&route.endpoint)), Style::good),
        RouteVia::Relay => Cell::painted(&format!("relay {}", part(&route.relay)), Style::warning),
        RouteVia::None => Cell::painted("none", Style::bad),
    }
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::SchemaVersion;

    use super::*;

    fn network() -> RouteStatus {
        RouteStatus {
            network: "home".into(),
            destination: "fd42:1337:beef::/48".into(),
            member: None,
            via: RouteVia::Interface,
            interface: Some("hollow0".into()),
            endpoint: None,
            relay: None,
            mtu: Some(1440),
        }
    }

    fn member(name: &str, via: RouteVia) -> RouteStatus {
        RouteStatus {
            destination: "fd42:1337:beef::b/128".into(),
            member: Some(name.into()),
            via,
            interface: None,
            ..network()
        }
    }

    fn text(routes: Vec<RouteStatus>) -> String {
        list_text(&Routes { schema: SchemaVersion, routes }, Style::PLAIN)
    }

    #[test]
    fn every_destination_has_its_way() {
        let bob = RouteStatus { endpoint: Some("203.0.113.7:42042".into()), ..member("bob", RouteVia::Direct) };
        let carol = RouteStatus { relay: Some("alice".into()), ..member("carol", RouteVia::Relay) };
        let dave = RouteStatus { mtu: None, ..member("dave", RouteVia::None) };
        let expected = "\
home
  DESTINATION            MEMBER        VIA                       MTU
  fd42:1337:beef::/48    this network  hollow0                   1440
  fd42:1337:beef::b/128  bob           direct 203.0.113.7:42042  1440
  fd42:1337:beef::b/128  carol         relay alice               1440
  fd42:1337:beef::b/128  dave          none                      -
";
        assert_eq!(text(vec![network(), bob, carol, dave]), expected);
    }

    #[test]
    fn without_a_network_the_commands_that_help_are_named() {
        assert!(text(vec![]).contains("holloway join"));
    }

    #[test]
    fn a_hostile_member_cannot_reach_the_terminal() {
        let evil = "\u{1b}[2J\n\u{202e}";
        let carol = RouteStatus { network: evil.into(), relay: Some(evil.into()), ..member(evil, RouteVia::Relay) };
        let home = RouteStatus { network: evil.into(), interface: Some(evil.into()), ..network() };
        let text = text(vec![home, carol]);
        assert_eq!(text.lines().count(), 4);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
