use std::fmt;
use std::net::{IpAddr, SocketAddr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// How a connection is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP with Noise and Yamux.
    Tcp,
    /// QUIC version 1 (RFC 9000).
    Quic,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Quic => "quic",
        })
    }
}

/// Where a node's control plane may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialAddr {
    /// Address and port.
    pub address: SocketAddr,
    /// What is spoken there.
    pub transport: Transport,
}

impl DialAddr {
    /// A TCP address.
    #[must_use]
    pub const fn tcp(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Tcp }
    }

    /// A QUIC address.
    #[must_use]
    pub const fn quic(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Quic }
    }

    pub(crate) fn to_multiaddr(self) -> Multiaddr {
        let base = Multiaddr::empty().with(Protocol::from(self.address.ip()));
        match self.transport {
            Transport::Tcp => base.with(Protocol::Tcp(self.address.port())),
            Transport::Quic => base.with(Protocol::Udp(self.address.port())).with(Protocol::QuicV1),
        }
    }
}

impl fmt::Display for DialAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.transport)
    }
}

/// Reads an address of the two kinds we speak, with or without the peer id at its end.
#[expect(clippy::wildcard_enum_match_arm, reason = "libp2p has forty protocols, we speak these")]
pub(crate) fn parse(address: &Multiaddr) -> Option<(SocketAddr, Transport)> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let (port, transport) = match parts.next()? {
        Protocol::Tcp(port) => (port, Transport::Tcp),
        Protocol::Udp(port) if matches!(parts.next()?, Protocol::QuicV1) => (port, Transport::Quic),
        _ => return None,
    };
    match parts.next() {
        None | Some(Protocol::P2p(_)) => Some((SocketAddr::new(ip, port), transport)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_to_libp2p_and_back() {
        for text in ["192.0.2.1:7", "[2001:db8::1]:65535"] {
            let address = text.parse().unwrap();
            for dial in [DialAddr::tcp(address), DialAddr::quic(address)] {
                assert_eq!(parse(&dial.to_multiaddr()), Some((dial.address, dial.transport)));
            }
        }
    }

    #[test]
    fn other_kinds_of_addresses_are_not_read() {
        for text in ["/dns4/example.org/tcp/1", "/ip4/192.0.2.1/udp/1", "/ip4/192.0.2.1/tcp/1/ws", "/ip4/192.0.2.1"] {
            assert_eq!(parse(&text.parse().unwrap()), None, "{text}");
        }
    }
}
