//! Writes down what was observed.

use std::collections::BTreeMap;

use holloway_dashboard::api::{Event, PathKind, Relays, Severity, Status};
use sqlx::AnyConnection;

use super::error::ConsoleError;
use super::observe::{Change, Figures, Memory, NodeFacts, NodeKey, Way};
use super::open::ConsoleStore;
use super::retain::STEPS;
use crate::store::severity_text;

/// Looks at the daemon for the store.
pub(super) struct Recorder {
    store: ConsoleStore,
    memory: Memory,
    rows: Rows,
}

/// The rows of what has been written.
#[derive(Clone, Default)]
struct Rows {
    networks: BTreeMap<String, i64>,
    nodes: BTreeMap<NodeKey, i64>,
}

impl Recorder {
    /// Begins; connections that were not ended before the daemon stopped ended when it was last looked at.
    pub(super) async fn begin(store: ConsoleStore) -> Result<Self, ConsoleError> {
        let mut transaction = store.begin().await?;
        sqlx::query(
            "UPDATE connection SET ended = (SELECT looked FROM machine WHERE id = $1) WHERE machine = $2 AND ended IS NULL",
        )
        .bind(store.machine)
        .bind(store.machine)
        .execute(transaction.connection())
        .await?;
        transaction.commit().await?;
        Ok(Self { store, memory: Memory::default(), rows: Rows::default() })
    }

    /// Writes down what has changed since the last look; `now` in seconds since 1970. What could not be written is
    /// tried again with the next look.
    pub(super) async fn look(&mut self, status: &Status, relays: &Relays, now: i64) -> Result<(), ConsoleError> {
        let mut memory = self.memory.clone();
        let mut rows = self.rows.clone();
        let changes = memory.look(status, relays);
        let machine = self.store.machine;
        let mut transaction = self.store.begin().await?;
        let connection = transaction.connection();
        for change in &changes {
            rows.write(connection, machine, change, now).await?;
        }
        let name = status.networks.first().map_or("", |network| network.name.as_str());
        sqlx::query("UPDATE machine SET name = $1, looked = $2 WHERE id = $3")
            .bind(name)
            .bind(now)
            .bind(machine)
            .execute(connection)
            .await?;
        transaction.commit().await?;
        (self.memory, self.rows) = (memory, rows);
        Ok(())
    }

    /// The number of the last event that was written down.
    pub(super) async fn events_seen(&self) -> Result<u64, ConsoleError> {
        let seen: i64 = sqlx::query_scalar("SELECT events_seen FROM machine WHERE id = $1")
            .bind(self.store.machine)
            .fetch_one(&self.store.readers)
            .await?;
        Ok(seen.cast_unsigned())
    }

    /// Writes down those events that want to be looked at; those that are there already stay as they are.
    pub(super) async fn events(&self, events: &[Event], now: i64) -> Result<(), ConsoleError> {
        let mut transaction = self.store.begin().await?;
        for event in events.iter().filter(|event| event.severity > Severity::Info) {
            sqlx::query(
                "INSERT INTO event (machine, source, recorded, time, severity, kind, network, text, fields)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (machine, source) DO NOTHING",
            )
            .bind(self.store.machine)
            .bind(event.id.cast_signed())
            .bind(now)
            .bind(&event.time)
            .bind(severity_text(event.severity))
            .bind(&event.kind)
            .bind(event.network.as_deref())
            .bind(&event.text)
            .bind(serde_json::to_string(&event.fields).expect("a map of strings is JSON"))
            .execute(transaction.connection())
            .await?;
        }
        if let Some(last) = events.last() {
            sqlx::query("UPDATE machine SET events_seen = $1 WHERE id = $2")
                .bind(last.id.cast_signed())
                .bind(self.store.machine)
                .execute(transaction.connection())
                .await?;
        }
        Ok(transaction.commit().await?)
    }
}

impl Rows {
    async fn write(
        &mut self,
        connection: &mut AnyConnection,
        machine: i64,
        change: &Change,
        now: i64,
    ) -> Result<(), ConsoleError> {
        match change {
            Change::Network { id, label } => self.network(connection, id, label).await,
            Change::Node(key, facts) => self.node(connection, machine, (key, facts), now).await,
            Change::Left(key) => self.left(connection, key, now).await,
            Change::Seen(key, figures) => {
                let Some(node) = self.nodes.get(key) else { return Ok(()) };
                seen(connection, (*node, machine), figures, now).await
            }
            Change::Began(key, way) => {
                let Some(node) = self.nodes.get(key) else { return Ok(()) };
                began(connection, (*node, machine), way, now).await
            }
            Change::Carried { node: key, rx_bytes, tx_bytes } => {
                let Some(node) = self.nodes.get(key) else { return Ok(()) };
                carried(connection, (*node, machine), (*rx_bytes, *tx_bytes)).await
            }
            Change::Ended(key) => {
                let Some(node) = self.nodes.get(key) else { return Ok(()) };
                ended(connection, (*node, machine), now).await
            }
        }
    }

    async fn network(&mut self, connection: &mut AnyConnection, id: &str, label: &str) -> Result<(), ConsoleError> {
        let row: i64 = sqlx::query_scalar(
            "INSERT INTO network (network_id, label) VALUES ($1, $2)
             ON CONFLICT (network_id) DO UPDATE SET label = excluded.label RETURNING id",
        )
        .bind(id)
        .bind(label)
        .fetch_one(connection)
        .await?;
        self.networks.insert(id.to_owned(), row);
        Ok(())
    }

    async fn node(
        &mut self,
        connection: &mut AnyConnection,
        machine: i64,
        (key, facts): (&NodeKey, &NodeFacts),
        now: i64,
    ) -> Result<(), ConsoleError> {
        let Some(network) = self.networks.get(&key.network) else { return Ok(()) };
        let row: i64 = sqlx::query_scalar(
            "INSERT INTO node (network, node_id, name, rights, is_member, is_relay, is_well, first_seen, changed)
             VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8)
             ON CONFLICT (network, node_id) DO UPDATE SET name = excluded.name, rights = excluded.rights, is_member = 1,
                 is_relay = excluded.is_relay, is_well = excluded.is_well, changed = excluded.changed
             RETURNING id",
        )
        .bind(*network)
        .bind(&key.node)
        .bind(&facts.name)
        .bind(&facts.rights)
        .bind(i64::from(facts.is_relay))
        .bind(i64::from(facts.is_well))
        .bind(now)
        .bind(now)
        .fetch_one(&mut *connection)
        .await?;
        if facts.is_own {
            sqlx::query("INSERT INTO carrier (machine, node) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(machine)
                .bind(row)
                .execute(connection)
                .await?;
        }
        self.nodes.insert(key.clone(), row);
        Ok(())
    }

    async fn left(&mut self, connection: &mut AnyConnection, key: &NodeKey, now: i64) -> Result<(), ConsoleError> {
        let Some(node) = self.nodes.remove(key) else { return Ok(()) };
        sqlx::query("UPDATE node SET is_member = 0, is_relay = 0, is_well = 0, changed = $1 WHERE id = $2")
            .bind(now)
            .bind(node)
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// One look more, at every resolution.
async fn seen(
    connection: &mut AnyConnection,
    (node, machine): (i64, i64),
    figures: &Figures,
    now: i64,
) -> Result<(), ConsoleError> {
    let coarser = if figures.is_fine { 0 } else { 1 };
    for step in &STEPS[coarser..] {
        let rtt = figures.rtt_us.map(clamped);
        sqlx::query(
            "INSERT INTO sample (node, step, at, machine, looks, reached, rtt_looks, rtt_us, rtt_max_us, rx_bytes, tx_bytes,
                 dropped, load_looks, load, members)
             VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             ON CONFLICT (node, step, at, machine) DO UPDATE SET looks = sample.looks + 1,
                 reached = sample.reached + excluded.reached, rtt_looks = sample.rtt_looks + excluded.rtt_looks,
                 rtt_us = sample.rtt_us + excluded.rtt_us,
                 rtt_max_us = CASE WHEN excluded.rtt_max_us > sample.rtt_max_us THEN excluded.rtt_max_us
                     ELSE sample.rtt_max_us END,
                 rx_bytes = sample.rx_bytes + excluded.rx_bytes, tx_bytes = sample.tx_bytes + excluded.tx_bytes,
                 dropped = sample.dropped + excluded.dropped, load_looks = sample.load_looks + excluded.load_looks,
                 load = sample.load + excluded.load,
                 members = CASE WHEN excluded.members > sample.members THEN excluded.members ELSE sample.members END",
        )
        .bind(node)
        .bind(step.seconds)
        .bind(now - now.rem_euclid(step.seconds))
        .bind(machine)
        .bind(i64::from(figures.is_reached))
        .bind(i64::from(rtt.is_some()))
        .bind(rtt.unwrap_or(0))
        .bind(rtt.unwrap_or(0))
        .bind(clamped(figures.rx_bytes))
        .bind(clamped(figures.tx_bytes))
        .bind(clamped(figures.dropped))
        .bind(i64::from(figures.load_percent.is_some()))
        .bind(figures.load_percent.map_or(0, i64::from))
        .bind(clamped(figures.members))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn began(
    connection: &mut AnyConnection,
    (node, machine): (i64, i64),
    way: &Way,
    now: i64,
) -> Result<(), ConsoleError> {
    sqlx::query(
        "INSERT INTO connection (machine, node, path, via, began, rx_bytes, tx_bytes) VALUES ($1, $2, $3, $4, $5, 0, 0)",
    )
    .bind(machine)
    .bind(node)
    .bind(if way.kind == PathKind::Relay { "relay" } else { "direct" })
    .bind(way.via.as_deref())
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

async fn carried(
    connection: &mut AnyConnection,
    (node, machine): (i64, i64),
    (rx_bytes, tx_bytes): (u64, u64),
) -> Result<(), ConsoleError> {
    sqlx::query(
        "UPDATE connection SET rx_bytes = rx_bytes + $1, tx_bytes = tx_bytes + $2
         WHERE machine = $3 AND node = $4 AND ended IS NULL",
    )
    .bind(clamped(rx_bytes))
    .bind(clamped(tx_bytes))
    .bind(machine)
    .bind(node)
    .execute(connection)
    .await?;
    Ok(())
}

async fn ended(connection: &mut AnyConnection, (node, machine): (i64, i64), now: i64) -> Result<(), ConsoleError> {
    sqlx::query("UPDATE connection SET ended = $1 WHERE machine = $2 AND node = $3 AND ended IS NULL")
        .bind(now)
        .bind(machine)
        .bind(node)
        .execute(connection)
        .await?;
    Ok(())
}

/// Databases count to 2^63 - 1.
fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
