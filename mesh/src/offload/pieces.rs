use super::checksum::{Sum, fill_in};
use super::headers::{Headers, TcpHeader, Transport};

/// Longest headers of a packet that is cut: IPv4 and TCP with all their options, or IPv6 and TCP with room for extension
/// headers.
pub(super) const HEADER_MAX: usize = 192;

/// What is known of a packet's transport checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksum {
    /// Filled in, by whoever sent it.
    Finished,
    /// The field at `start + offset` holds the pseudo-header's sum only. May travel so where a receiver finds the same
    /// headers and can work out the same sum.
    Unfilled { start: u16, offset: u16, may_travel: bool },
}

/// The packets that a [`super::LocalPacket`] is cut into, one after another, each in the buffer that was read into.
pub struct Pieces<'a> {
    packet: &'a mut [u8],
    checksum: Checksum,
    cut: Cut,
}

#[expect(clippy::large_enum_variant, reason = "one is made per packet read: a box would cost an allocation each")]
enum Cut {
    Whole { is_taken: bool },
    Segments(Segments),
}

/// How a super-packet is cut. The packet is `header | payload`; the header of each piece is written in front of its
/// payload, over the tail of the piece before, which is sealed and gone by then (dataplane.md §4).
struct Segments {
    header: [u8; HEADER_MAX],
    headers: Headers,
    step: usize,
    /// Where the payload of the next piece begins.
    at: usize,
    index: u16,
    /// FIN and PSH, which stand on the last piece only.
    last_flags: u8,
}

/// One inner packet, ready to be sealed.
pub struct Piece<'a> {
    /// Its bytes.
    pub packet: &'a mut [u8],
    /// Whether its transport checksum is not filled in; travels as [`holloway_wire::RecordFlags::CHECKSUM`].
    pub is_unfilled: bool,
    checksum: Checksum,
}

impl Piece<'_> {
    /// Fills in the checksum, for receivers that cannot use a packet without. Does nothing where it is finished.
    pub fn complete_checksum(&mut self) {
        if let Checksum::Unfilled { start, offset, .. } = self.checksum {
            fill_in(self.packet, start.into(), offset.into()).expect("the field lies in a header that was found");
            (self.checksum, self.is_unfilled) = (Checksum::Finished, false);
        }
    }
}

impl<'a> Pieces<'a> {
    pub(super) const fn whole(packet: &'a mut [u8], checksum: Checksum) -> Self {
        Self { packet, checksum, cut: Cut::Whole { is_taken: false } }
    }

    /// Pieces of `step` bytes of payload each, the last of what remains. The headers are at most [`HEADER_MAX`].
    pub(super) fn segments(packet: &'a mut [u8], headers: Headers, checksum: Checksum, step: usize) -> Self {
        let segments = Segments::new(packet, headers, step);
        Self { packet, checksum, cut: Cut::Segments(segments) }
    }

    /// How many are left: as many counters have to be reserved.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.cut {
            Cut::Whole { is_taken } => usize::from(!is_taken),
            Cut::Segments(segments) => (self.packet.len() - segments.at).div_ceil(segments.step),
        }
    }

    /// The next piece. Taking it spoils the one before.
    #[expect(clippy::should_implement_trait, reason = "pieces share a buffer, so an iterator cannot give them")]
    pub fn next(&mut self) -> Option<Piece<'_>> {
        let packet = match &mut self.cut {
            Cut::Whole { is_taken: true } => return None,
            Cut::Whole { is_taken } => {
                *is_taken = true;
                &mut *self.packet
            }
            Cut::Segments(segments) => segments.next(self.packet)?,
        };
        Some(piece(packet, self.checksum))
    }
}

fn piece(packet: &mut [u8], checksum: Checksum) -> Piece<'_> {
    let (is_unfilled, may_travel) = match checksum {
        Checksum::Finished => (false, true),
        Checksum::Unfilled { may_travel, .. } => (true, may_travel),
    };
    let mut piece = Piece { packet, is_unfilled, checksum };
    if !may_travel {
        piece.complete_checksum();
    }
    piece
}

impl Segments {
    fn new(packet: &[u8], headers: Headers, step: usize) -> Self {
        let len = usize::from(headers.len);
        let mut header = [0; HEADER_MAX];
        header[..len].copy_from_slice(&packet[..len]);
        let mut segments = Self { header, headers, step, at: len, index: 0, last_flags: 0 };
        if headers.transport == Transport::Tcp {
            let tcp = headers.tcp_mut(&mut segments.header);
            let of_last = TcpHeader::FIN | TcpHeader::PSH;
            segments.last_flags = tcp.flags & of_last;
            tcp.flags &= !of_last;
        }
        let total = packet.len();
        segments.set_len(total, len + step.min(total - len));
        segments
    }

    /// Changes the length that the header speaks of; the pseudo-header's sum with it.
    fn set_len(&mut self, from: usize, to: usize) {
        let header = &mut self.header[..self.headers.len.into()];
        self.headers.set_len(header, to);
        let field = self.headers.checksum_mut(header);
        let transport = |total: usize| (total - usize::from(self.headers.transport_at)) as u16;
        *field = Sum::default().bytes(field).without(transport(from)).number(transport(to)).partial();
    }

    fn next<'p>(&mut self, packet: &'p mut [u8]) -> Option<&'p mut [u8]> {
        let len = usize::from(self.headers.len);
        let payload = self.step.min(packet.len() - self.at);
        if payload == 0 {
            return None;
        }
        if payload < self.step && self.index > 0 {
            self.set_len(len + self.step, len + payload);
        }
        let is_last = self.at + payload == packet.len();
        let piece = &mut packet[self.at - len..self.at + payload];
        piece[..len].copy_from_slice(&self.header[..len]);
        self.patch(piece, is_last);
        self.at += payload;
        self.index += 1;
        Some(piece)
    }

    /// Writes what differs from piece to piece: sequence number and flags, or identification (RFC 9293 §3.1, RFC 791).
    fn patch(&mut self, piece: &mut [u8], is_last: bool) {
        self.headers.add_id(piece, self.index);
        if self.headers.transport == Transport::Udp {
            return;
        }
        let sent = (self.at - usize::from(self.headers.len)) as u32;
        let tcp = self.headers.tcp_mut(piece);
        tcp.sequence = tcp.sequence.get().wrapping_add(sent).into();
        if is_last {
            tcp.flags |= self.last_flags;
        }
        if self.index > 0 {
            tcp.flags &= !TcpHeader::CWR;
        }
    }
}
