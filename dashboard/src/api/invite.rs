//! Invites: made, listed, withdrawn.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Right, SchemaVersion};

/// The text of an invite. Whoever has it can join, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct InviteText(String);

impl InviteText {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be shown to the person who asked for it and to nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InviteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteText(…)")
    }
}

/// Asks for an invite.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateInvite {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The label that the invited machine gets; default: its own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The rights it gets.
    #[serde(default)]
    pub rights: Vec<Right>,
    /// The groups it gets.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Seconds until the invite expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_s: Option<u64>,
    /// Whether somebody here has to approve of the machine that redeems it.
    #[serde(default)]
    pub approval: bool,
    /// Hosts or addresses, port optional, where this machine is found; default: all that it knows.
    #[serde(default)]
    pub bootstrap: Vec<String>,
}

/// An invite was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InviteCreated {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Names the invite without being able to redeem it.
    pub id: String,
    /// The invite itself, to be handed over in private.
    pub token: InviteText,
    /// The network's label.
    pub network: String,
    /// The label that the invited machine gets.
    pub name: Option<String>,
    /// The rights it gets.
    pub rights: Vec<Right>,
    /// The groups it gets.
    pub groups: Vec<String>,
    /// Whether somebody here has to approve of the machine that redeems it.
    pub approval: bool,
    /// When it expires (RFC 3339).
    pub expires: Option<String>,
    /// Where the issuer is found.
    pub bootstrap: Vec<String>,
}

/// The invites that this machine made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Invites {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The invites, newest first.
    pub invites: Vec<InviteSummary>,
}

/// One invite, without what redeems it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InviteSummary {
    /// Its id.
    pub id: String,
    /// The network's label.
    pub network: String,
    /// The label that the invited machine gets.
    pub name: Option<String>,
    /// The rights it gets.
    pub rights: Vec<Right>,
    /// What became of it.
    pub state: InviteState,
    /// When it expires (RFC 3339).
    pub expires: Option<String>,
    /// When it was made (RFC 3339).
    pub created: String,
    /// The name of the machine that redeemed it.
    pub redeemed_by: Option<String>,
    /// Whether somebody has to approve of the machine that redeems it.
    pub approval: InviteApproval,
    /// Who redeems it and waits to be approved.
    pub applicant: Option<Applicant>,
}

/// Whether somebody has to approve of the machine that redeems an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum InviteApproval {
    /// Nobody has to.
    None,
    /// Nobody has yet.
    Needed,
    /// Somebody has; the machine becomes a member when it asks the next time.
    Given,
}

/// A machine that redeems an invite and waits to be approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Applicant {
    /// The label that it will have.
    pub name: String,
    /// Its public key, base32.
    pub node_id: String,
    /// When it came (RFC 3339).
    pub since: String,
}

/// Approves of the machine that waits with an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The network; may be left out where the daemon has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The machine's public key, base32: no other one is approved of.
    pub node_id: String,
}

/// A machine was approved of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Approved {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The invite's id.
    pub id: String,
    /// The machine's public key, base32.
    pub node_id: String,
}

/// What became of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum InviteState {
    /// It can still be redeemed.
    Unspent,
    /// A machine has redeemed it.
    Spent,
    /// It was withdrawn.
    Withdrawn,
    /// Its time is over.
    Expired,
}

/// An invite was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InviteRevoked {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// Its id.
    pub id: String,
    /// Its state now.
    pub state: InviteState,
}
