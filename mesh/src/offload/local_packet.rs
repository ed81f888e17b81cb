use std::net::IpAddr;

use holloway_wire::InnerPacket;

use super::checksum::fill_in;
use super::headers::{Headers, TcpHeader, Transport, Version};
use super::pieces::{Checksum, HEADER_MAX, Pieces};
use super::virtio::{Segmentation, VirtioHeader};
use crate::drop_reason::DropReason;

/// The smallest payload of a TCP segment in a super-packet: Linux announces no MSS below 48 bytes, of which options
/// take 40 at most (`TCP_MIN_SND_MSS`).
const TCP_PAYLOAD_MIN: u16 = 8;

/// Datagrams in one UDP super-packet (`UDP_MAX_SEGMENTS` of Linux; older ones cut at 64).
const DATAGRAMS_MAX: usize = 128;

/// What one read of a TUN queue gave: one packet, or one super-packet that stands for many of one flow. Checked.
pub struct LocalPacket<'a> {
    packet: &'a mut [u8],
    addresses: InnerPacket,
    /// Where it is a whole TCP or UDP packet.
    headers: Option<Headers>,
    checksum: Checksum,
    /// Payload of each packet that it stands for; none where it is one packet.
    segment_size: Option<u16>,
}

/// A packet longer than its limit, which may not be cut: it is fragmented, or its sender is told
/// ([`crate::packet_too_big`]).
pub struct TooBig<'a> {
    /// The packet. One that stands for many datagrams can still be cut at a limit that takes them.
    pub packet: LocalPacket<'a>,
}

impl<'a> LocalPacket<'a> {
    /// Checks what was read; `virtio` is `None` where the interface has no offload.
    ///
    /// # Errors
    /// [`DropReason::InnerPacket`]: not a whole IP packet, or the virtio header does not fit it.
    pub fn parse(virtio: Option<&VirtioHeader>, packet: &'a mut [u8]) -> Result<Self, DropReason> {
        let addresses = InnerPacket::parse(packet).map_err(|_| DropReason::InnerPacket)?;
        let headers = Headers::find(packet);
        let (checksum, segment_size) = match virtio {
            None => (Checksum::Finished, None),
            Some(virtio) => {
                let checksum = checksum(virtio, packet, headers)?;
                (checksum, segment_size(virtio, packet, headers, checksum)?)
            }
        };
        Ok(Self { packet, addresses, headers, checksum, segment_size })
    }

    /// Who sends it.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.addresses.source
    }

    /// Whom it is for.
    #[must_use]
    pub const fn destination(&self) -> IpAddr {
        self.addresses.destination
    }

    /// Its length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a packet has at least a header")]
    pub const fn len(&self) -> usize {
        self.packet.len()
    }

    /// Its bytes, as they were read.
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        self.packet
    }

    /// Cuts it into packets of at most `limit` bytes each.
    ///
    /// TCP is cut at its own segment size or at what the limit allows, whichever is smaller: any cut is legal as long as
    /// each piece carries its sequence number, but a receiver may rely on the segment size it announced (dataplane.md
    /// §10). Datagrams keep their boundaries.
    ///
    /// # Errors
    /// [`TooBig`] gives back what cannot be cut so.
    pub fn cut(self, limit: usize) -> Result<Pieces<'a>, TooBig<'a>> {
        match (self.segment_size, self.headers) {
            (None, _) if self.packet.len() <= limit => Ok(Pieces::whole(self.packet, self.checksum)),
            (_, Some(headers)) => match self.step(&headers, limit) {
                Some(step) => Ok(Pieces::segments(self.packet, headers, self.checksum, step)),
                None => Err(TooBig { packet: self }),
            },
            (_, None) => Err(TooBig { packet: self }),
        }
    }

    /// Payload of each piece but the last.
    fn step(&self, headers: &Headers, limit: usize) -> Option<usize> {
        let allowed = limit.checked_sub(headers.len.into()).filter(|allowed| *allowed > 0)?;
        match (headers.transport, self.segment_size) {
            (Transport::Tcp, Some(size)) => Some(allowed.min(size.into())),
            (Transport::Tcp, None) => self.may_be_cut(headers).then_some(allowed),
            (Transport::Udp, Some(size)) => {
                let longest = headers.payload_len(self.packet).min(size.into());
                (longest <= allowed).then_some(size.into())
            }
            (Transport::Udp, None) => None,
        }
    }

    /// Whether a TCP packet that is longer than the limit is nothing but data with a checksum that we fill in.
    fn may_be_cut(&self, headers: &Headers) -> bool {
        let special = TcpHeader::SYN | TcpHeader::RST | TcpHeader::URG;
        let is_unfilled = matches!(self.checksum, Checksum::Unfilled { .. });
        is_unfilled && usize::from(headers.len) <= HEADER_MAX && headers.tcp(self.packet).flags & special == 0
    }
}

/// What is to be done about a packet's checksum. Checksum offload may also point at an inner header, of a tunnel within
/// this one: such a checksum is filled in here.
fn checksum(virtio: &VirtioHeader, packet: &mut [u8], headers: Option<Headers>) -> Result<Checksum, DropReason> {
    if !virtio.needs_checksum {
        return Ok(Checksum::Finished);
    }
    let (start, offset) = (virtio.checksum_start, virtio.checksum_offset);
    let is_own = |found: &Headers| found.transport_at == start && found.transport.checksum_offset() == offset;
    match headers.filter(is_own) {
        Some(found) => Ok(Checksum::Unfilled { start, offset, may_travel: found.is_plain() }),
        None if virtio.segmentation != Segmentation::None => Err(DropReason::InnerPacket),
        None => {
            fill_in(packet, start.into(), offset.into()).ok_or(DropReason::InnerPacket)?;
            Ok(Checksum::Finished)
        }
    }
}

/// The payload of each packet that a super-packet stands for.
fn segment_size(
    virtio: &VirtioHeader,
    packet: &[u8],
    headers: Option<Headers>,
    checksum: Checksum,
) -> Result<Option<u16>, DropReason> {
    let (transport, version) = match virtio.segmentation {
        Segmentation::None => return Ok(None),
        Segmentation::TcpV4 => (Transport::Tcp, Some(Version::V4)),
        Segmentation::TcpV6 => (Transport::Tcp, Some(Version::V6)),
        Segmentation::Udp => (Transport::Udp, None),
    };
    let size = virtio.segment_size;
    let fits = |found: &Headers| {
        let payload = found.payload_len(packet);
        let is_bounded = match transport {
            Transport::Tcp => size >= TCP_PAYLOAD_MIN,
            Transport::Udp => size > 0 && payload.div_ceil(size.into()) <= DATAGRAMS_MAX,
        };
        found.transport == transport
            && version.is_none_or(|version| version == found.version)
            && usize::from(found.len) <= HEADER_MAX
            && payload > 0
            && is_bounded
    };
    let is_unfilled = matches!(checksum, Checksum::Unfilled { .. });
    headers.filter(fits).filter(|_| is_unfilled).map(|_| Some(size)).ok_or(DropReason::InnerPacket)
}
