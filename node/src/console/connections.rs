//! Connections, read back.

use holloway_dashboard::api::{Connection, Connections, PageQuery, PathKind, SchemaVersion};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::ConsoleError;
use super::history::{Page, time_text};
use super::open::ConsoleStore;

impl ConsoleStore {
    /// A page of connections, newest first.
    pub(super) async fn connections(&self, query: &PageQuery) -> Result<Connections, ConsoleError> {
        let page = Page::of(query);
        let rows = sqlx::query(
            "SELECT connection.id, network.label AS network, machine.name AS observer, node.name, node.node_id,
                 connection.path, connection.via, connection.began, connection.ended, connection.rx_bytes,
                 connection.tx_bytes
             FROM connection JOIN node ON node.id = connection.node JOIN network ON network.id = node.network
                 JOIN machine ON machine.id = connection.machine
             WHERE connection.id < $1 AND ($2 = '' OR network.label = $3) AND ($4 = '' OR node.node_id = $5)
             ORDER BY connection.id DESC LIMIT $6",
        )
        .bind(page.before)
        .bind(query.network.clone().unwrap_or_default())
        .bind(query.network.clone().unwrap_or_default())
        .bind(query.node_id.clone().unwrap_or_default())
        .bind(query.node_id.clone().unwrap_or_default())
        .bind(page.limit)
        .fetch_all(&self.readers)
        .await?;
        let connections = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = page.next(connections.iter().map(|connection| connection.id));
        Ok(Connections { schema: SchemaVersion, connections, next })
    }
}

fn read(row: &AnyRow) -> Result<Connection, ConsoleError> {
    let path: String = row.try_get("path")?;
    let unsigned = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    Ok(Connection {
        id: unsigned("id")?,
        network: row.try_get("network")?,
        observer: row.try_get("observer")?,
        name: row.try_get("name")?,
        node_id: row.try_get("node_id")?,
        path: if path == "relay" { PathKind::Relay } else { PathKind::Direct },
        by: row.try_get("via")?,
        began: time_text(row.try_get("began")?),
        ended: row.try_get::<Option<i64>, _>("ended")?.map(time_text),
        rx_bytes: unsigned("rx_bytes")?,
        tx_bytes: unsigned("tx_bytes")?,
    })
}
