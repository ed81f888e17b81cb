//! The networks that this machine is in.

use std::collections::BTreeSet;

use holloway_mesh::Write;
use holloway_wire::{
    Bootstrap, Label, MembershipCertificate, NetworkId, UnixTime, decode_certificates, encode_certificates,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::StoreError;
use super::open::Store;
use super::state::apply;

/// Names one network in the store; never used again after the network was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NetworkKey(pub(super) i64);

/// How this machine came to be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It founded the network.
    Founded,
    /// It redeemed an invite.
    Joined,
}

/// Ports and interface that were free once and are asked for again, so that other machines and firewalls can rely on
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The interface.
    pub(crate) interface: Option<String>,
    /// UDP port of the data path.
    pub(crate) data_port: Option<u16>,
    /// TCP port of control.
    pub(crate) control_tcp: Option<u16>,
    /// UDP port of control over QUIC.
    pub(crate) control_quic: Option<u16>,
}

/// A network to be remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewNetwork {
    /// Its label on this machine.
    pub(crate) label: Label,
    /// Its id.
    pub(crate) network: NetworkId,
    /// How this machine came to be a member.
    pub(crate) origin: Origin,
    /// Since when.
    pub(crate) since: UnixTime,
    /// Where other members may be found.
    pub(crate) bootstrap: Vec<Bootstrap>,
    /// Our certificate and its parents, leaf first.
    pub(crate) chain: Vec<MembershipCertificate>,
}

/// A network that this machine is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Its key here.
    pub(crate) key: NetworkKey,
    /// Its place among the networks, from 0: the smallest that was free. The first gets the default ports.
    pub(crate) position: usize,
    /// Its label on this machine.
    pub(crate) label: Label,
    /// Its id.
    pub(crate) network: NetworkId,
    /// How this machine came to be a member.
    pub(crate) origin: Origin,
    /// Since when.
    pub(crate) since: UnixTime,
    /// What was chosen for it.
    pub(crate) chosen: Chosen,
    /// Where other members may be found.
    pub(crate) bootstrap: Vec<Bootstrap>,
    /// Our certificate and its parents, leaf first.
    pub(crate) chain: Vec<MembershipCertificate>,
}

impl Store {
    /// All networks, in the order of their positions.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) async fn networks(&self) -> Result<Vec<Network>, StoreError> {
        let mut transaction = self.begin().await?;
        let networks = all(transaction.connection()).await?;
        transaction.commit().await?;
        Ok(networks)
    }

    /// The position that the next network will get.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) async fn next_position(&self) -> Result<usize, StoreError> {
        Ok(free_position(&self.networks().await?))
    }

    /// Remembers a network and, in the same transaction, its first state.
    ///
    /// # Errors
    /// Refuses a label, network or prefix that is there already; then nothing has changed.
    pub(crate) async fn add_network(&self, new: NewNetwork, writes: &[Write]) -> Result<Network, StoreError> {
        let mut transaction = self.begin().await?;
        let known = all(transaction.connection()).await?;
        check_is_new(&new, &known)?;
        let position = free_position(&known);
        let key = insert(transaction.connection(), &new, position).await?;
        insert_bootstrap(transaction.connection(), key, &new.bootstrap).await?;
        for write in writes {
            apply(transaction.connection(), key, write).await?;
        }
        transaction.commit().await?;
        let NewNetwork { label, network, origin, since, bootstrap, chain } = new;
        Ok(Network { key, position, label, network, origin, since, chosen: Chosen::default(), bootstrap, chain })
    }

    /// Forgets a network with everything about it except events. Forgetting it twice is harmless.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub(crate) async fn remove_network(&self, key: NetworkKey) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM network WHERE id = $1").bind(key.0).execute(&self.pool).await?;
        Ok(())
    }

    /// Remembers ports and interface.
    ///
    /// # Errors
    /// Where the network is gone or the store cannot be written.
    pub(crate) async fn remember_chosen(&self, key: NetworkKey, chosen: &Chosen) -> Result<(), StoreError> {
        let done = sqlx::query(
            "UPDATE network SET interface = $2, data_port = $3, control_tcp = $4, control_quic = $5 WHERE id = $1",
        )
        .bind(key.0)
        .bind(chosen.interface.as_deref())
        .bind(chosen.data_port)
        .bind(chosen.control_tcp)
        .bind(chosen.control_quic)
        .execute(&self.pool)
        .await?;
        must_exist(done.rows_affected())
    }
}

fn check_is_new(new: &NewNetwork, known: &[Network]) -> Result<(), StoreError> {
    for network in known {
        let label = network.label.clone();
        if network.network == new.network {
            return Err(StoreError::NetworkKnown(label));
        }
        if network.label == new.label {
            return Err(StoreError::LabelTaken(label));
        }
        if network.network.prefix() == new.network.prefix() {
            return Err(StoreError::PrefixTaken(label));
        }
    }
    Ok(())
}

fn free_position(known: &[Network]) -> usize {
    let taken: BTreeSet<usize> = known.iter().map(|network| network.position).collect();
    (0..).find(|position| !taken.contains(position)).expect("fewer networks than integers")
}

async fn insert(
    connection: &mut SqliteConnection,
    new: &NewNetwork,
    position: usize,
) -> Result<NetworkKey, StoreError> {
    let done = sqlx::query(
        "INSERT INTO network (position, label, network_id, origin, since, chain) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(i64::try_from(position).expect("a position is a small number"))
    .bind(new.label.as_str())
    .bind(new.network.as_bytes().as_slice())
    .bind(new.origin.as_text())
    .bind(new.since.as_nanos().cast_signed())
    .bind(encode_certificates(&new.chain))
    .execute(connection)
    .await?;
    Ok(NetworkKey(done.last_insert_rowid()))
}

async fn insert_bootstrap(
    connection: &mut SqliteConnection,
    key: NetworkKey,
    bootstrap: &[Bootstrap],
) -> Result<(), StoreError> {
    for (ordinal, address) in (0i64..).zip(bootstrap) {
        sqlx::query("INSERT INTO bootstrap (network, ordinal, host, tcp, quic) VALUES ($1, $2, $3, $4, $5)")
            .bind(key.0)
            .bind(ordinal)
            .bind(&address.host)
            .bind(address.tcp)
            .bind(address.quic)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn all(connection: &mut SqliteConnection) -> Result<Vec<Network>, StoreError> {
    let rows = sqlx::query("SELECT * FROM network ORDER BY position").fetch_all(&mut *connection).await?;
    let mut networks = Vec::with_capacity(rows.len());
    for row in rows {
        let mut network = read(&row)?;
        network.bootstrap = read_bootstrap(connection, network.key).await?;
        networks.push(network);
    }
    Ok(networks)
}

fn read(row: &SqliteRow) -> Result<Network, StoreError> {
    let unreadable = || StoreError::Unreadable { what: "a network" };
    let id: Vec<u8> = row.try_get("network_id")?;
    let position: i64 = row.try_get("position")?;
    let label: &str = row.try_get("label")?;
    let origin: &str = row.try_get("origin")?;
    let chain: &[u8] = row.try_get("chain")?;
    Ok(Network {
        key: NetworkKey(row.try_get("id")?),
        position: usize::try_from(position).map_err(|_| unreadable())?,
        label: label.parse().map_err(|_| unreadable())?,
        network: NetworkId::from_bytes(id.try_into().map_err(|_| unreadable())?),
        origin: Origin::from_text(origin).ok_or_else(unreadable)?,
        since: UnixTime::from_nanos(row.try_get::<i64, _>("since")?.cast_unsigned()),
        chosen: Chosen {
            interface: row.try_get("interface")?,
            data_port: row.try_get("data_port")?,
            control_tcp: row.try_get("control_tcp")?,
            control_quic: row.try_get("control_quic")?,
        },
        bootstrap: Vec::new(),
        chain: decode_certificates(chain).map_err(|_| StoreError::Unreadable { what: "a certificate chain" })?,
    })
}

async fn read_bootstrap(connection: &mut SqliteConnection, key: NetworkKey) -> Result<Vec<Bootstrap>, StoreError> {
    let rows: Vec<(String, u16, u16)> =
        sqlx::query_as("SELECT host, tcp, quic FROM bootstrap WHERE network = $1 ORDER BY ordinal")
            .bind(key.0)
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(host, tcp, quic)| Bootstrap { host, tcp, quic }).collect())
}

fn must_exist(rows: u64) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::UnknownNetwork) } else { Ok(()) }
}

impl Origin {
    const fn as_text(self) -> &'static str {
        match self {
            Self::Founded => "founded",
            Self::Joined => "joined",
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        [Self::Founded, Self::Joined].into_iter().find(|origin| origin.as_text() == text)
    }
}
