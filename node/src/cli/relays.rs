//! `holloway relays`.

use holloway_dashboard::api::{InNetwork, OwnRelay, RelayStanding, RelayStatus, Relays};

use super::context::Context;
use super::duration::milliseconds;
use super::escape::shown;
use super::failure::Failure;
use super::style::Style;
use super::table::{Cell, Table};

/// Lists the relays, and what this machine is as one.
pub(crate) async fn list(context: &Context, network: &InNetwork) -> Result<(), Failure> {
    let relays = context.daemon()?.relays(network).await?;
    context.output().answer(&relays, list_text)
}

fn list_text(relays: &Relays, style: Style) -> String {
    if relays.relays.is_empty() && relays.own.is_empty() {
        return "no relays; invite a machine to be one: holloway invite --right relay\n".to_owned();
    }
    let mut networks: Vec<&str> = Vec::new();
    let known = relays.relays.iter().map(|relay| &relay.network);
    for network in known.chain(relays.own.iter().map(|own| &own.network)) {
        if !networks.contains(&network.as_str()) {
            networks.push(network);
        }
    }
    networks.iter().fold(String::new(), |text, network| text + &network_text(network, relays, style))
}

fn network_text(network: &str, relays: &Relays, style: Style) -> String {
    let mut text = format!("{}\n", style.heading(&shown(network)));
    let known: Vec<&RelayStatus> = relays.relays.iter().filter(|relay| relay.network == network).collect();
    if !known.is_empty() {
        text.push_str(&table(&known, style));
    }
    for own in relays.own.iter().filter(|own| own.network == network) {
        text.push_str(&format!("  {}\n", own_words(own)));
    }
    text
}

pub(super) fn table(relays: &[&RelayStatus], style: Style) -> String {
    let mut table = Table::new(["NAME", "STANDING", "RTT", "LOAD", "MEMBERS", "REGION", "ENDPOINT"]);
    for relay in relays {
        table.row(row(relay));
        if let Some(why) = &relay.why {
            table.below(why);
        }
    }
    table.render("  ", style)
}

fn row(relay: &RelayStatus) -> [Cell; 7] {
    let announced = &relay.announced;
    let region = if announced.region.is_empty() { "-" } else { &announced.region };
    [
        Cell::from(&announced.name),
        standing_cell(relay),
        Cell::from(relay.rtt_ms.map_or_else(|| "-".to_owned(), milliseconds)),
        Cell::from(format!("{} %", announced.load_percent)),
        Cell::from(announced.members.to_string()),
        Cell::from(region),
        Cell::from(relay.endpoint.as_deref().unwrap_or("-")),
    ]
}

fn standing_cell(relay: &RelayStatus) -> Cell {
    let (word, paint): (_, fn(Style, &str) -> String) = match relay.standing {
        RelayStanding::Home => ("home", Style::good),
        RelayStanding::Standby => ("standby", Style::good),
        RelayStanding::Visited => ("visited", Style::good),
        RelayStanding::Known => ("known", Style::faint),
        RelayStanding::Untried => ("untried", Style::faint),
        RelayStanding::Silent => ("silent", Style::bad),
        RelayStanding::Refusing => ("refusing", Style::warning),
    };
    match (relay.announced.draining, relay.stream) {
        (true, _) => Cell::painted(&format!("{word}, draining"), Style::warning),
        (false, true) => Cell::painted(&format!("{word}, by TCP"), Style::warning),
        (false, false) => Cell::painted(word, paint),
    }
}

fn own_words(own: &OwnRelay) -> String {
    let relay = &own.announced;
    let members = if relay.members == 1 { "member" } else { "members" };
    let draining = if relay.draining { ", draining" } else { "" };
    let places: Vec<String> = relay.endpoints.iter().map(|endpoint| shown(endpoint)).collect();
    let places = if places.is_empty() { "no address".to_owned() } else { places.join(", ") };
    format!(
        "this machine relays as {}: {} {members}, load {} %{draining}, at {places}",
        shown(&relay.name),
        relay.members,
        relay.load_percent,
    )
}

#[cfg(test)]
mod tests {
    use holloway_dashboard::api::{AnnouncedRelay, SchemaVersion};

    use super::*;

    fn alice() -> RelayStatus {
        RelayStatus {
            network: "home".into(),
            announced: AnnouncedRelay {
                name: "alice".into(),
                node_id: "aaaa".into(),
                region: "Montréal".into(),
                place: None,
                load_percent: 3,
                members: 12,
                capacity_mbps: 1000,
                endpoints: vec!["198.51.100.1:42042".into()],
                version: "0.1.0".into(),
                draining: false,
                links: vec![],
            },
            standing: RelayStanding::Home,
            why: None,
            rtt_ms: Some(1.2),
            endpoint: Some("198.51.100.1:42042".into()),
            stream: false,
            current: true,
        }
    }

    fn dave() -> RelayStatus {
        let announced =
            AnnouncedRelay { name: "dave".into(), region: String::new(), draining: true, ..alice().announced };
        RelayStatus {
            announced,
            standing: RelayStanding::Refusing,
            why: Some("it is about to stop".into()),
            rtt_ms: None,
            endpoint: None,
            ..alice()
        }
    }

    fn text(relays: Vec<RelayStatus>, own: Vec<OwnRelay>) -> String {
        list_text(&Relays { schema: SchemaVersion, relays, own }, Style::PLAIN)
    }

    #[test]
    fn relays_are_listed_with_what_they_are_to_this_machine() {
        let own = OwnRelay { network: "home".into(), announced: alice().announced };
        let expected = "\
home
  NAME   STANDING            RTT      LOAD  MEMBERS  REGION    ENDPOINT
  alice  home                1.20 ms  3 %   12       Montréal  198.51.100.1:42042
  dave   refusing, draining  -        3 %   12       -         -
    it is about to stop
  this machine relays as alice: 12 members, load 3 %, at 198.51.100.1:42042
";
        assert_eq!(text(vec![alice(), dave()], vec![own]), expected);
    }

    #[test]
    fn where_there_are_none_the_command_that_helps_is_named() {
        assert!(text(vec![], vec![]).ends_with("holloway invite --right relay\n"));
    }

    #[test]
    fn each_network_has_its_own_table_and_one_without_relays_shows_this_machine() {
        let at_work = OwnRelay { network: "work".into(), announced: alice().announced };
        let text = text(vec![alice()], vec![at_work]);
        assert!(text.starts_with("home\n  NAME") && text.contains("\nwork\n  this machine relays"), "{text}");
        assert_eq!(text.matches("NAME").count(), 1);
    }

    #[test]
    fn a_hostile_relay_cannot_reach_the_terminal() {
        let evil = "\u{1b}[2J\n\u{202e}".to_owned();
        let mut relay = alice();
        relay.network.clone_from(&evil);
        relay.announced.name.clone_from(&evil);
        relay.announced.region.clone_from(&evil);
        relay.announced.endpoints = vec![evil.clone()];
        relay.why = Some(evil.clone());
        relay.endpoint = Some(evil);
        let own = OwnRelay { network: relay.network.clone(), announced: relay.announced.clone() };
        let text = text(vec![relay], vec![own]);
        assert_eq!(text.lines().count(), 5);
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
}
