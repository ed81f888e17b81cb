use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holloway_mesh::{Invite, InviteState, Snapshot};
use holloway_wire::{ENDPOINTS_MAX, NameRecord, NodeId};
use rand::RngExt;

use super::model::Sent;
use super::{MachineId, Violation, World, packet};

/// Sessions of one peer that are open at once: the current one and eight replaced, and the one that takes over.
const SESSIONS_PER_PEER_MAX: usize = 10;

/// An application tries so often, once a second, before it says that there is no network.
const TRIES: u32 = 15;

impl World {
    /// A machine's stack sends a packet to another's. Returns its number.
    pub(crate) fn send(&mut self, from: MachineId, to: MachineId) -> u64 {
        self.send_as(from, to, from)
    }

    /// The same with another's source address, which must not arrive.
    pub(crate) fn send_as(&mut self, from: MachineId, to: MachineId, claims: MachineId) -> u64 {
        self.named += 1;
        let number = self.named;
        let bytes = packet::inner(number, self.machines[claims.0].address, self.machines[to.0].address);
        self.model.packets.insert(number, Sent { from, to, claims, delivered: false });
        self.tun(from, bytes);
        number
    }

    /// A node hands a packet to its machine's stack.
    pub(crate) fn delivered(&mut self, machine: MachineId, bytes: &[u8]) {
        if let Err(what) = self.weigh_delivery(machine, bytes) {
            self.violated(what);
        }
    }

    fn weigh_delivery(&mut self, machine: MachineId, bytes: &[u8]) -> Result<(), String> {
        let number = packet::number(bytes).ok_or_else(|| format!("{machine} got a packet that nobody sent"))?;
        self.trace.number(number);
        let sent = self.model.packets.get_mut(&number).ok_or_else(|| format!("{machine} got packet {number}?"))?;
        let Sent { from, to, claims, .. } = *sent;
        let again = std::mem::replace(&mut sent.delivered, true);
        self.model.delivered += 1;
        let told = format!("{machine} got packet {number} from {from} to {to}");
        if again {
            return Err(format!("{told} twice"));
        }
        if to != machine {
            return Err(format!("{told}, which is not for it"));
        }
        if claims != from {
            return Err(format!("{told} with the address of {claims}"));
        }
        if bytes != packet::inner(number, self.machines[from.0].address, self.machines[to.0].address) {
            return Err(format!("{told}, changed"));
        }
        let id = self.id(from);
        let is_welcome = self.machines[machine.0].run.as_ref().is_some_and(|run| run.welcome.contains(&id));
        if is_welcome { Ok(()) } else { Err(format!("{told}, whom it does not talk to")) }
    }

    /// What a machine acknowledged must be there after a start.
    pub(crate) fn check_kept(&mut self, machine: MachineId, invites: &[Invite]) {
        let Some(snapshot) = self.snapshot(machine) else {
            return;
        };
        if let Err(what) = self.weigh_kept(machine, invites, &snapshot) {
            self.violated(format!("{machine} lost {what}"));
        }
    }

    fn weigh_kept(&self, machine: MachineId, invites: &[Invite], snapshot: &Snapshot) -> Result<(), String> {
        let promised = &self.machines[machine.0].promised;
        let known: BTreeMap<_, _> = invites.iter().map(|invite| (invite.id, invite.state)).collect();
        if let Some(lost) = promised.invites.iter().find(|id| !known.contains_key(id)) {
            return Err(format!("invite {lost}"));
        }
        let is_spent = |state: Option<&InviteState>| matches!(state, Some(InviteState::Spent(_)));
        if let Some(lost) = promised.spent.iter().find(|id| !is_spent(known.get(id))) {
            return Err(format!("the spending of invite {lost}"));
        }
        let peers: BTreeSet<NodeId> = snapshot.peers.iter().map(|peer| peer.node).collect();
        if let Some(back) = promised.revoked.iter().find(|node| peers.contains(node)) {
            return Err(format!("the revocation of {}", back.short()));
        }
        let stands = |node: &NodeId| self.machine_of(node).is_some_and(|machine| self.model.stands(machine));
        let lost = promised.members.iter().find(|node| !peers.contains(node) && stands(node));
        if let (Some(lost), true) = (lost, self.model.stands(machine)) {
            return Err(format!("member {}", lost.short()));
        }
        let blocked: BTreeSet<NodeId> = snapshot.blocked.iter().copied().collect();
        let differs =
            |(node, wanted): &(&NodeId, &Option<bool>)| wanted.is_some_and(|wanted| wanted != blocked.contains(*node));
        if let Some((node, _)) = promised.blocked.iter().find(differs) {
            return Err(format!("its decision on blocking {}", node.short()));
        }
        let own = own_names(snapshot);
        match promised.names.iter().find(|record| !own.contains(record)) {
            Some(lost) => Err(format!("its name {}", lost.name)),
            None => Ok(()),
        }
    }

    pub(crate) fn snapshot(&mut self, machine: MachineId) -> Option<Snapshot> {
        let now = self.clocks(machine);
        self.machines[machine.0].run.as_ref().map(|run| run.node.snapshot(now))
    }

    /// After a calm, all members that stand know the same.
    ///
    /// # Errors
    /// The first [`Violation`].
    pub fn check_agreement(&mut self) -> Result<(), Violation> {
        let snapshots = self.standing_snapshots();
        self.resolve_revocations(&snapshots);
        let snapshots = self.standing_snapshots();
        let standing: BTreeSet<NodeId> = snapshots.keys().map(|machine| self.id(*machine)).collect();
        let mut known: Option<(MachineId, &Snapshot)> = None;
        for (machine, snapshot) in &snapshots {
            let agreed = self
                .weigh_members(&standing, snapshot)
                .and_then(|()| known.map_or(Ok(()), |(other, known)| weigh_equal(other, known, snapshot)))
                .and_then(|()| self.weigh_bounds(*machine, snapshot));
            if let Err(what) = agreed {
                self.violated(format!("{machine} {what}"));
            }
            known.get_or_insert((*machine, snapshot));
        }
        for machine in snapshots.keys() {
            self.command(*machine, holloway_mesh::Command::Invites, super::program::Asked::Ledger);
        }
        self.check_violation()
    }

    fn standing_snapshots(&mut self) -> BTreeMap<MachineId, Snapshot> {
        let standing = self.model.standing();
        standing.into_iter().filter_map(|machine| Some((machine, self.snapshot(machine)?))).collect()
    }

    /// A revocation that was never acknowledged has happened when anyone knows it; then all must.
    fn resolve_revocations(&mut self, snapshots: &BTreeMap<MachineId, Snapshot>) {
        for machine in self.model.perhaps_revoked() {
            let id = self.id(machine);
            let is_known = |snapshot: &Snapshot| snapshot.peers.iter().any(|peer| peer.node == id);
            if snapshots.values().all(is_known) {
                self.model.not_revoked(machine);
            } else {
                self.model.revoked(machine);
            }
        }
    }

    fn weigh_members(&self, standing: &BTreeSet<NodeId>, snapshot: &Snapshot) -> Result<(), String> {
        let mut members: BTreeSet<NodeId> = snapshot.peers.iter().map(|peer| peer.node).collect();
        members.insert(snapshot.node);
        let missing: Vec<_> = standing.difference(&members).filter_map(|node| self.machine_of(node)).collect();
        if !missing.is_empty() {
            return Err(format!("does not know {missing:?}"));
        }
        match members.difference(standing).next() {
            Some(surplus) => Err(format!("still knows {:?}", self.machine_of(surplus))),
            None => Ok(()),
        }
    }

    /// What must not grow.
    fn weigh_bounds(&self, machine: MachineId, snapshot: &Snapshot) -> Result<(), String> {
        if let Some(peer) = snapshot.peers.iter().find(|peer| peer.candidates.len() > ENDPOINTS_MAX) {
            return Err(format!("keeps {} candidates for {}", peer.candidates.len(), peer.label));
        }
        let Some(run) = &self.machines[machine.0].run else {
            return Ok(());
        };
        let mut counts: BTreeMap<NodeId, usize> = BTreeMap::new();
        for owner in run.installed.values() {
            *counts.entry(*owner).or_default() += 1;
        }
        match counts.iter().find(|(_, count)| **count > SESSIONS_PER_PEER_MAX) {
            Some((node, count)) => Err(format!("has {count} sessions with {}", node.short())),
            None => Ok(()),
        }
    }

    /// Everyone who must reach whom does, out of these pairs; and who must not does not.
    pub(crate) fn check_reach(&mut self, pairs: &[(MachineId, MachineId)]) -> Result<(), Violation> {
        let (cut, mut open): (Vec<_>, Vec<_>) = pairs.iter().copied().partition(|(a, b)| self.is_blocked(*a, *b));
        let forbidden: Vec<u64> = cut.iter().map(|(from, to)| self.send(*from, *to)).collect();
        let mut sent: BTreeMap<(MachineId, MachineId), Vec<u64>> = BTreeMap::new();
        for _ in 0..TRIES {
            for (from, to) in &open {
                let number = self.send(*from, *to);
                sent.entry((*from, *to)).or_default().push(number);
                if self.rng.random_bool(0.1) {
                    self.advance(Duration::from_millis(5))?;
                }
            }
            self.advance(Duration::from_secs(1))?;
            let has_arrived = |number: &u64| self.model.packets.get(number).is_some_and(|sent| sent.delivered);
            open.retain(|pair| !sent.get(pair).is_some_and(|numbers| numbers.iter().any(has_arrived)));
            if open.is_empty() {
                break;
            }
        }
        if let Some(number) = forbidden.iter().find(|number| self.model.packets[number].delivered) {
            self.violated(format!("packet {number} passed a block"));
        }
        if let Some((from, to)) = open.first().copied() {
            let told = self.explain(from, to);
            self.violated(format!("{from} does not reach {to}, nor do {} other pairs; {told}", open.len() - 1));
        }
        self.check_violation()
    }

    fn is_blocked(&mut self, one: MachineId, other: MachineId) -> bool {
        [(one, other), (other, one)].into_iter().any(|(by, whom)| {
            let whom = self.id(whom);
            self.snapshot(by).is_some_and(|snapshot| snapshot.blocked.contains(&whom))
        })
    }

    /// What each side of a pair thinks of the other.
    fn explain(&mut self, one: MachineId, other: MachineId) -> String {
        let mut told = String::new();
        for (side, peer) in [(one, other), (other, one)] {
            let id = self.id(peer);
            let Some(snapshot) = self.snapshot(side) else {
                return format!("{side} does not run");
            };
            let seen = snapshot.peers.iter().find(|known| known.node == id).map(|known| {
                let candidates: Vec<_> = known.candidates.iter().map(|(at, c)| (at, c.result)).collect();
                format!(
                    "session {:?}, handshaking {}, endpoint {:?}, candidates {candidates:?}",
                    known.session, known.is_handshaking, known.endpoint
                )
            });
            let neighbours: Vec<String> =
                snapshot.neighbours.iter().filter_map(|node| self.machine_of(node)).map(|m| m.to_string()).collect();
            let (degree, public) = (self.control.degree(side), self.underlay.is_public(side));
            told += &format!(
                "\n  {side} (public {public}, {degree} links, neighbours {neighbours:?}, drops {:?}) sees {seen:?}",
                snapshot.drops.iter().collect::<Vec<_>>()
            );
        }
        told
    }
}

fn own_names(snapshot: &Snapshot) -> Vec<NameRecord> {
    let own = snapshot.names.iter().find(|(node, _)| *node == snapshot.node);
    own.map(|(_, records)| records.clone()).unwrap_or_default()
}

fn weigh_equal(other: MachineId, known: &Snapshot, snapshot: &Snapshot) -> Result<(), String> {
    if known.revocations != snapshot.revocations {
        return Err(format!("knows {} revocations, {other} {}", snapshot.revocations, known.revocations));
    }
    if known.names != snapshot.names {
        return Err(format!("knows other names than {other}"));
    }
    let labels = |snapshot: &Snapshot| {
        let peers = snapshot.peers.iter().map(|peer| (peer.node, peer.label.clone()));
        peers.chain([(snapshot.node, snapshot.label.clone())]).collect::<BTreeMap<_, _>>()
    };
    if labels(known) != labels(snapshot) {
        return Err(format!("calls members otherwise than {other}"));
    }
    Ok(())
}
