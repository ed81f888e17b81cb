//! What happened on this machine, for the operator to read: the newest of it.

use std::collections::BTreeMap;

use holloway_dashboard::api::Severity;
use holloway_wire::UnixTime;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use super::open::Store;

/// Events that are kept: weeks of a busy node's, a few MB. The oldest goes first.
pub(crate) const EVENTS_MAX: u32 = 10_000;

/// Events in one answer, however many were asked for: about 300 KB of JSON.
const PAGE_MAX: u32 = 1_000;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewEvent {
    /// When.
    pub(crate) time: UnixTime,
    /// How much it matters.
    pub(crate) severity: Severity,
    /// What kind of thing, such as `joined`.
    pub(crate) kind: String,
    /// The label of the network it concerns.
    pub(crate) network: Option<String>,
    /// One sentence.
    pub(crate) text: String,
    /// The particulars.
    pub(crate) fields: BTreeMap<String, String>,
}

/// An event with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Grows with every event and is never used again.
    pub(crate) id: u64,
    /// What happened.
    pub(crate) what: NewEvent,
}

impl Store {
    /// Writes down an event and forgets the oldest beyond [`EVENTS_MAX`]; returns its number.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub(crate) async fn record_event(&self, event: &NewEvent) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO event (time, severity, kind, network, text, fields) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(event.time.as_nanos().cast_signed())
        .bind(severity_text(event.severity))
        .bind(&event.kind)
        .bind(event.network.as_deref())
        .bind(&event.text)
        .bind(serde_json::to_string(&event.fields).expect("a map of strings is JSON"))
        .execute(transaction.connection())
        .await?;
        let id = done.last_insert_rowid();
        let lapsed = id - i64::from(EVENTS_MAX);
        sqlx::query("DELETE FROM event WHERE id <= $1").bind(lapsed).execute(transaction.connection()).await?;
        transaction.commit().await?;
        Ok(id.cast_unsigned())
    }

    /// Events with a number greater than `after`, oldest first, at most `limit` (and a page).
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) async fn events(&self, after: u64, limit: u32) -> Result<Vec<Event>, StoreError> {
        let rows = sqlx::query("SELECT * FROM event WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit.min(PAGE_MAX))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<Event, StoreError> {
    let unreadable = || StoreError::Unreadable { what: "an event" };
    let severity: &str = row.try_get("severity")?;
    let fields: &str = row.try_get("fields")?;
    let what = NewEvent {
        time: UnixTime::from_nanos(row.try_get::<i64, _>("time")?.cast_unsigned()),
        severity: severity_of(severity).ok_or_else(unreadable)?,
        kind: row.try_get("kind")?,
        network: row.try_get("network")?,
        text: row.try_get("text")?,
        fields: serde_json::from_str(fields).map_err(|_| unreadable())?,
    };
    Ok(Event { id: row.try_get::<i64, _>("id")?.cast_unsigned(), what })
}

/// A severity as it is kept.
pub(crate) const fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Security => "security",
    }
}

/// What is kept, as a severity.
pub(crate) fn severity_of(text: &str) -> Option<Severity> {
    [Severity::Info, Severity::Warn, Severity::Security].into_iter().find(|severity| severity_text(*severity) == text)
}
