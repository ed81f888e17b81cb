use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use holloway_mesh::{Forwarding, Opener, Route, Sealer, SessionTraffic, TrafficReport};
use holloway_wire::{Endpoint, NodeId, SessionIndex};

/// Slots for sessions: their indices differ in the low 16 bits. They stand in pages, so that a few sessions take little
/// memory.
const PAGES: usize = 256;
const PAGE_SLOTS: usize = 256;

/// What a lane knows of sessions and peers: only what the core has told it.
pub(super) struct Table {
    pages: Vec<Option<Box<Page>>>,
    peers: Vec<Peer>,
    numbers: HashMap<NodeId, PeerNumber>,
    owners: HashMap<IpAddr, PeerNumber>,
    busy: Vec<SessionIndex>,
}

type Page = [Option<Box<Slot>>; PAGE_SLOTS];

/// Where a peer stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerNumber(usize);

/// An installed session.
pub(super) struct Slot {
    pub(super) peer: PeerNumber,
    pub(super) opener: Arc<Opener>,
    sealer: Arc<Sealer>,
    index: SessionIndex,
    traffic: SessionTraffic,
    is_busy: bool,
}

/// How a packet for a peer is sealed, and where it goes.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) sealer: Arc<Sealer>,
    pub(super) session: SessionIndex,
    pub(super) endpoint: Endpoint,
    /// Longest record that the path takes.
    pub(super) record_limit: usize,
}

struct Peer {
    route: Option<Route>,
    allowed_ips: Vec<IpAddr>,
}

impl Table {
    pub(super) fn new() -> Self {
        let mut pages = Vec::new();
        pages.resize_with(PAGES, || None);
        Self { pages, peers: Vec::new(), numbers: HashMap::new(), owners: HashMap::new(), busy: Vec::new() }
    }

    /// Takes in what the core says.
    pub(super) fn apply(&mut self, forwarding: Forwarding) {
        match forwarding {
            Forwarding::Install { index, node, opener, sealer } => {
                let peer = self.number(node);
                let slot = Slot { peer, opener, sealer, index, traffic: no_traffic(index), is_busy: false };
                let page = self.pages[page(index)].get_or_insert_with(|| Box::new([const { None }; PAGE_SLOTS]));
                page[place(index)] = Some(Box::new(slot));
            }
            Forwarding::Retire { index } => self.retire(index),
            Forwarding::Peer { node, route, allowed_ips } => self.set_peer(node, route, allowed_ips),
        }
    }

    fn retire(&mut self, index: SessionIndex) {
        if self.slot(index).is_none() {
            return;
        }
        let page = &mut self.pages[page(index)];
        if let Some(slots) = page {
            slots[place(index)] = None;
            if slots.iter().all(Option::is_none) {
                *page = None;
            }
        }
    }

    fn number(&mut self, node: NodeId) -> PeerNumber {
        let peers = &mut self.peers;
        *self.numbers.entry(node).or_insert_with(|| {
            peers.push(Peer { route: None, allowed_ips: Vec::new() });
            PeerNumber(peers.len() - 1)
        })
    }

    fn set_peer(&mut self, node: NodeId, route: Option<Route>, allowed_ips: Vec<IpAddr>) {
        let number = self.number(node);
        let peer = &mut self.peers[number.0];
        peer.route = route;
        let before = std::mem::replace(&mut peer.allowed_ips, allowed_ips.clone());
        for address in before {
            self.owners.remove(&address);
        }
        for address in allowed_ips {
            self.owners.insert(address, number);
        }
    }

    /// The way to a destination, if there is one to use right now.
    pub(super) fn way(&self, destination: &IpAddr) -> Option<Way> {
        let Route { session, endpoint, record_limit } = self.peers[self.owners.get(destination)?.0].route?;
        let sealer = self.slot(session)?.sealer.clone();
        Some(Way { sealer, session, endpoint, record_limit })
    }

    /// The session with an index.
    pub(super) fn slot(&self, index: SessionIndex) -> Option<&Slot> {
        self.pages[page(index)].as_ref()?[place(index)].as_deref().filter(|slot| slot.index == index)
    }

    fn slot_mut(&mut self, index: SessionIndex) -> Option<&mut Slot> {
        self.pages[page(index)].as_mut()?[place(index)].as_deref_mut().filter(|slot| slot.index == index)
    }

    /// Whether a peer may have sent a packet with this source.
    pub(super) fn may_source(&self, peer: PeerNumber, source: &IpAddr) -> bool {
        // One peer has a handful of addresses: looking through them is faster than hashing.
        self.peers[peer.0].allowed_ips.contains(source)
    }

    /// The endpoint to which a peer's packets go now.
    pub(super) fn endpoint(&self, peer: PeerNumber) -> Option<Endpoint> {
        self.peers[peer.0].route.map(|route| route.endpoint)
    }

    /// Notes traffic on a session.
    pub(super) fn note(&mut self, index: SessionIndex, note: impl FnOnce(&mut SessionTraffic)) {
        let Some(slot) = self.slot_mut(index) else {
            return;
        };
        note(&mut slot.traffic);
        if !std::mem::replace(&mut slot.is_busy, true) {
            self.busy.push(index);
        }
    }

    /// Whether there is anything to report.
    pub(super) fn has_traffic(&self) -> bool {
        !self.busy.is_empty()
    }

    /// Takes out what has happened since the last report.
    pub(super) fn take_report(&mut self) -> TrafficReport {
        let mut report = TrafficReport::default();
        for index in std::mem::take(&mut self.busy) {
            if let Some(slot) = self.slot_mut(index) {
                slot.is_busy = false;
                report.sessions.push(std::mem::replace(&mut slot.traffic, no_traffic(index)));
            }
        }
        report
    }
}

const fn no_traffic(index: SessionIndex) -> SessionTraffic {
    SessionTraffic { index, sent_packets: 0, sent_bytes: 0, received_packets: 0, received_bytes: 0, newest: None }
}

const fn page(index: SessionIndex) -> usize {
    index.0 as usize / PAGE_SLOTS % PAGES
}

const fn place(index: SessionIndex) -> usize {
    index.0 as usize % PAGE_SLOTS
}
