use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
#[expect(clippy::disallowed_types, reason = "lanes share a link's last use and note it without a lock")]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use holloway_wire::{Instant, RelayChannel, RelayDirection, RelayFrameHeader};

use crate::account::Account;
use crate::drop_reason::DropReason;

/// What lanes are told.
#[derive(Debug, Clone)]
pub enum Forwarding {
    /// Pass on what comes on this channel so, in place of what was said of it before.
    Install(RelayChannel, Link),
    /// Pass nothing on any more.
    Retire(RelayChannel),
}

/// One direction between two members, or a member and the next relay: from the one whose number the channel is, to the
/// other.
#[derive(Debug, Clone)]
#[expect(clippy::disallowed_types, reason = "see the import")]
pub struct Link {
    /// Where the sender is registered.
    pub(crate) source: SocketAddr,
    /// Where the receiver or the next relay is, while it is there, and under which head it takes what is passed on: with
    /// its number for the sender.
    pub(crate) onward: Option<(SocketAddr, RelayFrameHeader)>,
    /// Who pays.
    pub(crate) account: Arc<Account>,
    pub(crate) used: Arc<AtomicU64>,
}

/// What comes on which channel goes where. Lanes have one each; looking up neither allocates nor waits.
#[derive(Debug, Default)]
pub struct ForwardingTable {
    links: HashMap<RelayChannel, Link>,
}

impl ForwardingTable {
    /// Nothing is passed on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what the server says.
    pub fn apply(&mut self, forwarding: Forwarding) {
        match forwarding {
            Forwarding::Install(channel, link) => drop(self.links.insert(channel, link)),
            Forwarding::Retire(channel) => drop(self.links.remove(&channel)),
        }
    }

    /// Whether a frame of this many bytes from this source is passed on, to whom, and under which head. What it carries
    /// goes on as it came.
    ///
    /// # Errors
    /// [`DropReason`] says why not; the server has to hear of an unknown channel, a foreign source and one that is
    /// unreachable, as it may answer.
    pub fn forward(
        &self,
        from: &SocketAddr,
        header: &RelayFrameHeader,
        frame_bytes: usize,
        now: Instant,
    ) -> Result<(SocketAddr, RelayFrameHeader), DropReason> {
        if header.direction != RelayDirection::ToRelay {
            return Err(DropReason::Malformed);
        }
        let link = self.links.get(&header.channel).ok_or(DropReason::UnknownChannel)?;
        if link.source != *from {
            return Err(DropReason::ForeignSource);
        }
        let onward = link.onward.ok_or(DropReason::Unreachable)?;
        link.account.charge(frame_bytes, now)?;
        link.used.store(now.as_nanos(), Relaxed);
        Ok(onward)
    }
}
