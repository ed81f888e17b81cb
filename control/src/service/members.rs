//! What the task does with members: gossip, records, identify, and whether they are still alive.

use std::time::Duration;

use holloway_wire::NodeId;
use libp2p::gossipsub::{self, Message, MessageAcceptance, MessageId, PublishError};
use libp2p::kad::{self, GetRecordOk, InboundRequest, QueryResult};
use libp2p::{Multiaddr, PeerId, identify, ping};
use tokio::time::Instant;

use super::{Service, TICK};
use crate::address;
use crate::channel::Channel;
use crate::command::Verdict;
use crate::event::Event;
use crate::gate::{self, Gate};
use crate::gossip::{self, Unjudged};
use crate::limits::{GOSSIP_BYTES_MAX, QUERIES_MAX, RECORD_BYTES_MAX, SILENCE_MAX, UNJUDGED_MAX, VALUES_PER_QUERY_MAX};
use crate::peer;
use crate::records::{self, VALUES_ENOUGH};
use crate::shell::{Members, MembersEvent};
use crate::token::{MessageToken, RequestId, StoreToken};

/// A lookup under way.
pub(super) struct Query {
    id: RequestId,
    values: Vec<Vec<u8>>,
}

/// Listen addresses of one member taken into the routing table.
const ROUTES_PER_MEMBER_MAX: usize = 4;

/// A tick this late says that the task, not the network, was slow; nobody is declared dead on its account.
const LATE_TICK: Duration = Duration::from_millis(4 * TICK.as_millis() as u64);

impl Service {
    pub(super) fn gate(&mut self) -> &mut Gate<Members> {
        &mut self.swarm.behaviour_mut().gate
    }

    fn members(&mut self) -> &mut Members {
        self.gate().inner_mut()
    }

    pub(super) fn expel(&mut self, node: &NodeId) {
        let peer = peer::peer_id(node);
        self.gate().expel(peer);
        self.members().records.remove_peer(&peer);
    }

    /// The owner hears of an open gate when the other side's subscription is in, so that what it publishes then
    /// arrives; it is the first thing that comes through.
    pub(super) fn on_open(&mut self, peer: PeerId) {
        self.opening.insert(peer);
        if let Some(route) = self.gate().known_address(&peer) {
            self.members().records.add_address(&peer, route);
        }
    }

    pub(super) fn on_members(&mut self, event: MembersEvent) {
        match event {
            MembersEvent::Ping(event) => self.on_ping(&event),
            MembersEvent::Identify(event) => self.on_identify(event),
            MembersEvent::Gossip(event) => self.on_gossip(event),
            MembersEvent::Records(event) => self.on_records(event),
            MembersEvent::Sync(event) => self.on_exchange(Channel::Sync, event),
            MembersEvent::Member(event) => self.on_exchange(Channel::Member, event),
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        match &event.result {
            Ok(_) => {
                self.heard.insert(event.connection, (event.peer, Instant::now()));
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error @ (ping::Failure::Timeout | ping::Failure::Other { .. })) => {
                tracing::debug!(peer = %event.peer, %error, "connection does not answer");
                self.gate().close_one(event.peer, event.connection);
            }
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        let Some(by) = peer::node_id(&peer_id).filter(|_| self.gate().is_admitted(&peer_id)) else { return };
        if let Some((address, _)) = address::parse(&info.observed_addr) {
            self.emit(Event::Observed { by, address });
        }
        let routes = info.listen_addrs.into_iter().filter(is_route).take(ROUTES_PER_MEMBER_MAX);
        for route in routes {
            self.members().records.add_address(&peer_id, route);
        }
    }

    pub(super) fn publish(&mut self, body: Vec<u8>) {
        if body.len() > GOSSIP_BYTES_MAX {
            tracing::warn!(bytes = body.len(), "gossip too large to publish");
            return;
        }
        let topic = self.topic.hash();
        match self.members().gossip.publish(topic, body) {
            Ok(_) | Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
            Err(error) => tracing::debug!(%error, "gossip not published"),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the library reports much that calls for nothing")]
    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Subscribed { peer_id, .. } => self.on_subscribed(&peer_id),
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_message(propagation_source, message_id, message);
            }
            _ => {}
        }
    }

    fn on_subscribed(&mut self, peer: &PeerId) {
        if let Some(node) = peer::node_id(peer).filter(|_| self.opening.remove(peer)) {
            self.emit(Event::Opened { node });
        }
    }

    fn on_message(&mut self, source: PeerId, id: MessageId, message: Message) {
        let Some(forwarder) = peer::node_id(&source) else { return };
        let gate = &self.swarm.behaviour().gate;
        if !gate.is_admitted(&source) || gate.is_quarantined(&source) {
            self.conclude(&id, &source, Verdict::Reject);
            return;
        }
        if let Some(verdict) = self.over_pace(&message, source) {
            self.conclude(&id, &source, verdict);
            return;
        }
        if self.unjudged.len() >= UNJUDGED_MAX
            && let Some((_, oldest)) = self.unjudged.pop_first()
        {
            self.conclude(&oldest.id, &oldest.forwarder, Verdict::Ignore);
        }
        self.messages += 1;
        self.unjudged.insert(self.messages, Unjudged { id, forwarder: source });
        self.emit(Event::Gossip { message: MessageToken(self.messages), forwarder, body: message.data });
    }

    /// An author that is not admitted here counts as its forwarder, or one member could be any number of authors.
    /// Too much is a fault of whoever it is counted to, and of nobody who passed it on.
    fn over_pace(&mut self, message: &Message, forwarder: PeerId) -> Option<Verdict> {
        let gate = &self.swarm.behaviour().gate;
        let (pace, counted) = match message.source.filter(|author| gate.is_admitted(author)) {
            Some(author) => (&mut self.authors, author),
            None => (&mut self.forwarders, forwarder),
        };
        if pace.allows(counted, Instant::now()) {
            return None;
        }
        Some(if counted == forwarder { Verdict::Reject } else { Verdict::Ignore })
    }

    pub(super) fn judge(&mut self, message: MessageToken, verdict: Verdict) {
        match self.unjudged.remove(&message.0) {
            Some(Unjudged { id, forwarder }) => self.conclude(&id, &forwarder, verdict),
            None => tracing::debug!("a verdict on a message that is gone"),
        }
    }

    fn conclude(&mut self, id: &MessageId, forwarder: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        self.members().gossip.report_message_validation_result(id, forwarder, acceptance);
        if verdict == Verdict::Reject {
            self.cut_if_due(*forwarder);
        }
    }

    fn cut_if_due(&mut self, peer: PeerId) {
        let gate = &self.swarm.behaviour().gate;
        if gate.is_quarantined(&peer) || !gossip::is_cut(&gate.inner().gossip, &peer) {
            return;
        }
        self.gate().quarantine(peer, gate::quarantine_end(Instant::now()));
        if let Some(node) = peer::node_id(&peer) {
            tracing::warn!(peer = %node.short(), "cut off for invalid gossip");
            self.emit(Event::CutOff { node });
        }
    }

    pub(super) fn put_record(&mut self, key: [u8; 32], value: Vec<u8>, lifetime: Duration) {
        if value.len() > RECORD_BYTES_MAX {
            tracing::warn!(bytes = value.len(), "record too large to put");
            return;
        }
        records::put(&mut self.members().records, key, value, lifetime);
    }

    pub(super) fn get_record(&mut self, id: RequestId, key: [u8; 32]) {
        if self.queries.len() >= QUERIES_MAX {
            self.emit(Event::Records { id, values: Vec::new() });
            return;
        }
        let query = self.members().records.get_record(records::key(key));
        self.queries.insert(query, Query { id, values: Vec::new() });
    }

    pub(super) fn store(&mut self, record: StoreToken, verdict: Verdict) {
        let Some(record) = self.offers.take(record.0) else { return };
        if verdict == Verdict::Accept {
            records::store(&mut self.members().records, record);
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the library reports much that calls for nothing")]
    fn on_records(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest { request: InboundRequest::PutRecord { source, record: Some(record), .. } } => {
                self.on_offer(source, record);
            }
            kad::Event::OutboundQueryProgressed { id, result: QueryResult::GetRecord(result), step, .. } => {
                self.on_values(id, result.ok(), step.last);
            }
            _ => {}
        }
    }

    fn on_offer(&mut self, source: PeerId, record: kad::Record) {
        let Some(node) = peer::node_id(&source).filter(|_| self.gate().is_admitted(&source)) else { return };
        let value = record.value.clone();
        if let Some((token, key)) = self.offers.add(record) {
            self.emit(Event::StoreOffered { record: StoreToken(token), node, key, value });
        }
    }

    fn on_values(&mut self, query: kad::QueryId, found: Option<GetRecordOk>, last: bool) {
        let Some(Query { values, .. }) = self.queries.get_mut(&query) else { return };
        if let Some(GetRecordOk::FoundRecord(found)) = found
            && values.len() < VALUES_PER_QUERY_MAX
            && !values.contains(&found.record.value)
        {
            values.push(found.record.value);
        }
        let enough = values.len() >= VALUES_ENOUGH;
        if last && let Some(Query { id, values }) = self.queries.remove(&query) {
            self.emit(Event::Records { id, values });
        } else if enough && let Some(mut query) = self.members().records.query_mut(&query) {
            query.finish();
        }
    }

    /// Ends connections that have gone silent, and members whose score has fallen by other ways than a verdict.
    pub(super) fn watch_members(&mut self, now: Instant) {
        if now - self.last_tick > LATE_TICK {
            self.heard.values_mut().for_each(|(_, heard)| *heard = now);
        }
        let silent: Vec<_> = self.heard.extract_if(|_, (_, heard)| now - *heard > SILENCE_MAX).collect();
        for (connection, (peer, _)) in silent {
            tracing::debug!(%peer, "connection is silent");
            self.gate().close_one(peer, connection);
        }
        for peer in self.gate().open_peers() {
            self.cut_if_due(peer);
        }
    }
}

fn is_route(address: &Multiaddr) -> bool {
    address::parse(address).is_some_and(|(address, _)| !address.ip().is_unspecified())
}
