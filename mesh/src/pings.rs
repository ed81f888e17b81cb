use std::collections::BTreeMap;
use std::time::Duration;

use holloway_wire::{Instant, NodeId};

use crate::command::CommandId;

/// Pings that wait at once; more are answered with a timeout at once.
const PINGS_MAX: usize = 256;

/// Pings that wait for an answer.
#[derive(Default)]
pub(crate) struct Pings {
    waiting: BTreeMap<u64, Ping>,
    next: u64,
}

/// One of them.
pub(crate) struct Ping {
    pub(crate) command: CommandId,
    pub(crate) node: NodeId,
    pub(crate) sent: Instant,
    pub(crate) timeout: Duration,
}

impl Pings {
    /// Files a ping and names it.
    pub(crate) fn begin(&mut self, ping: Ping) -> Result<u64, Ping> {
        if self.waiting.len() >= PINGS_MAX {
            return Err(ping);
        }
        self.next += 1;
        self.waiting.insert(self.next, ping);
        Ok(self.next)
    }

    /// Takes out an answered ping, if it was sent to this node.
    pub(crate) fn answer(&mut self, id: u64, from: &NodeId) -> Option<Ping> {
        if self.waiting.get(&id)?.node != *from {
            return None;
        }
        self.waiting.remove(&id)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.values().map(|ping| ping.sent + ping.timeout).min()
    }

    /// Takes out those that have waited too long.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Ping> {
        self.waiting.extract_if(.., |_, ping| ping.sent + ping.timeout <= now).map(|(_, ping)| ping).collect()
    }
}
