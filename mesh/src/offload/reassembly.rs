use std::time::Duration;

use holloway_wire::Instant;
use zerocopy::FromBytes;

use super::fragment::FragmentHeader;
use crate::drop_reason::DropReason;

/// Packets of one peer that are put together at a time (ARCHITECTURE §5 "Transport record"). A third replaces the
/// one begun first: what it lacks is more likely lost than late.
const PACKETS_MAX: usize = 2;

/// How long the fragments of a packet are waited for (ARCHITECTURE §5 "Transport record").
const WAIT: Duration = Duration::from_secs(1);

/// Separate ranges of one packet that may be there at a time. Fragments in order are one range; a path that narrow
/// makes few of any packet.
const RANGES_MAX: usize = 64;

/// Puts packets of one peer together again from their fragments: at most two at a time, 128 KiB in all. Whether they are
/// IP packets, and whose, is for the caller to check.
#[derive(Default)]
pub struct Reassembly {
    /// Those begun, oldest first.
    packets: Vec<Packet>,
}

/// A packet of which some fragments are there.
struct Packet {
    id: u32,
    begun: Instant,
    is_unfilled: bool,
    /// Fragments contradicted each other: the packet is given up, and with it those still to come (RFC 5722 §4).
    is_refused: bool,
    bytes: Vec<u8>,
    /// What is there: first and one past the last, in order, never adjoining.
    ranges: Vec<(usize, usize)>,
    /// Known once the last fragment is there.
    total: Option<usize>,
}

impl Reassembly {
    /// Takes the content of a record with a fragment; gives the packet when it is whole, and whether its transport
    /// checksum is not filled in.
    ///
    /// # Errors
    /// [`DropReason::Malformed`]: not a fragment, or one that overlaps or contradicts another of its packet, which is
    /// given up.
    pub fn push(&mut self, content: &[u8], now: Instant) -> Result<Option<(Vec<u8>, bool)>, DropReason> {
        let fragment = Fragment::decode(content)?;
        self.expire(now);
        let at = self.packet(&fragment, now);
        let packet = &mut self.packets[at];
        if packet.add(&fragment).is_none() {
            packet.refuse();
            return Err(DropReason::Malformed);
        }
        if !packet.is_complete() {
            return Ok(None);
        }
        let packet = self.packets.remove(at);
        Ok(Some((packet.bytes, packet.is_unfilled)))
    }

    /// Gives up packets whose fragments have been waited for long enough, and their memory.
    pub fn expire(&mut self, now: Instant) {
        self.packets.retain(|packet| now.since(packet.begun) < WAIT);
    }

    /// Whether nothing is being put together.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The place of a fragment's packet, begun where there was none.
    fn packet(&mut self, fragment: &Fragment<'_>, now: Instant) -> usize {
        if let Some(at) = self.packets.iter().position(|packet| packet.id == fragment.id) {
            return at;
        }
        if self.packets.len() == PACKETS_MAX {
            self.packets.remove(0);
        }
        self.packets.push(Packet::new(fragment, now));
        self.packets.len() - 1
    }
}

/// A fragment, read.
struct Fragment<'a> {
    id: u32,
    offset: usize,
    is_last: bool,
    is_unfilled: bool,
    bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    fn decode(content: &'a [u8]) -> Result<Self, DropReason> {
        let (header, bytes) = FragmentHeader::ref_from_prefix(content).map_err(|_| DropReason::Malformed)?;
        let offset = usize::from(header.offset.get());
        let is_known = header.flags & !(FragmentHeader::LAST | FragmentHeader::UNFILLED) == 0 && header.reserved == 0;
        if bytes.is_empty() || offset + bytes.len() > usize::from(u16::MAX) || !is_known {
            return Err(DropReason::Malformed);
        }
        Ok(Self {
            id: header.id.get(),
            offset,
            is_last: header.flags & FragmentHeader::LAST != 0,
            is_unfilled: header.flags & FragmentHeader::UNFILLED != 0,
            bytes,
        })
    }
}

impl Packet {
    const fn new(fragment: &Fragment<'_>, now: Instant) -> Self {
        Self {
            id: fragment.id,
            begun: now,
            is_unfilled: fragment.is_unfilled,
            is_refused: false,
            bytes: Vec::new(),
            ranges: Vec::new(),
            total: None,
        }
    }

    /// Adds a fragment; `None` where it contradicts what is there.
    fn add(&mut self, fragment: &Fragment<'_>) -> Option<()> {
        let (start, end) = (fragment.offset, fragment.offset + fragment.bytes.len());
        let is_beyond = self.total.is_some_and(|total| end > total || fragment.is_last);
        let ends_too_early = fragment.is_last && self.bytes.len() > end;
        if self.is_refused || fragment.is_unfilled != self.is_unfilled || is_beyond || ends_too_early {
            return None;
        }
        self.add_range(start, end)?;
        if fragment.is_last {
            self.total = Some(end);
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(fragment.bytes);
        Some(())
    }

    /// Notes that a range is there; `None` where some of it was already, or there are too many.
    fn add_range(&mut self, start: usize, end: usize) -> Option<()> {
        let at = self.ranges.partition_point(|range| range.1 <= start);
        if self.ranges.get(at).is_some_and(|next| next.0 < end) {
            return None;
        }
        let joins_before = at > 0 && self.ranges[at - 1].1 == start;
        let joins_after = self.ranges.get(at).is_some_and(|next| next.0 == end);
        match (joins_before, joins_after) {
            (true, true) => self.ranges[at - 1].1 = self.ranges.remove(at).1,
            (true, false) => self.ranges[at - 1].1 = end,
            (false, true) => self.ranges[at].0 = start,
            (false, false) if self.ranges.len() == RANGES_MAX => return None,
            (false, false) => self.ranges.insert(at, (start, end)),
        }
        Some(())
    }

    fn is_complete(&self) -> bool {
        self.total.is_some_and(|total| self.ranges == [(0, total)])
    }

    fn refuse(&mut self) {
        self.is_refused = true;
        (self.bytes, self.ranges) = (Vec::new(), Vec::new());
    }
}
