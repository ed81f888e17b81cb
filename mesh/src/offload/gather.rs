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
    /// The one begun first stands first.
    groups: Vec<Group<'a>>,
    /// Memory of groups that have been written.
    spare: Vec<Vec<IoSlice<'a>>>,
}

impl<'a> Gather<'a> {
    /// Nothing gathered yet. Allocates nothing before there is something to gather.
    pub const fn new(offload: TunOffload) -> Self {
        Self { offload, groups: Vec::new(), spare: Vec::new() }
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
        for group in self.groups.drain(..) {
            self.spare.push(group.write(write));
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
        // Packets of one flow come in runs, so its group is likely the youngest.
        let at = self.groups.iter().rposition(|group| group.flow == flow);
        if !Candidate::qualifies(&candidate.headers, candidate.packet) {
            at.into_iter().for_each(|at| self.write(at, write));
            write_alone(candidate.packet, candidate.is_unfilled.then_some(&candidate.headers), write);
            return;
        }
        let Some(at) = at else {
            return self.begin(flow, candidate, write);
        };
        match self.groups[at].try_push(candidate) {
            Ok(()) if self.groups[at].is_closed() => self.write(at, write),
            Ok(()) => {}
            Err(candidate) => {
                self.write(at, write);
                self.begin(flow, candidate, write);
            }
        }
    }

    fn begin(&mut self, flow: Flow, first: Candidate<'a>, write: &mut impl FnMut(&[IoSlice<'_>])) {
        if self.groups.len() == FLOWS_MAX {
            self.write(0, write);
        }
        let group = Group::new(flow, first, self.spare.pop().unwrap_or_default());
        if group.is_closed() {
            self.spare.push(group.write(write));
            return;
        }
        if self.groups.capacity() == 0 {
            self.groups.reserve_exact(FLOWS_MAX);
        }
        self.groups.push(group);
    }

    fn write(&mut self, at: usize, write: &mut impl FnMut(&[IoSlice<'_>])) {
        let group = self.groups.remove(at);
        self.spare.push(group.write(write));
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
