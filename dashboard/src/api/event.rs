//! What happened: security events and life events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SchemaVersion;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Event {
    /// Grows by one with every event of a daemon.
    pub id: u64,
    /// When (RFC 3339).
    pub time: String,
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing, such as `joined`.
    pub kind: String,
    /// The network it concerns.
    pub network: Option<String>,
    /// One sentence.
    pub text: String,
    /// The particulars.
    pub fields: BTreeMap<String, String>,
}

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Life goes on.
    Info,
    /// The operator should look.
    Warn,
    /// Somebody tried something.
    Security,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only events with a greater id: the `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Events {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The events.
    pub events: Vec<Event>,
    /// What to give as `after` for the next page.
    pub next: u64,
}
