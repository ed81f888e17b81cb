use std::net::SocketAddr;

use holloway_wire::{
    Broadcast, Endpoint, FromRelay, HOME_RELAYS_MAX, MembershipCertificate, NodeId, Now, Publication, RELAY_FRAME_LEN,
    RelayAnnouncement, RelayDirection, RelayFrameHeader, Rights, SessionControl, Signed,
};

use super::Node;
use super::announcing::CallCounts;
use crate::drop_reason::DropReason;
use crate::output::{ControlCommand, Output, StreamCommand, Verdict};
use crate::relays::{Context, Relays, RelaysOutput};
use crate::tunnel::Destination;

impl Node {
    /// Something from a relay, or a datagram that came through one.
    pub(super) fn relay_message(&mut self, from: SocketAddr, datagram: &[u8], now: Now) {
        let Ok(message) = FromRelay::decode(datagram) else {
            self.drops.count(DropReason::Malformed);
            return;
        };
        if !self.with_relays(now, |relays, context| relays.handle_message(from, &message, context)) {
            self.drops.count(DropReason::Relay);
        }
    }

    /// Takes off what a relay has put around a datagram; the rest says where its sender is.
    pub(super) fn unframe(&mut self, from: SocketAddr, datagram: &mut Vec<u8>) -> Option<Endpoint> {
        match RelayFrameHeader::decode(datagram) {
            Ok(RelayFrameHeader { direction: RelayDirection::FromRelay, channel })
                if self.relays.is_registered_at(&from) =>
            {
                datagram.drain(..RELAY_FRAME_LEN);
                Some(Endpoint::relayed(from, channel))
            }
            Ok(_) => {
                self.drops.count(DropReason::Relay);
                None
            }
            Err(_) => {
                self.drops.count(DropReason::Malformed);
                None
            }
        }
    }

    /// Sends a datagram, through a relay where the endpoint is behind one.
    pub(super) fn transmit(&mut self, endpoint: Endpoint, datagram: Vec<u8>) {
        let (endpoint, datagram) = if let Endpoint::Relayed { relay, channel } = endpoint {
            let head = RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode();
            (Endpoint::udp(relay), [&head[..], &datagram].concat())
        } else {
            (endpoint, datagram)
        };
        self.outputs.push_back(Output::Transmit { endpoint, datagram });
    }

    pub(super) fn with_relays<T>(&mut self, now: Now, act: impl FnOnce(&mut Relays, &mut Context<'_>) -> T) -> T {
        let chain = self.own_chain();
        let mut context = Context {
            roster: &self.roster,
            key: &self.identity.key,
            network: &self.identity.network,
            chain: &chain,
            rng: self.rng.as_mut(),
            now,
        };
        act(&mut self.relays, &mut context)
    }

    /// What the relays want done.
    pub(super) fn relays_output(&mut self, output: RelaysOutput, now: Now) {
        match output {
            RelaysOutput::Send { to, message } => self.transmit(Endpoint::udp(to), message.encode()),
            RelaysOutput::HomesChanged => self.announcer.announce_soon(now),
            RelaysOutput::Observed { relay, address } => self.announcer.note_observed(relay, address, now),
            RelaysOutput::Reachable { node, endpoint } => {
                if self.roster.member(&node).is_some() {
                    if self.agent(node).add_relayed(endpoint) {
                        self.try_new_endpoints(&node, now);
                    } else {
                        self.device.attempt_at(&node, endpoint);
                    }
                }
            }
            RelaysOutput::Unreachable { endpoint } => self.unreachable(&endpoint, now),
            RelaysOutput::Moved { from, to } => self.relay_moved(from, to, now),
            RelaysOutput::OpenStream { relay, addresses } => {
                self.outputs.push_back(Output::Stream(StreamCommand::Open { relay, addresses }));
            }
            RelaysOutput::CloseStream { relay } => {
                self.outputs.push_back(Output::Stream(StreamCommand::Close { relay }));
            }
            RelaysOutput::News(news) => self.outputs.push_back(Output::Relay(news)),
            RelaysOutput::Ask { node } => self.neighbours.ask_for_relays(node, &self.roster),
        }
    }

    fn relay_moved(&mut self, from: SocketAddr, to: SocketAddr, now: Now) {
        let nodes: Vec<NodeId> = self.paths.keys().copied().collect();
        for node in nodes {
            if self.agent(node).handle_relay_moved(from, to) {
                self.reroute(&node, now);
            }
        }
    }

    fn unreachable(&mut self, endpoint: &Endpoint, now: Now) {
        let nodes: Vec<NodeId> = self.paths.keys().copied().collect();
        for node in nodes {
            let outputs = self.agent(node).handle_unreachable(endpoint, now.monotonic);
            if !outputs.is_empty() {
                self.path_outputs(&node, outputs, now);
            }
        }
    }

    /// A peer is to be reached, and there is no path that answers: relays may have one.
    pub(super) fn want_relays(&mut self, node: NodeId, now: Now) {
        let announced = self.roster.endpoints(&node).map(|own| own.relays.clone()).unwrap_or_default();
        self.with_relays(now, |relays, context| relays.want(node, &announced, context));
    }

    /// A relay speaks of itself, to everyone or to whoever asked.
    pub(super) fn relay_announced(&mut self, signed: &Signed<RelayAnnouncement>, is_gossip: bool, now: Now) -> Verdict {
        let verdict = self.with_relays(now, |relays, context| relays.handle_announcement(signed, is_gossip, context));
        if verdict == Verdict::Reject {
            self.drops.count(DropReason::ControlMessage);
        }
        verdict
    }

    /// What this machine says of itself as a relay, to be told to everyone.
    pub fn handle_own_relay(&mut self, announcement: Signed<RelayAnnouncement>, now: Now) {
        let body = Broadcast::Relay(announcement.clone()).encode();
        self.outputs.push_back(Output::Control(ControlCommand::Publish { body }));
        self.own_relay = Some(announcement);
        self.relays.begin_relaying();
        self.settle(now);
    }

    /// The relay of this machine is to lead circuits over another.
    pub fn handle_wanted_link(&mut self, relay: &NodeId, now: Now) {
        self.with_relays(now, |relays, context| relays.want_link(relay, context));
        self.settle(now);
    }

    /// Somebody looks at the relays, and does so again within seconds: those in use are asked more often meanwhile.
    pub fn handle_watched(&mut self, now: Now) {
        self.relays.handle_watched(now.monotonic);
    }

    /// What someone who wants to be reached through this machine, and shows these certificates, may do; `None` if it is
    /// no member.
    pub fn judge(&mut self, node: &NodeId, certificates: Vec<MembershipCertificate>, now: Now) -> Option<Rights> {
        let certificates = certificates.into_iter().rev().map(Publication::Certificate).collect();
        self.roster.offer_all(certificates, now);
        let rights = self.roster.member(node).map(|member| member.rights);
        let rights = rights.filter(|_| !self.roster.is_blocked(node));
        self.settle(now);
        rights
    }

    /// A member registered with this machine as its relay: that is where it is.
    pub fn handle_registered(&mut self, node: NodeId, source: SocketAddr, now: Now) {
        if self.roster.member(&node).is_some() && node != self.identity.node_id() {
            self.agent(node).add_called(&[source]);
            self.try_new_endpoints(&node, now);
        }
        self.settle(now);
    }

    /// A stream to a relay that was asked for is open: what is sent to this local address travels in it, and what comes
    /// from there came by it. Or, with `None`: it could not be opened, or has ended.
    pub fn handle_stream(&mut self, relay: NodeId, at: Option<SocketAddr>, now: Now) {
        self.with_relays(now, |relays, context| relays.handle_stream(&relay, at, context));
        self.settle(now);
    }

    /// Calls a peer over the path in use, which goes through a relay.
    pub(super) fn call_in_session(&mut self, node: &NodeId) {
        let endpoints = self.announcer.endpoints();
        self.tell(node, Destination::Current, &SessionControl::Call { endpoints });
    }

    /// A peer calls over the path in use: we probe it straight, as it probes us.
    pub(super) fn called_in_session(&mut self, node: &NodeId, endpoints: &[SocketAddr], now: Now) {
        let counts = self.call_counts(node, now);
        let agent = self.agent(*node);
        let probes = match counts {
            CallCounts::Fully => {
                agent.add_called(endpoints);
                agent.probe_straight(now.monotonic)
            }
            CallCounts::ForNews => {
                agent.add_called(endpoints);
                agent.probe_untried(now.monotonic)
            }
            CallCounts::ForNothing => return,
        };
        self.path_outputs(node, probes, now);
    }

    /// The relays that we can be found at.
    pub(super) fn home_relays(&self) -> Vec<NodeId> {
        let mut homes = self.relays.homes();
        homes.truncate(HOME_RELAYS_MAX);
        homes
    }
}
