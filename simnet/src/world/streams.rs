use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use holloway_mesh::StreamCommand;
use holloway_wire::NodeId;

use super::control::{DIAL_TIMEOUT, SETUP_ROUND_TRIPS};
use super::{Happening, MachineId, World, log};

/// Where every relay takes streams.
pub(crate) const STREAM_PORT: u16 = 443;

/// Loopback addresses stand for streams, at either end: their first port.
const FIRST_PORT: u16 = 1024;

/// Streams between members and relays, over which datagrams get where UDP does not: all of them, in order, late.
#[derive(Default)]
pub(crate) struct Streams {
    open: BTreeMap<StreamId, Ends>,
    named: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamId(u64);

#[derive(Clone, Copy)]
struct Ends {
    opener: MachineId,
    relay: MachineId,
}

impl Ends {
    fn has(&self, machine: MachineId) -> bool {
        self.opener == machine || self.relay == machine
    }

    fn other(&self, machine: MachineId) -> MachineId {
        if self.opener == machine { self.relay } else { self.opener }
    }
}

/// What happens to a stream.
pub(crate) enum StreamStep {
    /// An attempt ends.
    Opened { opener: MachineId, incarnation: u32, relay: NodeId, to: Option<MachineId> },
    /// A datagram arrives.
    Carries { stream: StreamId, to: MachineId, datagram: Vec<u8> },
    /// The one that opened it notices that it is dead.
    Broken { opener: MachineId, incarnation: u32, relay: NodeId },
}

/// The address that stands for a stream at both of its ends.
fn address(stream: StreamId) -> SocketAddr {
    let port = u64::from(FIRST_PORT) + stream.0 % u64::from(u16::MAX - FIRST_PORT);
    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).expect("it is below the last port")))
}

impl Streams {
    fn at(&self, machine: MachineId, at: SocketAddr) -> Option<(StreamId, Ends)> {
        self.open.iter().find(|(id, ends)| address(**id) == at && ends.has(machine)).map(|(id, ends)| (*id, *ends))
    }
}

impl World {
    pub(crate) fn stream_command(&mut self, opener: MachineId, command: StreamCommand) {
        match command {
            StreamCommand::Open { relay, addresses } => self.open_stream(opener, relay, &addresses),
            StreamCommand::Close { relay } => {
                let relay = self.machine_of(&relay);
                self.streams.open.retain(|_, ends| ends.opener != opener || Some(ends.relay) != relay);
            }
        }
    }

    fn open_stream(&mut self, opener: MachineId, relay: NodeId, addresses: &[SocketAddr]) {
        let listens = |to: &MachineId| Some(*to) == self.machine_of(&relay) && self.takes_stream(opener, *to);
        let at = |address: &SocketAddr| self.underlay.reached(opener, address.ip()).filter(listens);
        let is_there = |address: &&SocketAddr| address.port() == STREAM_PORT;
        let to = addresses.iter().filter(is_there).find_map(at);
        let delay = to.map_or(DIAL_TIMEOUT, |to| self.delay(opener, to) * 2 * SETUP_ROUND_TRIPS);
        let incarnation = self.machines[opener.0].incarnation;
        self.file(delay, Happening::Stream(StreamStep::Opened { opener, incarnation, relay, to }));
    }

    fn takes_stream(&self, opener: MachineId, relay: MachineId) -> bool {
        self.relay(relay).is_some() && self.underlay.is_open(opener, relay)
    }

    /// Sends a datagram over a stream.
    pub(crate) fn send_over_stream(&mut self, machine: MachineId, at: SocketAddr, datagram: Vec<u8>) {
        self.trace.datagram(self.now, machine, &datagram);
        let Some((stream, ends)) = self.streams.at(machine, at) else {
            return;
        };
        let to = ends.other(machine);
        let is_open = self.underlay.is_open(machine, to);
        self.note(|| format!("{machine} -> {to} {} over a stream, open {is_open}", log::datagram(&datagram)));
        if is_open {
            let delay = self.delay(machine, to);
            self.file(delay, Happening::Stream(StreamStep::Carries { stream, to, datagram }));
        }
    }

    /// Lets the next thing happen to a stream.
    pub(crate) fn stream_happens(&mut self, step: StreamStep) {
        match step {
            StreamStep::Opened { opener, incarnation, relay, to } => {
                let to = to.filter(|to| self.takes_stream(opener, *to));
                if self.is_same_run(opener, incarnation) {
                    self.stream_opened(opener, relay, to);
                }
            }
            StreamStep::Carries { stream, to, datagram } => {
                if self.streams.open.contains_key(&stream) {
                    self.received(to, address(stream), datagram);
                }
            }
            StreamStep::Broken { opener, incarnation, relay } => {
                if self.is_same_run(opener, incarnation) {
                    self.with_node(opener, |node, now| node.handle_stream(relay, None, now));
                }
            }
        }
    }

    fn stream_opened(&mut self, opener: MachineId, relay: NodeId, to: Option<MachineId>) {
        let at = to.map(|to| {
            self.streams.named += 1;
            let stream = StreamId(self.streams.named);
            self.streams.open.insert(stream, Ends { opener, relay: to });
            address(stream)
        });
        self.with_node(opener, |node, now| node.handle_stream(relay, at, now));
    }

    /// A program ended, or its machine has other addresses: its streams are dead. Whoever opened them notices at once
    /// when the other could say so, else after a while.
    pub(crate) fn streams_cut(&mut self, machine: MachineId, is_graceful: bool) {
        let dead: Vec<Ends> =
            self.streams.open.extract_if(.., |_, ends| ends.has(machine)).map(|(_, ends)| ends).collect();
        for ends in dead {
            let delay = if is_graceful { self.delay(ends.opener, ends.relay) } else { self.silence() };
            self.stream_breaks(ends, delay);
        }
    }

    /// Streams across a partition die.
    pub(crate) fn streams_partitioned(&mut self) {
        let underlay = &self.underlay;
        let crosses = |ends: &Ends| !underlay.is_open(ends.opener, ends.relay);
        let dead: Vec<Ends> = self.streams.open.extract_if(.., |_, ends| crosses(ends)).map(|(_, ends)| ends).collect();
        for ends in dead {
            let delay = self.silence();
            self.stream_breaks(ends, delay);
        }
    }

    fn stream_breaks(&mut self, ends: Ends, delay: Duration) {
        let Ends { opener, relay } = ends;
        let (incarnation, relay) = (self.machines[opener.0].incarnation, self.id(relay));
        self.file(delay, Happening::Stream(StreamStep::Broken { opener, incarnation, relay }));
    }
}
