use libp2p::request_response::InboundRequestId;

use crate::channel::Channel;

/// The owner's number for a request or a lookup, given back with the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Says which request an answer is for. Worthless after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseToken {
    pub(crate) channel: Channel,
    pub(crate) request: InboundRequestId,
}

/// Says which gossip message a verdict is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageToken(pub(crate) u64);

/// Says which offered record a verdict is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreToken(pub(crate) u64);
