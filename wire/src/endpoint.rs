use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use minicbor::{Decoder, Encoder};

use crate::error::DecodeError;
use crate::fields::{put, tuple};
use crate::relay_frame::RelayChannel;

/// Most endpoints of one node that are kept or tried: two address families, a few interfaces, a few observed mappings.
pub const ENDPOINTS_MAX: usize = 16;

/// Where a node's frames are sent in the underlay.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// Straight to a UDP address.
    Udp(SocketAddr),
    /// To a relay's UDP address, which passes it on.
    Relayed {
        /// Where the relay is.
        relay: SocketAddr,
        /// Our number for the peer there.
        channel: RelayChannel,
    },
}

impl Endpoint {
    /// The endpoint at an address; an IPv4-mapped IPv6 address becomes plain IPv4, so that each has one spelling.
    #[must_use]
    pub fn udp(address: SocketAddr) -> Self {
        Self::Udp(canonical(address))
    }

    /// The endpoint behind a relay.
    #[must_use]
    pub fn relayed(relay: SocketAddr, channel: RelayChannel) -> Self {
        Self::Relayed { relay: canonical(relay), channel }
    }

    /// The same endpoint in its one spelling.
    #[must_use]
    pub fn canonical(&self) -> Self {
        match self {
            Self::Udp(address) => Self::udp(*address),
            Self::Relayed { relay, channel } => Self::relayed(*relay, *channel),
        }
    }

    /// Whether a relay passes on what is sent there.
    #[must_use]
    pub const fn is_relayed(&self) -> bool {
        matches!(self, Self::Relayed { .. })
    }

    /// What is told to a peer that is seen here: its address, or for one behind a relay, of whom nothing is seen, none
    /// that can be dialled.
    #[must_use]
    pub const fn observed(&self) -> SocketAddr {
        match self {
            Self::Udp(address) => *address,
            Self::Relayed { .. } => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        }
    }

    /// The address that datagrams are handed to.
    #[must_use]
    pub const fn socket_addr(&self) -> SocketAddr {
        match self {
            Self::Udp(address) | Self::Relayed { relay: address, .. } => *address,
        }
    }

    /// Whether its address is inside an overlay (`fd42::/16`): a datagram from there has gone in a circle. A machine that
    /// has no other IPv6 address left sends from such a one.
    #[must_use]
    pub const fn is_inside_overlay(&self) -> bool {
        match self.socket_addr().ip() {
            IpAddr::V4(_) => false,
            IpAddr::V6(ip) => is_overlay(ip),
        }
    }

    /// Bytes that stand for the whole endpoint, for binding a cookie to it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let address = self.socket_addr();
        let mut bytes = ip_bytes(&address.ip());
        bytes.extend_from_slice(&address.port().to_be_bytes());
        if let Self::Relayed { channel, .. } = self {
            bytes.extend_from_slice(&channel.0.to_be_bytes());
        }
        bytes
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => fmt::Display::fmt(address, f),
            Self::Relayed { relay, channel } => write!(f, "{relay}/{channel:?}"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether an address that someone else named may be sent to at all: no loopback, multicast, unspecified, broadcast
/// or link-local address, no port 0, and nothing inside an overlay (`fd42::/16`), which would loop.
#[must_use]
pub fn is_dialable(address: &SocketAddr) -> bool {
    address.port() != 0
        && match address.ip().to_canonical() {
            IpAddr::V4(ip) => is_dialable_v4(ip),
            IpAddr::V6(ip) => is_dialable_v6(ip),
        }
}

fn is_dialable_v4(ip: Ipv4Addr) -> bool {
    !(ip.is_loopback() || ip.is_multicast() || ip.is_link_local() || ip.octets()[0] == 0 || ip.octets()[0] >= 240)
}

fn is_dialable_v6(ip: Ipv6Addr) -> bool {
    !(ip.is_loopback() || ip.is_multicast() || ip.is_unspecified() || ip.is_unicast_link_local() || is_overlay(ip))
}

/// Every network's prefix is in there.
const fn is_overlay(ip: Ipv6Addr) -> bool {
    ip.segments()[0] == 0xfd42
}

fn ip_bytes(ip: &IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(crate) fn write_socket_addr(e: &mut Encoder<Vec<u8>>, address: &SocketAddr) {
    put(e, |e| e.array(2)?.bytes(&ip_bytes(&address.ip()))?.u16(address.port()));
}

pub(crate) fn read_socket_addr(d: &mut Decoder<'_>) -> Result<SocketAddr, DecodeError> {
    tuple(d, 2)?;
    let octets = d.bytes()?;
    let ip = if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        IpAddr::V4(Ipv4Addr::from(v4))
    } else {
        canonical_v6(octets.try_into().map_err(|_| DecodeError::Value)?)?
    };
    Ok(SocketAddr::new(ip, d.u16()?))
}

fn canonical_v6(octets: [u8; 16]) -> Result<IpAddr, DecodeError> {
    let ip = Ipv6Addr::from(octets);
    if ip.to_ipv4_mapped().is_some() {
        return Err(DecodeError::NotCanonical);
    }
    Ok(IpAddr::V6(ip))
}
