use std::os::fd::OwnedFd;
use std::sync::Arc;

use holloway_mesh::TrafficReport;
use holloway_relay::DropCounts;
use holloway_wire::Endpoint;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd};

/// What a lane hands to the core.
pub(crate) enum LaneEvent {
    /// A packet of the local stack that it could not place.
    Packet(Vec<u8>),
    /// A datagram that it could not place.
    Datagram(Endpoint, Vec<u8>),
    /// What it did not pass on as a relay, and why.
    NotRelayed(Box<DropCounts>),
    /// What it did.
    Traffic(Box<TrafficReport>),
    /// The TUN interface is gone or broken.
    TunLost(String),
}

/// Wakes a lane that sleeps in `poll`.
#[derive(Clone)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self(Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)))
    }

    pub(crate) fn wake(&self) {
        // Full means that a wake-up is pending already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    pub(crate) fn clear(&self) {
        // Empty means that nobody has woken us.
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
