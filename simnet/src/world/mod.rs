//! A deterministic world: real [`holloway_mesh::Node`]s on simulated machines, networks, disks and clocks.
//!
//! A [`World`] is made from a seed and does the same each time. Time is virtual and jumps from one thing to the next.
//! Machines send datagrams through an underlay that delays, reorders, loses, doubles and changes them, through NAT
//! boxes of any kind ([`NatBehaviour`], [`Access`]), past firewalls and partitions and over links on which long ones
//! vanish; some are real relays ([`holloway_relay::Server`]) for the others, by datagrams or by streams; their control plane connects, gossips and keeps records; their disks take time, and
//! lose what was not acknowledged when the program dies; some have lanes that seal and open outside of the node.
//!
//! What happens in a world is a [`Transition`]. What must be true is written down twice: *invariants* hold after
//! every step (a packet arrives once, unchanged, where it was sent, from whom it says; nobody hears from a member
//! that it knows to be revoked or has blocked; what was acknowledged survives any crash; no timer runs hot; no
//! `error!` is logged), and a *reference model* says after a quiet while who must reach whom and what everyone must
//! know. A [`Scenario`] puts these together: storms of transitions, each followed by a calm and a check.
//!
//! The world does not know the protocol: it never looks into a datagram, and judges nodes by what they do.

mod check;
mod clock;
mod control;
mod disk;
mod flight;
mod joining;
mod lanes;
mod log;
mod machine;
mod model;
mod nat;
mod packet;
mod program;
mod queue;
mod relaying;
mod scenario;
mod streams;
mod trace;
mod transition;
mod underlay;
mod violation;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_mesh::{CommandId, ControlEvent};
use holloway_wire::{IdentityKey, Instant, Label, NetworkId, NodeId, Now};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use control::{ControlPlane, Underway};
use machine::Machine;
use model::Model;
use program::Asked;
use queue::Queue;
use streams::{StreamStep, Streams};
use trace::Trace;
use underlay::Underlay;

pub use holloway_mesh::Settings;
pub use nat::{Dependence, Hairpin, NatBehaviour};
pub use scenario::{Report, Scenario};
pub use transition::{Stop, Transition};
pub use underlay::{Access, Udp, Weather};
pub use violation::Violation;

/// Things that happen in one second: beyond it nodes keep each other busy. A storm with a burst has a few thousand.
const HAPPENINGS_MAX: u32 = 50_000;

/// Lines of history that are remembered.
const HISTORY_MAX: usize = 100_000;

/// Names a machine of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineId(pub usize);

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// Whether a world writes down what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Only for the trace's hash.
    Forgets,
    /// The newest lines, for a violation to show.
    Remembers,
}

/// Everything: machines, what lies between them, and what is going to happen.
pub struct World {
    seed: u64,
    rng: StdRng,
    now: Instant,
    queue: Queue<Happening>,
    network: NetworkId,
    network_label: Label,
    settings: Settings,
    machines: Vec<Machine>,
    ids: BTreeMap<NodeId, MachineId>,
    underlay: Underlay,
    control: ControlPlane,
    streams: Streams,
    model: Model,
    captured: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    commands: BTreeMap<(MachineId, CommandId), Asked>,
    named: u64,
    trace: Trace,
    memory: Memory,
    history: VecDeque<String>,
    violation: Option<Violation>,
    /// Machines that have moved since the last calm.
    moved: BTreeSet<MachineId>,
    /// The second that it is, and how much has happened in it.
    second: (u64, u32),
}

/// What is going to happen.
pub(crate) enum Happening {
    /// A datagram arrives at an address.
    Arrives { from: SocketAddr, to: SocketAddr, datagram: Vec<u8> },
    /// A node's timer is due.
    Timer { machine: MachineId },
    /// A disk has done its oldest write.
    Written { machine: MachineId, incarnation: u32 },
    /// A node hears from its control plane.
    Event { machine: MachineId, incarnation: u32, event: ControlEvent },
    /// Something in the control plane.
    Control(Underway),
    /// The same, if a machine's program is still the one that it was.
    Of(MachineId, u32, Underway),
    /// Something with a stream to a relay.
    Stream(StreamStep),
    /// Lanes report.
    Report { machine: MachineId, incarnation: u32 },
    /// A program starts.
    Starts { machine: MachineId },
    /// A newcomer redeems its invite, or tries again.
    Redeems { newcomer: MachineId },
}

impl World {
    /// A world with one machine, the founder's, which is public and runs.
    #[must_use]
    pub fn new(seed: u64, settings: Settings, memory: Memory) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let root = IdentityKey::from_bytes(&rng.random());
        let mut world = Self {
            seed,
            now: Instant::from_nanos(1_000_000_000),
            queue: Queue::new(),
            network: NetworkId::of_root(&root.node_id()),
            network_label: "home".parse().expect("this is a label"),
            settings,
            machines: Vec::new(),
            ids: BTreeMap::new(),
            underlay: Underlay::new(),
            control: ControlPlane::default(),
            streams: Streams::default(),
            model: Model::default(),
            captured: VecDeque::new(),
            commands: BTreeMap::new(),
            named: 0,
            trace: Trace::new(),
            memory,
            history: VecDeque::new(),
            violation: None,
            moved: BTreeSet::new(),
            second: (0, 0),
            rng,
        };
        let founder = world.add(false);
        world.begin(&root, founder);
        world
    }

    fn begin(&mut self, root: &IdentityKey, founder: MachineId) {
        let now = self.clocks(founder);
        let machine = &mut self.machines[founder.0];
        let (key, secret) = (machine.identity_key(), machine.static_secret());
        let label = machine.label.clone();
        machine.chain = holloway_mesh::found(root, key, secret, self.network_label.clone(), label, now).chain;
        self.model.joined(founder, None);
        self.start(founder);
    }

    /// Adds a machine that is not a member yet, public or behind a home's NAT box.
    pub fn add(&mut self, has_nat: bool) -> MachineId {
        self.add_behind(if has_nat { Access::Nat(NatBehaviour::HOME) } else { Access::Public })
    }

    /// Adds a machine that is not a member yet.
    ///
    /// # Panics
    /// When `access` names a neighbour that is not behind such a box.
    pub fn add_behind(&mut self, access: Access) -> MachineId {
        let id = MachineId(self.machines.len());
        let label = format!("host{}", id.0).parse().expect("letters and digits are a label");
        let mut machine = Machine::new(label, &self.network, self.settings.clone(), &mut self.rng);
        machine.has_lanes = self.rng.random_bool(0.3);
        machine.clock = clock::Clock::new(Duration::from_secs(self.rng.random_range(0..100_000)), 0);
        self.ids.insert(machine.id, id);
        self.machines.push(machine);
        self.underlay.add(access, &mut self.rng);
        self.control_started(id);
        id
    }

    pub(crate) fn clocks(&mut self, machine: MachineId) -> Now {
        let at = self.now;
        self.machines[machine.0].clock.now(at)
    }

    pub(crate) fn id(&self, machine: MachineId) -> NodeId {
        self.machines[machine.0].id
    }

    pub(crate) fn machine_of(&self, node: &NodeId) -> Option<MachineId> {
        self.ids.get(node).copied()
    }

    pub(crate) fn is_running(&self, machine: MachineId) -> bool {
        self.machines[machine.0].is_running()
    }

    pub(crate) fn delay(&self, one: MachineId, other: MachineId) -> Duration {
        self.underlay.delay(one, other)
    }

    fn file(&mut self, delay: Duration, happening: Happening) {
        self.queue.push(self.now + delay, happening);
    }

    /// A node hears from its control plane, after everything that it was told before.
    pub(crate) fn machine_event(&mut self, machine: MachineId, event: ControlEvent) {
        let incarnation = self.machines[machine.0].incarnation;
        self.file(Duration::ZERO, Happening::Event { machine, incarnation, event });
    }

    fn is_same_run(&self, machine: MachineId, incarnation: u32) -> bool {
        self.machines[machine.0].incarnation == incarnation
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives { from, to, datagram } => self.arrives(from, to, datagram),
            Happening::Timer { machine } => self.timer(machine),
            Happening::Written { machine, incarnation } => self.written(machine, incarnation),
            Happening::Event { machine, incarnation, event } => {
                if self.is_same_run(machine, incarnation) {
                    self.note(|| format!("{machine} hears {}", log::heard(&event)));
                    self.with_node(machine, |node, now| node.handle_control(event, now));
                }
            }
            Happening::Control(underway) => self.control_happens(underway),
            Happening::Of(machine, incarnation, underway) => {
                if self.is_same_run(machine, incarnation) {
                    self.control_happens(underway);
                }
            }
            Happening::Stream(step) => self.stream_happens(step),
            Happening::Report { machine, incarnation } => {
                if self.is_same_run(machine, incarnation) {
                    self.report(machine);
                }
            }
            Happening::Starts { machine } => self.start(machine),
            Happening::Redeems { newcomer } => self.redeem(newcomer),
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn advance(&mut self, span: Duration) -> Result<(), Violation> {
        let until = self.now + span;
        while let Some((at, happening)) = self.queue.pop_until(until) {
            self.now = at;
            self.check_pace();
            self.happens(happening);
            if let Some(error) = log::take_error() {
                self.violated(format!("a node logged an error: {error}"));
            }
            self.check_violation()?;
        }
        self.now = until;
        Ok(())
    }

    /// Nodes must not keep each other busy.
    fn check_pace(&mut self) {
        let second = self.now.as_nanos() / 1_000_000_000;
        self.second = if self.second.0 == second { (second, self.second.1 + 1) } else { (second, 1) };
        if self.second.1 > HAPPENINGS_MAX {
            self.violated(format!("{HAPPENINGS_MAX} things happened in one second"));
        }
    }

    pub(crate) fn check_violation(&mut self) -> Result<(), Violation> {
        self.violation.take().map_or(Ok(()), Err)
    }

    /// Something that must not be was; the first counts.
    pub(crate) fn violated(&mut self, what: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                seed: self.seed,
                at: Duration::from_nanos(self.now.as_nanos()),
                what,
                history: self.history.iter().cloned().collect(),
            });
        }
    }

    /// Remembers a line, if this world remembers.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.memory == Memory::Remembers {
            if self.history.len() >= HISTORY_MAX {
                self.history.pop_front();
            }
            let seconds = self.now.as_nanos() as f64 / 1e9;
            self.history.push_back(format!("{seconds:9.4} {}", line()));
        }
    }

    /// Inner packets delivered so far.
    #[must_use]
    pub const fn delivered_packets(&self) -> u64 {
        self.model.delivered
    }

    /// The longest record that one machine sends to another, in bytes, while it has a path.
    pub fn record_limit(&mut self, from: MachineId, to: MachineId) -> Option<usize> {
        let to = self.id(to);
        let snapshot = self.snapshot(from)?;
        snapshot.peers.into_iter().find(|peer| peer.node == to)?.record_limit
    }

    /// Empties a machine's disk behind the back of all that was promised: for a test of the alarm.
    pub fn forget_disk(&mut self, machine: MachineId) {
        self.machines[machine.0].disk = disk::Disk::default();
    }
}
