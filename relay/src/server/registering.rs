//! Registration: who is let in, and who pays.

use super::*;

impl Server {
    /// Challenges a source, if it has said enough for that and does not ask too often.
    pub(super) fn challenge(
        &mut self,
        from: SocketAddr,
        id: u64,
        heard: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        if !self.challenges.take(&from, now) {
            return Err(DropReason::RateLimited);
        }
        let challenge = self.challenger.challenge(&from, self.rng.as_mut(), now);
        let datagram = FromRelay::Challenge { id, challenge, observed: from }.encode();
        if datagram.len() <= heard {
            self.outputs.push_back(Output::Transmit { to: from, datagram });
        }
        Ok(())
    }

    /// Weighs an answer to a challenge: what is cheap first, the first failure stops.
    pub(super) fn answer(
        &mut self,
        from: SocketAddr,
        id: u64,
        registration: &Signed<RelayRegistration>,
        certificates: Vec<MembershipCertificate>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let RelayRegistration { node, relay, challenge, observed } = registration.value();
        if *observed != from || !self.challenger.knows(challenge, &from, self.rng.as_mut(), now) {
            return Err(DropReason::Challenge);
        }
        if *relay != self.node || certificates[0].subject() != node {
            return Err(DropReason::Signature);
        }
        if !self.signatures.take(&from, now) {
            return Err(DropReason::RateLimited);
        }
        if !registration.verify(&self.identity.network) {
            return Err(DropReason::Signature);
        }
        if let Some(refusal) = self.refusal(node) {
            self.tell(from, &FromRelay::Refused { id, refusal });
            return Err(DropReason::Full);
        }
        self.ask(Applicant { node: *node, source: from, id }, certificates, now)
    }

    /// Why a member cannot register at the moment, whoever it is.
    fn refusal(&self, node: &NodeId) -> Option<RelayRefusal> {
        let is_known = self.members.get(node).is_some();
        if self.accounts.get(node).is_some_and(|account| account.is_used_up()) {
            return Some(RelayRefusal::Quota);
        }
        match self.state {
            RelayState::Draining if !is_known => Some(RelayRefusal::Draining),
            RelayState::Open if !is_known && self.members.len() >= self.settings.members_max => {
                Some(RelayRefusal::Full)
            }
            RelayState::Draining | RelayState::Open => None,
        }
    }

    fn ask(
        &mut self,
        applicant: Applicant,
        certificates: Vec<MembershipCertificate>,
        now: Instant,
    ) -> Result<(), DropReason> {
        let node = applicant.node;
        // Its latest word counts.
        self.pending.retain(|pending| pending.applicant.node != node && now.since(pending.asked) < PENDING_FOR);
        if self.pending.len() >= PENDING_MAX {
            return Err(DropReason::Full);
        }
        self.next_token += 1;
        let token = JudgeToken(self.next_token);
        self.pending.push_back(Pending { token, applicant, asked: now });
        self.outputs.push_back(Output::Judge { token, node, source: applicant.source, certificates });
        Ok(())
    }

    pub(super) fn register(&mut self, applicant: Applicant, is_relay: bool, now: Instant) {
        let Applicant { node, source, id } = applicant;
        let Some(account) = self.account(node) else {
            self.drops.count(DropReason::Full);
            self.tell(source, &FromRelay::Refused { id, refusal: RelayRefusal::Full });
            return;
        };
        account.hear(now);
        let registration = RegistrationId(u64::from_le_bytes(random_bytes(self.rng.as_mut())));
        let resumed = self.members.get(&node).is_some();
        let displaced = self.members.at_source(&source).filter(|before| *before != node);
        self.members.insert(node, Member::new(registration, source, account, is_relay));
        displaced.into_iter().chain([node]).for_each(|moved| self.install_all(&moved));
        let state = self.state;
        self.tell(source, &FromRelay::Registered { id, registration, lifetime: LIFETIME, state, resumed });
    }

    fn account(&mut self, node: NodeId) -> Option<Arc<Account>> {
        if let Some(account) = self.accounts.get(&node) {
            return Some(account.clone());
        }
        (self.accounts.len() < ACCOUNTS_MAX).then(|| self.open_account(node, 0))
    }

    pub(super) fn open_account(&mut self, node: NodeId, sent: u64) -> Arc<Account> {
        let Settings { rate_bytes, burst_bytes, month_bytes_max, .. } = self.settings;
        let account = Arc::new(Account::new(rate_bytes, burst_bytes, month_bytes_max, sent));
        self.kept.insert(node, sent);
        self.past_bytes = self.past_bytes.wrapping_sub(sent);
        self.accounts.insert(node, account.clone());
        account
    }

    pub(super) fn ping(
        &mut self,
        from: SocketAddr,
        registration: RegistrationId,
        id: u64,
        heard: usize,
        now: Instant,
    ) -> Result<(), DropReason> {
        let Some((_, member)) = self.members.registered(registration, &from) else {
            // The member is elsewhere by now, or the relay was restarted: it may register again at once.
            self.challenge(from, id, heard, now)?;
            return Err(DropReason::UnknownRegistration);
        };
        member.account.hear(now);
        let pong = FromRelay::Pong { id, observed: from, load: self.load, state: self.state };
        self.tell(from, &pong);
        Ok(())
    }
}
