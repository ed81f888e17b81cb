use zerocopy::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::checksum::{Sum, fill_in};
use crate::drop_reason::DropReason;

/// Extension headers of one packet that are looked through; senders use one or two.
const EXTENSIONS_MAX: usize = 8;

const NEXT_HOP_BY_HOP: u8 = 0;
const NEXT_TCP: u8 = 6;
const NEXT_UDP: u8 = 17;
const NEXT_ROUTING: u8 = 43;
const NEXT_DESTINATION_OPTIONS: u8 = 60;

/// An IPv6 header (RFC 8200 §3).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Ipv6Header {
    pub(super) version_class_flow: U32,
    pub(super) payload_length: U16,
    pub(super) next_header: u8,
    pub(super) hop_limit: u8,
    pub(super) source: [u8; 16],
    pub(super) destination: [u8; 16],
}

/// An IPv4 header without its options (RFC 791 §3.1).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Ipv4Header {
    pub(super) version_length: u8,
    pub(super) class: u8,
    pub(super) total_length: U16,
    pub(super) id: U16,
    pub(super) fragment: U16,
    pub(super) time_to_live: u8,
    pub(super) protocol: u8,
    pub(super) checksum: [u8; 2],
    pub(super) source: [u8; 4],
    pub(super) destination: [u8; 4],
}

impl Ipv4Header {
    /// The flag that forbids fragmentation.
    pub(super) const DONT_FRAGMENT: u16 = 0x4000;
    /// What marks a fragment: more of them, or an offset.
    const FRAGMENT: u16 = 0x3fff;

    /// Length with the options.
    fn len(&self) -> usize {
        usize::from(self.version_length & 0x0f) * 4
    }
}

/// A TCP header without its options (RFC 9293 §3.1).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct TcpHeader {
    pub(super) ports: [u8; 4],
    pub(super) sequence: U32,
    pub(super) acknowledgement: U32,
    pub(super) offset_reserved: u8,
    pub(super) flags: u8,
    pub(super) window: U16,
    pub(super) checksum: [u8; 2],
    pub(super) urgent: U16,
}

impl TcpHeader {
    pub(super) const FIN: u8 = 0x01;
    pub(super) const SYN: u8 = 0x02;
    pub(super) const RST: u8 = 0x04;
    pub(super) const PSH: u8 = 0x08;
    pub(super) const ACK: u8 = 0x10;
    pub(super) const URG: u8 = 0x20;
    pub(super) const CWR: u8 = 0x80;

    /// Length with the options.
    fn len(&self) -> usize {
        usize::from(self.offset_reserved >> 4) * 4
    }
}

/// A UDP header (RFC 768).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct UdpHeader {
    pub(super) ports: [u8; 4],
    pub(super) length: U16,
    pub(super) checksum: [u8; 2],
}

/// The version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

/// A transport whose packets can be cut and gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// Where the checksum lies in the header.
    pub(super) const fn checksum_offset(self) -> u16 {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::Tcp => NEXT_TCP,
            Self::Udp => NEXT_UDP,
        }
    }

    const fn of(next_header: u8) -> Option<Self> {
        match next_header {
            NEXT_TCP => Some(Self::Tcp),
            NEXT_UDP => Some(Self::Udp),
            _ => None,
        }
    }
}

/// Where the headers of a whole, unfragmented TCP or UDP packet lie. Good for the packet they were found in and for
/// copies of its headers; every method may rely on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) version: Version,
    pub(super) transport: Transport,
    pub(super) transport_at: u16,
    /// Length of all headers: where the payload begins.
    pub(super) len: u16,
}

const FOUND: &str = "headers are only asked for in the packet they were found in";

impl Headers {
    /// Finds the headers of a packet; `None` where it is not whole, a fragment, or of another transport.
    pub(super) fn find(packet: &[u8]) -> Option<Self> {
        let (version, next_header, at) = match packet.first()? >> 4 {
            4 => find_in_v4(packet)?,
            6 => find_in_v6(packet)?,
            _ => return None,
        };
        let transport = Transport::of(next_header)?;
        let rest = packet.get(at..)?;
        let len = match transport {
            Transport::Tcp => {
                let header = TcpHeader::ref_from_prefix(rest).ok()?.0;
                Some(header.len()).filter(|len| *len >= size_of::<TcpHeader>() && *len <= rest.len())?
            }
            Transport::Udp => {
                let header = UdpHeader::ref_from_prefix(rest).ok()?.0;
                (usize::from(header.length.get()) == rest.len()).then_some(size_of::<UdpHeader>())?
            }
        };
        Some(Self { version, transport, transport_at: at.try_into().ok()?, len: (at + len).try_into().ok()? })
    }

    /// Whether nothing stands between the fixed IP header and the transport's: options and extension headers may
    /// change what the pseudo-header says (RFC 8200 §8.1, RFC 791 §3.1 source routes).
    pub(super) const fn is_plain(&self) -> bool {
        match self.version {
            Version::V4 => self.transport_at as usize == size_of::<Ipv4Header>(),
            Version::V6 => self.transport_at as usize == size_of::<Ipv6Header>(),
        }
    }

    pub(super) fn v4<'a>(&self, packet: &'a [u8]) -> &'a Ipv4Header {
        Ipv4Header::ref_from_prefix(packet).expect(FOUND).0
    }

    pub(super) fn v6<'a>(&self, packet: &'a [u8]) -> &'a Ipv6Header {
        Ipv6Header::ref_from_prefix(packet).expect(FOUND).0
    }

    pub(super) fn tcp<'a>(&self, packet: &'a [u8]) -> &'a TcpHeader {
        TcpHeader::ref_from_prefix(&packet[self.transport_at.into()..]).expect(FOUND).0
    }

    pub(super) fn tcp_mut<'a>(&self, packet: &'a mut [u8]) -> &'a mut TcpHeader {
        TcpHeader::mut_from_prefix(&mut packet[self.transport_at.into()..]).expect(FOUND).0
    }

    /// The source and destination port.
    pub(super) fn ports(&self, packet: &[u8]) -> [u8; 4] {
        *packet[self.transport_at.into()..].first_chunk().expect(FOUND)
    }

    /// The TCP options.
    pub(super) fn options<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        &packet[usize::from(self.transport_at) + size_of::<TcpHeader>()..self.len.into()]
    }

    pub(super) fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        &packet[self.len.into()..]
    }

    pub(super) fn payload_len(&self, packet: &[u8]) -> usize {
        packet.len() - usize::from(self.len)
    }

    /// The transport's checksum field.
    pub(super) fn checksum_mut<'a>(&self, packet: &'a mut [u8]) -> &'a mut [u8; 2] {
        let at = usize::from(self.transport_at) + usize::from(self.transport.checksum_offset());
        packet[at..].first_chunk_mut().expect(FOUND)
    }

    /// Writes the length fields of a packet of `total` bytes; an IPv4 header's checksum with them.
    pub(super) fn set_len(&self, packet: &mut [u8], total: usize) {
        let total = u16::try_from(total).expect("pieces and groups are at most 65,535 bytes");
        match self.version {
            Version::V4 => {
                Ipv4Header::mut_from_prefix(packet).expect(FOUND).0.total_length = total.into();
                self.fill_in_v4(packet);
            }
            Version::V6 => {
                let length = total - size_of::<Ipv6Header>() as u16;
                Ipv6Header::mut_from_prefix(packet).expect(FOUND).0.payload_length = length.into();
            }
        }
        if self.transport == Transport::Udp {
            let header = UdpHeader::mut_from_prefix(&mut packet[self.transport_at.into()..]).expect(FOUND).0;
            header.length = (total - self.transport_at).into();
        }
    }

    /// Moves the identification of an IPv4 packet on.
    pub(super) fn add_id(&self, packet: &mut [u8], step: u16) {
        if self.version == Version::V4 {
            let header = Ipv4Header::mut_from_prefix(packet).expect(FOUND).0;
            header.id = header.id.get().wrapping_add(step).into();
            self.fill_in_v4(packet);
        }
    }

    fn fill_in_v4(&self, packet: &mut [u8]) {
        let header = Ipv4Header::mut_from_prefix(packet).expect(FOUND).0;
        header.checksum = [0; 2];
        let len = header.len();
        let sum = Sum::default().bytes(&packet[..len]);
        Ipv4Header::mut_from_prefix(packet).expect(FOUND).0.checksum = sum.header_checksum();
    }

    /// The sum of the pseudo-header for `length` bytes of transport header and payload (RFC 9293 §3.1, RFC 8200 §8.1).
    /// Right only where the headers are plain.
    pub(super) fn pseudo_sum(&self, packet: &[u8], length: usize) -> Sum {
        let addresses = match self.version {
            Version::V4 => &packet[12..20],
            Version::V6 => &packet[8..40],
        };
        let length = u16::try_from(length).expect("packets are at most 65,535 bytes");
        Sum::default().bytes(addresses).number(self.transport.number().into()).number(length)
    }

    /// Writes the pseudo-header's sum where the checksum is to be filled in.
    pub(super) fn set_pseudo_sum(&self, packet: &mut [u8], total: usize) {
        let sum = self.pseudo_sum(packet, total - usize::from(self.transport_at));
        *self.checksum_mut(packet) = sum.partial();
    }

    /// Whether a packet's finished checksums hold, its IPv4 header's among them. A UDP checksum that was left out is
    /// none that holds.
    pub(super) fn is_whole(&self, packet: &[u8]) -> bool {
        let covered = &packet[self.transport_at.into()..];
        let is_left_out = self.transport == Transport::Udp && covered[6..8] == [0, 0];
        !is_left_out && self.is_header_whole(packet) && self.pseudo_sum(packet, covered.len()).bytes(covered).is_whole()
    }

    /// Whether an IPv4 header's checksum holds.
    pub(super) fn is_header_whole(&self, packet: &[u8]) -> bool {
        match self.version {
            Version::V4 => Sum::default().bytes(&packet[..self.transport_at.into()]).is_whole(),
            Version::V6 => true,
        }
    }
}

fn find_in_v4(packet: &[u8]) -> Option<(Version, u8, usize)> {
    let header = Ipv4Header::ref_from_prefix(packet).ok()?.0;
    let is_whole = usize::from(header.total_length.get()) == packet.len() && header.len() >= size_of::<Ipv4Header>();
    let is_fragment = header.fragment.get() & Ipv4Header::FRAGMENT != 0;
    (is_whole && !is_fragment).then_some((Version::V4, header.protocol, header.len()))
}

fn find_in_v6(packet: &[u8]) -> Option<(Version, u8, usize)> {
    let (header, rest) = Ipv6Header::ref_from_prefix(packet).ok()?;
    if usize::from(header.payload_length.get()) != rest.len() {
        return None;
    }
    let (next_header, at) = skip_extensions(packet, header.next_header, size_of::<Ipv6Header>())?;
    Some((Version::V6, next_header, at))
}

/// The first header that is none of hop-by-hop options, routing or destination options (RFC 8200 §4), and its place.
pub(super) fn skip_extensions(packet: &[u8], mut next_header: u8, mut at: usize) -> Option<(u8, usize)> {
    for _ in 0..EXTENSIONS_MAX {
        if !matches!(next_header, NEXT_HOP_BY_HOP | NEXT_ROUTING | NEXT_DESTINATION_OPTIONS) {
            return Some((next_header, at));
        }
        let [next, units] = *packet.get(at..)?.first_chunk()?;
        (next_header, at) = (next, at + (usize::from(units) + 1) * 8);
    }
    None
}

/// Completes the transport checksum of a packet that came with [`holloway_wire::RecordFlags::CHECKSUM`]; for receivers
/// whose interface takes no virtio header (dataplane.md §6).
///
/// # Errors
/// [`DropReason::InnerPacket`]: it has no unfragmented TCP or UDP header right behind its IP header.
pub fn complete_checksum(packet: &mut [u8]) -> Result<(), DropReason> {
    let headers = Headers::find(packet).filter(Headers::is_plain).ok_or(DropReason::InnerPacket)?;
    headers.set_pseudo_sum(packet, packet.len());
    fill_in(packet, headers.transport_at.into(), headers.transport.checksum_offset().into())
        .ok_or(DropReason::InnerPacket)
}
