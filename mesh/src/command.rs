use std::time::Duration;

use holloway_wire::{Bootstrap, Endpoint, InviteId, InviteToken, Label, NameRecord, NodeId, OverlayAddr, Rights};
use thiserror::Error;

use crate::invite::Invite;

/// Names a command until its [`crate::Event::CommandDone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What an operator asks of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make an invite.
    CreateInvite {
        /// The newcomer's name, if fixed.
        label: Option<Label>,
        /// What the newcomer may do.
        rights: Rights,
        /// The newcomer's groups.
        groups: Vec<String>,
        /// How long it may be used.
        lifetime: Duration,
        /// Whether somebody has to approve of the newcomer.
        needs_approval: bool,
        /// Where we may be reached.
        bootstrap: Vec<Bootstrap>,
    },
    /// List the invites made here.
    Invites,
    /// Take back an invite that is unspent.
    WithdrawInvite(InviteId),
    /// Approve of the machine that waits with an invite.
    Approve {
        /// The invite.
        invite: InviteId,
        /// The machine; another one that waits is not approved of.
        node: NodeId,
    },
    /// Revoke a member, for everyone and for ever.
    Revoke {
        /// Label, full name, address or id.
        member: String,
    },
    /// Refuse a member on this machine only.
    Block {
        /// Label, full name, address or id.
        member: String,
    },
    /// No longer refuse a member.
    Unblock {
        /// Label, full name, address or id.
        member: String,
    },
    /// Publish a record under our own name.
    AddName(NameRecord),
    /// Take back a record; without a value, all of its name and type.
    RemoveName {
        /// The name relative to ours.
        name: String,
        /// The record type.
        record_type: String,
        /// The value, or any.
        value: Option<String>,
    },
    /// Measure the round trip to a member through its session.
    Ping {
        /// Label, full name, address or id.
        member: String,
        /// How long to wait.
        timeout: Duration,
    },
}

/// What a command came to.
#[derive(Clone, PartialEq, Eq)]
pub enum Reply {
    /// The invite, and the token to hand over.
    InviteCreated {
        /// As in the ledger.
        invite: Box<Invite>,
        /// The one word.
        token: InviteToken,
    },
    /// The invites made here.
    Invites(Vec<Invite>),
    /// Done, about this member.
    Member {
        /// Its id.
        node: NodeId,
        /// Its name.
        label: Option<Label>,
        /// Names of members whose certificates fall with it.
        also: Vec<Label>,
    },
    /// Done.
    Done,
    /// A ping was answered.
    Pong {
        /// Who answered.
        node: NodeId,
        /// Its name.
        label: Label,
        /// Its address.
        address: OverlayAddr,
        /// The round trip.
        rtt: Duration,
        /// Where the answer came from.
        endpoint: Endpoint,
        /// The name of the relay that it came through.
        relay: Option<Label>,
        /// The names of the relays that follow, where the way leads over several.
        route: Vec<Label>,
    },
}

/// Why a command was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Nobody goes by that name.
    #[error("no member is called {0:?}")]
    UnknownMember(String),
    /// No such invite here, or it is not unspent.
    #[error("no unspent invite has this id")]
    UnknownInvite,
    /// Not this machine, not with this invite, or not any more.
    #[error("no such machine waits with this invite")]
    NobodyWaits,
    /// This node lacks the right.
    #[error("this machine does not have the right to {0}")]
    NotAllowed(&'static str),
    /// The ledger is full.
    #[error("there are too many invites; withdraw some or let them expire")]
    TooManyInvites,
    /// More addresses than an invite carries.
    #[error("an invite carries at most {0} addresses")]
    TooManyAddresses(usize),
    /// An invite that nobody could read.
    #[error("the invite would be too long")]
    InviteTooLong,
    /// More groups than a certificate carries.
    #[error("a member has at most {0} groups")]
    TooManyGroups(usize),
    /// Not the name of a group.
    #[error("{0:?} cannot name a group: 1 to 32 of the characters a-z, 0-9 and -")]
    GroupName(String),
    /// The name belongs to a member.
    #[error("a member already has the name {0}")]
    NameTaken(Label),
    /// It would mean this machine itself.
    #[error("this machine cannot do that to itself")]
    Oneself,
    /// Too many or too long records.
    #[error("the records of one host are limited to {0}")]
    TooManyRecords(usize),
    /// A record, or all of them together, longer than a publication carries.
    #[error("a record, or all records of this host together, are too long")]
    RecordsTooLong,
    /// A CNAME stands alone at its name (RFC 1034 §3.6.2), and this machine's own name has its address.
    #[error("a CNAME and other data cannot be at one name: {0:?}")]
    AliasBesideOthers(String),
    /// The member is blocked here.
    #[error("{0} is blocked on this machine")]
    Blocked(Label),
    /// The record is not published.
    #[error("this record is not published here")]
    UnknownRecord,
    /// The disk did not take it.
    #[error("the store could not be written: {0}")]
    Store(String),
    /// Nobody answered in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}
