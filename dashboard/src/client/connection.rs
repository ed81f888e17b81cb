//! One request over one connection, within bounded time and size.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::api::{ApiError, ErrorCode, ErrorDocument};

/// A daemon that lives accepts at once.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// The status of a network of ten thousand peers is about 5 MiB.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A request before it is sent.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) body: Option<Vec<u8>>,
}

/// A response whose body is still to come; the connection ends with it.
pub(super) struct Open {
    pub(super) response: Response<Incoming>,
    _connection: Driver,
}

/// The task that moves a connection's bytes; it must not outlive the exchange.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request and reads the reply's JSON; `None` waits for it without limit.
pub(super) async fn exchange<T: DeserializeOwned>(
    socket: &Path,
    call: Call,
    time_max: Option<Duration>,
) -> Result<T, ApiError> {
    let exchange = async {
        let open = open(socket, call).await?;
        decode(&body_of(open).await?)
    };
    match time_max {
        Some(time_max) => tokio::time::timeout(time_max, exchange).await.unwrap_or_else(|_| Err(too_slow())),
        None => exchange.await,
    }
}

/// As [`exchange`], for a reply that is text.
pub(super) async fn exchange_text(socket: &Path, call: Call, time_max: Duration) -> Result<String, ApiError> {
    let exchange = async {
        let bytes = body_of(open(socket, call).await?).await?;
        String::from_utf8(bytes.into()).map_err(|_| garbled("text that is not UTF-8"))
    };
    let exchanged = tokio::time::timeout(time_max, exchange).await;
    exchanged.unwrap_or_else(|_| Err(too_slow()))
}

/// As [`exchange`], where a document also comes with 503.
pub(super) async fn exchange_health<T: DeserializeOwned>(
    socket: &Path,
    call: Call,
    time_max: Duration,
) -> Result<T, ApiError> {
    let exchange = async {
        let open = send(socket, call).await?;
        match open.response.status() {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => decode(&body_of(open).await?),
            _ => Err(refusal(open).await),
        }
    };
    let exchanged = tokio::time::timeout(time_max, exchange).await;
    exchanged.unwrap_or_else(|_| Err(too_slow()))
}

/// Sends a request and returns as soon as the daemon agrees to answer, to read the answer as it comes.
pub(super) async fn open_in_time(socket: &Path, call: Call, time_max: Duration) -> Result<Open, ApiError> {
    let opened = tokio::time::timeout(time_max, open(socket, call)).await;
    opened.unwrap_or_else(|_| Err(too_slow()))
}

async fn open(socket: &Path, call: Call) -> Result<Open, ApiError> {
    let open = send(socket, call).await?;
    if open.response.status().is_success() {
        return Ok(open);
    }
    Err(refusal(open).await)
}

async fn send(socket: &Path, call: Call) -> Result<Open, ApiError> {
    send_over(connect(socket).await?, call).await
}

/// Sends a request over a connection that is there.
pub(super) async fn send_over(stream: UnixStream, call: Call) -> Result<Open, ApiError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
    let driver = Driver(tokio::spawn(async move {
        // The exchange itself reports what went wrong.
        let _ = connection.await;
    }));
    let response = sender.send_request(request(call)).await.map_err(|e| broken(&e))?;
    Ok(Open { response, _connection: driver })
}

/// What a call failed with, from a response that is not a success.
async fn refusal(open: Open) -> ApiError {
    let status = open.response.status();
    match body_of(open).await {
        Ok(bytes) => match serde_json::from_slice::<ErrorDocument>(&bytes) {
            Ok(document) => document.error,
            Err(_) => garbled(&format!("status {status} without a reason")),
        },
        Err(error) => error,
    }
}

/// Connects to whoever listens there.
pub(super) async fn connect(socket: &Path) -> Result<UnixStream, ApiError> {
    match tokio::time::timeout(CONNECT_TIME_MAX, UnixStream::connect(socket)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(not_connected(socket, &error)),
        Err(_) => Err(too_slow()),
    }
}

fn request(call: Call) -> Request<Full<Bytes>> {
    Request::builder()
        .method(call.method)
        .uri(call.target)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(call.body.unwrap_or_default())))
        .expect("targets are escaped and headers are literals")
}

/// All of a response's body.
pub(super) async fn body_of(open: Open) -> Result<Bytes, ApiError> {
    let Open { response, _connection } = open;
    let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX);
    match body.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(garbled(&format!("more than {RESPONSE_BYTES_MAX} bytes")))
        }
        Err(error) => Err(garbled(&format!("a reply that broke off ({error})"))),
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| garbled(&format!("an unexpected document ({error})")))
}

fn not_connected(socket: &Path, error: &io::Error) -> ApiError {
    let socket = socket.display();
    if error.kind() == io::ErrorKind::PermissionDenied {
        let message = format!("you may not open the daemon's socket {socket}");
        return ApiError::new(ErrorCode::PermissionDenied, message).with_hint(
            "run the same command with sudo, or: sudo usermod -aG holloway USER (your user name), then log in again",
        );
    }
    let message = format!("the daemon is not running: nobody listens at {socket} ({error})");
    ApiError::new(ErrorCode::DaemonNotRunning, message).with_hint("run: holloway up")
}

fn broken(error: &hyper::Error) -> ApiError {
    garbled(&format!("an exchange that broke off ({error})"))
}

/// Nobody answered while it mattered.
pub(super) fn too_slow() -> ApiError {
    ApiError::new(ErrorCode::Timeout, "the daemon did not answer in time").with_hint("run: holloway doctor")
}

/// Whoever listens there does not speak as a daemon does.
pub(super) fn garbled(what: &str) -> ApiError {
    let message = format!("the daemon's reply cannot be used: {what}");
    ApiError::new(ErrorCode::Internal, message).with_hint("run: holloway doctor")
}
