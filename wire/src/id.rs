use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use ipnet::Ipv6Net;

use crate::hash::{Digest, Domain};
use crate::keys::{KeyError, NodeId, base32, parse_base32};

/// A network's id: BLAKE2s-256 of its root public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId([u8; 32]);

impl NetworkId {
    /// The id of the network founded by `root`.
    #[must_use]
    pub fn of_root(root: &NodeId) -> Self {
        Self(Digest::of(Domain::Network, &[root.as_bytes()]).0)
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The network's /48: `fd42` (a locally assigned ULA prefix, RFC 4193) and the first 32 bits of the id.
    #[must_use]
    pub const fn prefix(&self) -> Prefix {
        Prefix([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkId({})", base32(&self.0[..5]))
    }
}

impl FromStr for NetworkId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        parse_base32(text).map(Self).ok_or(KeyError::Text)
    }
}

/// A network's overlay prefix, `fd42:xxxx:xxxx::/48`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix([u8; 4]);

impl Prefix {
    /// Length of the prefix in bits.
    pub const BITS: u8 = 48;

    /// The first address of the prefix.
    #[must_use]
    pub fn network(&self) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets[0] = 0xfd;
        octets[1] = 0x42;
        octets[2..6].copy_from_slice(&self.0);
        Ipv6Addr::from(octets)
    }

    /// The prefix as an IP network.
    #[must_use]
    pub fn to_net(self) -> Ipv6Net {
        Ipv6Net::new_assert(self.network(), Self::BITS)
    }

    /// Whether an address lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: &Ipv6Addr) -> bool {
        address.octets()[..6] == self.network().octets()[..6]
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), Self::BITS)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of key an overlay address is proven by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SubjectKind {
    /// A Holloway node; the key is its [`NodeId`].
    Node = 0,
}

/// A member's address in the overlay: the prefix and 80 bits of a hash of its key. Proven, never allocated.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OverlayAddr(Ipv6Addr);

impl OverlayAddr {
    /// The address of a node in a network.
    #[must_use]
    pub fn of_node(network: &NetworkId, node: &NodeId) -> Self {
        let digest = Digest::of(Domain::Address, &[network.as_bytes(), &[SubjectKind::Node as u8], node.as_bytes()]);
        let mut octets = network.prefix().network().octets();
        octets[6..].copy_from_slice(&digest.prefix::<10>());
        Self(Ipv6Addr::from(octets))
    }

    /// The address itself.
    #[must_use]
    pub const fn ip(&self) -> Ipv6Addr {
        self.0
    }
}

impl fmt::Display for OverlayAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for OverlayAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
