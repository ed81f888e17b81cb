//! Other machines: revoked for everyone, blocked for this machine, certified, pinged.

use serde::{Deserialize, Serialize};

use super::{PathStatus, Right, SchemaVersion};

/// Revokes a member, for everyone and for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The member's name, address or node id.
    pub name: String,
}

/// A member was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Revoked {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Its public key, base32.
    pub node_id: String,
    /// What else follows, such as members that it had certified.
    pub also: Vec<String>,
}

/// Blocks a member, for this machine only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The member's name, address or node id.
    pub name: String,
}

/// A member was blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Blocked {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Its public key, base32.
    pub node_id: String,
}

/// A member is no longer blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Unblocked {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Its public key, base32.
    pub node_id: String,
}

/// Whom this machine blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Blocks {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The blocked members.
    pub blocks: Vec<BlockEntry>,
}

/// One blocked member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct BlockEntry {
    /// The network's label.
    pub network: String,
    /// Its name, where known.
    pub name: Option<String>,
    /// Its public key, base32.
    pub node_id: String,
}

/// A certificate with the chain up to the network's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CertificateChain {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The network's label.
    pub network: String,
    /// The member's certificate.
    pub certificate: CertificateView,
    /// Its issuer's certificate, that one's issuer's, and so on; the root signs the last.
    pub chain: Vec<CertificateView>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct CertificateView {
    /// The host label.
    pub name: String,
    /// The subject's public key, base32.
    pub node_id: String,
    /// The subject's overlay address.
    pub address: String,
    /// The subject's Noise key, base32.
    pub static_key: String,
    /// The rights.
    pub rights: Vec<Right>,
    /// The groups.
    pub groups: Vec<String>,
    /// Valid from (RFC 3339).
    pub not_before: Option<String>,
    /// Valid until (RFC 3339); none: unbounded.
    pub not_after: Option<String>,
    /// The issuer's public key, base32.
    pub issuer: String,
    /// The highest of one subject wins.
    pub sequence: u64,
    /// The certificate's hash, hexadecimal.
    pub hash: String,
}

/// Asks for one reply from inside the tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// A name or overlay address.
    pub target: String,
    /// How long to wait for the reply.
    pub timeout_ms: u64,
}

/// A peer replied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PingReply {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Its name.
    pub name: String,
    /// Its overlay address.
    pub address: String,
    /// Round trip.
    pub rtt_ms: f64,
    /// Which way the reply came.
    pub path: PathStatus,
}
