//! A deterministic world: real [`Node`]s on simulated machines, networks, disks and clocks.
//!
//! A [`World`] is made from a seed and does the same each time. Time is virtual and jumps from one thing to the next.
//! Machines send datagrams through an underlay that delays, reorders, loses, doubles and changes them, through NAT
//! boxes and past partitions; their control plane connects, gossips and keeps records; their disks take time, and
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
mod joining;
mod lanes;
mod log;
mod machine;
mod model;
mod nat;
mod packet;
mod queue;
mod scenario;
mod trace;
mod transition;
mod underlay;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_mesh::{
    Command, CommandError, CommandId, ControlEvent, Event, Forwarding, LocalAddrs, Node, Output, RecordId, Reply,
};
use holloway_wire::{Endpoint, IdentityKey, Instant, Label, NetworkId, NodeId, Now};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use control::{ControlPlane, Underway};
use lanes::{Lanes, Received, Sealed};
use machine::{Machine, Run};
use model::Model;
use queue::Queue;
use trace::Trace;
use underlay::Underlay;

pub use holloway_mesh::Settings;
pub use scenario::{Report, Scenario};
pub use transition::{Stop, Transition};
pub use underlay::Weather;

/// Outputs of one input: beyond it something runs away. A fetch of everything gossips at most 32 items, a new session
/// probes 16 endpoints, and a burst flushes 64 staged packets.
const OUTPUTS_MAX: usize = 1024;

/// A timer that fires so often at one moment runs hot.
const FIRINGS_MAX: u32 = 4;

/// Things that happen in one second: beyond it nodes keep each other busy. A storm with a burst has a few thousand.
const HAPPENINGS_MAX: u32 = 50_000;

/// Datagrams remembered for replaying.
const CAPTURED_MAX: usize = 256;

/// How often lanes report.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Lines of history that are remembered, and how many of them a violation shows.
const HISTORY_MAX: usize = 100_000;
const HISTORY_SHOWN: usize = 200;

/// Names a machine of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineId(pub usize);

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", self.0)
    }
}

/// Something that must not be was.
#[derive(Debug, Clone)]
pub struct Violation {
    /// The world's seed: it happens again with it.
    pub seed: u64,
    /// When, in virtual time.
    pub at: Duration,
    /// What.
    pub what: String,
    /// What went before, newest last; filled when the run was asked to remember.
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.history[self.history.len().saturating_sub(HISTORY_SHOWN)..] {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {} at {:.3} s: {}", self.seed, self.at.as_secs_f64(), self.what)
    }
}

impl std::error::Error for Violation {}

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
    /// Lanes report.
    Report { machine: MachineId, incarnation: u32 },
    /// A program starts.
    Starts { machine: MachineId },
    /// A newcomer redeems its invite, or tries again.
    Redeems { newcomer: MachineId },
}

/// What a command was for.
pub(crate) enum Asked {
    Invite { newcomer: MachineId },
    Revoke(MachineId),
    Block(MachineId, bool),
    Name(holloway_wire::NameRecord),
    Ledger,
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

    /// Adds a machine that is not a member yet.
    pub fn add(&mut self, has_nat: bool) -> MachineId {
        let id = MachineId(self.machines.len());
        let label = format!("host{}", id.0).parse().expect("letters and digits are a label");
        let mut machine = Machine::new(label, &self.network, self.settings.clone(), &mut self.rng);
        machine.has_lanes = self.rng.random_bool(0.3);
        machine.clock = clock::Clock::new(Duration::from_secs(self.rng.random_range(0..100_000)), 0);
        self.ids.insert(machine.id, id);
        self.machines.push(machine);
        self.underlay.add(has_nat, &mut self.rng);
        self.control_started(id);
        id
    }

    /// Starts a machine's program with what its disk has.
    pub(crate) fn start(&mut self, machine: MachineId) {
        let begins = Duration::from_secs(self.rng.random_range(0..100_000));
        let node_rng = StdRng::seed_from_u64(self.rng.random());
        let at = self.now;
        let (network, network_label) = (self.network, self.network_label.clone());
        let host = &mut self.machines[machine.0];
        if host.is_running() || !host.is_member() {
            return;
        }
        host.incarnation += 1;
        host.clock.restart(begins);
        let now = host.clock.now(at);
        let identity = host.identity(network, network_label);
        let node = Node::new(identity, host.settings.clone(), host.disk.load(), Box::new(node_rng), now);
        host.run = Some(Run {
            node,
            lanes: host.has_lanes.then(Lanes::default),
            report_due: false,
            timer: None,
            fired: (Instant::default(), 0),
            welcome: BTreeSet::new(),
            installed: BTreeMap::new(),
        });
        self.note(|| format!("{machine} starts"));
        self.control_started(machine);
        self.drain(machine);
        self.network_changed(machine);
        self.hint(machine);
        self.command(machine, Command::Invites, Asked::Ledger);
    }

    /// Ends a machine's program. What its disk had not acknowledged may be lost in a crash.
    pub(crate) fn stop(&mut self, machine: MachineId, how: Stop) {
        if self.machines[machine.0].run.take().is_none() {
            return;
        }
        self.note(|| format!("{machine} stops: {how:?}"));
        let waiting = self.machines[machine.0].disk.waiting();
        let kept = match how {
            Stop::Clean => waiting,
            Stop::Crash => self.rng.random_range(0..=waiting),
        };
        self.machines[machine.0].disk.crash(kept);
        self.machines[machine.0].disk_busy_until = self.now;
        self.forget_commands(machine);
        let is_graceful = how == Stop::Clean || self.rng.random_bool(0.5);
        self.control_cut(machine, is_graceful);
    }

    /// What was asked and not acknowledged may or may not have happened.
    fn forget_commands(&mut self, machine: MachineId) {
        let lost: Vec<Asked> =
            self.commands.extract_if(.., |(asked, _), _| *asked == machine).map(|(_, asked)| asked).collect();
        for asked in lost {
            match asked {
                Asked::Revoke(whom) => self.model.revoking(whom),
                Asked::Block(whom, _) => {
                    let whom = self.id(whom);
                    self.machines[machine.0].promised.blocked.insert(whom, None);
                }
                Asked::Invite { newcomer } => self.invite_lost(newcomer),
                Asked::Name(_) | Asked::Ledger => {}
            }
        }
    }

    pub(crate) fn network_changed(&mut self, machine: MachineId) {
        let local =
            LocalAddrs { data: vec![self.underlay.data(machine)], control: vec![self.underlay.control(machine)] };
        self.with_node(machine, |node, now| node.handle_network_change(local, now));
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

    /// Gives a node an input, then carries out what it wants.
    pub(crate) fn with_node(&mut self, machine: MachineId, act: impl FnOnce(&mut Node, Now)) {
        let now = self.clocks(machine);
        if let Some(run) = self.machines[machine.0].run.as_mut() {
            act(&mut run.node, now);
            self.drain(machine);
        }
    }

    fn drain(&mut self, machine: MachineId) {
        let mut count = 0;
        while let Some(output) = self.machines[machine.0].run.as_mut().and_then(|run| run.node.poll_output()) {
            count += 1;
            self.carry_out(machine, output);
        }
        if count > OUTPUTS_MAX {
            self.violated(format!("{machine} had {count} outputs of one input"));
        }
        self.check_installed(machine);
        self.set_timer(machine);
    }

    fn set_timer(&mut self, machine: MachineId) {
        let now = self.now;
        let host = &mut self.machines[machine.0];
        let Some(run) = host.run.as_mut() else {
            return;
        };
        let due = run.node.poll_timeout().map(|(at, _)| host.clock.truth(at).max(now));
        if due != run.timer {
            run.timer = due;
            if let Some(at) = due {
                self.queue.push(at, Happening::Timer { machine });
            }
        }
    }

    fn carry_out(&mut self, machine: MachineId, output: Output) {
        match output {
            Output::Transmit { endpoint, datagram } => self.transmit(machine, endpoint.socket_addr(), datagram),
            Output::Tun(packet) => self.delivered(machine, &packet),
            Output::Control(command) => {
                self.note(|| format!("{machine} control {}", log::control(&command)));
                self.control_command(machine, command);
            }
            Output::Persist { id, writes } => self.persist(machine, id, writes),
            Output::Forwarding(forwarding) => self.forward(machine, forwarding),
            Output::Event(event) => self.event(machine, event),
        }
    }

    fn persist(&mut self, machine: MachineId, id: RecordId, writes: Vec<holloway_mesh::Write>) {
        let takes = Duration::from_micros(match self.rng.random_range(0..20) {
            0 => self.rng.random_range(20_000..300_000),
            _ => self.rng.random_range(500..8_000),
        });
        let host = &mut self.machines[machine.0];
        host.disk.submit(id, writes);
        host.disk_busy_until = host.disk_busy_until.max(self.now) + takes;
        let (at, incarnation) = (host.disk_busy_until, host.incarnation);
        self.queue.push(at, Happening::Written { machine, incarnation });
    }

    fn forward(&mut self, machine: MachineId, forwarding: Forwarding) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        match &forwarding {
            Forwarding::Install { index, node, .. } => {
                run.installed.insert(*index, *node);
            }
            Forwarding::Retire { index } => {
                run.installed.remove(index);
            }
            Forwarding::Peer { .. } => {}
        }
        if let Some(lanes) = &mut run.lanes {
            lanes.handle(forwarding);
        }
    }

    fn event(&mut self, machine: MachineId, event: Event) {
        self.note(|| format!("{machine} event {}", log::event(&event)));
        match event {
            Event::CommandDone { id, result } => self.done(machine, id, result),
            Event::MemberJoined { node, .. } => {
                if let Some(run) = self.machines[machine.0].run.as_mut() {
                    run.welcome.insert(node);
                }
            }
            Event::MemberLeft { node, .. } => {
                if let Some(run) = self.machines[machine.0].run.as_mut() {
                    run.welcome.remove(&node);
                }
            }
            Event::PeerUp { .. }
            | Event::NamesChanged
            | Event::CertificateRenewed
            | Event::Expelled
            | Event::Security { .. } => {}
        }
    }

    /// Lanes have no session of anyone whom the node does not talk to.
    fn check_installed(&mut self, machine: MachineId) {
        let Some(run) = &self.machines[machine.0].run else {
            return;
        };
        if let Some(node) = run.installed.values().find(|node| !run.welcome.contains(node)) {
            let what = format!("{machine} keeps sessions of {} that is out", node.short());
            self.violated(what);
        }
    }

    pub(crate) fn command(&mut self, machine: MachineId, command: Command, asked: Asked) {
        if !self.is_running(machine) {
            return;
        }
        self.named += 1;
        let id = CommandId(self.named);
        self.commands.insert((machine, id), asked);
        self.with_node(machine, |node, now| node.handle_command(id, command, now));
    }

    fn done(&mut self, machine: MachineId, id: CommandId, result: Result<Reply, CommandError>) {
        let Some(asked) = self.commands.remove(&(machine, id)) else {
            self.violated(format!("{machine} did a command that nobody gave"));
            return;
        };
        match (asked, result) {
            (Asked::Invite { newcomer }, Ok(Reply::InviteCreated { invite, token })) => {
                self.machines[machine.0].promised.invites.insert(invite.id);
                self.invited(newcomer, &token);
            }
            (Asked::Invite { newcomer }, _) => self.invite_lost(newcomer),
            (Asked::Revoke(whom), Ok(_)) => {
                let id = self.id(whom);
                self.machines[machine.0].promised.revoked.insert(id);
                self.model.revoked(whom);
            }
            (Asked::Block(whom, blocked), Ok(_)) => {
                let whom = self.id(whom);
                self.machines[machine.0].promised.blocked.insert(whom, Some(blocked));
            }
            (Asked::Name(record), Ok(_)) => {
                self.machines[machine.0].promised.names.insert(record);
            }
            (Asked::Ledger, Ok(Reply::Invites(invites))) => self.check_kept(machine, &invites),
            (Asked::Ledger, _) => self.violated(format!("{machine} did not list its invites")),
            (Asked::Revoke(_) | Asked::Block(..) | Asked::Name(_), Err(_)) => {}
        }
    }

    /// Sends a datagram into the underlay.
    fn transmit(&mut self, machine: MachineId, to: SocketAddr, datagram: Vec<u8>) {
        let from = self.underlay.depart(machine, to, self.now);
        let Some(target) = self.underlay.towards(to) else {
            return;
        };
        self.trace.datagram(self.now, machine, &datagram);
        let weather = self.underlay.weather;
        self.note(|| format!("{machine} -> {target} {} from {from} to {to}", log::datagram(&datagram)));
        if !self.underlay.is_open(machine, target) || self.rng.random_bool(weather.loss) {
            self.note(|| "  lost".into());
            return;
        }
        if self.captured.len() >= CAPTURED_MAX {
            self.captured.pop_front();
        }
        self.captured.push_back((from, to, datagram.clone()));
        if self.rng.random_bool(weather.duplicate) {
            self.fly(machine, target, (from, to, datagram.clone()));
        }
        let datagram = if self.rng.random_bool(weather.corrupt) { self.corrupt(datagram) } else { datagram };
        self.fly(machine, target, (from, to, datagram));
    }

    fn fly(&mut self, machine: MachineId, target: MachineId, flight: (SocketAddr, SocketAddr, Vec<u8>)) {
        let jitter = self.underlay.weather.jitter.mul_f64(self.rng.random_range(0.0..1.0));
        let (from, to, datagram) = flight;
        let delay = self.delay(machine, target) + jitter;
        self.file(delay, Happening::Arrives { from, to, datagram });
    }

    pub(crate) fn corrupt(&mut self, mut datagram: Vec<u8>) -> Vec<u8> {
        if !datagram.is_empty() {
            let bit = self.rng.random_range(0..datagram.len() * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
        datagram
    }

    fn arrives(&mut self, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
        let Some(machine) = self.underlay.arrive(from, to, self.now) else {
            self.note(|| format!("  filtered: {from} to {to} {}", log::datagram(&datagram)));
            return;
        };
        let host = &mut self.machines[machine.0];
        let own = host.ip();
        let Some(run) = host.run.as_mut() else {
            return;
        };
        let unplaced = match &mut run.lanes {
            None => datagram,
            Some(lanes) => match lanes.open(from, own, datagram) {
                Received::Packet(packet) => {
                    self.delivered(machine, &packet);
                    self.report_soon(machine, REPORT_EVERY);
                    return;
                }
                Received::Done => {
                    self.report_soon(machine, REPORT_EVERY);
                    return;
                }
                Received::Unplaced(datagram) => datagram,
            },
        };
        self.with_node(machine, |node, now| node.handle_datagram(Endpoint::udp(from), unplaced, now));
    }

    /// A packet from a machine's own stack: to the lanes if they know where it goes, else to the node.
    pub(crate) fn tun(&mut self, machine: MachineId, packet: Vec<u8>) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        let packet = match &mut run.lanes {
            None => packet,
            Some(lanes) => match lanes.seal(packet) {
                Sealed::Datagram { to, datagram, wants_rotation } => {
                    self.transmit(machine, to, datagram);
                    self.report_soon(machine, if wants_rotation { Duration::ZERO } else { REPORT_EVERY });
                    return;
                }
                Sealed::Unplaced(packet) => packet,
            },
        };
        self.with_node(machine, |node, now| node.handle_tun(packet, now));
    }

    fn report_soon(&mut self, machine: MachineId, delay: Duration) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        let is_urgent = delay.is_zero();
        if is_urgent || !run.report_due {
            run.report_due |= !is_urgent;
            let incarnation = self.machines[machine.0].incarnation;
            self.file(delay, Happening::Report { machine, incarnation });
        }
    }

    fn report(&mut self, machine: MachineId) {
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        run.report_due = false;
        if let Some(report) = run.lanes.as_mut().and_then(Lanes::report) {
            self.with_node(machine, |node, now| node.handle_traffic(&report, now));
        }
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
            Happening::Report { machine, incarnation } => {
                if self.is_same_run(machine, incarnation) {
                    self.report(machine);
                }
            }
            Happening::Starts { machine } => self.start(machine),
            Happening::Redeems { newcomer } => self.redeem(newcomer),
        }
    }

    fn timer(&mut self, machine: MachineId) {
        let now = self.now;
        let Some(run) = self.machines[machine.0].run.as_mut() else {
            return;
        };
        if run.timer != Some(now) {
            return;
        }
        run.timer = None;
        run.fired = if run.fired.0 == now { (now, run.fired.1 + 1) } else { (now, 1) };
        let firings = run.fired.1;
        let name = run.node.poll_timeout().map(|(_, name)| name);
        if firings > FIRINGS_MAX {
            self.violated(format!("{machine}'s timer {name:?} runs hot"));
            return;
        }
        self.with_node(machine, Node::handle_timeout);
    }

    fn written(&mut self, machine: MachineId, incarnation: u32) {
        if self.is_same_run(machine, incarnation)
            && self.is_running(machine)
            && let Some(id) = self.machines[machine.0].disk.complete()
        {
            self.with_node(machine, |node, now| node.handle_persisted(id, Ok(()), now));
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

    /// Empties a machine's disk behind the back of all that was promised: for a test of the alarm.
    pub fn forget_disk(&mut self, machine: MachineId) {
        self.machines[machine.0].disk = disk::Disk::default();
    }
}
