use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What stands before the bytes of a fragment: `id u32 | offset u16 | flags u8 | 0 u8`, little endian.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FragmentHeader {
    pub(super) id: U32,
    pub(super) offset: U16,
    pub(super) flags: u8,
    pub(super) reserved: u8,
}

impl FragmentHeader {
    /// The packet ends here.
    pub(super) const LAST: u8 = 1;
    /// The packet's transport checksum is not filled in.
    pub(super) const UNFILLED: u8 = 2;
}

/// Length of what stands before the bytes of a fragment.
pub const FRAGMENT_HEADER_LEN: usize = size_of::<FragmentHeader>();

/// The fragments of one packet: for each the two parts of a record's content.
pub struct Fragments<'a> {
    rest: &'a [u8],
    offset: u16,
    step: usize,
    id: u32,
    flags: u8,
}

/// Cuts a packet into fragments ([`holloway_wire::RecordFlags::FRAGMENT`]) for records with at most `limit` bytes of
/// content. `id` tells the packet from others sent to this peer of late. None where the packet is longer than 65,535
/// bytes or the limit leaves no room for any of it.
#[must_use]
pub fn fragments(packet: &[u8], limit: usize, id: u32, is_unfilled: bool) -> Fragments<'_> {
    let step = limit.saturating_sub(FRAGMENT_HEADER_LEN);
    let can = step > 0 && packet.len() <= usize::from(u16::MAX);
    let flags = if is_unfilled { FragmentHeader::UNFILLED } else { 0 };
    Fragments { rest: if can { packet } else { &[] }, offset: 0, step, id, flags }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = ([u8; FRAGMENT_HEADER_LEN], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (bytes, rest) = self.rest.split_at(self.step.min(self.rest.len()));
        let last = if rest.is_empty() { FragmentHeader::LAST } else { 0 };
        let header =
            FragmentHeader { id: self.id.into(), offset: self.offset.into(), flags: self.flags | last, reserved: 0 };
        self.rest = rest;
        self.offset = self.offset.saturating_add(bytes.len() as u16);
        Some((zerocopy::transmute!(header), bytes))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = if self.rest.is_empty() { 0 } else { self.rest.len().div_ceil(self.step) };
        (count, Some(count))
    }
}

impl ExactSizeIterator for Fragments<'_> {}
