use std::net::SocketAddr;

use holloway_mesh::RelayNews;
use holloway_relay::{Forwarding, ForwardingTable, Identity, Output, Server, Settings, Snapshot, Standing, Usage};
use holloway_wire::{Instant, Now, RelayFrameHeader, Rights};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::streams::STREAM_PORT;
use super::{MachineId, World};

/// The relay of a machine that is one, and the part of it that lanes do where the machine has lanes.
pub(crate) struct Relaying {
    server: Server,
    table: Option<ForwardingTable>,
}

/// What becomes of a datagram at a machine that may be a relay.
enum Taken {
    /// It goes on to somebody.
    PassedOn(SocketAddr, Vec<u8>),
    /// The relay has it.
    Kept,
    /// It is for the member that the machine is as well.
    Left(Vec<u8>),
}

impl Relaying {
    fn new(server: Server, has_lanes: bool) -> Self {
        Self { server, table: has_lanes.then(ForwardingTable::new) }
    }

    fn take(&mut self, from: SocketAddr, datagram: Vec<u8>, now: Now) -> Taken {
        if !Server::takes(&datagram) {
            return if self.server.handle_answer(from, &datagram, now) { Taken::Kept } else { Taken::Left(datagram) };
        }
        if let Some(table) = &self.table
            && let Ok(header) = RelayFrameHeader::decode(&datagram)
            && let Ok((to, head)) = table.forward(&from, &header, datagram.len(), now.monotonic)
        {
            return Taken::PassedOn(to, framed(head, &datagram));
        }
        self.server.handle_datagram(from, &datagram, now);
        Taken::Kept
    }

    /// What lanes are told; the server has a table of its own.
    fn forwarding(&mut self, forwarding: Forwarding) {
        if let Some(table) = &mut self.table {
            table.apply(forwarding);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.server.poll_timeout()
    }
}

/// What a frame carries, under another head.
fn framed(head: RelayFrameHeader, frame: &[u8]) -> Vec<u8> {
    [&head.encode()[..], &frame[holloway_wire::RELAY_FRAME_LEN..]].concat()
}

impl World {
    /// Makes a machine relay for others whenever its program runs and it has the right to.
    pub fn add_relay(&mut self, machine: MachineId) {
        self.machines[machine.0].is_relay = true;
        self.start_relay(machine);
        self.drain(machine);
    }

    /// What a machine's relay says of itself.
    #[must_use]
    pub fn relay(&self, machine: MachineId) -> Option<Snapshot> {
        Some(self.machines[machine.0].run.as_ref()?.relay.as_ref()?.server.snapshot())
    }

    /// Whether anyone relays, or will.
    pub(crate) fn has_relays(&self) -> bool {
        self.machines.iter().any(|machine| machine.is_relay)
    }

    /// Machines that relay, or will.
    pub(crate) fn relays(&self) -> Vec<MachineId> {
        (0..self.machines.len()).filter(|machine| self.machines[*machine].is_relay).map(MachineId).collect()
    }

    /// Over how many relays a machine reaches another: none where it does so straight. Nothing while it has no path.
    pub fn relays_between(&mut self, from: MachineId, to: MachineId) -> Option<usize> {
        let to = self.id(to);
        let peer = self.snapshot(from)?.peers.into_iter().find(|peer| peer.node == to)?;
        let endpoint = peer.endpoint?;
        Some(if endpoint.is_relayed() { 1 + peer.route.len() } else { 0 })
    }

    /// Begins to relay, if the operator of the machine wants it and the machine may.
    pub(crate) fn start_relay(&mut self, machine: MachineId) {
        let may = self.model.rights(machine).contains(Rights::RELAY);
        if !self.machines[machine.0].is_relay || !may {
            return;
        }
        let rng = StdRng::seed_from_u64(self.rng.random());
        let endpoints = vec![self.underlay.data(machine)];
        let now = self.clocks(machine);
        let network = self.network;
        let host = &mut self.machines[machine.0];
        let (key, name, usage) = (host.identity_key(), host.label.clone(), host.relayed.clone());
        let Some(run) = host.run.as_mut().filter(|run| run.relay.is_none()) else {
            return;
        };
        let identity = Identity { network, key, name };
        let settings = Settings { endpoints, stream_port: Some(STREAM_PORT), ..Settings::default() };
        let server = Server::new(identity, settings, usage, Box::new(rng), now);
        run.relay = Some(Relaying::new(server, run.lanes.is_some()));
    }

    /// Where the relay is has changed.
    pub(crate) fn relay_moved(&mut self, machine: MachineId) {
        let endpoints = vec![self.underlay.data(machine)];
        let now = self.clocks(machine);
        if let Some(relaying) = self.relaying(machine) {
            relaying.server.handle_endpoints(endpoints, now);
        }
    }

    /// The relay says goodbye.
    pub(crate) fn stop_relay(&mut self, machine: MachineId) {
        let now = self.clocks(machine);
        if let Some(relaying) = self.relaying(machine) {
            relaying.server.stop(now);
            self.drain_relay(machine);
        }
    }

    /// Time has passed for the relay as well.
    pub(crate) fn relay_timer(&mut self, machine: MachineId) {
        let now = self.clocks(machine);
        if let Some(relaying) = self.relaying(machine) {
            relaying.server.handle_timeout(now);
        }
    }

    fn relaying(&mut self, machine: MachineId) -> Option<&mut Relaying> {
        self.machines[machine.0].run.as_mut()?.relay.as_mut()
    }

    /// Takes what is for the relay of a machine; gives back what is not.
    pub(crate) fn relayed(&mut self, machine: MachineId, from: SocketAddr, datagram: Vec<u8>) -> Option<Vec<u8>> {
        let now = self.clocks(machine);
        let Some(relaying) = self.relaying(machine) else {
            return Some(datagram);
        };
        match relaying.take(from, datagram, now) {
            Taken::Left(datagram) => return Some(datagram),
            Taken::PassedOn(to, frame) => self.transmit(machine, to, frame),
            Taken::Kept => self.drain(machine),
        }
        None
    }

    /// What the relay is to know of others.
    pub(crate) fn relay_news(&mut self, machine: MachineId, news: RelayNews) {
        let now = self.clocks(machine);
        let Some(Relaying { server, .. }) = self.relaying(machine) else {
            return;
        };
        match news {
            RelayNews::Announced(announcement) => server.handle_announcement(&announcement, now),
            RelayNews::Link { relay, link } => server.handle_link(relay, link, now),
        }
    }

    /// A node is no longer a member, says the node beside the relay.
    pub(crate) fn relay_expels(&mut self, machine: MachineId, node: &holloway_wire::NodeId) {
        if let Some(relaying) = self.relaying(machine) {
            relaying.server.handle_expelled(node);
        }
    }

    /// Carries out what the relay wants, which may give the node something to do.
    pub(crate) fn drain_relay(&mut self, machine: MachineId) -> usize {
        let mut count = 0;
        while let Some(output) = self.relaying(machine).and_then(|relaying| relaying.server.poll_output()) {
            count += 1;
            self.carry_out_relay(machine, output);
        }
        count
    }

    fn carry_out_relay(&mut self, machine: MachineId, output: Output) {
        let now = self.clocks(machine);
        let host = &mut self.machines[machine.0];
        let Some(run) = &mut host.run else {
            return;
        };
        let (node, Some(relaying)) = (&mut run.node, &mut run.relay) else {
            return;
        };
        match output {
            Output::Transmit { to, datagram } => self.transmit(machine, to, datagram),
            Output::Judge { token, node: member, source, certificates } => {
                let rights = node.judge(&member, certificates, now);
                relaying.server.handle_verdict(token, Standing::of(rights), now);
                if rights.is_some() {
                    node.handle_registered(member, source, now);
                }
            }
            Output::Forwarding(forwarding) => relaying.forwarding(forwarding),
            Output::Announce(announcement) => node.handle_own_relay(announcement, now),
            Output::Keep(usage) => keep(&mut host.relayed, usage),
            Output::Link { relay } => node.handle_wanted_link(&relay, now),
        }
    }
}

/// The disk keeps the newest of what each member has sent in a month.
fn keep(kept: &mut Vec<Usage>, usage: Vec<Usage>) {
    kept.retain(|old| !usage.iter().any(|new| new.node == old.node && new.month == old.month));
    kept.extend(usage);
}
