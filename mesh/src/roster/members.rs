use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use holloway_wire::{
    Digest, Domain, EndpointAnnouncement, Label, MembershipCertificate, NamePublication, NetworkId, NodeId, Now,
    OverlayAddr, Publication, PublicationId, PublicationKind, PublicationSlot, REFUSAL_REVOCATIONS_MAX, Revocation,
    Rights, Signed, StaticPublicKey, UnixTime,
};
use thiserror::Error;

use super::certificates::Certificates;
use super::chain::{ChainError, Judgement, Revoked, Verifier, may_revoke, supersedes};
use super::index::PublicationIndex;
use super::labels::Labels;

/// Members of one network, certificates and all: about 3 KiB each.
const MEMBERS_MAX: usize = 100_000;

/// Revocations of one network.
pub(crate) const REVOCATIONS_MAX: usize = 100_000;

/// Revocations that wait for a certificate without which nobody can tell whether they hold: those of a few minutes,
/// as certificates follow at the next comparison.
const WAITING_MAX: usize = 1024;

/// How far ahead of our clock a publication may be dated (ARCHITECTURE §5 "Times and limits").
const AHEAD_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// A member as the roster knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its identity.
    pub(crate) node: NodeId,
    /// The name it goes by: its certificate's, or that with a suffix where another has the better claim.
    pub(crate) label: Label,
    /// Its overlay address.
    pub(crate) address: OverlayAddr,
    /// Its Noise static key.
    pub(crate) static_key: StaticPublicKey,
    /// What it may do.
    pub(crate) rights: Rights,
    /// Its groups.
    pub(crate) groups: Vec<String>,
    /// The label in its certificate.
    pub(super) claim: Label,
    /// Certificates between it and the root.
    depth: usize,
}

/// What offering a publication came to, when it was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It was news.
    New,
    /// It is held already, or something newer is.
    Known,
}

/// Why a publication was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Rejected {
    #[error("its signature does not hold")]
    Signature,
    #[error("{0}")]
    Chain(ChainError),
    #[error("its author is not a member")]
    NotAMember,
    #[error("it is dated ahead of time")]
    Ahead,
    #[error("there are too many already")]
    Full,
}

/// What changed in the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RosterChange {
    /// A member appeared, or its key changed.
    Joined(NodeId),
    /// A member is no longer one, or may no longer be talked to.
    Left(NodeId),
    /// A member is somewhere else.
    Moved(NodeId),
    /// Names or what they stand for changed.
    Names,
    /// The set of revocations grew.
    Revocations,
    /// A publication is to be kept across restarts.
    Keep(PublicationSlot, Vec<u8>),
}

/// Who is a member of one network.
pub(crate) struct Roster {
    network: NetworkId,
    index: PublicationIndex,
    certificates: Certificates,
    members: BTreeMap<NodeId, Member>,
    labels: Labels,
    revoked: Revoked,
    revocations: usize,
    waiting: BTreeMap<PublicationSlot, Signed<Revocation>>,
    blocked: BTreeSet<NodeId>,
    verifier: Verifier,
    changes: VecDeque<RosterChange>,
    revocation_digest: [u8; 16],
    /// As of when the members were judged.
    judged_at: UnixTime,
    /// Whom statements concern that have come since.
    stale: BTreeSet<NodeId>,
    /// Whether revocations have come since their digest was made.
    is_digest_stale: bool,
}

impl Roster {
    pub(crate) fn new(network: NetworkId) -> Self {
        let mut roster = Self {
            network,
            index: PublicationIndex::default(),
            certificates: Certificates::default(),
            members: BTreeMap::new(),
            labels: Labels::default(),
            revoked: Revoked::default(),
            revocations: 0,
            waiting: BTreeMap::new(),
            blocked: BTreeSet::new(),
            verifier: Verifier::default(),
            changes: VecDeque::new(),
            revocation_digest: [0; 16],
            judged_at: UnixTime::default(),
            stale: BTreeSet::new(),
            is_digest_stale: false,
        };
        roster.revocation_digest = roster.digest_revocations();
        roster
    }

    pub(crate) const fn network(&self) -> &NetworkId {
        &self.network
    }

    pub(crate) fn poll_change(&mut self) -> Option<RosterChange> {
        self.changes.pop_front()
    }

    /// Offers a publication, from wherever it came.
    pub(crate) fn offer(&mut self, publication: &Publication, now: Now) -> Result<Accepted, Rejected> {
        let result = self.take(publication, now);
        self.judge_if_stale(now);
        result
    }

    fn take(&mut self, publication: &Publication, now: Now) -> Result<Accepted, Rejected> {
        if self.index.get(&publication.slot()).is_some_and(|held| !self.is_newer(publication, held, now)) {
            return Ok(Accepted::Known);
        }
        match publication {
            Publication::Certificate(certificate) => self.take_certificate(certificate),
            Publication::Revocation(revocation) => self.take_revocation(revocation),
            Publication::Endpoints(announcement) => self.take_endpoints(announcement, now),
            Publication::Names(names) => self.take_names(names, now),
        }?;
        Ok(Accepted::New)
    }

    /// Holds a publication that was found good.
    fn hold(&mut self, publication: Publication) {
        self.changes.push_back(RosterChange::Keep(publication.slot(), publication.encode()));
        self.index.put(publication);
    }

    /// Offers several that may rest on each other; returns what came of each.
    pub(crate) fn offer_all(
        &mut self,
        publications: Vec<Publication>,
        now: Now,
    ) -> Vec<(Publication, Result<Accepted, Rejected>)> {
        let results = self.take_all(publications, now);
        self.judge_if_stale(now);
        results
    }

    fn take_all(&mut self, publications: Vec<Publication>, now: Now) -> Vec<(Publication, Result<Accepted, Rejected>)> {
        let mut results = Vec::new();
        let mut waiting = publications;
        loop {
            let before = waiting.len();
            let mut still = Vec::new();
            for publication in waiting {
                match self.take(&publication, now) {
                    Err(Rejected::Chain(ChainError::UnknownIssuer) | Rejected::NotAMember) => still.push(publication),
                    result => results.push((publication, result)),
                }
            }
            if still.is_empty() || still.len() == before {
                results.extend(still.into_iter().map(|publication| (publication, Err(Rejected::NotAMember))));
                return results;
            }
            waiting = still;
        }
    }

    fn take_certificate(&mut self, certificate: &MembershipCertificate) -> Result<(), Rejected> {
        let node = *certificate.subject();
        if self.certificates.len() >= MEMBERS_MAX && !self.certificates.contains(&node) {
            return Err(Rejected::Full);
        }
        let parents = |issuer: &NodeId| self.certificates.get(issuer);
        let ever = Judgement { network: &self.network, standing: None };
        self.verifier.verify(certificate, parents, &ever).map_err(Rejected::Chain)?;
        self.certificates.put(certificate.clone());
        self.hold(Publication::Certificate(certificate.clone()));
        self.stale.insert(node);
        let concerns =
            |revocation: &Signed<Revocation>| revocation.value().revoker == node || revocation.value().subject == node;
        let due: Vec<_> = self.waiting.extract_if(.., |_, revocation| concerns(revocation)).collect();
        for (_, revocation) in due {
            // It waits on, or is refused now that it can be told.
            let _ = self.take_revocation(&revocation);
        }
        Ok(())
    }

    fn take_revocation(&mut self, revocation: &Signed<Revocation>) -> Result<(), Rejected> {
        if self.revocations >= REVOCATIONS_MAX {
            return Err(Rejected::Full);
        }
        if !revocation.verify(&self.network) {
            return Err(Rejected::Signature);
        }
        let certificates = &self.certificates;
        let may = may_revoke(&mut self.verifier, &self.network, revocation, |node| certificates.get(node));
        if may == Err(ChainError::UnknownIssuer) {
            self.let_wait(revocation);
        }
        may.map_err(Rejected::Chain)?;
        self.revoked.add(revocation.value());
        self.revocations += 1;
        self.hold(Publication::Revocation(revocation.clone()));
        self.is_digest_stale = true;
        self.stale.insert(revocation.value().subject);
        Ok(())
    }

    /// Remembers a revocation that came before the certificates that it rests on.
    fn let_wait(&mut self, revocation: &Signed<Revocation>) {
        if self.waiting.len() < WAITING_MAX {
            let slot = Publication::Revocation(revocation.clone()).slot();
            self.waiting.insert(slot, revocation.clone());
        }
    }

    fn take_endpoints(&mut self, announcement: &Signed<EndpointAnnouncement>, now: Now) -> Result<(), Rejected> {
        let node = announcement.value().node;
        self.check_author(&node, UnixTime::from_nanos(announcement.value().sequence), now)?;
        if !announcement.verify(&self.network) {
            return Err(Rejected::Signature);
        }
        self.hold(Publication::Endpoints(announcement.clone()));
        self.changes.push_back(RosterChange::Moved(node));
        Ok(())
    }

    fn take_names(&mut self, names: &Signed<NamePublication>, now: Now) -> Result<(), Rejected> {
        let node = names.value().node;
        self.check_author(&node, UnixTime::from_nanos(names.value().sequence), now)?;
        if !names.verify(&self.network) {
            return Err(Rejected::Signature);
        }
        self.hold(Publication::Names(names.clone()));
        self.changes.push_back(RosterChange::Names);
        Ok(())
    }

    fn check_author(&self, node: &NodeId, dated: UnixTime, now: Now) -> Result<(), Rejected> {
        if !self.certificates.contains(node) || self.revoked.contains(node) {
            return Err(Rejected::NotAMember);
        }
        if is_ahead(dated, now) {
            return Err(Rejected::Ahead);
        }
        Ok(())
    }

    /// Whether one publication replaces another of its slot. One that is dated ahead of time, which we took when our
    /// own clock was wrong, replaces nothing.
    fn is_newer(&self, new: &Publication, held: &Publication, now: Now) -> bool {
        let dated = |sequence| UnixTime::from_nanos(sequence);
        match (new, held) {
            (Publication::Certificate(new), Publication::Certificate(held)) => self.supersedes(new, held),
            (Publication::Endpoints(new), Publication::Endpoints(held)) => {
                let is_greater = (new.value().sequence, new.bytes()) > (held.value().sequence, held.bytes());
                is_greater || is_ahead(dated(held.value().sequence), now)
            }
            (Publication::Names(new), Publication::Names(held)) => {
                let is_greater = (new.value().sequence, new.bytes()) > (held.value().sequence, held.bytes());
                is_greater || is_ahead(dated(held.value().sequence), now)
            }
            (Publication::Revocation(_), Publication::Revocation(_)) => false,
            _ => unreachable!("a slot holds one kind"),
        }
    }

    fn supersedes(&self, new: &MembershipCertificate, held: &MembershipCertificate) -> bool {
        supersedes(new, held, |issuer| self.certificates.get(issuer), &self.network)
    }

    /// Whether a member is known to have another static key by now than this certificate says.
    pub(crate) fn has_superseded(&self, shown: &MembershipCertificate) -> bool {
        self.certificates
            .get(shown.subject())
            .is_some_and(|held| held.static_key() != shown.static_key() && !self.supersedes(shown, held))
    }

    /// Forgets to have kept what is kept already.
    pub(crate) fn skip_kept(&mut self, kept: &BTreeMap<PublicationSlot, Vec<u8>>) {
        self.changes
            .retain(|change| !matches!(change, RosterChange::Keep(slot, bytes) if kept.get(slot) == Some(bytes)));
    }

    fn judge_if_stale(&mut self, now: Now) {
        if std::mem::take(&mut self.is_digest_stale) {
            self.revocation_digest = self.digest_revocations();
            self.changes.push_back(RosterChange::Revocations);
        }
        if !self.stale.is_empty() {
            self.judge(now);
        }
    }

    /// Judges anew whom something concerns that has come or changed with time, and says what changed. A membership
    /// rests on the statements about its node and those above it, so nobody else's can be another now.
    fn judge(&mut self, now: Now) {
        let mut stale = std::mem::take(&mut self.stale);
        if now.unix < self.judged_at {
            self.certificates.turn_back();
            stale.extend(self.certificates.nodes());
        }
        stale.append(&mut self.certificates.turned(now.unix));
        self.judged_at = now.unix;
        let mut before = BTreeMap::new();
        for node in self.certificates.with_those_below(stale) {
            let member = self.judged(&node);
            before.insert(node, self.replace(&node, member));
        }
        self.labels.settle(&mut self.members);
        self.report(&before);
    }

    /// A node as a member, by its own label, if it is one.
    fn judged(&mut self, node: &NodeId) -> Option<Member> {
        let certificate = self.certificates.get(node)?;
        let parents = |issuer: &NodeId| self.certificates.get(issuer);
        let judgement = Judgement { network: &self.network, standing: Some((&self.revoked, self.judged_at)) };
        let depth = self.verifier.verify(certificate, parents, &judgement).ok()?;
        Some(Member::of(certificate, &self.network, depth))
    }

    /// Puts what a node is now in place of what it was, and returns that.
    fn replace(&mut self, node: &NodeId, new: Option<Member>) -> Option<Member> {
        let old = self.members.remove(node);
        if let Some(mut new) = new {
            match &old {
                Some(old) if (&old.claim, old.depth) == (&new.claim, new.depth) => new.label = old.label.clone(),
                old => {
                    old.iter().for_each(|old| self.labels.release(old));
                    self.labels.take(&mut new, &self.members);
                }
            }
            self.members.insert(*node, new);
        } else if let Some(old) = &old {
            self.labels.release(old);
        }
        old
    }

    /// Says what became of nodes that were this before. Others may have been renamed, but only if one of these was.
    fn report(&mut self, before: &BTreeMap<NodeId, Option<Member>>) {
        let mut joined = Vec::new();
        let mut has_changed = false;
        for (node, old) in before {
            let new = self.members.get(node);
            has_changed |= old.as_ref() != new;
            match (old, new) {
                (Some(_), None) => self.changes.push_back(RosterChange::Left(*node)),
                (Some(old), Some(new)) if old.static_key == new.static_key => {}
                (_, Some(_)) => joined.push(RosterChange::Joined(*node)),
                (None, None) => {}
            }
        }
        self.changes.extend(joined);
        if has_changed {
            self.changes.push_back(RosterChange::Names);
        }
    }

    /// When a membership begins or ends next.
    pub(crate) fn next_expiry(&self) -> Option<UnixTime> {
        self.certificates.next_turn()
    }

    /// Judges anew when a membership has begun or ended, or the clock was set back.
    pub(crate) fn handle_time(&mut self, now: Now) {
        if now.unix < self.judged_at || self.next_expiry().is_some_and(|at| at <= now.unix) {
            self.judge(now);
        }
    }

    /// Whether a chain shown by a stranger makes its leaf a member now. Parents may be among what is shown or known.
    pub(crate) fn check_chain(&mut self, chain: &[MembershipCertificate], now: Now) -> Result<(), ChainError> {
        self.judge_chain(chain, Some(now.unix)).map(|_| ())
    }

    /// What has been revoked of a chain that a stranger shows, if it ever made its leaf a member.
    pub(crate) fn revocations_of(&mut self, chain: &[MembershipCertificate]) -> Vec<Signed<Revocation>> {
        let path = self.judge_chain(chain, None).unwrap_or_default();
        self.revocations_about(&path)
    }

    /// Judges a chain as of a time, or as if nobody had been revoked; returns the nodes that it leads through, from the
    /// leaf on.
    fn judge_chain(
        &mut self,
        chain: &[MembershipCertificate],
        at: Option<UnixTime>,
    ) -> Result<Vec<NodeId>, ChainError> {
        let (leaf, above) = chain.split_first().ok_or(ChainError::UnknownIssuer)?;
        let (held, network) = (&self.certificates, &self.network);
        let parents = |issuer: &NodeId| {
            let shown = above.iter().find(|certificate| certificate.subject() == issuer);
            let is_newer = |shown, known| supersedes(shown, known, |issuer| held.get(issuer), network);
            match (shown, held.get(issuer)) {
                (Some(shown), Some(known)) if is_newer(shown, known) => Some(shown),
                (shown, known) => known.or(shown),
            }
        };
        let judgement = Judgement { network: &self.network, standing: at.map(|at| (&self.revoked, at)) };
        let path = self.verifier.verify_path(leaf, parents, &judgement)?;
        Ok(path.into_iter().map(|certificate| *certificate.subject()).collect())
    }

    /// Blocks or unblocks a key on this machine.
    pub(crate) fn set_blocked(&mut self, node: NodeId, blocked: bool) {
        let changed = if blocked { self.blocked.insert(node) } else { self.blocked.remove(&node) };
        if changed && self.members.contains_key(&node) {
            self.changes.push_back(if blocked { RosterChange::Left(node) } else { RosterChange::Joined(node) });
        }
    }

    pub(crate) fn is_blocked(&self, node: &NodeId) -> bool {
        self.blocked.contains(node)
    }

    pub(crate) fn is_revoked(&self, node: &NodeId) -> bool {
        self.revoked.contains(node)
    }

    pub(crate) fn blocked(&self) -> impl Iterator<Item = &NodeId> {
        self.blocked.iter()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// A member that may be talked to.
    pub(crate) fn member(&self, node: &NodeId) -> Option<&Member> {
        self.members.get(node)
    }

    pub(crate) fn certificate(&self, node: &NodeId) -> Option<&MembershipCertificate> {
        self.certificates.get(node)
    }

    /// The certificates from a member's up to the root's.
    pub(crate) fn chain(&self, node: &NodeId) -> Vec<MembershipCertificate> {
        let next = |certificate: &&MembershipCertificate| self.certificates.get(&certificate.membership().issuer);
        std::iter::successors(self.certificates.get(node), next)
            .take(holloway_wire::CHAIN_LENGTH_MAX)
            .cloned()
            .collect()
    }

    /// Finds a member by label, full name, overlay address or id. `network_label` is the network's name here: a full name
    /// under another network's, or under a member's own, is nobody's.
    pub(crate) fn find(&self, text: &str, network_label: &Label) -> Option<&Member> {
        let text = text.trim_end_matches('.').to_ascii_lowercase();
        let label = match text.strip_suffix(".alt").map(|name| name.split_once('.')) {
            Some(Some((label, network)))
                if network == network_label.as_str() || network == self.network.to_string() =>
            {
                label
            }
            Some(_) => return None,
            None => &text,
        };
        let address = text.parse::<IpAddr>().ok();
        self.members.values().find(|member| {
            member.label.as_str() == label
                || address == Some(IpAddr::V6(member.address.ip()))
                || member.node.to_string() == text
        })
    }

    /// Whether a label is free, for a node that may have it already or for one that nobody knows yet.
    pub(crate) fn is_label_free(&self, label: &Label, node: Option<&NodeId>) -> bool {
        self.members
            .values()
            .all(|member| Some(&member.node) == node || (member.label != *label && member.claim != *label))
    }

    /// A digest over all revocations: equal on two nodes exactly when their sets are.
    pub(crate) const fn revocation_digest(&self) -> [u8; 16] {
        self.revocation_digest
    }

    fn digest_revocations(&self) -> [u8; 16] {
        digest_of_revocations(&self.index.of_kind(PublicationKind::Revocation).map(Publication::id).collect())
    }

    /// All revocations.
    pub(crate) fn revocations(&self) -> impl Iterator<Item = &Signed<Revocation>> {
        self.index.of_kind(PublicationKind::Revocation).filter_map(|publication| match publication {
            Publication::Revocation(revocation) => Some(revocation),
            Publication::Certificate(_) | Publication::Endpoints(_) | Publication::Names(_) => None,
        })
    }

    /// The revocations of a node and of those above it.
    pub(crate) fn revocations_above(&self, node: &NodeId) -> Vec<Signed<Revocation>> {
        let path: Vec<NodeId> = self.chain(node).iter().map(|certificate| *certificate.subject()).collect();
        self.revocations_about(&path)
    }

    /// Whether a node is one whose revocations we can weigh at once.
    pub(crate) fn knows(&self, revoker: &NodeId) -> bool {
        self.certificates.contains(revoker) || NetworkId::of_root(revoker) == self.network
    }

    fn revocations_about(&self, nodes: &[NodeId]) -> Vec<Signed<Revocation>> {
        let against = nodes.iter().flat_map(|node| self.index.about(PublicationKind::Revocation, node));
        let revocations = against.filter_map(|publication| match publication {
            Publication::Revocation(revocation) => Some(revocation.clone()),
            Publication::Certificate(_) | Publication::Endpoints(_) | Publication::Names(_) => None,
        });
        revocations.take(REFUSAL_REVOCATIONS_MAX).collect()
    }

    /// Those who have said where they are, members or no longer.
    pub(crate) fn announced(&self) -> impl Iterator<Item = &NodeId> {
        self.index.of_kind(PublicationKind::Endpoints).map(Publication::subject)
    }

    /// Where a member says it is.
    pub(crate) fn endpoints(&self, node: &NodeId) -> Option<&EndpointAnnouncement> {
        self.announcement(node).map(Signed::value)
    }

    /// Where a member says it is, with the proof.
    pub(crate) fn announcement(&self, node: &NodeId) -> Option<&Signed<EndpointAnnouncement>> {
        let slot = PublicationSlot { kind: PublicationKind::Endpoints, subject: *node, signer: None };
        match self.index.get(&slot)? {
            Publication::Endpoints(announcement) => Some(announcement),
            Publication::Certificate(_) | Publication::Revocation(_) | Publication::Names(_) => None,
        }
    }

    /// What a member publishes under its name.
    pub(crate) fn names(&self, node: &NodeId) -> Option<&NamePublication> {
        let slot = PublicationSlot { kind: PublicationKind::Names, subject: *node, signer: None };
        match self.index.get(&slot)? {
            Publication::Names(names) => Some(names.value()),
            Publication::Certificate(_) | Publication::Revocation(_) | Publication::Endpoints(_) => None,
        }
    }

    /// The publications held, for comparing with another member's.
    pub(crate) const fn index(&self) -> &PublicationIndex {
        &self.index
    }
}

impl Member {
    fn of(certificate: &MembershipCertificate, network: &NetworkId, depth: usize) -> Self {
        let membership = certificate.membership();
        Self {
            node: membership.subject,
            label: membership.label.clone(),
            address: OverlayAddr::of_node(network, &membership.subject),
            static_key: *certificate.static_key(),
            rights: membership.rights,
            groups: membership.groups.clone(),
            claim: membership.label.clone(),
            depth,
        }
    }

    /// How good its claim to a label is: the least wins.
    pub(super) const fn rank(&self) -> (usize, NodeId) {
        (self.depth, self.node)
    }
}

/// The digest over a set of revocations.
pub(crate) fn digest_of_revocations(ids: &BTreeSet<PublicationId>) -> [u8; 16] {
    let bytes: Vec<&[u8]> = ids.iter().map(|id| id.0.as_slice()).collect();
    Digest::of(Domain::RevocationSet, &bytes).prefix()
}

fn is_ahead(dated: UnixTime, now: Now) -> bool {
    dated > now.unix + AHEAD_MAX
}

#[cfg(test)]
#[path = "../../tests/unit/roster.rs"]
mod tests;
