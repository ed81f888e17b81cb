use std::io::IoSlice;

use super::group::{Candidate, Flow, Group, write_alone};
use super::headers::{Headers, Transport, complete_checksum};
use crate::drop_reason::DropReason;

/// Flows that are gathered at a time. A receive of 64 KiB seldom holds more streams; each costs a comparison per packet.
const FLOWS_MAX: usize = 8;

/// What a TUN interface takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunOffload {
    /// A virtio header before each packet, and checksums that are not filled in.
    pub virtio: bool,
    /// TCP super-packets (`TUN_F_TSO4` and `TUN_F_TSO6`).
    pub tso: bool,
    /// UDP super-packets (`TUN_F_USO4` and `TUN_F_USO6`).
    pub uso: bool,
}

/// Makes as few TUN writes as possible out of the packets of one receive: their payloads stay where they were received,
/// and a group's header is made from that of its first packet.
///
/// Packets of one flow leave in the order in which they came. Lives as long as one receive: what is not flushed is lost.
#[must_use = "what is gathered is written by `flush`"]
pub struct Gather<'a> {
    offload: TunOffload,
    /// The first `len` are there; the one begun first stands first.
    groups: [Option<Group<'a>>; FLOWS_MAX],
    len: usize,
    /// Memory of a group that has been written.
    spare: Vec<IoSlice<'a>>,
}

impl<'a> Gather<'a> {
    /// Nothing gathered yet. Allocates nothing before two packets go together.
    pub const fn new(offload: TunOffload) -> Self {
        Self { offload, groups: [const { None }; FLOWS_MAX], len: 0, spare: Vec::new() }
    }

    /// Adds a whole inner packet, whose addresses the caller has checked. Calls `write` with the pieces of one TUN write
    /// (the virtio header first, where the interface takes one) for each packet that can no longer grow.
    ///
    /// # Errors
    /// [`DropReason::InnerPacket`]: its checksum is said not to be filled in, but it has no unfragmented TCP or UDP
    /// header right behind its IP header. Nothing has changed then.
    pub fn push(
        &mut self,
        packet: &'a mut [u8],
        is_unfilled: bool,
        write: &mut impl FnMut(&[IoSlice<'_>]),
    ) -> Result<(), DropReason> {
        if !self.offload.virtio {
            return write_bare(packet, is_unfilled, write);
        }
        let Some(headers) = Headers::find(packet).filter(Headers::is_plain) else {
            if is_unfilled {
                return Err(DropReason::InnerPacket);
            }
            // What it belongs to is not known, so everything before it goes first.
            self.flush(write);
            write_alone(packet, None, write);
            return Ok(());
        };
        if !self.takes(&headers) {
            write_alone(packet, is_unfilled.then_some(&headers), write);
            return Ok(());
        }
        let candidate = Candidate { packet, headers, is_unfilled, is_trusted: false };
        self.add(candidate, write);
        Ok(())
    }

    /// Writes everything that is gathered.
    pub fn flush(&mut self, write: &mut impl FnMut(&[IoSlice<'_>])) {
        for at in 0..std::mem::take(&mut self.len) {
            self.take(at, write);
        }
    }

    const fn takes(&self, headers: &Headers) -> bool {
        match headers.transport {
            Transport::Tcp => self.offload.tso,
            Transport::Udp => self.offload.uso,
        }
    }

    fn add(&mut self, candidate: Candidate<'a>, write: &mut impl FnMut(&[IoSlice<'_>])) {
        let flow = Flow::of(&candidate.headers, candidate.packet);
        let at = self.position(&flow);
        if !candidate.qualifies() {
            at.into_iter().for_each(|at| self.write(at, write));
            write_alone(candidate.packet, candidate.is_unfilled.then_some(&candidate.headers), write);
            return;
        }
        let Some((at, group)) = at.and_then(|at| Some((at, self.groups[at].as_mut()?))) else {
            return self.begin(flow, candidate, write);
        };
        match group.try_push(candidate, &mut self.spare) {
            Ok(()) if group.is_closed() => self.write(at, write),
            Ok(()) => {}
            Err(candidate) => {
                self.write(at, write);
                self.begin(flow, candidate, write);
            }
        }
    }

    /// The place of a flow's group. Packets of one flow come in runs, so it is likely the youngest.
    fn position(&self, flow: &Flow) -> Option<usize> {
        self.groups[..self.len].iter().rposition(|group| group.as_ref().is_some_and(|group| group.flow == *flow))
    }

    fn begin(&mut self, flow: Flow, first: Candidate<'a>, write: &mut impl FnMut(&[IoSlice<'_>])) {
        if first.is_pushed() {
            write_alone(first.packet, first.is_unfilled.then_some(&first.headers), write);
            return;
        }
        if self.len == FLOWS_MAX {
            self.write(0, write);
        }
        self.groups[self.len] = Some(Group::new(flow, first));
        self.len += 1;
    }

    /// Writes one group and closes its gap.
    fn write(&mut self, at: usize, write: &mut impl FnMut(&[IoSlice<'_>])) {
        self.take(at, write);
        self.groups[at..self.len].rotate_left(1);
        self.len -= 1;
    }

    fn take(&mut self, at: usize, write: &mut impl FnMut(&[IoSlice<'_>])) {
        let Some(group) = self.groups[at].take() else {
            return;
        };
        let payloads = group.write(write);
        if payloads.capacity() > 0 {
            self.spare = payloads;
        }
    }
}

/// Writes a packet to an interface that takes finished packets only.
fn write_bare(packet: &mut [u8], is_unfilled: bool, write: &mut impl FnMut(&[IoSlice<'_>])) -> Result<(), DropReason> {
    if is_unfilled {
        complete_checksum(packet)?;
    }
    write(&[IoSlice::new(packet)]);
    Ok(())
}
