use std::time::Duration;

use holloway_wire::{IdentityKey, Label, MembershipCertificate, NetworkId, NodeId, StaticSecret};

/// How sessions are kept. Each value has a legal range (ARCHITECTURE §5 "Times and limits"), checked by `config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Rotation starts when a session is this old: 1 s to 3600 s.
    pub rotate_after: Duration,
    /// Rotation starts after this many packets in either direction: 100 to 2^24.
    pub rotate_after_packets: u64,
    /// How far another's clock may be from ours: 1 s to 300 s.
    pub max_clock_skew: Duration,
    /// Which transport suites are offered.
    pub cipher: CipherChoice,
    /// The greatest inner MTU that is looked for, 1280 to 8940 bytes; `None` for as much as each path carries.
    pub path_mtu: Option<u16>,
    /// The program's version, told to peers.
    pub software: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rotate_after: Duration::from_secs(120),
            rotate_after_packets: 1 << 24,
            max_clock_skew: Duration::from_secs(60),
            cipher: CipherChoice::ChaCha20Poly1305,
            path_mtu: None,
            software: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// Which transport suites a node offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CipherChoice {
    /// AES-256-GCM with peers that offer it too: only where this processor has vector AES.
    VectorAes,
    /// ChaCha20-Poly1305 always.
    ChaCha20Poly1305,
}

/// Who this node is in one network. Holds secrets, so it has no `Debug`.
pub struct Identity {
    /// The network.
    pub network: NetworkId,
    /// The network's name here.
    pub network_label: Label,
    /// The identity key.
    pub key: IdentityKey,
    /// The Noise static key.
    pub static_key: StaticSecret,
    /// Our certificate and its parents, leaf first.
    pub chain: Vec<MembershipCertificate>,
}

impl Identity {
    /// This node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.key.node_id()
    }
}
