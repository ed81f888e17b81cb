//! The API's description, made from the very functions that serve it.

use utoipa::OpenApi;

use super::browser::session_routes;
use super::{console_handlers, handlers, stream};
use crate::api::Changes;

#[derive(OpenApi)]
#[openapi(
    info(title = "Holloway local API", description = "One daemon, its networks and their members."),
    paths(
        stream::stream,
        handlers::status,
        handlers::peers,
        handlers::relays,
        handlers::why,
        handlers::routes,
        handlers::netcheck,
        handlers::events,
        handlers::create_network,
        handlers::leave,
        handlers::create_invite,
        handlers::invites,
        handlers::revoke_invite,
        handlers::approve,
        handlers::revoke,
        handlers::block,
        handlers::unblock,
        handlers::blocks,
        handlers::own_certificate,
        handlers::certificate,
        handlers::dns_list,
        handlers::dns_add,
        handlers::dns_remove,
        handlers::dns_query,
        handlers::ping,
        session_routes::sign_in_link,
        session_routes::session,
        session_routes::sign_in,
        session_routes::sign_out,
        console_handlers::overview,
        console_handlers::history,
        console_handlers::connections,
        console_handlers::security_events,
        console_handlers::handle,
        console_handlers::reopen,
        console_handlers::audit,
        console_handlers::accounts,
        console_handlers::put_account,
        console_handlers::remove_account,
        console_handlers::change_password,
        console_handlers::propose_totp,
        console_handlers::confirm_totp,
        console_handlers::remove_totp,
        handlers::names,
        handlers::switch,
        handlers::down,
        handlers::join,
        handlers::openapi,
        handlers::healthz,
        handlers::readyz,
        handlers::metrics,
    ),
    // What the stream tells is not the body of any answer.
    components(schemas(Changes))
)]
struct Description;

/// The OpenAPI document that is served at `/api/v1/openapi.json`.
#[must_use]
pub fn openapi_json() -> String {
    Description::openapi().to_json().expect("a description made of strings is JSON")
}
