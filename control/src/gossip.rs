//! Gossip: one topic per network, every message judged by the owner before it is passed on.
//!
//! The library checks the author's signature (`ValidationMode::Strict`); what the message means is the owner's
//! affair. A message it rejects counts against the neighbour that forwarded it, with its square, so that the third
//! within some minutes is one too many: [`is_cut`] then tells the task to end the connection.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use holloway_wire::{Digest, Domain, NetworkId};
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, MaxCountSubscriptionFilter, Message, MessageAuthenticity, MessageId,
    PeerScoreParams, PeerScoreThresholds, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
};
use libp2p::identity::Keypair;
use libp2p::{PeerId, StreamProtocol};
use tokio::time::Instant;

use crate::error::Error;
use crate::limits::{KNOWN_PEERS_MAX, MESSAGE_BYTES_MAX};

/// Gossipsub that knows one topic.
pub(crate) type Gossip =
    gossipsub::Behaviour<gossipsub::IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// Messages queued for one slow neighbour: 16 MiB at most, and then the newest are dropped; sync mends the rest.
const QUEUE_PER_PEER_MAX: usize = 256;

/// Subscriptions in one message. There is one topic; a few more are tolerated from a later version.
const SUBSCRIPTIONS_MAX: usize = 8;

/// Ids of messages seen are kept this long. Announcements are forwarded within seconds.
const DUPLICATES_KEPT: Duration = Duration::from_secs(60);

/// A message's id: nobody finds two messages with one.
const ID_BYTES: usize = 16;

/// Seconds a message waits for the owner's verdict before its bytes are gone.
const VERDICT_SECONDS: usize = 10;

/// The price of the n-th recent rejected message is n² times this.
const REJECTED_WEIGHT: f64 = -20.0;

/// Below this a neighbour's gossip is no longer listened to, and the neighbour is cut off: two rejected messages
/// (-80) are within it, three (-180) are not.
const CUT_BELOW: f64 = -100.0;

/// How long a rejected message counts.
const REJECTED_COUNTS_FOR: Duration = Duration::from_secs(600);

/// How many messages may come at once, and how many a second after that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    burst: f64,
    per_second: f64,
}

/// One author's messages. Members announce every 30 s and when something changes, relays a little more; a member
/// that was away announces everything it has.
pub(crate) const AUTHOR_BUDGET: Budget = Budget { burst: 200.0, per_second: 20.0 };

/// One neighbour's messages of authors that are not admitted here, of which it could invent any number. In a network
/// of a thousand members, none of them admitted here and all heard through one neighbour, 33 a second are honest.
pub(crate) const FORWARDER_BUDGET: Budget = Budget { burst: 2000.0, per_second: 200.0 };

pub(crate) fn topic(network: &NetworkId) -> IdentTopic {
    IdentTopic::new(format!("/holloway/{network}/1"))
}

/// The network's gossip, subscribed to its topic.
pub(crate) fn behaviour(keypair: &Keypair, network: &NetworkId) -> Result<Gossip, Error> {
    let topic = topic(network);
    let config = ConfigBuilder::default()
        .protocol_id_prefix(format!("/holloway/{network}/gossip"))
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(MESSAGE_BYTES_MAX)
        .message_id_fn(message_id)
        .duplicate_cache_time(DUPLICATES_KEPT)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(Duration::from_secs(1))
        .history_length(VERDICT_SECONDS)
        .history_gossip(3)
        .flood_publish(true)
        .connection_handler_queue_len(QUEUE_PER_PEER_MAX)
        .max_publish_messages(QUEUE_PER_PEER_MAX)
        .build()
        .map_err(|error| Error::Gossip(error.to_string()))?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(HashSet::from([topic.hash()])),
        max_subscribed_topics: 1,
        max_subscriptions_per_request: SUBSCRIPTIONS_MAX,
    };
    let author = MessageAuthenticity::Signed(keypair.clone());
    let invalid = |reason: &str| Error::Gossip(reason.to_owned());
    let mut gossip = Gossip::new_with_subscription_filter(author, config, filter).map_err(invalid)?;
    gossip.with_peer_score(score(&topic), thresholds()).map_err(|error| invalid(&error))?;
    gossip.subscribe(&topic).map_err(|error| Error::Gossip(error.to_string()))?;
    Ok(gossip)
}

/// Everyone tells its neighbours ids each second: the library's own is four times as long. Author and number are under the
/// author's signature, so nobody gets another's message taken for one that was seen.
fn message_id(message: &Message) -> MessageId {
    let author = message.source.map(PeerId::to_bytes).unwrap_or_default();
    let number = message.sequence_number.unwrap_or_default().to_be_bytes();
    MessageId::new(&Digest::of(Domain::Gossip, &[&author, &number]).prefix::<ID_BYTES>())
}

/// Members are judged by what they forward, and by nothing else: how much they forward says little on a topic that
/// is silent for minutes, and many of them may sit behind one address.
fn score(topic: &IdentTopic) -> PeerScoreParams {
    let judged = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        first_message_deliveries_weight: 0.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: REJECTED_WEIGHT,
        invalid_message_deliveries_decay: gossipsub::score_parameter_decay(REJECTED_COUNTS_FOR),
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: HashMap::from([(topic.hash(), judged)]),
        ip_colocation_factor_weight: 0.0,
        slow_peer_weight: 0.0,
        // Grafting too early after a prune happens to honest neighbours that restart.
        behaviour_penalty_threshold: 6.0,
        ..PeerScoreParams::default()
    }
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: CUT_BELOW / 4.0,
        publish_threshold: CUT_BELOW / 2.0,
        graylist_threshold: CUT_BELOW,
        ..PeerScoreThresholds::default()
    }
}

/// Whether a neighbour has forwarded more invalid gossip than can be an accident.
pub(crate) fn is_cut(gossip: &Gossip, peer: &PeerId) -> bool {
    gossip.peer_score(peer).is_some_and(|score| score < CUT_BELOW)
}

/// The protocol names are the network's own, so that two networks on one machine never mix.
pub(crate) fn network_protocol(network: &NetworkId, name: &str) -> Result<StreamProtocol, Error> {
    let protocol = format!("/holloway/{network}/{name}/1");
    StreamProtocol::try_from_owned(protocol).map_err(|error| Error::Gossip(error.to_string()))
}

/// Where a message stands that waits for the owner's verdict.
#[derive(Debug, Clone)]
pub(crate) struct Unjudged {
    pub(crate) id: MessageId,
    pub(crate) forwarder: PeerId,
}

/// How fast the messages of each node come. More than the budget is not worth the owner's time.
pub(crate) struct Pace {
    budget: Budget,
    nodes: HashMap<PeerId, (f64, Instant)>,
}

impl Pace {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, nodes: HashMap::new() }
    }

    /// Counts one message; false when it is one too many.
    pub(crate) fn allows(&mut self, node: PeerId, now: Instant) -> bool {
        let Budget { burst, per_second } = self.budget;
        if self.nodes.len() >= KNOWN_PEERS_MAX && !self.nodes.contains_key(&node) {
            let full_again = Duration::from_secs_f64(burst / per_second);
            self.nodes.retain(|_, (_, last)| now - *last < full_again);
        }
        let (tokens, last) = self.nodes.entry(node).or_insert((burst, now));
        *tokens = (*tokens + (now - *last).as_secs_f64() * per_second).min(burst);
        *last = now;
        let allowed = *tokens >= 1.0;
        if allowed {
            *tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_may_burst_and_then_keep_the_pace() {
        let (mut pace, author, now) = (Pace::new(AUTHOR_BUDGET), PeerId::random(), Instant::now());
        let sent = (0..1000).filter(|_| pace.allows(author, now)).count();
        assert_eq!(sent, 200);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| pace.allows(author, later)).count(), 20);
        assert!(pace.allows(PeerId::random(), now));
    }
}
