//! Why a peer is reached the way it is, and what would improve it.

use serde::{Deserialize, Serialize};

use super::{PathStatus, SchemaVersion, SessionStatus};

/// Which peer is to be explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct WhyQuery {
    /// The peer's name, address or node id.
    pub name: String,
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// How a peer is reached, and everything that explains it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Why {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The network's label.
    pub network: String,
    /// The peer's label.
    pub name: String,
    /// Its full name.
    pub fqdn: String,
    /// Its overlay address.
    pub address: String,
    /// How packets reach it.
    pub path: PathStatus,
    /// The session with it.
    pub session: Option<SessionStatus>,
    /// Every way to it that is known, with what came of it.
    pub tried: Vec<TriedWay>,
    /// All of it in one or two sentences.
    pub summary: String,
    /// The one thing that would improve it.
    pub advice: Option<Advice>,
}

/// One way by which a peer might be reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TriedWay {
    /// The peer's underlay address; none where a relay is on the way.
    pub endpoint: Option<String>,
    /// The relay's name, where one is on the way that is still known.
    pub relay: Option<String>,
    /// How it became known.
    pub kind: WayKind,
    /// What came of trying it.
    pub result: WayResult,
    /// The last round trip over it.
    pub rtt_ms: Option<f64>,
    /// Whether packets go this way now.
    pub in_use: bool,
    /// The same as a sentence.
    pub words: String,
}

/// How a way to a peer became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum WayKind {
    /// The peer announces the address.
    Announced,
    /// The peer named the address when it called.
    Called,
    /// The peer was seen there.
    Seen,
    /// A relay leads to the peer.
    Relay,
}

/// What came of trying a way to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum WayResult {
    /// Not tried yet.
    Untried,
    /// Tried, and no answer so far.
    Waiting,
    /// It answered.
    Answered,
    /// It does not answer any more.
    Silent,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Advice {
    /// What, and why.
    pub what: String,
    /// The command that does it, where one does.
    pub command: Option<String>,
}
