//! Requests in datagrams.
//!
//! What the zones can answer is answered where it was received; only a request that waits for an
//! upstream becomes a task, and the upstream bounds how many those can be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_server::net::runtime::TokioTime;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler as _};
use tokio::net::UdpSocket;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::debug;

use crate::door::{self, Admission, QUERY_BYTES_MAX};
use crate::reply::ReplyHandle;
use crate::responder::Responder;

/// Pause after the socket failed, so that a socket that keeps failing does not spin.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// Serves a socket until `stop` is sent or dropped.
pub(crate) async fn serve(socket: Arc<UdpSocket>, responder: Arc<Responder>, mut stop: oneshot::Receiver<()>) {
    let mut buffer = vec![0; QUERY_BYTES_MAX];
    let mut waiting = JoinSet::new();
    loop {
        let received = tokio::select! {
            _ = &mut stop => break,
            received = socket.recv_from(&mut buffer) => received,
        };
        while waiting.try_join_next().is_some() {}
        match received {
            Ok((length, from)) => handle(&buffer[..length], from, &socket, &responder, &mut waiting).await,
            Err(error) => pause(&error).await,
        }
    }
    waiting.shutdown().await;
}

async fn pause(error: &io::Error) {
    debug!(%error, "a DNS socket failed to receive");
    tokio::time::sleep(FAILURE_PAUSE).await;
}

async fn handle(
    message: &[u8],
    from: SocketAddr,
    socket: &Arc<UdpSocket>,
    responder: &Arc<Responder>,
    waiting: &mut JoinSet<()>,
) {
    match door::admit(message, responder.serves(from.ip())) {
        Admission::Drop => responder.counters.malformed.add_one(),
        Admission::Reject(code) => reject(message, code, from, socket, responder),
        Admission::Admit => match Request::from_bytes(message.to_vec(), from, Protocol::Udp) {
            Ok(request) => answer(request, socket, responder, waiting).await,
            Err(_) => reject(message, ResponseCode::FormErr, from, socket, responder),
        },
    }
}

fn reject(message: &[u8], code: ResponseCode, to: SocketAddr, socket: &UdpSocket, responder: &Responder) {
    responder.count_rejection(code);
    let sent = door::rejection(message, code).map(|reply| socket.try_send_to(&reply, to));
    if !matches!(sent, Some(Ok(_))) {
        responder.counters.replies_dropped.add_one();
    }
}

async fn answer(request: Request, socket: &Arc<UdpSocket>, responder: &Arc<Responder>, waiting: &mut JoinSet<()>) {
    let reply = ReplyHandle::datagram(responder.clone(), socket.clone(), &request);
    let responder = responder.clone();
    let mut handling = Box::pin(async move {
        responder.handle_request::<_, TokioTime>(&request, reply).await;
    });
    if futures::poll!(&mut handling).is_pending() {
        waiting.spawn(handling);
    }
}
