use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holloway_mesh::{
    Command, CommandError, CommandId, Event, Forwarding, LocalAddrs, Node, Output, RecordId, Reply, Write,
};
use holloway_wire::{Instant, NameRecord, Now};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::lanes::Lanes;
use super::machine::Run;
use super::relaying::Relaying;
use super::{Happening, MachineId, Stop, World, log};

/// Outputs of one input: beyond it something runs away. A fetch of everything gossips at most 32 items, a new session
/// probes 16 endpoints, and a burst flushes 64 staged packets.
const OUTPUTS_MAX: usize = 1024;

/// A timer that fires so often at one moment runs hot.
const FIRINGS_MAX: u32 = 4;

/// What a command was for.
pub(crate) enum Asked {
    Invite { newcomer: MachineId },
    Revoke(MachineId),
    Block(MachineId, bool),
    Name(NameRecord),
    Ledger,
}

impl World {
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
            relay: None,
            report_due: false,
            timer: None,
            fired: (Instant::default(), 0),
            welcome: BTreeSet::new(),
            installed: BTreeMap::new(),
        });
        self.note(|| format!("{machine} starts"));
        self.control_started(machine);
        self.start_relay(machine);
        self.drain(machine);
        self.network_changed(machine);
        self.hint(machine);
        self.command(machine, Command::Invites, Asked::Ledger);
    }

    /// Ends a machine's program. What its disk had not acknowledged may be lost in a crash.
    pub(crate) fn stop(&mut self, machine: MachineId, how: Stop) {
        if how == Stop::Clean {
            self.stop_relay(machine);
        }
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
        self.streams_cut(machine, is_graceful);
    }

    /// What was asked and not acknowledged may or may not have happened.
    pub(crate) fn forget_commands(&mut self, machine: MachineId) {
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
        self.relay_moved(machine);
        self.with_node(machine, |node, now| node.handle_network_change(local, now));
    }

    /// Gives a node an input, then carries out what it wants.
    pub(crate) fn with_node(&mut self, machine: MachineId, act: impl FnOnce(&mut Node, Now)) {
        let now = self.clocks(machine);
        if let Some(run) = self.machines[machine.0].run.as_mut() {
            act(&mut run.node, now);
            self.drain(machine);
        }
    }

    pub(crate) fn drain(&mut self, machine: MachineId) {
        let mut count = 0;
        loop {
            let before = count;
            while let Some(output) = self.machines[machine.0].run.as_mut().and_then(|run| run.node.poll_output()) {
                count += 1;
                self.carry_out(machine, output);
            }
            count += self.drain_relay(machine);
            if count == before {
                break;
            }
        }
        if count > OUTPUTS_MAX {
            self.violated(format!("{machine} had {count} outputs of one input"));
        }
        self.check_installed(machine);
        self.set_timer(machine);
    }

    pub(crate) fn set_timer(&mut self, machine: MachineId) {
        let now = self.now;
        let host = &mut self.machines[machine.0];
        let Some(run) = host.run.as_mut() else {
            return;
        };
        let node = run.node.poll_timeout().map(|(at, _)| at);
        let relay = run.relay.as_ref().map(Relaying::poll_timeout);
        let due = node.into_iter().chain(relay).min().map(|at| host.clock.truth(at).max(now));
        if due != run.timer {
            run.timer = due;
            if let Some(at) = due {
                self.queue.push(at, Happening::Timer { machine });
            }
        }
    }

    pub(crate) fn carry_out(&mut self, machine: MachineId, output: Output) {
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
            Output::Stream(command) => self.stream_command(machine, command),
            Output::Relay(news) => self.relay_news(machine, news),
        }
    }

    pub(crate) fn persist(&mut self, machine: MachineId, id: RecordId, writes: Vec<Write>) {
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

    pub(crate) fn forward(&mut self, machine: MachineId, forwarding: Forwarding) {
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

    pub(crate) fn event(&mut self, machine: MachineId, event: Event) {
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
                self.relay_expels(machine, &node);
            }
            Event::PeerUp { .. }
            | Event::ApprovalWanted { .. }
            | Event::NamesChanged
            | Event::CaughtUp
            | Event::CertificateRenewed
            | Event::Expelled
            | Event::Security { .. } => {}
        }
    }

    /// Lanes have no session of anyone whom the node does not talk to.
    pub(crate) fn check_installed(&mut self, machine: MachineId) {
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

    pub(crate) fn done(&mut self, machine: MachineId, id: CommandId, result: Result<Reply, CommandError>) {
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

    pub(crate) fn timer(&mut self, machine: MachineId) {
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
        self.relay_timer(machine);
        self.with_node(machine, Node::handle_timeout);
    }

    pub(crate) fn written(&mut self, machine: MachineId, incarnation: u32) {
        if self.is_same_run(machine, incarnation)
            && self.is_running(machine)
            && let Some(id) = self.machines[machine.0].disk.complete()
        {
            self.with_node(machine, |node, now| node.handle_persisted(id, Ok(()), now));
        }
    }
}
