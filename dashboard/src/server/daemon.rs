//! The seam to the daemon: one method per operation. The other side is the node, or a test.

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::api::{
    ApiError, Approve, Approved, Block, Blocked, Blocks, CertificateChain, CreateInvite, CreateNetwork, DnsAdd,
    DnsAdded, DnsList, DnsQuery, DnsRemove, DnsRemoved, DnsReply, Down, Event, Events, EventsQuery, Health, InNetwork,
    InviteCreated, InviteRevoked, Invites, Join, Joined, Left, Names, Netcheck, NetworkCreated, Peers, Ping, PingReply,
    Relays, Revoke, Revoked, Routes, Status, Switch, Switched, Unblocked, Why, WhyQuery,
};

/// What answers the API's requests.
///
/// Callers are authorised and requests are well formed; what a text in them means is decided here. Every method runs to
/// its end, also when the client goes away meanwhile, except [`join`](Self::join) with `wait`, whose future is dropped
/// then: nobody waits any longer.
#[async_trait]
pub trait Daemon: Send + Sync + 'static {
    /// Everything at a glance.
    async fn status(&self) -> Result<Status, ApiError>;
    /// The members of one or all networks.
    async fn peers(&self, network: InNetwork) -> Result<Peers, ApiError>;
    /// The relays that one or all networks know, and this machine as one.
    async fn relays(&self, network: InNetwork) -> Result<Relays, ApiError>;
    /// How a peer is reached, and why.
    async fn why(&self, query: WhyQuery) -> Result<Why, ApiError>;
    /// The overlay's routes in one or all networks.
    async fn routes(&self, network: InNetwork) -> Result<Routes, ApiError>;
    /// What is known of the underlay, in one or all networks.
    async fn netcheck(&self, network: InNetwork) -> Result<Netcheck, ApiError>;
    /// A page of past events.
    async fn events(&self, query: EventsQuery) -> Result<Events, ApiError>;
    /// Events from now on; a subscriber that falls behind misses the oldest.
    fn subscribe(&self) -> broadcast::Receiver<Event>;
    /// Founds a network.
    async fn create_network(&self, request: CreateNetwork) -> Result<NetworkCreated, ApiError>;
    /// Redeems an invite.
    async fn join(&self, request: Join) -> Result<Joined, ApiError>;
    /// Leaves and forgets a network.
    async fn leave(&self, label: String) -> Result<Left, ApiError>;
    /// Makes an invite.
    async fn create_invite(&self, request: CreateInvite) -> Result<InviteCreated, ApiError>;
    /// Lists invites.
    async fn invites(&self, network: InNetwork) -> Result<Invites, ApiError>;
    /// Withdraws an unspent invite.
    async fn revoke_invite(&self, id: String, network: InNetwork) -> Result<InviteRevoked, ApiError>;
    /// Approves of the machine that waits with an invite.
    async fn approve(&self, id: String, request: Approve) -> Result<Approved, ApiError>;
    /// Revokes a member for everyone.
    async fn revoke(&self, request: Revoke) -> Result<Revoked, ApiError>;
    /// Blocks a member for this machine.
    async fn block(&self, request: Block) -> Result<Blocked, ApiError>;
    /// Undoes [`block`](Self::block).
    async fn unblock(&self, name: String, network: InNetwork) -> Result<Unblocked, ApiError>;
    /// Lists whom this machine blocks.
    async fn blocks(&self, network: InNetwork) -> Result<Blocks, ApiError>;
    /// A member's certificate and chain; this machine's own without a name.
    async fn certificate(&self, name: Option<String>, network: InNetwork) -> Result<CertificateChain, ApiError>;
    /// Lists the records that this machine publishes.
    async fn dns_list(&self, network: InNetwork) -> Result<DnsList, ApiError>;
    /// Lists the names that all members publish.
    async fn names(&self, network: InNetwork) -> Result<Names, ApiError>;
    /// Publishes a record.
    async fn dns_add(&self, request: DnsAdd) -> Result<DnsAdded, ApiError>;
    /// Withdraws records.
    async fn dns_remove(&self, request: DnsRemove) -> Result<DnsRemoved, ApiError>;
    /// Asks this machine's resolver.
    async fn dns_query(&self, query: DnsQuery) -> Result<DnsReply, ApiError>;
    /// Asks a peer for a reply from inside the tunnel.
    async fn ping(&self, request: Ping) -> Result<PingReply, ApiError>;
    /// Switches the networks on or off; the daemon stays.
    async fn switch(&self, request: Switch) -> Result<Switched, ApiError>;
    /// Starts stopping; the reply still goes out.
    async fn down(&self) -> Result<Down, ApiError>;
    /// Whether the daemon lives and serves.
    fn health(&self) -> Health;
    /// Counters in the Prometheus text format.
    async fn metrics(&self) -> Result<String, ApiError>;
}
