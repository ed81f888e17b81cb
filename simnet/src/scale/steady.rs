//! A network that comes up and is watched while nothing fails.

use std::collections::BTreeSet;
use std::time::Duration;

use holloway_wire::{ControlAddr, EndpointAnnouncement, Hello, HelloReply, PROTOCOL_VERSION, Publication, Signed};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Plan;
use super::asking::Ask;
use super::dht::{Dht, Goal, K, Lookup, record_key};
use super::gossip::{self, Mesh, STREAM_OVERHEAD};
use super::network::Network;
use super::party::{HOMES, Number, address};
use super::plane::Place;
use super::traffic::{Kind, Traffic};

/// Relays start within this, and members after them.
const COMES_UP_WITHIN: Duration = Duration::from_secs(30);
/// Until what was begun is done.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// Announcements' interval with so many relays (`EVERY`, `RELAYS_AT_FULL_PACE` in relay).
const ANNOUNCED_EVERY: Duration = Duration::from_secs(30);
const AT_FULL_PACE: usize = 32;

/// Messages that are sent through the whole mesh; all others are taken to go as these did.
const FLOODS: usize = 4;

/// Lookups of each kind.
const LOOKUPS: usize = 1_000;

/// How often a node wants a channel to someone whom it has none to. Most pairs find each other without a relay.
const ASKS_EVERY: Duration = Duration::from_secs(3600);

/// How often a node looks a peer up.
const LOOKS_UP_EVERY: Duration = Duration::from_secs(600);

/// A record is put by its node anew (`RENEW` in mesh), put again by the library, and handed on by one of its holders
/// (`PUBLICATION` and `REPLICATION` in control).
const PUT_EVERY: [Duration; 3] = [Duration::from_secs(2700), Duration::from_secs(1200), Duration::from_secs(600)];

/// Members up to which everyone is told of endpoints (`TOLD_TO_ALL_MAX` in mesh).
const TOLD_TO_ALL_MAX: usize = 1024;

/// Members that a node is connected with anyway: it dials six, and six dial it.
const NEIGHBOURS: f64 = 12.0;

/// What a connection costs before the first word: TCP, Noise and yamux with their certificates, identify, both ways.
const CONNECTION_BYTES: f64 = 2_500.0;

/// A node in an answer of Kademlia: peer id, a TCP and a QUIC address over IPv4, state.
const DHT_NODE_BYTES: f64 = 66.0;
/// The rest of a question or an answer: kind, key, lengths.
const DHT_HEAD_BYTES: f64 = 48.0;

/// Announcements by gossip.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gossip {
    /// Announcements of relays in a minute, as long as nobody wants anything.
    pub alone_per_minute: f64,
    /// The same while members ask for channels.
    pub watched_per_minute: f64,
    /// Bytes of one.
    pub bytes: f64,
    /// Times that a node gets a message that it has.
    pub duplicates: f64,
    /// Seconds until all but one in twenty have a message, and until all have.
    pub reached: (f64, f64),
}

/// Records in the DHT.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finding {
    /// Names in a routing table.
    pub table: f64,
    /// Hops to the first copy of a record: mean and most.
    pub hops: (f64, f64),
    /// Nodes that are asked for a record, and to put one.
    pub asked: (f64, f64),
    /// Share of lookups that found what they looked for.
    pub found: f64,
    /// Bytes of a record.
    pub record_bytes: f64,
}

/// Channels that were asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binds {
    /// How many.
    pub asked: usize,
    /// How many were given.
    pub bound: usize,
    /// Those that lead over several relays.
    pub circuits: usize,
    /// The longest of these, in relays.
    pub relays_max: usize,
    /// Seconds that 95 in 100 take at most.
    pub p95: f64,
    /// Links between relays, on average for each relay.
    pub links: f64,
}

/// What was seen while nothing failed.
pub(super) struct Watched {
    pub(super) gossip: Gossip,
    pub(super) binds: Binds,
    traffic: Traffic,
    minutes: f64,
}

/// The network, and what stands around it.
pub(super) struct Stage {
    pub(super) network: Network,
    nodes: usize,
    rng: StdRng,
    duplicates: f64,
    reached: (f64, f64),
}

impl Stage {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let places: Vec<Place> = (0..plan.relays + plan.nodes).map(|_| Place::anywhere(&mut rng)).collect();
        let mesh = Mesh::new(places.len(), &mut rng);
        let floods: Vec<gossip::Flood> =
            (0..FLOODS).map(|_| mesh.flood(rng.random_range(0..places.len() as u32), &places)).collect();
        let duplicates: u64 = floods.iter().map(|flood| flood.duplicates).sum();
        let mut delays: Vec<u32> = floods.iter().flat_map(|flood| &flood.delays).copied().collect();
        delays.sort_unstable();
        let after = |share: f64| f64::from(delays[((delays.len() - 1) as f64 * share) as usize]) / 1e6;
        let reached = (after(0.95), after(1.0));
        debug_assert!(floods.iter().all(|flood| flood.sent == flood.duplicates + places.len() as u64 - 1));
        let duplicates = duplicates as f64 / (FLOODS * places.len()) as f64;
        let network = Network::new(plan.relays, plan.nodes, delays, &places, rng.random());
        Self { network, nodes: plan.nodes, rng, duplicates, reached }
    }

    fn within(&mut self, span: Duration) -> Duration {
        span.mul_f64(self.rng.random())
    }

    /// Relays start and link up; gives the announcements of one interval, in a minute.
    pub(super) fn relays_come_up(&mut self) -> f64 {
        let relays = self.network.relays();
        for relay in 0..relays as Number {
            let after = self.within(COMES_UP_WITHIN);
            self.network.begins(relay, after);
        }
        let interval = ANNOUNCED_EVERY * relays.div_ceil(AT_FULL_PACE) as u32;
        self.network.advance(COMES_UP_WITHIN + SETTLES_WITHIN);
        let before = self.network.announced.messages;
        self.network.advance(interval);
        (self.network.announced.messages - before) as f64 * 60.0 / interval.as_secs_f64()
    }

    /// Members come, each at its time, and register; gives the bytes that it takes one.
    pub(super) fn members_come_up(&mut self) -> f64 {
        self.network.traffic = Traffic::default();
        for member in self.members() {
            let after = self.within(COMES_UP_WITHIN);
            self.network.begins(member, after);
        }
        self.network.advance(COMES_UP_WITHIN + SETTLES_WITHIN);
        self.network.traffic[Kind::Registering] / self.nodes as f64
    }

    fn members(&self) -> std::ops::Range<Number> {
        let relays = self.network.relays() as Number;
        relays..relays + self.nodes as Number
    }

    pub(super) fn registered(&self) -> usize {
        let is_registered = |member: &Number| self.network.parties[*member as usize].registered().count() == HOMES;
        self.members().filter(is_registered).count()
    }

    /// Watches the network for a while, in which members ask for channels.
    pub(super) fn watch(&mut self, window: Duration, alone_per_minute: f64) -> Watched {
        let asks = self.nodes as f64 * window.as_secs_f64() / ASKS_EVERY.as_secs_f64();
        for _ in 0..asks.round() as usize {
            let (members, after) = (self.members(), self.within(window));
            let (from, to) = (self.rng.random_range(members.clone()), self.rng.random_range(members));
            if from != to {
                self.network.asks(Ask::new(from, to), after);
            }
        }
        self.network.traffic = Traffic::default();
        let before = std::mem::take(&mut self.network.announced);
        self.network.advance(window);
        let (traffic, minutes) = (self.network.traffic, window.as_secs_f64() / 60.0);
        let messages = self.network.announced.messages;
        // With so many relays that none is due within the window, they are as long as they were.
        let typical = if messages > 0 { self.network.announced } else { before };
        // Some last question has only just been asked.
        self.network.advance(Duration::from_secs(5));
        let gossip = Gossip {
            alone_per_minute,
            watched_per_minute: (messages as f64 / minutes).max(alone_per_minute),
            bytes: typical.bytes as f64 / typical.messages.max(1) as f64,
            duplicates: self.duplicates,
            reached: self.reached,
        };
        Watched { gossip, binds: self.binds(), traffic, minutes }
    }

    fn binds(&self) -> Binds {
        let bound: Vec<_> = self.network.asks.iter().filter_map(|ask| ask.bound.as_ref()).collect();
        let mut times: Vec<f64> = bound.iter().map(|bound| bound.after.as_secs_f64()).collect();
        times.sort_by(f64::total_cmp);
        let links: usize =
            (0..self.network.relays() as Number).map(|relay| self.network.server(relay).snapshot().links.len()).sum();
        Binds {
            asked: self.network.asks.len(),
            bound: bound.len(),
            circuits: bound.iter().filter(|bound| !bound.route.is_empty()).count(),
            relays_max: bound.iter().map(|bound| bound.route.len() + 1).max().unwrap_or(0),
            p95: times.get(times.len() * 95 / 100).copied().unwrap_or(0.0),
            links: links as f64 / self.network.relays() as f64,
        }
    }

    /// Looks records up, and nodes that are to hold one.
    pub(super) fn find(&mut self) -> Finding {
        let dht = Dht::new(self.network.parties.iter().map(|party| party.node), &mut self.rng);
        let mut look_up = |goal| -> Vec<Lookup> {
            let one = |_| {
                let about = self.rng.random_range(0..self.network.parties.len());
                let key = record_key(&self.network.id, &self.network.parties[about].node);
                let from = dht.anyone(&mut self.rng);
                dht.look_up(from, key, goal)
            };
            (0..LOOKUPS).map(one).collect()
        };
        let (puts, gets) = (look_up(Goal::Nearest), look_up(Goal::Value));
        let mean = |of: &[Lookup], what: fn(&Lookup) -> usize| {
            of.iter().map(what).sum::<usize>() as f64 / of.len().max(1) as f64
        };
        let is_found = puts.iter().chain(&gets).filter(|lookup| lookup.is_found).count();
        Finding {
            table: dht.table_len(),
            hops: (mean(&gets, |get| get.hops), gets.iter().map(|get| get.hops).max().unwrap_or(0) as f64),
            asked: (mean(&gets, |get| get.asked), mean(&puts, |put| put.asked)),
            found: is_found as f64 / (2 * LOOKUPS) as f64,
            record_bytes: self.record().encode().len() as f64,
        }
    }

    /// Where a member is, as it says itself: one address of the network around it, one seen from outside.
    fn record(&self) -> Publication {
        let member = self.members().start;
        let party = &self.network.parties[member as usize];
        let others = |count: usize| self.network.parties.iter().take(count).map(|party| party.node).collect();
        let announcement = EndpointAnnouncement {
            node: party.node,
            sequence: self.network.time().unix.as_nanos(),
            expires: self.network.time().unix,
            endpoints: vec![address(member), address(member + 1)],
            control: vec![ControlAddr::Tcp(address(member)), ControlAddr::Quic(address(member))],
            home_peers: others(HOMES),
            relays: others(HOMES),
        };
        Publication::Endpoints(Signed::sign(announcement, &party.key, &self.network.id))
    }

    /// Greetings of two that have just connected.
    fn greeting_bytes(&self) -> f64 {
        let Publication::Endpoints(announcement) = self.record() else { return 0.0 };
        let party = &self.network.parties[self.members().start as usize];
        let now = self.network.time().unix;
        let hello = Hello {
            version: PROTOCOL_VERSION,
            software: "holloway 0.1.0".to_owned(),
            time: now,
            chain: vec![(*party.certificate).clone()],
            announcement: Some(announcement),
        };
        let reply = HelloReply::Welcome(Box::new(hello.clone()));
        (hello.encode().len() + reply.encode().len() + 2 * STREAM_OVERHEAD) as f64
    }

    /// Bytes in a minute, of each node, with so many announcements of relays in it.
    pub(super) fn bytes(&self, watched: &Watched, announced: f64, finding: &Finding) -> Traffic {
        let Watched { gossip, traffic, minutes, .. } = watched;
        let nodes = self.network.parties.len() as f64;
        let mut bytes = traffic.divided(nodes * minutes);
        let copies = 1.0 + gossip.duplicates;
        bytes[Kind::RelayGossip] = announced * copies * gossip::message_bytes(gossip.bytes as usize);
        let told = if self.nodes <= TOLD_TO_ALL_MAX { nodes * per_minute(PUT_EVERY[0]) } else { 0.0 };
        bytes[Kind::EndpointGossip] = told * copies * gossip::message_bytes(finding.record_bytes as usize);
        bytes[Kind::GossipIds] = gossip::id_bytes(announced + told);
        let (got, put) = finding.asked;
        let question = DHT_HEAD_BYTES + STREAM_OVERHEAD as f64;
        let names = question + K as f64 * DHT_NODE_BYTES;
        let value = question + finding.record_bytes;
        let puts: f64 = PUT_EVERY.into_iter().map(per_minute).sum();
        let gets = per_minute(LOOKS_UP_EVERY);
        // A put is answered with what was put.
        bytes[Kind::DhtPuts] = puts * (put * (question + names) + K as f64 * 2.0 * value);
        bytes[Kind::DhtLookups] = gets * (got * (question + names) + 3.0 * value);
        let is_stranger = 1.0 - (NEIGHBOURS / nodes).min(1.0);
        let dial = CONNECTION_BYTES + self.greeting_bytes();
        bytes[Kind::DhtDials] = (puts * put + gets * got) * is_stranger * dial;
        bytes
    }
}

fn per_minute(every: Duration) -> f64 {
    60.0 / every.as_secs_f64()
}

/// The numbers of some of these, each once.
pub(super) fn some<T: Copy + Ord>(of: &[T], count: usize, rng: &mut StdRng) -> Vec<T> {
    let mut drawn = BTreeSet::new();
    for _ in 0..count.min(of.len()) * 4 {
        if drawn.len() < count && !of.is_empty() {
            drawn.insert(of[rng.random_range(0..of.len())]);
        }
    }
    drawn.into_iter().collect()
}
