//! The inputs of a relay of `holloway-relay`: whatever comes, it goes on, sends strangers no more than they sent, and
//! passes nothing on to anyone but members and relays.

use std::net::SocketAddr;
use std::time::Duration;

use holloway_relay::{Identity, JudgeToken, Output, Server, Settings, Standing};
use holloway_wire::{
    Challenge, FromRelay, IdentityKey, Instant, Membership, MembershipCertificate, NetworkId, NodeId, Now, OwnLink,
    RegistrationId, RelayChannel, RelayDirection, RelayFrameHeader, RelayRegistration, Rights, Signed, StaticBinding,
    StaticSecret, TRANSPORT_TYPE, ToRelay, UnixTime, Validity,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

/// A function that must not panic, whatever the bytes.
pub type Entry = fn(&[u8]);

/// Every entry with the folder of its seeds.
pub const ENTRIES: [(&str, Entry); 2] = [("relay_datagram", relay_datagram), ("relay_words", relay_words)];

/// How many outputs one input may cause: far more than any does.
const OUTPUTS_MAX: usize = 10_000;

/// Words of one conversation that are listened to.
const WORDS_MAX: usize = 200;

/// Two members, two relays (one of them registered here, and this one with both), and a stranger.
const PARTIES: u8 = 5;
const STRANGER: u8 = 4;

/// The number of the relay's own key.
const RELAY: u8 = 200;

fn key(party: u8) -> IdentityKey {
    IdentityKey::from_bytes(&[party + 1; 32])
}

fn at(party: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, party], 42042))
}

fn now(seconds: u64) -> Now {
    Now { monotonic: Instant::from_nanos(seconds * 1_000_000_000), unix: UnixTime::from_secs(1_800_000_000 + seconds) }
}

fn network() -> NetworkId {
    NetworkId::of_root(&IdentityKey::from_bytes(&[99; 32]).node_id())
}

fn certificate(key: &IdentityKey) -> MembershipCertificate {
    let (root, subject) = (IdentityKey::from_bytes(&[99; 32]), key.node_id());
    let not_before = UnixTime::from_secs(1_800_000_000);
    let binding =
        StaticBinding { subject, key: StaticSecret::from_bytes([3; 32]).public(), sequence: not_before.as_nanos() };
    let membership = Membership {
        subject,
        label: "someone".parse().expect("a label"),
        rights: Rights::NONE,
        groups: Vec::new(),
        validity: Validity { not_before, not_after: None },
        issuer: root.node_id(),
    };
    let binding = Signed::sign(binding, key, &network());
    MembershipCertificate::issue(membership, binding, &root, &network()).expect("it fits together")
}

struct Stage {
    server: Server,
    seconds: u64,
    /// The last challenge to anyone.
    challenge: Challenge,
    /// Registrations that were given to anyone, in turn.
    registrations: Vec<RegistrationId>,
    /// Channels that were given to anyone.
    channels: Vec<RelayChannel>,
    /// Ids of questions to other relays.
    asked: Vec<u64>,
}

impl Stage {
    fn new() -> Self {
        let identity = Identity { network: network(), key: key(RELAY), name: "relay".parse().expect("a label") };
        let rng = Box::new(StdRng::seed_from_u64(1));
        let mut stage = Self {
            server: Server::new(identity, Settings::default(), Vec::new(), rng, now(0)),
            seconds: 0,
            challenge: [0; 32],
            registrations: Vec::new(),
            channels: Vec::new(),
            asked: Vec::new(),
        };
        (0..3).for_each(|party| stage.register(party));
        assert!(stage.server.snapshot().members == 3, "they are registered");
        for party in [2, 3] {
            let link = OwnLink {
                registration: RegistrationId(7),
                at: at(party),
                rtt: Duration::from_millis(9),
                is_lasting: true,
            };
            stage.server.handle_link(key(party).node_id(), Some(link), now(0));
        }
        stage.drain();
        stage
    }

    fn register(&mut self, party: u8) {
        let key = key(party);
        self.hear(party, &ToRelay::Register { id: 1 }.encode());
        let (relay, challenge) = (self::key(RELAY).node_id(), self.challenge);
        let body = RelayRegistration { node: key.node_id(), relay, challenge, observed: at(party) };
        let registration = Signed::sign(body, &key, &network());
        let certificates = vec![certificate(&key)];
        self.hear(party, &ToRelay::Answer { id: 2, registration, certificates }.encode());
    }

    /// A datagram from one of them, as the shell would hand it over.
    fn hear(&mut self, from: u8, datagram: &[u8]) {
        let now = now(self.seconds);
        if Server::takes(datagram) {
            self.server.handle_datagram(at(from), datagram, now);
        } else {
            self.server.handle_answer(at(from), datagram, now);
        }
        let to_stranger = self.drain();
        let heard = if from == STRANGER { datagram.len() } else { 0 };
        assert!(to_stranger <= heard, "{to_stranger} bytes to a stranger for {heard}");
    }

    fn pass(&mut self, seconds: u64) {
        self.seconds += seconds;
        self.server.handle_timeout(now(self.seconds));
        self.drain();
    }

    /// Carries out what the relay wants; says how much went to the stranger.
    fn drain(&mut self) -> usize {
        let mut to_stranger = 0;
        for _ in 0..OUTPUTS_MAX {
            match self.server.poll_output() {
                None => return to_stranger,
                Some(Output::Transmit { to, datagram }) => {
                    assert!((0..PARTIES).any(|party| at(party) == to), "someone who never said anything");
                    if to == at(STRANGER) {
                        to_stranger += datagram.len();
                        assert!(!RelayFrameHeader::is_frame(&datagram), "a frame for a stranger");
                    }
                    self.learn(&datagram);
                }
                Some(Output::Judge { token, node, .. }) => self.judge(token, &node),
                Some(Output::Forwarding(_) | Output::Announce(_) | Output::Keep(_) | Output::Link { .. }) => {}
            }
        }
        panic!("outputs without end");
    }

    fn judge(&mut self, token: JudgeToken, node: &NodeId) {
        let standing = match (0..PARTIES).find(|party| key(*party).node_id() == *node) {
            Some(0 | 1) => Standing::Member,
            Some(2) => Standing::Relay,
            Some(_) | None => Standing::Stranger,
        };
        self.server.handle_verdict(token, standing, now(self.seconds));
    }

    /// Keeps the numbers that the relay has told anyone, so that they can be told to it by anyone.
    fn learn(&mut self, datagram: &[u8]) {
        match FromRelay::decode(datagram) {
            Ok(FromRelay::Challenge { challenge, .. }) => self.challenge = challenge,
            Ok(FromRelay::Registered { registration, .. }) => self.registrations.push(registration),
            Ok(FromRelay::Bound { channel, .. } | FromRelay::Extended { channel, .. }) => self.channels.push(channel),
            Ok(_) | Err(_) => {}
        }
        if let Ok(ToRelay::Extend { id, channel, .. }) = ToRelay::decode(datagram) {
            self.asked.push(id);
            self.channels.push(channel);
        }
    }

    /// One well-formed word from anyone, with numbers of anyone's.
    fn word(&mut self, [kind, from, one, other]: [u8; 4]) {
        let from = from % PARTIES;
        let registration = pick(&self.registrations, one).unwrap_or(RegistrationId(0));
        let channel = pick(&self.channels, other).unwrap_or(RelayChannel(1));
        let id = pick(&self.asked, one).unwrap_or(1);
        let node = |number: u8| key(number % PARTIES).node_id();
        let to_relay = |message: ToRelay| message.encode();
        let datagram = match kind % 10 {
            0 => to_relay(ToRelay::Register { id: one.into() }),
            1 => to_relay(ToRelay::Ping { registration, id: other.into() }),
            2 => to_relay(ToRelay::Bind { registration, id: other.into(), node: node(other), relays: Vec::new() }),
            3 => {
                let relays = vec![node(other / 16), node(other / 64)];
                to_relay(ToRelay::Bind { registration, id: other.into(), node: node(other), relays })
            }
            4 => {
                let route = if other < 128 { Vec::new() } else { vec![node(other / 32)] };
                let (from, to) = (node(other), node(other / 8));
                to_relay(ToRelay::Extend { registration, id: other.into(), from, to, route, channel })
            }
            5 => FromRelay::Extended { id, channel }.encode(),
            6 => FromRelay::Unbound { id, node: node(other) }.encode(),
            7 => FromRelay::Gone { channel }.encode(),
            8 => {
                let head = RelayFrameHeader { direction: RelayDirection::ToRelay, channel }.encode();
                [&head[..], &[TRANSPORT_TYPE; 40]].concat()
            }
            _ => return self.event(from, one, other),
        };
        self.hear(from, &datagram);
    }

    /// Something that the owner tells the relay.
    fn event(&mut self, party: u8, one: u8, other: u8) {
        let node = key(party).node_id();
        let registration = RegistrationId(other.into());
        let link = OwnLink { registration, at: at(party), rtt: Duration::ZERO, is_lasting: other < 128 };
        match one % 5 {
            0 => self.server.handle_expelled(&node),
            1 if party != STRANGER => self.server.handle_link(node, Some(link), now(self.seconds)),
            1 | 2 => self.server.handle_link(node, None, now(self.seconds)),
            3 => return self.pass(other.into()),
            _ => return self.register(party),
        }
        self.drain();
    }
}

fn pick<T: Copy>(of: &[T], number: u8) -> Option<T> {
    of.get(usize::from(number) % of.len().max(1)).copied()
}

/// A datagram of anyone's, who is the first byte.
pub fn relay_datagram(bytes: &[u8]) {
    let Some((&from, datagram)) = bytes.split_first() else {
        return;
    };
    let mut stage = Stage::new();
    stage.hear(from % PARTIES, datagram);
    stage.pass(1);
}

/// A conversation of well-formed words, four bytes each.
pub fn relay_words(bytes: &[u8]) {
    let mut stage = Stage::new();
    for word in bytes.as_chunks().0.iter().take(WORDS_MAX) {
        stage.word(*word);
    }
    stage.pass(700);
    let _ = stage.server.snapshot();
    stage.server.stop(now(stage.seconds));
    stage.drain();
    assert!(stage.server.snapshot().channels == 0, "nothing leads anywhere any more");
}
