use std::collections::HashMap;
use std::io::IoSlice;
use std::net::IpAddr;

use holloway_mesh::{DropReason, Gather, Heard, Reassembly, TunOffload, bundled};
use holloway_wire::{
    Endpoint, InnerPacket, Instant, NodeId, RELAY_FRAME_LEN, RecordFlags, RecordHeader, RecordKind, RelayDirection,
    RelayFrameHeader, TRANSPORT_TYPE,
};

use rustix::fd::BorrowedFd;

use super::forwarding::{PeerNumber, Table};
use super::peer_sockets::PeerSockets;
use super::queue::LaneEvent;
use super::relaying::Relaying;
use super::report::Upward;
use super::udp::{Bound, Buffers, Received, UdpSockets};
use crate::clock::Clock;
use crate::tun::Tun;

/// Where there is no interface nothing is gathered.
const NO_INTERFACE: TunOffload = TunOffload { virtio: false, tso: false, uso: false };

/// The way in: from the sockets, opened, to the interface.
pub(super) struct Incoming {
    own: IpAddr,
    clock: Clock,
    buffers: Buffers,
    peers: PeerSockets,
    /// Of peers at the end of narrow paths.
    reassemblies: HashMap<PeerNumber, Reassembly>,
    /// Which sockets may have something, in their order; empty while there are some that nobody has looked at.
    ready: Vec<bool>,
}

/// One receive on its way to the interface.
struct Delivery<'a, 'b> {
    own: IpAddr,
    table: &'a mut Table,
    upward: &'a mut Upward,
    relaying: &'a mut Relaying,
    udp: &'a UdpSockets,
    tun: Option<&'a Tun>,
    gather: Gather<'b>,
    reassemblies: &'a mut HashMap<PeerNumber, Reassembly>,
    now: Instant,
}

impl Incoming {
    pub(super) fn new(own: IpAddr, clock: Clock) -> Self {
        let (buffers, peers) = (Buffers::new(), PeerSockets::default());
        Self { own, clock, buffers, peers, reassemblies: HashMap::new(), ready: Vec::new() }
    }

    /// Carries what one receive brings from each socket that may have something, which it may have again if there was
    /// any.
    pub(super) fn drain(
        &mut self,
        udp: &UdpSockets,
        tun: Option<&Tun>,
        table: &mut Table,
        upward: &mut Upward,
        relaying: &mut Relaying,
    ) -> Received {
        let Self { own, clock, buffers, peers, reassemblies, ready } = self;
        // What is missing after its time never comes; a lane that carries nothing else has little to give back.
        if !reassemblies.is_empty() {
            let now = clock.now().monotonic;
            reassemblies.values_mut().for_each(|reassembly| reassembly.expire(now));
            reassemblies.retain(|_, reassembly| !reassembly.is_empty());
        }
        if ready.is_empty() {
            ready.extend(udp.iter().chain(peers.iter()).map(|_| true));
        }
        let mut all = Received::default();
        for (socket, is_ready) in
            udp.iter().chain(peers.iter()).zip(ready.iter_mut()).filter(|(_, is_ready)| **is_ready)
        {
            let gather = Gather::new(tun.map_or(NO_INTERFACE, Tun::offload));
            let now = clock.now().monotonic;
            let mut delivery = Delivery { own: *own, table, upward, relaying, udp, tun, gather, reassemblies, now };
            let received = socket.receive(buffers, |from, datagram| delivery.datagram(from, datagram));
            delivery.finish();
            *is_ready = received.any();
            all.trains += received.trains;
            all.is_full |= received.is_full;
        }
        if !all.any() && peers.close_left(clock.now().monotonic) {
            ready.clear();
        }
        all
    }

    /// All sockets, in their order.
    pub(super) fn fds<'a>(&'a self, udp: &'a UdpSockets) -> impl Iterator<Item = BorrowedFd<'a>> {
        udp.iter().chain(self.peers.iter()).map(Bound::fd)
    }

    /// Takes in which of [`Self::fds`] have something.
    pub(super) fn set_ready(&mut self, ready: impl Iterator<Item = bool>) {
        self.ready.clear();
        self.ready.extend(ready);
    }

    /// A peer is reached at another endpoint now, or at none.
    pub(super) fn follow(&mut self, node: NodeId, endpoint: Option<Endpoint>, udp: &UdpSockets) {
        self.peers.set(node, endpoint, udp, self.clock.now().monotonic);
        self.ready.clear();
    }
}

impl<'b> Delivery<'_, 'b> {
    /// A datagram: opened and delivered, passed on, or handed to the core.
    fn datagram(&mut self, from: Endpoint, datagram: &'b mut [u8]) {
        if from.is_inside_overlay() {
            self.upward.drop(DropReason::Looped);
            return;
        }
        let (sender, carried) = match RelayFrameHeader::is_frame(datagram).then(|| RelayFrameHeader::decode(datagram)) {
            None => (from, 0),
            Some(Ok(RelayFrameHeader { direction: RelayDirection::FromRelay, channel })) => {
                (Endpoint::relayed(from.socket_addr(), channel), RELAY_FRAME_LEN)
            }
            Some(Ok(header)) => {
                self.relaying.frame(from, &header, datagram, self.now, self.udp, self.upward);
                return;
            }
            Some(Err(_)) => {
                self.upward.drop(DropReason::Malformed);
                return;
            }
        };
        let Some(header) = data_record(&datagram[carried..]).filter(|header| self.table.slot(header.index).is_some())
        else {
            self.upward.hand_over(LaneEvent::Datagram(from, datagram.to_vec()));
            return;
        };
        if let Err(reason) = self.record(sender, &header, &mut datagram[carried..]) {
            self.upward.drop(reason);
        }
    }

    fn record(&mut self, from: Endpoint, header: &RecordHeader, datagram: &'b mut [u8]) -> Result<(), DropReason> {
        let slot = self.table.slot(header.index).ok_or(DropReason::UnknownSession)?;
        let peer = slot.peer;
        let opened = slot.opener.open(header, datagram)?;
        let (is_newest, content) = (opened.is_newest, opened.content);
        self.upward.hurry(is_newest && self.table.endpoint(peer) != Some(from));
        let length = content.len() as u64;
        let heard = Heard { source: from, at: self.now };
        self.table.note(header.index, |traffic| {
            traffic.received_packets += 1;
            traffic.received_bytes += length;
            if is_newest {
                traffic.newest = Some(heard);
            }
        });
        self.content(peer, header.flags, content)
    }

    /// What a record carries; nothing at all is a keepalive.
    fn content(&mut self, peer: PeerNumber, flags: RecordFlags, content: &'b mut [u8]) -> Result<(), DropReason> {
        if content.is_empty() {
            return Ok(());
        }
        if flags.has(RecordFlags::FRAGMENT) {
            return self.fragment(peer, content);
        }
        if !flags.has(RecordFlags::SEVERAL) {
            return self.packet(peer, content, flags.has(RecordFlags::CHECKSUM));
        }
        for (packet, is_unfilled) in bundled(content)? {
            if let Err(reason) = self.packet(peer, packet, is_unfilled) {
                self.upward.drop(reason);
            }
        }
        Ok(())
    }

    fn packet(&mut self, peer: PeerNumber, packet: &'b mut [u8], is_unfilled: bool) -> Result<(), DropReason> {
        check(packet, peer, self.own, self.table)?;
        let tun = self.tun.ok_or(DropReason::QueueFull)?;
        self.gather.push(packet, is_unfilled, &mut |pieces| write(tun, pieces, self.upward))
    }

    /// A fragment: the packet is delivered by itself when it is whole.
    fn fragment(&mut self, peer: PeerNumber, content: &[u8]) -> Result<(), DropReason> {
        let reassembly = self.reassemblies.entry(peer).or_default();
        let whole = reassembly.push(content, self.now)?;
        if reassembly.is_empty() {
            self.reassemblies.remove(&peer);
        }
        let Some((mut packet, is_unfilled)) = whole else {
            return Ok(());
        };
        check(&packet, peer, self.own, self.table)?;
        let tun = self.tun.ok_or(DropReason::QueueFull)?;
        let mut alone = Gather::new(tun.offload());
        let mut write = |pieces: &[IoSlice<'_>]| write(tun, pieces, self.upward);
        alone.push(&mut packet, is_unfilled, &mut write)?;
        alone.flush(&mut write);
        Ok(())
    }

    /// Writes what was gathered, and sends what is passed on: the receive is over.
    fn finish(mut self) {
        self.relaying.flush(self.udp, self.upward);
        if let Some(tun) = self.tun {
            self.gather.flush(&mut |pieces| write(tun, pieces, self.upward));
        }
    }
}

/// Whether a peer may send a packet like this to us.
fn check(packet: &[u8], peer: PeerNumber, own: IpAddr, table: &Table) -> Result<(), DropReason> {
    let inner = InnerPacket::parse(packet).map_err(|_| DropReason::InnerPacket)?;
    if !table.may_source(peer, &inner.source) {
        return Err(DropReason::InnerSource);
    }
    if inner.destination != own {
        return Err(DropReason::InnerDestination);
    }
    Ok(())
}

fn write(tun: &Tun, pieces: &[IoSlice<'_>], upward: &mut Upward) {
    if tun.write(pieces).is_err() {
        upward.drop(DropReason::QueueFull);
    }
}

/// The header of a record that a lane can take: inner IP packets.
fn data_record(datagram: &[u8]) -> Option<RecordHeader> {
    if datagram.first() != Some(&TRANSPORT_TYPE) {
        return None;
    }
    RecordHeader::decode(datagram).ok().filter(|header| header.flags.kind() == Some(RecordKind::Ip))
}
