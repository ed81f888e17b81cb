//! Records: a Kademlia table of the members, each record offered to the owner before it is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use holloway_wire::NetworkId;
use libp2p::PeerId;
use libp2p::kad::store::{MemoryStore, MemoryStoreConfig, RecordStore};
use libp2p::kad::{self, BucketInserts, Caching, Mode, Quorum, Record, RecordKey, StoreInserts};

use crate::error::Error;
use crate::gossip;
use crate::limits::{KNOWN_PEERS_MAX, RECORD_BYTES_MAX, STORE_OFFERS_MAX};

pub(crate) type Records = kad::Behaviour<MemoryStore>;

/// A record nobody puts again is gone after this; its node puts it again three times within it.
const TTL: Duration = Duration::from_secs(3600);

/// The node that put a record hands it to the nodes now nearest this often, while it has not expired.
const PUBLICATION: Duration = Duration::from_secs(20 * 60);

/// Holders pass records on to nodes that have come nearer this often: half the publication interval.
const REPLICATION: Duration = Duration::from_secs(10 * 60);

/// One slow node must not hold up a lookup for the library's minute.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// The routing table looks for new nodes this often; members come to know each other by gossip anyway.
const BOOTSTRAP: Duration = Duration::from_secs(10 * 60);

/// A packet with twenty nodes of sixteen addresses each, or a record.
const PACKET_BYTES_MAX: usize = 32 * 1024;

pub(crate) fn behaviour(local: PeerId, network: &NetworkId) -> Result<Records, Error> {
    let mut config = kad::Config::new(gossip::network_protocol(network, "kad")?);
    config
        .set_query_timeout(QUERY_TIMEOUT)
        .set_record_ttl(Some(TTL))
        .set_publication_interval(Some(PUBLICATION))
        .set_replication_interval(Some(REPLICATION))
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(Some(BOOTSTRAP))
        .set_record_filtering(StoreInserts::FilterBoth)
        .set_kbucket_inserts(BucketInserts::Manual)
        .set_caching(Caching::Disabled)
        .set_max_packet_size(PACKET_BYTES_MAX);
    let store = MemoryStoreConfig {
        // One record a member, and the share of a small network in which everyone holds everything.
        max_records: KNOWN_PEERS_MAX,
        // The library's limit is the first size that is refused.
        max_value_bytes: RECORD_BYTES_MAX + 1,
        max_providers_per_key: 1,
        max_provided_keys: 1,
    };
    let mut records = Records::with_config(local, MemoryStore::with_config(local, store), config);
    // By itself the library would wait for proof that we can be reached from outside.
    records.set_mode(Some(Mode::Server));
    Ok(records)
}

/// Puts a record here and at the nodes nearest to its key.
pub(crate) fn put(records: &mut Records, key: [u8; 32], value: Vec<u8>, lifetime: Duration) {
    let mut record = Record::new(key.to_vec(), value);
    record.expires = Some(std::time::Instant::now() + lifetime.min(TTL));
    if let Err(error) = records.put_record(record, Quorum::One) {
        tracing::debug!(%error, "record not kept");
    }
}

pub(crate) fn key(key: [u8; 32]) -> RecordKey {
    RecordKey::new(&key)
}

/// Values that are enough to end a query early.
pub(crate) const VALUES_ENOUGH: usize = 3;

/// Records that members want us to hold, until the owner has looked at them.
#[derive(Default)]
pub(crate) struct Offers {
    next: u64,
    waiting: BTreeMap<u64, Record>,
}

impl Offers {
    /// Keeps a record for the owner's verdict; the oldest makes room. `None` when no owner could want it.
    pub(crate) fn add(&mut self, record: Record) -> Option<(u64, [u8; 32])> {
        let key = record.key.as_ref().try_into().ok()?;
        if record.value.len() > RECORD_BYTES_MAX {
            return None;
        }
        if self.waiting.len() >= STORE_OFFERS_MAX {
            self.waiting.pop_first();
        }
        self.next += 1;
        self.waiting.insert(self.next, record);
        Some((self.next, key))
    }

    pub(crate) fn take(&mut self, token: u64) -> Option<Record> {
        self.waiting.remove(&token)
    }
}

/// Keeps a record the owner has accepted.
pub(crate) fn store(records: &mut Records, record: Record) {
    if let Err(error) = records.store_mut().put(record) {
        tracing::debug!(%error, "record not stored");
    }
}
