use holloway_dashboard::api::{ApiError, ErrorCode};

use crate::store::StoreError;

/// Why the console's store could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConsoleError {
    /// The file is not as it should be.
    #[error("{}", .0.to_string().replace("holloway.db", "console.db"))]
    File(#[from] StoreError),
    /// The database says no, or nothing.
    #[error("the console's store failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Its schema cannot be brought up to date.
    #[error("the schema of the console's store cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row says something that cannot be.
    #[error("the console's store holds {0} that cannot be read")]
    Unreadable(&'static str),
    /// The database is none of ours.
    #[error("{0} is a database, but not one of holloway's console; move it away")]
    Foreign(String),
    /// A password could not be made into what is kept of it.
    #[error("the password cannot be kept: {0}")]
    Password(String),
}

impl From<ConsoleError> for ApiError {
    fn from(error: ConsoleError) -> Self {
        Self::new(ErrorCode::Internal, error.to_string()).with_hint("see [dashboard] store in holloway.toml")
    }
}
