//! Random streams: what a local socket sends, as a super-packet and as the packets that it stands for.

use crate::reference::{ACK, CWR, ECE, FIN, PSH, TCP, UDP, finish_v4, put16, sum};

/// SplitMix64: small, fast and the same everywhere.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number from `first` to `last`, small ones as likely as large ones.
    pub(crate) fn magnitude(&mut self, first: usize, last: usize) -> usize {
        let bits = (last - first + 1).ilog2() as usize + 1;
        let end = (1_usize << (1 + self.below(bits))).min(last - first + 1);
        first + self.below(end)
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(len).collect()
    }
}

/// One send of one socket.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) is_v6: bool,
    pub(crate) protocol: u8,
    addresses: Vec<u8>,
    ports: [u8; 4],
    class: u8,
    flow_label: u32,
    ttl: u8,
    id: u16,
    dont_fragment: bool,
    /// IPv4 options, or one IPv6 extension header and its number.
    between: (u8, Vec<u8>),
    options: Vec<u8>,
    sequence: u32,
    acknowledgement: u32,
    pub(crate) flags: u8,
    window: u16,
    /// Where the payload lies in the pool.
    payload: std::ops::Range<usize>,
    /// Payload of each packet.
    pub(crate) size: usize,
}

/// Random bytes that payloads are taken from.
pub(crate) fn pool() -> Vec<u8> {
    Rng(1).bytes(1 << 18)
}

impl Stream {
    /// A random stream; `number` tells it from others of its case.
    pub(crate) fn random(rng: &mut Rng, number: u8, pool: &[u8]) -> Self {
        let is_v6 = rng.below(2) == 0;
        let protocol = if rng.one_in(3) { UDP } else { TCP };
        let mut addresses = rng.bytes(if is_v6 { 32 } else { 8 });
        // No multicast, unspecified or broadcast addresses.
        addresses[0] = [10, 0xfd][usize::from(is_v6)];
        let half = addresses.len() / 2;
        addresses[half] = addresses[0];
        let mut ports: [u8; 4] = rng.bytes(4).try_into().expect("four");
        ports[0] = number;
        let mut stream = Self {
            is_v6,
            protocol,
            addresses,
            ports,
            class: if rng.one_in(4) { rng.next() as u8 } else { 0 },
            flow_label: rng.next() as u32 & 0xf_ffff,
            ttl: 1 + rng.below(255) as u8,
            id: rng.next() as u16,
            dont_fragment: !rng.one_in(4),
            between: (0, Vec::new()),
            options: Vec::new(),
            sequence: rng.next() as u32,
            acknowledgement: rng.next() as u32,
            flags: flags(rng),
            window: rng.next() as u16,
            payload: 0..0,
            size: 0,
        };
        if rng.one_in(8) {
            stream.between = between(rng, is_v6);
        }
        if protocol == TCP {
            stream.options = options(rng);
        }
        let longest = 65_535 - stream.header_len();
        let len = rng.magnitude(1, longest);
        let start = rng.below(pool.len() - len);
        stream.payload = start..start + len;
        let smallest = if protocol == TCP { 8.max(len / 128) } else { len.div_ceil(100) };
        let largest = if rng.one_in(8) { 9000 } else { 1500 };
        stream.size = smallest + rng.below(largest);
        stream
    }

    pub(crate) fn payload_len(&self) -> usize {
        self.payload.len()
    }

    fn ip_len(&self) -> usize {
        (if self.is_v6 { 40 } else { 20 }) + self.between.1.len()
    }

    pub(crate) fn header_len(&self) -> usize {
        self.ip_len() + if self.protocol == TCP { 20 + self.options.len() } else { 8 }
    }

    /// Whether nothing stands between the IP header and the transport's.
    pub(crate) fn is_plain(&self) -> bool {
        self.between.1.is_empty()
    }

    /// One packet with everything but its transport checksum, whose field holds the pseudo-header's sum.
    fn unfilled(&self, index: usize, sent: usize, flags: u8, payload: &[u8]) -> Vec<u8> {
        let total = self.header_len() + payload.len();
        let mut packet = Vec::with_capacity(total);
        let (number, between) = &self.between;
        if self.is_v6 {
            packet.extend_from_slice(&(6 << 28 | u32::from(self.class) << 20 | self.flow_label).to_be_bytes());
            let next = if between.is_empty() { self.protocol } else { *number };
            packet.extend_from_slice(&[0, 0, next, self.ttl]);
            put16(&mut packet, 4, total - 40);
        } else {
            packet.extend_from_slice(&[0x45 + (between.len() / 4) as u8, self.class, 0, 0]);
            put16(&mut packet, 2, total);
            packet.extend_from_slice(&self.id.wrapping_add(index as u16).to_be_bytes());
            packet.extend_from_slice(&[if self.dont_fragment { 0x40 } else { 0 }, 0, self.ttl, self.protocol, 0, 0]);
        }
        packet.extend_from_slice(&self.addresses);
        packet.extend_from_slice(between);
        if self.is_v6 && !between.is_empty() {
            packet[40] = self.protocol;
        }
        finish_v4(&mut packet);
        let length = u32::try_from(total - self.ip_len()).expect("below 64 KiB");
        let pseudo = sum(&[&self.addresses, &[0, self.protocol], &length.to_be_bytes()]);
        packet.extend_from_slice(&self.ports);
        if self.protocol == UDP {
            packet.extend_from_slice(&(length as u16).to_be_bytes());
            packet.extend_from_slice(&pseudo.to_be_bytes());
        } else {
            packet.extend_from_slice(&self.sequence.wrapping_add(sent as u32).to_be_bytes());
            packet.extend_from_slice(&self.acknowledgement.to_be_bytes());
            packet.extend_from_slice(&[(5 + self.options.len() / 4) as u8 * 16, flags]);
            packet.extend_from_slice(&self.window.to_be_bytes());
            packet.extend_from_slice(&pseudo.to_be_bytes());
            packet.extend_from_slice(&[0, 0]);
            packet.extend_from_slice(&self.options);
        }
        packet.extend_from_slice(payload);
        packet
    }

    fn checksum_at(&self) -> usize {
        self.ip_len() + if self.protocol == TCP { 16 } else { 6 }
    }

    /// Adds the rest of the transport checksum.
    pub(crate) fn finish(&self, packet: &mut [u8]) {
        let checksum = !sum(&[&packet[self.ip_len()..]]);
        put16(packet, self.checksum_at(), if checksum == 0 { 0xffff } else { checksum.into() });
    }

    /// What a TUN queue gives: the virtio header and one packet for all. `is_super` says whether it stands for many.
    pub(crate) fn local(&self, pool: &[u8], is_super: bool) -> ([u8; 10], Vec<u8>) {
        let kind = match (is_super, self.protocol, self.is_v6) {
            (false, _, _) => 0,
            (true, UDP, _) => 5,
            (true, _, false) => 1,
            (true, _, true) => 4,
        };
        let ecn = if kind != 0 && self.protocol == TCP && self.flags & CWR != 0 { 0x80 } else { 0 };
        let mut virtio = [0; 10];
        (virtio[0], virtio[1]) = (1, kind | ecn);
        let numbers = [self.header_len(), if is_super { self.size } else { 0 }, self.ip_len()];
        let offset = self.checksum_at() - self.ip_len();
        for (field, number) in virtio[2..].chunks_mut(2).zip(numbers.into_iter().chain([offset])) {
            field.copy_from_slice(&(number as u16).to_le_bytes());
        }
        (virtio, self.unfilled(0, 0, self.flags, &pool[self.payload.clone()]))
    }

    /// The finished packets with `step` bytes of payload each.
    pub(crate) fn packets(&self, pool: &[u8], step: usize) -> Vec<Vec<u8>> {
        let payload = &pool[self.payload.clone()];
        let count = payload.len().div_ceil(step);
        let packet = |(index, part): (usize, &[u8])| {
            let not_last = if index + 1 < count { FIN | PSH } else { 0 };
            let not_first = if index > 0 { CWR } else { 0 };
            let mut packet = self.unfilled(index, index * step, self.flags & !not_last & !not_first, part);
            self.finish(&mut packet);
            packet
        };
        payload.chunks(step).enumerate().map(packet).collect()
    }
}

fn flags(rng: &mut Rng) -> u8 {
    let mut flags = ACK;
    for (flag, chance) in [(PSH, 2), (FIN, 8), (CWR, 16), (ECE, 16)] {
        if rng.one_in(chance) {
            flags |= flag;
        }
    }
    flags
}

/// IPv4 no-operations, or a header of IPv6 hop-by-hop or destination options with padding.
fn between(rng: &mut Rng, is_v6: bool) -> (u8, Vec<u8>) {
    if !is_v6 {
        return (0, vec![1; 4 * (1 + rng.below(10))]);
    }
    let units = rng.below(4);
    let mut header = vec![0; 8 * (units + 1)];
    (header[1], header[2], header[3]) = (units as u8, 1, (units * 8 + 4) as u8);
    ([0, 60][rng.below(2)], header)
}

/// No TCP options, timestamps, or anything.
fn options(rng: &mut Rng) -> Vec<u8> {
    match rng.below(3) {
        0 => Vec::new(),
        1 => [vec![1, 1, 8, 10], rng.bytes(8)].concat(),
        _ => {
            let len = 4 * rng.below(11);
            rng.bytes(len)
        }
    }
}
