use std::net::IpAddr;

use holloway_wire::InnerPacket;

use super::checksum::Sum;
use super::headers::skip_extensions;

/// Longest ICMPv6 error: it must reach its receiver over any path (RFC 4443 §2.4(c)).
const V6_LEN_MAX: usize = 1280;
/// Longest ICMPv4 error (RFC 1812 §4.3.2.3).
const V4_LEN_MAX: usize = 576;

const V6_HEADER_LEN: usize = 40;
const V4_HEADER_LEN: usize = 20;
/// Type, code, checksum and the field with the MTU.
const ICMP_HEADER_LEN: usize = 8;

const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
/// Packet Too Big (RFC 4443 §3.2).
const V6_PACKET_TOO_BIG: u8 = 2;
/// ICMPv6 redirects are not answered by errors either (RFC 4443 §2.4(e.2)).
const V6_REDIRECT: u8 = 137;
/// ICMPv6 types from here on are no errors (RFC 4443 §2.1).
const V6_INFORMATIONAL: u8 = 128;
/// Destination unreachable, fragmentation needed (RFC 792, RFC 1191 §4).
const V4_FRAGMENTATION_NEEDED: [u8; 2] = [3, 4];
/// Those ICMPv4 messages that are no errors: echo, router discovery, timestamp, information and address mask.
const V4_INFORMATIONAL: [u8; 10] = [0, 8, 9, 10, 13, 14, 15, 16, 17, 18];

const HOP_LIMIT: u8 = 64;

/// Tells the sender of a packet that is too long for its path how long it may be: an ICMPv6 Packet Too Big (RFC 4443
/// §3.2) or an ICMPv4 "fragmentation needed" (RFC 1191 §4), as if its destination had sent it. IPv4 senders are told
/// whether or not they allow fragments, for we make none.
///
/// `None` where an error must not be answered: to errors, to and from groups, to later fragments (RFC 4443 §2.4(e), RFC
/// 1122 §3.2.2).
#[must_use]
pub fn packet_too_big(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let InnerPacket { source, destination } = InnerPacket::parse(packet).ok()?;
    match (source, destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let may_answer = !destination.is_multicast() && !destination.is_unspecified() && !is_v6_error(packet);
            may_answer.then(|| v6(packet, destination.octets(), source.octets(), mtu))
        }
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let is_reserved = |address: std::net::Ipv4Addr| address.octets()[0] >= 224 || address.octets()[0] == 0;
            let may_answer = !is_reserved(source) && !is_reserved(destination) && !is_v4_error_or_later(packet);
            may_answer.then(|| v4(packet, destination.octets(), source.octets(), mtu))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

fn is_v6_error(packet: &[u8]) -> bool {
    let Some((next_header, at)) = skip_extensions(packet, packet[6], V6_HEADER_LEN) else {
        return true;
    };
    let kind = packet.get(at).copied().unwrap_or(0);
    next_header == ICMP_V6 && (kind < V6_INFORMATIONAL || kind == V6_REDIRECT)
}

fn is_v4_error_or_later(packet: &[u8]) -> bool {
    let is_later = u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0;
    let at = usize::from(packet[0] & 0x0f) * 4;
    let is_error = packet[9] == ICMP && packet.get(at).is_none_or(|kind| !V4_INFORMATIONAL.contains(kind));
    is_later || is_error
}

fn v6(packet: &[u8], from: [u8; 16], to: [u8; 16], mtu: u16) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(V6_LEN_MAX - V6_HEADER_LEN - ICMP_HEADER_LEN)];
    let [high, low] = mtu.to_be_bytes();
    let mut message = [&[V6_PACKET_TOO_BIG, 0, 0, 0, 0, 0, high, low], quoted].concat();
    let length = u16::try_from(message.len()).expect("bounded above");
    let sum = Sum::default().bytes(&from).bytes(&to).number(length).number(ICMP_V6.into()).bytes(&message);
    message[2..4].copy_from_slice(&sum.checksum());
    let [long, short] = length.to_be_bytes();
    [&[0x60, 0, 0, 0, long, short, ICMP_V6, HOP_LIMIT], from.as_slice(), &to, &message].concat()
}

fn v4(packet: &[u8], from: [u8; 4], to: [u8; 4], mtu: u16) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(V4_LEN_MAX - V4_HEADER_LEN - ICMP_HEADER_LEN)];
    let [kind, code] = V4_FRAGMENTATION_NEEDED;
    let [high, low] = mtu.to_be_bytes();
    let mut message = [&[kind, code, 0, 0, 0, 0, high, low], quoted].concat();
    let checksum = Sum::default().bytes(&message).checksum();
    message[2..4].copy_from_slice(&checksum);
    let total = u16::try_from(V4_HEADER_LEN + message.len()).expect("bounded above");
    let [long, short] = total.to_be_bytes();
    let mut header = [&[0x45, 0, long, short, 0, 0, 0x40, 0, HOP_LIMIT, ICMP, 0, 0], from.as_slice(), &to].concat();
    let checksum = Sum::default().bytes(&header).header_checksum();
    header[10..12].copy_from_slice(&checksum);
    [header, message].concat()
}
