//! A relay, members and strangers around it, and a clock.
#![allow(
    dead_code,
    clippy::wildcard_enum_match_arm,
    reason = "each test uses a part, and looks for one thing among many"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_relay::*;
use holloway_wire::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::people::{START, certificate, key};

pub(crate) struct Stage {
    pub(crate) server: Server,
    pub(crate) now: Now,
    pub(crate) root: IdentityKey,
    pub(crate) network: NetworkId,
    pub(crate) relay: NodeId,
    /// Datagrams that the relay has sent and nobody has looked at.
    pub(crate) sent: Vec<(SocketAddr, Vec<u8>)>,
    pub(crate) announced: Vec<RelayAnnouncement>,
    pub(crate) kept: Vec<Usage>,
    pub(crate) forwarding: ForwardingTable,
    /// What the owner says of nodes; others are members.
    pub(crate) strangers: Vec<NodeId>,
    pub(crate) judges: bool,
    pub(crate) waiting: Vec<JudgeToken>,
    /// Bytes in and out for each address.
    pub(crate) bytes: BTreeMap<SocketAddr, (usize, usize)>,
}

/// Someone with a key at an address.
pub(crate) struct Peer {
    pub(crate) key: IdentityKey,
    pub(crate) at: SocketAddr,
    pub(crate) registration: RegistrationId,
}

pub(crate) fn address(number: u16) -> SocketAddr {
    let [high, low] = number.to_be_bytes();
    SocketAddr::from(([198, 51, high, low], 42042))
}

/// A datagram of the session protocol, as far as a relay looks.
pub(crate) fn record(length: usize) -> Vec<u8> {
    let mut record = vec![0x5a; length];
    record[0] = TRANSPORT_TYPE;
    record
}

pub(crate) fn frame(channel: RelayChannel, record: &[u8]) -> Vec<u8> {
    let head = RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode();
    [&head, record].concat()
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, Settings::default(), Vec::new())
    }

    pub(crate) fn with(seed: u64, settings: Settings, usage: Vec<Usage>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let root = IdentityKey::generate(&mut rng);
        let key = IdentityKey::generate(&mut rng);
        let network = NetworkId::of_root(&root.node_id());
        let relay = key.node_id();
        let identity = Identity { network, key, name: "relay".parse().expect("a label") };
        let now = Now { monotonic: Instant::from_nanos(1_000_000_000), unix: START };
        let mut stage = Self {
            server: Server::new(identity, settings, usage, Box::new(rng), now),
            now,
            root,
            network,
            relay,
            sent: Vec::new(),
            announced: Vec::new(),
            kept: Vec::new(),
            forwarding: ForwardingTable::new(),
            strangers: Vec::new(),
            judges: true,
            waiting: Vec::new(),
            bytes: BTreeMap::new(),
        };
        stage.pass(Duration::ZERO);
        stage
    }

    pub(crate) fn peer(&self, number: u16) -> Peer {
        Peer { key: key(number), at: address(number), registration: RegistrationId(0) }
    }

    /// Gives the relay a datagram and carries out what it wants.
    pub(crate) fn hear(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.bytes.entry(from).or_default().0 += datagram.len();
        self.server.handle_datagram(from, datagram, self.now);
        self.drain();
    }

    pub(crate) fn say(&mut self, from: SocketAddr, message: &ToRelay) {
        self.hear(from, &message.encode());
    }

    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now.monotonic + span;
        loop {
            let at = self.server.poll_timeout().min(end).max(self.now.monotonic);
            let passed = at.since(self.now.monotonic);
            self.now = Now { monotonic: at, unix: self.now.unix + passed };
            self.server.handle_timeout(self.now);
            self.drain();
            if at >= end {
                return;
            }
        }
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Transmit { to, datagram } => {
                    self.bytes.entry(to).or_default().1 += datagram.len();
                    self.sent.push((to, datagram));
                }
                Output::Judge { token, .. } if !self.judges => self.waiting.push(token),
                Output::Judge { token, node, .. } => {
                    let standing = if self.strangers.contains(&node) { Standing::Stranger } else { Standing::Member };
                    self.server.handle_verdict(token, standing, self.now);
                }
                Output::Forwarding(forwarding) => self.forwarding.apply(forwarding),
                Output::Announce(signed) => {
                    assert!(signed.verify(&self.network));
                    self.announced.push(signed.value().clone());
                }
                Output::Keep(usage) => self.kept.extend(usage),
                Output::Link { .. } => {}
            }
        }
    }

    /// What the relay has said to an address since it was last looked at.
    pub(crate) fn heard(&mut self, at: SocketAddr) -> Vec<FromRelay> {
        let mine = self.sent.extract_if(.., |(to, _)| *to == at);
        mine.filter_map(|(_, datagram)| FromRelay::decode(&datagram).ok()).collect()
    }

    /// Frames that the relay has passed on to an address since it was last looked at.
    pub(crate) fn passed_on(&mut self, at: SocketAddr) -> Vec<(RelayChannel, Vec<u8>)> {
        let mine = self.sent.extract_if(.., |(to, datagram)| *to == at && RelayFrameHeader::is_frame(datagram));
        let frames = mine.map(|(_, datagram)| {
            let header = RelayFrameHeader::decode(&datagram).expect("a frame");
            assert_eq!(header.direction, RelayDirection::FromRelay);
            (header.channel, datagram[RELAY_FRAME_LEN..].to_vec())
        });
        frames.collect()
    }

    /// The challenge that a source gets.
    pub(crate) fn challenge(&mut self, from: SocketAddr) -> Option<Challenge> {
        self.say(from, &ToRelay::Register { id: 1 });
        self.heard(from).into_iter().find_map(|message| match message {
            FromRelay::Challenge { id: 1, challenge, observed } => {
                assert_eq!(observed, from);
                Some(challenge)
            }
            _ => None,
        })
    }

    pub(crate) fn answer(&self, peer: &Peer, challenge: Challenge) -> ToRelay {
        let body = RelayRegistration { node: peer.key.node_id(), relay: self.relay, challenge, observed: peer.at };
        self.answer_with(peer, body)
    }

    pub(crate) fn answer_with(&self, peer: &Peer, body: RelayRegistration) -> ToRelay {
        let registration = Signed::sign(body, &peer.key, &self.network);
        ToRelay::Answer { id: 2, registration, certificates: vec![certificate(&self.root, &peer.key)] }
    }

    /// Registers, and says what came of it.
    pub(crate) fn register(&mut self, peer: &mut Peer) -> Option<FromRelay> {
        let challenge = self.challenge(peer.at)?;
        let answer = self.answer(peer, challenge);
        self.say(peer.at, &answer);
        let reply = self.heard(peer.at).pop();
        if let Some(FromRelay::Registered { registration, .. }) = &reply {
            peer.registration = *registration;
        }
        reply
    }

    pub(crate) fn registered(&mut self, number: u16) -> Peer {
        let mut peer = self.peer(number);
        let reply = self.register(&mut peer);
        assert!(matches!(reply, Some(FromRelay::Registered { .. })), "{reply:?}");
        peer
    }

    pub(crate) fn bind(&mut self, from: &Peer, to: &Peer) -> Option<RelayChannel> {
        self.say(
            from.at,
            &ToRelay::Bind { registration: from.registration, id: 5, node: to.key.node_id(), relays: Vec::new() },
        );
        self.heard(from.at).into_iter().find_map(|message| match message {
            FromRelay::Bound { id: 5, node, channel, .. } if node == to.key.node_id() => Some(channel),
            _ => None,
        })
    }

    pub(crate) fn ping(&mut self, peer: &Peer) -> Vec<FromRelay> {
        self.say(peer.at, &ToRelay::Ping { registration: peer.registration, id: 9 });
        self.heard(peer.at)
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.server.snapshot().drops.of(reason)
    }
}
