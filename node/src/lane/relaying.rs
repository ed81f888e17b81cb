use std::time::Duration;

use holloway_relay::{DropCounts, DropReason, Forwarding, ForwardingTable};
use holloway_wire::{Endpoint, Instant, RELAY_FRAME_LEN, RelayFrameHeader};

use super::queue::LaneEvent;
use super::report::Upward;
use super::train::Train;
use super::udp::UdpSockets;

/// Frames in a second that cannot be passed on and may be answered by the relay: it says that a channel is gone, or that
/// the member should register anew. Whoever sends more has been told.
const MISSES_PER_SECOND: u32 = 200;

/// The relay's part of a lane: frames from one member to another.
pub(super) struct Relaying {
    table: ForwardingTable,
    train: Train,
    /// Frames since somebody asked.
    passed: usize,
    drops: DropCounts,
    has_drops: bool,
    misses: (Instant, u32),
}

impl Relaying {
    pub(super) fn new() -> Self {
        Self {
            table: ForwardingTable::new(),
            train: Train::new(),
            passed: 0,
            drops: DropCounts::default(),
            has_drops: false,
            misses: (Instant::from_nanos(0), 0),
        }
    }

    /// Takes in what the relay says.
    pub(super) fn apply(&mut self, forwarding: Forwarding) {
        self.table.apply(forwarding);
    }

    /// Puts a frame to those that are passed on with the next send.
    pub(super) fn frame(
        &mut self,
        from: Endpoint,
        header: &RelayFrameHeader,
        datagram: &[u8],
        now: Instant,
        udp: &UdpSockets,
        upward: &mut Upward,
    ) {
        match self.table.forward(&from.socket_addr(), header, datagram.len(), now) {
            Ok((to, head)) => {
                self.passed += 1;
                let to = Endpoint::udp(to);
                if !self.train.takes(&to, datagram.len()) {
                    self.flush(udp, upward);
                }
                let (place, carried) = self.train.add(&to, datagram.len()).split_at_mut(RELAY_FRAME_LEN);
                place.copy_from_slice(&head.encode());
                carried.copy_from_slice(&datagram[RELAY_FRAME_LEN..]);
            }
            Err(DropReason::UnknownChannel | DropReason::ForeignSource | DropReason::Unreachable)
                if self.may_miss(now) =>
            {
                upward.hand_over(LaneEvent::Datagram(from, datagram.to_vec()));
            }
            Err(reason) => {
                self.drops.count(reason);
                self.has_drops = true;
            }
        }
    }

    fn may_miss(&mut self, now: Instant) -> bool {
        if now.since(self.misses.0) >= Duration::from_secs(1) {
            self.misses = (now, 0);
        }
        self.misses.1 += 1;
        self.misses.1 <= MISSES_PER_SECOND
    }

    /// How many frames have been passed on since this was last asked.
    pub(super) fn take_passed(&mut self) -> usize {
        std::mem::take(&mut self.passed)
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self, udp: &UdpSockets, upward: &mut Upward) {
        let sent = self.train.send(udp);
        if sent.dropped > 0 {
            (0..sent.dropped).for_each(|_| self.drops.count(DropReason::NoRoom));
            self.has_drops = true;
        }
        if std::mem::take(&mut self.has_drops) {
            upward.hand_over(LaneEvent::NotRelayed(Box::new(std::mem::take(&mut self.drops))));
        }
    }
}
