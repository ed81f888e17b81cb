//! Relays, members and what is under way between them, in order of virtual time.
//!
//! Every relay is a real [`Server`]; every datagram is one that it takes or gives, encoded, counted and decoded. Members
//! answer challenges with real signatures, and the servers verify them. Who asks whether somebody is a member is told
//! yes at once.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holloway_relay::{Identity, Output, Server, Settings, Standing as Judged};
use holloway_wire::{
    Broadcast, FromRelay, IdentityKey, Instant, NetworkId, NodeId, Now, OwnLink, RelayAnnouncement, RelayRegistration,
    Signed, ToRelay,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::asking::Ask;
use super::party::{
    EPOCH, HOMES, LINKS, MEASURED_AGAIN, Number, PING_EVERY, PING_TRIES, Party, Stage, Standing, TRIES, VISIT, address,
    at_address,
};
use super::plane::Place;
use super::traffic::{Kind, Traffic};

/// Relays that a member or a relay would go to, at most: the nearest.
const NEAREST_KEPT: usize = 24;

/// What is going to happen.
enum Event {
    /// A datagram arrives.
    Arrives { from: Number, to: Number, datagram: Vec<u8> },
    /// An announcement comes to a relay by gossip.
    Announced { to: Number, announcement: Arc<RelayAnnouncement> },
    /// A server's timer is due.
    Server(Number),
    /// A party's standing with a relay is due.
    Standing { party: Number, relay: Number },
    /// A party chooses its relays.
    Choose(Number),
    /// Someone wants a channel.
    Ask(usize),
}

/// Between which relays nothing gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Nowhere,
    Between(Number, Number),
    /// The two halves of the plane.
    Halves,
}

struct Relay {
    server: Server,
    /// When its timer has been filed for.
    filed: Option<Instant>,
    is_dead: bool,
}

/// Who has heard that links are gone.
#[derive(Default)]
pub(super) struct Watch {
    /// Links, each as the relay that speaks of it and the other.
    pub(super) gone: BTreeSet<(NodeId, NodeId)>,
    /// Who has heard of which, and when the last of them did.
    pub(super) heard: BTreeSet<(Number, NodeId)>,
    pub(super) last: Option<Instant>,
}

impl Watch {
    fn note(&mut self, by: Number, announcement: &RelayAnnouncement, now: Instant) {
        let is_told = |(from, to): &(NodeId, NodeId)| {
            *from == announcement.node && announcement.links.iter().all(|link| link.relay != *to)
        };
        if self.gone.iter().any(is_told) && self.heard.insert((by, announcement.node)) {
            self.last = Some(now);
        }
    }
}

/// What relays have announced.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Announced {
    pub(super) messages: u64,
    pub(super) bytes: u64,
}

/// The relays and members of one network.
pub(super) struct Network {
    pub(super) now: Instant,
    pub(super) id: NetworkId,
    pub(super) rng: StdRng,
    relays: Vec<Relay>,
    /// Ids of the relays.
    pub(super) nodes: Vec<NodeId>,
    pub(super) parties: Vec<Party>,
    cut: Cut,
    pub(super) traffic: Traffic,
    pub(super) announced: Announced,
    pub(super) asks: Vec<Ask>,
    /// Times that announcements took through floods that were sampled, in microseconds.
    delays: Vec<u32>,
    pub(super) watch: Watch,
    events: Vec<Option<Event>>,
    free: Vec<u32>,
    order: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    filed: u64,
}

impl Network {
    /// A network whose relays know nobody yet, and whose members are registered nowhere.
    pub(super) fn new(relays: usize, members: usize, delays: Vec<u32>, places: &[Place], seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let root = IdentityKey::generate(&mut rng);
        let now = Instant::from_nanos(1_000_000_000);
        let id = NetworkId::of_root(&root.node_id());
        let parties: Vec<Party> = (0..relays + members)
            .map(|party| {
                let mut nearest = places[party].nearest(&places[..relays], NEAREST_KEPT + 1);
                nearest.retain(|relay| *relay as usize != party);
                nearest.truncate(if party < relays { NEAREST_KEPT } else { 2 * HOMES });
                nearest.shrink_to_fit();
                Party::new(IdentityKey::generate(&mut rng), places[party], nearest, &root, &id)
            })
            .collect();
        let mut network = Self {
            now,
            id,
            rng,
            relays: Vec::new(),
            nodes: parties[..relays].iter().map(|party| party.node).collect(),
            parties,
            cut: Cut::Nowhere,
            traffic: Traffic::default(),
            announced: Announced::default(),
            asks: Vec::new(),
            delays,
            watch: Watch::default(),
            events: Vec::new(),
            free: Vec::new(),
            order: BinaryHeap::new(),
            filed: 0,
        };
        network.relays = (0..relays as Number).map(|relay| network.relay(relay)).collect();
        network
    }

    fn relay(&mut self, number: Number) -> Relay {
        let key = IdentityKey::from_bytes(&self.parties[number as usize].key.to_bytes());
        let name = format!("relay{number}").parse().expect("letters and digits are a label");
        let settings = Settings {
            region: "somewhere".to_owned(),
            endpoints: vec![address(number)],
            stream_port: Some(443),
            software: "holloway 0.1.0".to_owned(),
            ..Settings::default()
        };
        let rng = Box::new(StdRng::seed_from_u64(self.rng.random()));
        let server = Server::new(Identity { network: self.id, key, name }, settings, Vec::new(), rng, self.time());
        Relay { server, filed: None, is_dead: false }
    }

    pub(super) fn time(&self) -> Now {
        Now { monotonic: self.now, unix: EPOCH + Duration::from_nanos(self.now.as_nanos()) }
    }

    pub(super) fn relays(&self) -> usize {
        self.relays.len()
    }

    pub(super) fn server(&self, relay: Number) -> &Server {
        &self.relays[relay as usize].server
    }

    pub(super) fn is_relay(&self, party: Number) -> bool {
        (party as usize) < self.relays.len()
    }

    /// A party begins to register, after a while.
    pub(super) fn begins(&mut self, party: Number, after: Duration) {
        self.file(after, Event::Choose(party));
        if self.is_relay(party) {
            self.file(after, Event::Server(party));
        }
    }

    /// Someone asks for a channel, after a while.
    pub(super) fn asks(&mut self, ask: Ask, after: Duration) {
        self.asks.push(ask);
        self.file(after, Event::Ask(self.asks.len() - 1));
    }

    pub(super) fn asks_again(&mut self, ask: usize, after: Duration) {
        self.file(after, Event::Ask(ask));
    }

    /// A relay is gone without a word.
    pub(super) fn kill(&mut self, relay: Number) {
        self.relays[relay as usize].is_dead = true;
        self.doubt_pings();
    }

    /// Nothing gets through here any more; elsewhere it does again.
    pub(super) fn cut(&mut self, cut: Cut) {
        self.cut = cut;
        self.doubt_pings();
    }

    /// Pings that are under way may not be answered: those who sent them come back for them.
    fn doubt_pings(&mut self) {
        let is_open = |standing: &&Standing| matches!(standing.stage, Stage::Pinging(_));
        let open = |(number, party): (Number, &Party)| {
            let open = party.standings.iter().filter(is_open);
            open.map(|standing| (number, standing.relay, standing.due)).collect::<Vec<_>>()
        };
        let open: Vec<(Number, Number, Instant)> = (0..).zip(&self.parties).flat_map(open).collect();
        for (party, relay, due) in open {
            self.file(due.since(self.now), Event::Standing { party, relay });
        }
    }

    pub(super) fn is_dead(&self, party: Number) -> bool {
        self.relays.get(party as usize).is_some_and(|relay| relay.is_dead)
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(Reverse((at, _, _))) = self.order.peek()
            && *at <= until
        {
            let Some(Reverse((at, _, slot))) = self.order.pop() else { break };
            self.now = at;
            self.free.push(slot);
            if let Some(event) = self.events[slot as usize].take() {
                self.happens(event);
            }
        }
        self.now = until;
    }

    fn file(&mut self, after: Duration, event: Event) {
        self.filed += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.events[slot as usize] = Some(event);
        self.order.push(Reverse((self.now + after, self.filed, slot)));
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Arrives { from, to, datagram } => self.arrives(from, to, &datagram),
            Event::Announced { to, announcement } => self.hears(to, &announcement),
            Event::Server(relay) => {
                let filed = &mut self.relays[relay as usize].filed;
                if filed.is_some_and(|filed| filed != self.now) {
                    return;
                }
                *filed = None;
                self.with_server(relay, Server::handle_timeout);
            }
            Event::Standing { party, relay } => self.standing_due(party, relay),
            Event::Choose(party) => self.choose(party),
            Event::Ask(ask) => self.ask_due(ask),
        }
    }

    fn hears(&mut self, relay: Number, announcement: &RelayAnnouncement) {
        if self.is_dead(relay) {
            return;
        }
        let time = self.time();
        self.relays[relay as usize].server.handle_announcement(announcement, time);
        self.watch.note(relay, announcement, time.monotonic);
    }

    fn is_cut(&self, one: Number, other: Number) -> bool {
        if !self.is_relay(one) || !self.is_relay(other) {
            return false;
        }
        let is_west = |party: Number| self.parties[party as usize].place.is_west();
        match self.cut {
            Cut::Nowhere => false,
            Cut::Between(a, b) => (one, other) == (a, b) || (one, other) == (b, a),
            Cut::Halves => is_west(one) != is_west(other),
        }
    }

    /// Sends a datagram; says whether it is under way.
    pub(super) fn send(&mut self, from: Number, to: Number, datagram: Vec<u8>) -> bool {
        let kind = Kind::of(&datagram, self.is_relay(from) && self.is_relay(to));
        self.traffic.datagram(kind, datagram.len());
        if self.is_cut(from, to) || self.is_dead(from) || self.is_dead(to) {
            return false;
        }
        let delay = self.parties[from as usize].place.delay(self.parties[to as usize].place);
        self.file(delay, Event::Arrives { from, to, datagram });
        true
    }

    fn arrives(&mut self, from: Number, to: Number, datagram: &[u8]) {
        if self.is_dead(to) {
            return;
        }
        if Server::takes(datagram) {
            self.with_server(to, |server, now| server.handle_datagram(address(from), datagram, now));
            return;
        }
        let mut is_taken = false;
        if self.is_relay(to) {
            self.with_server(to, |server, now| is_taken = server.handle_answer(address(from), datagram, now));
        }
        if !is_taken && let Ok(word) = FromRelay::decode(datagram) {
            self.is_told(to, from, &word);
        }
    }

    /// Lets a server act, and does what it wants.
    fn with_server(&mut self, relay: Number, act: impl FnOnce(&mut Server, Now)) {
        let time = self.time();
        if self.is_dead(relay) {
            return;
        }
        act(&mut self.relays[relay as usize].server, time);
        while let Some(output) = self.relays[relay as usize].server.poll_output() {
            match output {
                Output::Transmit { to, datagram } => {
                    let to = at_address(&to).expect("relays only talk to parties");
                    self.send(relay, to, datagram);
                }
                Output::Judge { token, source, .. } => {
                    let is_relay = at_address(&source).is_some_and(|party| self.is_relay(party));
                    let standing = if is_relay { Judged::Relay } else { Judged::Member };
                    self.relays[relay as usize].server.handle_verdict(token, standing, time);
                }
                Output::Announce(signed) => self.announce(relay, signed),
                Output::Link { relay: wanted } => self.want_link(relay, &wanted),
                Output::Forwarding(_) | Output::Keep(_) => {}
            }
        }
        let due = self.relays[relay as usize].server.poll_timeout().max(self.now);
        if self.relays[relay as usize].filed.is_none_or(|filed| due < filed) {
            self.relays[relay as usize].filed = Some(due);
            self.file(due.since(self.now), Event::Server(relay));
        }
    }

    /// Gossip takes an announcement to all other relays, and to all members, who are not asked what they think of it.
    fn announce(&mut self, relay: Number, signed: Signed<RelayAnnouncement>) {
        let announcement = Arc::new(signed.value().clone());
        self.announced.messages += 1;
        self.announced.bytes += Broadcast::Relay(signed).encode().len() as u64;
        for to in (0..self.relays.len() as Number).filter(|to| *to != relay) {
            let delay = self.delays[self.rng.random_range(0..self.delays.len())];
            let announcement = announcement.clone();
            self.file(Duration::from_micros(delay.into()), Event::Announced { to, announcement });
        }
    }

    /// A relay wants to be registered with another, or to see whether it still is.
    fn want_link(&mut self, party: Number, wanted: &NodeId) {
        let Some(relay) = self.nodes.iter().position(|node| node == wanted).map(|at| at as Number) else {
            return;
        };
        let now = self.now;
        let held = &mut self.parties[party as usize];
        if held.with(relay).is_none() {
            held.standings.push(Standing::new(relay, now));
        }
        if let Some(standing) = held.with(relay) {
            standing.visit_until = Some(now + VISIT);
            match standing.stage {
                Stage::Failed => standing.stage = Stage::Waiting,
                Stage::Registered(_) => standing.due = now,
                Stage::Waiting | Stage::Asking | Stage::Answering | Stage::Pinging(_) => {}
            }
        }
        self.standing_due(party, relay);
        self.file(VISIT, Event::Choose(party));
        self.choose(party);
    }

    /// A party begins what is wanted and gives up what is not.
    fn choose(&mut self, party: Number) {
        if self.is_dead(party) {
            return;
        }
        let (now, is_relay) = (self.now, self.is_relay(party));
        let count = if is_relay { LINKS } else { HOMES };
        let wanted = self.parties[party as usize].wanted(count, now);
        let mut left = Vec::new();
        self.parties[party as usize].standings.retain_mut(|standing| {
            if wanted.contains(&standing.relay) || standing.stage == Stage::Failed {
                return true;
            }
            left.extend(standing.registration().map(|_| standing.relay));
            standing.stage = Stage::Waiting;
            standing.visit_until.is_some_and(|until| until > now)
        });
        for relay in left {
            self.link(party, relay, None);
        }
        for relay in wanted {
            let held = &mut self.parties[party as usize];
            if held.with(relay).is_none() {
                held.standings.push(Standing::new(relay, now));
            }
            if held.with(relay).is_some_and(|standing| standing.stage == Stage::Waiting) {
                self.ask(party, relay);
            }
        }
    }

    /// Tells a relay's server of a link; members have none.
    fn link(&mut self, party: Number, relay: Number, link: Option<OwnLink>) {
        if self.is_relay(party) {
            let node = self.nodes[relay as usize];
            self.with_server(party, |server, now| server.handle_link(node, link, now));
        }
    }

    /// Asks for a challenge, or gives up.
    fn ask(&mut self, party: Number, relay: Number) {
        let (id, now) = (self.rng.random_range(1..u64::MAX), self.now);
        let Some(standing) = self.parties[party as usize].with(relay) else { return };
        if !matches!(standing.stage, Stage::Asking | Stage::Answering) {
            standing.tries = 0;
        }
        let Some(wait) = TRIES.get(standing.tries) else {
            self.fail(party, relay);
            return;
        };
        standing.stage = Stage::Asking;
        (standing.tries, standing.asked, standing.sent) = (standing.tries + 1, id, now);
        standing.due = now + *wait;
        self.file(*wait, Event::Standing { party, relay });
        self.send(party, relay, ToRelay::Register { id }.encode());
    }

    fn standing_due(&mut self, party: Number, relay: Number) {
        let now = self.now;
        let dead = self.is_dead(party);
        let Some(standing) = self.parties[party as usize].with(relay).filter(|standing| standing.due <= now && !dead)
        else {
            return;
        };
        match standing.stage {
            Stage::Asking | Stage::Answering => self.ask(party, relay),
            Stage::Registered(registration) => {
                (standing.stage, standing.tries) = (Stage::Pinging(registration), 0);
                standing.sent = now;
                self.ping(party, relay);
            }
            Stage::Pinging(_) => self.ping(party, relay),
            Stage::Failed => {
                standing.stage = Stage::Waiting;
                self.choose(party);
            }
            Stage::Waiting => {}
        }
    }

    fn ping(&mut self, party: Number, relay: Number) {
        let (id, now) = (self.rng.random_range(1..u64::MAX), self.now);
        let Some(standing) = self.parties[party as usize].with(relay) else { return };
        let Stage::Pinging(registration) = standing.stage else { return };
        let Some(wait) = PING_TRIES.get(standing.tries) else {
            self.fail(party, relay);
            return;
        };
        (standing.tries, standing.asked, standing.due) = (standing.tries + 1, id, now + *wait);
        // One that arrives is answered before it is due again: nobody has to come back for it.
        if !self.send(party, relay, ToRelay::Ping { registration, id }.encode()) {
            self.file(*wait, Event::Standing { party, relay });
        }
    }

    /// A relay does not answer: others take its place.
    fn fail(&mut self, party: Number, relay: Number) {
        let now = self.now;
        let Some(standing) = self.parties[party as usize].with(relay) else { return };
        let was_registered = standing.registration().is_some();
        (standing.stage, standing.visit_until) = (Stage::Failed, None);
        standing.due = now + MEASURED_AGAIN;
        self.file(MEASURED_AGAIN, Event::Standing { party, relay });
        if was_registered {
            self.link(party, relay, None);
        }
        self.choose(party);
    }

    /// A relay says something to a party.
    fn is_told(&mut self, party: Number, relay: Number, word: &FromRelay) {
        match *word {
            FromRelay::Challenge { id, challenge, observed } => {
                self.challenged(party, relay, (id, challenge, observed));
            }
            FromRelay::Registered { id, registration, .. } => {
                let now = self.now;
                let Some(standing) = self.parties[party as usize].with(relay).filter(|held| held.asked == id) else {
                    return;
                };
                let rtt = now.since(standing.sent);
                (standing.stage, standing.due) = (Stage::Registered(registration), now + PING_EVERY);
                self.file(PING_EVERY, Event::Standing { party, relay });
                let is_lasting = self.parties[party as usize].is_lasting(relay, LINKS);
                self.link(party, relay, Some(OwnLink { registration, at: address(relay), rtt, is_lasting }));
            }
            FromRelay::Pong { id, .. } => {
                let Some(standing) = self.parties[party as usize].with(relay).filter(|held| held.asked == id) else {
                    return;
                };
                if let Stage::Pinging(registration) = standing.stage {
                    (standing.stage, standing.due) = (Stage::Registered(registration), standing.sent + PING_EVERY);
                    let (due, now) = (standing.due, self.now);
                    self.file(due.since(now), Event::Standing { party, relay });
                }
            }
            FromRelay::Bound { id, ref route, .. } => self.bound(id, route),
            FromRelay::Unbound { id, .. } => self.unbound(id),
            FromRelay::Refused { .. } | FromRelay::Extended { .. } | FromRelay::Gone { .. } => {}
        }
    }

    fn challenged(&mut self, party: Number, relay: Number, (id, challenge, observed): (u64, [u8; 32], SocketAddr)) {
        let (time, fresh) = (self.time(), self.rng.random_range(1..u64::MAX));
        let Some(standing) = self.parties[party as usize].with(relay).filter(|held| held.asked == id) else {
            return;
        };
        if standing.stage == Stage::Answering {
            return;
        }
        (standing.stage, standing.asked, standing.sent) = (Stage::Answering, fresh, time.monotonic);
        (standing.tries, standing.due) = (1, time.monotonic + TRIES[0]);
        self.file(TRIES[0], Event::Standing { party, relay });
        let asker = &self.parties[party as usize];
        let body = RelayRegistration { node: asker.node, relay: self.nodes[relay as usize], challenge, observed };
        let registration = Signed::sign(body, &asker.key, &self.id);
        let certificates = vec![(*asker.certificate).clone()];
        self.send(party, relay, ToRelay::Answer { id: fresh, registration, certificates }.encode());
    }
}
