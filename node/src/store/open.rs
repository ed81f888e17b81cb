//! Opens the store, or makes a new one where there has never been one.

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};

use super::StoreError;
use super::error::is_damage;
use super::file::{self, Found};
use super::transaction::Transaction;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/node");

/// Set by the first migration.
const APPLICATION_ID: i64 = 1_213_156_439;

/// Only a person with the `sqlite3` tool can hold the lock; beyond this the write fails and is told so.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// Callers queue for the one connection; a disk that hangs for longer is a failure to report.
const QUEUE_PATIENCE: Duration = Duration::from_secs(30);

/// The node's store. Cheap to clone; all clones share one connection, so that there is one writer.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(super) pool: SqlitePool,
}

impl Store {
    /// Opens the store, or makes a new one where there is none. Whoever has reason to expect one (keys of a network,
    /// say) calls [`Store::open_existing`].
    ///
    /// # Errors
    /// Refuses a file that is empty, damaged, foreign, newer, or open to others; it is kept and the text says the way out.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        match file::inspect(path)? {
            Found::Nothing => create(path).await?,
            Found::Database => {}
        }
        Self::open_database(path).await
    }

    /// Opens a store that must be there.
    ///
    /// # Errors
    /// As [`Store::open`], and where there is none.
    pub(crate) async fn open_existing(path: &Path) -> Result<Self, StoreError> {
        match file::inspect(path)? {
            Found::Nothing => Err(StoreError::Missing { path: path.to_owned() }),
            Found::Database => Self::open_database(path).await,
        }
    }

    /// Writes back the log and lets go of the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// Begins a transaction; it is the only one until it ends.
    pub(super) async fn begin(&self) -> Result<Transaction<Sqlite>, StoreError> {
        Ok(Transaction::begin(&self.pool, "BEGIN IMMEDIATE").await?)
    }

    async fn open_database(path: &Path) -> Result<Self, StoreError> {
        let pool = connect(path, SqliteJournalMode::Wal).await.map_err(|e| refusal(path, e))?;
        let verdict = verify(&pool, path).await;
        if verdict.is_err() {
            pool.close().await;
        }
        verdict.map(|()| Self { pool })
    }
}

/// Made under another name and complete before it gets its own: a crash leaves no empty store behind. Without a log,
/// so that the one file is all there is to rename.
async fn create(path: &Path) -> Result<(), StoreError> {
    let nursery = file::nursery(path)?;
    let pool = connect(&nursery, SqliteJournalMode::Delete).await?;
    let migrated = MIGRATIONS.run(&pool).await;
    pool.close().await;
    migrated.map_err(|error| migration_failed(&nursery, error))?;
    file::publish(&nursery, path)
}

async fn connect(path: &Path, journal: SqliteJournalMode) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(journal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_PATIENCE);
    SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(QUEUE_PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
}

/// The copy of a damaged store is made while the connection is open: closing it may write.
async fn verify(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let findings: Vec<String> =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_all(pool).await.map_err(|e| refusal(path, e))?;
    if findings != ["ok"] {
        return Err(file::damaged(path, findings.join(", ")));
    }
    let application: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(pool).await.map_err(|e| refusal(path, e))?;
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign { path: path.to_owned() });
    }
    MIGRATIONS.run(pool).await.map_err(|error| migration_failed(path, error))
}

fn migration_failed(path: &Path, error: MigrateError) -> StoreError {
    if let MigrateError::VersionMissing(found) = error {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        return StoreError::Newer { path: path.to_owned(), found, known };
    }
    if let MigrateError::VersionMismatch(version) = error {
        return file::damaged(path, format!("its schema {version} is not the one of this program"));
    }
    if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
        return refusal(path, error);
    }
    StoreError::Sqlite(sqlx::Error::Migrate(Box::new(error)))
}

fn refusal(path: &Path, error: sqlx::Error) -> StoreError {
    if is_damage(&error) { file::damaged(path, error.to_string()) } else { error.into() }
}
