//! The zone against a model that is too simple to be wrong: a list of records, and the
//! definitions of RFC 1034 and RFC 4592 read out over it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeSet;

use holloway_dns::{AltZone, AltZoneBuilder, Answer, Host, PublishedRecord, Question};
use proptest::prelude::*;

/// A name, leftmost label first.
type Name = Vec<String>;

#[derive(Clone, Debug)]
struct Entry {
    name: Name,
    rtype: String,
    data: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Expected {
    Records(BTreeSet<(String, String, String)>),
    NoData(usize),
    NxDomain(usize),
}

#[derive(Debug)]
struct Model(Vec<Entry>);

impl Model {
    fn of(hosts: &[Host]) -> Self {
        let mut model = Self(Vec::new());
        model.add("home.alt", "SOA", "");
        model.add("home.alt", "NS", "");
        model.add("home.alt", "TXT", "network-id=k");
        model.add("ns.home.alt", "AAAA", "fd42:1:2::a");
        for host in hosts {
            let under = format!("{}.home.alt", host.label);
            for address in &host.addresses {
                model.add(&under, "AAAA", &address.to_string());
            }
            let aliases_last =
                |wanted: bool| host.records.iter().filter(move |r| (r.kind().to_string() == "CNAME") == wanted);
            for record in aliases_last(false).chain(aliases_last(true)) {
                let owner = match record.name() {
                    "" => under.clone(),
                    name => format!("{name}.{under}"),
                };
                let taken = model.0.iter().any(|entry| entry.name == split(&owner));
                let kind = record.kind().to_string();
                if kind != "CNAME" || !taken {
                    model.add(&owner, &kind, record.value());
                }
            }
        }
        model
    }

    fn add(&mut self, name: &str, rtype: &str, data: &str) {
        let data = if rtype == "TXT" { format!("\"{data}\"") } else { data.to_owned() };
        self.0.push(Entry { name: split(name), rtype: rtype.to_owned(), data });
    }

    fn exists(&self, name: &[String]) -> bool {
        self.0.iter().any(|entry| entry.name.ends_with(name))
    }

    fn at(&self, name: &[String]) -> Vec<&Entry> {
        self.0.iter().filter(|entry| entry.name == name).collect()
    }

    /// The entries that answer for a name: its own, or those of the wildcard at its closest
    /// encloser, or none at all.
    fn source(&self, name: &[String]) -> Option<Vec<&Entry>> {
        if self.exists(name) {
            return Some(self.at(name));
        }
        let encloser = (0..name.len()).map(|from| &name[from..]).find(|name| self.exists(name))?;
        let wildcard = [&["*".to_owned()], encloser].concat();
        self.exists(&wildcard).then(|| self.at(&wildcard))
    }

    fn answer(&self, name: &str, rtype: &str) -> Expected {
        let mut records = BTreeSet::new();
        let mut owner = split(name);
        let mut visited = Vec::new();
        loop {
            let Some(entries) = self.source(&owner) else { return Expected::NxDomain(visited.len()) };
            let shown = |entry: &&Entry| (owner.join("."), entry.rtype.clone(), entry.data.clone());
            let fitting: Vec<_> = entries.iter().filter(|entry| entry.rtype == rtype).collect();
            if !fitting.is_empty() {
                records.extend(fitting.into_iter().map(shown));
                return Expected::Records(records);
            }
            let Some(alias) = entries.iter().find(|entry| entry.rtype == "CNAME") else {
                return Expected::NoData(visited.len());
            };
            records.insert(shown(alias));
            visited.push(owner.clone());
            let target = split(alias.data.trim_end_matches('.'));
            if visited.contains(&target) || visited.len() == 8 || !target.ends_with(&split("home.alt")) {
                return Expected::Records(records);
            }
            owner = target;
        }
    }
}

fn observed(zone: &AltZone, name: &str, rtype: &str) -> Expected {
    let answer = zone.lookup(&Question::parse(name, rtype).unwrap()).expect("it is in the zone");
    match answer {
        Answer::Records { records, .. } => Expected::Records(
            records
                .iter()
                .map(|record| {
                    let owner = record.name().trim_end_matches('.').to_owned();
                    (owner, record.rtype(), record.data())
                })
                .collect(),
        ),
        Answer::NoData { chain, .. } => Expected::NoData(chain.len()),
        Answer::NxDomain { chain, .. } => Expected::NxDomain(chain.len()),
    }
}

fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "_x"])
}

fn relative_name() -> impl Strategy<Value = String> {
    (any::<bool>(), prop::collection::vec(label(), 0..3)).prop_map(|(wild, labels)| {
        let mut parts = labels;
        if wild {
            parts.insert(0, "*");
        }
        parts.join(".")
    })
}

fn name_in_zone() -> impl Strategy<Value = String> {
    let host = prop::sample::select(vec!["h1.", "h2.", "h3.", "ns.", ""]);
    (prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "_x", "*"]), 0..4), host).prop_map(
        |(labels, host)| {
            let labels: String = labels.iter().map(|label| format!("{label}.")).collect();
            format!("{labels}{host}home.alt")
        },
    )
}

fn published() -> impl Strategy<Value = PublishedRecord> {
    let outside = Just("www.example.com".to_owned());
    (relative_name(), 0..5_u8, prop_oneof![4 => name_in_zone(), 1 => outside]).prop_map(|(name, kind, target)| {
        let parse = |rtype: &str, value: &str| PublishedRecord::parse(&name, rtype, value);
        match kind {
            0 => parse("A", "192.0.2.1"),
            1 => parse("AAAA", "fd42::1"),
            2 => parse("TXT", "text"),
            _ => parse("CNAME", &target),
        }
        .unwrap()
    })
}

fn hosts() -> impl Strategy<Value = Vec<Host>> {
    let records = || prop::collection::vec(published(), 0..8);
    (records(), records()).prop_map(|(first, second)| {
        [("h1", first), ("h2", second)]
            .into_iter()
            .map(|(label, records)| Host {
                label: label.to_owned(),
                addresses: vec![format!("fd42:1:2::{}", &label[1..]).parse().unwrap()],
                primary: String::new(),
                records,
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_zone_answers_like_the_model(
        hosts in hosts(),
        questions in prop::collection::vec(
            (name_in_zone(), prop::sample::select(vec!["A", "AAAA", "TXT", "CNAME", "SRV"])), 20),
    ) {
        let model = Model::of(&hosts);
        let builder =
            AltZoneBuilder::new("home", "k", "fd42:1:2::".parse().unwrap(), "fd42:1:2::a".parse().unwrap());
        let zone = hosts.into_iter().fold(builder, AltZoneBuilder::host).build().unwrap();
        for (name, rtype) in questions {
            let expected = model.answer(&name, rtype);
            prop_assert_eq!(observed(&zone, &name, rtype), expected, "{} {}", name, rtype);
        }
    }

    #[test]
    fn any_text_is_a_question_or_none_and_never_a_panic(name in ".{0,300}", rtype in ".{0,10}") {
        if let Ok(question) = Question::parse(&name, &rtype) {
            let again = Question::parse(&question.name(), &question.rtype()).unwrap();
            prop_assert_eq!(again, question);
        }
    }

    #[test]
    fn any_text_is_a_record_or_none_and_never_a_panic(
        name in "[a-c*_.\\\\0-9-]{0,12}|.{0,80}",
        rtype in prop::sample::select(vec!["A", "AAAA", "CNAME", "TXT", "SRV"]),
        value in "[0-9a-f:. ]{0,30}|.{0,300}",
    ) {
        if let Ok(record) = PublishedRecord::parse(&name, rtype, &value) {
            let again = PublishedRecord::parse(record.name(), rtype, record.value()).unwrap();
            prop_assert_eq!(again.value(), record.value());
        }
    }
}

fn split(name: &str) -> Name {
    name.split('.').map(str::to_owned).collect()
}
