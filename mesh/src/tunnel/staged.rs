use std::collections::VecDeque;

use holloway_wire::RecordKind;

/// Packets that wait for one peer's session: the first flight of a few connections. A handshake takes a round trip,
/// and what TCP sends meanwhile is one window at most.
const PACKETS_MAX: usize = 64;

/// Their bytes, for the same reason.
const BYTES_MAX: usize = 128 * 1024;

/// What waits until a session is up. When it is full the newest loses.
#[derive(Default)]
pub(crate) struct StagedPackets {
    packets: VecDeque<(RecordKind, Vec<u8>)>,
    bytes: usize,
}

impl StagedPackets {
    /// Adds a packet; says whether there was room.
    pub(crate) fn push(&mut self, kind: RecordKind, packet: Vec<u8>) -> bool {
        if self.packets.len() >= PACKETS_MAX || self.bytes + packet.len() > BYTES_MAX {
            return false;
        }
        self.bytes += packet.len();
        self.packets.push_back((kind, packet));
        true
    }

    /// Takes everything out, oldest first.
    pub(crate) fn take(&mut self) -> VecDeque<(RecordKind, Vec<u8>)> {
        self.bytes = 0;
        std::mem::take(&mut self.packets)
    }
}
