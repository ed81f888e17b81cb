//! Opens the store, in a file or at a server.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{Any, AnyPool};

use super::error::ConsoleError;
use crate::store::Transaction;
use crate::store::file::{self, Found};

static SQLITE: Migrator = sqlx::migrate!("migrations/console/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/console/postgres");

/// Set by the first migration of the file.
const APPLICATION_ID: i64 = 1_213_156_419;

/// How long a question waits for a connection, and the server for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Questions that are answered at once; a file has one writer beside them.
const READERS: u32 = 3;
/// Connections to a server, which other machines use, too.
const SERVER_CONNECTIONS: u32 = 4;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// A file of this machine.
    Sqlite,
    /// A server.
    Postgres,
}

/// The store. Cheap to clone; all clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct ConsoleStore {
    pub(super) engine: Engine,
    pub(super) readers: AnyPool,
    writer: AnyPool,
    /// The row of this machine.
    pub(super) machine: i64,
}

impl ConsoleStore {
    /// Opens the store in a file, or makes a new one where there is none.
    ///
    /// # Errors
    /// Refuses a file that is empty, foreign, newer, or open to others; it is kept.
    pub(crate) async fn open_file(path: &Path, machine: &str) -> Result<Self, ConsoleError> {
        sqlx::any::install_default_drivers();
        if file::inspect(path)? == Found::Nothing {
            create(path).await?;
        }
        let writer = connect_file(path, 1, FILE_SETTINGS).await?;
        let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&writer).await?;
        if application != APPLICATION_ID {
            return Err(ConsoleError::Foreign(path.display().to_string()));
        }
        SQLITE.run(&writer).await?;
        let readers = connect_file(path, READERS, FILE_SETTINGS).await?;
        Self::as_machine(Engine::Sqlite, readers, writer, machine).await
    }

    /// Opens the store at a server; its tables are made where they are missing.
    ///
    /// # Errors
    /// Where the server cannot be reached, or lets nobody in.
    pub(crate) async fn open_server(url: &str, machine: &str) -> Result<Self, ConsoleError> {
        sqlx::any::install_default_drivers();
        let pool = connect(url, SERVER_CONNECTIONS, SERVER_SETTINGS).await?;
        POSTGRES.run(&pool).await?;
        Self::as_machine(Engine::Postgres, pool.clone(), pool, machine).await
    }

    async fn as_machine(
        engine: Engine,
        readers: AnyPool,
        writer: AnyPool,
        machine: &str,
    ) -> Result<Self, ConsoleError> {
        let row: i64 = sqlx::query_scalar(
            "INSERT INTO machine (key, name) VALUES ($1, '') ON CONFLICT (key) DO UPDATE SET key = excluded.key RETURNING id",
        )
        .bind(machine)
        .fetch_one(&writer)
        .await?;
        Ok(Self { engine, readers, writer, machine: row })
    }

    /// Begins to write.
    pub(super) async fn begin(&self) -> Result<Transaction<Any>, ConsoleError> {
        Ok(Transaction::begin(&self.writer, "BEGIN").await?)
    }

    /// Lets go of it.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

const FILE_SETTINGS: &[&str] = &[
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA journal_size_limit = 16777216",
];

/// Without a log, so that the one file is all there is to rename.
const NEW_FILE_SETTINGS: &[&str] = &["PRAGMA journal_mode = DELETE"];

/// A statement that takes longer is a fault to tell of.
const SERVER_SETTINGS: &[&str] = &["SET statement_timeout = '10s'", "SET lock_timeout = '5s'"];

/// Made under another name and complete before it gets its own.
async fn create(path: &Path) -> Result<(), ConsoleError> {
    let nursery = file::nursery(path)?;
    let pool = connect_file(&nursery, 1, NEW_FILE_SETTINGS).await?;
    let migrated = SQLITE.run(&pool).await;
    pool.close().await;
    migrated?;
    Ok(file::publish(&nursery, path)?)
}

async fn connect_file(
    path: &Path,
    connections: u32,
    settings: &'static [&'static str],
) -> Result<AnyPool, sqlx::Error> {
    connect(&file_url(path), connections, settings).await
}

async fn connect(url: &str, connections: u32, settings: &'static [&'static str]) -> Result<AnyPool, sqlx::Error> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                for setting in settings {
                    sqlx::query(*setting).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect(url)
        .await
}

/// The path as the driver wants it, whatever characters are in it.
fn file_url(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    path.as_os_str().as_bytes().iter().fold("sqlite://".to_owned(), |mut url, byte| {
        if is_plain(*byte) {
            url.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}
