use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{IdentityKey, NetworkId};
use libp2p::identity::Keypair;

use crate::limits::{HELLO_LIMITS, REDEEM_LIMITS};
use crate::quota::StrangerLimits;

/// Where to listen. Port 0 lets the system choose; [`Event::Listening`](crate::Event::Listening) tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listen {
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// QUIC addresses.
    pub quic: Vec<SocketAddr>,
}

/// What strangers may ask, by channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// On the hello channel: 32 at once and 240 a minute from one prefix, 256 at once in all.
    pub hello: StrangerLimits,
    /// On the redeem channel: 8 at once and 30 a minute from one prefix, 64 at once in all.
    pub redeem: StrangerLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self { hello: HELLO_LIMITS, redeem: REDEEM_LIMITS }
    }
}

/// Everything the control plane of one network needs to know.
pub struct Settings {
    pub(crate) keypair: Keypair,
    pub(crate) network: NetworkId,
    /// Where to listen.
    pub listen: Listen,
    /// How long an address may still be held when listening begins; zero makes that an error at once. A control plane
    /// that has ended holds its QUIC port while connections drain and dials time out: 5 s and three probe timeouts
    /// (RFC 9000 §10.2), three seconds more where no round trip was measured.
    pub listen_patience: Duration,
    /// Whether to look for nodes on the local network by mDNS, and to be found there.
    pub mdns: bool,
    /// What strangers may ask.
    pub limits: Limits,
}

impl Settings {
    /// Settings of a node that listens nowhere, does not look around, and has the usual limits.
    #[must_use]
    pub fn new(identity: &IdentityKey, network: NetworkId) -> Self {
        let keypair = Keypair::ed25519_from_bytes(identity.to_bytes().as_mut_slice())
            .expect("32 bytes are an Ed25519 secret key");
        Self {
            keypair,
            network,
            listen: Listen::default(),
            listen_patience: Duration::ZERO,
            mdns: false,
            limits: Limits::default(),
        }
    }
}
