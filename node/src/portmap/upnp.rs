use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use igd_next::aio::Gateway;
use igd_next::aio::tokio::{Tokio, search_gateway};
use igd_next::{AddPortError, PortMappingProtocol, SearchOptions};

use super::Refusal;
use super::judging::{LIFETIME, refused};
use super::way::Way;

/// Where devices are searched (UPnP Device Architecture 1.1 §1.3.2).
const SSDP_PORT: u16 = 1900;
const SSDP_GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);

/// How long a search may take, its answer's description included.
const SEARCH_MAX: Duration = Duration::from_secs(2);

/// What the router's list of mappings says of ours.
const DESCRIPTION: &str = "holloway";

/// A mapping that lasts until it is taken back: all that some old routers know.
const PERMANENT: u32 = 0;

/// A mapping that a router has granted by UPnP.
#[derive(Debug)]
pub(super) struct UpnpLease {
    router: Gateway<Tokio>,
    local: SocketAddr,
    pub(super) external: SocketAddr,
}

impl UpnpLease {
    /// Finds the router and asks it.
    pub(super) async fn ask(way: &Way) -> Result<Self, Refusal> {
        let router = search(way).await?;
        Self::granted(router, way.local.into(), way.local.port()).await
    }

    /// Asks for the same again.
    pub(super) async fn renew(&self) -> Result<Self, Refusal> {
        Self::granted(self.router.clone(), self.local, self.external.port()).await
    }

    async fn granted(router: Gateway<Tokio>, local: SocketAddr, wanted: u16) -> Result<Self, Refusal> {
        let ip = router.get_external_ip().await.map_err(|error| refused(&error))?;
        let port = map(&router, local, wanted).await?;
        Ok(Self { router, local, external: SocketAddr::new(ip, port) })
    }

    /// Takes it back.
    pub(super) async fn release(self) -> Result<(), Refusal> {
        self.router.remove_port(PortMappingProtocol::UDP, self.external.port()).await.map_err(|error| refused(&error))
    }
}

/// Asks the router itself first: many LANs lose multicast. Then all on the LAN, of whom only the router counts.
async fn search(way: &Way) -> Result<Gateway<Tokio>, Refusal> {
    for asked in [way.router, SSDP_GROUP] {
        let mut options = SearchOptions::default();
        options.bind_addr = SocketAddr::new(IpAddr::V4(*way.local.ip()), 0);
        options.broadcast_address = SocketAddr::new(asked.into(), SSDP_PORT);
        options.timeout = Some(SEARCH_MAX);
        if let Ok(found) = search_gateway(options).await
            && found.addr.ip() == way.router
        {
            return Ok(found);
        }
    }
    Err(Refusal::Silent)
}

/// Asks for a port; gives the one that was granted.
async fn map(router: &Gateway<Tokio>, local: SocketAddr, wanted: u16) -> Result<u16, Refusal> {
    let lifetime = u32::try_from(LIFETIME.as_secs()).unwrap_or(PERMANENT);
    match add(router, local, wanted, lifetime).await {
        Ok(()) => Ok(wanted),
        Err(AddPortError::OnlyPermanentLeasesSupported) => {
            add(router, local, wanted, PERMANENT).await.map_err(|error| refused(&error)).map(|()| wanted)
        }
        Err(AddPortError::PortInUse) => any_port(router, local, lifetime).await,
        Err(error) => Err(refused(&error)),
    }
}

async fn add(router: &Gateway<Tokio>, local: SocketAddr, port: u16, lifetime: u32) -> Result<(), AddPortError> {
    router.add_port(PortMappingProtocol::UDP, port, local, lifetime, DESCRIPTION).await
}

/// Another machine behind this router has the wanted port. Asks once more, for a port of the router's choice or, where
/// it does not choose, for a random one of those that nobody is given (RFC 6335 §6).
async fn any_port(router: &Gateway<Tokio>, local: SocketAddr, lifetime: u32) -> Result<u16, Refusal> {
    if router.control_schema.contains_key("AddAnyPortMapping") {
        let port = router.add_any_port(PortMappingProtocol::UDP, local, lifetime, DESCRIPTION).await;
        return port.map_err(|error| refused(&error));
    }
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(|error| refused(&error))?;
    let port = 0xC000 | u16::from_be_bytes(bytes);
    add(router, local, port, lifetime).await.map_err(|error| refused(&error)).map(|()| port)
}
