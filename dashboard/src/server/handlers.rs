//! One function per route: a typed request to the daemon, its typed reply as JSON. Nothing is decided here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::browser::{Guesses, Pages, Sessions};
use super::changes::Feed;
use super::console::Console;
use super::daemon::Daemon;
use super::extract::{Body, Named, Params};
use super::openapi::openapi_json;
use super::refusal::Refusal;
use crate::api::{
    ApiError, Approve, Approved, Block, Blocked, Blocks, CertificateChain, CreateInvite, CreateNetwork, DnsAdd,
    DnsAdded, DnsList, DnsQuery, DnsRemove, DnsRemoved, DnsReply, Down, ErrorCode, ErrorDocument, Events, EventsQuery,
    Health, InNetwork, InviteCreated, InviteRevoked, Invites, Join, Joined, Left, Names, Netcheck, NetworkCreated,
    Peers, Ping, PingReply, Relays, Revoke, Revoked, Routes, Status, Switch, Switched, Unblocked, Why, WhyQuery,
};

/// What every handler sees.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) daemon: Arc<dyn Daemon>,
    /// What it looks back by.
    pub(super) console: Arc<dyn Console>,
    /// What changes, for those who look on.
    pub(super) changes: Feed,
    /// The pages, to which this end makes links; or why there are none.
    pub(super) pages: Result<Pages, Arc<str>>,
    /// Who has signed in with a browser.
    pub(super) sessions: Arc<Sessions>,
    /// How often somebody has guessed.
    pub(super) guesses: Arc<Guesses>,
    /// Becomes true when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
}

type Answer<T> = Result<Json<T>, Refusal>;

/// Runs an operation to its end, whether or not the caller is still there for the reply.
async fn to_the_end<T, F>(shared: Shared, operation: impl FnOnce(Arc<dyn Daemon>) -> F + Send + 'static) -> Answer<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ApiError>> + Send,
{
    let task = tokio::spawn(async move { operation(shared.daemon).await });
    match task.await {
        Ok(result) => Ok(Json(result?)),
        Err(error) => {
            tracing::error!(%error, "an operation of the local API panicked");
            let message = "the daemon failed on this request; its log says more";
            Err(ApiError::new(ErrorCode::Internal, message).into())
        }
    }
}

/// Everything at a glance.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = Status), (status = "default", body = ErrorDocument)))]
pub(super) async fn status(State(shared): State<Shared>) -> Answer<Status> {
    to_the_end(shared, |daemon| async move { daemon.status().await }).await
}

/// The members of one or all networks.
#[utoipa::path(get, path = "/api/v1/peers", params(InNetwork), responses((status = 200, body = Peers), (status = "default", body = ErrorDocument)))]
pub(super) async fn peers(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Peers> {
    to_the_end(shared, |daemon| async move { daemon.peers(query).await }).await
}

/// The relays that one or all networks know, and this machine as one.
#[utoipa::path(get, path = "/api/v1/relays", params(InNetwork), responses((status = 200, body = Relays), (status = "default", body = ErrorDocument)))]
pub(super) async fn relays(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Relays> {
    to_the_end(shared, |daemon| async move { daemon.relays(query).await }).await
}

/// How a peer is reached, and why.
#[utoipa::path(get, path = "/api/v1/why", params(WhyQuery), responses((status = 200, body = Why), (status = "default", body = ErrorDocument)))]
pub(super) async fn why(State(shared): State<Shared>, Params(query): Params<WhyQuery>) -> Answer<Why> {
    to_the_end(shared, |daemon| async move { daemon.why(query).await }).await
}

/// The overlay's routes in one or all networks.
#[utoipa::path(get, path = "/api/v1/routes", params(InNetwork), responses((status = 200, body = Routes), (status = "default", body = ErrorDocument)))]
pub(super) async fn routes(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Routes> {
    to_the_end(shared, |daemon| async move { daemon.routes(query).await }).await
}

/// What is known of the underlay, in one or all networks.
#[utoipa::path(get, path = "/api/v1/netcheck", params(InNetwork), responses((status = 200, body = Netcheck), (status = "default", body = ErrorDocument)))]
pub(super) async fn netcheck(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Netcheck> {
    to_the_end(shared, |daemon| async move { daemon.netcheck(query).await }).await
}

/// A page of past events.
#[utoipa::path(get, path = "/api/v1/events", params(EventsQuery), responses((status = 200, body = Events), (status = "default", body = ErrorDocument)))]
pub(super) async fn events(State(shared): State<Shared>, Params(query): Params<EventsQuery>) -> Answer<Events> {
    to_the_end(shared, |daemon| async move { daemon.events(query).await }).await
}

/// Founds a network.
#[utoipa::path(post, path = "/api/v1/networks", request_body = CreateNetwork, responses((status = 200, body = NetworkCreated), (status = "default", body = ErrorDocument)))]
pub(super) async fn create_network(
    State(shared): State<Shared>,
    Body(request): Body<CreateNetwork>,
) -> Answer<NetworkCreated> {
    to_the_end(shared, |daemon| async move { daemon.create_network(request).await }).await
}

/// Leaves and forgets a network.
#[utoipa::path(delete, path = "/api/v1/networks/{label}", params(("label" = String, Path)), responses((status = 200, body = Left), (status = "default", body = ErrorDocument)))]
pub(super) async fn leave(State(shared): State<Shared>, Named(label): Named) -> Answer<Left> {
    to_the_end(shared, |daemon| async move { daemon.leave(label).await }).await
}

/// Makes an invite.
#[utoipa::path(post, path = "/api/v1/invites", request_body = CreateInvite, responses((status = 200, body = InviteCreated), (status = "default", body = ErrorDocument)))]
pub(super) async fn create_invite(
    State(shared): State<Shared>,
    Body(request): Body<CreateInvite>,
) -> Answer<InviteCreated> {
    to_the_end(shared, |daemon| async move { daemon.create_invite(request).await }).await
}

/// Lists invites.
#[utoipa::path(get, path = "/api/v1/invites", params(InNetwork), responses((status = 200, body = Invites), (status = "default", body = ErrorDocument)))]
pub(super) async fn invites(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Invites> {
    to_the_end(shared, |daemon| async move { daemon.invites(query).await }).await
}

/// Withdraws an unspent invite.
#[utoipa::path(delete, path = "/api/v1/invites/{id}", params(("id" = String, Path), InNetwork), responses((status = 200, body = InviteRevoked), (status = "default", body = ErrorDocument)))]
pub(super) async fn revoke_invite(
    State(shared): State<Shared>,
    Named(id): Named,
    Params(network): Params<InNetwork>,
) -> Answer<InviteRevoked> {
    to_the_end(shared, |daemon| async move { daemon.revoke_invite(id, network).await }).await
}

/// Approves of the machine that waits with an invite: it becomes a member.
#[utoipa::path(post, path = "/api/v1/invites/{id}/approval", params(("id" = String, Path)), request_body = Approve, responses((status = 200, body = Approved), (status = "default", body = ErrorDocument)))]
pub(super) async fn approve(
    State(shared): State<Shared>,
    Named(id): Named,
    Body(request): Body<Approve>,
) -> Answer<Approved> {
    to_the_end(shared, |daemon| async move { daemon.approve(id, request).await }).await
}

/// Revokes a member for everyone.
#[utoipa::path(post, path = "/api/v1/revocations", request_body = Revoke, responses((status = 200, body = Revoked), (status = "default", body = ErrorDocument)))]
pub(super) async fn revoke(State(shared): State<Shared>, Body(request): Body<Revoke>) -> Answer<Revoked> {
    to_the_end(shared, |daemon| async move { daemon.revoke(request).await }).await
}

/// Blocks a member for this machine.
#[utoipa::path(post, path = "/api/v1/blocks", request_body = Block, responses((status = 200, body = Blocked), (status = "default", body = ErrorDocument)))]
pub(super) async fn block(State(shared): State<Shared>, Body(request): Body<Block>) -> Answer<Blocked> {
    to_the_end(shared, |daemon| async move { daemon.block(request).await }).await
}

/// Unblocks a member for this machine.
#[utoipa::path(delete, path = "/api/v1/blocks/{name}", params(("name" = String, Path), InNetwork), responses((status = 200, body = Unblocked), (status = "default", body = ErrorDocument)))]
pub(super) async fn unblock(
    State(shared): State<Shared>,
    Named(name): Named,
    Params(network): Params<InNetwork>,
) -> Answer<Unblocked> {
    to_the_end(shared, |daemon| async move { daemon.unblock(name, network).await }).await
}

/// Lists whom this machine blocks.
#[utoipa::path(get, path = "/api/v1/blocks", params(InNetwork), responses((status = 200, body = Blocks), (status = "default", body = ErrorDocument)))]
pub(super) async fn blocks(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Blocks> {
    to_the_end(shared, |daemon| async move { daemon.blocks(query).await }).await
}

/// This machine's certificate and chain.
#[utoipa::path(get, path = "/api/v1/certificates", params(InNetwork), responses((status = 200, body = CertificateChain), (status = "default", body = ErrorDocument)))]
pub(super) async fn own_certificate(
    State(shared): State<Shared>,
    Params(network): Params<InNetwork>,
) -> Answer<CertificateChain> {
    to_the_end(shared, |daemon| async move { daemon.certificate(None, network).await }).await
}

/// A member's certificate and chain.
#[utoipa::path(get, path = "/api/v1/certificates/{name}", params(("name" = String, Path), InNetwork), responses((status = 200, body = CertificateChain), (status = "default", body = ErrorDocument)))]
pub(super) async fn certificate(
    State(shared): State<Shared>,
    Named(name): Named,
    Params(network): Params<InNetwork>,
) -> Answer<CertificateChain> {
    to_the_end(shared, |daemon| async move { daemon.certificate(Some(name), network).await }).await
}

/// Lists the records that this machine publishes.
#[utoipa::path(get, path = "/api/v1/dns", params(InNetwork), responses((status = 200, body = DnsList), (status = "default", body = ErrorDocument)))]
pub(super) async fn dns_list(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<DnsList> {
    to_the_end(shared, |daemon| async move { daemon.dns_list(query).await }).await
}

/// Publishes a record.
#[utoipa::path(post, path = "/api/v1/dns", request_body = DnsAdd, responses((status = 200, body = DnsAdded), (status = "default", body = ErrorDocument)))]
pub(super) async fn dns_add(State(shared): State<Shared>, Body(request): Body<DnsAdd>) -> Answer<DnsAdded> {
    to_the_end(shared, |daemon| async move { daemon.dns_add(request).await }).await
}

/// Withdraws records.
#[utoipa::path(delete, path = "/api/v1/dns", params(DnsRemove), responses((status = 200, body = DnsRemoved), (status = "default", body = ErrorDocument)))]
pub(super) async fn dns_remove(State(shared): State<Shared>, Params(query): Params<DnsRemove>) -> Answer<DnsRemoved> {
    to_the_end(shared, |daemon| async move { daemon.dns_remove(query).await }).await
}

/// Asks this machine's resolver.
#[utoipa::path(get, path = "/api/v1/dns/query", params(DnsQuery), responses((status = 200, body = DnsReply), (status = "default", body = ErrorDocument)))]
pub(super) async fn dns_query(State(shared): State<Shared>, Params(query): Params<DnsQuery>) -> Answer<DnsReply> {
    to_the_end(shared, |daemon| async move { daemon.dns_query(query).await }).await
}

/// Asks a peer for a reply from inside the tunnel.
#[utoipa::path(post, path = "/api/v1/ping", request_body = Ping, responses((status = 200, body = PingReply), (status = "default", body = ErrorDocument)))]
pub(super) async fn ping(State(shared): State<Shared>, Body(request): Body<Ping>) -> Answer<PingReply> {
    to_the_end(shared, |daemon| async move { daemon.ping(request).await }).await
}

/// Switches the networks on or off; the daemon stays.
#[utoipa::path(post, path = "/api/v1/switch", request_body = Switch, responses((status = 200, body = Switched), (status = "default", body = ErrorDocument)))]
pub(super) async fn switch(State(shared): State<Shared>, Body(request): Body<Switch>) -> Answer<Switched> {
    to_the_end(shared, move |daemon| async move { daemon.switch(request).await }).await
}

/// The names that all members publish.
#[utoipa::path(get, path = "/api/v1/names", params(InNetwork), responses((status = 200, body = Names), (status = "default", body = ErrorDocument)))]
pub(super) async fn names(State(shared): State<Shared>, Params(query): Params<InNetwork>) -> Answer<Names> {
    to_the_end(shared, |daemon| async move { daemon.names(query).await }).await
}

/// Stops the daemon.
#[utoipa::path(post, path = "/api/v1/down", responses((status = 200, body = Down), (status = "default", body = ErrorDocument)))]
pub(super) async fn down(State(shared): State<Shared>) -> Answer<Down> {
    to_the_end(shared, |daemon| async move { daemon.down().await }).await
}

/// Redeems an invite. With `wait` the attempt ends when the caller goes away.
#[utoipa::path(post, path = "/api/v1/join", request_body = Join, responses((status = 200, body = Joined), (status = "default", body = ErrorDocument)))]
pub(super) async fn join(State(shared): State<Shared>, Body(request): Body<Join>) -> Answer<Joined> {
    if request.wait {
        return Ok(Json(shared.daemon.join(request).await?));
    }
    to_the_end(shared, |daemon| async move { daemon.join(request).await }).await
}

/// This description.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, description = "OpenAPI 3.1")))]
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json()).into_response()
}

/// 200 while the daemon makes progress.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn healthz(State(shared): State<Shared>) -> Response {
    let health = shared.daemon.health();
    (available(health.live), Json(health)).into_response()
}

/// 200 while the daemon can do its job.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = Health), (status = 503, body = Health)))]
pub(super) async fn readyz(State(shared): State<Shared>) -> Response {
    let health = shared.daemon.health();
    (available(health.ready), Json(health)).into_response()
}

/// Counters in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain"), (status = "default", body = ErrorDocument)))]
pub(super) async fn metrics(State(shared): State<Shared>) -> Result<Response, Refusal> {
    let form = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((form, shared.daemon.metrics().await?).into_response())
}

/// There is nothing at this path.
pub(super) async fn unknown_path() -> Refusal {
    let message = "there is nothing at this path; GET /api/v1/openapi.json lists what there is";
    ApiError::new(ErrorCode::NotFound, message).into()
}

/// There is something at this path, but not for this method.
pub(super) async fn unknown_method() -> Refusal {
    let message = "this path does not take this method; GET /api/v1/openapi.json lists those it takes";
    Refusal::with_status(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Usage, message.to_owned())
}

fn available(is_available: bool) -> StatusCode {
    if is_available { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
