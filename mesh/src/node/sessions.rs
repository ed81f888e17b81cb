use std::net::IpAddr;

use holloway_wire::{
    Endpoint, InnerPacket, MembershipCertificate, NodeId, Now, OverlayAddr, Publication, RecordKind, SessionControl,
};

use super::Node;
use crate::command::Reply;
use crate::drop_reason::DropReason;
use crate::output::{Event, Forwarding, Heard, Output, Route, SecurityKind, SessionTraffic, TooLong};
use crate::path::{PathAgent, PathOutput};
use crate::roster::ChainError;
use crate::tunnel::{Claim, Destination, DeviceOutput, Traffic};

/// With which attempt the callee is asked to try as well when there is a path that seems live: a rotation needs no
/// help, a path that has died unseen does. Without a live path it is asked at once.
const CALL_FROM_ATTEMPT: u32 = 3;

impl Node {
    /// Weighs a message 1 that was read: block-list, timestamp, certificate, chain; the first failure stops.
    pub(super) fn handle_claim(&mut self, claim: Claim, now: Now) {
        let node = *claim.subject();
        match self.weigh_claim(&claim, now) {
            Ok(()) => {
                self.device.accept(claim, self.rng.as_mut(), now);
            }
            Err(reason) => {
                self.drops.count(reason);
                self.report_claim(node, &claim, reason, now);
            }
        }
    }

    fn weigh_claim(&mut self, claim: &Claim, now: Now) -> Result<(), DropReason> {
        if self.roster.is_blocked(claim.subject()) {
            return Err(DropReason::Blocked);
        }
        self.device.check_timestamp(claim, now)?;
        if !claim.certificate_matches_key() {
            return Err(DropReason::ForeignCertificate);
        }
        if self.roster.is_revoked(claim.subject()) {
            return Err(DropReason::Revoked);
        }
        if self.roster.has_superseded(&claim.payload.certificates[0]) {
            return Err(DropReason::Certificate);
        }
        self.roster.check_chain(&claim.payload.certificates, now).map_err(|error| match error {
            ChainError::UnknownIssuer => DropReason::UnknownIssuer,
            ChainError::Revoked => DropReason::Revoked,
            ChainError::TooLong
            | ChainError::Signature
            | ChainError::NotAnIssuer
            | ChainError::Widened
            | ChainError::OutlivesIssuer
            | ChainError::NotValidNow => DropReason::Certificate,
        })
    }

    fn report_claim(&mut self, node: NodeId, claim: &Claim, reason: DropReason, now: Now) {
        if reason == DropReason::UnknownIssuer {
            self.neighbours.compare_all_soon(now.monotonic);
        }
        let told = [
            (DropReason::ForeignCertificate, SecurityKind::ForeignCertificate),
            (DropReason::Revoked, SecurityKind::RevokedMember),
            (DropReason::ClockSkew, SecurityKind::ClockSkew),
        ];
        let Some((_, kind)) = told.into_iter().find(|(told, _)| *told == reason) else {
            return;
        };
        let skew = claim.payload.timestamp.distance(now.unix).as_secs();
        let detail = if reason == DropReason::ClockSkew {
            format!("a handshake from {}: its clock is {skew} s from ours", claim.from)
        } else {
            format!("a handshake from {} was refused", claim.from)
        };
        self.event(Event::Security { kind, node: Some(node), detail });
    }

    /// What the tunnels want done.
    pub(super) fn device_output(&mut self, output: DeviceOutput, now: Now) {
        match output {
            DeviceOutput::Send { node, to, datagram } => self.send(&node, to, &datagram, now),
            DeviceOutput::Installed { node, index, opener, sealer } => {
                let install = Forwarding::Install { index, node, opener, sealer };
                self.outputs.push_back(Output::Forwarding(install));
            }
            DeviceOutput::Retired { index } => {
                self.outputs.push_back(Output::Forwarding(Forwarding::Retire { index }));
            }
            DeviceOutput::Rerouted { node } => self.reroute(&node, now),
            DeviceOutput::Confirmed { node, from, chain } => self.confirmed(node, from, chain, now),
            DeviceOutput::Answered { node, from, observed } => {
                self.announcer.note_observed(node, observed, now);
                self.answered(node, from, now);
            }
            DeviceOutput::Received { node, from, kind, content, is_newest } => {
                self.received(node, from, kind, content, is_newest, now);
            }
            DeviceOutput::Up { node } => self.up(node),
            DeviceOutput::Held { node } => self.begin_exchange(&node, now),
            DeviceOutput::AskRevocations { node } => self.ask_revocations(&node),
            DeviceOutput::GaveUp { node } => self.look_up(&node),
            DeviceOutput::Attempting { node, attempt } => self.attempting(node, attempt, now),
            DeviceOutput::LateRotation { node } => {
                let detail = "no answer to its rotation; the old keys stay in use".into();
                self.event(Event::Security { kind: SecurityKind::LateRotation, node: Some(node), detail });
            }
        }
    }

    fn send(&mut self, node: &NodeId, to: Destination, datagram: &[u8], now: Now) {
        let endpoints = match (to, self.paths.get_mut(node)) {
            (Destination::Exactly(endpoint), _) => vec![endpoint],
            (Destination::Current, Some(path)) => path.current().into_iter().collect(),
            (Destination::All, Some(path)) => path.endpoints_to_try(now.monotonic),
            (Destination::Current | Destination::All, None) => Vec::new(),
        };
        for endpoint in endpoints {
            self.transmit(endpoint, datagram.to_vec());
        }
    }

    /// The paths to a member; there are none to anyone else.
    fn path(&mut self, node: &NodeId) -> Option<&mut PathAgent> {
        self.roster.member(node)?;
        Some(self.agent(*node))
    }

    pub(super) fn agent(&mut self, node: NodeId) -> &mut PathAgent {
        let mtu_max = self.settings.path_mtu;
        self.paths.entry(node).or_insert_with(|| PathAgent::new(mtu_max))
    }

    /// Tells the lanes how a peer is reached now.
    pub(super) fn reroute(&mut self, node: &NodeId, now: Now) {
        let path = self.paths.get(node).and_then(|path| path.current().zip(path.record_limit()));
        let session = self.device.peer(node).and_then(|peer| peer.sending(now.monotonic)).map(|session| session.index);
        let route = session.zip(path);
        let route = route.map(|(session, (endpoint, record_limit))| Route { session, endpoint, record_limit });
        let address = OverlayAddr::of_node(&self.identity.network, node);
        let allowed_ips = vec![IpAddr::V6(address.ip())];
        self.outputs.push_back(Output::Forwarding(Forwarding::Peer { node: *node, route, allowed_ips }));
        self.file_path(node);
    }

    /// A handshake that a peer began is confirmed: its certificates go to the roster, and the source is where it is.
    fn confirmed(&mut self, node: NodeId, from: Endpoint, chain: Vec<MembershipCertificate>, now: Now) {
        let certificates = chain.into_iter().rev().map(Publication::Certificate).collect();
        self.roster.offer_all(certificates, now);
        self.roster_changes(now);
        if self.roster.member(&node).is_none() || self.roster.is_blocked(&node) {
            self.device.forget(&node);
            return;
        }
        if let Some(agent) = self.path(&node) {
            agent.handle_newest(from, now.monotonic);
            // It may not have heard yet where we are to be found straight.
            let outputs = agent.upgrade(now.monotonic);
            self.path_outputs(&node, outputs, now);
        }
    }

    fn answered(&mut self, node: NodeId, from: Endpoint, now: Now) {
        let Some(agent) = self.path(&node) else {
            return;
        };
        agent.handle_newest(from, now.monotonic);
        let mut outputs = agent.probe_all(now.monotonic);
        outputs.extend(agent.upgrade(now.monotonic));
        self.path_outputs(&node, outputs, now);
        self.reroute(&node, now);
    }

    fn up(&mut self, node: NodeId) {
        let endpoint = self.paths.get(&node).and_then(PathAgent::current);
        if let Some((member, endpoint)) = self.roster.member(&node).zip(endpoint) {
            let label = member.label.clone();
            self.event(Event::PeerUp { node, label, endpoint });
        }
    }

    fn received(
        &mut self,
        node: NodeId,
        from: Endpoint,
        kind: RecordKind,
        content: Vec<u8>,
        is_newest: bool,
        now: Now,
    ) {
        match kind {
            RecordKind::Ip => {
                self.heard(&node, from, is_newest, now);
                if !content.is_empty() {
                    self.deliver(&node, content);
                }
            }
            RecordKind::Control => match SessionControl::decode(&content) {
                Ok(message) => self.session_control(&node, from, message, is_newest, now),
                Err(_) => self.drops.count(DropReason::Payload),
            },
            RecordKind::Ethernet => self.drops.count(DropReason::Unsupported),
        }
    }

    /// The peer was authentic at a source; its newest word says where it is.
    fn heard(&mut self, node: &NodeId, from: Endpoint, is_newest: bool, now: Now) {
        let Some(agent) = self.path(node) else {
            return;
        };
        if is_newest && agent.handle_newest(from, now.monotonic) {
            self.reroute(node, now);
            if from.is_relayed() {
                self.relays.handle_found_by(node, &from, now.monotonic);
            }
        } else if !is_newest {
            agent.handle_heard(from);
        }
        self.file_path(node);
    }

    /// Hands an inner packet to the local stack, if its source is its sender's and its destination ours.
    fn deliver(&mut self, node: &NodeId, packet: Vec<u8>) {
        let Ok(header) = InnerPacket::parse(&packet) else {
            self.drops.count(DropReason::InnerPacket);
            return;
        };
        if !self.allowed_ips.may_source(node, &header.source) {
            self.drops.count(DropReason::InnerSource);
            return;
        }
        if header.destination != IpAddr::V6(self.address.ip()) {
            self.drops.count(DropReason::InnerDestination);
            return;
        }
        self.carried(*node).received += packet.len() as u64;
        self.outputs.push_back(Output::Tun(packet));
    }

    fn session_control(&mut self, node: &NodeId, from: Endpoint, message: SessionControl, is_newest: bool, now: Now) {
        let observed = from.observed();
        match message {
            SessionControl::Ping { id } => {
                self.heard(node, from, is_newest, now);
                self.tell(node, Destination::Current, &SessionControl::Pong { id, observed });
            }
            SessionControl::Pong { id, observed } => {
                self.heard(node, from, is_newest, now);
                self.announcer.note_observed(*node, observed, now);
                self.pong(node, id, from, now);
            }
            SessionControl::Probe { id } => {
                self.tell(node, Destination::Exactly(from), &SessionControl::ProbeReply { id, observed });
                let outputs = self.path(node).map(|agent| agent.handle_probed(from, now.monotonic));
                self.path_outputs(node, outputs.unwrap_or_default(), now);
            }
            SessionControl::ProbeReply { id, observed } => {
                self.announcer.note_observed(*node, observed, now);
                if self.path(node).is_some_and(|agent| agent.handle_probe_reply(id, from, now.monotonic)) {
                    self.reroute(node, now);
                    // It finds us where we are now, though it may have nothing to say.
                    self.device.keepalive(node);
                }
                self.file_path(node);
            }
            SessionControl::MtuProbe { id, size } => {
                self.tell(node, Destination::Exactly(from), &SessionControl::MtuProbeReply { id, size });
            }
            SessionControl::MtuProbeReply { id, size } => {
                self.heard(node, from, false, now);
                if let Some(agent) = self.path(node) {
                    let outputs = agent.handle_mtu_reply(id, size, from, now.monotonic);
                    self.path_outputs(node, outputs, now);
                }
            }
            SessionControl::Call { endpoints } => {
                self.heard(node, from, is_newest, now);
                self.called_in_session(node, &endpoints, now);
            }
            SessionControl::RevocationsWanted => self.tell_revocations(node, now),
            SessionControl::Revocation(revocation) => self.told_revocation(node, revocation, now),
            SessionControl::RevocationsEnd { count, digest } => self.told_all_revocations(node, count, digest, now),
        }
    }

    pub(super) fn tell(&mut self, node: &NodeId, to: Destination, message: &SessionControl) -> bool {
        self.device.send_control(node, to, &message.encode())
    }

    fn pong(&mut self, node: &NodeId, id: u64, from: Endpoint, now: Now) {
        let Some(ping) = self.pings.answer(id, node) else {
            return;
        };
        let rtt = now.monotonic.since(ping.sent);
        if let Some(agent) = self.paths.get_mut(node) {
            agent.note_rtt(from, rtt);
        }
        if let Some(member) = self.roster.member(node) {
            let (label, address) = (member.label.clone(), member.address);
            let (relay, route) = (self.relays.name_behind(&from), self.relays.route_behind(node, &from));
            self.done(ping.command, Ok(Reply::Pong { node: *node, label, address, rtt, endpoint: from, relay, route }));
        }
    }

    /// What lanes carried on one session.
    pub(super) fn session_traffic(&mut self, traffic: &SessionTraffic, now: Now) {
        let Some(node) = self.device.owner(traffic.index) else {
            return;
        };
        let carried = self.carried(node);
        carried.sent += traffic.sent_bytes;
        carried.received += traffic.received_bytes;
        let direction = Traffic { sent: traffic.sent_packets > 0, received: traffic.received_packets > 0 };
        self.device.note_traffic(&node, direction, self.rng.as_mut(), now);
        let heard = traffic.newest.filter(|heard| self.is_news(&node, heard));
        if let Some(Heard { source, .. }) = heard {
            let is_newest = self.device.is_current(&node, traffic.index);
            self.heard(&node, source, is_newest, now);
            let is_beside = self.paths.get(&node).is_some_and(|agent| agent.current() != Some(source));
            match (direction.sent, is_beside) {
                (true, true) => self.path_sent(&node, now),
                (true, false) => self.path_used(&node, now),
                (false, _) => {}
            }
        } else if direction.sent {
            self.path_sent(&node, now);
        }
    }

    /// Whether what a lane heard still says where a peer is: lanes tell it up to a tenth of a second later.
    fn is_news(&self, node: &NodeId, heard: &Heard) -> bool {
        let Heard { source, at } = heard;
        let is_possible = !source.is_relayed() || self.relays.is_registered_at(&source.socket_addr());
        is_possible && self.paths.get(node).is_none_or(|agent| !agent.is_outdated(*at))
    }

    /// Data was sent to a peer, and nothing heard of it.
    pub(super) fn path_sent(&mut self, node: &NodeId, now: Now) {
        if let Some(agent) = self.path_of_session(node, now) {
            agent.handle_sent(now.monotonic);
            self.path_used(node, now);
        }
    }

    fn path_used(&mut self, node: &NodeId, now: Now) {
        if let Some(agent) = self.path_of_session(node, now) {
            let relayed = agent.current().filter(Endpoint::is_relayed);
            let outputs = agent.handle_used(now.monotonic);
            self.path_outputs(node, outputs, now);
            if let Some(endpoint) = relayed {
                if !self.relays.is_wanted(node) {
                    // The way was the peer's finding. One of our own stands by for it, and says over which relays it leads.
                    self.want_relays(*node, now);
                }
                self.relays.handle_used(node, &endpoint, now.monotonic);
            }
        }
    }

    fn path_of_session(&mut self, node: &NodeId, now: Now) -> Option<&mut PathAgent> {
        self.device.peer(node)?.sending(now.monotonic)?;
        self.paths.get_mut(node)
    }

    /// The socket refused a record as too long.
    pub(super) fn too_long(&mut self, refused: &TooLong, now: Now) {
        let to = refused.endpoint.socket_addr();
        let at = |agent: &PathAgent| agent.current().is_some_and(|current| current.socket_addr() == to);
        let nodes: Vec<NodeId> = self.paths.iter().filter(|(_, agent)| at(agent)).map(|(node, _)| *node).collect();
        for node in nodes {
            let outputs = self.agent(node).handle_too_long(to, refused.length, now.monotonic);
            self.path_outputs(&node, outputs, now);
        }
    }

    /// Files a path's next deadline.
    fn file_path(&mut self, node: &NodeId) {
        let Some(agent) = self.paths.get_mut(node) else {
            return;
        };
        let deadline = agent.poll_timeout();
        let before = std::mem::replace(&mut agent.filed, deadline);
        if before == deadline {
            return;
        }
        if let Some(at) = before {
            self.path_deadlines.remove(&(at, *node));
        }
        if let Some(at) = deadline {
            self.path_deadlines.insert((at, *node));
        }
    }

    pub(super) fn path_timeouts(&mut self, now: Now) {
        while let Some(&(at, node)) = self.path_deadlines.first() {
            if at > now.monotonic {
                return;
            }
            self.path_deadlines.pop_first();
            let Some(agent) = self.paths.get_mut(&node) else {
                continue;
            };
            agent.filed = None;
            let outputs = agent.handle_timeout(now.monotonic);
            self.path_outputs(&node, outputs, now);
            self.file_path(&node);
        }
    }

    /// Does what a path wants done, and files its next deadline.
    pub(super) fn path_outputs(&mut self, node: &NodeId, outputs: Vec<PathOutput>, now: Now) {
        self.file_path(node);
        for output in outputs {
            match output {
                PathOutput::Probe { id, to } => {
                    self.tell(node, Destination::Exactly(to), &SessionControl::Probe { id });
                }
                PathOutput::MtuProbe { id, size, to } => {
                    self.tell(node, Destination::Exactly(to), &SessionControl::MtuProbe { id, size });
                }
                PathOutput::RecordLimit => self.reroute(node, now),
                PathOutput::Call => self.call_in_session(node),
                PathOutput::Lost => self.path_lost(node, now),
            }
        }
    }

    /// The path in use does not answer.
    fn path_lost(&mut self, node: &NodeId, now: Now) {
        let lost = self.paths.get(node).and_then(PathAgent::current);
        self.with_relays(now, |relays, context| match lost {
            Some(endpoint) if endpoint.is_relayed() => relays.handle_silent(&endpoint, context),
            Some(_) | None => relays.handle_doubt(context),
        });
        self.device.renew(node, self.rng.as_mut(), now);
    }

    /// This machine is somewhere else: those it talks to are sought by every way. One behind a router that we have to be
    /// let in by may hear of it only through a relay.
    pub(super) fn try_all_again(&mut self, now: Now) {
        let is_used = |node: &&NodeId| self.device.peer(node).is_some_and(|peer| peer.sending(now.monotonic).is_some());
        let nodes: Vec<NodeId> = self.paths.keys().filter(is_used).copied().collect();
        for node in nodes {
            self.device.renew_from_here(&node, self.rng.as_mut(), now);
        }
    }

    /// A handshake is being tried: the peer is called, so that both sides try together.
    fn attempting(&mut self, node: NodeId, attempt: u32, now: Now) {
        let is_live = self.has_live_session(&node, now);
        if !is_live || attempt >= CALL_FROM_ATTEMPT {
            self.call(node, now);
            self.want_relays(node, now);
        }
        if self.paths.get(&node).is_none_or(PathAgent::is_clueless) {
            self.look_up(&node);
        }
    }

    /// Whether there is a session whose path answers, as far as that is known.
    pub(super) fn has_live_session(&self, node: &NodeId, now: Now) -> bool {
        self.device.peer(node).is_some_and(|peer| peer.sending(now.monotonic).is_some())
            && self.paths.get(node).is_some_and(PathAgent::is_live)
    }
}
