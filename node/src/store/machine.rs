//! This machine: whether its networks run, and what it is called where several share a console.

use super::StoreError;
use super::open::Store;

impl Store {
    /// Whether the networks were left switched on; they are until somebody switches them off.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) async fn is_on(&self) -> Result<bool, StoreError> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT is_on FROM switch WHERE id = 1").fetch_optional(&self.pool).await?;
        Ok(found != Some(0))
    }

    /// Remembers how the switch stands.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub(crate) async fn keep_switch(&self, is_on: bool) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO switch (id, is_on) VALUES (1, $1)")
            .bind(i64::from(is_on))
            .execute(transaction.connection())
            .await?;
        Ok(transaction.commit().await?)
    }

    /// What tells this machine from others; the same for as long as the store lasts.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) async fn machine_key(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SELECT key FROM machine WHERE id = 1").fetch_one(&self.pool).await?)
    }
}
