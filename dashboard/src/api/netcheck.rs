//! What the networks below the overlay let through, and what that means for direct paths.

use serde::{Deserialize, Serialize};

use super::{RelayStatus, SchemaVersion};

/// What is known of the underlay, in one or all networks: each has a data path of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Netcheck {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The networks.
    pub networks: Vec<NetworkCheck>,
}

/// What the data path of one network has met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NetworkCheck {
    /// The network's label.
    pub network: String,
    /// Whether datagrams get through.
    pub udp: UdpState,
    /// IPv4.
    pub ipv4: FamilyCheck,
    /// IPv6.
    pub ipv6: FamilyCheck,
    /// What the router does to datagrams of IPv4 that go out.
    pub nat: NatCheck,
    /// Whether the router forwards a port.
    pub port_mapping: PortMappingCheck,
    /// The relays that are known, the nearest first.
    pub relays: Vec<RelayStatus>,
    /// With whom direct paths are possible.
    pub direct: DirectPaths,
    /// What all of it means, in a sentence.
    pub summary: String,
}

/// Whether datagrams get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum UdpState {
    /// Somebody on the internet has answered.
    Works,
    /// A relay answers over TCP and to no datagram.
    Blocked,
    /// Nobody has answered, and nothing shows that they should have.
    Unknown,
}

/// One family of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct FamilyCheck {
    /// Whether it leads anywhere.
    pub state: FamilyState,
    /// This machine's own addresses, without those of overlays.
    pub addresses: Vec<String>,
}

/// Whether a family of addresses leads anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum FamilyState {
    /// Somebody on the internet has answered to a datagram.
    Works,
    /// There is an address, and nobody has answered so far.
    Unproven,
    /// This machine has no address.
    Absent,
}

/// What the router does to datagrams that go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NatCheck {
    /// Its mapping behaviour (RFC 4787 §4.1).
    pub mapping: NatMapping,
    /// At which addresses others have seen the data path within the last minute and a half.
    pub seen: Vec<SeenAt>,
    /// The same in words.
    pub words: String,
}

/// How a NAT maps a socket's address (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NatMapping {
    /// There is none: others see this machine's own address.
    None,
    /// To one address, whoever is spoken with.
    EndpointIndependent,
    /// To another address for each that is spoken with.
    EndpointDependent,
    /// Fewer than two have seen it.
    Unknown,
}

/// How one member or relay has seen the data path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SeenAt {
    /// Its label.
    pub by: String,
    /// The source address that it saw.
    pub address: String,
    /// How long ago.
    pub age_s: u64,
}

/// Whether the router forwards a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PortMappingCheck {
    /// What came of asking it.
    pub state: PortMappingState,
    /// `PCP`, `NAT-PMP` or `UPnP`, where it forwards one.
    pub protocol: Option<String>,
    /// The address on its outside that leads here.
    pub external: Option<String>,
    /// When that ends if it is not renewed.
    pub expires_in_s: Option<u64>,
    /// The same in words; where there is none, why.
    pub words: String,
}

/// What came of asking the router for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PortMappingState {
    /// It forwards one.
    Held,
    /// It is being asked.
    Asking,
    /// It does not.
    Refused,
    /// It is not asked: this machine's own address is one of the internet.
    NotNeeded,
    /// There is no router of IPv4.
    NoRouter,
    /// It is not asked: that is switched off, or the data path does not listen there.
    Off,
}

/// With whom direct paths are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DirectPaths {
    /// With everybody whose network lets UDP through.
    Anyone,
    /// With everybody but peers behind routers whose mapping depends on the endpoint.
    Most,
    /// With peers that anyone can reach.
    Open,
    /// With nobody.
    None,
    /// Not enough is known.
    Unknown,
}
