//! The table of routes: method, path, the permission it needs, and who answers.

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};

use super::access::{Caller, Permission};
use super::audit;
use super::browser::sign_in_link;
use super::console_handlers;
use super::handlers::{self, Shared};
use super::refusal::Refusal;
use super::stream;

/// One row of the table.
struct Route {
    /// Axum would tell only by being asked; the description is compared with it.
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the description in tests"))]
    method: Method,
    path: &'static str,
    handler: MethodRouter<Shared>,
}

fn route(method: Method, path: &'static str, needed: Permission, handler: MethodRouter<Shared>) -> Route {
    let handler = handler.route_layer(from_fn_with_state(needed, authorise));
    Route { method, path, handler }
}

fn table() -> Vec<Route> {
    vec![
        route(Method::GET, "/api/v1/status", Permission::Read, get(handlers::status)),
        route(Method::GET, "/api/v1/peers", Permission::Read, get(handlers::peers)),
        route(Method::GET, "/api/v1/relays", Permission::Read, get(handlers::relays)),
        route(Method::GET, "/api/v1/why", Permission::Read, get(handlers::why)),
        route(Method::GET, "/api/v1/routes", Permission::Read, get(handlers::routes)),
        route(Method::GET, "/api/v1/netcheck", Permission::Read, get(handlers::netcheck)),
        route(Method::GET, "/api/v1/events", Permission::Read, get(handlers::events)),
        route(Method::POST, "/api/v1/networks", Permission::Administer, post(handlers::create_network)),
        route(Method::DELETE, "/api/v1/networks/{label}", Permission::Administer, delete(handlers::leave)),
        route(Method::POST, "/api/v1/invites", Permission::Administer, post(handlers::create_invite)),
        route(Method::GET, "/api/v1/invites", Permission::Administer, get(handlers::invites)),
        route(Method::POST, "/api/v1/invites/{id}/approval", Permission::Administer, post(handlers::approve)),
        route(Method::DELETE, "/api/v1/invites/{id}", Permission::Administer, delete(handlers::revoke_invite)),
        route(Method::POST, "/api/v1/revocations", Permission::Administer, post(handlers::revoke)),
        route(Method::POST, "/api/v1/blocks", Permission::Administer, post(handlers::block)),
        route(Method::DELETE, "/api/v1/blocks/{name}", Permission::Administer, delete(handlers::unblock)),
        route(Method::GET, "/api/v1/blocks", Permission::Read, get(handlers::blocks)),
        route(Method::GET, "/api/v1/certificates", Permission::Read, get(handlers::own_certificate)),
        route(Method::GET, "/api/v1/certificates/{name}", Permission::Read, get(handlers::certificate)),
        route(Method::GET, "/api/v1/dns", Permission::Read, get(handlers::dns_list)),
        route(Method::POST, "/api/v1/dns", Permission::Administer, post(handlers::dns_add)),
        route(Method::DELETE, "/api/v1/dns", Permission::Administer, delete(handlers::dns_remove)),
        route(Method::GET, "/api/v1/dns/query", Permission::Read, get(handlers::dns_query)),
        route(Method::POST, "/api/v1/ping", Permission::Read, post(handlers::ping)),
        route(Method::POST, "/api/v1/dashboard", Permission::Read, post(sign_in_link)),
        route(Method::GET, "/api/v1/names", Permission::Read, get(handlers::names)),
        route(Method::POST, "/api/v1/switch", Permission::Operate, post(handlers::switch)),
        route(Method::POST, "/api/v1/down", Permission::Operate, post(handlers::down)),
        route(Method::POST, "/api/v1/join", Permission::Operate, post(handlers::join)),
        route(Method::GET, "/api/v1/stream", Permission::Read, get(stream::stream)),
        route(Method::GET, "/api/v1/overview", Permission::Read, get(console_handlers::overview)),
        route(Method::GET, "/api/v1/history", Permission::Read, get(console_handlers::history)),
        route(Method::GET, "/api/v1/connections", Permission::Read, get(console_handlers::connections)),
        route(Method::GET, "/api/v1/security-events", Permission::Read, get(console_handlers::security_events)),
        route(Method::POST, "/api/v1/security-events/{id}", Permission::Operate, post(console_handlers::handle)),
        route(Method::DELETE, "/api/v1/security-events/{id}", Permission::Operate, delete(console_handlers::reopen)),
        route(Method::GET, "/api/v1/audit", Permission::Administer, get(console_handlers::audit)),
        route(Method::GET, "/api/v1/accounts", Permission::Administer, get(console_handlers::accounts)),
        route(Method::PUT, "/api/v1/accounts/{name}", Permission::Administer, put(console_handlers::put_account)),
        route(
            Method::DELETE,
            "/api/v1/accounts/{name}",
            Permission::Administer,
            delete(console_handlers::remove_account),
        ),
        route(Method::POST, "/api/v1/account/password", Permission::Read, post(console_handlers::change_password)),
        route(Method::POST, "/api/v1/account/totp", Permission::Read, post(console_handlers::propose_totp)),
        route(Method::PUT, "/api/v1/account/totp", Permission::Read, put(console_handlers::confirm_totp)),
        route(Method::DELETE, "/api/v1/account/totp", Permission::Read, delete(console_handlers::remove_totp)),
        route(Method::GET, "/api/v1/openapi.json", Permission::Read, get(handlers::openapi)),
        route(Method::GET, "/healthz", Permission::Read, get(handlers::healthz)),
        route(Method::GET, "/readyz", Permission::Read, get(handlers::readyz)),
        route(Method::GET, "/metrics", Permission::Read, get(handlers::metrics)),
    ]
}

/// All routes; a request carries its [`Caller`] as an extension.
pub(super) fn router(shared: Shared) -> Router {
    let empty = Router::new();
    table()
        .into_iter()
        .fold(empty, |router, route| router.route(route.path, route.handler))
        .fallback(handlers::unknown_path)
        .method_not_allowed_fallback(handlers::unknown_method)
        .layer(from_fn_with_state(shared.console.clone(), audit::note))
        .layer(from_fn(known_callers_only))
        .with_state(shared)
}

async fn authorise(
    State(needed): State<Permission>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    caller.permit(needed)?;
    Ok(next.run(request).await)
}

/// Strangers do not even learn which paths exist.
async fn known_callers_only(
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    caller.permit(Permission::Read)?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::browser::session_routes::PATH as SESSION_PATH;
    use super::super::openapi_json;
    use super::table;

    #[test]
    fn the_description_lists_exactly_the_routes_that_are_served() {
        let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert((method.to_uppercase(), path.clone()));
            }
        }
        // Browsers have these before they have signed in.
        let own = ["GET", "POST", "DELETE"].map(|method| (method.to_owned(), SESSION_PATH.to_owned()));
        let served: BTreeSet<(String, String)> =
            table().into_iter().map(|route| (route.method.to_string(), route.path.to_owned())).chain(own).collect();
        assert_eq!(described, served);
    }
}
