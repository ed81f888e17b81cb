//! What a daemon says about itself, its networks and its peers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SchemaVersion;

/// Everything at a glance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Status {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The daemon's version.
    pub version: String,
    /// What the daemon is doing.
    pub state: DaemonState,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Whether this machine's networks run; `holloway on` and `holloway off` switch them.
    #[serde(default = "switched_on")]
    pub on: bool,
    /// The networks it is a member of.
    pub networks: Vec<NetworkStatus>,
    /// What the data path makes use of; of several networks, what all of them do. `None` without any network.
    #[serde(default)]
    pub dataplane: Option<DataplaneStatus>,
    /// What needs the operator, with the command to run.
    pub attention: Vec<Attention>,
    /// The resolver.
    pub dns: DnsStatus,
}

/// Daemons that could not be switched off were on.
const fn switched_on() -> bool {
    true
}

/// What a daemon is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DaemonState {
    /// Coming up; not everything works yet.
    Starting,
    /// Up, with no network yet: waiting for `create` or `join`.
    Waiting,
    /// Up.
    Ready,
    /// Going down.
    Stopping,
}

/// Something the operator should do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Attention {
    /// What is the matter.
    pub what: String,
    /// The command that mends it.
    pub command: String,
}

/// The resolver.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DnsStatus {
    /// Socket addresses at which it answers.
    pub listening: Vec<String>,
    /// How the operating system is pointed at it, or why not.
    pub integration: String,
}

/// One network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NetworkStatus {
    /// The network's label.
    pub label: String,
    /// The network id.
    pub id: String,
    /// Its /48.
    pub prefix: String,
    /// The interface here.
    pub interface: String,
    /// This machine's label in it.
    pub name: String,
    /// This machine's full name.
    pub fqdn: String,
    /// This machine's overlay address.
    pub address: String,
    /// This machine's public key, base32.
    pub node_id: String,
    /// This machine's rights.
    pub rights: Vec<Right>,
    /// The control plane.
    pub control: ControlStatus,
    /// The data path.
    pub data: DataStatus,
    /// What it makes use of.
    #[serde(default)]
    pub dataplane: DataplaneStatus,
    /// The relay this machine listens on.
    pub home_relay: Option<HomeRelay>,
    /// The other members.
    pub peers: Vec<PeerStatus>,
    /// How many revocations are known.
    pub revoked: u64,
    /// Dropped packets by reason.
    pub drops: BTreeMap<String, u64>,
}

/// A right that a certificate gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// May certify others.
    Issue,
    /// May relay for others.
    Relay,
    /// May be others' way out.
    Exit,
    /// May administer other machines.
    Admin,
}

/// The control plane of one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ControlStatus {
    /// Addresses at which control listens.
    pub listen: Vec<String>,
    /// Peers connected over control (not: sessions).
    pub peers: u64,
}

/// The data path of one network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DataStatus {
    /// Addresses at which it listens.
    pub listen: Vec<String>,
    /// Our source addresses, as others saw them.
    pub observed: Vec<String>,
    /// The address that the router forwards to it, if there is one that does.
    pub mapped: Option<String>,
}

/// Which of the kernel's offloads the data path makes use of: those that are there and wanted. Without them it works, and
/// is slower.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct DataplaneStatus {
    /// Large TCP packets from and to the network interface, checksums left to it.
    pub tun_offload: bool,
    /// Large UDP packets too (Linux 6.2).
    pub tun_uso: bool,
    /// Many datagrams in one send. Ends when a network device refuses it.
    pub udp_gso: bool,
    /// Many datagrams in one receive.
    pub udp_gro: bool,
    /// Threads that carry packets.
    pub lanes: u64,
    /// The fastest cipher that is offered; each session tells the one it has.
    pub cipher: String,
    /// The network interface's MTU.
    pub mtu: u64,
}

/// The relay this machine listens on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct HomeRelay {
    /// Its name.
    pub name: String,
    /// Round trip to it.
    pub rtt_ms: Option<f64>,
}

/// One member other than this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PeerStatus {
    /// Its label.
    pub name: String,
    /// Its full name.
    pub fqdn: String,
    /// Its overlay address.
    pub address: String,
    /// Its public key, base32.
    pub node_id: String,
    /// Its rights.
    pub rights: Vec<Right>,
    /// Its groups.
    pub groups: Vec<String>,
    /// Whether it was heard of lately.
    pub online: bool,
    /// Whether it has a control connection with this machine.
    pub control: bool,
    /// How packets reach it.
    pub path: PathStatus,
    /// The session with it.
    pub session: Option<SessionStatus>,
    /// Bytes received from it.
    pub rx_bytes: u64,
    /// Bytes sent to it.
    pub tx_bytes: u64,
    /// How often the keys were rotated.
    pub rotations: u64,
}

/// How packets reach a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PathStatus {
    /// Directly, through a relay, or not.
    pub kind: PathKind,
    /// The peer's underlay address, where the path is direct and not over TCP.
    pub endpoint: Option<String>,
    /// The relay's name, where there is one.
    pub relay: Option<String>,
    /// The names of the relays that follow it, where the path leads over several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_relays: Vec<String>,
    /// Whether packets go over TCP to the peer or to the relay, as UDP does not get through.
    #[serde(default)]
    pub stream: bool,
    /// Round trip.
    pub rtt_ms: Option<f64>,
    /// Longest inner packet that fits into one datagram, as far as is known; longer ones are refused with ICMP.
    #[serde(default)]
    pub mtu: Option<u64>,
    /// Why there is no path, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How packets reach a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PathKind {
    /// Straight to its address.
    Direct,
    /// Through a relay.
    Relay,
    /// Not at all.
    None,
}

/// An encrypted session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct SessionStatus {
    /// When it was established (RFC 3339).
    pub established: String,
    /// Seconds since then.
    pub age_s: u64,
    /// Seconds since the last packet from the peer.
    pub last_received_s: Option<f64>,
    /// The cipher in use.
    pub cipher: String,
}

/// The members of one or all networks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Peers {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// The members, other than this machine.
    pub peers: Vec<PeerInNetwork>,
}

/// A member and the network it is seen in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct PeerInNetwork {
    /// The network's label.
    pub network: String,
    /// The member.
    #[serde(flatten)]
    pub peer: PeerStatus,
}

/// Whether the daemon lives and serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Health {
    /// Always 1.
    #[cfg_attr(feature = "server", schema(value_type = u32, example = 1))]
    pub schema: SchemaVersion,
    /// It makes progress.
    pub live: bool,
    /// It can do its job.
    pub ready: bool,
    /// Why not, where not.
    pub reasons: Vec<String>,
}
