//! What a console keeps: figures over time, connections, security events and how they were handled, deeds of admins.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, PathKind, Role, SchemaVersion};

/// Which figures are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// The network's label; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The node id of a relay or member; without it, the sum of what this machine carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// From when, in seconds since 1970; default: a day before `until`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Until when, in seconds since 1970; default: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// At most so many samples: the finest resolution that fits is chosen. Default 300, at most 2,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<u32>,
}

/// Figures over time. Older ones are kept at coarser resolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct History {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Seconds that each sample is of.
    pub step_s: u32,
    /// The samples, oldest first; where nothing was recorded there is none.
    pub samples: Vec<Sample>,
}

/// What was seen within one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Sample {
    /// When the step began, in seconds since 1970.
    pub at: u64,
    /// The share of looks, 0 to 1, at which it could be reached.
    pub reachable: f64,
    /// Mean round-trip time.
    pub rtt_ms: Option<f64>,
    /// Longest round-trip time.
    pub rtt_max_ms: Option<f64>,
    /// Bytes received meanwhile.
    pub rx_bytes: u64,
    /// Bytes sent meanwhile.
    pub tx_bytes: u64,
    /// Packets dropped meanwhile.
    pub dropped: u64,
    /// Mean load, of a relay.
    pub load_percent: Option<f64>,
    /// The most members that were there, of a relay or network.
    pub members: Option<u64>,
}

/// A page of what is kept, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Only of this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Only of the member with this node id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_id: Option<String>,
    /// Only what nobody has handled yet.
    #[serde(default)]
    pub open: bool,
    /// Only older ones than this: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// At most so many; default 100, at most 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Connections to members, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Connections {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The connections.
    pub connections: Vec<Connection>,
    /// What to ask for the next page with; none where this was the last.
    pub next: Option<u64>,
}

/// A session with a member over one kind of path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Connection {
    /// Its number.
    pub id: u64,
    /// The network's label.
    pub network: String,
    /// The node id of the machine that saw it, where several share a console.
    pub observer: String,
    /// The member's name.
    pub name: String,
    /// The member's node id.
    pub node_id: String,
    /// The kind of path.
    pub path: PathKind,
    /// The member's address, or the relay's name.
    pub by: Option<String>,
    /// When it began, RFC 3339.
    pub began: String,
    /// When it ended, RFC 3339; none while it lasts.
    pub ended: Option<String>,
    /// Bytes received over it.
    pub rx_bytes: u64,
    /// Bytes sent over it.
    pub tx_bytes: u64,
}

/// Security events and how they were handled, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SecurityEvents {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The events.
    pub events: Vec<SecurityEvent>,
    /// What to ask for the next page with; none where this was the last.
    pub next: Option<u64>,
    /// How many nobody has handled yet.
    pub open: u64,
}

/// An event that wants to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SecurityEvent {
    /// What happened; the id is the console's.
    #[serde(flatten)]
    pub event: Event,
    /// The node id of the machine that saw it.
    pub observer: String,
    /// Who has handled it, when, and what they say.
    pub handled: Option<Handled>,
}

/// How an event was handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Handled {
    /// When, RFC 3339.
    pub time: String,
    /// Who.
    pub by: String,
    /// What they say of it.
    pub note: String,
}

/// Says that an event is handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Handle {
    /// What there is to say of it; at most 1,000 characters.
    #[serde(default)]
    pub note: String,
}

/// What people have done by this API, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Audit {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The deeds.
    pub deeds: Vec<Deed>,
    /// What to ask for the next page with; none where this was the last.
    pub next: Option<u64>,
}

/// One thing that somebody did, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Deed {
    /// Its number.
    pub id: u64,
    /// When, RFC 3339.
    pub time: String,
    /// The account, or the user of the socket.
    pub who: String,
    /// What they may do; none for somebody who was not signed in.
    pub role: Option<Role>,
    /// Where they were: an address, or `socket`.
    pub from: String,
    /// The method and path.
    pub action: String,
    /// What it was about.
    pub subject: BTreeMap<String, String>,
    /// `done`, or the code of the refusal.
    pub outcome: String,
}

/// What a console knows at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Overview {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Members of all networks, and how many of them were heard of in the last minute.
    pub members: Counted,
    /// Relays of all networks, and how many of them could be reached when last looked at.
    pub relays: Counted,
    /// Connections that last.
    pub connections: u64,
    /// Security events that nobody has handled yet.
    pub open_events: u64,
    /// What this and other machines that share the console carried in the last day.
    pub traffic: Vec<Sample>,
    /// Seconds that each sample is of.
    pub step_s: u32,
    /// Bytes that the console's store takes.
    pub store_bytes: u64,
    /// Which store it is: `sqlite` or `postgres`.
    pub store: String,
}

/// So many, and so many of them well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Counted {
    /// All.
    pub all: u64,
    /// Those that are well.
    pub well: u64,
}
