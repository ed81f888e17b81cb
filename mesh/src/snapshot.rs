use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{
    Endpoint, InviteId, Label, MembershipCertificate, NameRecord, NetworkId, NodeId, OverlayAddr, Prefix,
    RelayAnnouncement, Rights, Suite, UnixTime,
};

use crate::drop_reason::DropCounts;
use crate::invite::Applicant;
use crate::path::Candidate;
use crate::relays::RelaySnapshot;

/// A node's state at one moment, for people and for other parts of the program.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The network.
    pub network: NetworkId,
    /// The network's name here.
    pub network_label: Label,
    /// The network's prefix.
    pub prefix: Prefix,
    /// This node.
    pub node: NodeId,
    /// Whether this node is a member now: neither revoked nor past its certificate's end.
    pub is_member: bool,
    /// This node's name.
    pub label: Label,
    /// This node's address.
    pub address: OverlayAddr,
    /// What it may do.
    pub rights: Rights,
    /// How others see its data path.
    pub observed: Vec<SocketAddr>,
    /// The same, with who saw it and when.
    pub observations: Vec<Observation>,
    /// Members with a control connection.
    pub neighbours: Vec<NodeId>,
    /// The relays that this node knows, the nearest first.
    pub relays: Vec<RelaySnapshot>,
    /// What this machine says of itself, if it is a relay.
    pub own_relay: Option<RelayAnnouncement>,
    /// Whether this node has learned all that some member knows, since it started.
    pub has_caught_up: bool,
    /// Every other member.
    pub peers: Vec<PeerSnapshot>,
    /// Every member's published records, by label; its own under its own.
    pub names: Vec<(NodeId, Vec<NameRecord>)>,
    /// Keys refused on this machine only.
    pub blocked: Vec<NodeId>,
    /// Who waits to be approved, and by which invite.
    pub applicants: Vec<(InviteId, Applicant)>,
    /// Revocations known.
    pub revocations: usize,
    /// What was dropped, and why.
    pub drops: DropCounts,
}

/// A member's or relay's word on the source address of our data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// Who saw it.
    pub by: NodeId,
    /// What it saw.
    pub address: SocketAddr,
    /// How long ago.
    pub age: Duration,
}

/// One member as this node sees it.
#[derive(Debug, Clone)]
pub struct PeerSnapshot {
    /// Its id.
    pub node: NodeId,
    /// Its name.
    pub label: Label,
    /// Its address.
    pub address: OverlayAddr,
    /// What it may do.
    pub rights: Rights,
    /// Its groups.
    pub groups: Vec<String>,
    /// Whether it has a control connection with us.
    pub is_neighbour: bool,
    /// Its session, if there is one.
    pub session: Option<SessionSnapshot>,
    /// Whether a handshake is under way.
    pub is_handshaking: bool,
    /// The endpoint in use.
    pub endpoint: Option<Endpoint>,
    /// The name of the relay that it is behind.
    pub relay: Option<Label>,
    /// The names of the relays that follow, where the way leads over several.
    pub route: Vec<Label>,
    /// The last round trip over it.
    pub rtt: Option<Duration>,
    /// The longest record that it carries, in bytes.
    pub record_limit: Option<usize>,
    /// The longest inner packet that fits into one such record, in bytes; below 1280, packets are fragmented.
    pub mtu: Option<usize>,
    /// Every endpoint known, with what came of it.
    pub candidates: Vec<(Endpoint, Candidate)>,
    /// How often keys were rotated.
    pub rotations: u64,
    /// Inner bytes received.
    pub received_bytes: u64,
    /// Inner bytes sent.
    pub sent_bytes: u64,
    /// Its certificate.
    pub certificate: Option<MembershipCertificate>,
}

/// One session.
#[derive(Debug, Clone, Copy)]
pub struct SessionSnapshot {
    /// When it was made.
    pub established: UnixTime,
    /// How old it is.
    pub age: Duration,
    /// How long ago something was received on it.
    pub last_received: Option<Duration>,
    /// What protects it.
    pub suite: Suite,
    /// Whether it waits for revocations.
    pub is_held: bool,
}
