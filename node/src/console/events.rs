//! Security events, and how they were handled.

use holloway_dashboard::api::{Event, Handled, PageQuery, SchemaVersion, SecurityEvent, SecurityEvents};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::ConsoleError;
use super::history::{Page, time_text};
use super::open::ConsoleStore;
use crate::store::severity_of;

impl ConsoleStore {
    /// A page of events, newest first.
    pub(super) async fn security_events(&self, query: &PageQuery) -> Result<SecurityEvents, ConsoleError> {
        let page = Page::of(query);
        let rows = sqlx::query(
            "SELECT event.*, machine.name AS observer FROM event JOIN machine ON machine.id = event.machine
             WHERE event.id < $1 AND ($2 = '' OR event.network = $3) AND ($4 = 0 OR event.handled_at IS NULL)
             ORDER BY event.id DESC LIMIT $5",
        )
        .bind(page.before)
        .bind(query.network.clone().unwrap_or_default())
        .bind(query.network.clone().unwrap_or_default())
        .bind(i64::from(query.open))
        .bind(page.limit)
        .fetch_all(&self.readers)
        .await?;
        let events = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = page.next(events.iter().map(|event| event.event.id));
        Ok(SecurityEvents { schema: SchemaVersion, events, next, open: self.open_events().await? })
    }

    /// How many events nobody has handled yet.
    pub(super) async fn open_events(&self) -> Result<u64, ConsoleError> {
        let open: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM event WHERE handled_at IS NULL").fetch_one(&self.readers).await?;
        Ok(open.cast_unsigned())
    }

    /// Says of an event that it is handled, by whom, when, and with what to say of it; or that it is not after all. None
    /// where there is no such event.
    pub(super) async fn handle(
        &self,
        id: u64,
        handled: Option<(&str, &str, i64)>,
    ) -> Result<Option<SecurityEvent>, ConsoleError> {
        let query = sqlx::query("UPDATE event SET handled_at = $1, handled_by = $2, handled_note = $3 WHERE id = $4")
            .bind(handled.map(|(_, _, at)| at))
            .bind(handled.map(|(by, _, _)| by.to_owned()))
            .bind(handled.map(|(_, note, _)| note.to_owned()))
            .bind(id.cast_signed());
        self.execute(query).await?;
        let row = sqlx::query(
            "SELECT event.*, machine.name AS observer FROM event JOIN machine ON machine.id = event.machine
             WHERE event.id = $1",
        )
        .bind(id.cast_signed())
        .fetch_optional(&self.readers)
        .await?;
        row.as_ref().map(read).transpose()
    }
}

fn read(row: &AnyRow) -> Result<SecurityEvent, ConsoleError> {
    let unreadable = || ConsoleError::Unreadable("an event");
    let severity: String = row.try_get("severity")?;
    let fields: String = row.try_get("fields")?;
    let handled_at: Option<i64> = row.try_get("handled_at")?;
    let handled = match handled_at {
        Some(at) => Some(Handled {
            time: time_text(at),
            by: row.try_get::<Option<String>, _>("handled_by")?.unwrap_or_default(),
            note: row.try_get::<Option<String>, _>("handled_note")?.unwrap_or_default(),
        }),
        None => None,
    };
    Ok(SecurityEvent {
        event: Event {
            id: row.try_get::<i64, _>("id")?.cast_unsigned(),
            time: row.try_get("time")?,
            severity: severity_of(&severity).ok_or_else(unreadable)?,
            kind: row.try_get("kind")?,
            network: row.try_get("network")?,
            text: row.try_get("text")?,
            fields: serde_json::from_str(&fields).map_err(|_| unreadable())?,
        },
        observer: row.try_get("observer")?,
        handled,
    })
}
