use std::collections::{BTreeMap, BTreeSet};

use holloway_wire::Rights;

use super::MachineId;
use super::joining::Newcomer;

/// What must be true, as far as the world's own hands have brought it about.
#[derive(Default)]
pub(crate) struct Model {
    members: BTreeMap<MachineId, Membership>,
    revoked: BTreeSet<MachineId>,
    /// Revocations that were asked for and never acknowledged: told to others perhaps, or lost.
    perhaps_revoked: BTreeSet<MachineId>,
    pub(crate) newcomers: BTreeMap<MachineId, Newcomer>,
    pub(crate) packets: BTreeMap<u64, Sent>,
    pub(crate) delivered: u64,
}

struct Membership {
    issuer: Option<MachineId>,
    rights: Rights,
}

/// One packet that a machine's stack sent.
pub(crate) struct Sent {
    pub(crate) from: MachineId,
    pub(crate) to: MachineId,
    /// Whose address it has as its source.
    pub(crate) claims: MachineId,
    pub(crate) delivered: bool,
}

impl Model {
    /// A machine is a member now; the founder has no issuer.
    pub(crate) fn joined(&mut self, machine: MachineId, by: Option<(MachineId, Rights)>) {
        let (issuer, rights) = by.map_or((None, Rights::ALL), |(issuer, rights)| (Some(issuer), rights));
        self.members.insert(machine, Membership { issuer, rights });
    }

    pub(crate) fn revoked(&mut self, machine: MachineId) {
        self.revoked.insert(machine);
        self.perhaps_revoked.remove(&machine);
    }

    pub(crate) fn revoking(&mut self, machine: MachineId) {
        if !self.revoked.contains(&machine) {
            self.perhaps_revoked.insert(machine);
        }
    }

    /// Revocations of which nobody knows whether they happened.
    pub(crate) fn perhaps_revoked(&self) -> Vec<MachineId> {
        self.perhaps_revoked.iter().copied().collect()
    }

    /// It turned out that a revocation never left its machine.
    pub(crate) fn not_revoked(&mut self, machine: MachineId) {
        self.perhaps_revoked.remove(&machine);
    }

    pub(crate) fn is_member(&self, machine: MachineId) -> bool {
        self.members.contains_key(&machine)
    }

    /// Whether a machine is a member whom nobody has revoked, nor, as far as is known, anyone above it.
    pub(crate) fn stands(&self, machine: MachineId) -> bool {
        self.is_member(machine)
            && std::iter::successors(Some(machine), |at| self.issuer(*at))
                .all(|at| !self.revoked.contains(&at) && !self.perhaps_revoked.contains(&at))
    }

    /// Whether one machine's membership rests on another's.
    pub(crate) fn hangs_on(&self, machine: MachineId, above: MachineId) -> bool {
        std::iter::successors(Some(machine), |at| self.issuer(*at)).any(|at| at == above)
    }

    /// Who let a member in; nobody for the founder.
    pub(crate) fn issuer(&self, machine: MachineId) -> Option<MachineId> {
        self.members.get(&machine)?.issuer
    }

    /// All members that stand.
    pub(crate) fn standing(&self) -> Vec<MachineId> {
        self.members.keys().copied().filter(|machine| self.stands(*machine)).collect()
    }

    /// What a member may do.
    pub(crate) fn rights(&self, machine: MachineId) -> Rights {
        self.members.get(&machine).map_or(Rights::NONE, |member| member.rights)
    }
}
