use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use holloway_mesh::{Forwarding, Opener, Route, Sealer, SessionTraffic, TrafficReport};
use holloway_wire::{Endpoint, NodeId, SessionIndex};

/// Slots for sessions: their indices differ in the low 16 bits.
const SLOTS: usize = 1 << 16;

/// What a lane knows of sessions and peers: only what the core has told it.
pub(crate) struct Table {
    slots: Vec<Option<Box<Slot>>>,
    peers: HashMap<NodeId, Peer>,
    owners: HashMap<IpAddr, NodeId>,
    busy: Vec<SessionIndex>,
}

/// An installed session.
pub(crate) struct Slot {
    pub(crate) node: NodeId,
    pub(crate) opener: Arc<Opener>,
    pub(crate) sealer: Arc<Sealer>,
    index: SessionIndex,
    traffic: SessionTraffic,
    is_busy: bool,
}

struct Peer {
    route: Option<Route>,
    allowed_ips: Vec<IpAddr>,
}

impl Table {
    pub(crate) fn new() -> Self {
        let mut slots = Vec::new();
        slots.resize_with(SLOTS, || None);
        Self { slots, peers: HashMap::new(), owners: HashMap::new(), busy: Vec::new() }
    }

    /// Takes in what the core says.
    pub(crate) fn apply(&mut self, forwarding: Forwarding) {
        match forwarding {
            Forwarding::Install { index, node, opener, sealer } => {
                let traffic = no_traffic(index);
                let slot = Slot { node, opener, sealer, index, traffic, is_busy: false };
                self.slots[position(index)] = Some(Box::new(slot));
            }
            Forwarding::Retire { index } => {
                if self.slot(index).is_some() {
                    self.slots[position(index)] = None;
                }
            }
            Forwarding::Peer { node, route, allowed_ips } => self.set_peer(node, route, allowed_ips),
        }
    }

    fn set_peer(&mut self, node: NodeId, route: Option<Route>, allowed_ips: Vec<IpAddr>) {
        if let Some(before) = self.peers.remove(&node) {
            for address in before.allowed_ips {
                self.owners.remove(&address);
            }
        }
        for address in &allowed_ips {
            self.owners.insert(*address, node);
        }
        self.peers.insert(node, Peer { route, allowed_ips });
    }

    /// The session and endpoint for a destination, if there is one to use right now.
    pub(crate) fn route(&mut self, destination: &IpAddr) -> Option<(&mut Slot, Endpoint)> {
        let route = self.peers.get(self.owners.get(destination)?)?.route?;
        let slot = self.slots[position(route.session)].as_mut().filter(|slot| slot.index == route.session)?;
        Some((slot, route.endpoint))
    }

    /// The session with an index.
    pub(crate) fn slot(&self, index: SessionIndex) -> Option<&Slot> {
        self.slots[position(index)].as_deref().filter(|slot| slot.index == index)
    }

    /// Whether a peer may have sent a packet with this source.
    pub(crate) fn may_source(&self, node: &NodeId, source: &IpAddr) -> bool {
        self.owners.get(source) == Some(node)
    }

    /// The endpoint to which a peer's packets go now.
    pub(crate) fn endpoint(&self, node: &NodeId) -> Option<Endpoint> {
        self.peers.get(node)?.route.map(|route| route.endpoint)
    }

    /// Notes traffic on a session.
    pub(crate) fn note(&mut self, index: SessionIndex, note: impl FnOnce(&mut SessionTraffic)) {
        let Some(slot) = self.slots[position(index)].as_mut().filter(|slot| slot.index == index) else {
            return;
        };
        note(&mut slot.traffic);
        if !std::mem::replace(&mut slot.is_busy, true) {
            self.busy.push(index);
        }
    }

    /// Whether there is anything to report.
    pub(crate) fn has_traffic(&self) -> bool {
        !self.busy.is_empty()
    }

    /// Takes out what has happened since the last report.
    pub(crate) fn take_report(&mut self) -> TrafficReport {
        let mut report = TrafficReport::default();
        for index in std::mem::take(&mut self.busy) {
            if let Some(slot) = self.slots[position(index)].as_mut().filter(|slot| slot.index == index) {
                slot.is_busy = false;
                report.sessions.push(std::mem::replace(&mut slot.traffic, no_traffic(index)));
            }
        }
        report
    }
}

impl Slot {
    pub(crate) const fn index(&self) -> SessionIndex {
        self.index
    }
}

const fn no_traffic(index: SessionIndex) -> SessionTraffic {
    SessionTraffic {
        index,
        sent_packets: 0,
        sent_bytes: 0,
        received_packets: 0,
        received_bytes: 0,
        newest_source: None,
    }
}

const fn position(index: SessionIndex) -> usize {
    index.0 as usize & (SLOTS - 1)
}
