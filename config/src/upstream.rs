//! Where questions outside `.alt` go. Parses addresses; never resolves or connects.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// The port of plain DNS.
const DNS_PORT: u16 = 53;
/// The port of DNS over TLS (RFC 7858).
const DNS_OVER_TLS_PORT: u16 = 853;

/// Who answers what is not `.alt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// The resolvers that the system used before us.
    System,
    /// Ourselves, from the root down.
    Recursive,
    /// These servers, in this order.
    Servers(Vec<DnsServer>),
}

/// One server to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub transport: DnsTransport,
}

/// How a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsTransport {
    /// UDP, and TCP where the answer does not fit.
    Plain,
    /// TLS; the certificate must be for this name or address.
    Tls {
        /// What the certificate must say.
        certificate_name: String,
    },
}

/// What [`DnsServer`] takes, for messages.
pub(crate) const LEGAL_SERVER: &str =
    "an address such as \"9.9.9.9\", \"9.9.9.9:53\", \"[2620:fe::fe]:53\" or \"tls://9.9.9.9#dns.quad9.net\"";

impl FromStr for DnsServer {
    type Err = &'static str;

    /// Reads `ADDRESS[:PORT]` or `tls://ADDRESS[:PORT][#NAME]`. A server is named by address: a name would have to be
    /// resolved by the very server it names.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some(rest) = text.strip_prefix("tls://") else {
            let address = socket_address(text, DNS_PORT).ok_or(LEGAL_SERVER)?;
            let transport = DnsTransport::Plain;
            return Ok(Self { address, transport });
        };
        let (host, name) = match rest.split_once('#') {
            Some((host, name)) => (host, Some(name)),
            None => (rest, None),
        };
        let address = socket_address(host, DNS_OVER_TLS_PORT).ok_or(LEGAL_SERVER)?;
        let certificate_name = match name {
            Some(name) if is_host_name(name) => name.to_owned(),
            Some(_) => return Err(LEGAL_SERVER),
            None => address.ip().to_string(),
        };
        let transport = DnsTransport::Tls { certificate_name };
        Ok(Self { address, transport })
    }
}

fn socket_address(text: &str, port: u16) -> Option<SocketAddr> {
    let address = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port))).ok()?;
    (address.port() != 0 && !address.ip().is_unspecified()).then_some(address)
}

/// RFC 1123 host names, 253 characters at most.
fn is_host_name(name: &str) -> bool {
    let is_label =
        |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name.len() <= 253 && name.split('.').all(is_label)
}
