use holloway_wire::OverlayAddr;

/// Length of an IPv6 header (RFC 8200 §3).
const HEADER_LEN: usize = 40;

/// "No next header" (RFC 8200 §4.7).
const NO_NEXT_HEADER: u8 = 59;

const HOP_LIMIT: u8 = 64;

/// Longest payload of a test packet: some records fill most of an underlay packet, most are small.
const PAYLOAD_MAX: u64 = 1200;

/// An inner packet whose whole content follows from its number and its two ends.
pub(crate) fn inner(number: u64, from: OverlayAddr, to: OverlayAddr) -> Vec<u8> {
    let length = if number.is_multiple_of(8) { 8 + (number.wrapping_mul(0x9e37_79b9) >> 8) % PAYLOAD_MAX } else { 16 };
    let mut packet = vec![0; HEADER_LEN];
    packet[0] = 6 << 4;
    packet[4..6].copy_from_slice(&u16::try_from(length).expect("PAYLOAD_MAX fits").to_be_bytes());
    packet[6] = NO_NEXT_HEADER;
    packet[7] = HOP_LIMIT;
    packet[8..24].copy_from_slice(&from.ip().octets());
    packet[24..40].copy_from_slice(&to.ip().octets());
    packet.extend_from_slice(&number.to_le_bytes());
    packet.extend((8..length).map(|at| (number.wrapping_mul(31).wrapping_add(at) & 0xff) as u8));
    packet
}

/// The number of an inner packet.
pub(crate) fn number(packet: &[u8]) -> Option<u64> {
    let bytes = packet.get(HEADER_LEN..HEADER_LEN + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
}
