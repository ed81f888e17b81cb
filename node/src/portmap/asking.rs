use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, MappingFailure, PortMapping, PortMappingOptions, PortMappingType, TimeoutConfig,
    natpmp, pcp,
};
use tokio::time::timeout;

use super::judging::{LIFETIME, believed, refused, usable};
use super::upnp::UpnpLease;
use super::way::Way;
use super::{Protocol, Refusal};

/// When a question by PCP or NAT-PMP is asked again: after 0.25, 0.75 and 1.75 s (RFC 6886 §3.1 begins so), and given
/// up after 3.75 s: the router is one hop away.
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 3,
    max_retry_timeout: Some(Duration::from_secs(2)),
};

/// How long one protocol may take altogether.
const PROTOCOL_MAX: Duration = Duration::from_secs(10);

/// A mapping that a router has granted, with what it takes to renew it and to take it back.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) protocol: Protocol,
    pub(super) external: SocketAddr,
    pub(super) lifetime: Duration,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// By PCP or NAT-PMP.
    Datagram(PortMapping),
    Upnp(UpnpLease),
}

/// Asks a router by one protocol after the other until one succeeds.
pub(super) async fn ask(way: &Way) -> Result<Lease, Vec<(Protocol, Refusal)>> {
    let mut refusals = Vec::new();
    for protocol in Protocol::ALL {
        match timeout(PROTOCOL_MAX, ask_by(protocol, way)).await.unwrap_or(Err(Refusal::Silent)) {
            Ok(lease) => return Ok(lease),
            Err(refusal) => refusals.push((protocol, refusal)),
        }
    }
    Err(refusals)
}

async fn ask_by(protocol: Protocol, way: &Way) -> Result<Lease, Refusal> {
    let lease = match protocol {
        Protocol::Pcp => by_pcp(way).await?,
        Protocol::NatPmp => by_nat_pmp(way).await?,
        Protocol::Upnp => Lease::by_upnp(UpnpLease::ask(way).await?),
    };
    lease.judged().await
}

async fn by_pcp(way: &Way) -> Result<Lease, Refusal> {
    let (router, port) = (GatewayAddress::IpV4(way.router), internal_port(way)?);
    let request = pcp::BaseMapRequest::new(router, IpAddr::V4(*way.local.ip()), InternetProtocol::Udp, port);
    let mapping = pcp::port_mapping(request, None, None, options(port)).await;
    Lease::by_datagram(mapping.map_err(MappingFailure::from)).await
}

async fn by_nat_pmp(way: &Way) -> Result<Lease, Refusal> {
    let (router, port) = (GatewayAddress::IpV4(way.router), internal_port(way)?);
    let mapping = natpmp::port_mapping(router, InternetProtocol::Udp, port, options(port)).await;
    Lease::by_datagram(mapping.map_err(MappingFailure::from)).await
}

/// Asks for the same mapping again, for as long as at first: the library would ask for what was granted, a lie included.
async fn again(held: &PortMapping) -> Result<PortMapping, MappingFailure> {
    let (router, port, options) = (held.gateway(), held.internal_port(), options(held.external_port()));
    match held.mapping_type() {
        PortMappingType::Pcp { client, nonce, external_ip } => {
            let request = pcp::BaseMapRequest::new(router, client, InternetProtocol::Udp, port);
            Ok(pcp::port_mapping(request, Some(nonce), Some(external_ip), options).await?)
        }
        PortMappingType::NatPmp => Ok(natpmp::port_mapping(router, InternetProtocol::Udp, port, options).await?),
    }
}

fn internal_port(way: &Way) -> Result<NonZeroU16, Refusal> {
    NonZeroU16::new(way.local.port()).ok_or_else(|| refused(&"the data path has no port"))
}

/// This port outside, if the router has it free.
fn options(port: NonZeroU16) -> PortMappingOptions {
    PortMappingOptions {
        external_port: Some(port),
        lifetime_seconds: u32::try_from(LIFETIME.as_secs()).ok(),
        timeout_config: Some(PATIENCE),
    }
}

fn of_failure(failure: &MappingFailure) -> Refusal {
    let is_silent = matches!(
        failure,
        MappingFailure::Pcp(pcp::Failure::Timeout | pcp::Failure::Socket(_))
            | MappingFailure::NatPmp(natpmp::Failure::Timeout | natpmp::Failure::Socket(_))
    );
    if is_silent { Refusal::Silent } else { refused(failure) }
}

impl Lease {
    async fn by_datagram(granted: Result<PortMapping, MappingFailure>) -> Result<Self, Refusal> {
        let mapping = granted.map_err(|failure| of_failure(&failure))?;
        let (protocol, ip) = match mapping.mapping_type() {
            PortMappingType::Pcp { external_ip, .. } => (Protocol::Pcp, external_ip),
            PortMappingType::NatPmp => {
                let ip = natpmp::external_address(mapping.gateway(), Some(PATIENCE)).await;
                (Protocol::NatPmp, IpAddr::V4(ip.map_err(|failure| of_failure(&failure.into()))?))
            }
        };
        let external = SocketAddr::new(ip, mapping.external_port().get());
        let lifetime = Duration::from_secs(mapping.lifetime().into());
        Ok(Self { protocol, external, lifetime, held: Held::Datagram(mapping) })
    }

    fn by_upnp(lease: UpnpLease) -> Self {
        let (external, lifetime) = (lease.external, LIFETIME);
        Self { protocol: Protocol::Upnp, external, lifetime, held: Held::Upnp(lease) }
    }

    /// Gives a mapping back that is of no use.
    async fn judged(mut self) -> Result<Self, Refusal> {
        self.lifetime = believed(self.lifetime)?;
        match usable(self.external) {
            Ok(external) => {
                self.external = external;
                Ok(self)
            }
            Err(refusal) => {
                self.release().await;
                Err(refusal)
            }
        }
    }

    /// Asks the router to go on with this mapping.
    pub(super) async fn renew(&self) -> Result<Self, Refusal> {
        let renewed = async {
            match &self.held {
                Held::Datagram(mapping) => Self::by_datagram(again(mapping).await).await,
                Held::Upnp(lease) => lease.renew().await.map(Self::by_upnp),
            }
        };
        timeout(PROTOCOL_MAX, renewed).await.unwrap_or(Err(Refusal::Silent))?.judged().await
    }

    /// Takes it back. A router that does not hear it ends the mapping when its time has come.
    pub(super) async fn release(self) {
        let released = match self.held {
            Held::Datagram(mapping) => mapping.try_drop().await.map_err(|(failure, _)| of_failure(&failure)),
            Held::Upnp(lease) => lease.release().await,
        };
        if let Err(refusal) = released {
            tracing::debug!(protocol = %self.protocol, ?refusal, "the router keeps a port mapping");
        }
    }
}
