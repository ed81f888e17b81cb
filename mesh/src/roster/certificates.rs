use std::collections::{BTreeMap, BTreeSet};

use holloway_wire::{MembershipCertificate, NodeId, UnixTime};

/// The certificate of each node, and whom a change of one may concern.
#[derive(Default)]
pub(super) struct Certificates {
    held: BTreeMap<NodeId, MembershipCertificate>,
    /// Whom each issuer has certified.
    issued: BTreeMap<NodeId, BTreeSet<NodeId>>,
    /// When certificates begin or cease to hold, after the last time that was asked for.
    turns: BTreeSet<(UnixTime, NodeId)>,
}

impl Certificates {
    pub(super) fn get(&self, node: &NodeId) -> Option<&MembershipCertificate> {
        self.held.get(node)
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.held.contains_key(node)
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Everyone who has a certificate.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.held.keys()
    }

    /// Holds a certificate in place of its subject's last.
    pub(super) fn put(&mut self, certificate: MembershipCertificate) {
        let (node, issuer) = (*certificate.subject(), certificate.membership().issuer);
        let new_turns = turns(&certificate);
        if let Some(old) = self.held.insert(node, certificate) {
            turns(&old).for_each(|turn| _ = self.turns.remove(&turn));
            if let Some(issued) = self.issued.get_mut(&old.membership().issuer) {
                issued.remove(&node);
            }
        }
        self.turns.extend(new_turns);
        self.issued.entry(issuer).or_default().insert(node);
    }

    /// These nodes, and all whose chain leads through one of them.
    pub(super) fn with_those_below(&self, mut nodes: BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let mut open: Vec<NodeId> = nodes.iter().copied().collect();
        while let Some(issuer) = open.pop() {
            let issued = self.issued.get(&issuer).into_iter().flatten();
            open.extend(issued.filter(|node| nodes.insert(**node)));
        }
        nodes
    }

    /// When a certificate begins or ceases to hold next.
    pub(super) fn next_turn(&self) -> Option<UnixTime> {
        self.turns.first().map(|(at, _)| *at)
    }

    /// Those whose certificates have begun or ceased to hold by now; they are told of once.
    pub(super) fn turned(&mut self, now: UnixTime) -> BTreeSet<NodeId> {
        let mut turned = BTreeSet::new();
        while let Some((_, node)) = self.turns.first().copied().filter(|(at, _)| *at <= now) {
            self.turns.pop_first();
            turned.insert(node);
        }
        turned
    }

    /// The clock was set back: what it has gone past may come again.
    pub(super) fn turn_back(&mut self) {
        self.turns = self.held.values().flat_map(turns).collect();
    }
}

/// When a certificate begins to hold and when it ceases to.
fn turns(certificate: &MembershipCertificate) -> impl Iterator<Item = (UnixTime, NodeId)> + use<> {
    let (node, validity) = (*certificate.subject(), certificate.membership().validity);
    [Some(validity.not_before), validity.not_after].into_iter().flatten().map(move |at| (at, node))
}
