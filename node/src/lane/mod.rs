//! The data path: a lane is a TUN queue, UDP sockets and a thread that runs each packet to completion.
//!
//! A lane seals what the local stack sends and opens what arrives, with the halves of sessions that the core has
//! installed. It decides nothing: what it cannot place - no session, a handshake, a message of the session itself -
//! goes to the core, and what it did is reported to the core in batches. Sessions stand in fixed slots addressed by
//! the low bits of their index.

mod forwarding;
mod queue;
mod udp;
mod worker;

pub(crate) use queue::LaneEvent;
pub(crate) use udp::UdpSockets;
pub(crate) use worker::{Lane, spawn};
