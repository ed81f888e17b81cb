use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use minicbor::{Decoder, Encoder};

use crate::error::DecodeError;
use crate::fields::{put, text, tuple};

/// Longest host name (RFC 1035 §2.3.4).
const HOST_LEN_MAX: usize = 253;

/// Where a newcomer finds the issuer's control plane: an IP address or a host name, and its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// An IP address or a DNS name.
    pub host: String,
    /// The TCP port.
    pub tcp: u16,
    /// The QUIC (UDP) port.
    pub quic: u16,
}

impl Bootstrap {
    /// Default TCP port of the control plane (INTERFACE.md).
    pub const TCP_PORT: u16 = 42042;
    /// Default QUIC port of the control plane (INTERFACE.md).
    pub const QUIC_PORT: u16 = 42043;

    /// The addresses if the host is an IP address: TCP, QUIC.
    #[must_use]
    pub fn socket_addrs(&self) -> Option<(SocketAddr, SocketAddr)> {
        let ip: IpAddr = self.host.parse().ok()?;
        Some((SocketAddr::new(ip, self.tcp), SocketAddr::new(ip, self.quic)))
    }

    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.array(3)?.str(&self.host)?.u16(self.tcp)?.u16(self.quic));
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 3)?;
        let host = text(HOST_LEN_MAX)(d)?;
        if !is_host(&host) {
            return Err(DecodeError::Value);
        }
        Ok(Self { host, tcp: d.u16()?, quic: d.u16()? })
    }
}

/// Reads `host`, `host:port`, `[v6]:port` or a bare IPv6 address. A given port is the TCP port; QUIC is one above, as
/// in the defaults.
impl FromStr for Bootstrap {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self { host: ip.to_string(), tcp: Self::TCP_PORT, quic: Self::QUIC_PORT });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| DecodeError::Value)?),
            None => (text, Self::TCP_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if !is_host(host) || port == 0 {
            return Err(DecodeError::Value);
        }
        let host = host.parse::<IpAddr>().map_or_else(|_| host.to_ascii_lowercase(), |ip| ip.to_string());
        Ok(Self { host, tcp: port, quic: port.checked_add(1).ok_or(DecodeError::Value)? })
    }
}

impl fmt::Display for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<IpAddr>() {
            Ok(ip) => write!(f, "{}", SocketAddr::new(ip, self.tcp)),
            Err(_) => write!(f, "{}:{}", self.host, self.tcp),
        }
    }
}

fn is_host(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= HOST_LEN_MAX && host.trim_end_matches('.').split('.').all(is_label)
}
