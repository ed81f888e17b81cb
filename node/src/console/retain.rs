//! How long what is kept is kept.

use super::error::ConsoleError;
use super::open::ConsoleStore;

const DAY: i64 = 24 * 3600;

/// A resolution of figures over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Seconds that each sample is of.
    pub(super) seconds: i64,
    /// For how many seconds samples are kept.
    pub(super) kept: i64,
}

/// Finest first. A relay takes at most 2,880 + 2,016 + 9,600 rows for ever; a member that is talked to, the latter two.
pub(super) const STEPS: [Step; 3] =
    [Step { seconds: 30, kept: DAY }, Step { seconds: 300, kept: 7 * DAY }, Step { seconds: 3600, kept: 400 * DAY }];

/// Connections that have ended.
const CONNECTIONS_KEPT: i64 = 90 * DAY;
/// Events and deeds, by age,
const EVENTS_KEPT: i64 = 400 * DAY;
/// and by number.
const EVENTS_MAX: i64 = 200_000;
const CONNECTIONS_MAX: i64 = 1_000_000;

impl ConsoleStore {
    /// Forgets what is too old; `now` in seconds since 1970.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub(super) async fn forget(&self, now: i64) -> Result<(), ConsoleError> {
        for step in STEPS {
            self.delete("DELETE FROM sample WHERE step = $1 AND at < $2", &[step.seconds, now - step.kept]).await?;
        }
        self.delete("DELETE FROM connection WHERE ended < $1", &[now - CONNECTIONS_KEPT]).await?;
        self.delete(
            "DELETE FROM connection WHERE ended IS NOT NULL AND id <= (SELECT MAX(id) FROM connection) - $1",
            &[CONNECTIONS_MAX],
        )
        .await?;
        self.delete("DELETE FROM event WHERE recorded < $1", &[now - EVENTS_KEPT]).await?;
        self.delete("DELETE FROM event WHERE id <= (SELECT MAX(id) FROM event) - $1", &[EVENTS_MAX]).await?;
        self.delete("DELETE FROM deed WHERE time < $1", &[now - EVENTS_KEPT]).await?;
        self.delete("DELETE FROM deed WHERE id <= (SELECT MAX(id) FROM deed) - $1", &[EVENTS_MAX]).await
    }

    async fn delete(&self, statement: &'static str, numbers: &[i64]) -> Result<(), ConsoleError> {
        let mut transaction = self.begin().await?;
        let query = numbers.iter().fold(sqlx::query(statement), |query, number| query.bind(*number));
        query.execute(transaction.connection()).await?;
        Ok(transaction.commit().await?)
    }
}
