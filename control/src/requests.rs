//! Our requests: which wait for a connection, which for an answer, and until when.

use std::collections::HashMap;

use holloway_wire::NodeId;
use libp2p::request_response::{OutboundFailure, OutboundRequestId};
use tokio::time::Instant;

use crate::channel::{Channel, Reply};
use crate::error::RequestFailure;
use crate::event::Event;
use crate::limits::REQUESTS_MAX;
use crate::token::RequestId;

/// A request the owner has made.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) node: NodeId,
    pub(crate) channel: Channel,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
pub(crate) struct Requests {
    sent: HashMap<(Channel, OutboundRequestId), Sent>,
    waiting: Vec<(Request, Instant)>,
}

struct Sent {
    id: RequestId,
    node: NodeId,
    deadline: Instant,
}

impl Requests {
    /// Whether a request may be made at all.
    pub(crate) fn check(&self, request: &Request) -> Result<(), RequestFailure> {
        if request.body.len() > request.channel.bytes_max() {
            return Err(RequestFailure::TooLarge);
        }
        let to_node = |node: NodeId, channel| node == request.node && channel == request.channel;
        let sent = self.sent.iter().filter(|((channel, _), sent)| to_node(sent.node, *channel)).count();
        let waiting = self.waiting.iter().filter(|(other, _)| to_node(other.node, other.channel)).count();
        let full = self.sent.len() + self.waiting.len() >= REQUESTS_MAX;
        if full || sent + waiting >= request.channel.requests_max() {
            return Err(RequestFailure::TooMany);
        }
        Ok(())
    }

    /// Keeps a request until its node is connected.
    pub(crate) fn wait(&mut self, request: Request, now: Instant) {
        let deadline = now + request.channel.timeout();
        self.waiting.push((request, deadline));
    }

    /// The requests that waited for a node.
    pub(crate) fn take_waiting(&mut self, node: &NodeId) -> Vec<Request> {
        self.waiting.extract_if(.., |(request, _)| request.node == *node).map(|(request, _)| request).collect()
    }

    /// Notes that a request is on its way.
    pub(crate) fn sent(&mut self, wire: OutboundRequestId, request: &Request, now: Instant) {
        let deadline = now + request.channel.timeout();
        self.sent.insert((request.channel, wire), Sent { id: request.id, node: request.node, deadline });
    }

    /// The event for an answer; none when it is too late.
    pub(crate) fn answered(&mut self, channel: Channel, wire: OutboundRequestId, reply: Reply) -> Option<Event> {
        let result = match reply {
            Reply::Body(body) => Ok(body),
            Reply::Busy => Err(RequestFailure::Busy),
        };
        self.sent.remove(&(channel, wire)).map(|sent| Event::Response { id: sent.id, result })
    }

    /// The event for a failure; none when it is too late.
    pub(crate) fn failed(
        &mut self,
        channel: Channel,
        wire: OutboundRequestId,
        failure: &OutboundFailure,
    ) -> Option<Event> {
        let result = Err(match failure {
            OutboundFailure::DialFailure => RequestFailure::NotConnected,
            OutboundFailure::Timeout => RequestFailure::Timeout,
            OutboundFailure::ConnectionClosed => RequestFailure::ConnectionClosed,
            OutboundFailure::UnsupportedProtocols => RequestFailure::Unsupported,
            OutboundFailure::Io(error) => RequestFailure::Broken(error.to_string()),
        });
        self.sent.remove(&(channel, wire)).map(|sent| Event::Response { id: sent.id, result })
    }

    /// The events for requests whose time is up.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Event> {
        let sent = self.sent.extract_if(|_, sent| sent.deadline <= now).map(|(_, sent)| sent.id);
        let waiting = self.waiting.extract_if(.., |(_, deadline)| *deadline <= now).map(|(request, _)| request.id);
        sent.chain(waiting).map(|id| Event::Response { id, result: Err(RequestFailure::Timeout) }).collect()
    }
}
