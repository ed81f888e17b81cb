//! A large network and a month of its history. `make test` has a fiftieth of it; HOLLOWAY_PROVE_SCALE=50 has it all:
//! 10,000 members, 200 relays, 30 days.

use std::time::{Duration, Instant};

use sqlx::{AnyConnection, AssertSqlSafe};

use super::super::history::{Range, Subject};
use super::super::retain::STEPS;
use super::*;

const NOW: i64 = 1_795_219_200;
const DAYS: i64 = 30;
const MEMBERS_PER_SCALE: i64 = 200;
const RELAYS_PER_SCALE: i64 = 4;
/// Connections of each member in the month.
const CONNECTIONS: i64 = 20;
/// Rows of one statement: SQLite looks each numbered value up among all.
const ROWS: usize = 50;

fn scale() -> i64 {
    std::env::var("HOLLOWAY_PROVE_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1).clamp(1, 50)
}

#[tokio::test]
async fn a_month_of_a_large_network_is_told_at_a_glance() {
    let stores = Stores::new().await;
    let (members, relays) = (MEMBERS_PER_SCALE * scale(), RELAYS_PER_SCALE * scale());
    for store in stores.each() {
        let start = Instant::now();
        synthesise(&store, members, relays).await;
        let made = start.elapsed();
        let mut took = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            let overview = store.overview(NOW).await.unwrap();
            took.push(start.elapsed());
            assert_eq!((overview.members.all, overview.relays.all), (members.cast_unsigned(), relays.cast_unsigned()));
            assert_eq!(overview.traffic.len(), 24 * 12);
        }
        let start = Instant::now();
        for (days, step) in [(1, 300), (7, 3600), (30, 3600 * 3)] {
            let range = Range { since: NOW - days * 24 * 3600, until: NOW, points: 300 };
            let subject = Subject { network: "network", node: "id-2", is_own: false };
            let history = store.history(subject, range, NOW).await.unwrap();
            assert_eq!(i64::from(history.step_s), step);
            assert!(history.samples.len() > 100, "{}", history.samples.len());
        }
        let charts = start.elapsed();
        println!(
            "{:?}: {members} members, {relays} relays, {DAYS} days: {:.1} MiB, made in {made:.1?}; overview p50 {:.1?}, \
             p95 {:.1?}, longest {:.1?}; three charts {charts:.1?}; resident {:.0} MiB",
            store.engine,
            store.bytes().await.unwrap() as f64 / 1048576.0,
            at(&mut took, 50),
            at(&mut took, 95),
            at(&mut took, 100),
            resident_mib(),
        );
    }
}

fn at(took: &mut [Duration], percent: usize) -> Duration {
    took.sort();
    took[(took.len() * percent / 100).min(took.len() - 1)]
}

fn resident_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

/// A value of a row.
enum Value {
    Number(i64),
    Text(String),
    Nothing,
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Nothing, Self::Number)
    }
}

macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$(Value::from($value)),*] };
}

/// Writes many rows with few statements. Both databases know placeholders with numbers.
async fn insert(connection: &mut AnyConnection, head: &str, rows: impl Iterator<Item = Vec<Value>>) {
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let chunk: Vec<Vec<Value>> = rows.by_ref().take(ROWS).collect();
        let columns = chunk[0].len();
        let places = (0..chunk.len()).map(|row| {
            let places = (1..=columns).map(|column| format!("${}", row * columns + column)).collect::<Vec<_>>();
            format!("({})", places.join(","))
        });
        let statement = format!("INSERT INTO {head} VALUES {}", places.collect::<Vec<_>>().join(","));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for value in chunk.into_iter().flatten() {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Nothing => query.bind(None::<i64>),
            };
        }
        query.execute(&mut *connection).await.unwrap();
    }
}

/// Members from 1 on, of whom the first is this machine and those after it are relays.
async fn synthesise(store: &ConsoleStore, members: i64, relays: i64) {
    let mut transaction = store.begin().await.unwrap();
    let connection = transaction.connection();
    let machine = store.machine;
    insert(connection, "network (network_id, label)", [row!["network", "home"]].into_iter()).await;
    let nodes = (1..=members).map(|number| {
        let is_relay = i64::from((2..2 + relays).contains(&number));
        let (id, name) = (format!("id-{number}"), format!("member-{number}"));
        row![1, id, name, "", 1, is_relay, i64::from(number % 3 > 0), NOW, NOW]
    });
    let head = "node (network, node_id, name, rights, is_member, is_relay, is_well, first_seen, changed)";
    insert(connection, head, nodes).await;
    insert(connection, "carrier (machine, node)", [row![machine, 1]].into_iter()).await;
    let samples = (1..2 + relays).flat_map(|node| STEPS.into_iter().map(move |step| (node, step)));
    let samples = samples.flat_map(|(node, step)| {
        let since = (NOW - step.kept).max(NOW - DAYS * 24 * 3600);
        (since / step.seconds + 1..=NOW / step.seconds).map(move |at| (node, step.seconds, at * step.seconds))
    });
    let samples = samples.map(|(node, seconds, at)| {
        let looks = seconds / 30;
        let (rtt, bytes) = (8_000 + at % 977, at % 1_000_003);
        row![
            node,
            seconds,
            at,
            machine,
            looks,
            looks,
            looks,
            looks * rtt,
            rtt + 1_000,
            bytes * 17,
            bytes * 13,
            at % 7,
            looks,
            looks * (at % 83),
            at % 300
        ]
    });
    let head = "sample (node, step, at, machine, looks, reached, rtt_looks, rtt_us, rtt_max_us, rx_bytes, tx_bytes, \
                dropped, load_looks, load, members)";
    insert(connection, head, samples).await;
    let connections = (0..members * CONNECTIONS).map(|number| {
        let began = NOW - DAYS * 24 * 3600 + number * 97 % (DAYS * 24 * 3600);
        let ended = (number % CONNECTIONS > 0).then_some(began + 600);
        row![machine, number % members + 1, "direct", "192.0.2.1:42042", began, ended, number * 31, number]
    });
    insert(connection, "connection (machine, node, path, via, began, ended, rx_bytes, tx_bytes)", connections).await;
    let events = (0..members).map(|number| {
        row![machine, number, NOW, "2026-11-20T20:00:00Z", "security", "replayed", "home", "something", "{}"]
    });
    let head = "event (machine, source, recorded, time, severity, kind, network, text, fields)";
    insert(connection, head, events).await;
    transaction.commit().await.unwrap();
}
