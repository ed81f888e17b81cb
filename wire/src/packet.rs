use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Why bytes are not an IP packet that may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PacketError {
    /// Shorter than its header, or its length field disagrees with its length.
    #[error("length")]
    Length,
    /// Neither version 4 nor 6.
    #[error("version")]
    Version,
    /// Its hop limit is used up.
    #[error("hop limit")]
    HopLimit,
    /// A source that no sender can have: multicast or unspecified.
    #[error("source")]
    Source,
}

/// A checked view of an inner IP packet's header (RFC 791 §3.1, RFC 8200 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InnerPacket {
    /// Who sends it.
    pub source: IpAddr,
    /// Whom it is for.
    pub destination: IpAddr,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct V6Header {
    version_class_flow: [u8; 4],
    payload_length: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct V4Header {
    version_length: u8,
    class: u8,
    total_length: U16,
    id: U16,
    fragment: U16,
    time_to_live: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

impl InnerPacket {
    /// Reads the header of one whole packet.
    ///
    /// # Errors
    /// [`PacketError`] says what is wrong with it.
    pub fn parse(packet: &[u8]) -> Result<Self, PacketError> {
        match packet.first().map(|first| first >> 4) {
            Some(6) => Self::parse_v6(packet),
            Some(4) => Self::parse_v4(packet),
            Some(_) => Err(PacketError::Version),
            None => Err(PacketError::Length),
        }
    }

    fn parse_v6(packet: &[u8]) -> Result<Self, PacketError> {
        let (header, payload) = V6Header::ref_from_prefix(packet).map_err(|_| PacketError::Length)?;
        if usize::from(header.payload_length.get()) != payload.len() {
            return Err(PacketError::Length);
        }
        if header.hop_limit == 0 {
            return Err(PacketError::HopLimit);
        }
        let source = Ipv6Addr::from(header.source);
        if source.is_multicast() || source.is_unspecified() {
            return Err(PacketError::Source);
        }
        Ok(Self { source: IpAddr::V6(source), destination: IpAddr::V6(header.destination.into()) })
    }

    fn parse_v4(packet: &[u8]) -> Result<Self, PacketError> {
        let (header, _) = V4Header::ref_from_prefix(packet).map_err(|_| PacketError::Length)?;
        let header_length = usize::from(header.version_length & 0x0f) * 4;
        let is_whole = usize::from(header.total_length.get()) == packet.len();
        if header_length < size_of::<V4Header>() || header_length > packet.len() || !is_whole {
            return Err(PacketError::Length);
        }
        if header.time_to_live == 0 {
            return Err(PacketError::HopLimit);
        }
        let source = Ipv4Addr::from(header.source);
        if source.is_multicast() || source.is_unspecified() || source.is_broadcast() {
            return Err(PacketError::Source);
        }
        Ok(Self { source: IpAddr::V4(source), destination: IpAddr::V4(header.destination.into()) })
    }
}
