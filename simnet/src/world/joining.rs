use std::time::Duration;

use holloway_mesh::{Command, ControlEvent, JoinError, Redeemer, RequestId};
use holloway_wire::{Bootstrap, Contact, InviteToken, Rights};

use super::program::Asked;
use super::{Happening, MachineId, World};

/// How often a newcomer asks again.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// How long invites hold: longer than any world lives.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// A machine on its way in.
pub(crate) struct Newcomer {
    issuer: MachineId,
    rights: Rights,
    /// Nothing until the issuer has made an invite.
    redeemer: Option<Redeemer>,
    asked: u64,
}

impl Newcomer {
    /// Whether it has an invite in hand.
    pub(crate) const fn is_ready(&self) -> bool {
        self.redeemer.is_some()
    }
}

impl World {
    /// A member invites a machine, which joins as soon as it can.
    pub(crate) fn invite(&mut self, issuer: MachineId, newcomer: MachineId, rights: Rights) {
        let host = self.underlay.data(issuer).ip().to_string();
        let bootstrap = Bootstrap { host, tcp: Bootstrap::TCP_PORT, quic: Bootstrap::QUIC_PORT };
        let command = Command::CreateInvite {
            label: None,
            rights,
            groups: Vec::new(),
            lifetime: LIFETIME,
            needs_approval: false,
            bootstrap: vec![bootstrap],
        };
        self.model.newcomers.insert(newcomer, Newcomer { issuer, rights, redeemer: None, asked: 0 });
        self.command(issuer, command, Asked::Invite { newcomer });
    }

    /// The invite is made: its text travels to the newcomer by hand.
    pub(crate) fn invited(&mut self, newcomer: MachineId, token: &InviteToken) {
        let text = token.to_string();
        let now = self.clocks(newcomer);
        let machine = &self.machines[newcomer.0];
        let token: InviteToken = match text.parse() {
            Ok(token) => token,
            Err(error) => return self.violated(format!("an invite cannot be read: {error}")),
        };
        let redeemer =
            Redeemer::new(token, machine.label.clone(), &machine.identity_key(), &machine.static_secret(), now);
        match (redeemer, self.model.newcomers.get_mut(&newcomer)) {
            (Ok(redeemer), Some(waiting)) => {
                waiting.redeemer = Some(redeemer);
                self.file(Duration::ZERO, Happening::Redeems { newcomer });
            }
            (Err(error), _) => self.violated(format!("a fresh invite was not taken: {error}")),
            (_, None) => {}
        }
    }

    /// The issuer died before it said that there is an invite: the newcomer needs another.
    pub(crate) fn invite_lost(&mut self, newcomer: MachineId) {
        self.model.newcomers.remove(&newcomer);
    }

    /// Asks the issuer, and again until there is an answer.
    pub(crate) fn redeem(&mut self, newcomer: MachineId) {
        let now = self.clocks(newcomer);
        let Some(waiting) = self.model.newcomers.get_mut(&newcomer) else {
            return;
        };
        let Some(redeemer) = &waiting.redeemer else {
            return;
        };
        waiting.asked += 1;
        let (issuer, id, body) = (waiting.issuer, RequestId(waiting.asked), redeemer.request(now));
        self.redeem_later(newcomer, issuer, id, body);
        self.file(ASK_EVERY, Happening::Redeems { newcomer });
    }

    /// An answer of the issuer, or none.
    pub(crate) fn redemption_answered(&mut self, newcomer: MachineId, body: Option<Vec<u8>>) {
        let now = self.clocks(newcomer);
        let waiting = self.model.newcomers.get(&newcomer);
        let (Some(body), Some(Newcomer { issuer, redeemer: Some(redeemer), .. })) = (body, waiting) else {
            return;
        };
        let issuer = *issuer;
        match redeemer.handle_reply(&body, now) {
            Ok(joined) => {
                let spent = redeemer.token().body().secret.id();
                self.machines[newcomer.0].chain = joined.chain;
                self.joined(newcomer, issuer, joined.contacts);
                self.machines[issuer.0].promised.spent.insert(spent);
            }
            Err(error) => self.refused(newcomer, issuer, &error),
        }
    }

    fn joined(&mut self, newcomer: MachineId, issuer: MachineId, contacts: Vec<Contact>) {
        let rights = self.model.newcomers.remove(&newcomer).map_or(Rights::NONE, |waiting| waiting.rights);
        let id = self.id(newcomer);
        self.note(|| format!("{newcomer} joined through {issuer}"));
        self.machines[issuer.0].promised.members.insert(id);
        self.model.joined(newcomer, Some((issuer, rights)));
        self.start(newcomer);
        for Contact { node, control } in contacts {
            self.machine_event(newcomer, ControlEvent::Discovered { node, addresses: control });
        }
    }

    /// The shell keeps the invite's bootstrap addresses and tells them at every start; they are names that follow the
    /// issuer.
    pub(crate) fn hint(&mut self, machine: MachineId) {
        if let Some(issuer) = self.model.issuer(machine) {
            let addresses = vec![self.underlay.control(issuer)];
            let node = self.id(issuer);
            self.machine_event(machine, ControlEvent::Discovered { node, addresses });
        }
    }

    /// Only a revoked issuer may refuse what it promised.
    fn refused(&mut self, newcomer: MachineId, issuer: MachineId, error: &JoinError) {
        self.model.newcomers.remove(&newcomer);
        if self.model.stands(issuer) {
            self.violated(format!("{newcomer}'s invite by {issuer} was refused: {error}"));
        }
    }
}
