use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use holloway_wire::{
    Digest, Domain, EndpointAnnouncement, Label, MembershipCertificate, NamePublication, NetworkId, NodeId, Now,
    OverlayAddr, Publication, PublicationId, PublicationKind, PublicationSlot, REFUSAL_REVOCATIONS_MAX, Revocation,
    Rights, Signed, StaticPublicKey, UnixTime,
};
use thiserror::Error;

use super::chain::{ChainError, Judgement, Revoked, Verifier, may_revoke, supersedes};
use super::index::PublicationIndex;

/// Members of one network, certificates and all: about 3 KiB each.
const MEMBERS_MAX: usize = 100_000;

/// Revocations of one network.
pub(crate) const REVOCATIONS_MAX: usize = 100_000;

/// Revocations that wait for a certificate without which nobody can tell whether they hold: those of a few minutes,
/// as certificates follow at the next comparison.
const WAITING_MAX: usize = 1024;

/// How far ahead of our clock a publication may be dated (ARCHITECTURE §5 "Times and limits").
const AHEAD_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// Characters of the key that tell two hosts of one name apart.
const SUFFIX_LEN: usize = 4;

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
    certificates: BTreeMap<NodeId, MembershipCertificate>,
    members: BTreeMap<NodeId, Member>,
    revoked: Revoked,
    revocations: usize,
    waiting: BTreeMap<PublicationSlot, Signed<Revocation>>,
    blocked: BTreeSet<NodeId>,
    verifier: Verifier,
    changes: VecDeque<RosterChange>,
    revocation_digest: [u8; 16],
    next_expiry: Option<UnixTime>,
    /// Whether statements have come since the members were judged.
    is_stale: bool,
    /// Whether revocations have come since their digest was made.
    is_digest_stale: bool,
}

impl Roster {
    pub(crate) fn new(network: NetworkId) -> Self {
        let mut roster = Self {
            network,
            index: PublicationIndex::default(),
            certificates: BTreeMap::new(),
            members: BTreeMap::new(),
            revoked: Revoked::default(),
            revocations: 0,
            waiting: BTreeMap::new(),
            blocked: BTreeSet::new(),
            verifier: Verifier::default(),
            changes: VecDeque::new(),
            revocation_digest: [0; 16],
            next_expiry: None,
            is_stale: false,
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
        if self.certificates.len() >= MEMBERS_MAX && !self.certificates.contains_key(&node) {
            return Err(Rejected::Full);
        }
        let parents = |issuer: &NodeId| self.certificates.get(issuer);
        let ever = Judgement { network: &self.network, standing: None };
        self.verifier.verify(certificate, parents, &ever).map_err(Rejected::Chain)?;
        self.certificates.insert(node, certificate.clone());
        self.hold(Publication::Certificate(certificate.clone()));
        self.is_stale = true;
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
        self.is_stale = true;
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
        if !self.certificates.contains_key(node) || self.revoked.contains(node) {
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
        if std::mem::take(&mut self.is_stale) {
            self.judge(now);
        }
    }

    /// Judges every certificate anew and says what changed.
    fn judge(&mut self, now: Now) {
        let mut members = BTreeMap::new();
        self.next_expiry = None;
        for (node, certificate) in &self.certificates {
            let parents = |issuer: &NodeId| self.certificates.get(issuer);
            let judgement = Judgement { network: &self.network, standing: Some((&self.revoked, now.unix)) };
            let validity = certificate.membership().validity;
            let turns = [Some(validity.not_before), validity.not_after];
            let ahead = turns.into_iter().flatten().filter(|at| *at > now.unix);
            self.next_expiry = self.next_expiry.into_iter().chain(ahead).min();
            if let Ok(depth) = self.verifier.verify(certificate, parents, &judgement) {
                members.insert(*node, Member::of(certificate, &self.network, depth));
            }
        }
        settle_labels(&mut members);
        let before = std::mem::replace(&mut self.members, members);
        self.report(&before);
    }

    fn report(&mut self, before: &BTreeMap<NodeId, Member>) {
        for node in before.keys().filter(|node| !self.members.contains_key(node)) {
            self.changes.push_back(RosterChange::Left(*node));
        }
        for (node, member) in &self.members {
            if before.get(node).is_none_or(|known| known.static_key != member.static_key) {
                self.changes.push_back(RosterChange::Joined(*node));
            }
        }
        if *before != self.members {
            self.changes.push_back(RosterChange::Names);
        }
    }

    /// When a membership begins or ends next.
    pub(crate) const fn next_expiry(&self) -> Option<UnixTime> {
        self.next_expiry
    }

    /// Judges anew when a membership has begun or ended.
    pub(crate) fn handle_time(&mut self, now: Now) {
        if self.next_expiry.is_some_and(|at| at <= now.unix) {
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
        self.members.values().all(|member| {
            Some(&member.node) == node
                || (member.label != *label
                    && self.certificates.get(&member.node).is_none_or(|own| own.membership().label != *label))
        })
    }

    /// A digest over all revocations: equal on two nodes exactly when their sets are.
    pub(crate) const fn revocation_digest(&self) -> [u8; 16] {
        self.revocation_digest
    }

    fn digest_revocations(&self) -> [u8; 16] {
        digest_of_revocations(&self.publications(PublicationKind::Revocation).map(Publication::id).collect())
    }

    /// All revocations.
    pub(crate) fn revocations(&self) -> impl Iterator<Item = &Signed<Revocation>> {
        self.publications(PublicationKind::Revocation).filter_map(|publication| match publication {
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
        self.certificates.contains_key(revoker) || NetworkId::of_root(revoker) == self.network
    }

    fn revocations_about(&self, nodes: &[NodeId]) -> Vec<Signed<Revocation>> {
        let against = nodes.iter().flat_map(|node| self.index.about(PublicationKind::Revocation, node));
        let revocations = against.filter_map(|publication| match publication {
            Publication::Revocation(revocation) => Some(revocation.clone()),
            Publication::Certificate(_) | Publication::Endpoints(_) | Publication::Names(_) => None,
        });
        revocations.take(REFUSAL_REVOCATIONS_MAX).collect()
    }

    fn publications(&self, kind: PublicationKind) -> impl Iterator<Item = &Publication> {
        self.index.iter().filter(move |publication| publication.kind() == kind)
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
            depth,
        }
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

/// Where two members have one label, the shorter chain, then the lower id, keeps it (ARCHITECTURE §5). The others get
/// as many characters of their key as make them unique.
fn settle_labels(members: &mut BTreeMap<NodeId, Member>) {
    let mut claims: Vec<(usize, NodeId)> = members.values().map(|member| (member.depth, member.node)).collect();
    claims.sort();
    let mut taken = BTreeSet::new();
    let is_first = |label: &Label, taken: &mut BTreeSet<Label>| taken.insert(label.clone());
    let losers: Vec<NodeId> = claims
        .iter()
        .filter(|(_, node)| members.get(node).is_some_and(|member| !is_first(&member.label, &mut taken)))
        .map(|(_, node)| *node)
        .collect();
    for node in losers {
        let key = node.to_string();
        let Some(member) = members.get_mut(&node) else {
            continue;
        };
        let suffixed = (SUFFIX_LEN..key.len()).map(|length| member.label.with_suffix(&key[..length]));
        if let Some(label) = suffixed.into_iter().find(|label| taken.insert(label.clone())) {
            member.label = label;
        }
    }
}
