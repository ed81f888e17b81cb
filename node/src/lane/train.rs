use holloway_wire::Endpoint;

use super::udp::UdpSockets;

/// Longest train: the payload of the longest UDP datagram over IPv4, to which the kernel holds the whole of a
/// segmented send (dataplane.md §7).
const TRAIN_BYTES_MAX: usize = 65_507;

/// Datagrams in one segmented send that every kernel takes (dataplane.md §7).
const DATAGRAMS_MAX: usize = 64;

/// Datagrams for one endpoint, one behind another in one buffer, that leave with one system call: all as long as the
/// first, only the last may be shorter.
pub(super) struct Train {
    buffer: Box<[u8]>,
    length: usize,
    /// Length of the first datagram.
    segment: usize,
    count: usize,
    /// The last datagram is shorter than the first.
    is_closed: bool,
    to: Option<Endpoint>,
}

/// What became of datagrams that were sent.
#[derive(Default)]
pub(super) struct Sent {
    /// The socket had no room, or no way there.
    pub(super) dropped: u64,
    /// The first of them was longer than the network in front of the socket takes.
    pub(super) too_long: Option<(Endpoint, usize)>,
}

impl Train {
    pub(super) fn new() -> Self {
        let buffer = vec![0; TRAIN_BYTES_MAX].into_boxed_slice();
        Self { buffer, length: 0, segment: 0, count: 0, is_closed: false, to: None }
    }

    /// Whether a datagram of this length to this endpoint can still be added.
    pub(super) fn takes(&self, to: &Endpoint, length: usize) -> bool {
        self.count == 0
            || (!self.is_closed
                && self.count < DATAGRAMS_MAX
                && length <= self.segment
                && self.length + length <= TRAIN_BYTES_MAX
                && self.to.as_ref() == Some(to))
    }

    /// Room for one more datagram, which [`Self::takes`] has allowed.
    pub(super) fn add(&mut self, to: &Endpoint, length: usize) -> &mut [u8] {
        if self.count == 0 {
            (self.to, self.segment) = (Some(*to), length);
        }
        let at = self.length;
        self.length += length;
        self.count += 1;
        self.is_closed = length < self.segment;
        &mut self.buffer[at..at + length]
    }

    /// Sends what there is.
    pub(super) fn send(&mut self, udp: &UdpSockets) -> Sent {
        let Some(to) = self.to.take() else {
            return Sent::default();
        };
        let sent = udp.send_train(&to, &self.buffer[..self.length], self.segment);
        (self.length, self.segment, self.count, self.is_closed) = (0, 0, 0, false);
        sent
    }
}
