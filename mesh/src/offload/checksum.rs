/// A one's complement sum of 16-bit words (RFC 1071), kept in the machine's byte order: §2(B) there lets it.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even offset; only the last added may be odd in number.
    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<4>();
        // A packet has at most 2^14 words of 32 bits: the sum stays far below 2^64.
        let sum: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        Self(self.0 + sum + u64::from(u32::from_ne_bytes(last)))
    }

    /// Adds one number.
    pub(super) fn number(self, number: u16) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Takes one number away: adding its complement does (RFC 1624 §3).
    pub(super) fn without(self, number: u16) -> Self {
        self.number(!number)
    }

    /// The sum itself, as it stands in a checksum field that is still to be filled in.
    pub(super) fn partial(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).expect("folded above").to_ne_bytes()
    }

    /// The checksum. Zero is written as its other form, 0xffff, as UDP requires (RFC 768) and others allow.
    pub(super) fn checksum(self) -> [u8; 2] {
        match self.partial() {
            [0xff, 0xff] => [0xff, 0xff],
            [high, low] => [!high, !low],
        }
    }

    /// The checksum of an IPv4 header, where zero stays zero.
    pub(super) fn header_checksum(self) -> [u8; 2] {
        self.partial().map(|byte| !byte)
    }

    /// Whether a sum over bytes with their checksum among them says that they are whole.
    pub(super) fn is_whole(self) -> bool {
        self.partial() == [0xff, 0xff]
    }
}

/// Fills in a checksum whose field at `start + offset` holds the partial sum of what is not in `start..`. `None` where
/// the packet has no such field.
pub(super) fn fill_in(packet: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let covered = packet.get_mut(start..)?;
    let checksum = Sum::default().bytes(covered).checksum();
    covered.get_mut(offset..)?.first_chunk_mut().map(|field| *field = checksum)
}

#[cfg(test)]
#[path = "../../tests/unit/checksum.rs"]
mod tests;
