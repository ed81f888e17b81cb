use std::time::Duration;

use holloway_wire::{
    CertificateHash, GROUPS_MAX, InviteId, InviteToken, Label, Membership, MembershipCertificate, NAME_RECORDS_MAX,
    NamePublication, NameRecord, NodeId, Now, Publication, RecordKind, Refusal, Revocation, Rights, SessionControl,
    Signed,
};

use super::Node;
use super::announcing::next_sequence;
use crate::command::{Command, CommandError, CommandId, Reply};
use crate::invite::{CreateInvite, Granted, Invite};
use crate::output::{ControlCommand, Event, Output, Persisted, ResponseToken, SecurityKind, Write};
use crate::pings::Ping;

/// What must not be said before the disk has what it rests on.
pub(super) enum Promise {
    /// A new invite.
    Invite { id: CommandId, invite: Invite, token: InviteToken },
    /// An invite that became another.
    InviteChange { id: CommandId, invite: Invite },
    /// A new member.
    Membership { tokens: Vec<ResponseToken>, granted: Box<Granted> },
    /// A command that only waits for the disk.
    Command { id: CommandId, reply: Reply },
}

impl Node {
    pub(super) fn command(&mut self, id: CommandId, command: Command, now: Now) {
        let result = match command {
            Command::CreateInvite { label, rights, groups, lifetime, needs_approval, bootstrap } => {
                let via = self.neighbours.reaching(&self.home_relays(), &self.roster);
                let wanted = CreateInvite { label, rights, groups, lifetime, needs_approval, bootstrap, via };
                self.create_invite(id, wanted, now)
            }
            Command::Invites => Ok(Some(Reply::Invites(self.issuer.invites().cloned().collect()))),
            Command::WithdrawInvite(invite) => self.withdraw(id, &invite),
            Command::Approve { invite, node } => self.approve(id, &invite, &node, now),
            Command::Revoke { member } => self.revoke(id, &member, now),
            Command::Block { member } => self.block(id, &member, true),
            Command::Unblock { member } => self.block(id, &member, false),
            Command::AddName(record) => self.change_names(id, now, |records| add_record(records, record)),
            Command::RemoveName { name, record_type, value } => {
                self.change_names(id, now, |records| remove_records(records, &name, &record_type, value.as_deref()))
            }
            Command::Ping { member, timeout } => self.ping(id, &member, timeout, now),
        };
        match result {
            Ok(Some(reply)) => self.done(id, Ok(reply)),
            Ok(None) => {}
            Err(error) => self.done(id, Err(error)),
        }
    }

    pub(super) fn own_rights(&self) -> Rights {
        self.roster.member(&self.identity.node_id()).map_or(Rights::NONE, |member| member.rights)
    }

    fn create_invite(&mut self, id: CommandId, wanted: CreateInvite, now: Now) -> Result<Option<Reply>, CommandError> {
        let own = self.own_rights();
        if !own.contains(Rights::ISSUE) {
            return Err(CommandError::NotAllowed("invite"));
        }
        if !own.contains(wanted.rights) {
            return Err(CommandError::NotAllowed("give a right that it does not have itself"));
        }
        if let Some(label) = &wanted.label
            && !self.roster.is_label_free(label, None)
        {
            return Err(CommandError::NameTaken(label.clone()));
        }
        if !self.issuer.has_room(now) {
            return Err(CommandError::TooManyInvites);
        }
        check_invite(&wanted)?;
        let network = (self.identity.network, &self.identity.network_label);
        let (invite, token) = self.issuer.create(wanted, network, &self.identity.key, self.rng.as_mut(), now)?;
        self.persist(vec![Write::Invite(invite.clone())], Promise::Invite { id, invite, token });
        Ok(None)
    }

    fn withdraw(&mut self, id: CommandId, invite: &InviteId) -> Result<Option<Reply>, CommandError> {
        let invite = self.issuer.withdraw(invite).ok_or(CommandError::UnknownInvite)?;
        Ok(self.change_invite(id, invite))
    }

    fn approve(
        &mut self,
        id: CommandId,
        invite: &InviteId,
        node: &NodeId,
        now: Now,
    ) -> Result<Option<Reply>, CommandError> {
        let invite = self.issuer.approve(invite, node, now).ok_or(CommandError::NobodyWaits)?;
        Ok(self.change_invite(id, invite))
    }

    /// The reply comes once the disk has it.
    fn change_invite(&mut self, id: CommandId, invite: Invite) -> Option<Reply> {
        self.persist(vec![Write::Invite(invite.clone())], Promise::InviteChange { id, invite });
        None
    }

    fn revoke(&mut self, id: CommandId, member: &str, now: Now) -> Result<Option<Reply>, CommandError> {
        let (node, label) = self.named(member)?;
        if node == self.identity.node_id() {
            return Err(CommandError::Oneself);
        }
        let fallen = self.issued_by(&node);
        let revocation = Revocation {
            subject: node,
            revoker: self.identity.node_id(),
            at: now.unix,
            kept: self.own_certificates_by(&node),
        };
        let signed = Signed::sign(revocation, &self.identity.key, &self.identity.network);
        let publication = Publication::Revocation(signed);
        let (slot, bytes) = (publication.slot(), publication.encode());
        self.roster.offer(&publication, now).map_err(|_| CommandError::NotAllowed("revoke this member"))?;
        self.control_publish(bytes.clone());
        let detail = format!("{label} was revoked, for everyone and for ever; said on this machine");
        self.event(Event::Security { kind: SecurityKind::Revoked, node: Some(node), detail });
        let reply = Reply::Member { node, label: Some(label), also: fallen };
        self.persist(vec![Write::Publication(slot, bytes)], Promise::Command { id, reply });
        Ok(None)
    }

    /// What a node has issued in our own chain: who revokes an issuer above itself stays a member.
    fn own_certificates_by(&self, issuer: &NodeId) -> Vec<CertificateHash> {
        let own = self.own_chain();
        own.iter().filter(|own| own.membership().issuer == *issuer).map(MembershipCertificate::hash).collect()
    }

    fn control_publish(&mut self, body: Vec<u8>) {
        self.outputs.push_back(Output::Control(ControlCommand::Publish { body }));
    }

    /// Members whose chain leads through a node.
    fn issued_by(&self, issuer: &NodeId) -> Vec<Label> {
        let hangs_on = |node: &NodeId| {
            self.roster.chain(node).iter().any(|certificate| certificate.membership().issuer == *issuer)
        };
        self.roster.members().filter(|member| hangs_on(&member.node)).map(|member| member.label.clone()).collect()
    }

    fn named(&self, text: &str) -> Result<(NodeId, Label), CommandError> {
        let member = self
            .roster
            .find(text, &self.identity.network_label)
            .ok_or_else(|| CommandError::UnknownMember(text.to_owned()))?;
        Ok((member.node, member.label.clone()))
    }

    fn block(&mut self, id: CommandId, member: &str, blocked: bool) -> Result<Option<Reply>, CommandError> {
        let (node, label) = self.named(member)?;
        if node == self.identity.node_id() {
            return Err(CommandError::Oneself);
        }
        self.roster.set_blocked(node, blocked);
        let write = if blocked { Write::Block(node) } else { Write::Unblock(node) };
        let reply = Reply::Member { node, label: Some(label), also: Vec::new() };
        self.persist(vec![write], Promise::Command { id, reply });
        Ok(None)
    }

    fn change_names(
        &mut self,
        id: CommandId,
        now: Now,
        change: impl FnOnce(&mut Vec<NameRecord>) -> Result<(), CommandError>,
    ) -> Result<Option<Reply>, CommandError> {
        let node = self.identity.node_id();
        let (mut records, before) =
            self.roster.names(&node).map_or((Vec::new(), 0), |own| (own.records.clone(), own.sequence));
        change(&mut records)?;
        if self.roster.member(&node).is_none() {
            return Err(CommandError::NotAllowed("publish names"));
        }
        let names = NamePublication { node, sequence: next_sequence(before, now), records };
        let signed = Signed::try_sign(names, &self.identity.key, &self.identity.network);
        let publication = Publication::Names(signed.map_err(|_| CommandError::RecordsTooLong)?);
        let write = Write::Publication(publication.slot(), publication.encode());
        self.publish(&publication, now);
        self.persist(vec![write], Promise::Command { id, reply: Reply::Done });
        Ok(None)
    }

    fn ping(
        &mut self,
        id: CommandId,
        member: &str,
        timeout: Duration,
        now: Now,
    ) -> Result<Option<Reply>, CommandError> {
        let (node, label) = self.named(member)?;
        if node == self.identity.node_id() {
            return Err(CommandError::Oneself);
        }
        if self.roster.is_blocked(&node) {
            return Err(CommandError::Blocked(label));
        }
        let ping = Ping { command: id, node, sent: now.monotonic, timeout };
        let ping = self.pings.begin(ping).map_err(|_| CommandError::Timeout(Duration::ZERO))?;
        let message = SessionControl::Ping { id: ping }.encode();
        self.device.send(&node, RecordKind::Control, message, self.rng.as_mut(), now);
        self.path_sent(&node, now);
        Ok(None)
    }

    /// The disk has answered: says what waited for it.
    pub(super) fn keep_promise(&mut self, promise: Promise, result: Persisted, now: Now) {
        match (promise, result) {
            (Promise::Invite { id, invite, token }, Ok(())) => {
                self.issuer.record(invite.clone());
                self.done(id, Ok(Reply::InviteCreated { invite: Box::new(invite), token }));
            }
            (Promise::InviteChange { id, invite }, Ok(())) => {
                self.issuer.record(invite);
                self.done(id, Ok(Reply::Done));
            }
            (Promise::Membership { tokens, granted }, Ok(())) => self.welcome(&tokens, *granted, now),
            (Promise::Command { id, reply }, Ok(())) => self.done(id, Ok(reply)),
            (Promise::Membership { tokens, granted }, Err(error)) => {
                tracing::warn!(error, "the store cannot take a new member");
                self.issuer.abandon(&granted.invite.id);
                for token in tokens {
                    self.refuse(token, Refusal::Unavailable, String::new());
                }
            }
            (Promise::InviteChange { id, invite }, Err(error)) => {
                self.issuer.abandon(&invite.id);
                self.done(id, Err(CommandError::Store(error)));
            }
            (Promise::Invite { id, .. } | Promise::Command { id, .. }, Err(error)) => {
                self.done(id, Err(CommandError::Store(error)));
            }
        }
    }

    /// A new member is on disk: it is told so, and so is everyone else.
    fn welcome(&mut self, tokens: &[ResponseToken], granted: Granted, now: Now) {
        let node = *granted.certificate.subject();
        self.issuer.record(granted.invite);
        self.publish(&Publication::Certificate(granted.certificate), now);
        for token in tokens {
            self.answer_again(*token, &node);
        }
    }

    /// The same key asks again while its membership is being written: it gets the same answer.
    pub(super) fn join_promise(&mut self, token: ResponseToken, invite: &InviteId) {
        /// Answers that wait for one write: the asker's retries while a disk is slow.
        const TOKENS_MAX: usize = 64;
        let waiting = self.promises.values_mut().find_map(|promise| match promise {
            Promise::Membership { tokens, granted } if granted.invite.id == *invite => Some(tokens),
            Promise::Membership { .. }
            | Promise::Invite { .. }
            | Promise::InviteChange { .. }
            | Promise::Command { .. } => None,
        });
        match waiting.filter(|tokens| tokens.len() < TOKENS_MAX) {
            Some(tokens) => tokens.push(token),
            None => self.refuse(token, Refusal::Unavailable, String::new()),
        }
    }
}

/// Whether an invite stays within what a token and a certificate can carry.
fn check_invite(wanted: &CreateInvite) -> Result<(), CommandError> {
    if wanted.bootstrap.len() > InviteToken::BOOTSTRAP_MAX {
        return Err(CommandError::TooManyAddresses(InviteToken::BOOTSTRAP_MAX));
    }
    if wanted.groups.len() > GROUPS_MAX {
        return Err(CommandError::TooManyGroups(GROUPS_MAX));
    }
    match wanted.groups.iter().find(|group| !Membership::is_group_name(group)) {
        Some(group) => Err(CommandError::GroupName(group.clone())),
        None => Ok(()),
    }
}

fn add_record(records: &mut Vec<NameRecord>, record: NameRecord) -> Result<(), CommandError> {
    if records.contains(&record) {
        return Ok(());
    }
    if records.len() >= NAME_RECORDS_MAX {
        return Err(CommandError::TooManyRecords(NAME_RECORDS_MAX));
    }
    // The name itself has the host's address.
    let is_alias = |record: &NameRecord| record.record_type == "CNAME";
    let beside = |other: &NameRecord| other.name == record.name && (is_alias(other) || is_alias(&record));
    if records.iter().any(beside) || (record.name.is_empty() && is_alias(&record)) {
        return Err(CommandError::AliasBesideOthers(record.name));
    }
    records.push(record);
    Ok(())
}

fn remove_records(
    records: &mut Vec<NameRecord>,
    name: &str,
    record_type: &str,
    value: Option<&str>,
) -> Result<(), CommandError> {
    let before = records.len();
    records.retain(|record| {
        record.name != name || record.record_type != record_type || value.is_some_and(|value| record.value != value)
    });
    if records.len() == before { Err(CommandError::UnknownRecord) } else { Ok(()) }
}
