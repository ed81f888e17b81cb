use std::io;

use holloway_mesh::{Bundle, DropReason, LocalPacket, Pieces, TooBig, VirtioHeader, fragments, packet_too_big};
use holloway_wire::{
    Endpoint, RECORD_OVERHEAD, RELAY_FRAME_LEN, RecordFlags, RecordKind, RelayDirection, RelayFrameHeader,
};

use super::forwarding::{Table, Way};
use super::queue::LaneEvent;
use super::report::Upward;
use super::train::Train;
use super::udp::UdpSockets;
use crate::tun::Tun;

/// Packets taken from the interface before the other direction gets its turn (dataplane.md §8).
const BATCH: usize = 64;

/// A packet of this length or longer ends the batch: it fills trains by itself.
const LARGE: usize = 16 * 1024;

/// Largest inner packet.
const PACKET_BYTES_MAX: usize = 65_535;

/// IPv6 demands this of every link (RFC 8200 §5): packets up to here are fragmented where a path takes less.
const MTU_MIN: usize = 1280;

/// At what length packets are cut that have no session to go by yet: what every path is first taken for.
const UNROUTED_LIMIT: usize = 1408;

/// The way out: from the interface, sealed, into the sockets.
pub(super) struct Outgoing {
    /// Room for one read.
    buffer: Vec<u8>,
    sealing: Sealing,
}

/// What is sealed and waits for the end of the batch.
struct Sealing {
    train: Train,
    bundle: Bundle,
    /// Where the bundle goes.
    bundled_for: Option<Way>,
    /// How many packets have been fragmented: names the next.
    fragmented: u32,
}

/// What the way out works with.
pub(super) struct Surroundings<'a> {
    pub(super) table: &'a mut Table,
    pub(super) udp: &'a UdpSockets,
    pub(super) tun: &'a Tun,
    pub(super) upward: &'a mut Upward,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        let sealing = Sealing { train: Train::new(), bundle: Bundle::new(0), bundled_for: None, fragmented: 0 };
        Self { buffer: vec![0; VirtioHeader::LEN + PACKET_BYTES_MAX], sealing }
    }

    /// Carries what the interface has, up to a batch. Says whether there was anything.
    ///
    /// # Errors
    /// The interface is gone.
    pub(super) fn drain(&mut self, around: &mut Surroundings<'_>) -> io::Result<bool> {
        let mut taken = 0;
        let result = loop {
            if taken == BATCH {
                break Ok(true);
            }
            match around.tun.read(&mut self.buffer) {
                Ok(length) => {
                    taken += 1;
                    self.sealing.packet(&mut self.buffer[..length], around);
                    if length >= LARGE {
                        break Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(taken > 0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.sealing.finish(around);
        result
    }
}

impl Sealing {
    /// A packet of the local stack, as it was read: sealed, or handed to the core.
    fn packet(&mut self, read: &mut [u8], around: &mut Surroundings<'_>) {
        match parse(read, around.tun.offload().virtio) {
            Ok(packet) => match around.table.way(&packet.destination()) {
                Some(way) => self.routed(packet, &way, around),
                None => unrouted(packet, around),
            },
            Err(reason) => around.upward.drop(reason),
        }
    }

    fn routed(&mut self, packet: LocalPacket<'_>, way: &Way, around: &mut Surroundings<'_>) {
        around.upward.hurry(way.sealer.wants_rotation());
        let limit = way.record_limit - RECORD_OVERHEAD;
        let bytes = packet.len();
        let packets = match packet.cut(limit) {
            Ok(pieces) if pieces.count() == 1 && bytes <= limit / 2 => self.bundle(pieces, way, around),
            Ok(pieces) => self.seal(pieces, way, around),
            Err(TooBig { packet }) => self.too_big(packet, way, around),
        };
        if packets > 0 {
            around.table.note(way.session, |traffic| {
                traffic.sent_packets += packets;
                traffic.sent_bytes += bytes as u64;
            });
        }
    }

    /// Puts a small packet to others for the same session. Gives how many were taken.
    fn bundle(&mut self, mut pieces: Pieces<'_>, way: &Way, around: &mut Surroundings<'_>) -> u64 {
        let goes_along = |other: &Way| other.session == way.session && other.endpoint == way.endpoint;
        if !self.bundled_for.as_ref().is_some_and(goes_along) {
            self.flush_bundle(around);
        }
        let Some(piece) = pieces.next() else {
            return 0;
        };
        if self.bundled_for.is_some() && self.bundle.try_push(piece.packet, piece.is_unfilled) {
            return 1;
        }
        self.flush_bundle(around);
        self.bundle.restart(way.record_limit - RECORD_OVERHEAD);
        self.bundled_for = Some(way.clone());
        u64::from(self.bundle.try_push(piece.packet, piece.is_unfilled))
    }

    /// Seals what is bundled. What was read first leaves first, so this comes before anything larger.
    fn flush_bundle(&mut self, around: &mut Surroundings<'_>) {
        let Some(way) = self.bundled_for.take() else {
            return;
        };
        let (content, flags) = match self.bundle.single() {
            Some((packet, is_unfilled)) => (packet, flags(is_unfilled)),
            None => (self.bundle.content(), RecordFlags::new(RecordKind::Ip).with(RecordFlags::SEVERAL)),
        };
        if let Ok(counter) = way.sealer.reserve(1) {
            let room = room(&mut self.train, &way, content.len(), around);
            way.sealer.seal_into(counter, flags, content, room);
        } else {
            // The session's successor is on its way: a moment's packets are lost, as on any full queue.
            (0..self.bundle.count()).for_each(|_| around.upward.drop(DropReason::Exhausted));
        }
        self.bundle.clear();
    }

    /// Seals pieces one behind another. Gives how many.
    fn seal(&mut self, mut pieces: Pieces<'_>, way: &Way, around: &mut Surroundings<'_>) -> u64 {
        self.flush_bundle(around);
        let count = pieces.count() as u64;
        let Ok(first) = way.sealer.reserve(count) else {
            hand_over(pieces, around);
            return 0;
        };
        let mut counter = first;
        while let Some(piece) = pieces.next() {
            let room = room(&mut self.train, way, piece.packet.len(), around);
            way.sealer.seal_into(counter, flags(piece.is_unfilled), piece.packet, room);
            counter += 1;
        }
        count
    }

    /// A packet that may not be cut: its sender is told how long it may be or, where the path takes less than any link
    /// must, it travels in fragments.
    fn too_big(&mut self, packet: LocalPacket<'_>, way: &Way, around: &mut Surroundings<'_>) -> u64 {
        let limit = way.record_limit - RECORD_OVERHEAD;
        if limit >= MTU_MIN || packet.len() > MTU_MIN {
            let mtu = u16::try_from(limit.max(MTU_MIN)).unwrap_or(u16::MAX);
            if let Some(told) = packet_too_big(packet.bytes(), mtu)
                && around.tun.write_finished(&told).is_err()
            {
                around.upward.drop(DropReason::QueueFull);
            }
            around.upward.drop(DropReason::TooBig);
            return 0;
        }
        let Ok(mut pieces) = packet.cut(MTU_MIN) else {
            around.upward.drop(DropReason::TooBig);
            return 0;
        };
        self.flush_bundle(around);
        let mut count = 0;
        while let Some(piece) = pieces.next() {
            self.fragment(piece.packet, piece.is_unfilled, way, around);
            count += 1;
        }
        count
    }

    fn fragment(&mut self, packet: &[u8], is_unfilled: bool, way: &Way, around: &mut Surroundings<'_>) {
        self.fragmented = self.fragmented.wrapping_add(1);
        let parts = fragments(packet, way.record_limit - RECORD_OVERHEAD, self.fragmented, is_unfilled);
        let Ok(mut counter) = way.sealer.reserve(parts.len() as u64) else {
            return around.upward.drop(DropReason::Exhausted);
        };
        for (header, bytes) in parts {
            let room = room(&mut self.train, way, header.len() + bytes.len(), around);
            let flags = RecordFlags::new(RecordKind::Ip).with(RecordFlags::FRAGMENT);
            way.sealer.seal_parts_into(counter, flags, [&header, bytes], room);
            counter += 1;
        }
    }

    /// Sends what waits: the batch is over.
    fn finish(&mut self, around: &mut Surroundings<'_>) {
        self.flush_bundle(around);
        around.upward.sent(&self.train.send(around.udp));
    }
}

fn parse(read: &mut [u8], has_header: bool) -> Result<LocalPacket<'_>, DropReason> {
    if !has_header {
        return LocalPacket::parse(None, read);
    }
    let (header, packet) = read.split_at_mut_checked(VirtioHeader::LEN).ok_or(DropReason::InnerPacket)?;
    LocalPacket::parse(Some(&VirtioHeader::decode(header)?), packet)
}

fn flags(is_unfilled: bool) -> RecordFlags {
    let flags = RecordFlags::new(RecordKind::Ip);
    if is_unfilled { flags.with(RecordFlags::CHECKSUM) } else { flags }
}

/// Room for a record with this much content in the train to its endpoint, behind the head of a relay frame where it goes
/// through a relay; what cannot leave with it leaves first.
fn room<'t>(train: &'t mut Train, way: &Way, content: usize, around: &mut Surroundings<'_>) -> &'t mut [u8] {
    let framing = if way.endpoint.is_relayed() { RELAY_FRAME_LEN } else { 0 };
    let length = framing + content + RECORD_OVERHEAD;
    if !train.takes(&way.endpoint, length) {
        around.upward.sent(&train.send(around.udp));
    }
    let (head, record) = train.add(&way.endpoint, length).split_at_mut(framing);
    if let Endpoint::Relayed { channel, .. } = way.endpoint {
        head.copy_from_slice(&RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode());
    }
    record
}

/// A packet that there is no session for: the core opens one, and keeps the packet meanwhile. What may not be cut goes as
/// it is; the session's path may be wide enough.
fn unrouted(packet: LocalPacket<'_>, around: &mut Surroundings<'_>) {
    let pieces = packet.cut(UNROUTED_LIMIT).or_else(|TooBig { packet }| packet.cut(PACKET_BYTES_MAX));
    match pieces {
        Ok(pieces) => hand_over(pieces, around),
        Err(_) => around.upward.drop(DropReason::TooBig),
    }
}

/// Gives packets to the core, complete.
fn hand_over(mut pieces: Pieces<'_>, around: &mut Surroundings<'_>) {
    while let Some(mut piece) = pieces.next() {
        piece.complete_checksum();
        around.upward.hand_over(LaneEvent::Packet(piece.packet.to_vec()));
    }
}
