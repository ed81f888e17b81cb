use std::net::SocketAddr;

use holloway_wire::NodeId;

use crate::address::{DialAddr, Transport};
use crate::channel::Channel;
use crate::error::RequestFailure;
use crate::token::{MessageToken, RequestId, ResponseToken, StoreToken};

/// What happened. For each node, everything else lies between `Connected` and `Disconnected`, except the failures
/// of requests that never found a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The node listens here; once per address of an unspecified one.
    Listening {
        /// The address, with the port the system chose.
        address: SocketAddr,
        /// The transport.
        transport: Transport,
    },
    /// A listener has ended, and no longer listens at these addresses.
    ListenFailed {
        /// Where it listened.
        addresses: Vec<DialAddr>,
        /// What the system said.
        reason: String,
    },
    /// The first connection to a node, which has proven its identity key and nothing else; and every further one that
    /// this side dialed, as when two dials cross: each side may see the other's first.
    Connected {
        /// Who.
        node: NodeId,
        /// Where it is seen to be.
        remote: SocketAddr,
        /// Over which transport.
        transport: Transport,
        /// Whether this side dialed.
        outbound: bool,
    },
    /// The last connection to a node has ended.
    Disconnected {
        /// Who.
        node: NodeId,
    },
    /// Nobody, or somebody else, answered at any address of a dial.
    DialFailed {
        /// Who was expected.
        node: Option<NodeId>,
        /// What went wrong, in words.
        reason: String,
    },
    /// Both sides have admitted each other: gossip, records and the members' channels run, and what is published
    /// from now on reaches this node. Comes again, without a `Disconnected` before it, when the node's program has
    /// restarted: what it knew is gone.
    Opened {
        /// Who.
        node: NodeId,
    },
    /// A node asks. To be answered with [`Command::Respond`](crate::Command::Respond) within the channel's timeout.
    Request {
        /// For the answer.
        token: ResponseToken,
        /// Who asks.
        node: NodeId,
        /// On which channel.
        channel: Channel,
        /// Where it is seen to be.
        remote: SocketAddr,
        /// What it asks.
        body: Vec<u8>,
    },
    /// The answer to a request of ours, or why there is none.
    Response {
        /// The caller's number.
        id: RequestId,
        /// The answer.
        result: Result<Vec<u8>, RequestFailure>,
    },
    /// A gossip message. It is passed on only by an accepting [`Command::Judge`](crate::Command::Judge), within ten
    /// seconds.
    Gossip {
        /// For the verdict.
        message: MessageToken,
        /// The neighbour it came from, not its author.
        forwarder: NodeId,
        /// What it says.
        body: Vec<u8>,
    },
    /// What a lookup found: nothing, or one or more values of which the owner picks the valid and newest.
    Records {
        /// The caller's number.
        id: RequestId,
        /// The values, at most eight.
        values: Vec<Vec<u8>>,
    },
    /// A member asks us to keep a record. It is kept only by an accepting [`Command::Store`](crate::Command::Store).
    StoreOffered {
        /// For the verdict.
        record: StoreToken,
        /// Who asks.
        node: NodeId,
        /// The record's key.
        key: [u8; 32],
        /// Its value.
        value: Vec<u8>,
    },
    /// A member tells at which address it sees us.
    Observed {
        /// Who tells.
        by: NodeId,
        /// Where it sees us.
        address: SocketAddr,
    },
    /// Somebody on the local network claims to be a node. Unproven; the owner may dial it.
    Discovered {
        /// Who it claims to be.
        node: NodeId,
        /// Where.
        addresses: Vec<DialAddr>,
    },
    /// A member has sent too much invalid or too much at all; its connections end and it may not come back for ten
    /// minutes, whatever the owner says.
    CutOff {
        /// Who.
        node: NodeId,
    },
}
