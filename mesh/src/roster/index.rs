use std::collections::BTreeMap;

use holloway_wire::{
    Digest, Domain, NodeId, Publication, PublicationId, PublicationKind, PublicationSlot, SYNC_BUCKETS, SYNC_IDS_MAX,
};

/// All publications held, by what they replace and by id: what two members compare when they meet.
#[derive(Default)]
pub(crate) struct PublicationIndex {
    held: BTreeMap<PublicationKind, OfKind>,
    by_id: BTreeMap<PublicationId, PublicationSlot>,
}

/// Publications by whom they are about and, where that distinguishes them, who says so.
type OfKind = BTreeMap<(NodeId, Option<NodeId>), (PublicationId, Publication)>;

impl PublicationIndex {
    pub(crate) fn get(&self, slot: &PublicationSlot) -> Option<&Publication> {
        let (_, publication) = self.held.get(&slot.kind)?.get(&(slot.subject, slot.signer))?;
        Some(publication)
    }

    pub(crate) fn contains(&self, id: &PublicationId) -> bool {
        self.by_id.contains_key(id)
    }

    /// Holds a publication in place of the one in its slot.
    pub(crate) fn put(&mut self, publication: Publication) {
        let (slot, id) = (publication.slot(), publication.id());
        let of_kind = self.held.entry(slot.kind).or_default();
        if let Some((old, _)) = of_kind.insert((slot.subject, slot.signer), (id, publication)) {
            self.by_id.remove(&old);
        }
        self.by_id.insert(id, slot);
    }

    /// The publications of one kind.
    pub(crate) fn of_kind(&self, kind: PublicationKind) -> impl Iterator<Item = &Publication> {
        self.held.get(&kind).into_iter().flatten().map(|(_, (_, publication))| publication)
    }

    /// The publications of one kind about a node, whoever made them.
    pub(crate) fn about(&self, kind: PublicationKind, node: &NodeId) -> impl Iterator<Item = &Publication> {
        let node = *node;
        let held = self.held.get(&kind).into_iter().flat_map(move |of_kind| of_kind.range((node, None)..));
        held.take_while(move |((subject, _), _)| *subject == node).map(|(_, (_, publication))| publication)
    }

    /// One digest for each bucket of ids.
    pub(crate) fn digests(&self) -> Vec<[u8; 8]> {
        let mut buckets: Vec<Vec<u8>> = vec![Vec::new(); SYNC_BUCKETS];
        for id in self.by_id.keys() {
            buckets[bucket(id)].extend_from_slice(&id.0);
        }
        buckets.iter().map(|ids| Digest::of(Domain::SyncBucket, &[ids]).prefix()).collect()
    }

    /// The ids in those buckets where `theirs` differ from ours: as many whole buckets as fit, so that these are equal
    /// next time and others have their turn. Where to begin changes with what they hold, so that a bucket that stays
    /// different keeps none from its turn.
    pub(crate) fn differing(&self, theirs: &[[u8; 8]]) -> Vec<PublicationId> {
        let ours = self.digests();
        let first = theirs.iter().flatten().fold(0, |sum: usize, byte| sum.wrapping_add(usize::from(*byte)));
        let mut differing: BTreeMap<usize, Vec<PublicationId>> = BTreeMap::new();
        for id in self.by_id.keys().filter(|id| theirs.get(bucket(id)) != ours.get(bucket(id))) {
            let turn = (bucket(id) + SYNC_BUCKETS - first % SYNC_BUCKETS) % SYNC_BUCKETS;
            differing.entry(turn).or_default().push(*id);
        }
        let mut ids = Vec::new();
        for bucket in differing.into_values() {
            if !ids.is_empty() && ids.len() + bucket.len() > SYNC_IDS_MAX {
                break;
            }
            ids.extend(bucket);
        }
        ids.truncate(SYNC_IDS_MAX);
        ids
    }

    /// The publications with these ids, certificates first: what the others rest on.
    pub(crate) fn fetch(&self, ids: &[PublicationId]) -> Vec<Publication> {
        let mut slots: Vec<&PublicationSlot> = ids.iter().filter_map(|id| self.by_id.get(id)).collect();
        slots.sort();
        slots.into_iter().filter_map(|slot| self.get(slot)).cloned().collect()
    }
}

fn bucket(id: &PublicationId) -> usize {
    usize::from(id.0[0]) % SYNC_BUCKETS
}
