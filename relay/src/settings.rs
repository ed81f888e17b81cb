use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{IdentityKey, Label, NetworkId, NodeId, Place};

/// Who the relay is, and in which network.
pub struct Identity {
    /// The network.
    pub network: NetworkId,
    /// The member's own key, which signs the announcements.
    pub key: IdentityKey,
    /// Its name.
    pub name: Label,
}

impl Identity {
    /// The relay's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.key.node_id()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("network", &self.network).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Bytes in a second that make one megabit a second.
pub const BYTES_PER_MEGABIT: u64 = 125_000;

/// What an operator decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Members registered at once.
    pub members_max: usize,
    /// What one member may send through the relay, in bytes a second.
    pub rate_bytes: u64,
    /// What it may send at once, in bytes.
    pub burst_bytes: u64,
    /// What one member may send in a month, in bytes.
    pub month_bytes_max: Option<u64>,
    /// What the relay can pass on, in megabits a second: it says so, and its load is a share of it.
    pub capacity_mbps: u32,
    /// Where it stands, in words; may be empty.
    pub region: String,
    /// Where it stands on the globe.
    pub place: Option<Place>,
    /// Where it takes datagrams.
    pub endpoints: Vec<SocketAddr>,
    /// The TCP port where it takes streams.
    pub stream_port: Option<u16>,
    /// The program's version, for people.
    pub software: String,
}

impl Settings {
    /// What the relay can pass on, in bytes a second.
    pub(crate) fn capacity_bytes(&self) -> u64 {
        u64::from(self.capacity_mbps) * BYTES_PER_MEGABIT
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            members_max: 10_000,
            rate_bytes: 20_000_000,
            burst_bytes: 2_000_000,
            month_bytes_max: None,
            capacity_mbps: 1_000,
            region: String::new(),
            place: None,
            endpoints: Vec::new(),
            stream_port: None,
            software: String::new(),
        }
    }
}

/// A registration lasts this long without a sign of life: members ping every 20 s, so three pings may be lost.
pub(crate) const LIFETIME: Duration = Duration::from_secs(90);
