//! Where this machine sends packets for overlay addresses.

use serde::{Deserialize, Serialize};

use super::SchemaVersion;

/// The overlay's routes in one or all networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Routes {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The routes: of each network its prefix first, then its members.
    pub routes: Vec<RouteStatus>,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RouteStatus {
    /// The network's label.
    pub network: String,
    /// The addresses it is for, as a prefix.
    pub destination: String,
    /// The member that has them; none for the whole network.
    pub member: Option<String>,
    /// Which way packets go.
    pub via: RouteVia,
    /// The interface here, where that is the way.
    pub interface: Option<String>,
    /// The member's underlay address, where packets go straight to it.
    pub endpoint: Option<String>,
    /// The relay's name, where one is on the way.
    pub relay: Option<String>,
    /// Longest packet that is carried whole, as far as is known.
    pub mtu: Option<u64>,
}

/// Which way a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RouteVia {
    /// Into the overlay, by this machine's interface.
    Interface,
    /// Straight to the member's address.
    Direct,
    /// Through a relay.
    Relay,
    /// Nowhere for now.
    None,
}
