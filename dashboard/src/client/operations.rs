//! The operations, one method each. Every error is a refusal that can be shown as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{Call, exchange, exchange_health, exchange_text, open_in_time};
use super::query::Target;
use super::stream::EventStream;
use crate::api::{
    ApiError, Approve, Approved, Block, Blocked, Blocks, CertificateChain, CreateInvite, CreateNetwork, DnsAdd,
    DnsAdded, DnsList, DnsQuery, DnsRemove, DnsRemoved, DnsReply, Down, Events, EventsQuery, Health, InNetwork,
    InviteCreated, InviteRevoked, Invites, Join, Joined, Left, Names, Netcheck, NetworkCreated, Peers, Ping, PingReply,
    Relays, Revoke, Revoked, Routes, SignInLink, Status, Switch, Switched, Unblocked, Why, WhyQuery,
};

/// Longer than any operation but waiting for an issuer: a handshake gives up at 30 s.
const TIME_MAX: Duration = Duration::from_secs(60);
/// What a ping may take beyond the time that its caller gave it.
const PING_MARGIN: Duration = Duration::from_secs(5);

/// A client of the daemon at one socket; connects anew for every operation.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    time_max: Duration,
}

#[expect(
    clippy::missing_errors_doc,
    reason = "every method fails with the daemon's refusal or with why it was not reached"
)]
impl Client {
    /// A client of the daemon that listens at `socket`; nothing is opened yet.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into(), time_max: TIME_MAX }
    }

    /// The same client with another limit on the time that an operation may take.
    #[must_use]
    pub fn with_time_max(self, time_max: Duration) -> Self {
        Self { time_max, ..self }
    }

    /// Where the daemon listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Everything at a glance.
    pub async fn status(&self) -> Result<Status, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/status")).await
    }

    /// The members of one or all networks.
    pub async fn peers(&self, network: &InNetwork) -> Result<Peers, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/peers").parameter("network", network.network.as_ref())).await
    }

    /// The relays that one or all networks know, and the daemon's machine as one.
    pub async fn relays(&self, network: &InNetwork) -> Result<Relays, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/relays").parameter("network", network.network.as_ref())).await
    }

    /// How a peer is reached, and why.
    pub async fn why(&self, query: &WhyQuery) -> Result<Why, ApiError> {
        self.call(
            Method::GET,
            Target::new("/api/v1/why")
                .parameter("name", Some(&query.name))
                .parameter("network", query.network.as_ref()),
        )
        .await
    }

    /// What is known of the underlay, in one or all networks.
    pub async fn netcheck(&self, network: &InNetwork) -> Result<Netcheck, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/netcheck").parameter("network", network.network.as_ref())).await
    }

    /// The overlay's routes in one or all networks.
    pub async fn routes(&self, network: &InNetwork) -> Result<Routes, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/routes").parameter("network", network.network.as_ref())).await
    }

    /// A page of past events.
    pub async fn events(&self, query: &EventsQuery) -> Result<Events, ApiError> {
        self.call(
            Method::GET,
            Target::new("/api/v1/events").parameter("after", query.after).parameter("limit", query.limit),
        )
        .await
    }

    /// Founds a network.
    pub async fn create_network(&self, request: &CreateNetwork) -> Result<NetworkCreated, ApiError> {
        self.send(Target::new("/api/v1/networks"), request, Some(self.time_max)).await
    }

    /// Leaves and forgets a network.
    pub async fn leave(&self, label: &str) -> Result<Left, ApiError> {
        self.call(Method::DELETE, Target::new("/api/v1/networks").segment(label)).await
    }

    /// Makes an invite.
    pub async fn create_invite(&self, request: &CreateInvite) -> Result<InviteCreated, ApiError> {
        self.send(Target::new("/api/v1/invites"), request, Some(self.time_max)).await
    }

    /// Lists invites.
    pub async fn invites(&self, network: &InNetwork) -> Result<Invites, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/invites").parameter("network", network.network.as_ref())).await
    }

    /// Withdraws an unspent invite.
    pub async fn revoke_invite(&self, id: &str, network: &InNetwork) -> Result<InviteRevoked, ApiError> {
        self.call(
            Method::DELETE,
            Target::new("/api/v1/invites").segment(id).parameter("network", network.network.as_ref()),
        )
        .await
    }

    /// Approves of the machine that waits with an invite.
    pub async fn approve(&self, id: &str, request: &Approve) -> Result<Approved, ApiError> {
        let target = Target::new("/api/v1/invites").segment(id).segment("approval");
        self.send(target, request, Some(self.time_max)).await
    }

    /// Revokes a member for everyone.
    pub async fn revoke(&self, request: &Revoke) -> Result<Revoked, ApiError> {
        self.send(Target::new("/api/v1/revocations"), request, Some(self.time_max)).await
    }

    /// Blocks a member for this machine.
    pub async fn block(&self, request: &Block) -> Result<Blocked, ApiError> {
        self.send(Target::new("/api/v1/blocks"), request, Some(self.time_max)).await
    }

    /// Unblocks a member for this machine.
    pub async fn unblock(&self, name: &str, network: &InNetwork) -> Result<Unblocked, ApiError> {
        self.call(
            Method::DELETE,
            Target::new("/api/v1/blocks").segment(name).parameter("network", network.network.as_ref()),
        )
        .await
    }

    /// Lists whom this machine blocks.
    pub async fn blocks(&self, network: &InNetwork) -> Result<Blocks, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/blocks").parameter("network", network.network.as_ref())).await
    }

    /// Lists the records that this machine publishes.
    pub async fn dns_list(&self, network: &InNetwork) -> Result<DnsList, ApiError> {
        self.call(Method::GET, Target::new("/api/v1/dns").parameter("network", network.network.as_ref())).await
    }

    /// Publishes a record.
    pub async fn dns_add(&self, request: &DnsAdd) -> Result<DnsAdded, ApiError> {
        self.send(Target::new("/api/v1/dns"), request, Some(self.time_max)).await
    }

    /// Withdraws records.
    pub async fn dns_remove(&self, query: &DnsRemove) -> Result<DnsRemoved, ApiError> {
        self.call(
            Method::DELETE,
            Target::new("/api/v1/dns")
                .parameter("network", query.network.as_ref())
                .parameter("label", Some(&query.label))
                .parameter("type", query.record_type.as_ref())
                .parameter("value", query.value.as_ref()),
        )
        .await
    }

    /// Asks the daemon's resolver.
    pub async fn dns_query(&self, query: &DnsQuery) -> Result<DnsReply, ApiError> {
        self.call(
            Method::GET,
            Target::new("/api/v1/dns/query")
                .parameter("name", Some(&query.name))
                .parameter("type", query.record_type.as_ref()),
        )
        .await
    }

    /// Redeems an invite; with `wait` for as long as it takes.
    pub async fn join(&self, request: &Join) -> Result<Joined, ApiError> {
        let time_max = (!request.wait).then_some(self.time_max);
        self.send(Target::new("/api/v1/join"), request, time_max).await
    }

    /// A member's certificate and chain; the daemon's own without a name.
    pub async fn certificate(&self, name: Option<&str>, network: &InNetwork) -> Result<CertificateChain, ApiError> {
        let base = Target::new("/api/v1/certificates");
        let target = match name {
            Some(name) => base.segment(name),
            None => base,
        };
        self.call(Method::GET, target.parameter("network", network.network.as_ref())).await
    }

    /// Asks a peer for a reply from inside the tunnel.
    pub async fn ping(&self, request: &Ping) -> Result<PingReply, ApiError> {
        let time_max = Duration::from_millis(request.timeout_ms).saturating_add(PING_MARGIN);
        self.send(Target::new("/api/v1/ping"), request, Some(time_max)).await
    }

    /// Makes a link by which a browser signs in once.
    pub async fn sign_in_link(&self) -> Result<SignInLink, ApiError> {
        self.call(Method::POST, Target::new("/api/v1/dashboard")).await
    }

    /// The names that all members publish.
    pub async fn names(&self, network: &InNetwork) -> Result<Names, ApiError> {
        let target = Target::new("/api/v1/names").parameter("network", network.network.as_ref());
        self.call(Method::GET, target).await
    }

    /// Switches the networks on or off.
    pub async fn switch(&self, request: &Switch) -> Result<Switched, ApiError> {
        self.send(Target::new("/api/v1/switch"), request, Some(self.time_max)).await
    }

    /// Stops the daemon.
    pub async fn down(&self) -> Result<Down, ApiError> {
        self.call(Method::POST, Target::new("/api/v1/down")).await
    }

    /// Whether the daemon lives and serves.
    pub async fn health(&self) -> Result<Health, ApiError> {
        let call = Call { method: Method::GET, target: "/readyz".to_owned(), body: None };
        exchange_health(&self.socket, call, self.time_max).await
    }

    /// Counters in the Prometheus text format.
    pub async fn metrics(&self) -> Result<String, ApiError> {
        self.text("/metrics").await
    }

    /// The API's description.
    pub async fn openapi(&self) -> Result<String, ApiError> {
        self.text("/api/v1/openapi.json").await
    }

    /// Events as they happen, without limit of time.
    pub async fn stream_events(&self) -> Result<EventStream, ApiError> {
        let call = Call { method: Method::GET, target: "/api/v1/stream".to_owned(), body: None };
        let open = open_in_time(&self.socket, call, self.time_max).await?;
        Ok(EventStream::new(open))
    }

    async fn call<T: DeserializeOwned>(&self, method: Method, target: Target) -> Result<T, ApiError> {
        let call = Call { method, target: target.into_text(), body: None };
        exchange(&self.socket, call, Some(self.time_max)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        target: Target,
        request: &impl Serialize,
        time_max: Option<Duration>,
    ) -> Result<T, ApiError> {
        let body = serde_json::to_vec(request).expect("requests are strings and numbers");
        let call = Call { method: Method::POST, target: target.into_text(), body: Some(body) };
        exchange(&self.socket, call, time_max).await
    }

    async fn text(&self, path: &str) -> Result<String, ApiError> {
        let call = Call { method: Method::GET, target: path.to_owned(), body: None };
        exchange_text(&self.socket, call, self.time_max).await
    }
}
