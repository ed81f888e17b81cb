//! Founding, joining and leaving networks, and stopping the daemon.

use serde::{Deserialize, Serialize};

use super::{InviteText, SchemaVersion};

/// Which network is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::IntoParams))]
#[cfg_attr(feature = "server", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct InNetwork {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

/// Founds a network; this machine becomes its first member, issuer and admin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateNetwork {
    /// The network's label.
    pub label: String,
    /// This machine's label in it; default: the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A network was founded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NetworkCreated {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The network's label.
    pub label: String,
    /// The network id.
    pub id: String,
    /// Its /48.
    pub prefix: String,
    /// This machine's label in it.
    pub name: String,
    /// This machine's overlay address.
    pub address: String,
    /// This machine's full name.
    pub fqdn: String,
    /// Where the root key lies, to be backed up.
    pub root_key_path: String,
}

/// Redeems an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The invite, as pasted: line breaks and spaces do not matter.
    pub invite: InviteText,
    /// This machine's label; default: the invite's, else the host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Keep trying while the issuer is not reachable.
    #[serde(default)]
    pub wait: bool,
}

/// This machine is a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Joined {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The network's label.
    pub label: String,
    /// The network id.
    pub id: String,
    /// This machine's label in it.
    pub name: String,
    /// This machine's full name.
    pub fqdn: String,
    /// This machine's overlay address.
    pub address: String,
    /// The name of the machine that issued the certificate.
    pub issuer: String,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// A network was left and forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Left {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The network's label.
    pub label: String,
}

/// Switches this machine's networks on or off. The daemon stays, and remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Whether they shall run.
    pub on: bool,
}

/// This machine's networks were switched on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Switched {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Whether they run now.
    pub on: bool,
}

/// The daemon is stopping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Down {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Always true.
    pub stopping: bool,
}
