use holloway_wire::{Datagram, Instant};

use super::MachineId;

/// FNV-1a, 64 bits: its offset and prime.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A hash over every datagram sent and every packet delivered, with their times: equal for equal runs.
pub(crate) struct Trace {
    hash: u64,
    pub(crate) datagrams: u64,
    pub(crate) handshakes: u64,
}

impl Trace {
    pub(crate) const fn new() -> Self {
        Self { hash: OFFSET, datagrams: 0, handshakes: 0 }
    }

    pub(crate) fn datagram(&mut self, at: Instant, from: MachineId, datagram: &[u8]) {
        self.datagrams += 1;
        self.handshakes += u64::from(matches!(Datagram::decode(datagram), Ok(Datagram::Initiation(_))));
        self.number(at.as_nanos());
        self.number(from.0 as u64);
        self.bytes(datagram);
    }

    /// Takes a number in.
    pub(crate) fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }
}
