//! Packets made and read byte by byte, as simply as possible: what the offload is measured against. Shares no code with
//! it.

use std::io::IoSlice;

/// The one's complement sum of the bytes of all parts, as if they lay one behind the other (RFC 1071).
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let mut total: u64 = 0;
    for part in parts {
        let mut words = part.chunks_exact(2);
        for word in &mut words {
            total += u64::from(word[0]) << 8 | u64::from(word[1]);
        }
        if let [last] = words.remainder() {
            total += u64::from(*last) << 8;
        }
    }
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    total as u16
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn put16(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 2].copy_from_slice(&u16::try_from(value).expect("16 bits").to_be_bytes());
}

pub(crate) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const FIN: u8 = 1;
pub(crate) const PSH: u8 = 8;
pub(crate) const ACK: u8 = 16;
pub(crate) const ECE: u8 = 64;
pub(crate) const CWR: u8 = 128;

/// Where the headers of a packet lie that has nothing between its IP header and an unfragmented TCP or UDP header.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Plain {
    pub(crate) protocol: u8,
    pub(crate) at: usize,
    pub(crate) header_len: usize,
}

impl Plain {
    pub(crate) fn checksum_at(&self) -> usize {
        self.at + if self.protocol == TCP { 16 } else { 6 }
    }
}

pub(crate) fn plain(packet: &[u8]) -> Option<Plain> {
    let (protocol, at) = match packet.first()? {
        0x45 if packet.len() >= 20 => {
            let is_whole = be16(packet, 2) == packet.len() && be16(packet, 6) & 0x3fff == 0;
            is_whole.then_some((packet[9], 20))?
        }
        0x60..=0x6f if packet.len() >= 40 => (be16(packet, 4) == packet.len() - 40).then_some((packet[6], 40))?,
        _ => return None,
    };
    let rest = packet.len() - at;
    let header_len = match protocol {
        TCP if rest >= 20 => at + usize::from(packet[at + 12] >> 4) * 4,
        UDP if rest >= 8 && be16(packet, at + 4) == rest => at + 8,
        _ => return None,
    };
    (header_len >= at + if protocol == TCP { 20 } else { 8 } && header_len <= packet.len()).then_some(Plain {
        protocol,
        at,
        header_len,
    })
}

/// The sum of the pseudo-header of a plain packet (RFC 9293 §3.1, RFC 8200 §8.1).
pub(crate) fn pseudo_sum(packet: &[u8], found: &Plain) -> u16 {
    let addresses = if packet[0] >> 4 == 4 { &packet[12..20] } else { &packet[8..40] };
    let length = u32::try_from(packet.len() - found.at).expect("below 64 KiB").to_be_bytes();
    sum(&[addresses, &length, &[0, 0, 0, found.protocol]])
}

/// Writes the finished transport checksum of a plain packet, whatever its field says.
pub(crate) fn finish(packet: &mut [u8], found: &Plain) {
    put16(packet, found.checksum_at(), 0);
    let pseudo = pseudo_sum(packet, found).to_be_bytes();
    let checksum = !sum(&[&pseudo, &packet[found.at..]]);
    put16(packet, found.checksum_at(), if checksum == 0 { 0xffff } else { checksum.into() });
}

/// Writes the checksum of an IPv4 header.
pub(crate) fn finish_v4(packet: &mut [u8]) {
    if packet[0] >> 4 == 4 {
        let len = usize::from(packet[0] & 15) * 4;
        put16(packet, 10, 0);
        let checksum = !sum(&[&packet[..len]]);
        put16(packet, 10, checksum.into());
    }
}

/// Whether a plain packet's finished checksums hold.
pub(crate) fn is_sound(packet: &[u8], found: &Plain) -> bool {
    let is_header_sound = packet[0] >> 4 != 4 || sum(&[&packet[..20]]) == 0xffff;
    let is_left_out = found.protocol == UDP && be16(packet, found.checksum_at()) == 0;
    let pseudo = pseudo_sum(packet, found).to_be_bytes();
    is_header_sound && !is_left_out && sum(&[&pseudo, &packet[found.at..]]) == 0xffff
}

/// A packet that the local stack has received.
pub(crate) struct Received {
    pub(crate) packet: Vec<u8>,
    /// Whether the stack takes its checksum as right without looking.
    pub(crate) is_trusted: bool,
    /// Whether it came as one of many.
    pub(crate) is_cut: bool,
}

/// What the kernel makes of one write to a TUN queue with virtio headers, and checks that it would have taken it.
pub(crate) fn kernel(write: &[IoSlice<'_>]) -> Vec<Received> {
    let bytes: Vec<u8> = write.iter().flat_map(|slice| slice.iter().copied()).collect();
    let (virtio, packet) = bytes.split_at(10);
    let field = |at: usize| usize::from(u16::from_le_bytes([virtio[at], virtio[at + 1]]));
    let (flags, kind, header_len, size) = (virtio[0], virtio[1], field(2), field(4));
    assert!(packet.len() <= 65_535, "longer than a packet can be");
    if flags == 0 {
        assert_eq!(virtio, [0; 10], "a packet that is just itself");
        return vec![Received { packet: packet.to_vec(), is_trusted: false, is_cut: false }];
    }
    assert_eq!(flags, 1);
    let found = plain(packet).expect("a checksum is only left open in a plain packet");
    assert_eq!((field(6), field(6) + field(8)), (found.at, found.checksum_at()));
    assert_eq!(header_len, found.header_len);
    assert!(write[0].len() == 10 && write[1].len() >= found.header_len, "headers lie together");
    let pseudo = pseudo_sum(packet, &found);
    assert_eq!(be16(packet, found.checksum_at()) % 0xffff, usize::from(pseudo) % 0xffff, "the pseudo-header's sum");
    if kind == 0 {
        assert_eq!(size, 0);
        let mut packet = packet.to_vec();
        finish(&mut packet, &found);
        return vec![Received { packet, is_trusted: true, is_cut: false }];
    }
    assert_eq!(kind, if found.protocol == UDP { 5 } else { [1, 4][usize::from(packet[0] >> 4 == 6)] });
    assert!(packet[0] >> 4 == 6 || sum(&[&packet[..20]]) == 0xffff, "the IPv4 header's checksum");
    let payload = packet.len() - header_len;
    assert!(size > 0 && payload > size && payload.div_ceil(size) <= 64, "{payload} bytes by {size}");
    cut(packet, &found, size)
}

fn cut(packet: &[u8], found: &Plain, size: usize) -> Vec<Received> {
    let (header, payload) = packet.split_at(found.header_len);
    let count = payload.len().div_ceil(size);
    let segment = |(index, part): (usize, &[u8])| {
        let mut packet = [header, part].concat();
        let total = packet.len();
        if packet[0] >> 4 == 4 {
            put16(&mut packet, 2, total);
            let id = (be16(header, 4) + index) & 0xffff;
            put16(&mut packet, 4, id);
            finish_v4(&mut packet);
        } else {
            put16(&mut packet, 4, total - 40);
        }
        if found.protocol == UDP {
            put16(&mut packet, found.at + 4, total - found.at);
        } else {
            let sequence = be32(header, found.at + 4).wrapping_add((index * size) as u32);
            put32(&mut packet, found.at + 4, sequence);
            if index > 0 {
                packet[found.at + 13] &= !CWR;
            }
            if index + 1 < count {
                packet[found.at + 13] &= !(FIN | PSH);
            }
        }
        finish(&mut packet, found);
        Received { packet, is_trusted: true, is_cut: true }
    };
    payload.chunks(size).enumerate().map(segment).collect()
}
