//! Tunnels: sessions with peers, from the first handshake message to the last record under a key.
//!
//! A [`Device`] holds one `Peer` per member that there has been traffic with. Traffic for a peer without a session is
//! staged and starts a handshake; the answer makes a session, which serves until its successor is confirmed. The side
//! that began a session also rotates it, by time or by number of packets; the other side steps in when it does not.
//! A responder sends nothing on a new session before the first authentic record arrived on it, and an initiator sends
//! a keepalive at once, so neither is ever ahead of the other. Keys of idle peers lapse.
//!
//! When both sides begin at once, the initiation of the lower `NodeId` goes first. The lower side does not answer the
//! other's but sends its own to where that came from; the higher side answers and no longer takes answers to what it
//! sent before. After some refusals the lower side gives in, in the same way, in case the other cannot read it. So
//! whoever answers has nothing of its own under way, and where two handshakes complete nevertheless, both sides see
//! the same one begun after the other was answered, and keep it.
//!
//! The device does not know who is a member (the caller asks the roster between reading message 1 and accepting it),
//! nor by which endpoint a peer is reached (it says "to this peer" and the caller asks the path).

mod cookie;
mod device;
mod handshaking;
mod initiation;
mod peer;
mod replay;
mod session;
mod staged;
mod unpack;

pub(crate) use device::{Destination, Device, DeviceOutput, LocalKeys, Traffic};
pub(crate) use initiation::Claim;
pub(crate) use peer::{ASK_REVOCATIONS_EVERY, Peer};
pub use session::{Exhausted, Opened, Opener, Sealer};
