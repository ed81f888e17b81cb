//! What the store knows at a glance.

use holloway_dashboard::api::{Counted, Overview, SchemaVersion};
use sqlx::{AnyPool, Row};

use super::error::ConsoleError;
use super::history::samples;
use super::open::{ConsoleStore, Engine};
use super::retain::STEPS;

const DAY: i64 = 24 * 3600;

impl ConsoleStore {
    /// Everything at a glance; `now` in seconds since 1970.
    pub(super) async fn overview(&self, now: i64) -> Result<Overview, ConsoleError> {
        let members = counted(
            &self.readers,
            "SELECT COUNT(*) AS everyone, CAST(COALESCE(SUM(is_well), 0) AS BIGINT) AS well FROM node WHERE is_member = 1",
        )
        .await?;
        let relays = counted(
            &self.readers,
            "SELECT COUNT(*) AS everyone, CAST(COALESCE(SUM(is_well), 0) AS BIGINT) AS well FROM node
             WHERE is_member = 1 AND is_relay = 1",
        )
        .await?;
        let connections: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM connection WHERE ended IS NULL").fetch_one(&self.readers).await?;
        let step = STEPS[1].seconds;
        let rows = sqlx::query(
            "SELECT sample.* FROM carrier JOIN sample ON sample.node = carrier.node AND sample.machine = carrier.machine
             WHERE sample.step = $1 AND sample.at > $2 ORDER BY sample.at",
        )
        .bind(step)
        .bind(now - DAY)
        .fetch_all(&self.readers)
        .await?;
        Ok(Overview {
            schema: SchemaVersion,
            members,
            relays,
            connections: connections.cast_unsigned(),
            open_events: self.open_events().await?,
            traffic: samples(&rows, step)?,
            step_s: u32::try_from(step).unwrap_or(u32::MAX),
            store_bytes: self.bytes().await?,
            store: match self.engine {
                Engine::Sqlite => "sqlite".into(),
                Engine::Postgres => "postgres".into(),
            },
        })
    }

    /// Bytes that the store takes.
    pub(super) async fn bytes(&self) -> Result<u64, ConsoleError> {
        let question = match self.engine {
            Engine::Sqlite => "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
            Engine::Postgres => "SELECT pg_database_size(current_database()) AS bytes",
        };
        let bytes: i64 = sqlx::query_scalar(question).fetch_one(&self.readers).await?;
        Ok(bytes.cast_unsigned())
    }
}

async fn counted(pool: &AnyPool, question: &'static str) -> Result<Counted, ConsoleError> {
    let row = sqlx::query(question).fetch_one(pool).await?;
    let number = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    Ok(Counted { all: number("everyone")?, well: number("well")? })
}
