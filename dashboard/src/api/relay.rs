//! Relays: members that pass sealed datagrams on between those who cannot reach each other.

use serde::{Deserialize, Serialize};

use super::SchemaVersion;

/// The relays that one or all networks know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Relays {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The relays, other than this machine; of each network the nearest first.
    pub relays: Vec<RelayStatus>,
    /// What this machine says of itself in the networks that it relays for.
    pub own: Vec<OwnRelay>,
}

/// One relay, as this machine knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RelayStatus {
    /// The network's label.
    pub network: String,
    /// What it says of itself; its load and state in its newest words.
    #[serde(flatten)]
    pub announced: AnnouncedRelay,
    /// What it is to this machine.
    pub standing: RelayStanding,
    /// Why it does not serve, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Round trip to it.
    pub rtt_ms: Option<f64>,
    /// Where it has answered to datagrams.
    pub endpoint: Option<String>,
    /// Whether it is spoken with over TCP, as UDP does not get through to it.
    pub stream: bool,
    /// Whether what it says of itself still holds.
    pub current: bool,
}

/// This machine as a relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct OwnRelay {
    /// The network's label.
    pub network: String,
    /// What it says of itself.
    #[serde(flatten)]
    pub announced: AnnouncedRelay,
}

/// What a relay says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AnnouncedRelay {
    /// Its label.
    pub name: String,
    /// Its public key, base32.
    pub node_id: String,
    /// Where it stands, in its operator's words; may be empty.
    pub region: String,
    /// Where it stands on the globe, if anybody says so.
    pub place: Option<Place>,
    /// How much of what it can do it does, in per cent.
    pub load_percent: u8,
    /// Members registered with it.
    pub members: u64,
    /// What it can pass on, in megabits a second.
    pub capacity_mbps: u64,
    /// Where it takes datagrams.
    pub endpoints: Vec<String>,
    /// Its program's version.
    pub version: String,
    /// Whether it is about to stop and takes nobody any more.
    pub draining: bool,
    /// The relays that it reaches by itself, the nearest first.
    #[serde(default)]
    pub links: Vec<RelayLink>,
}

/// How far one relay is from another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct RelayLink {
    /// The other's public key, base32.
    pub node_id: String,
    /// Round trip.
    pub rtt_ms: f64,
}

/// A place on the globe.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Place {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
    /// Who says so.
    pub source: PlaceSource,
}

/// Who says where something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PlaceSource {
    /// Its operator.
    Operator,
    /// A database of addresses, which may be wrong by much.
    Address,
}

/// What a relay is to this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RelayStanding {
    /// Others find this machine there first.
    Home,
    /// Others find this machine there when the home relay is gone.
    Standby,
    /// In use to reach someone.
    Visited,
    /// It answers.
    Known,
    /// Not asked yet.
    Untried,
    /// It does not answer.
    Silent,
    /// It does not take this machine.
    Refusing,
}
