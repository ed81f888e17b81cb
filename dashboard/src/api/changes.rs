//! What has changed since a moment ago, for those who look on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Relays, SchemaVersion, Status};

/// Asks for a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// Whether it tells what has changed, too.
    #[serde(default)]
    pub changes: bool,
}

/// What is otherwise than at the last message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Changes {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The status as it is now; of the peers, those that have changed or are new.
    pub status: Status,
    /// By the id of their network: the node ids of those that are members no more.
    pub gone: BTreeMap<String, Vec<String>>,
    /// The relays, if there is anything new of them.
    pub relays: Option<Relays>,
}
