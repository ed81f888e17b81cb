//! What has changed from one look at the daemon to the next. Pure: statuses in, changes out.

use std::collections::BTreeMap;

use holloway_dashboard::api::{
    AnnouncedRelay, NetworkStatus, PathKind, PeerStatus, RelayStanding, RelayStatus, Relays, Right, Status,
};

/// A member of a network, by the ids of both.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeKey {
    /// The network's id.
    pub(super) network: String,
    /// The member's.
    pub(super) node: String,
}

/// Something to write down.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// This network is called so.
    Network { id: String, label: String },
    /// This member is there, and is so.
    Node(NodeKey, NodeFacts),
    /// It is a member no more.
    Left(NodeKey),
    /// It was seen so at this look.
    Seen(NodeKey, Figures),
    /// A connection to it began.
    Began(NodeKey, Way),
    /// So much more went over the connection that lasts.
    Carried { node: NodeKey, rx_bytes: u64, tx_bytes: u64 },
    /// The connection ended.
    Ended(NodeKey),
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeFacts {
    pub(super) name: String,
    pub(super) rights: String,
    pub(super) is_relay: bool,
    /// Whether it was heard of lately, or as a relay could be reached.
    pub(super) is_well: bool,
    /// Whether it is this machine.
    pub(super) is_own: bool,
}

/// What one look saw of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) is_reached: bool,
    pub(super) rtt_us: Option<u64>,
    pub(super) rx_bytes: u64,
    pub(super) tx_bytes: u64,
    pub(super) dropped: u64,
    pub(super) load_percent: Option<u8>,
    pub(super) members: u64,
    /// Whether it is worth the finest resolution: relays, and the sum of what this machine carries.
    pub(super) is_fine: bool,
}

/// How a member is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) kind: PathKind,
    /// Its address, or the relay's name.
    pub(super) via: Option<String>,
}

/// What the last look saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    networks: BTreeMap<String, String>,
    nodes: BTreeMap<NodeKey, Seen>,
    /// Packets that each network had dropped.
    dropped: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
struct Seen {
    facts: NodeFacts,
    rx_bytes: u64,
    tx_bytes: u64,
    way: Option<Way>,
}

impl Memory {
    /// What is otherwise than at the last look.
    pub(super) fn look(&mut self, status: &Status, relays: &Relays) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut now = Self::default();
        for network in &status.networks {
            if self.networks.get(&network.id) != Some(&network.label) {
                changes.push(Change::Network { id: network.id.clone(), label: network.label.clone() });
            }
            now.networks.insert(network.id.clone(), network.label.clone());
            self.look_at(network, relays, &mut now, &mut changes);
        }
        for (key, seen) in &self.nodes {
            if !now.nodes.contains_key(key) {
                if seen.way.is_some() {
                    changes.push(Change::Ended(key.clone()));
                }
                changes.push(Change::Left(key.clone()));
            }
        }
        *self = now;
        changes
    }

    fn look_at(&self, network: &NetworkStatus, relays: &Relays, now: &mut Self, changes: &mut Vec<Change>) {
        let by_node: BTreeMap<&str, &RelayStatus> = relays
            .relays
            .iter()
            .filter(|relay| relay.network == network.label)
            .map(|relay| (relay.announced.node_id.as_str(), relay))
            .collect();
        let mut sum = self.own_figures(network, relays, now);
        for peer in &network.peers {
            let key = NodeKey { network: network.id.clone(), node: peer.node_id.clone() };
            let before = self.nodes.get(&key);
            let relay = by_node.get(peer.node_id.as_str()).copied();
            let facts = facts(peer, relay);
            if before.map(|before| &before.facts) != Some(&facts) {
                changes.push(Change::Node(key.clone(), facts.clone()));
            }
            let rx_bytes = growth(before.map(|before| before.rx_bytes), peer.rx_bytes);
            let tx_bytes = growth(before.map(|before| before.tx_bytes), peer.tx_bytes);
            sum.rx_bytes = sum.rx_bytes.saturating_add(rx_bytes);
            sum.tx_bytes = sum.tx_bytes.saturating_add(tx_bytes);
            let way = way(peer);
            if way.is_some() || relay.is_some_and(was_looked_at) {
                changes.push(Change::Seen(key.clone(), figures(peer, relay, rx_bytes, tx_bytes)));
            }
            connection(
                &key,
                before.and_then(|before| before.way.as_ref()),
                way.as_ref(),
                (rx_bytes, tx_bytes),
                changes,
            );
            now.nodes.insert(key, Seen { facts, rx_bytes: peer.rx_bytes, tx_bytes: peer.tx_bytes, way });
        }
        let own = NodeKey { network: network.id.clone(), node: network.node_id.clone() };
        let facts = NodeFacts {
            name: network.name.clone(),
            rights: rights(&network.rights),
            is_relay: own_relay(network, relays).is_some(),
            is_well: true,
            is_own: true,
        };
        if self.nodes.get(&own).map(|before| &before.facts) != Some(&facts) {
            changes.push(Change::Node(own.clone(), facts.clone()));
        }
        changes.push(Change::Seen(own.clone(), sum));
        now.nodes.insert(own, Seen { facts, rx_bytes: 0, tx_bytes: 0, way: None });
    }

    /// What this machine is to the network, but for what it carries.
    fn own_figures(&self, network: &NetworkStatus, relays: &Relays, now: &mut Self) -> Figures {
        let dropped = network.drops.values().sum();
        let before = self.dropped.get(&network.id).copied();
        now.dropped.insert(network.id.clone(), dropped);
        let online = network.peers.iter().filter(|peer| peer.online).count() as u64;
        let relay = own_relay(network, relays);
        Figures {
            is_reached: true,
            dropped: growth(before, dropped),
            load_percent: relay.map(|relay| relay.load_percent),
            members: relay.map_or(online, |relay| relay.members),
            is_fine: true,
            ..Figures::default()
        }
    }
}

/// What a counter has counted since, which begins anew with whoever counts.
fn growth(before: Option<u64>, now: u64) -> u64 {
    now.checked_sub(before.unwrap_or(0)).unwrap_or(now)
}

fn own_relay<'a>(network: &NetworkStatus, relays: &'a Relays) -> Option<&'a AnnouncedRelay> {
    relays.own.iter().find(|own| own.network == network.label).map(|own| &own.announced)
}

fn facts(peer: &PeerStatus, relay: Option<&RelayStatus>) -> NodeFacts {
    NodeFacts {
        name: peer.name.clone(),
        rights: rights(&peer.rights),
        is_relay: relay.is_some(),
        is_well: relay.map_or(peer.online, is_reached),
        is_own: false,
    }
}

fn figures(peer: &PeerStatus, relay: Option<&RelayStatus>, rx_bytes: u64, tx_bytes: u64) -> Figures {
    let rtt_ms = relay.and_then(|relay| relay.rtt_ms).or(peer.path.rtt_ms);
    Figures {
        is_reached: relay.map_or(peer.online, is_reached),
        rtt_us: rtt_ms.map(|rtt| (rtt.max(0.0) * 1000.0) as u64),
        rx_bytes,
        tx_bytes,
        dropped: 0,
        load_percent: relay.map(|relay| relay.announced.load_percent),
        members: relay.map_or(0, |relay| relay.announced.members),
        is_fine: relay.is_some(),
    }
}

fn is_reached(relay: &RelayStatus) -> bool {
    match relay.standing {
        RelayStanding::Home | RelayStanding::Standby | RelayStanding::Visited | RelayStanding::Known => true,
        RelayStanding::Untried | RelayStanding::Silent | RelayStanding::Refusing => false,
    }
}

fn was_looked_at(relay: &RelayStatus) -> bool {
    relay.standing != RelayStanding::Untried
}

fn way(peer: &PeerStatus) -> Option<Way> {
    peer.session.as_ref()?;
    let via = match peer.path.kind {
        PathKind::Direct => peer.path.endpoint.clone(),
        PathKind::Relay => peer.path.relay.clone(),
        PathKind::None => return None,
    };
    Some(Way { kind: peer.path.kind, via })
}

fn connection(
    key: &NodeKey,
    before: Option<&Way>,
    now: Option<&Way>,
    (rx_bytes, tx_bytes): (u64, u64),
    changes: &mut Vec<Change>,
) {
    if before != now && before.is_some() {
        changes.push(Change::Ended(key.clone()));
    }
    if let Some(way) = now.filter(|_| before != now) {
        changes.push(Change::Began(key.clone(), way.clone()));
    }
    if now.is_some() && (rx_bytes, tx_bytes) != (0, 0) {
        changes.push(Change::Carried { node: key.clone(), rx_bytes, tx_bytes });
    }
}

fn rights(rights: &[Right]) -> String {
    let name = |right: &Right| match right {
        Right::Issue => "issue",
        Right::Relay => "relay",
        Right::Exit => "exit",
        Right::Admin => "admin",
    };
    rights.iter().map(name).collect::<Vec<_>>().join(" ")
}
