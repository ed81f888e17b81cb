//! What one network's machine keeps across restarts: ledger, publications, block-list.

use holloway_mesh::{Invite, InviteState, Persisted, Stored, Write};
use holloway_wire::{InviteId, Label, NodeId, Publication, PublicationKind, PublicationSlot, Rights, UnixTime};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::StoreError;
use super::networks::NetworkKey;
use super::open::Store;

/// The state of one network as it was written.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// What could be read.
    pub(crate) stored: Stored,
    /// Publications that could not and were left out: other members have them.
    pub(crate) skipped: usize,
}

impl Store {
    /// Reads a network's state. A publication that cannot be read is left out and counted, as other members have it;
    /// a revocation, an invite or a block-list entry that cannot be read is a refusal, as forgetting it would let
    /// somebody in.
    ///
    /// # Errors
    /// Where such a row, or the store, cannot be read.
    pub(crate) async fn load(&self, network: NetworkKey) -> Result<Loaded, StoreError> {
        let mut transaction = self.begin().await?;
        check_network(transaction.connection(), network).await?;
        let invites = read_invites(transaction.connection(), network).await?;
        let blocked = read_blocked(transaction.connection(), network).await?;
        let (publications, skipped) = read_publications(transaction.connection(), network).await?;
        transaction.commit().await?;
        Ok(Loaded { stored: Stored { invites, publications, blocked }, skipped })
    }

    /// Writes all of these or none; they are on the disk when this returns `Ok`.
    ///
    /// # Errors
    /// Why nothing was written, in words.
    pub(crate) async fn write(&self, network: NetworkKey, writes: Vec<Write>) -> Persisted {
        self.write_all(network, &writes).await.map_err(|error| error.to_string())
    }

    async fn write_all(&self, network: NetworkKey, writes: &[Write]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        check_network(transaction.connection(), network).await?;
        for write in writes {
            apply(transaction.connection(), network, write).await?;
        }
        Ok(transaction.commit().await?)
    }
}

/// Refuses to read or write the state of a network that was left.
pub(super) async fn check_network(connection: &mut SqliteConnection, network: NetworkKey) -> Result<(), StoreError> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT id FROM network WHERE id = $1").bind(network.0).fetch_optional(connection).await?;
    found.map(|_| ()).ok_or(StoreError::UnknownNetwork)
}

/// Applies one change within the caller's transaction.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    network: NetworkKey,
    write: &Write,
) -> Result<(), StoreError> {
    match write {
        Write::Invite(invite) => write_invite(connection, network, invite).await,
        Write::Publication(slot, bytes) => write_publication(connection, network, slot, bytes).await,
        Write::Block(node) => block(connection, network, node).await,
        Write::Unblock(node) => unblock(connection, network, node).await,
    }
}

async fn write_invite(
    connection: &mut SqliteConnection,
    network: NetworkKey,
    invite: &Invite,
) -> Result<(), StoreError> {
    let (state, owner, approved) = match &invite.state {
        InviteState::Unspent => ("unspent", None, None),
        InviteState::Approved(node) => ("unspent", None, Some(node.as_bytes().as_slice())),
        InviteState::Spent(owner) => ("spent", Some(owner.as_bytes().as_slice()), None),
        InviteState::Withdrawn => ("withdrawn", None, None),
    };
    sqlx::query(
        "INSERT OR REPLACE INTO invite
         (network, id, label, rights, groups, created, expires, state, redeemed_by, needs_approval, approved)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(network.0)
    .bind(invite.id.as_bytes().as_slice())
    .bind(invite.label.as_ref().map(Label::as_str))
    .bind(invite.rights.bits())
    .bind(serde_json::to_string(&invite.groups).expect("a list of strings is JSON"))
    .bind(invite.created.as_nanos().cast_signed())
    .bind(invite.expires.as_nanos().cast_signed())
    .bind(state)
    .bind(owner)
    .bind(invite.needs_approval)
    .bind(approved)
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_publication(
    connection: &mut SqliteConnection,
    network: NetworkKey,
    slot: &PublicationSlot,
    bytes: &[u8],
) -> Result<(), StoreError> {
    let signer = slot.signer.as_ref().map_or(&[][..], |signer| signer.as_bytes());
    sqlx::query(
        "INSERT OR REPLACE INTO publication (network, kind, subject, signer, bytes) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(network.0)
    .bind(slot.kind as u8)
    .bind(slot.subject.as_bytes().as_slice())
    .bind(signer)
    .bind(bytes)
    .execute(connection)
    .await?;
    Ok(())
}

async fn block(connection: &mut SqliteConnection, network: NetworkKey, node: &NodeId) -> Result<(), StoreError> {
    sqlx::query("INSERT OR IGNORE INTO blocked (network, node) VALUES ($1, $2)")
        .bind(network.0)
        .bind(node.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

async fn unblock(connection: &mut SqliteConnection, network: NetworkKey, node: &NodeId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM blocked WHERE network = $1 AND node = $2")
        .bind(network.0)
        .bind(node.as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(())
}

async fn read_invites(connection: &mut SqliteConnection, network: NetworkKey) -> Result<Vec<Invite>, StoreError> {
    let rows = sqlx::query("SELECT * FROM invite WHERE network = $1").bind(network.0).fetch_all(connection).await?;
    rows.iter().map(read_invite).collect()
}

fn read_invite(row: &SqliteRow) -> Result<Invite, StoreError> {
    let unreadable = || StoreError::Unreadable { what: "an invite" };
    let id: Vec<u8> = row.try_get("id")?;
    let label: Option<&str> = row.try_get("label")?;
    let groups: &str = row.try_get("groups")?;
    Ok(Invite {
        id: InviteId::from_bytes(id.try_into().map_err(|_| unreadable())?),
        label: label.map(str::parse).transpose().map_err(|_| unreadable())?,
        rights: Rights::from_bits(row.try_get("rights")?).map_err(|_| unreadable())?,
        groups: serde_json::from_str(groups).map_err(|_| unreadable())?,
        created: UnixTime::from_nanos(row.try_get::<i64, _>("created")?.cast_unsigned()),
        expires: UnixTime::from_nanos(row.try_get::<i64, _>("expires")?.cast_unsigned()),
        state: read_invite_state(row)?.ok_or_else(unreadable)?,
        needs_approval: row.try_get("needs_approval")?,
    })
}

fn read_invite_state(row: &SqliteRow) -> Result<Option<InviteState>, StoreError> {
    let owner: Option<&[u8]> = row.try_get("redeemed_by")?;
    let approved: Option<&[u8]> = row.try_get("approved")?;
    let state: &str = row.try_get("state")?;
    Ok(match (state, owner, approved) {
        ("unspent", None, None) => Some(InviteState::Unspent),
        ("unspent", None, Some(approved)) => node_id(approved).map(InviteState::Approved),
        ("withdrawn", None, None) => Some(InviteState::Withdrawn),
        ("spent", Some(owner), None) => node_id(owner).map(InviteState::Spent),
        _ => None,
    })
}

async fn read_blocked(connection: &mut SqliteConnection, network: NetworkKey) -> Result<Vec<NodeId>, StoreError> {
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT node FROM blocked WHERE network = $1 ORDER BY node")
        .bind(network.0)
        .fetch_all(connection)
        .await?;
    let unreadable = || StoreError::Unreadable { what: "an entry of the block-list" };
    rows.iter().map(|bytes| node_id(bytes).ok_or_else(unreadable)).collect()
}

async fn read_publications(
    connection: &mut SqliteConnection,
    network: NetworkKey,
) -> Result<(Vec<Publication>, usize), StoreError> {
    let rows: Vec<(u8, Vec<u8>)> =
        sqlx::query_as("SELECT kind, bytes FROM publication WHERE network = $1 ORDER BY kind, subject, signer")
            .bind(network.0)
            .fetch_all(connection)
            .await?;
    let (mut publications, mut skipped) = (Vec::with_capacity(rows.len()), 0);
    for (kind, bytes) in rows {
        match Publication::decode(&bytes) {
            Ok(publication) if publication.kind() as u8 == kind => publications.push(publication),
            _ if kind == PublicationKind::Revocation as u8 => {
                return Err(StoreError::Unreadable { what: "a revocation" });
            }
            Ok(_) | Err(_) => skipped += 1,
        }
    }
    Ok((publications, skipped))
}

fn node_id(bytes: &[u8]) -> Option<NodeId> {
    NodeId::from_bytes(bytes.try_into().ok()?).ok()
}
