use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use crate::address::Transport;
use crate::command::Command;

/// Why the control plane could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The operator asked for an address that cannot be listened on.
    #[error("cannot listen on {address} ({transport}): {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The transport.
        transport: Transport,
        /// What the system said.
        reason: String,
        /// Whether another program has it.
        held: bool,
    },
    /// The TCP or QUIC transport could not be set up.
    #[error("cannot set up a transport: {0}")]
    Transport(String),
    /// A constant of ours is out of the library's range.
    #[error("cannot set up gossip or records: {0}")]
    Gossip(String),
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(io::Error),
    /// The caller is not inside a tokio runtime.
    #[error("no tokio runtime to run on")]
    Runtime,
}

/// Why a command was not taken. It comes back with the refusal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The queue is full: the task is behind. Verdicts and answers may be sent again; the rest can be dropped.
    #[error("the control plane is behind")]
    Full(Box<Command>),
    /// The task has ended.
    #[error("the control plane has ended")]
    Closed(Box<Command>),
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestFailure {
    /// There is no connection to the node, and none is being made.
    #[error("not connected")]
    NotConnected,
    /// The channel is for members, and the owner has not admitted the node.
    #[error("the node is not admitted")]
    NotAdmitted,
    /// The node does not speak this channel.
    #[error("the node does not speak this channel")]
    Unsupported,
    /// No answer in time; a node that has not admitted us does not answer on the members' channels.
    #[error("no answer in time")]
    Timeout,
    /// The node has too much to do, or we have asked too often.
    #[error("the node is busy, try again in a minute")]
    Busy,
    /// The body is larger than the channel allows.
    #[error("the message is too large")]
    TooLarge,
    /// Too many requests wait already.
    #[error("too many requests are waiting")]
    TooMany,
    /// The connection ended before the answer came.
    #[error("the connection was closed")]
    ConnectionClosed,
    /// The stream broke or the answer made no sense; a node that refuses a request ends it this way.
    #[error("the exchange failed: {0}")]
    Broken(String),
}
