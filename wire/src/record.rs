use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::DecodeError;
use crate::frame::{SessionIndex, TYPE_TRANSPORT};

/// Length of a record's header, all of it authenticated (ARCHITECTURE §5 "Transport record").
pub const RECORD_HEADER_LEN: usize = 16;

/// Length of the authentication tag of both suites.
pub const RECORD_TAG_LEN: usize = 16;

/// What a record adds to its content.
pub const RECORD_OVERHEAD: usize = RECORD_HEADER_LEN + RECORD_TAG_LEN;

/// First byte of a transport record.
pub const TRANSPORT_TYPE: u8 = TYPE_TRANSPORT;

/// What a record carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// Inner IP packets; an empty record is a keepalive.
    Ip,
    /// Inner Ethernet frames.
    Ethernet,
    /// A message of the session itself ([`crate::SessionControl`]).
    Control,
}

/// The flags byte of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFlags(u8);

impl RecordFlags {
    const KIND: u8 = 0b0000_0011;
    /// Several packets in one record.
    pub const SEVERAL: u8 = 0b0000_0100;
    /// The inner transport checksum is not filled in.
    pub const CHECKSUM: u8 = 0b0000_1000;
    /// A fragment of a packet.
    pub const FRAGMENT: u8 = 0b0001_0000;
    const KNOWN: u8 = Self::KIND | Self::SEVERAL | Self::CHECKSUM | Self::FRAGMENT;

    /// The flags of a record of one kind and nothing else.
    #[must_use]
    pub const fn new(kind: RecordKind) -> Self {
        Self(match kind {
            RecordKind::Ip => 0,
            RecordKind::Ethernet => 1,
            RecordKind::Control => 2,
        })
    }

    /// These flags and one more of [`Self::SEVERAL`], [`Self::CHECKSUM`] and [`Self::FRAGMENT`].
    #[must_use]
    pub const fn with(self, flag: u8) -> Self {
        Self(self.0 | (flag & Self::KNOWN & !Self::KIND))
    }

    /// The kind carried.
    #[must_use]
    pub const fn kind(self) -> Option<RecordKind> {
        match self.0 & Self::KIND {
            0 => Some(RecordKind::Ip),
            1 => Some(RecordKind::Ethernet),
            2 => Some(RecordKind::Control),
            _ => None,
        }
    }

    /// Whether a flag is set.
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    kind: u8,
    flags: u8,
    reserved: U16,
    index: U32,
    counter: U64,
}

/// A record's header: `type u8 | flags u8 | 0 u16 | SessionIndex u32 | counter u64`, little endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// The flags.
    pub flags: RecordFlags,
    /// The receiver's session index.
    pub index: SessionIndex,
    /// The record's number in its session; makes the nonce.
    pub counter: u64,
}

impl RecordHeader {
    /// Reads the header of a record, which must have room for a tag after it.
    ///
    /// # Errors
    /// [`DecodeError`]: too short, another type, an unknown flag or the reserved kind.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        if datagram.len() < RECORD_OVERHEAD {
            return Err(DecodeError::Truncated);
        }
        let (layout, _) = Layout::ref_from_prefix(datagram).map_err(|_| DecodeError::Truncated)?;
        let flags = RecordFlags(layout.flags);
        let is_known = layout.flags & !RecordFlags::KNOWN == 0 && flags.kind().is_some();
        if layout.kind != TYPE_TRANSPORT || layout.reserved.get() != 0 || !is_known {
            return Err(DecodeError::Value);
        }
        Ok(Self { flags, index: SessionIndex(layout.index.get()), counter: layout.counter.get() })
    }

    /// The 16 bytes of the header.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_HEADER_LEN] {
        let layout = Layout {
            kind: TYPE_TRANSPORT,
            flags: self.flags.0,
            reserved: U16::ZERO,
            index: U32::new(self.index.0),
            counter: U64::new(self.counter),
        };
        zerocopy::transmute!(layout)
    }
}
