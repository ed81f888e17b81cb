//! The daemon's figures in the Prometheus text format (version 0.0.4).
//!
//! A pure function of the documents that the API gives, so that `/metrics` and `status` cannot disagree. Figures that
//! are not known have no sample; what can be one of several things has a sample for each, 1 where it is so and 0
//! elsewhere. Knows neither who asks nor how the figures come about.

use std::fmt::Write as _;
use std::time::Duration;

use holloway_dashboard::api::{
    DaemonState, NetworkStatus, OwnRelay, PathKind, PeerStatus, RelayStanding, RelayStatus, Relays, Status,
};
use holloway_mesh::DropReason;

/// Everything that has figures.
pub(crate) struct Figures {
    pub(crate) status: Status,
    pub(crate) relays: Relays,
    /// What the resolver counts, where there is one.
    pub(crate) dns: Option<holloway_dns::Snapshot>,
    /// How long the daemon runs.
    pub(crate) uptime: Duration,
    /// The time, since 1970.
    pub(crate) unix: Duration,
}

/// What the format tells of a family of samples.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// A text under construction: one family after the other, the samples of each behind its heading.
#[derive(Default)]
struct Exposition {
    text: String,
}

/// The samples of one family.
struct Family<'a> {
    name: &'static str,
    text: &'a mut String,
}

/// The text for a scrape.
pub(crate) fn rendered(figures: &Figures) -> String {
    let mut exposition = Exposition::default();
    exposition.daemon(figures);
    exposition.networks(&figures.status.networks);
    exposition.peers(&figures.status.networks, figures.unix);
    exposition.relays(&figures.relays.relays);
    exposition.own_relays(&figures.relays.own);
    if let Some(dns) = &figures.dns {
        exposition.resolver(dns);
    }
    exposition.text
}

impl Exposition {
    fn daemon(&mut self, figures: &Figures) {
        let status = &figures.status;
        let mut info = self.gauge("holloway_build_info", "The daemon's version; always 1.");
        info.sample(&[("version", &status.version)], 1.0);
        self.gauge("holloway_uptime_seconds", "How long the daemon runs.").one(seconds(figures.uptime));
        let is_ready = status.state == DaemonState::Ready;
        self.gauge("holloway_ready", "Whether the daemon is up and in a network.").one(truth(is_ready));
        let attention = status.attention.len() as f64;
        self.gauge("holloway_attention_items", "What needs the operator, as holloway status lists it.").one(attention);
    }

    fn networks(&mut self, networks: &[NetworkStatus]) {
        self.of_each(networks, "holloway_members", "Members, this machine included.", |of| of.peers.len() as f64 + 1.0);
        self.of_each(networks, "holloway_control_peers", "Members with a control connection to this machine.", |of| {
            of.control.peers as f64
        });
        self.of_each(networks, "holloway_revocations", "Revocations that are known.", |of| of.revoked as f64);
        self.of_each(networks, "holloway_interface_up", "Whether the network has its interface.", |of| {
            truth(!of.interface.is_empty())
        });
        self.of_each(networks, "holloway_home_relay_up", "Whether a home relay serves this machine.", |of| {
            truth(of.home_relay.is_some())
        });
        let mut drops = self.counter("holloway_dropped_packets_total", "Packets dropped, by reason.");
        for of in networks {
            for reason in DropReason::ALL.map(DropReason::name) {
                let count = of.drops.get(reason).copied().unwrap_or(0);
                drops.sample(&[("network", &of.label), ("reason", reason)], count as f64);
            }
        }
    }

    fn of_each(
        &mut self,
        networks: &[NetworkStatus],
        name: &'static str,
        help: &str,
        figure: impl Fn(&NetworkStatus) -> f64,
    ) {
        let mut family = self.gauge(name, help);
        for of in networks {
            family.sample(&[("network", &of.label)], figure(of));
        }
    }

    fn peers(&mut self, networks: &[NetworkStatus], unix: Duration) {
        let received = self.counter("holloway_peer_received_bytes_total", "Inner bytes received from a peer.");
        received.of_peers(networks, |peer| Some(peer.rx_bytes as f64));
        let sent = self.counter("holloway_peer_sent_bytes_total", "Inner bytes sent to a peer.");
        sent.of_peers(networks, |peer| Some(peer.tx_bytes as f64));
        let rotations = self.counter("holloway_peer_rotations_total", "How often the keys with a peer were rotated.");
        rotations.of_peers(networks, |peer| Some(peer.rotations as f64));
        let control =
            self.gauge("holloway_peer_control_up", "Whether a peer has a control connection to this machine.");
        control.of_peers(networks, |peer| Some(truth(peer.control)));
        let online = self.gauge("holloway_peer_online", "Whether a peer was heard of lately, by control or by packet.");
        online.of_peers(networks, |peer| Some(truth(peer.online)));
        let rtt = self.gauge("holloway_peer_round_trip_seconds", "The last round trip over the path to a peer.");
        rtt.of_peers(networks, |peer| peer.path.rtt_ms.map(of_milliseconds));
        let heard = "When the last packet of a peer's session arrived, in seconds since 1970.";
        let heard = self.gauge("holloway_peer_last_received_timestamp_seconds", heard);
        heard.of_peers(networks, |peer| {
            let ago = peer.session.as_ref().and_then(|session| session.last_received_s)?;
            Some(((seconds(unix) - ago) * 10.0).round() / 10.0)
        });
        self.paths(networks);
    }

    fn paths(&mut self, networks: &[NetworkStatus]) {
        const KINDS: [(PathKind, &str); 3] =
            [(PathKind::Direct, "direct"), (PathKind::Relay, "relay"), (PathKind::None, "none")];
        let mut paths = self.gauge("holloway_peer_path", "How packets reach a peer: 1 for the kind of path in use.");
        for of in networks {
            for peer in &of.peers {
                for (kind, name) in KINDS {
                    let labels = [("network", of.label.as_str()), ("peer", &peer.name), ("kind", name)];
                    paths.sample(&labels, truth(peer.path.kind == kind));
                }
            }
        }
    }

    fn relays(&mut self, relays: &[RelayStatus]) {
        const STANDINGS: [(RelayStanding, &str); 7] = [
            (RelayStanding::Home, "home"),
            (RelayStanding::Standby, "standby"),
            (RelayStanding::Visited, "visited"),
            (RelayStanding::Known, "known"),
            (RelayStanding::Untried, "untried"),
            (RelayStanding::Silent, "silent"),
            (RelayStanding::Refusing, "refusing"),
        ];
        let rtt = self.gauge("holloway_relay_round_trip_seconds", "The round trip to a relay.");
        rtt.of_relays(relays, |relay| relay.rtt_ms.map(of_milliseconds));
        let load =
            self.gauge("holloway_relay_load_ratio", "A relay's load in its own words, 1 being all that it can do.");
        load.of_relays(relays, |relay| Some(f64::from(relay.announced.load_percent) / 100.0));
        let mut standing = self.gauge("holloway_relay_standing", "What a relay is to this machine: 1 for what holds.");
        for relay in relays {
            for (kind, name) in STANDINGS {
                let [network, relay_name, node] = of_relay(relay);
                standing.sample(&[network, relay_name, node, ("standing", name)], truth(relay.standing == kind));
            }
        }
    }

    fn own_relays(&mut self, own: &[OwnRelay]) {
        let mut load =
            self.gauge("holloway_own_relay_load_ratio", "This machine's load as a relay, 1 being all it can do.");
        for relay in own {
            load.sample(&[("network", &relay.network)], f64::from(relay.announced.load_percent) / 100.0);
        }
        let mut members = self.gauge("holloway_own_relay_members", "Members registered with this machine as a relay.");
        for relay in own {
            members.sample(&[("network", &relay.network)], relay.announced.members as f64);
        }
    }

    fn resolver(&mut self, dns: &holloway_dns::Snapshot) {
        let counters = [
            ("holloway_dns_queries_total", "Questions that the resolver understood.", dns.queries),
            ("holloway_dns_own_answers_total", "Questions answered from the networks' own zones.", dns.alt_answers),
            ("holloway_dns_refused_total", "Questions refused because of who asked or what was asked.", dns.refused),
            ("holloway_dns_malformed_total", "Messages to the resolver that are no question.", dns.malformed),
            ("holloway_dns_truncated_total", "Replies that did not fit a datagram.", dns.truncated),
            ("holloway_dns_replies_dropped_total", "Replies dropped at a full socket.", dns.replies_dropped),
            ("holloway_dns_upstream_queries_total", "Questions put to the upstream servers.", dns.upstream_queries),
            (
                "holloway_dns_upstream_failures_total",
                "Questions that no upstream server answered in a usable way.",
                dns.upstream_failures,
            ),
        ];
        for (name, help, count) in counters {
            self.counter(name, help).one(count as f64);
        }
    }

    fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, Kind::Counter, help)
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, Kind::Gauge, help)
    }

    fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { name, text: &mut self.text }
    }
}

impl Family<'_> {
    fn of_peers(mut self, networks: &[NetworkStatus], figure: impl Fn(&PeerStatus) -> Option<f64>) {
        for of in networks {
            for peer in &of.peers {
                if let Some(value) = figure(peer) {
                    self.sample(&[("network", &of.label), ("peer", &peer.name)], value);
                }
            }
        }
    }

    fn of_relays(mut self, relays: &[RelayStatus], figure: impl Fn(&RelayStatus) -> Option<f64>) {
        for relay in relays {
            if let Some(value) = figure(relay) {
                self.sample(&of_relay(relay), value);
            }
        }
    }

    /// The only sample of its family.
    fn one(mut self, value: f64) {
        self.sample(&[], value);
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }
}

/// A name is the relay's own word; two relays of one name must not become one series, at which a scrape would fail.
fn of_relay(relay: &RelayStatus) -> [(&'static str, &str); 3] {
    [("network", &relay.network), ("relay", &relay.announced.name), ("node_id", &relay.announced.node_id)]
}

/// A label's value, in which a backslash, a quote and a line feed are written with a backslash.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// To the microsecond, as the binary fraction of a quotient would show all its digits.
fn of_milliseconds(rtt: f64) -> f64 {
    (rtt * 1000.0).round() / 1_000_000.0
}

/// To the millisecond: what is finer only makes the text longer.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::*;

    const DASHBOARD: &str = include_str!("../../../monitoring/grafana/holloway.json");
    const RULES: &str = include_str!("../../../monitoring/prometheus/holloway.rules.yml");

    /// A sample as a reader of the format has it.
    #[derive(Debug, PartialEq)]
    struct Sample {
        labels: BTreeMap<String, String>,
        value: f64,
    }

    /// A family as a reader of the format has it.
    #[derive(Debug)]
    struct Read {
        kind: String,
        samples: Vec<Sample>,
    }

    fn figures() -> Figures {
        let path = |kind: &str, rtt: Option<f64>| json!({"kind": kind, "endpoint": null, "relay": null, "further_relays": [], "stream": false, "rtt_ms": rtt});
        let peer = |name: &str, path: Value, session: Value| {
            json!({
                "name": name, "fqdn": "", "address": "", "node_id": "", "rights": [], "groups": [], "online": true,
                "control": false, "path": path, "session": session, "rx_bytes": 1536, "tx_bytes": 7, "rotations": 2,
            })
        };
        let session = json!({"established": "", "age_s": 31, "last_received_s": 0.2, "cipher": ""});
        let status = json!({
            "schema": 1, "version": "0.1.0", "state": "ready", "uptime_s": 12,
            "networks": [{
                "label": "home", "id": "", "prefix": "", "interface": "hollow0", "name": "alice", "fqdn": "",
                "address": "", "node_id": "", "rights": [], "control": {"listen": [], "peers": 1},
                "data": {"listen": [], "observed": [], "mapped": null}, "home_relay": null,
                "peers": [peer("bob", path("direct", Some(0.4)), session), peer("carol", path("none", None), json!(null))],
                "revoked": 3, "drops": {"replayed": 5},
            }],
            "attention": [], "dns": {"listening": [], "integration": ""},
        });
        let announced = json!({
            "name": "dave", "node_id": "dddd", "region": "", "place": null, "load_percent": 3, "members": 12,
            "capacity_mbps": 1000, "endpoints": [], "version": "", "draining": false, "network": "home",
        });
        let mut relay = announced.clone();
        for (name, value) in [("standing", json!("home")), ("rtt_ms", json!(1.5)), ("stream", json!(false))] {
            relay[name] = value;
        }
        relay["current"] = json!(true);
        let relays = json!({"schema": 1, "relays": [relay], "own": [announced]});
        Figures {
            status: serde_json::from_value(status).unwrap(),
            relays: serde_json::from_value(relays).unwrap(),
            dns: Some(holloway_dns::Snapshot::default()),
            uptime: Duration::from_millis(12_500),
            unix: Duration::from_secs(1_795_219_200),
        }
    }

    /// Reads a text as strictly as the format allows: headings first, families in one piece, no series twice.
    fn read(text: &str) -> BTreeMap<String, Read> {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut families: BTreeMap<String, Read> = BTreeMap::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect("a heading");
            assert!(is_metric_name(name) && help.ends_with('.') && !help.contains('\\'), "{line}");
            let kind =
                lines.next().and_then(|line| line.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
            let kind = kind.filter(|kind| ["counter", "gauge"].contains(kind)).expect("a type").to_owned();
            let mut samples: Vec<Sample> = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let sample = sample(line.strip_prefix(name).expect("a sample of its family"));
                assert!(samples.iter().all(|other| other.labels != sample.labels), "{line} is there twice");
                samples.push(sample);
            }
            assert!(families.insert(name.to_owned(), Read { kind, samples }).is_none(), "{name} is in one piece");
        }
        families
    }

    fn is_metric_name(name: &str) -> bool {
        name.strip_prefix("holloway_").is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_lowercase())
                && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
    }

    /// What stands behind a name: labels in braces, a blank, a number.
    fn sample(text: &str) -> Sample {
        let mut labels = BTreeMap::new();
        let mut rest = text;
        if let Some(inside) = rest.strip_prefix('{') {
            rest = inside;
            loop {
                let (name, value) = rest.split_once("=\"").expect("a label and its value");
                assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{text}");
                let (value, behind) = label_value(value);
                assert!(labels.insert(name.to_owned(), value).is_none(), "{text}");
                match behind.strip_prefix(',') {
                    Some(next) => rest = next,
                    None => {
                        rest = behind.strip_prefix('}').expect("the end of the labels");
                        break;
                    }
                }
            }
        }
        let value = rest.strip_prefix(' ').expect("a blank before the value");
        Sample { labels, value: value.parse().expect("a number") }
    }

    /// The value up to its closing quote, and what follows.
    fn label_value(text: &str) -> (String, &str) {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, character)) = chars.next() {
            match character {
                '"' => return (value, &text[at + 1..]),
                '\\' => value.push(match chars.next() {
                    Some((_, 'n')) => '\n',
                    Some((_, escaped @ ('\\' | '"'))) => escaped,
                    other => panic!("{other:?} behind a backslash"),
                }),
                character => value.push(character),
            }
        }
        panic!("no quote closes {text:?}")
    }

    /// Every word of a text that begins as our metrics do.
    fn named(text: &str) -> BTreeSet<&str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| is_metric_name(word)).collect()
    }

    fn value(families: &BTreeMap<String, Read>, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: BTreeMap<String, String> = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let found = families[name].samples.iter().find(|sample| sample.labels == labels);
        found.unwrap_or_else(|| panic!("{name} with {labels:?} in {:?}", families[name])).value
    }

    #[test]
    fn the_text_keeps_to_the_format_and_says_what_the_documents_say() {
        let families = read(&rendered(&figures()));
        let bob = [("network", "home"), ("peer", "bob")];
        assert_eq!(value(&families, "holloway_build_info", &[("version", "0.1.0")]), 1.0);
        assert_eq!(value(&families, "holloway_uptime_seconds", &[]), 12.5);
        assert_eq!(value(&families, "holloway_ready", &[]), 1.0);
        assert_eq!(value(&families, "holloway_members", &[("network", "home")]), 3.0);
        assert_eq!(value(&families, "holloway_home_relay_up", &[("network", "home")]), 0.0);
        assert_eq!(value(&families, "holloway_peer_received_bytes_total", &bob), 1536.0);
        assert_eq!(value(&families, "holloway_peer_round_trip_seconds", &bob), 0.0004);
        assert_eq!(value(&families, "holloway_peer_last_received_timestamp_seconds", &bob), 1_795_219_199.8);
        let path = |kind| value(&families, "holloway_peer_path", &[bob[0], bob[1], ("kind", kind)]);
        assert_eq!((path("direct"), path("relay"), path("none")), (1.0, 0.0, 0.0));
        let dave = [("network", "home"), ("relay", "dave"), ("node_id", "dddd")];
        assert_eq!(value(&families, "holloway_relay_load_ratio", &dave), 0.03);
        assert_eq!(
            value(&families, "holloway_relay_standing", &[dave[0], dave[1], dave[2], ("standing", "home")]),
            1.0
        );
    }

    #[test]
    fn every_reason_for_a_drop_is_there_before_it_occurs() {
        let families = read(&rendered(&figures()));
        let drops =
            |reason| value(&families, "holloway_dropped_packets_total", &[("network", "home"), ("reason", reason)]);
        assert_eq!((drops("replayed"), drops("malformed")), (5.0, 0.0));
    }

    #[test]
    fn names_follow_the_conventions() {
        for (name, family) in read(&rendered(&figures())) {
            assert_eq!(family.kind == "counter", name.ends_with("_total"), "{name}");
            for unit in ["_ms", "milliseconds", "percent", "kilo", "_bits", "minutes"] {
                assert!(!name.contains(unit), "{name} is not in a base unit");
            }
        }
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let families = read(&rendered(&figures()));
        for name in ["holloway_peer_round_trip_seconds", "holloway_peer_last_received_timestamp_seconds"] {
            assert!(families[name].samples.iter().all(|sample| sample.labels["peer"] != "carol"), "{name}");
        }
    }

    #[test]
    fn names_of_others_cannot_break_the_format() {
        let mut figures = figures();
        let evil = "a\"} 1\n\\holloway_ready 0".to_owned();
        figures.status.version.clone_from(&evil);
        figures.status.networks[0].peers[0].name.clone_from(&evil);
        figures.relays.relays[0].announced.name.clone_from(&evil);
        let families = read(&rendered(&figures));
        assert_eq!(value(&families, "holloway_peer_online", &[("network", "home"), ("peer", &evil)]), 1.0);
        assert_eq!(value(&families, "holloway_build_info", &[("version", &evil)]), 1.0);
    }

    #[test]
    fn two_relays_of_one_name_are_two_series() {
        let mut figures = figures();
        let mut other = figures.relays.relays[0].clone();
        other.announced.node_id = "eeee".into();
        figures.relays.relays.push(other);
        assert_eq!(read(&rendered(&figures))["holloway_relay_load_ratio"].samples.len(), 2);
    }

    #[test]
    fn dashboard_and_rules_use_names_that_exist_and_every_expression_uses_one() {
        let families = read(&rendered(&figures()));
        let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
        let mut expressions = Vec::new();
        collect_expressions(&dashboard, &mut expressions);
        let rules = RULES.lines().filter_map(|line| line.trim().strip_prefix("expr:")).map(str::to_owned);
        expressions.extend(rules);
        assert!(expressions.len() > 20, "expressions were found in both files");
        for expression in &expressions {
            let names = named(expression);
            assert!(!names.is_empty() || expression.contains("up{"), "{expression}");
            for name in names {
                assert!(families.contains_key(name), "{name} in {expression}");
            }
        }
    }

    /// Every value called `expr`, and every query of a variable.
    fn collect_expressions(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, inner) in fields {
                    let asked =
                        inner.as_str().filter(|text| name == "expr" || name == "query" && text.contains("holloway_"));
                    found.extend(asked.map(str::to_owned));
                    collect_expressions(inner, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect_expressions(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
