//! Accepts browsers.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::access::{Caller, Door, Standing};
use super::super::changes::Feed;
use super::super::connections::Connections;
use super::super::daemon::Daemon;
use super::super::handlers::{self, Shared};
use super::super::routes::router;
use super::super::serve::{ACCEPT_RETRY, finish, serve_connection};
use super::guard::{Authorities, guard};
use super::session_routes::{self, sign_in, sign_out, signed_in};
use super::sessions::Sessions;
use super::{assets, headers};

/// Who a browser is until it has shown that somebody has signed in with it.
const NOBODY: Caller = Caller { standing: Standing::Stranger, door: Door::Browser };

/// Serves pages and API to browsers until `shutdown` completes; requests in flight are given a moment to finish.
pub async fn serve_browsers(
    listener: TcpListener,
    daemon: Arc<dyn Daemon>,
    authorities: Authorities,
    sessions: Arc<Sessions>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (stop, stopping) = watch::channel(false);
    let shared = Shared {
        daemon,
        changes: Feed::default(),
        pages: Err("links are made over the socket".into()),
        stopping: stopping.clone(),
    };
    let router = pages(shared, authorities, sessions);
    let connections = Connections::default();
    let mut tasks = JoinSet::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Who it is, each request says; until one does it is somebody.
                    if let Some(place) = connections.admit_browser() {
                        let (router, stopping) = (router.clone(), stopping.clone());
                        tasks.spawn(serve_connection(stream, router, NOBODY, place, stopping));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the pages cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
            while tasks.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    drop(listener);
    // Without receivers there is nobody left to tell.
    let _ = stop.send(true);
    finish(tasks).await;
}

/// Whether a path is the API's; the others are pages.
fn is_for_api(path: &str) -> bool {
    path.starts_with("/api/") || ["/healthz", "/readyz", "/metrics"].contains(&path)
}

async fn ask(api: Router, request: Request) -> Response {
    let answer = hyper::service::Service::call(&TowerToHyperService::new(api), request).await;
    answer.unwrap_or_else(|never| match never {})
}

/// All that browsers can ask for, behind the gates.
fn pages(shared: Shared, authorities: Authorities, sessions: Arc<Sessions>) -> Router {
    let session = Router::new()
        .route(session_routes::PATH, get(session_routes::session).post(sign_in).delete(sign_out))
        .method_not_allowed_fallback(handlers::unknown_method)
        .with_state(sessions.clone());
    let api = router(shared).layer(from_fn_with_state(sessions, signed_in));
    // Not as routes with a variable rest of the path: what is variable in them would be added to what is in the API's.
    let rest = move |request: Request| {
        let api = api.clone();
        async move { if is_for_api(request.uri().path()) { ask(api, request).await } else { assets::file(&request) } }
    };
    Router::new()
        .merge(session)
        .fallback(rest)
        .layer(from_fn_with_state(authorities, guard))
        .layer(from_fn(headers::add))
}
