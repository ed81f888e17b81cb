use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use holloway_mesh::{DropReason, Forwarding, Heard, Opener, Route, Sealer, SessionTraffic, TrafficReport};
use holloway_wire::{
    Endpoint, InnerPacket, Instant, NodeId, RELAY_FRAME_LEN, RecordFlags, RecordHeader, RecordKind, RelayDirection,
    RelayFrameHeader, SessionIndex, TRANSPORT_TYPE,
};

/// Slots are addressed by this many low bits of a session's index.
const SLOT_MASK: u32 = 0xffff;

/// A model of the data path's lanes: what a node installs is used outside of it, what lanes cannot place goes to it.
#[derive(Default)]
pub(crate) struct Lanes {
    slots: BTreeMap<u32, Slot>,
    peers: BTreeMap<NodeId, (Option<Route>, Vec<IpAddr>)>,
    report: BTreeMap<SessionIndex, SessionTraffic>,
    drops: TrafficReport,
}

struct Slot {
    index: SessionIndex,
    node: NodeId,
    opener: Arc<Opener>,
    sealer: Arc<Sealer>,
}

/// What a lane made of a datagram.
pub(crate) enum Received {
    /// An inner packet for the local stack.
    Packet(Vec<u8>),
    /// Nothing further.
    Done,
    /// For the core to place.
    Unplaced(Vec<u8>),
}

/// What a lane made of an inner packet.
pub(crate) enum Sealed {
    /// A datagram, and whether the core should hear of it now.
    Datagram { to: SocketAddr, datagram: Vec<u8>, wants_rotation: bool },
    /// For the core to place.
    Unplaced(Vec<u8>),
}

impl Lanes {
    /// Follows what the node says. A retirement takes effect at once.
    pub(crate) fn handle(&mut self, forwarding: Forwarding) {
        match forwarding {
            Forwarding::Install { index, node, opener, sealer } => {
                self.slots.insert(index.0 & SLOT_MASK, Slot { index, node, opener, sealer });
            }
            Forwarding::Retire { index } => {
                if self.slot(index).is_some() {
                    self.slots.remove(&(index.0 & SLOT_MASK));
                }
            }
            Forwarding::Peer { node, route, allowed_ips } => {
                self.peers.insert(node, (route, allowed_ips));
            }
        }
    }

    fn slot(&self, index: SessionIndex) -> Option<&Slot> {
        self.slots.get(&(index.0 & SLOT_MASK)).filter(|slot| slot.index == index)
    }

    /// Seals an inner packet, if lanes know where it goes.
    pub(crate) fn seal(&mut self, packet: Vec<u8>) -> Sealed {
        let Some((route, node)) = self.route(&packet) else {
            return Sealed::Unplaced(packet);
        };
        let Some(slot) = self.slot(route.session).filter(|slot| slot.node == node) else {
            return Sealed::Unplaced(packet);
        };
        let mut datagram = Vec::new();
        if slot.sealer.seal(RecordFlags::new(RecordKind::Ip), &packet, &mut datagram).is_err() {
            return Sealed::Unplaced(packet);
        }
        let wants_rotation = slot.sealer.wants_rotation();
        let traffic = self.traffic(route.session);
        traffic.sent_packets += 1;
        traffic.sent_bytes += packet.len() as u64;
        if let Endpoint::Relayed { channel, .. } = route.endpoint {
            let head = RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode();
            datagram.splice(..0, head);
        }
        Sealed::Datagram { to: route.endpoint.socket_addr(), datagram, wants_rotation }
    }

    fn route(&self, packet: &[u8]) -> Option<(Route, NodeId)> {
        let destination = InnerPacket::parse(packet).ok()?.destination;
        let (node, (route, _)) = self.peers.iter().find(|(_, (_, ips))| ips.contains(&destination))?;
        route.map(|route| (route, *node))
    }

    fn traffic(&mut self, index: SessionIndex) -> &mut SessionTraffic {
        self.report.entry(index).or_insert(SessionTraffic {
            index,
            sent_packets: 0,
            sent_bytes: 0,
            received_packets: 0,
            received_bytes: 0,
            newest: None,
        })
    }

    /// Opens a datagram, if it is a plain IP record of an installed session.
    pub(crate) fn open(&mut self, from: SocketAddr, own: IpAddr, mut datagram: Vec<u8>, now: Instant) -> Received {
        let (from, carried) = match RelayFrameHeader::decode(&datagram) {
            Ok(RelayFrameHeader { direction: RelayDirection::FromRelay, channel }) => {
                (Endpoint::relayed(from, channel), RELAY_FRAME_LEN)
            }
            Ok(_) | Err(_) => (Endpoint::udp(from), 0),
        };
        if datagram.get(carried) != Some(&TRANSPORT_TYPE) {
            return Received::Unplaced(datagram);
        }
        let Ok(header) = RecordHeader::decode(&datagram[carried..]) else {
            return Received::Unplaced(datagram);
        };
        let Some(slot) = self.slot(header.index).filter(|_| header.flags == RecordFlags::new(RecordKind::Ip)) else {
            return Received::Unplaced(datagram);
        };
        let (node, opener) = (slot.node, slot.opener.clone());
        let (packet, is_newest) = match opener.open(&header, &mut datagram[carried..]) {
            Ok(opened) => (opened.content.to_vec(), opened.is_newest),
            Err(reason) => return self.drop_for(reason),
        };
        let traffic = self.traffic(header.index);
        if is_newest {
            traffic.newest = Some(Heard { source: from, at: now });
        }
        if packet.is_empty() {
            return Received::Done;
        }
        traffic.received_packets += 1;
        traffic.received_bytes += packet.len() as u64;
        self.check(node, own, packet)
    }

    fn check(&mut self, node: NodeId, own: IpAddr, packet: Vec<u8>) -> Received {
        let Ok(inner) = InnerPacket::parse(&packet) else {
            return self.drop_for(DropReason::InnerPacket);
        };
        if !self.peers.get(&node).is_some_and(|(_, ips)| ips.contains(&inner.source)) {
            return self.drop_for(DropReason::InnerSource);
        }
        if inner.destination != own {
            return self.drop_for(DropReason::InnerDestination);
        }
        Received::Packet(packet)
    }

    fn drop_for(&mut self, reason: DropReason) -> Received {
        self.drops.drops.count(reason);
        Received::Done
    }

    /// What happened since the last report, if anything did.
    pub(crate) fn report(&mut self) -> Option<TrafficReport> {
        let sessions: Vec<SessionTraffic> = std::mem::take(&mut self.report).into_values().collect();
        let drops = std::mem::take(&mut self.drops).drops;
        let is_empty = sessions.is_empty() && drops.iter().next().is_none();
        (!is_empty).then_some(TrafficReport { sessions, drops, ..TrafficReport::default() })
    }
}
