//! What members have sent through this machine's relay, for caps that last a month.

use holloway_relay::{Month, Usage};
use holloway_wire::NodeId;
use sqlx::Row;

use super::StoreError;
use super::networks::NetworkKey;
use super::open::Store;
use super::state::check_network;

impl Store {
    /// Keeps what these members have sent, in place of what was kept of them.
    ///
    /// # Errors
    /// When the store cannot be written, or the network was left.
    pub(crate) async fn keep_relay_usage(&self, network: NetworkKey, usage: &[Usage]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        check_network(transaction.connection(), network).await?;
        for Usage { node, month, sent_bytes } in usage {
            sqlx::query("INSERT OR REPLACE INTO relay_usage (network, node, month, bytes) VALUES ($1, $2, $3, $4)")
                .bind(network.0)
                .bind(node.as_bytes().as_slice())
                .bind(month.0)
                .bind(i64::try_from(*sent_bytes).unwrap_or(i64::MAX))
                .execute(transaction.connection())
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What was kept of all members. Rows that cannot be read are left out: nobody is worse off.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn relay_usage(&self, network: NetworkKey) -> Result<Vec<Usage>, StoreError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query("SELECT node, month, bytes FROM relay_usage WHERE network = $1")
            .bind(network.0)
            .fetch_all(transaction.connection())
            .await?;
        transaction.commit().await?;
        let usage = rows.iter().filter_map(|row| {
            let node: [u8; 32] = row.try_get::<Vec<u8>, _>(0).ok()?.try_into().ok()?;
            Some(Usage {
                node: NodeId::from_bytes(node).ok()?,
                month: Month(row.try_get(1).ok()?),
                sent_bytes: row.try_get::<i64, _>(2).ok()?.cast_unsigned(),
            })
        });
        Ok(usage.collect())
    }
}
