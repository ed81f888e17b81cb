use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::drop_reason::DropReason;

/// The checksum from `checksum_start` on is to be filled in (virtio 1.2 §5.1.6, `VIRTIO_NET_HDR_F_NEEDS_CSUM`).
const NEEDS_CHECKSUM: u8 = 1;
/// The checksum has been verified (`VIRTIO_NET_HDR_F_DATA_VALID`): says nothing that matters here.
const DATA_VALID: u8 = 2;
/// The first segment of a TCP super-packet has CWR set (`VIRTIO_NET_HDR_GSO_ECN`): the packet itself says so too.
const ECN: u8 = 0x80;

/// What a packet on a TUN queue stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segmentation {
    /// Itself.
    None,
    /// Many TCP segments over IPv4.
    TcpV4,
    /// Many TCP segments over IPv6.
    TcpV6,
    /// Many UDP datagrams over either.
    Udp,
}

impl Segmentation {
    const fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TcpV4 => 1,
            Self::TcpV6 => 4,
            Self::Udp => 5,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        match code & !ECN {
            0 => Some(Self::None),
            1 => Some(Self::TcpV4),
            4 => Some(Self::TcpV6),
            5 => Some(Self::Udp),
            _ => None,
        }
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    flags: u8,
    segmentation: u8,
    header_len: U16,
    segment_size: U16,
    checksum_start: U16,
    checksum_offset: U16,
}

/// The header before each packet on a TUN queue opened with `IFF_VNET_HDR` (virtio 1.2 §5.1.6, little endian).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtioHeader {
    pub(super) needs_checksum: bool,
    pub(super) segmentation: Segmentation,
    /// A hint, both ways; the packet's own headers decide.
    pub(super) header_len: u16,
    pub(super) segment_size: u16,
    /// Counted from the first byte of the IP packet, as the next.
    pub(super) checksum_start: u16,
    pub(super) checksum_offset: u16,
}

impl VirtioHeader {
    /// Length of the header (`TUNSETVNETHDRSZ`).
    pub const LEN: usize = 10;

    /// The header of a packet that is just itself, with a finished checksum.
    pub(super) const PLAIN: Self = Self {
        needs_checksum: false,
        segmentation: Segmentation::None,
        header_len: 0,
        segment_size: 0,
        checksum_start: 0,
        checksum_offset: 0,
    };

    /// Reads the header at the front of what a TUN queue gave.
    ///
    /// # Errors
    /// [`DropReason::InnerPacket`]: too short, an unknown flag or segmentation.
    pub fn decode(bytes: &[u8]) -> Result<Self, DropReason> {
        let (layout, _) = Layout::ref_from_prefix(bytes).map_err(|_| DropReason::InnerPacket)?;
        if layout.flags & !(NEEDS_CHECKSUM | DATA_VALID) != 0 {
            return Err(DropReason::InnerPacket);
        }
        Ok(Self {
            needs_checksum: layout.flags & NEEDS_CHECKSUM != 0,
            segmentation: Segmentation::of(layout.segmentation).ok_or(DropReason::InnerPacket)?,
            header_len: layout.header_len.get(),
            segment_size: layout.segment_size.get(),
            checksum_start: layout.checksum_start.get(),
            checksum_offset: layout.checksum_offset.get(),
        })
    }

    /// The bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LEN] {
        let layout = Layout {
            flags: if self.needs_checksum { NEEDS_CHECKSUM } else { 0 },
            segmentation: self.segmentation.code(),
            header_len: U16::new(self.header_len),
            segment_size: U16::new(self.segment_size),
            checksum_start: U16::new(self.checksum_start),
            checksum_offset: U16::new(self.checksum_offset),
        };
        zerocopy::transmute!(layout)
    }
}
