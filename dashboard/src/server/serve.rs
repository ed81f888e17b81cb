//! Accepts connections and gives each a task, a place and the standing of its caller.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::access::{Access, Caller};
use super::browser::Pages;
use super::changes::Feed;
use super::connections::{Connection, Connections, Place};
use super::console::Console;
use super::daemon::Daemon;
use super::handlers::Shared;
use super::peer;
use super::routes::router;

/// For the whole head of a request, and for the silence before it; a local caller needs milliseconds.
const HEAD_READ_TIME_MAX: Duration = Duration::from_secs(10);
/// Ours sends four headers; browsers about twenty.
const HEADERS_MAX: usize = 64;
/// Head and the buffered part of a body, per connection.
const BUFFER_BYTES_MAX: usize = 32 * 1024;
/// What requests in flight get to finish when the daemon stops.
const SHUTDOWN_TIME_MAX: Duration = Duration::from_secs(2);
/// Out of descriptors: trying again at once would only spin.
pub(super) const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// What answers requests.
#[derive(Clone)]
pub struct Services {
    /// The daemon.
    pub daemon: Arc<dyn Daemon>,
    /// What it looks back by.
    pub console: Arc<dyn Console>,
}

/// Serves the API until `shutdown` completes; requests in flight are given a moment to finish. `pages` is what it makes
/// links to, or why there is nothing.
pub async fn serve(
    listener: UnixListener,
    services: Services,
    access: Access,
    pages: Result<Pages, Arc<str>>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (stop, stopping) = watch::channel(false);
    let Services { daemon, console } = services;
    let sessions = pages.as_ref().map(|pages| pages.sessions.clone()).unwrap_or_default();
    let shared = Shared {
        daemon,
        console,
        changes: Feed::default(),
        pages,
        sessions,
        guesses: Arc::default(),
        stopping: stopping.clone(),
    };
    let server = Server { router: router(shared), access, connections: Connections::default(), stopping };
    let mut tasks = JoinSet::new();
    tokio::select! {
        () = server.accept(&listener, &mut tasks) => {}
        () = shutdown => {}
    }
    drop(listener);
    // Without receivers there is nobody left to tell.
    let _ = stop.send(true);
    finish(tasks).await;
}

/// Gives connections a moment to end by themselves.
pub(super) async fn finish(mut tasks: JoinSet<()>) {
    let finish = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIME_MAX, finish).await.is_err() {
        tracing::debug!("connections cut off at the end");
    }
}

struct Server {
    router: Router,
    access: Access,
    connections: Connections,
    stopping: watch::Receiver<bool>,
}

impl Server {
    /// Accepts for ever; only cancelled from outside.
    async fn accept(&self, listener: &UnixListener, tasks: &mut JoinSet<()>) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.admit(stream, tasks),
                Err(error) => {
                    tracing::warn!(%error, "the local API cannot accept a connection");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
            while tasks.try_join_next().is_some() {}
        }
    }

    fn admit(&self, stream: UnixStream, tasks: &mut JoinSet<()>) {
        let credentials = match peer::credentials(&stream) {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::debug!(%error, "a caller without credentials was turned away");
                return;
            }
        };
        let standing = self.access.standing(&credentials);
        let Some(place) = self.connections.admit(standing) else {
            tracing::debug!(uid = credentials.uid, "too many connections at once");
            return;
        };
        let router = self.router.clone();
        let caller = Caller::local(standing, credentials.uid);
        tasks.spawn(serve_connection(stream, router, caller, place, self.stopping.clone()));
    }
}

pub(super) async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    caller: Caller,
    place: Place,
    mut stopping: watch::Receiver<bool>,
) {
    let connection = place.connection().clone();
    let service = service_fn(|request| answer(request, router.clone(), caller.clone(), connection.clone()));
    let served = http1_builder().serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    tokio::select! {
        result = served.as_mut() => return log_end(result),
        () = place.connection().evicted() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    served.as_mut().graceful_shutdown();
    log_end(served.await);
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_READ_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
}

/// Answers one request; the connection counts as busy until the answer's head is ready.
async fn answer(
    request: hyper::Request<Incoming>,
    router: Router,
    caller: Caller,
    connection: Arc<Connection>,
) -> Result<Response, hyper::Error> {
    let _busy = connection.busy();
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(connection);
    let service = TowerToHyperService::new(router);
    Ok(match hyper::service::Service::call(&service, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    })
}

fn log_end(result: Result<(), hyper::Error>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection of the local API ended early");
    }
}
