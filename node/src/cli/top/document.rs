//! What `top` prints where nobody looks at a screen: one frame as text, or a JSON document for each interval. Pure.

use holloway_dashboard::api::{Attention, DaemonState, HomeRelay, PeerStatus, RelayStatus};
use serde::Serialize;

use super::super::bytes::amount;
use super::super::duration::{coarse, fine, milliseconds};
use super::super::escape::shown;
use super::super::peers::path_words;
use super::super::relays;
use super::super::style::Style;
use super::super::table::{Cell, Table};
use super::draw::{control_words, rates_words};
use super::model::{Model, Rates, Row, Sample};

/// One interval, as `--json` prints it; `holloway top --help` lists the fields.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    schema: u32,
    time: &'a str,
    state: DaemonState,
    rx_bytes_per_s: Option<f64>,
    tx_bytes_per_s: Option<f64>,
    networks: Vec<Network<'a>>,
    relays: &'a [RelayStatus],
    attention: &'a [Attention],
}

#[derive(Serialize)]
struct Network<'a> {
    label: &'a str,
    name: &'a str,
    control_peers: u64,
    home_relay: Option<&'a HomeRelay>,
    peers: Vec<Peer<'a>>,
}

#[derive(Serialize)]
struct Peer<'a> {
    #[serde(flatten)]
    peer: &'a PeerStatus,
    rx_bytes_per_s: Option<f64>,
    tx_bytes_per_s: Option<f64>,
}

/// The interval that ended with the last sample, at this time.
pub(super) fn document<'a>(model: &'a Model, sample: &'a Sample, time: &'a str) -> Document<'a> {
    let rows = model.rows();
    let networks = sample.status.networks.iter().map(|network| Network {
        label: &network.label,
        name: &network.name,
        control_peers: network.control.peers,
        home_relay: network.home_relay.as_ref(),
        peers: rows.iter().filter(|row| row.network == network.label).map(peer).collect(),
    });
    let (rx_bytes_per_s, tx_bytes_per_s) = both(model.total());
    Document {
        schema: 1,
        time,
        state: sample.status.state,
        rx_bytes_per_s,
        tx_bytes_per_s,
        networks: networks.collect(),
        relays: &sample.relays.relays,
        attention: &sample.status.attention,
    }
}

fn peer<'a>(row: &Row<'a>) -> Peer<'a> {
    let (rx_bytes_per_s, tx_bytes_per_s) = both(row.rates);
    Peer { peer: row.peer, rx_bytes_per_s, tx_bytes_per_s }
}

/// To a tenth of a byte: what is finer is an artefact of the clock.
fn both(rates: Option<Rates>) -> (Option<f64>, Option<f64>) {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    (rates.map(|rates| tenth(rates.rx_bytes_per_s)), rates.map(|rates| tenth(rates.tx_bytes_per_s)))
}

/// The same as text, as wide as it gets.
pub(super) fn text(model: &Model, sample: &Sample, style: Style) -> String {
    let status = &sample.status;
    let mut text = format!(
        "holloway {}, up {}  {}\n",
        shown(&status.version),
        coarse(status.uptime_s),
        rates_words(model.total())
    );
    let rows = model.rows();
    for network in &status.networks {
        text.push_str(&format!("\n{}\n", style.heading(&shown(&network.label))));
        let mut table = Table::new(["NAME", "CONTROL", "PATH", "RTT", "LAST PACKET", "IN/s", "OUT/s"]);
        let rows: Vec<&Row<'_>> = rows.iter().filter(|row| row.network == network.label).collect();
        rows.iter().for_each(|row| table.row(cells(row)));
        match rows.is_empty() {
            true => text.push_str("  no other members yet: holloway invite\n"),
            false => text.push_str(&table.render("  ", style)),
        }
        let known: Vec<&RelayStatus> =
            sample.relays.relays.iter().filter(|relay| relay.network == network.label).collect();
        if !known.is_empty() {
            text.push_str(&format!("\n  relays\n{}", relays::table(&known, style)));
        }
    }
    if !status.attention.is_empty() {
        text.push_str(&format!("\n{}\n", style.heading("needs attention")));
    }
    for item in &status.attention {
        text.push_str(&format!("  {} {}: {}\n", style.warning("!"), shown(&item.what), shown(&item.command)));
    }
    text
}

fn cells(row: &Row<'_>) -> [Cell; 7] {
    let last = row.peer.session.as_ref().and_then(|session| session.last_received_s);
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| amount(rate as u64));
    [
        Cell::from(&row.peer.name),
        Cell::from(control_words(row)),
        Cell::from(path_words(&row.peer.path)),
        Cell::from(row.peer.path.rtt_ms.map_or_else(|| "-".to_owned(), milliseconds)),
        Cell::from(last.map_or_else(|| "never".to_owned(), |seconds| format!("{} ago", fine(seconds)))),
        Cell::from(rate(row.rates.map(|rates| rates.rx_bytes_per_s))),
        Cell::from(rate(row.rates.map(|rates| rates.tx_bytes_per_s))),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model::examples::{model, sample};
    use super::*;

    fn as_json(model: &Model) -> Value {
        serde_json::to_value(document(model, model.sample().unwrap(), "2026-11-20T20:00:00Z")).unwrap()
    }

    #[test]
    fn a_document_has_the_rates_of_its_interval_beside_what_status_says() {
        let document = as_json(&model());
        assert_eq!(document["schema"], 1);
        assert_eq!(document["time"], "2026-11-20T20:00:00Z");
        assert_eq!((&document["state"], &document["rx_bytes_per_s"]), (&json!("ready"), &json!(1536.0)));
        let network = &document["networks"][0];
        assert_eq!((&network["label"], &network["control_peers"]), (&json!("home"), &json!(1)));
        let bob = &network["peers"][0];
        assert_eq!((&bob["name"], &bob["path"]["kind"]), (&json!("bob"), &json!("direct")));
        assert_eq!((&bob["rx_bytes"], &bob["tx_bytes_per_s"]), (&json!(3072), &json!(7.0)));
        assert_eq!(document["relays"][0]["standing"], "home");
        assert_eq!(document["attention"][0]["command"], "holloway why carol");
    }

    #[test]
    fn a_rate_that_is_not_known_is_null() {
        let mut model = model();
        let mut restarted = sample(4, [(1, 1), (1, 1)]);
        restarted.status.uptime_s = 1;
        model.handle_sample(restarted);
        let document = as_json(&model);
        assert_eq!(document["tx_bytes_per_s"], Value::Null);
        assert_eq!(document["networks"][0]["peers"][0]["rx_bytes_per_s"], Value::Null);
    }

    #[test]
    fn one_frame_is_a_text_as_wide_as_it_gets() {
        let model = model();
        let expected = "\
holloway 0.1.0, up 3 h 12 min  in 1.5 KiB/s  out 7 B/s

home
  NAME   CONTROL    PATH                      RTT      LAST PACKET  IN/s     OUT/s
  bob    connected  direct 203.0.113.7:42042  0.40 ms  0.2 s ago    1.5 KiB  7 B
  carol  silent     none                      -        never        0 B      0 B

  relays
  NAME   STANDING  RTT      LOAD  MEMBERS  REGION  ENDPOINT
  alice  home      1.20 ms  3 %   12       Europe  198.51.100.1:42042

needs attention
  ! carol has no path: holloway why carol
";
        assert_eq!(text(&model, model.sample().unwrap(), Style::PLAIN), expected);
    }
}
