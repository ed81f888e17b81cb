//! The data path: a lane is a TUN queue, UDP sockets and a thread that runs each packet to completion.
//!
//! **Out**, a lane reads from the interface, large packets where the kernel gives them, cuts them while sealing into one
//! buffer, and sends that with one call. **In**, it opens what one receive brought and gathers it into as few writes as
//! possible. No byte is copied in between, no checksum is computed, nothing waits for more to come (dataplane.md);
//! but single datagrams that a relay passes on by tens of thousands a second do, for 50 µs.
//!
//! A lane decides nothing: what it cannot place - no session, a handshake, a message of the session itself - goes to
//! the core, and what it did is reported to the core in batches. How packets are cut, bundled and gathered stands in
//! `holloway_mesh`, as do the sealing and opening halves of sessions, which all lanes share.

mod forwarding;
mod incoming;
mod moderation;
mod outgoing;
mod peer_sockets;
mod queue;
mod relaying;
mod report;
mod train;
mod udp;
mod worker;

pub(crate) use queue::LaneEvent;
pub(crate) use udp::UdpSockets;
pub(crate) use worker::{Lanes, Parts};
