//! A few nodes, a virtual clock, and what they say to each other carried between them.
#![allow(
    dead_code,
    clippy::wildcard_enum_match_arm,
    reason = "each test uses a part, and looks for one thing among many"
)]

mod people;
mod relaying;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use holloway_mesh::*;
use holloway_relay as relay;
use holloway_wire::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(crate) use people::*;

/// What the disk of a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Writes,
    Fails,
    Waits,
}

/// A datagram under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
    pub(crate) datagram: Vec<u8>,
}

/// First bytes of the frames.
pub(crate) const INITIATION: u8 = 0x08;
pub(crate) const RESPONSE: u8 = 0x09;
pub(crate) const COOKIE: u8 = 0x0a;
pub(crate) const TRANSPORT: u8 = 0x0b;

impl Flight {
    pub(crate) fn is(&self, kind: u8) -> bool {
        self.datagram[0] == kind
    }
}

/// A node and what it has put out that is not carried on.
pub(crate) struct Side {
    pub(crate) node: Node,
    pub(crate) id: NodeId,
    pub(crate) ip: Ipv6Addr,
    pub(crate) endpoint: Endpoint,
    pub(crate) key: IdentityKey,
    /// It is a relay.
    pub(crate) relay: Option<relay::Server>,
    /// What that is to know.
    news: Vec<RelayNews>,
    pub(crate) disk: Disk,
    /// How far its wall clock is from the true time, in seconds.
    pub(crate) clock_error: i64,
    pub(crate) received: Vec<Vec<u8>>,
    pub(crate) events: Vec<Event>,
    pub(crate) waiting: Vec<RecordId>,
    pub(crate) written: Vec<Write>,
    pub(crate) forwarding: Vec<Forwarding>,
    pub(crate) responses: BTreeMap<ResponseToken, Vec<u8>>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) dials: Vec<NodeId>,
    /// What it has told everyone, and what it has left for whoever looks for it.
    pub(crate) published: Vec<Vec<u8>>,
    pub(crate) records: Vec<Vec<u8>>,
    pub(crate) sent: u64,
    /// What was dropped before the test began.
    pub(crate) before: DropCounts,
}

impl Side {
    /// When its node or its relay wants to act next, in nanoseconds.
    fn poll_timeout(&self) -> Option<u64> {
        let node = self.node.poll_timeout().map(|(at, _)| at);
        let relay = self.relay.as_ref().map(relay::Server::poll_timeout);
        node.into_iter().chain(relay).min().map(Instant::as_nanos)
    }
}

/// Several nodes in one network.
pub(crate) struct Net {
    pub(crate) sides: Vec<Side>,
    pub(crate) flights: VecDeque<Flight>,
    pub(crate) root: IdentityKey,
    pub(crate) network: NetworkId,
    pub(crate) monotonic: u64,
    pub(crate) unix: u64,
    pub(crate) settings: Settings,
    controls: VecDeque<(usize, ControlCommand)>,
    connections: Vec<(usize, usize)>,
    admitted: BTreeSet<(usize, usize)>,
    /// Streams to relays: the address lent to each, who opened it, and to which relay.
    pub(crate) streams: BTreeMap<Endpoint, (usize, usize)>,
    asked: BTreeMap<ResponseToken, (usize, RequestId)>,
    next: u64,
    seed: u64,
}

pub(crate) fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).expect("a short span")
}

impl Net {
    /// A network with its founder, the first side.
    pub(crate) fn found(seed: u64) -> Self {
        Self::found_with(seed, Settings::default())
    }

    pub(crate) fn found_with(seed: u64, settings: Settings) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let root = IdentityKey::generate(&mut rng);
        let mut net = Self {
            sides: Vec::new(),
            flights: VecDeque::new(),
            network: NetworkId::of_root(&root.node_id()),
            root,
            monotonic: 1_000_000_000,
            unix: 1_800_000_000_000_000_000,
            settings,
            controls: VecDeque::new(),
            connections: Vec::new(),
            admitted: BTreeSet::new(),
            streams: BTreeMap::new(),
            asked: BTreeMap::new(),
            next: 0,
            seed,
        };
        let key = IdentityKey::generate(&mut rng);
        let static_key = StaticSecret::generate(&mut rng);
        let identity = found(&net.root, key, static_key, label("home"), label("alice"), net.now_at(0));
        net.add(identity, Stored::default());
        net
    }

    /// Two members that know each other's endpoints, with no session yet.
    pub(crate) fn pair(seed: u64) -> Self {
        Self::pair_with(seed, Settings::default())
    }

    pub(crate) fn pair_with(seed: u64, settings: Settings) -> Self {
        let mut net = Self::found_with(seed, settings);
        net.join("bob");
        net.introduce(0, 1);
        net
    }

    /// Lets two sides learn of each other over control, then leaves them alone without a session.
    pub(crate) fn introduce(&mut self, a: usize, b: usize) {
        self.connect(a, b);
        self.pass_lossy(Duration::from_millis(500), |_| false);
        self.disconnect(a, b);
        self.pass_lossy(seconds(40), |_| false);
        for side in 0..self.sides.len() {
            self.sides[side].events.clear();
            self.sides[side].before = self.sides[side].node.snapshot(self.now_at(side)).drops;
        }
    }

    /// Two members with a session that both use.
    pub(crate) fn connected_pair(seed: u64, settings: Settings) -> Self {
        let mut net = Self::pair_with(seed, settings);
        net.send(0, 1, b"hello");
        net.run();
        net.send(1, 0, b"hello");
        net.run();
        assert_eq!((net.take(0).len(), net.take(1).len()), (1, 1), "both directions work");
        net
    }

    /// The time as this side sees it.
    pub(crate) fn now_at(&self, side: usize) -> Now {
        let error = self.sides.get(side).map_or(0, |side| side.clock_error);
        let unix = self.unix.checked_add_signed(error * 1_000_000_000).expect("within the clock");
        Now { monotonic: Instant::from_nanos(self.monotonic), unix: UnixTime::from_nanos(unix) }
    }

    pub(crate) fn rng(&mut self) -> StdRng {
        self.next += 1;
        StdRng::seed_from_u64(self.seed.wrapping_mul(1000).wrapping_add(self.next))
    }

    /// Starts a node.
    pub(crate) fn add(&mut self, identity: Identity, stored: Stored) -> usize {
        let side = self.sides.len();
        let id = identity.node_id();
        let key = IdentityKey::from_bytes(&identity.key.to_bytes());
        let rng = Box::new(self.rng());
        let node = Node::new(identity, self.settings.clone(), stored, rng, self.now_at(side));
        let address: SocketAddr = format!("192.0.2.{}:4242", side + 1).parse().expect("an address");
        self.sides.push(Side {
            node,
            id,
            ip: OverlayAddr::of_node(&self.network, &id).ip(),
            endpoint: Endpoint::udp(address),
            key,
            relay: None,
            news: Vec::new(),
            disk: Disk::Writes,
            clock_error: 0,
            received: Vec::new(),
            events: Vec::new(),
            waiting: Vec::new(),
            written: Vec::new(),
            forwarding: Vec::new(),
            responses: BTreeMap::new(),
            verdicts: Vec::new(),
            dials: Vec::new(),
            published: Vec::new(),
            records: Vec::new(),
            sent: 0,
            before: DropCounts::default(),
        });
        let local = LocalAddrs { data: vec![address], control: vec![ControlAddr::Tcp(address)] };
        self.act(side, |node, now| node.handle_network_change(local, now));
        side
    }

    /// Gives a node an input and collects what it says.
    pub(crate) fn act(&mut self, side: usize, input: impl FnOnce(&mut Node, Now)) {
        let now = self.now_at(side);
        input(&mut self.sides[side].node, now);
        self.drain(side);
    }

    fn drain(&mut self, at: usize) {
        while let Some(output) = self.sides[at].node.poll_output() {
            let side = &mut self.sides[at];
            match output {
                Output::Transmit { endpoint, datagram } => {
                    side.sent += 1;
                    self.flights.push_back(Flight { from: side.endpoint, to: endpoint, datagram });
                }
                Output::Tun(packet) => side.received.push(packet),
                Output::Control(command) => self.controls.push_back((at, command)),
                Output::Persist { id, writes } => match side.disk {
                    Disk::Writes => {
                        side.written.extend(writes);
                        self.act(at, |node, now| node.handle_persisted(id, Ok(()), now));
                    }
                    Disk::Fails => self.act(at, |node, now| node.handle_persisted(id, Err("full".into()), now)),
                    Disk::Waits => side.waiting.push(id),
                },
                Output::Forwarding(forwarding) => side.forwarding.push(forwarding),
                Output::Stream(command) => self.stream(at, &command),
                Output::Relay(news) => {
                    side.news.push(news);
                    self.act_relay(at, |_, _| {});
                }
                Output::Event(event) => side.events.push(event),
            }
        }
    }

    pub(crate) fn side_of(&self, node: &NodeId) -> Option<usize> {
        self.sides.iter().position(|side| side.id == *node)
    }

    pub(crate) fn side_at(&self, endpoint: &Endpoint) -> Option<usize> {
        self.sides.iter().position(|side| side.endpoint == *endpoint)
    }

    /// Connects the control planes of two sides.
    pub(crate) fn connect(&mut self, from: usize, to: usize) {
        self.connections.push((from, to));
        let (from_id, to_id) = (self.sides[from].id, self.sides[to].id);
        self.act(to, |node, now| {
            node.handle_control(ControlEvent::Connected { node: from_id, outbound: false }, now);
        });
        self.act(from, |node, now| {
            node.handle_control(ControlEvent::Connected { node: to_id, outbound: true }, now);
        });
        self.run_control();
    }

    /// Connects the control planes of two sides that dialled each other: each sees the other's connection first.
    pub(crate) fn cross(&mut self, a: usize, b: usize) {
        self.connections.push((a, b));
        for outbound in [false, true] {
            for (side, other) in [(a, b), (b, a)] {
                let node = self.sides[other].id;
                self.act(side, |at, now| at.handle_control(ControlEvent::Connected { node, outbound }, now));
            }
        }
        self.run_control();
    }

    pub(crate) fn disconnect(&mut self, a: usize, b: usize) {
        self.connections.retain(|pair| *pair != (a, b) && *pair != (b, a));
        self.admitted.retain(|pair| *pair != (a, b) && *pair != (b, a));
        let (a_id, b_id) = (self.sides[a].id, self.sides[b].id);
        self.act(a, |node, now| node.handle_control(ControlEvent::Disconnected { node: b_id }, now));
        self.act(b, |node, now| node.handle_control(ControlEvent::Disconnected { node: a_id }, now));
        self.run_control();
    }

    pub(crate) fn are_connected(&self, a: usize, b: usize) -> bool {
        self.connections.contains(&(a, b)) || self.connections.contains(&(b, a))
    }

    /// Carries what the control planes say until nothing is left.
    pub(crate) fn run_control(&mut self) {
        while let Some((from, command)) = self.controls.pop_front() {
            self.control(from, command);
        }
    }

    /// Takes away what a side has to ask.
    pub(crate) fn drain_requests(&mut self, side: usize) -> Vec<(RequestId, Channel)> {
        let commands = std::mem::take(&mut self.controls).into_iter();
        let requests = commands.filter_map(|(from, command)| match command {
            ControlCommand::Request { id, channel, .. } if from == side => Some((id, channel)),
            _ => None,
        });
        requests.collect()
    }

    fn control(&mut self, from: usize, command: ControlCommand) {
        let from_id = self.sides[from].id;
        match command {
            ControlCommand::Request { id, node, channel, body } => {
                let target = self.side_of(&node).filter(|to| self.are_connected(from, *to));
                let Some(to) = target else {
                    self.act(from, |node, now| node.handle_control(ControlEvent::Response { id, body: None }, now));
                    return;
                };
                self.next += 1;
                let token = ResponseToken(self.next);
                self.asked.insert(token, (from, id));
                let event = ControlEvent::Request { token, node: from_id, channel, body };
                self.act(to, |node, now| node.handle_control(event, now));
            }
            ControlCommand::Respond { token, body } => match self.asked.remove(&token) {
                Some((asker, id)) => self.act(asker, |node, now| {
                    node.handle_control(ControlEvent::Response { id, body: Some(body) }, now);
                }),
                None => drop(self.sides[from].responses.insert(token, body)),
            },
            ControlCommand::Publish { body } => {
                self.sides[from].published.push(body.clone());
                for to in 0..self.sides.len() {
                    if self.are_connected(from, to) {
                        self.gossip(from_id, to, body.clone());
                    }
                }
            }
            ControlCommand::Expel { node } => {
                if let Some(to) = self.side_of(&node).filter(|to| self.are_connected(from, *to)) {
                    self.disconnect(from, to);
                }
            }
            ControlCommand::FindRecord { id, .. } => {
                self.act(from, |node, now| node.handle_control(ControlEvent::Record { id, value: None }, now));
            }
            ControlCommand::Judge { verdict, .. } => self.sides[from].verdicts.push(verdict),
            ControlCommand::Dial { node, .. } => self.sides[from].dials.push(node),
            ControlCommand::Admit { node } => self.admit(from, &node),
            ControlCommand::PutRecord { value, .. } => self.sides[from].records.push(value),
            ControlCommand::JudgeRecord { .. } => {}
        }
    }

    /// Opens members' conversations when both sides have admitted each other.
    fn admit(&mut self, from: usize, node: &NodeId) {
        let Some(to) = self.side_of(node) else {
            return;
        };
        self.admitted.insert((from, to));
        if self.admitted.contains(&(to, from)) {
            for (side, other) in [(from, to), (to, from)] {
                let node = self.sides[other].id;
                self.act(side, |at, now| at.handle_control(ControlEvent::Opened { node }, now));
            }
        }
    }

    /// Hands a side something as if a node had passed it on.
    pub(crate) fn gossip(&mut self, source: NodeId, to: usize, body: Vec<u8>) {
        self.next += 1;
        let event = ControlEvent::Gossip { message: GossipToken(self.next), source, body };
        self.act(to, |node, now| node.handle_control(event, now));
    }

    /// What a side thinks of a publication that it is told.
    pub(crate) fn tell(&mut self, to: usize, publication: &Publication) -> Verdict {
        let source = self.sides[to].id;
        self.sides[to].verdicts.clear();
        self.gossip(source, to, publication.encode());
        self.run_control();
        self.sides[to].verdicts.pop().expect("every message is judged")
    }

    /// Brings one datagram to whoever is at its target.
    pub(crate) fn deliver(&mut self, mut flight: Flight) {
        if let Some((opener, relay)) = self.streams.get(&flight.to) {
            let [opener, relay] = [opener, relay].map(|side| self.sides[*side].endpoint);
            let to = if flight.from == opener { relay } else { opener };
            flight = Flight { from: flight.to, to, ..flight };
        }
        let Some(to) = self.side_at(&flight.to) else {
            return;
        };
        if relay::Server::takes(&flight.datagram) {
            let from = flight.from.socket_addr();
            self.act_relay(to, |relay, now| relay.handle_datagram(from, &flight.datagram, now));
            return;
        }
        let mut is_taken = false;
        let from = flight.from.socket_addr();
        self.act_relay(to, |relay, now| is_taken = relay.handle_answer(from, &flight.datagram, now));
        if !is_taken {
            self.act(to, |node, now| node.handle_datagram(flight.from, flight.datagram, now));
        }
    }

    /// Carries everything until nothing is left, in no time.
    pub(crate) fn run(&mut self) {
        self.run_lossy(|_| true);
    }

    /// The same, but only what `arrives` arrives.
    pub(crate) fn run_lossy(&mut self, mut arrives: impl FnMut(&Flight) -> bool) {
        loop {
            self.run_control();
            let Some(flight) = self.flights.pop_front() else {
                return;
            };
            if arrives(&flight) {
                self.deliver(flight);
            }
        }
    }

    /// Lets time pass, with every timer at its time.
    pub(crate) fn pass(&mut self, span: Duration) {
        self.pass_lossy(span, |_| true);
    }

    pub(crate) fn pass_lossy(&mut self, span: Duration, mut arrives: impl FnMut(&Flight) -> bool) {
        let end = self.monotonic + nanos(span);
        self.run_lossy(&mut arrives);
        loop {
            let next = self.sides.iter().filter_map(Side::poll_timeout).min();
            let at = next.map_or(end, |next| next.max(self.monotonic).min(end));
            self.unix += at - self.monotonic;
            self.monotonic = at;
            let due: Vec<usize> = (0..self.sides.len()).filter(|side| self.is_due(*side)).collect();
            if due.is_empty() && at == end {
                return;
            }
            for side in due {
                self.act(side, Node::handle_timeout);
                self.act_relay(side, relay::Server::handle_timeout);
            }
            self.run_lossy(&mut arrives);
            let is_stuck = (0..self.sides.len()).any(|side| self.is_due(side));
            assert!(!is_stuck || at < end || self.flights.is_empty(), "a timer does not move on");
            self.monotonic += u64::from(is_stuck);
            self.unix += u64::from(is_stuck);
        }
    }

    /// Moves the clock to the next timer and lets it act; what is sent stays under way.
    pub(crate) fn wait_for_timer(&mut self) {
        let next = self.sides.iter().filter_map(Side::poll_timeout).min();
        let at = next.map_or(self.monotonic, |next| next.max(self.monotonic));
        self.unix += at - self.monotonic;
        self.monotonic = at;
        for side in 0..self.sides.len() {
            if self.is_due(side) {
                self.act(side, Node::handle_timeout);
            }
        }
        self.run_control();
    }

    fn is_due(&self, side: usize) -> bool {
        self.sides[side].poll_timeout().is_some_and(|at| at <= self.monotonic)
    }

    /// Until every side has announced itself to those it is connected with.
    pub(crate) fn settle_announcements(&mut self) {
        self.pass(Duration::from_millis(500));
    }

    /// Runs a command and says what it came to.
    pub(crate) fn command(&mut self, side: usize, command: Command) -> Result<Reply, CommandError> {
        self.next += 1;
        let id = CommandId(self.next);
        self.act(side, |node, now| node.handle_command(id, command, now));
        self.run();
        self.result(side, id).expect("the command is done")
    }

    pub(crate) fn result(&mut self, side: usize, id: CommandId) -> Option<Result<Reply, CommandError>> {
        let events = &mut self.sides[side].events;
        let at = events.iter().position(|event| matches!(event, Event::CommandDone { id: done, .. } if *done == id))?;
        match events.remove(at) {
            Event::CommandDone { result, .. } => Some(result),
            _ => None,
        }
    }

    pub(crate) fn invite(&mut self, side: usize, rights: Rights) -> InviteToken {
        self.invite_as(side, rights, false)
    }

    /// The same, by which perhaps nobody joins before somebody has approved.
    pub(crate) fn invite_as(&mut self, side: usize, rights: Rights, needs_approval: bool) -> InviteToken {
        let command = Command::CreateInvite {
            label: None,
            rights,
            groups: vec![],
            lifetime: seconds(3600),
            needs_approval,
            bootstrap: vec![],
        };
        match self.command(side, command) {
            Ok(Reply::InviteCreated { token, .. }) => token,
            Ok(_) => panic!("another reply"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Asks an issuer to redeem; `None` while the answer is held back.
    pub(crate) fn ask(&mut self, issuer: usize, newcomer: &Newcomer) -> Option<Vec<u8>> {
        let body = newcomer.redeemer.request(self.now_at(usize::MAX));
        self.ask_with(issuer, newcomer.key.node_id(), body)
    }

    pub(crate) fn ask_with(&mut self, issuer: usize, asker: NodeId, body: Vec<u8>) -> Option<Vec<u8>> {
        self.next += 1;
        let token = ResponseToken(self.next);
        let event = ControlEvent::Request { token, node: asker, channel: Channel::Redeem, body };
        self.act(issuer, |node, now| node.handle_control(event, now));
        self.run_control();
        self.sides[issuer].responses.remove(&token)
    }

    pub(crate) fn newcomer(&mut self, token: &InviteToken, name: &str) -> Newcomer {
        let mut rng = self.rng();
        let (key, static_key) = (IdentityKey::generate(&mut rng), StaticSecret::generate(&mut rng));
        Newcomer::new(token, name, key, static_key, self.now_at(usize::MAX))
    }

    /// Lets a newcomer in and starts its node.
    pub(crate) fn join(&mut self, name: &str) -> usize {
        self.join_by(0, name, Rights::NONE)
    }

    pub(crate) fn join_by(&mut self, issuer: usize, name: &str, rights: Rights) -> usize {
        let token = self.invite(issuer, rights);
        let newcomer = self.newcomer(&token, name);
        let reply = self.ask(issuer, &newcomer).expect("an answer");
        let joined = newcomer.redeemer.handle_reply(&reply, self.now_at(usize::MAX)).expect("a membership");
        self.add(newcomer.identity(joined), Stored::default())
    }

    /// A packet from one side to another, given to the first one's node.
    pub(crate) fn send(&mut self, from: usize, to: usize, payload: &[u8]) {
        let packet = packet(self.sides[from].ip, self.sides[to].ip, payload);
        self.act(from, |node, now| node.handle_tun(packet, now));
    }

    /// Tells a side all that another knows, as gossip would.
    pub(crate) fn teach(&mut self, pupil: usize, teacher: usize) {
        let writes = self.sides[teacher].written.clone();
        for write in writes {
            if let Write::Publication(_, bytes) = write {
                let source = self.sides[teacher].id;
                self.gossip(source, pupil, bytes);
            }
        }
        let chain = self.sides[teacher].node.certificate_chain(None).expect("a chain");
        for certificate in chain.into_iter().rev() {
            let source = self.sides[teacher].id;
            self.gossip(source, pupil, Publication::Certificate(certificate).encode());
        }
        self.run_control();
    }

    /// The halves of a side's current session with another.
    pub(crate) fn halves(&self, from: usize, to: usize) -> (Arc<Sealer>, Arc<Opener>) {
        let session = self.route(from, to).expect("a session").session;
        let installed = self.sides[from].forwarding.iter().rev().find_map(|forwarding| match forwarding {
            Forwarding::Install { index, sealer, opener, .. } if *index == session => {
                Some((sealer.clone(), opener.clone()))
            }
            _ => None,
        });
        installed.expect("it was installed")
    }

    /// Seals anything under a side's current session with another.
    pub(crate) fn seal(&mut self, from: usize, to: usize, flags: RecordFlags, content: &[u8]) -> Flight {
        let mut datagram = Vec::new();
        self.halves(from, to).0.seal(flags, content, &mut datagram).expect("a fresh session");
        Flight { from: self.sides[from].endpoint, to: self.sides[to].endpoint, datagram }
    }

    /// The payloads that a side's stack received since the last call.
    pub(crate) fn take(&mut self, side: usize) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sides[side].received).into_iter().map(|packet| packet[40..].to_vec()).collect()
    }

    pub(crate) fn dropped(&self, side: usize, reason: DropReason) -> u64 {
        self.sides[side].node.snapshot(self.now_at(side)).drops.of(reason) - self.sides[side].before.of(reason)
    }

    pub(crate) fn peer(&self, side: usize, peer: usize) -> PeerSnapshot {
        let id = self.sides[peer].id;
        let snapshot = self.sides[side].node.snapshot(self.now_at(side));
        snapshot.peers.into_iter().find(|peer| peer.node == id).expect("a member")
    }

    pub(crate) fn has_session(&self, side: usize, peer: usize) -> bool {
        self.peer(side, peer).session.is_some()
    }

    pub(crate) fn is_member(&self, side: usize, node: &NodeId) -> bool {
        let snapshot = self.sides[side].node.snapshot(self.now_at(side));
        snapshot.node == *node || snapshot.peers.iter().any(|peer| peer.node == *node)
    }

    /// The session that a side would seal with for another, as it told the lanes last.
    pub(crate) fn route(&self, side: usize, peer: usize) -> Option<Route> {
        let id = self.sides[peer].id;
        self.sides[side].forwarding.iter().rev().find_map(|forwarding| match forwarding {
            Forwarding::Peer { node, route, .. } if *node == id => Some(*route),
            _ => None,
        })?
    }

    /// Sessions that a side has installed and not retired.
    pub(crate) fn installed(&self, side: usize) -> usize {
        let mut live = BTreeSet::new();
        for forwarding in &self.sides[side].forwarding {
            match forwarding {
                Forwarding::Install { index, .. } => assert!(live.insert(*index), "installed twice"),
                Forwarding::Retire { index } => drop(live.remove(index)),
                Forwarding::Peer { .. } => {}
            }
        }
        live.len()
    }

    /// Both sides use one and the same session: the last datagram of each opens on the other's current one.
    pub(crate) fn assert_agree(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.send(from, to, b"agreed?");
            let flight = self.flights.pop_back().expect("a record");
            assert!(flight.is(TRANSPORT), "there is a session");
            let index = u32::from_le_bytes(flight.datagram[4..8].try_into().expect("four bytes"));
            let current = self.route(to, from).expect("a route back").session;
            assert_eq!(SessionIndex(index), current, "{from} sends on {to}'s current session");
            self.deliver(flight);
        }
        self.run();
        assert_eq!((self.take(a), self.take(b)), (vec![b"agreed?".to_vec()], vec![b"agreed?".to_vec()]));
    }
}
