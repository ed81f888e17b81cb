//! Accepts browsers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use futures::future::BoxFuture;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::access::Caller;
use super::super::changes::Feed;
use super::super::connections::{Connections, Place};
use super::super::handlers::{self, Shared};
use super::super::routes::router;
use super::super::serve::{ACCEPT_RETRY, Services, finish, serve_connection};
use super::guard::{Authorities, guard};
use super::session_routes::{self, Entrance, sign_in, sign_out, signed_in};
use super::{Pages, assets, headers};

/// A connection that is read and written in clear, whatever is on the wire.
pub trait Clear: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Clear for T {}

/// What becomes of a connection when the other side has shown that it speaks TLS, or an error.
pub type Encrypted = BoxFuture<'static, io::Result<Box<dyn Clear>>>;

/// Begins TLS on a connection.
pub type Encrypt = Arc<dyn Fn(TcpStream) -> Encrypted + Send + Sync>;

/// How long a browser may take to begin TLS.
const TLS_TIME_MAX: Duration = Duration::from_secs(10);

/// Serves pages and API to browsers until `shutdown` completes; requests in flight are given a moment to finish. With
/// `encrypt`, by TLS alone.
pub async fn serve_browsers(
    listener: TcpListener,
    services: Services,
    pages: Pages,
    encrypt: Option<Encrypt>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (stop, stopping) = watch::channel(false);
    let Services { daemon, console } = services;
    let Pages { authorities, sessions, .. } = pages;
    let shared = Shared {
        daemon,
        console,
        changes: Feed::default(),
        pages: Err("links are made over the socket".into()),
        sessions,
        guesses: Arc::default(),
        stopping: stopping.clone(),
    };
    let router = routes(shared, authorities);
    let connections = Connections::default();
    let mut tasks = JoinSet::new();
    let accept = async {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => {
                    // Who it is, each request says; until one does it is somebody.
                    if let Some(place) = connections.admit_browser() {
                        let (router, stopping) = (router.clone(), stopping.clone());
                        let caller = Caller::browser(from.ip().to_canonical());
                        tasks.spawn(serve_browser(stream, encrypt.clone(), router, caller, place, stopping));
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

async fn serve_browser(
    stream: TcpStream,
    encrypt: Option<Encrypt>,
    router: Router,
    caller: Caller,
    place: Place,
    stopping: watch::Receiver<bool>,
) {
    let Some(encrypt) = encrypt else {
        return serve_connection(stream, router, caller, place, stopping).await;
    };
    match timeout(TLS_TIME_MAX, encrypt(stream)).await {
        Ok(Ok(stream)) => serve_connection(stream, router, caller, place, stopping).await,
        Ok(Err(error)) => tracing::debug!(%error, "a browser did not speak TLS"),
        Err(_) => tracing::debug!("a browser took too long to begin TLS"),
    }
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
fn routes(shared: Shared, authorities: Authorities) -> Router {
    let sessions = shared.sessions.clone();
    let entrance = Entrance {
        sessions: sessions.clone(),
        guesses: shared.guesses.clone(),
        console: shared.console.clone(),
        is_encrypted: authorities.is_encrypted(),
    };
    let session = Router::new()
        .route(session_routes::PATH, get(session_routes::session).post(sign_in).delete(sign_out))
        .method_not_allowed_fallback(handlers::unknown_method)
        .with_state(entrance);
    let console = shared.console.clone();
    let api = router(shared).layer(from_fn_with_state((sessions, console), signed_in));
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
