use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use holloway_wire::{
    Bootstrap, Contact, IdentityKey, InviteBody, InviteId, InviteSecret, InviteToken, Label, Membership,
    MembershipCertificate, NetworkId, NodeId, Now, RedeemRequest, Refusal, Rights, UnixTime, Validity,
};

use crate::command::CommandError;
use crate::roster::Roster;
use holloway_wire::SecureRng;

/// Invites in one ledger: years of a busy admin's. Beyond it, old ones that lapsed are forgotten.
const INVITES_MAX: usize = 10_000;

/// Memberships are valid from this long before they are issued, so that a member whose clock is behind is one.
const BACKDATED: Duration = Duration::from_secs(300);

/// What became of an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    /// Waiting for someone.
    Unspent,
    /// Waiting for this machine alone, of which somebody has approved.
    Approved(NodeId),
    /// Used by this member.
    Spent(NodeId),
    /// Taken back.
    Withdrawn,
}

/// A machine that redeems an invite and waits for somebody to approve of it: the first that came, until this node starts
/// anew or the invite is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// Its id.
    pub node: NodeId,
    /// The name that it will have.
    pub label: Label,
    /// When it came.
    pub since: UnixTime,
}

/// One line of the ledger. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// The name that the newcomer will have, if fixed.
    pub label: Option<Label>,
    /// What the newcomer may do.
    pub rights: Rights,
    /// The newcomer's groups.
    pub groups: Vec<String>,
    /// When it was made.
    pub created: UnixTime,
    /// When it lapses.
    pub expires: UnixTime,
    /// What became of it.
    pub state: InviteState,
    /// Whether somebody has to approve of who redeems it.
    pub needs_approval: bool,
}

/// What an invite shall say.
pub(crate) struct CreateInvite {
    pub(crate) label: Option<Label>,
    pub(crate) rights: Rights,
    pub(crate) groups: Vec<String>,
    pub(crate) lifetime: Duration,
    pub(crate) needs_approval: bool,
    pub(crate) bootstrap: Vec<Bootstrap>,
    pub(crate) via: Vec<Contact>,
}

/// What a request for redemption comes to, before the disk has it.
#[derive(Debug)]
pub(crate) enum Redemption {
    /// It spends the invite: write both down, then answer.
    Grant(Box<Granted>),
    /// The same key asks again: the answer is what it was.
    Again,
    /// The same key asks again before the disk has the first answer.
    Writing(InviteId),
    /// It waits until somebody approves of it; told once, when it comes.
    Waits(Option<Applicant>),
    /// Refused.
    Refused(Refusal),
}

/// A membership about to be granted.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) invite: Invite,
    pub(crate) certificate: MembershipCertificate,
}

/// What an invite is becoming while the disk writes it.
enum Writing {
    Spent { owner: NodeId, label: Label },
    Approved,
    Withdrawn,
}

/// What a good request asks for.
enum Judged {
    Grant(Invite),
    Again,
    Writing,
    Waits(Invite),
}

/// Hands out invites and redeems them.
pub(crate) struct Issuer {
    ledger: BTreeMap<InviteId, Invite>,
    writing: BTreeMap<InviteId, Writing>,
    /// Of invites in the ledger, one each.
    applicants: BTreeMap<InviteId, Applicant>,
    max_clock_skew: Duration,
}

impl Issuer {
    pub(crate) fn new(ledger: Vec<Invite>, max_clock_skew: Duration) -> Self {
        let ledger = ledger.into_iter().map(|invite| (invite.id, invite)).collect();
        Self { ledger, writing: BTreeMap::new(), applicants: BTreeMap::new(), max_clock_skew }
    }

    /// Makes an invite. It counts once the caller has written it down and called [`Issuer::record`].
    pub(crate) fn create(
        &self,
        wanted: CreateInvite,
        network: (NetworkId, &Label),
        key: &IdentityKey,
        rng: &mut dyn SecureRng,
        now: Now,
    ) -> Result<(Invite, InviteToken), CommandError> {
        let secret = InviteSecret::generate(rng);
        let expires = now.unix + wanted.lifetime;
        let invite = Invite {
            id: secret.id(),
            label: wanted.label.clone(),
            rights: wanted.rights,
            groups: wanted.groups,
            created: now.unix,
            expires,
            state: InviteState::Unspent,
            needs_approval: wanted.needs_approval,
        };
        let body = InviteBody {
            network: network.0,
            network_label: network.1.clone(),
            issuer: key.node_id(),
            bootstrap: wanted.bootstrap,
            secret,
            host_label: wanted.label,
            expires,
            rights: wanted.rights,
            via: wanted.via,
        };
        let token = InviteToken::try_sign(body, key).map_err(|_| CommandError::InviteTooLong)?;
        Ok((invite, token))
    }

    /// Whether a further invite fits, after forgetting what lapsed.
    pub(crate) fn has_room(&mut self, now: Now) -> bool {
        if self.ledger.len() >= INVITES_MAX {
            self.ledger.retain(|_, invite| invite.expires > now.unix);
            self.applicants.retain(|id, _| self.ledger.contains_key(id));
        }
        self.ledger.len() < INVITES_MAX
    }

    /// Enters an invite, new or changed, as the disk has it.
    pub(crate) fn record(&mut self, invite: Invite) {
        self.writing.remove(&invite.id);
        self.applicants.remove(&invite.id);
        self.ledger.insert(invite.id, invite);
    }

    /// The disk could not write what an invite became: it is as it was.
    pub(crate) fn abandon(&mut self, id: &InviteId) {
        self.writing.remove(id);
    }

    pub(crate) fn invites(&self) -> impl Iterator<Item = &Invite> {
        self.ledger.values()
    }

    /// Who waits to be approved, and by which invite.
    pub(crate) fn applicants(&self, now: Now) -> impl Iterator<Item = (InviteId, &Applicant)> {
        let is_open = move |id: &InviteId| self.ledger.get(id).is_some_and(|invite| invite.expires > now.unix);
        self.applicants.iter().filter(move |(id, _)| is_open(id)).map(|(id, applicant)| (*id, applicant))
    }

    /// Approves of the machine that waits, if it is this one: it joins when it asks the next time, under the name that it
    /// has asked for. It counts once the caller has written it down and called [`Issuer::record`].
    pub(crate) fn approve(&mut self, id: &InviteId, node: &NodeId, now: Now) -> Option<Invite> {
        let invite = self.ledger.get(id)?;
        let is_open = invite.state == InviteState::Unspent && invite.expires > now.unix;
        if !is_open || self.writing.contains_key(id) {
            return None;
        }
        let applicant = self.applicants.get(id).filter(|applicant| applicant.node == *node)?;
        self.writing.insert(*id, Writing::Approved);
        let label = Some(applicant.label.clone());
        Some(Invite { label, state: InviteState::Approved(*node), ..invite.clone() })
    }

    /// Takes back an unspent invite: from here on nobody redeems it. It counts once the caller has written it down
    /// and called [`Issuer::record`].
    pub(crate) fn withdraw(&mut self, id: &InviteId) -> Option<Invite> {
        let invite = self.ledger.get(id)?;
        let is_open = matches!(invite.state, InviteState::Unspent | InviteState::Approved(_));
        if !is_open || self.writing.contains_key(id) {
            return None;
        }
        self.writing.insert(*id, Writing::Withdrawn);
        Some(Invite { state: InviteState::Withdrawn, ..invite.clone() })
    }

    /// Judges a request for redemption. Changes nothing durable.
    pub(crate) fn redeem(
        &mut self,
        asker: &NodeId,
        request: &RedeemRequest,
        key: &IdentityKey,
        network: &NetworkId,
        roster: &Roster,
        now: Now,
    ) -> Redemption {
        match self.judge(asker, request, network, roster, now) {
            Ok(Judged::Grant(invite)) => self.grant(invite, asker, request, key, network, roster, now),
            Ok(Judged::Again) => Redemption::Again,
            Ok(Judged::Writing) => Redemption::Writing(request.secret.id()),
            Ok(Judged::Waits(invite)) => self.wait(&invite, asker, request, roster, now),
            Err(refusal) => Redemption::Refused(refusal),
        }
    }

    fn judge(
        &self,
        asker: &NodeId,
        request: &RedeemRequest,
        network: &NetworkId,
        roster: &Roster,
        now: Now,
    ) -> Result<Judged, Refusal> {
        let invite = self.ledger.get(&request.secret.id()).ok_or(Refusal::Unknown)?;
        let binding = &request.binding;
        if binding.value().subject != *asker || !binding.verify(network) {
            return Err(Refusal::Malformed);
        }
        match invite.state {
            InviteState::Spent(owner) if owner == *asker => return Ok(Judged::Again),
            InviteState::Spent(_) => return Err(Refusal::Spent),
            InviteState::Withdrawn => return Err(Refusal::Withdrawn),
            InviteState::Approved(approved) if approved != *asker => return Err(Refusal::Spent),
            InviteState::Approved(_) | InviteState::Unspent => {}
        }
        match self.writing.get(&invite.id) {
            Some(Writing::Spent { owner, .. }) if owner == asker => return Ok(Judged::Writing),
            Some(Writing::Spent { .. }) => return Err(Refusal::Spent),
            Some(Writing::Approved) => return Err(Refusal::ApprovalPending),
            Some(Writing::Withdrawn) => return Err(Refusal::Withdrawn),
            None => {}
        }
        if invite.expires <= now.unix {
            return Err(Refusal::Expired);
        }
        if request.time.distance(now.unix) > self.max_clock_skew {
            return Err(Refusal::ClockSkew);
        }
        if roster.is_revoked(asker) {
            return Err(Refusal::Revoked);
        }
        if invite.needs_approval && invite.state == InviteState::Unspent {
            return Ok(Judged::Waits(invite.clone()));
        }
        Ok(Judged::Grant(invite.clone()))
    }

    /// The first machine that comes is the one that somebody approves of, or not.
    fn wait(
        &mut self,
        invite: &Invite,
        asker: &NodeId,
        request: &RedeemRequest,
        roster: &Roster,
        now: Now,
    ) -> Redemption {
        let label = wanted_label(invite, request);
        if !self.is_label_free(&label, asker, roster) {
            return Redemption::Refused(Refusal::NameTaken);
        }
        match self.applicants.entry(invite.id) {
            Entry::Occupied(first) if first.get().node != *asker => Redemption::Refused(Refusal::Spent),
            Entry::Occupied(mut first) => {
                first.get_mut().label = label;
                Redemption::Waits(None)
            }
            Entry::Vacant(place) => {
                let applicant = place.insert(Applicant { node: *asker, label, since: now.unix });
                Redemption::Waits(Some(applicant.clone()))
            }
        }
    }

    /// Whether nobody has a name, nor is about to have it.
    fn is_label_free(&self, label: &Label, asker: &NodeId, roster: &Roster) -> bool {
        let is_promised = self.writing.values().any(|writing| match writing {
            Writing::Spent { owner, label: promised } => owner != asker && promised == label,
            Writing::Approved | Writing::Withdrawn => false,
        });
        !is_promised && roster.is_label_free(label, Some(asker))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one decision, each from another owner")]
    fn grant(
        &mut self,
        invite: Invite,
        asker: &NodeId,
        request: &RedeemRequest,
        key: &IdentityKey,
        network: &NetworkId,
        roster: &Roster,
        now: Now,
    ) -> Redemption {
        let issuer = key.node_id();
        let Some(own) = roster.certificate(&issuer).filter(|_| roster.member(&issuer).is_some()) else {
            return Redemption::Refused(Refusal::NotAnIssuer);
        };
        if !own.membership().rights.contains(Rights::ISSUE.with(invite.rights)) {
            return Redemption::Refused(Refusal::NotAnIssuer);
        }
        let label = wanted_label(&invite, request);
        if !self.is_label_free(&label, asker, roster) {
            return Redemption::Refused(Refusal::NameTaken);
        }
        let not_before = backdated(now).max(own.membership().validity.not_before);
        let membership = Membership {
            subject: *asker,
            label: label.clone(),
            rights: invite.rights,
            groups: invite.groups.clone(),
            validity: Validity { not_before, not_after: own.membership().validity.not_after },
            issuer,
        };
        let Ok(certificate) = MembershipCertificate::issue(membership, request.binding.clone(), key, network) else {
            return Redemption::Refused(Refusal::Malformed);
        };
        self.writing.insert(invite.id, Writing::Spent { owner: *asker, label });
        let invite = Invite { state: InviteState::Spent(*asker), ..invite };
        Redemption::Grant(Box::new(Granted { invite, certificate }))
    }
}

/// The name that the newcomer will have.
fn wanted_label(invite: &Invite, request: &RedeemRequest) -> Label {
    invite.label.clone().unwrap_or_else(|| request.label.clone())
}

/// From when on a membership is valid that is given now.
pub(crate) fn backdated(now: Now) -> UnixTime {
    UnixTime::from_secs(now.unix.as_secs().saturating_sub(BACKDATED.as_secs()))
}
