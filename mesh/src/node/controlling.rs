use holloway_wire::{
    Broadcast, MemberRequest, NodeId, Now, PassedRedemption, Publication, RELAYS_MAX, RedeemReply, RedeemRequest,
    Refusal, RelaysReply, Rights, SealedRequest,
};

use super::Node;
use super::commands::Promise;
use crate::drop_reason::DropReason;
use crate::invite::{Applicant, Redemption, sealing_prologue};
use crate::neighbours::NeighbourOutput;
use crate::noise::open_sealed;
use crate::output::{
    Channel, ControlCommand, ControlEvent, Event, Output, ResponseToken, SecurityKind, Verdict, Write,
};

impl Node {
    pub(super) fn control_event(&mut self, event: ControlEvent, now: Now) {
        match event {
            ControlEvent::Connected { node, outbound } => {
                self.with_neighbours(now, |neighbours, context| neighbours.handle_connected(node, outbound, context));
            }
            ControlEvent::Opened { node } => {
                self.neighbours.handle_opened(&node, now.monotonic);
                self.relays.handle_neighbour(node, now.monotonic);
            }
            ControlEvent::Disconnected { node } => {
                self.neighbours.handle_disconnected(&node, self.rng.as_mut(), now.monotonic);
            }
            ControlEvent::DialFailed { node } => {
                self.neighbours.handle_dial_failed(&node, self.rng.as_mut(), now.monotonic);
            }
            ControlEvent::Request { token, node, channel, body } => self.asked(token, node, channel, &body, now),
            ControlEvent::Response { id, body } => {
                self.with_neighbours(now, |neighbours, context| {
                    neighbours.handle_response(id, body.as_deref(), context);
                });
            }
            ControlEvent::Gossip { message, source, body } => {
                let verdict = self.gossip(&source, &body, now);
                self.control(ControlCommand::Judge { message, verdict });
            }
            ControlEvent::Discovered { node, addresses } => {
                self.neighbours.handle_hint(node, &addresses, now.monotonic);
            }
            ControlEvent::Record { value, .. } => self.found(value, now),
            ControlEvent::RecordOffered { token, value } => {
                let accept = Publication::decode(&value).is_ok_and(|publication| {
                    publication.verify_signatures(&self.identity.network)
                        && self.roster.member(publication.subject()).is_some()
                });
                self.control(ControlCommand::JudgeRecord { token, accept });
            }
        }
    }

    fn control(&mut self, command: ControlCommand) {
        self.outputs.push_back(Output::Control(command));
    }

    fn asked(&mut self, token: ResponseToken, node: NodeId, channel: Channel, body: &[u8], now: Now) {
        match channel {
            Channel::Hello => {
                self.with_neighbours(now, |neighbours, context| neighbours.handle_hello(token, node, body, context));
            }
            Channel::Redeem => match PassedRedemption::decode(body) {
                Ok(passed) => self.pass_redemption(token, passed, now),
                Err(_) => self.redeem(token, node, body, now),
            },
            Channel::Sync => self.neighbours.handle_sync(token, &node, body, &self.roster),
            Channel::Member => {
                if !self.asked_by_member(token, node, body, now) {
                    self.drops.count(DropReason::ControlMessage);
                }
            }
        }
    }

    /// Someone passed on a message to everyone.
    fn gossip(&mut self, source: &NodeId, body: &[u8], now: Now) -> Verdict {
        let verdict = match Broadcast::decode(body) {
            Ok(Broadcast::Publication(publication)) => {
                self.with_neighbours(now, |neighbours, context| neighbours.handle_gossip(source, &publication, context))
            }
            Ok(Broadcast::Relay(announcement)) => return self.relay_announced(&announcement, true, now),
            Err(_) => Verdict::Reject,
        };
        if verdict == Verdict::Reject {
            self.drops.count(DropReason::ControlMessage);
        }
        verdict
    }

    /// A neighbour asks something of a member. Says whether it may, and could be read.
    fn asked_by_member(&mut self, token: ResponseToken, node: NodeId, body: &[u8], now: Now) -> bool {
        match MemberRequest::decode(body) {
            Ok(MemberRequest::Call(call)) => {
                self.control(ControlCommand::Respond { token, body: Vec::new() });
                self.with_neighbours(now, |neighbours, context| neighbours.handle_call(&node, call, context))
            }
            Ok(MemberRequest::Relays) if self.neighbours.may_ask(&node, now.monotonic) => {
                let known = self.relays.announcements(now.unix);
                let relays = self.own_relay.iter().cloned().chain(known).take(RELAYS_MAX).collect();
                let body = RelaysReply { relays }.encode();
                self.control(ControlCommand::Respond { token, body });
                true
            }
            Ok(MemberRequest::Redeem(sealed)) if self.neighbours.may_ask(&node, now.monotonic) => {
                self.redeem_sealed(token, &sealed, now);
                true
            }
            Ok(MemberRequest::Relays | MemberRequest::Redeem(_)) | Err(_) => {
                self.control(ControlCommand::Respond { token, body: Vec::new() });
                false
            }
        }
    }

    /// A record was found in the DHT, or not.
    fn found(&mut self, value: Option<Vec<u8>>, now: Now) {
        if let Some(publication) = value.and_then(|value| Publication::decode(&value).ok())
            && self.roster.offer(&publication, now).is_err()
        {
            self.drops.count(DropReason::ControlMessage);
        }
    }

    /// A stranger asks to be heard by an issuer: ourselves, or one that is connected to us as a relay.
    fn pass_redemption(&mut self, token: ResponseToken, passed: PassedRedemption, now: Now) {
        let PassedRedemption { issuer, sealed } = passed;
        if issuer == self.identity.node_id() {
            self.redeem_sealed(token, &sealed, now);
        } else if !(self.own_rights().contains(Rights::RELAY) && self.neighbours.pass_on(token, issuer, sealed)) {
            self.refuse(token, Refusal::NotConnected, String::new());
        }
    }

    /// Someone redeems an invite of ours through a relay; the key that it wants bound says who.
    fn redeem_sealed(&mut self, token: ResponseToken, sealed: &SealedRequest, now: Now) {
        let prologue = sealing_prologue(&self.identity.network);
        let opened = open_sealed(&self.identity.key.sealing_secret(), &prologue, &sealed.0).ok();
        match opened.map(|body| (RedeemRequest::decode(&body), body)) {
            Some((Ok(request), body)) => self.redeem(token, request.binding.value().subject, &body, now),
            Some((Err(_), _)) | None => self.refuse(token, Refusal::Malformed, String::new()),
        }
    }

    /// Someone redeems an invite of ours. What it grants is said only after the disk has it.
    fn redeem(&mut self, token: ResponseToken, asker: NodeId, body: &[u8], now: Now) {
        let Ok(request) = RedeemRequest::decode(body) else {
            self.refuse(token, Refusal::Malformed, String::new());
            return;
        };
        let redemption =
            self.issuer.redeem(&asker, &request, &self.identity.key, &self.identity.network, &self.roster, now);
        match redemption {
            Redemption::Grant(granted) => {
                let publication = Publication::Certificate(granted.certificate.clone());
                let writes = vec![
                    Write::Invite(granted.invite.clone()),
                    Write::Publication(publication.slot(), publication.encode()),
                ];
                self.persist(writes, Promise::Membership { tokens: vec![token], granted });
            }
            Redemption::Writing(invite) => self.join_promise(token, &invite),
            Redemption::Again => self.answer_again(token, &asker),
            Redemption::Waits(newcomer) => {
                if let Some(Applicant { node, label, .. }) = newcomer {
                    self.event(Event::ApprovalWanted { node, label });
                }
                self.refuse(token, Refusal::ApprovalPending, String::new());
            }
            Redemption::Refused(Refusal::ClockSkew) => {
                let skew = request.time.distance(now.unix).as_secs();
                self.refuse(token, Refusal::ClockSkew, format!("they differ by {skew} s"));
            }
            Redemption::Refused(refusal) => self.refuse(token, refusal, String::new()),
        }
    }

    pub(super) fn answer_again(&mut self, token: ResponseToken, asker: &NodeId) {
        if self.roster.member(asker).is_some() {
            let chain = self.roster.chain(asker);
            let contacts = self.neighbours.contacts(&self.roster, asker);
            let reply = RedeemReply::Granted { chain, contacts };
            self.control(ControlCommand::Respond { token, body: reply.encode() });
        } else {
            self.refuse(token, Refusal::Revoked, String::new());
        }
    }

    pub(super) fn refuse(&mut self, token: ResponseToken, refusal: Refusal, detail: String) {
        let reply = RedeemReply::Refused { refusal, detail };
        self.control(ControlCommand::Respond { token, body: reply.encode() });
    }

    /// What the neighbours want done.
    pub(super) fn neighbour_output(&mut self, output: NeighbourOutput, now: Now) {
        match output {
            NeighbourOutput::Control(command) => self.control(command),
            NeighbourOutput::Admitted { node, outbound } => {
                self.announcer.announce_soon(now);
                if outbound && self.is_home_peer(&node) {
                    self.greet(&node, now);
                }
            }
            NeighbourOutput::Lost => self.announcer.announce_soon(now),
            NeighbourOutput::CaughtUp => self.event(Event::CaughtUp),
            NeighbourOutput::Called(call) => self.called(&call, now),
            NeighbourOutput::Relays(relays) => {
                for announcement in &relays {
                    self.relay_announced(announcement, false, now);
                }
            }
            NeighbourOutput::Skewed { node, by } => {
                let detail = format!("its clock is {} s from ours", by.as_secs());
                self.event(Event::Security { kind: SecurityKind::ClockSkew, node: Some(node), detail });
            }
            NeighbourOutput::RefusedBy { node, reason } => {
                tracing::warn!(peer = %node.short(), reason, "not accepted as a member");
            }
        }
    }
}
