//! What people have done by the API.

use holloway_dashboard::api::{Audit, Deed, PageQuery, SchemaVersion};
use holloway_dashboard::server::NewDeed;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::accounts::{role_of, role_text};
use super::error::ConsoleError;
use super::history::{Page, time_text};
use super::open::ConsoleStore;

impl ConsoleStore {
    /// Writes down a deed; `now` in seconds since 1970.
    pub(super) async fn note_deed(&self, deed: &NewDeed, now: i64) -> Result<(), ConsoleError> {
        let query = sqlx::query(
            "INSERT INTO deed (machine, time, who, role, origin, action, subject, outcome)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        );
        let query = query
            .bind(self.machine)
            .bind(now)
            .bind(deed.who.clone())
            .bind(deed.role.map(role_text))
            .bind(deed.from.clone())
            .bind(deed.action.clone())
            .bind(serde_json::to_string(&deed.subject).expect("a map of strings is JSON"))
            .bind(deed.outcome.clone());
        self.execute(query).await.map(drop)
    }

    /// A page of deeds, newest first.
    pub(super) async fn deeds(&self, query: &PageQuery) -> Result<Audit, ConsoleError> {
        let page = Page::of(query);
        let rows = sqlx::query("SELECT * FROM deed WHERE id < $1 ORDER BY id DESC LIMIT $2")
            .bind(page.before)
            .bind(page.limit)
            .fetch_all(&self.readers)
            .await?;
        let deeds = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = page.next(deeds.iter().map(|deed| deed.id));
        Ok(Audit { schema: SchemaVersion, deeds, next })
    }
}

fn read(row: &AnyRow) -> Result<Deed, ConsoleError> {
    let role: Option<String> = row.try_get("role")?;
    let subject: String = row.try_get("subject")?;
    Ok(Deed {
        id: row.try_get::<i64, _>("id")?.cast_unsigned(),
        time: time_text(row.try_get("time")?),
        who: row.try_get("who")?,
        role: role.as_deref().and_then(role_of),
        from: row.try_get("origin")?,
        action: row.try_get("action")?,
        subject: serde_json::from_str(&subject).map_err(|_| ConsoleError::Unreadable("a deed"))?,
        outcome: row.try_get("outcome")?,
    })
}
