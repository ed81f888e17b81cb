use std::time::Duration;

use holloway_wire::NodeId;

use crate::address::DialAddr;
use crate::channel::Channel;
use crate::token::{MessageToken, RequestId, ResponseToken, StoreToken};

/// What the owner wants done. No command is answered by return; what comes of it arrives as an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Connects to a node, or to whoever answers. The first [`ADDRESSES_PER_DIAL_MAX`](crate::ADDRESSES_PER_DIAL_MAX)
    /// addresses are tried. Nothing happens when the node is connected or being dialed already. With `None` it is
    /// the owner's to see who answered.
    Dial {
        /// Who is expected there.
        node: Option<NodeId>,
        /// Where.
        addresses: Vec<DialAddr>,
    },
    /// Ends all connections to a node.
    Disconnect {
        /// The node.
        node: NodeId,
    },
    /// Asks a node that is connected or being dialed. Exactly one [`Event::Response`](crate::Event::Response)
    /// with the same id follows.
    Request {
        /// The caller's own number for it.
        id: RequestId,
        /// Who is asked.
        node: NodeId,
        /// On which channel.
        channel: Channel,
        /// The question.
        body: Vec<u8>,
    },
    /// Answers a request. Must not be lost: the asker would wait in vain. A token that is unknown or used, or whose
    /// asker is gone, is ignored.
    Respond {
        /// From the event.
        token: ResponseToken,
        /// The answer.
        body: Vec<u8>,
    },
    /// The node is a member: it may speak everything, on connections it has and those to come, until it is expelled.
    /// Must not be lost.
    Admit {
        /// The node.
        node: NodeId,
    },
    /// The node is no member (any more): its connections end, and later ones are a stranger's. Must not be lost.
    Expel {
        /// The node.
        node: NodeId,
    },
    /// Tells all members.
    Publish {
        /// At most [`GOSSIP_BYTES_MAX`](crate::GOSSIP_BYTES_MAX).
        body: Vec<u8>,
    },
    /// Decides on a gossip message. Must not be lost: it is passed on only when accepted.
    Judge {
        /// From the event.
        message: MessageToken,
        /// The decision.
        verdict: Verdict,
    },
    /// Puts a record at the members nearest to its key, for at most an hour; to be put again before that, and when
    /// the first member has opened: put by a lonely node it is at first kept by that node alone.
    PutRecord {
        /// Its key.
        key: [u8; 32],
        /// At most [`RECORD_BYTES_MAX`](crate::RECORD_BYTES_MAX).
        value: Vec<u8>,
        /// How long it is of use.
        lifetime: Duration,
    },
    /// Looks a record up. Exactly one [`Event::Records`](crate::Event::Records) with the same id follows.
    GetRecord {
        /// The caller's own number for it.
        id: RequestId,
        /// The key.
        key: [u8; 32],
    },
    /// Decides on a record offered for storage: it is kept when accepted.
    Store {
        /// From the event.
        record: StoreToken,
        /// Whether to keep it.
        verdict: Verdict,
    },
}

impl Command {
    /// Whether losing it would leave somebody waiting or the membership wrong; such commands have a reserved share
    /// of the queue.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        match self {
            Self::Respond { .. } | Self::Admit { .. } | Self::Expel { .. } | Self::Judge { .. } => true,
            Self::Dial { .. }
            | Self::Disconnect { .. }
            | Self::Request { .. }
            | Self::Publish { .. }
            | Self::PutRecord { .. }
            | Self::GetRecord { .. }
            | Self::Store { .. } => false,
        }
    }
}

/// The owner's decision on something members want passed on or kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid and of use.
    Accept,
    /// Not of use here, and nobody's fault.
    Ignore,
    /// Invalid: it counts against the node it came from, which is cut off if there are more.
    Reject,
}
