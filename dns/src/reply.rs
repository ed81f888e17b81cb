//! A reply on its way out: encoded, cut to what the asker can take, and handed to a socket.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Header, HeaderCounts, Query};
use hickory_proto::rr::Record;
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, BinEncodable as _, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::server::{Request, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponse;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::responder::Responder;

/// Largest datagram sent and offered to receive: what passes any path unfragmented
/// (<https://www.dnsflagday.net/2020/>).
pub(crate) const DATAGRAM_BYTES_MAX: u16 = 1_232;

/// Largest datagram for an asker that does not say more (RFC 1035 section 4.2.1).
const PLAIN_DATAGRAM_BYTES_MAX: u16 = 512;

/// Where one request's reply goes, and how large it may be.
#[derive(Clone)]
pub(crate) struct ReplyHandle {
    responder: Arc<Responder>,
    bytes_max: u16,
    sink: Sink,
}

#[derive(Clone)]
enum Sink {
    Datagram { socket: Arc<UdpSocket>, to: SocketAddr },
    Stream(mpsc::Sender<Vec<u8>>),
}

impl ReplyHandle {
    /// A reply to `request` in one datagram.
    pub(crate) fn datagram(responder: Arc<Responder>, socket: Arc<UdpSocket>, request: &Request) -> Self {
        let offered = request.edns.as_ref().map_or(PLAIN_DATAGRAM_BYTES_MAX, Edns::max_payload);
        let bytes_max = offered.clamp(PLAIN_DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX);
        Self { responder, bytes_max, sink: Sink::Datagram { socket, to: request.src() } }
    }

    /// A reply for a connection's writer.
    pub(crate) fn stream(responder: Arc<Responder>, writer: mpsc::Sender<Vec<u8>>) -> Self {
        Self { responder, bytes_max: u16::MAX, sink: Sink::Stream(writer) }
    }

    fn fitting(&self, message: Vec<u8>, edns: Option<&Edns>, incomplete: bool) -> Result<Vec<u8>, ProtoError> {
        if message.len() <= usize::from(self.bytes_max) && !incomplete {
            return Ok(message);
        }
        self.responder.counters.truncated.add_one();
        truncated(&message, edns)
    }

    async fn send(&self, message: Vec<u8>) {
        let sent = match &self.sink {
            Sink::Datagram { socket, to } => socket.try_send_to(&message, *to).is_ok(),
            Sink::Stream(writer) => writer.send(message).await.is_ok(),
        };
        if !sent {
            self.responder.counters.replies_dropped.add_one();
        }
    }
}

#[async_trait]
impl ResponseHandler for ReplyHandle {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let edns = response.edns().cloned();
        let mut message = Vec::with_capacity(usize::from(PLAIN_DATAGRAM_BYTES_MAX));
        let info = response.destructive_emit(&mut BinEncoder::new(&mut message))?;
        let message = self.fitting(message, edns.as_ref(), info.truncation)?;
        self.send(message).await;
        Ok(info)
    }
}

/// Cuts a message to header, question and OPT, with TC set: the asker comes back over TCP and
/// never mistakes a part of a record set for the whole (RFC 2181 section 9).
fn truncated(message: &[u8], edns: Option<&Edns>) -> Result<Vec<u8>, ProtoError> {
    let mut decoder = BinDecoder::new(message);
    let Header { mut metadata, .. } = Header::read(&mut decoder)?;
    let question_start = decoder.index();
    Query::read(&mut decoder)?;
    let question = decoder.slice_from(question_start)?;

    metadata.truncation = true;
    let counts = HeaderCounts { queries: 1, additionals: u16::from(edns.is_some()), ..Default::default() };
    let mut cut = Vec::with_capacity(usize::from(PLAIN_DATAGRAM_BYTES_MAX));
    let mut encoder = BinEncoder::new(&mut cut);
    Header { metadata, counts }.emit(&mut encoder)?;
    encoder.emit_vec(question)?;
    if let Some(edns) = edns {
        Record::from(edns).emit(&mut encoder)?;
    }
    Ok(cut)
}
