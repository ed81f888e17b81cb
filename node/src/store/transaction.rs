//! Several statements as one, in any database.

use sqlx::pool::PoolConnection;
use sqlx::{Database, Executor, Pool};

/// All or nothing. Dropped before [`Transaction::commit`] it closes its connection, and the database rolls back.
///
/// sqlx's own transactions are not used: SQLite ends a transaction by itself when the disk is full, sqlx does not
/// notice, nests the next one into one that is not there, and reports as committed what is not.
pub(crate) struct Transaction<D: Database> {
    connection: PoolConnection<D>,
    is_committed: bool,
}

impl<D: Database> Transaction<D>
where
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    /// Begins one by this statement.
    ///
    /// # Errors
    /// When no connection is to be had, or the database does not take it.
    pub(crate) async fn begin(pool: &Pool<D>, statement: &'static str) -> Result<Self, sqlx::Error> {
        let connection = pool.acquire().await?;
        let mut transaction = Self { connection, is_committed: false };
        transaction.connection().execute(statement).await?;
        Ok(transaction)
    }

    /// Where statements of this transaction go.
    pub(crate) fn connection(&mut self) -> &mut D::Connection {
        &mut self.connection
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When the database does not; then nothing of it has happened.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection().execute("COMMIT").await?;
        self.is_committed = true;
        Ok(())
    }
}

impl<D: Database> Drop for Transaction<D> {
    fn drop(&mut self) {
        if !self.is_committed {
            self.connection.close_on_drop();
        }
    }
}
