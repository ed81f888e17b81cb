use std::collections::{BTreeMap, BTreeSet, VecDeque};

use holloway_mesh::{Invite, RecordId, Stored, Write};
use holloway_wire::{InviteId, NodeId, Publication, PublicationKind, PublicationSlot};

/// What one machine keeps: writes take effect in order, each all or nothing, some time after they were asked for.
#[derive(Default)]
pub(crate) struct Disk {
    invites: BTreeMap<InviteId, Invite>,
    publications: BTreeMap<PublicationSlot, Vec<u8>>,
    blocked: BTreeSet<NodeId>,
    waiting: VecDeque<(RecordId, Vec<Write>)>,
}

impl Disk {
    /// Takes a write in.
    pub(crate) fn submit(&mut self, id: RecordId, writes: Vec<Write>) {
        self.waiting.push_back((id, writes));
    }

    /// Makes the oldest waiting write durable and names it.
    pub(crate) fn complete(&mut self) -> Option<RecordId> {
        let (id, writes) = self.waiting.pop_front()?;
        writes.into_iter().for_each(|write| self.apply(write));
        Some(id)
    }

    /// How many writes have not been acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The program died: of what was not acknowledged, the first `kept` writes are there, the others are not.
    pub(crate) fn crash(&mut self, kept: usize) {
        for _ in 0..kept {
            self.complete();
        }
        self.waiting.clear();
    }

    fn apply(&mut self, write: Write) {
        match write {
            Write::Invite(invite) => {
                self.invites.insert(invite.id, invite);
            }
            Write::Publication(slot, bytes) => {
                self.publications.insert(slot, bytes);
            }
            Write::Block(node) => {
                self.blocked.insert(node);
            }
            Write::Unblock(node) => {
                self.blocked.remove(&node);
            }
        }
    }

    /// Whether it is durable where a node says that it is.
    pub(crate) fn has_endpoints_of(&self, node: &NodeId) -> bool {
        let slot = PublicationSlot { kind: PublicationKind::Endpoints, subject: *node, signer: None };
        self.publications.contains_key(&slot)
    }

    /// What a start finds.
    pub(crate) fn load(&self) -> Stored {
        let publications = self.publications.values();
        Stored {
            invites: self.invites.values().cloned().collect(),
            publications: publications
                .map(|bytes| Publication::decode(bytes).expect("a node writes publications that can be read"))
                .collect(),
            blocked: self.blocked.iter().copied().collect(),
        }
    }
}
