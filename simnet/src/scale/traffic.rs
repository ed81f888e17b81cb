use std::ops::{Index, IndexMut};

/// IPv4 and UDP headers.
const DATAGRAM_OVERHEAD: usize = 28;

/// Where the tag of a relay message is: after the header, the map's head and the tag's key.
const TAG_AT: usize = 6;

/// What bytes are spent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Members and relays: register, challenge, answer, registered.
    Registering,
    /// Members and relays: ping, pong.
    Pings,
    /// Relays and relays: both.
    Links,
    /// Channels and circuits.
    Binds,
    /// Announcements of relays, as every node gets and passes them on.
    RelayGossip,
    /// Announcements of endpoints, where everyone is told.
    EndpointGossip,
    /// What gossipsub says of messages that it has, to those it does not send them to.
    GossipIds,
    /// Records put, republished and replicated.
    DhtPuts,
    /// Records looked up.
    DhtLookups,
    /// Connections opened for either.
    DhtDials,
}

impl Kind {
    /// All, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Registering,
        Self::Pings,
        Self::Links,
        Self::Binds,
        Self::RelayGossip,
        Self::EndpointGossip,
        Self::GossipIds,
        Self::DhtPuts,
        Self::DhtLookups,
        Self::DhtDials,
    ];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registering => "registering",
            Self::Pings => "pings",
            Self::Links => "links",
            Self::Binds => "binds",
            Self::RelayGossip => "relay gossip",
            Self::EndpointGossip => "endpoint gossip",
            Self::GossipIds => "gossip ids",
            Self::DhtPuts => "dht puts",
            Self::DhtLookups => "dht lookups",
            Self::DhtDials => "dht dials",
        }
    }

    /// What a datagram between a relay and a member, or another relay, is for.
    pub(super) fn of(datagram: &[u8], is_between_relays: bool) -> Self {
        match datagram.get(TAG_AT) {
            Some(1 | 2 | 3 | 0x10..=0x13) if is_between_relays => Self::Links,
            Some(1 | 2 | 0x10..=0x12) => Self::Registering,
            Some(3 | 0x13) => Self::Pings,
            _ => Self::Binds,
        }
    }
}

/// Bytes by what they are spent on, each counted once, where it is sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic([f64; Kind::ALL.len()]);

impl Traffic {
    pub(super) fn datagram(&mut self, kind: Kind, bytes: usize) {
        self[kind] += (bytes + DATAGRAM_OVERHEAD) as f64;
    }

    /// The same for each of so many.
    pub(super) fn divided(&self, by: f64) -> Self {
        Self(self.0.map(|bytes| bytes / by))
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

impl Index<Kind> for Traffic {
    type Output = f64;

    fn index(&self, kind: Kind) -> &f64 {
        &self.0[kind as usize]
    }
}

impl IndexMut<Kind> for Traffic {
    fn index_mut(&mut self, kind: Kind) -> &mut f64 {
        &mut self.0[kind as usize]
    }
}
