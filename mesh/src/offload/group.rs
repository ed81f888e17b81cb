use std::io::IoSlice;

use super::headers::{Headers, Ipv4Header, TcpHeader, Transport, Version};
use super::virtio::{Segmentation, VirtioHeader};

/// Payloads in one group: `UDP_MAX_SEGMENTS` of older kernels, and more full ones than 65,535 bytes hold.
pub(super) const PAYLOADS_MAX: usize = 64;

/// Length of a super-packet at most.
const LEN_MAX: usize = 65_535;

/// Elements of one write: the virtio header and the payloads, of which the first has the packet's header before it.
const SLICES_MAX: usize = 1 + PAYLOADS_MAX;

/// The packets of one flow are to stay in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    ports: [u8; 4],
    transport: Transport,
    version: Version,
    source: u128,
    destination: u128,
}

impl Flow {
    /// The flow of a packet whose headers have been found.
    pub(super) fn of(headers: &Headers, packet: &[u8]) -> Self {
        let (source, destination) = match headers.version {
            Version::V4 => {
                let header = headers.v4(packet);
                (u32::from_ne_bytes(header.source).into(), u32::from_ne_bytes(header.destination).into())
            }
            Version::V6 => {
                let header = headers.v6(packet);
                (u128::from_ne_bytes(header.source), u128::from_ne_bytes(header.destination))
            }
        };
        let (transport, version) = (headers.transport, headers.version);
        Self { ports: headers.ports(packet), transport, version, source, destination }
    }
}

/// A packet that may be gathered with others of its flow.
pub(super) struct Candidate<'a> {
    pub(super) packet: &'a mut [u8],
    pub(super) headers: Headers,
    /// Whether its checksum is known to hold, or is to be filled in by the local stack.
    pub(super) is_trusted: bool,
    pub(super) is_unfilled: bool,
}

impl Candidate<'_> {
    /// Whether a packet may be part of a super-packet at all (dataplane.md §5 "Which segments may be gathered").
    pub(super) fn qualifies(&self) -> bool {
        let (headers, packet) = (&self.headers, &*self.packet);
        let has_payload = headers.payload_len(packet) > 0;
        let is_ordinary = match headers.transport {
            Transport::Udp => true,
            Transport::Tcp => {
                let tcp = headers.tcp(packet);
                tcp.flags & !TcpHeader::PSH == TcpHeader::ACK && tcp.offset_reserved & 0x0f == 0
            }
        };
        let is_fragmentable = match headers.version {
            Version::V4 => headers.v4(packet).fragment.get() & !Ipv4Header::DONT_FRAGMENT == 0,
            Version::V6 => true,
        };
        has_payload && is_ordinary && is_fragmentable && headers.is_plain()
    }

    /// Whether its checksums hold, so that the local stack need not look at them again.
    fn earns_trust(&mut self) -> bool {
        self.is_trusted = self.is_trusted || is_sound(&self.headers, self.packet, self.is_unfilled);
        self.is_trusted
    }

    /// Whether nothing can follow it.
    pub(super) fn is_pushed(&self) -> bool {
        self.headers.transport == Transport::Tcp && self.headers.tcp(self.packet).flags & TcpHeader::PSH != 0
    }
}

fn is_sound(headers: &Headers, packet: &[u8], is_unfilled: bool) -> bool {
    if is_unfilled { headers.is_header_whole(packet) } else { headers.is_whole(packet) }
}

/// Packets of one flow that one write hands over: the first whole, of the others the payloads.
pub(super) struct Group<'a> {
    pub(super) flow: Flow,
    first: Candidate<'a>,
    rest: Vec<IoSlice<'a>>,
    /// Length of the first payload, and of all others but the last.
    segment: usize,
    /// Length of the super-packet.
    total: usize,
    is_closed: bool,
}

impl<'a> Group<'a> {
    /// A group of one.
    pub(super) fn new(flow: Flow, first: Candidate<'a>) -> Self {
        let (segment, total) = (first.headers.payload_len(first.packet), first.packet.len());
        Self { flow, first, rest: Vec::new(), segment, total, is_closed: false }
    }

    /// Whether nothing more can be added.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Adds a packet of the same flow, or gives it back where it does not continue the group. Takes the memory of `spare`
    /// when it needs some.
    pub(super) fn try_push(
        &mut self,
        mut next: Candidate<'a>,
        spare: &mut Vec<IoSlice<'a>>,
    ) -> Result<(), Candidate<'a>> {
        let payload_len = next.headers.payload_len(next.packet);
        let fits = !self.is_closed
            && payload_len <= self.segment
            && self.total + payload_len <= LEN_MAX
            && self.continues(&next);
        if !fits || !self.first.earns_trust() || !next.earns_trust() {
            return Err(next);
        }
        self.is_closed = payload_len < self.segment || next.is_pushed() || self.rest.len() + 2 == PAYLOADS_MAX;
        if next.is_pushed() {
            self.first.headers.tcp_mut(self.first.packet).flags |= TcpHeader::PSH;
        }
        self.total += payload_len;
        if self.rest.capacity() == 0 {
            self.rest = std::mem::take(spare);
            self.rest.reserve_exact(PAYLOADS_MAX);
        }
        let headers = next.headers;
        self.rest.push(IoSlice::new(headers.payload(next.packet)));
        Ok(())
    }

    /// Whether a packet's headers are what cutting the super-packet would give it.
    fn continues(&self, next: &Candidate<'_>) -> bool {
        let (headers, first) = (&self.first.headers, &*self.first.packet);
        *headers == next.headers && self.continues_ip(next.packet) && self.continues_transport(first, next.packet)
    }

    fn continues_ip(&self, next: &[u8]) -> bool {
        let (headers, first) = (&self.first.headers, &*self.first.packet);
        match headers.version {
            Version::V6 => {
                let (first, next) = (headers.v6(first), headers.v6(next));
                first.version_class_flow == next.version_class_flow && first.hop_limit == next.hop_limit
            }
            Version::V4 => {
                let (first, next) = (headers.v4(first), headers.v4(next));
                let is_atomic = first.fragment.get() & Ipv4Header::DONT_FRAGMENT != 0;
                let index = self.rest.len() as u16 + 1;
                first.class == next.class
                    && first.time_to_live == next.time_to_live
                    && first.fragment == next.fragment
                    && (is_atomic || first.id.get().wrapping_add(index) == next.id.get())
            }
        }
    }

    fn continues_transport(&self, first: &[u8], next: &[u8]) -> bool {
        let headers = &self.first.headers;
        if headers.transport == Transport::Udp {
            return true;
        }
        let (one, other) = (headers.tcp(first), headers.tcp(next));
        let sent = (self.total - usize::from(headers.len)) as u32;
        other.sequence.get() == one.sequence.get().wrapping_add(sent)
            && one.acknowledgement == other.acknowledgement
            && one.window == other.window
            && one.urgent == other.urgent
            && headers.options(first) == headers.options(next)
    }

    /// Writes the group as one packet; gives back the memory for payloads.
    pub(super) fn write(mut self, write: &mut impl FnMut(&[IoSlice<'_>])) -> Vec<IoSlice<'a>> {
        let Candidate { packet, headers, is_unfilled, .. } = self.first;
        if self.rest.is_empty() {
            write_alone(packet, is_unfilled.then_some(&headers), write);
            return self.rest;
        }
        headers.set_len(packet, self.total);
        headers.set_pseudo_sum(packet, self.total);
        let virtio = VirtioHeader {
            segmentation: match (headers.transport, headers.version) {
                (Transport::Tcp, Version::V4) => Segmentation::TcpV4,
                (Transport::Tcp, Version::V6) => Segmentation::TcpV6,
                (Transport::Udp, Version::V4 | Version::V6) => Segmentation::Udp,
            },
            segment_size: u16::try_from(self.segment).expect("a payload is shorter than its packet"),
            ..to_be_filled_in(&headers)
        }
        .encode();
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let len = 2 + self.rest.len();
        slices[0] = IoSlice::new(&virtio);
        slices[1] = IoSlice::new(packet);
        slices[2..len].copy_from_slice(&self.rest);
        write(&slices[..len]);
        self.rest.clear();
        self.rest
    }
}

/// Writes one packet that is just itself. `unfilled` are its headers where its checksum is not filled in.
pub(super) fn write_alone(packet: &mut [u8], unfilled: Option<&Headers>, write: &mut impl FnMut(&[IoSlice<'_>])) {
    let virtio = match unfilled {
        None => VirtioHeader::PLAIN,
        Some(headers) => {
            headers.set_pseudo_sum(packet, packet.len());
            to_be_filled_in(headers)
        }
    };
    write(&[IoSlice::new(&virtio.encode()), IoSlice::new(packet)]);
}

fn to_be_filled_in(headers: &Headers) -> VirtioHeader {
    VirtioHeader {
        needs_checksum: true,
        header_len: headers.len,
        checksum_start: headers.transport_at,
        checksum_offset: headers.transport.checksum_offset(),
        ..VirtioHeader::PLAIN
    }
}
