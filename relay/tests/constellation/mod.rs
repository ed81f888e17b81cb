//! Several relays, members around them, and what is under way between them.
#![allow(clippy::wildcard_enum_match_arm, reason = "each test looks for one thing among many")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use holloway_relay::*;
use holloway_wire::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::people::{START, certificate, key};

/// A datagram under way, and how many relays have passed on what it carries.
struct Flight {
    from: SocketAddr,
    to: SocketAddr,
    datagram: Vec<u8>,
    relays: usize,
}

struct RelayMachine {
    server: Server,
    key: IdentityKey,
    at: SocketAddr,
    /// Its registrations with others.
    links: BTreeMap<usize, RegistrationId>,
}

/// A member, and the relay with which it is registered.
pub(crate) struct Member {
    key: IdentityKey,
    pub(crate) at: SocketAddr,
    pub(crate) home: usize,
    registration: RegistrationId,
}

impl Member {
    pub(crate) fn node(&self) -> NodeId {
        self.key.node_id()
    }
}

/// A frame as a member gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) channel: RelayChannel,
    pub(crate) record: Vec<u8>,
    /// Relays that have passed it on.
    pub(crate) relays: usize,
}

pub(crate) struct Constellation {
    pub(crate) now: Now,
    root: IdentityKey,
    network: NetworkId,
    relays: Vec<RelayMachine>,
    /// Relays between which nothing gets through.
    cut: BTreeSet<(usize, usize)>,
    under_way: VecDeque<Flight>,
    words: BTreeMap<SocketAddr, Vec<FromRelay>>,
    frames: BTreeMap<SocketAddr, Vec<Heard>>,
    /// Links that relays have asked for.
    pub(crate) wanted: Vec<(usize, NodeId)>,
    /// What relays have asked others to which nothing gets through.
    pub(crate) lost: Vec<ToRelay>,
    /// How often relays have said what they are.
    pub(crate) announced: usize,
    next_id: u64,
}

fn pair(one: usize, other: usize) -> (usize, usize) {
    (one.min(other), one.max(other))
}

/// A datagram of the session protocol, as far as a relay looks.
pub(crate) fn record(number: u64) -> Vec<u8> {
    let mut record = vec![TRANSPORT_TYPE];
    record.extend(number.to_le_bytes());
    record
}

impl Constellation {
    pub(crate) fn new(relays: u16, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let root = IdentityKey::generate(&mut rng);
        let network = NetworkId::of_root(&root.node_id());
        let now = Now { monotonic: Instant::from_nanos(1_000_000_000), unix: START };
        let machine = |number: u16| {
            let key = IdentityKey::from_bytes(&[number as u8 + 1; 32]);
            let identity = Identity {
                network,
                key: IdentityKey::from_bytes(&key.to_bytes()),
                name: format!("relay{number}").parse().expect("a label"),
            };
            let rng = Box::new(StdRng::seed_from_u64(seed ^ u64::from(number) << 32));
            let at = SocketAddr::from(([192, 0, 2, number as u8], 42042));
            let server = Server::new(identity, Settings::default(), Vec::new(), rng, now);
            RelayMachine { server, key, at, links: BTreeMap::new() }
        };
        let mut constellation = Self {
            now,
            root,
            network,
            relays: (0..relays).map(machine).collect(),
            cut: BTreeSet::new(),
            under_way: VecDeque::new(),
            words: BTreeMap::new(),
            frames: BTreeMap::new(),
            wanted: Vec::new(),
            lost: Vec::new(),
            announced: 0,
            next_id: 0,
        };
        constellation.pass(Duration::ZERO);
        constellation
    }

    pub(crate) fn node(&self, relay: usize) -> NodeId {
        self.relays[relay].key.node_id()
    }

    pub(crate) fn snapshot(&self, relay: usize) -> Snapshot {
        self.relays[relay].server.snapshot()
    }

    pub(crate) fn expel(&mut self, relay: usize, node: &NodeId) {
        self.relays[relay].server.handle_expelled(node);
        self.settle();
    }

    /// Time passes for all.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now.monotonic + span;
        loop {
            let due = self.relays.iter().map(|relay| relay.server.poll_timeout()).min().expect("there are relays");
            let at = due.min(end).max(self.now.monotonic);
            self.now = Now { monotonic: at, unix: self.now.unix + at.since(self.now.monotonic) };
            for relay in &mut self.relays {
                relay.server.handle_timeout(self.now);
            }
            self.settle();
            if at >= end {
                return;
            }
        }
    }

    /// Carries out what is wanted and delivers what is under way, until all is still.
    fn settle(&mut self) {
        (0..self.relays.len()).for_each(|relay| self.drain(relay, 0));
        while let Some(flight) = self.under_way.pop_front() {
            self.deliver(&flight);
        }
    }

    fn deliver(&mut self, flight: &Flight) {
        let Some(relay) = self.relays.iter().position(|relay| relay.at == flight.to) else {
            self.deliver_to_member(flight);
            return;
        };
        let sender = self.relays.iter().position(|relay| relay.at == flight.from);
        if sender.is_some_and(|sender| self.cut.contains(&pair(sender, relay))) {
            self.lost.extend(ToRelay::decode(&flight.datagram));
            return;
        }
        if Server::takes(&flight.datagram) {
            self.relays[relay].server.handle_datagram(flight.from, &flight.datagram, self.now);
        } else if !self.relays[relay].server.handle_answer(flight.from, &flight.datagram, self.now) {
            let word = FromRelay::decode(&flight.datagram).expect("relays say nothing else");
            self.words.entry(flight.to).or_default().push(word);
        }
        self.drain(relay, flight.relays);
    }

    fn deliver_to_member(&mut self, flight: &Flight) {
        if let Ok(word) = FromRelay::decode(&flight.datagram) {
            self.words.entry(flight.to).or_default().push(word);
            return;
        }
        let header = RelayFrameHeader::decode(&flight.datagram).expect("a frame");
        assert_eq!(header.direction, RelayDirection::FromRelay);
        let record = flight.datagram[RELAY_FRAME_LEN..].to_vec();
        let heard = Heard { channel: header.channel, record, relays: flight.relays };
        self.frames.entry(flight.to).or_default().push(heard);
    }

    fn drain(&mut self, relay: usize, relays: usize) {
        while let Some(output) = self.relays[relay].server.poll_output() {
            match output {
                Output::Transmit { to, datagram } => {
                    let relays = relays + usize::from(RelayFrameHeader::is_frame(&datagram));
                    assert!(relays <= RELAYS_IN_PATH_MAX, "a frame goes on and on");
                    self.under_way.push_back(Flight { from: self.relays[relay].at, to, datagram, relays });
                }
                Output::Judge { token, node, .. } => {
                    let is_relay = self.relays.iter().any(|relay| relay.key.node_id() == node);
                    let standing = if is_relay { Standing::Relay } else { Standing::Member };
                    self.relays[relay].server.handle_verdict(token, standing, self.now);
                }
                Output::Announce(signed) => {
                    self.announced += 1;
                    for other in &mut self.relays {
                        other.server.handle_announcement(signed.value(), self.now);
                    }
                }
                Output::Link { relay: wanted } => self.wanted.push((relay, wanted)),
                Output::Forwarding(_) | Output::Keep(_) => {}
            }
        }
    }

    pub(crate) fn send(&mut self, from: SocketAddr, relay: usize, datagram: Vec<u8>) {
        let to = self.relays[relay].at;
        self.under_way.push_back(Flight { from, to, datagram, relays: 0 });
        self.settle();
    }

    pub(crate) fn words(&mut self, at: SocketAddr) -> Vec<FromRelay> {
        self.words.remove(&at).unwrap_or_default()
    }

    pub(crate) fn frames(&mut self, at: SocketAddr) -> Vec<Heard> {
        self.frames.remove(&at).unwrap_or_default()
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn register(&mut self, key: &IdentityKey, at: SocketAddr, relay: usize) -> Option<RegistrationId> {
        let id = self.id();
        self.send(at, relay, ToRelay::Register { id }.encode());
        let challenge = self.words(at).into_iter().find_map(|word| match word {
            FromRelay::Challenge { id: answered, challenge, .. } if answered == id => Some(challenge),
            _ => None,
        })?;
        let body = RelayRegistration { node: key.node_id(), relay: self.node(relay), challenge, observed: at };
        let registration = Signed::sign(body, key, &self.network);
        let certificates = vec![certificate(&self.root, key)];
        self.send(at, relay, ToRelay::Answer { id, registration, certificates }.encode());
        self.words(at).into_iter().find_map(|word| match word {
            FromRelay::Registered { registration, .. } => Some(registration),
            _ => None,
        })
    }

    /// A member that registers with a relay.
    pub(crate) fn member(&mut self, number: u16, home: usize) -> Member {
        let key = key(number);
        let at = SocketAddr::from(([198, 51, 100, number as u8], 40_000));
        let registration = self.register(&key, at, home).expect("nothing is in the way");
        Member { key, at, home, registration }
    }

    /// A member goes to another relay.
    pub(crate) fn rehome(&mut self, member: &mut Member, home: usize) {
        member.home = home;
        member.registration = self.register(&member.key, member.at, home).expect("nothing is in the way");
    }

    /// One relay registers with another.
    pub(crate) fn link(&mut self, from: usize, to: usize, rtt: Duration) {
        self.link_that(true, from, to, rtt);
    }

    /// One relay registers with another because members want it, not to stay.
    pub(crate) fn link_for_now(&mut self, from: usize, to: usize, rtt: Duration) {
        self.link_that(false, from, to, rtt);
    }

    fn link_that(&mut self, is_lasting: bool, from: usize, to: usize, rtt: Duration) {
        let (key, at) = (IdentityKey::from_bytes(&self.relays[from].key.to_bytes()), self.relays[from].at);
        let registration = self.register(&key, at, to).expect("nothing is in the way");
        self.relays[from].links.insert(to, registration);
        let link = OwnLink { registration, at: self.relays[to].at, rtt, is_lasting };
        let relay = self.node(to);
        self.relays[from].server.handle_link(relay, Some(link), self.now);
        self.settle();
    }

    /// Both register with each other.
    pub(crate) fn join(&mut self, one: usize, other: usize, rtt: Duration) {
        self.link(one, other, rtt);
        self.link(other, one, rtt);
    }

    /// One relay finds that another does not answer.
    pub(crate) fn unlink(&mut self, from: usize, to: usize) {
        self.relays[from].links.remove(&to);
        let relay = self.node(to);
        self.relays[from].server.handle_link(relay, None, self.now);
        self.settle();
    }

    /// Nothing gets through between two relays any more, or does again.
    pub(crate) fn set_cut(&mut self, one: usize, other: usize, is_cut: bool) {
        if is_cut {
            self.cut.insert(pair(one, other));
        } else {
            self.cut.remove(&pair(one, other));
        }
    }

    /// Asks for a channel; says which, and over which further relays.
    pub(crate) fn bind(&mut self, from: &Member, to: &Member) -> Option<(RelayChannel, Vec<NodeId>)> {
        let (id, node) = (self.id(), to.node());
        let relays = vec![self.node(to.home)];
        let question = ToRelay::Bind { registration: from.registration, id, node, relays };
        self.send(from.at, from.home, question.encode());
        self.words(from.at).into_iter().find_map(|word| match word {
            FromRelay::Bound { id: answered, channel, route, .. } if answered == id => Some((channel, route)),
            _ => None,
        })
    }

    /// The same as a member does it, which asks again when nobody answers.
    pub(crate) fn bind_with_patience(&mut self, from: &Member, to: &Member) -> Option<(RelayChannel, Vec<NodeId>)> {
        for wait in [250, 500, 1000, 500, 500] {
            if let Some(bound) = self.bind(from, to) {
                return Some(bound);
            }
            self.pass(Duration::from_millis(wait));
        }
        None
    }

    /// Sends a record, and says what its home relay said to that.
    pub(crate) fn say(&mut self, from: &Member, channel: RelayChannel, record: &[u8]) {
        let head = RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode();
        self.send(from.at, from.home, [&head[..], record].concat());
    }

    /// What a relay that has this registration says to another.
    pub(crate) fn registration_of(&self, from: usize, with: usize) -> RegistrationId {
        self.relays[from].links[&with]
    }

    pub(crate) fn at(&self, relay: usize) -> SocketAddr {
        self.relays[relay].at
    }

    pub(crate) fn registration(&self, member: &Member) -> RegistrationId {
        member.registration
    }
}
