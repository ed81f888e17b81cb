use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::drop_reason::DropReason;

/// What stands before each packet in a bundle: `length u16 | flags u8 | 0 u8`, little endian (dataplane.md §9).
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    length: U16,
    flags: u8,
    reserved: u8,
}

/// The transport checksum is not filled in.
const UNFILLED: u8 = 1;

/// What a bundle adds to each packet.
pub const BUNDLED_OVERHEAD: usize = size_of::<Layout>();

/// Several small packets for one record ([`holloway_wire::RecordFlags::SEVERAL`]), in a buffer that is used again.
///
/// A single packet travels as a plain record, not in a bundle: see [`Self::single`].
pub struct Bundle {
    content: Vec<u8>,
    limit: usize,
    count: usize,
}

impl Bundle {
    /// An empty bundle for records with at most `limit` bytes of content.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { content: Vec::with_capacity(limit), limit, count: 0 }
    }

    /// Adds a packet; `false` where it does not fit, or fills more than half a record: gathering those saves nothing
    /// (dataplane.md §9).
    pub fn try_push(&mut self, packet: &[u8], is_unfilled: bool) -> bool {
        let is_small = !packet.is_empty() && packet.len() <= self.limit / 2;
        let Ok(length) = u16::try_from(packet.len()) else {
            return false;
        };
        if !is_small || self.content.len() + BUNDLED_OVERHEAD + packet.len() > self.limit {
            return false;
        }
        let layout = Layout { length: length.into(), flags: u8::from(is_unfilled) * UNFILLED, reserved: 0 };
        self.content.extend_from_slice(layout.as_bytes());
        self.content.extend_from_slice(packet);
        self.count += 1;
        true
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many packets are in it.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The content of the record.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The only packet, and whether its checksum is not filled in, where there is one: it travels as a plain record.
    #[must_use]
    pub fn single(&self) -> Option<(&[u8], bool)> {
        let (layout, packet) = Layout::ref_from_prefix(&self.content).ok()?;
        (self.count == 1).then_some((packet, layout.flags & UNFILLED != 0))
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.content.clear();
        self.count = 0;
    }

    /// Empties it for records of another limit.
    pub fn restart(&mut self, limit: usize) {
        self.clear();
        self.limit = limit;
    }
}

/// The packets in a bundle, each with whether its checksum is not filled in.
pub struct Bundled<'a>(&'a mut [u8]);

/// Reads the content of a record with several packets. All of it is checked before any packet is given; what the packets
/// say is for the caller to check.
///
/// # Errors
/// [`DropReason::Malformed`]: a length of zero or beyond the end, an unknown flag, bytes left over, or fewer than two
/// packets.
pub fn bundled(content: &mut [u8]) -> Result<Bundled<'_>, DropReason> {
    let (mut rest, mut count) = (&*content, 0);
    while !rest.is_empty() {
        let (layout, packets) = Layout::ref_from_prefix(rest).map_err(|_| DropReason::Malformed)?;
        let length = usize::from(layout.length.get());
        if length == 0 || length > packets.len() || layout.flags & !UNFILLED != 0 || layout.reserved != 0 {
            return Err(DropReason::Malformed);
        }
        (rest, count) = (&packets[length..], count + 1);
    }
    if count < 2 {
        return Err(DropReason::Malformed);
    }
    Ok(Bundled(content))
}

impl<'a> Iterator for Bundled<'a> {
    type Item = (&'a mut [u8], bool);

    fn next(&mut self) -> Option<Self::Item> {
        let (layout, packets) = Layout::mut_from_prefix(std::mem::take(&mut self.0)).ok()?;
        let (packet, rest) = packets.split_at_mut_checked(layout.length.get().into())?;
        self.0 = rest;
        Some((packet, layout.flags & UNFILLED != 0))
    }
}
