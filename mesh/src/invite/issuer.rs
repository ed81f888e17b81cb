use std::collections::BTreeMap;
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
    /// Used by this member.
    Spent(NodeId),
    /// Taken back.
    Withdrawn,
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
}

/// What an invite shall say.
pub(crate) struct CreateInvite {
    pub(crate) label: Option<Label>,
    pub(crate) rights: Rights,
    pub(crate) groups: Vec<String>,
    pub(crate) lifetime: Duration,
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
    Withdrawn,
}

/// What a good request asks for.
enum Judged {
    Grant(Invite),
    Again,
    Writing,
}

/// Hands out invites and redeems them.
pub(crate) struct Issuer {
    ledger: BTreeMap<InviteId, Invite>,
    writing: BTreeMap<InviteId, Writing>,
    max_clock_skew: Duration,
}

impl Issuer {
    pub(crate) fn new(ledger: Vec<Invite>, max_clock_skew: Duration) -> Self {
        let ledger = ledger.into_iter().map(|invite| (invite.id, invite)).collect();
        Self { ledger, writing: BTreeMap::new(), max_clock_skew }
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
        }
        self.ledger.len() < INVITES_MAX
    }

    /// Enters an invite, new or changed, as the disk has it.
    pub(crate) fn record(&mut self, invite: Invite) {
        self.writing.remove(&invite.id);
        self.ledger.insert(invite.id, invite);
    }

    /// The disk could not write a redemption: the invite is as it was.
    pub(crate) fn abandon(&mut self, id: &InviteId) {
        self.writing.remove(id);
    }

    pub(crate) fn invites(&self) -> impl Iterator<Item = &Invite> {
        self.ledger.values()
    }

    /// Takes back an unspent invite: from here on nobody redeems it. It counts once the caller has written it down
    /// and called [`Issuer::record`].
    pub(crate) fn withdraw(&mut self, id: &InviteId) -> Option<Invite> {
        let invite = self.ledger.get(id)?;
        if invite.state != InviteState::Unspent || self.writing.contains_key(id) {
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
            InviteState::Unspent => {}
        }
        match self.writing.get(&invite.id) {
            Some(Writing::Spent { owner, .. }) if owner == asker => return Ok(Judged::Writing),
            Some(Writing::Spent { .. }) => return Err(Refusal::Spent),
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
        Ok(Judged::Grant(invite.clone()))
    }

    /// Whether nobody has a name, nor is about to have it.
    fn is_label_free(&self, label: &Label, asker: &NodeId, roster: &Roster) -> bool {
        let is_promised = self.writing.values().any(|writing| match writing {
            Writing::Spent { owner, label: promised } => owner != asker && promised == label,
            Writing::Withdrawn => false,
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
        let label = invite.label.clone().unwrap_or_else(|| request.label.clone());
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

/// From when on a membership is valid that is given now.
pub(crate) fn backdated(now: Now) -> UnixTime {
    UnixTime::from_secs(now.unix.as_secs().saturating_sub(BACKDATED.as_secs()))
}
