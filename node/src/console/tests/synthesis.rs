//! A large network and a month of its history. `make test` has a fiftieth of it; HOLLOWAY_PROVE_SCALE=50 has it all:
//! 10,000 members, 200 relays, 30 days.

use std::time::{Duration, Instant};

use sqlx::QueryBuilder;

use super::super::history::{Range, Subject};
use super::super::retain::STEPS;
use super::*;

const NOW: i64 = 1_795_219_200;
const DAYS: i64 = 30;
const MEMBERS_PER_SCALE: i64 = 200;
const RELAYS_PER_SCALE: i64 = 4;
/// Connections of each member in the month.
const CONNECTIONS: i64 = 20;
/// Rows of one statement: PostgreSQL takes 65,535 values.
const ROWS: usize = 1_000;

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

/// Members from 1 on, of whom the first is this machine and those after it are relays.
async fn synthesise(store: &ConsoleStore, members: i64, relays: i64) {
    let mut transaction = store.begin().await.unwrap();
    let connection = transaction.connection();
    sqlx::query("INSERT INTO network (network_id, label) VALUES ('network', 'home')")
        .execute(&mut *connection)
        .await
        .unwrap();
    let numbers: Vec<i64> = (1..=members).collect();
    for chunk in numbers.chunks(ROWS) {
        let mut query = QueryBuilder::new(
            "INSERT INTO node (network, node_id, name, rights, is_member, is_relay, is_well, first_seen, changed) ",
        );
        query.push_values(chunk, |mut row, number| {
            let is_relay = i64::from((2..2 + relays).contains(number));
            row.push_bind(1_i64).push_bind(format!("id-{number}")).push_bind(format!("member-{number}"));
            row.push_bind("").push_bind(1_i64).push_bind(is_relay).push_bind(i64::from(number % 3 > 0));
            row.push_bind(NOW).push_bind(NOW);
        });
        query.build().execute(&mut *connection).await.unwrap();
    }
    sqlx::query("INSERT INTO carrier (machine, node) VALUES ($1, 1)")
        .bind(store.machine)
        .execute(&mut *connection)
        .await
        .unwrap();
    for node in 1..2 + relays {
        for step in STEPS {
            let since = (NOW - step.kept).max(NOW - DAYS * 24 * 3600);
            let times: Vec<i64> = (since / step.seconds + 1..=NOW / step.seconds).map(|at| at * step.seconds).collect();
            for chunk in times.chunks(ROWS) {
                let mut query = QueryBuilder::new(
                    "INSERT INTO sample (node, step, at, machine, looks, reached, rtt_looks, rtt_us, rtt_max_us, rx_bytes, \
                     tx_bytes, dropped, load_looks, load, members) ",
                );
                query.push_values(chunk, |mut row, at| {
                    let looks = step.seconds / 30;
                    row.push_bind(node).push_bind(step.seconds).push_bind(*at).push_bind(store.machine);
                    row.push_bind(looks).push_bind(looks).push_bind(looks).push_bind(looks * (8_000 + at % 977));
                    row.push_bind(9_000 + at % 977).push_bind(at % 1_000_003 * 17).push_bind(at % 1_000_003 * 13);
                    row.push_bind(at % 7).push_bind(looks).push_bind(looks * (at % 83)).push_bind(at % 300);
                });
                query.build().execute(&mut *connection).await.unwrap();
            }
        }
    }
    let all: Vec<i64> = (0..members * CONNECTIONS).collect();
    for chunk in all.chunks(ROWS) {
        let mut query =
            QueryBuilder::new("INSERT INTO connection (machine, node, path, via, began, ended, rx_bytes, tx_bytes) ");
        query.push_values(chunk, |mut row, number| {
            let began = NOW - DAYS * 24 * 3600 + number * 97 % (DAYS * 24 * 3600);
            let ended = (number % CONNECTIONS > 0).then_some(began + 600);
            row.push_bind(store.machine).push_bind(number % members + 1).push_bind("direct");
            row.push_bind("192.0.2.1:42042")
                .push_bind(began)
                .push_bind(ended)
                .push_bind(number * 31)
                .push_bind(*number);
        });
        query.build().execute(&mut *connection).await.unwrap();
    }
    let events: Vec<i64> = (0..members).collect();
    for chunk in events.chunks(ROWS) {
        let mut query = QueryBuilder::new(
            "INSERT INTO event (machine, source, recorded, time, severity, kind, network, text, fields) ",
        );
        query.push_values(chunk, |mut row, number| {
            row.push_bind(store.machine).push_bind(*number).push_bind(NOW).push_bind("2026-11-20T20:00:00Z");
            row.push_bind("security").push_bind("replayed").push_bind("home").push_bind("something").push_bind("{}");
        });
        query.build().execute(&mut *connection).await.unwrap();
    }
    transaction.commit().await.unwrap();
}
