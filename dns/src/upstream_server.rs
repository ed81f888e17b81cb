//! One upstream server as the operator writes it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
use rustls::pki_types::ServerName;
use thiserror::Error;

/// The port of plain DNS (RFC 1035).
const DNS_PORT: u16 = 53;

/// The port of DNS over TLS (RFC 7858).
const DNS_OVER_TLS_PORT: u16 = 853;

/// An upstream server: `1.1.1.1`, `[2606:4700::1111]:53`, or `tls://1.1.1.1#cloudflare-dns.com`
/// for DNS over TLS, where the part behind `#` is the name its certificate must carry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamServer {
    address: SocketAddr,
    certificate_name: Option<Arc<str>>,
}

/// Why a text is no upstream server.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum UpstreamServerError {
    /// There is no address in it; names are not accepted, for who would resolve them.
    #[error("{0:?} is not an address with an optional port")]
    Address(String),
    /// What stands before `://` is not `tls`.
    #[error("{0:?} is not supported; write an address, or tls:// and an address")]
    Scheme(String),
    /// The certificate name is no server name.
    #[error("{0:?} cannot be the name in a certificate")]
    CertificateName(String),
}

impl UpstreamServer {
    /// Returns the address that is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn name_server(&self) -> NameServerConfig {
        let connections = match &self.certificate_name {
            Some(name) => vec![ConnectionConfig::tls(name.clone())],
            None => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
        };
        let at_port = |mut connection: ConnectionConfig| {
            connection.port = self.address.port();
            connection
        };
        NameServerConfig::new(self.address.ip(), true, connections.into_iter().map(at_port).collect())
    }
}

impl From<SocketAddr> for UpstreamServer {
    fn from(address: SocketAddr) -> Self {
        Self { address, certificate_name: None }
    }
}

impl FromStr for UpstreamServer {
    type Err = UpstreamServerError;

    fn from_str(text: &str) -> Result<Self, UpstreamServerError> {
        match text.split_once("://") {
            None => Ok(Self::from(address(text, DNS_PORT)?)),
            Some(("tls", rest)) => over_tls(rest),
            Some((scheme, _)) => Err(UpstreamServerError::Scheme(format!("{scheme}://"))),
        }
    }
}

impl fmt::Display for UpstreamServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.certificate_name {
            Some(name) => write!(f, "tls://{}#{name}", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

fn over_tls(text: &str) -> Result<UpstreamServer, UpstreamServerError> {
    let (host, name) = text.split_once('#').unwrap_or((text, ""));
    let address = address(host, DNS_OVER_TLS_PORT)?;
    let name = if name.is_empty() { address.ip().to_string() } else { name.to_owned() };
    if ServerName::try_from(name.as_str()).is_err() {
        return Err(UpstreamServerError::CertificateName(name));
    }
    Ok(UpstreamServer { address, certificate_name: Some(Arc::from(name)) })
}

fn address(text: &str, port: u16) -> Result<SocketAddr, UpstreamServerError> {
    let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match (text.parse::<SocketAddr>(), unbracketed.parse::<IpAddr>()) {
        (Ok(address), _) => Ok(address),
        (Err(_), Ok(ip)) => Ok(SocketAddr::new(ip, port)),
        (Err(_), Err(_)) => Err(UpstreamServerError::Address(text.to_owned())),
    }
}
