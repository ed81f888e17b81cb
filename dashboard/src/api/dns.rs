//! Names that this machine publishes, and questions to its resolver.

use serde::{Deserialize, Serialize};

use super::SchemaVersion;

/// The records that this machine publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsList {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The records.
    pub records: Vec<DnsRecord>,
}

/// One published record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsRecord {
    /// The network's label.
    pub network: String,
    /// The label under this machine's own name.
    pub label: String,
    /// The full name.
    pub fqdn: String,
    /// The record type, such as `AAAA`.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The value, as in a zone file.
    pub value: String,
    /// Seconds that others may keep it.
    pub ttl: u32,
}

/// The names that members publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Names {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The names, below those of their members.
    pub names: Vec<PublishedName>,
}

/// One record that a member publishes under its own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PublishedName {
    /// The name of the member that publishes it.
    pub owner: String,
    /// What it publishes.
    #[serde(flatten)]
    pub record: DnsRecord,
}

/// Publishes a record under this machine's own name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DnsAdd {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The label under this machine's own name, such as `wiki`.
    pub label: String,
    /// The record type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The value, as in a zone file.
    pub value: String,
}

/// A record was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsAdded {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The record.
    pub record: DnsRecord,
}

/// Withdraws records: all of a label, or those of one type, or one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DnsRemove {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The label under this machine's own name.
    pub label: String,
    /// Only this type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
    /// Only this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Records were withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsRemoved {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// How many.
    pub removed: u64,
}

/// A question to this machine's resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DnsQuery {
    /// The full name.
    pub name: String,
    /// The record type; default: `AAAA`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub record_type: Option<String>,
}

/// The resolver's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsReply {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The name that was asked.
    pub name: String,
    /// The record type that was asked.
    #[serde(rename = "type")]
    pub record_type: String,
    /// `NOERROR`, `NXDOMAIN`, …
    pub rcode: String,
    /// The records; none with `NOERROR`: the name exists without this type.
    pub answers: Vec<DnsAnswer>,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsAnswer {
    /// The owner name.
    pub name: String,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// The record type.
    #[serde(rename = "type")]
    pub record_type: String,
    /// The value, as in a zone file.
    pub value: String,
}
