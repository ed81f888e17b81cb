//! Requests over connections (RFC 7766).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::debug;

use crate::door::{self, Admission, QUERY_BYTES_MAX};
use crate::reply::ReplyHandle;
use crate::responder::Responder;

/// Most connections of one listener; the newest beyond it is closed at once. Only this machine
/// asks, and a resolver library opens one or two.
const CONNECTIONS_MAX: usize = 128;

/// A connection that neither asks nor reads for so long is closed (RFC 7766 section 6.2.3 speaks
/// of a few seconds).
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Pause after accepting failed, for instance because no file descriptors are left.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Serves a listener until `stop` is sent or dropped.
pub(crate) async fn serve(listener: TcpListener, responder: Arc<Responder>, mut stop: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) if connections.len() < CONNECTIONS_MAX && responder.serves(from.ip()) => {
                connections.spawn(converse(stream, from, responder.clone()));
            }
            Ok(_) => responder.counters.refused.add_one(),
            Err(error) => {
                debug!(%error, "a DNS listener failed to accept");
                tokio::time::sleep(FAILURE_PAUSE).await;
            }
        }
    }
    connections.shutdown().await;
}

/// Answers one request after the other, until the asker goes, sends nonsense or falls silent.
async fn converse(mut stream: TcpStream, from: SocketAddr, responder: Arc<Responder>) {
    while let Ok(Some(message)) = timeout(IDLE_MAX, read(&mut stream)).await {
        let Some(reply) = reply_to(&message, from, &responder).await else { return };
        let Ok(Some(())) = timeout(IDLE_MAX, write(&mut stream, &reply)).await else { return };
    }
}

async fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let length = usize::from(stream.read_u16().await.ok()?);
    if length > QUERY_BYTES_MAX {
        return None;
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Some(message)
}

async fn write(stream: &mut TcpStream, reply: &[u8]) -> Option<()> {
    let length = u16::try_from(reply.len()).ok()?;
    let framed = [&length.to_be_bytes(), reply].concat();
    stream.write_all(&framed).await.ok()
}

async fn reply_to(message: &[u8], from: SocketAddr, responder: &Arc<Responder>) -> Option<Vec<u8>> {
    match door::admit(message, responder.serves(from.ip())) {
        Admission::Drop => {
            responder.counters.malformed.add_one();
            None
        }
        Admission::Reject(code) => reject(message, code, responder),
        Admission::Admit => match Request::from_bytes(message.to_vec(), from, Protocol::Tcp) {
            Ok(request) => answer(&request, responder).await,
            Err(_) => reject(message, ResponseCode::FormErr, responder),
        },
    }
}

fn reject(message: &[u8], code: ResponseCode, responder: &Responder) -> Option<Vec<u8>> {
    responder.count_rejection(code);
    door::rejection(message, code)
}

async fn answer(request: &Request, responder: &Arc<Responder>) -> Option<Vec<u8>> {
    let (writer, mut written) = mpsc::channel(1);
    let reply = ReplyHandle::stream(responder.clone(), writer);
    responder.handle_request::<_, TokioTime>(request, reply).await;
    written.recv().await
}
