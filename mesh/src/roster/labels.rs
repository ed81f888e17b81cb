use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use holloway_wire::{Label, NodeId};

use super::members::Member;

/// Characters of the key that tell two hosts of one name apart.
const SUFFIX_LEN: usize = 4;

/// Which member goes by which label.
///
/// Where two members claim one label, the shorter chain, then the lower id, keeps it (ARCHITECTURE §5). The others get
/// as many characters of their key as make them unique, in the same order. A label that nobody goes by can be taken
/// without a look at the others, and given back as long as nobody has a suffix; where more than that hangs on a change,
/// all are settled anew, which comes to the same.
#[derive(Default)]
pub(super) struct Labels {
    holders: BTreeMap<Label, NodeId>,
    has_suffixes: bool,
    is_unsettled: bool,
}

impl Labels {
    /// A member goes, or claims something else from now on.
    pub(super) fn release(&mut self, member: &Member) {
        self.holders.remove(&member.label);
        self.is_unsettled |= self.has_suffixes;
    }

    /// A member comes, beside the others; it gets the label that is due to it.
    pub(super) fn take(&mut self, member: &mut Member, others: &BTreeMap<NodeId, Member>) {
        if self.is_unsettled {
            return;
        }
        if let Some(holder) = self.holders.get(&member.claim) {
            let has_better_claim = |holder: &&Member| holder.claim == member.claim && holder.rank() < member.rank();
            let first = suffixed(member).next().filter(|label| !self.holders.contains_key(label));
            let (Some(_), Some(label)) = (others.get(holder).filter(has_better_claim), first) else {
                self.is_unsettled = true;
                return;
            };
            member.label = label;
            self.has_suffixes = true;
        }
        self.holders.insert(member.label.clone(), member.node);
    }

    /// Gives everyone the label that is due to them, where a change concerned more than one.
    pub(super) fn settle(&mut self, members: &mut BTreeMap<NodeId, Member>) {
        if !std::mem::take(&mut self.is_unsettled) {
            return;
        }
        let mut claims: Vec<&Member> = members.values().collect();
        claims.sort_by_key(|member| member.rank());
        self.holders.clear();
        let mut others = Vec::new();
        for member in claims {
            match self.holders.entry(member.claim.clone()) {
                Entry::Vacant(place) => _ = place.insert(member.node),
                Entry::Occupied(_) => others.push(member),
            }
        }
        self.has_suffixes = !others.is_empty();
        let mut due = BTreeMap::new();
        for member in others {
            if let Some(label) = suffixed(member).find(|label| !self.holders.contains_key(label)) {
                self.holders.insert(label.clone(), member.node);
                due.insert(member.node, label);
            }
        }
        for (node, member) in members {
            member.label = due.remove(node).unwrap_or_else(|| member.claim.clone());
        }
    }
}

/// What a member may go by when another has the better claim, best first.
fn suffixed(member: &Member) -> impl Iterator<Item = Label> {
    let key = member.node.to_string();
    (SUFFIX_LEN..key.len()).map(move |length| member.claim.with_suffix(&key[..length]))
}
