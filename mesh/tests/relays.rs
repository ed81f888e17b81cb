//! Members that reach each other through relays.

mod harness;

use std::time::Duration;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The relays, and two members between whom nothing passes straight.
struct Scene {
    net: Net,
    relays: Vec<usize>,
    one: usize,
    other: usize,
}

impl Scene {
    fn new(seed: u64, relays: usize) -> Self {
        Self::with(seed, relays, &holloway_relay::Settings::default())
    }

    fn with(seed: u64, relays: usize, settings: &holloway_relay::Settings) -> Self {
        let mut net = Net::found(seed);
        let relays: Vec<usize> = (0..relays)
            .map(|number| {
                let side = net.join_by(0, &format!("relay{number}"), Rights::RELAY);
                net.connect(side, 0);
                net.pass(seconds(1));
                net.start_relay_with(side, settings.clone());
                side
            })
            .collect();
        let (one, other) = (net.join("one"), net.join("other"));
        for side in [one, other] {
            net.connect(side, 0);
            for relay in &relays {
                net.connect(side, *relay);
            }
        }
        let mut scene = Self { net, relays, one, other };
        scene.pass_apart(seconds(2));
        scene
    }

    /// Whether a datagram goes straight between the two.
    fn is_straight(&self) -> impl Fn(&Flight) -> bool + use<> {
        let ends = [self.net.sides[self.one].endpoint, self.net.sides[self.other].endpoint];
        move |flight| ends.contains(&flight.from) && ends.contains(&flight.to)
    }

    fn pass_apart(&mut self, span: Duration) {
        let is_straight = self.is_straight();
        self.net.pass_lossy(span, |flight| !is_straight(flight));
    }

    fn talk_apart(&mut self, span: Duration) -> usize {
        let (one, other) = (self.one, self.other);
        let before = self.net.sides[other].received.len();
        self.net.send(one, other, b"hello");
        self.pass_apart(span);
        self.net.sides[other].received.len() - before
    }

    fn path(&self, from: usize, to: usize) -> Option<Endpoint> {
        let peers = self.net.sides[from].node.snapshot(self.net.now_at(from)).peers;
        peers.into_iter().find(|peer| peer.node == self.net.sides[to].id)?.endpoint
    }

    fn relay_of(&self, from: usize, to: usize) -> Option<usize> {
        let endpoint = self.path(from, to).filter(Endpoint::is_relayed)?;
        self.net.side_at(&Endpoint::udp(endpoint.socket_addr()))
    }

    /// The names of the relays that one end knows of on the way to the other.
    fn relays_between(&self, from: usize, to: usize) -> Vec<String> {
        let peers = self.net.sides[from].node.snapshot(self.net.now_at(from)).peers;
        let peer = peers.into_iter().find(|peer| peer.node == self.net.sides[to].id).expect("a member");
        peer.relay.iter().chain(&peer.route).map(ToString::to_string).collect()
    }

    /// Takes a relay away, as if its machine had lost power.
    fn kill(&mut self, relay: usize) {
        self.net.sides[relay].endpoint = Endpoint::udp("192.0.2.250:9".parse().expect("an address"));
        self.net.sides[relay].relay = None;
    }
}

#[test]
fn members_between_whom_nothing_passes_reach_each_other_through_a_relay_at_once() {
    let mut scene = Scene::new(900, 1);
    let (one, other) = (scene.one, scene.other);
    assert_eq!(scene.talk_apart(Duration::from_millis(10)), 1, "the first packet, without waiting for anything");
    assert_eq!(scene.relay_of(one, other), Some(scene.relays[0]));
    scene.net.send(other, one, b"and back");
    scene.pass_apart(Duration::from_millis(10));
    assert_eq!(scene.net.take(one).len(), 1);
    assert_eq!(scene.relay_of(other, one), Some(scene.relays[0]));
    let snapshot = scene.net.sides[one].node.snapshot(scene.net.now_at(one));
    assert_eq!(snapshot.relays[0].standing, RelayStanding::Home);
    let peer = snapshot.peers.iter().find(|peer| peer.node == scene.net.sides[other].id).expect("it is a member");
    assert_eq!(peer.relay, Some(label("relay0")));
}

#[test]
fn a_straight_path_takes_the_place_of_a_relay_without_a_gap() {
    let mut scene = Scene::new(901, 1);
    let (one, other) = (scene.one, scene.other);
    scene.talk_apart(seconds(1));
    assert!(scene.relay_of(one, other).is_some());
    // What the network in between lets through from here on.
    for round in 0..1000 {
        let before = scene.net.sides[other].received.len();
        scene.net.send(one, other, b"still here");
        scene.net.pass(Duration::from_millis(100));
        assert_eq!(scene.net.sides[other].received.len(), before + 1, "in round {round}");
        scene.net.send(other, one, b"still here");
        scene.net.pass(Duration::from_millis(100));
        if scene.path(one, other) == Some(scene.net.sides[other].endpoint)
            && scene.path(other, one) == Some(scene.net.sides[one].endpoint)
        {
            return;
        }
    }
    panic!("both stay with the relay");
}

#[test]
fn a_relay_stands_in_when_a_straight_path_dies() {
    let mut scene = Scene::new(902, 1);
    let (one, other) = (scene.one, scene.other);
    scene.net.send(one, other, b"hello");
    scene.net.run();
    assert_eq!(scene.path(one, other), Some(scene.net.sides[other].endpoint), "straight at first");
    let got = |scene: &Scene| scene.net.sides[other].received.len();
    let before = got(&scene);
    for tenth in 0..50 {
        scene.net.send(one, other, b"on and on");
        scene.pass_apart(Duration::from_millis(100));
        if got(&scene) > before {
            assert!(tenth < 30, "after {tenth} tenths of a second");
            assert!(scene.relay_of(one, other).is_some());
            return;
        }
    }
    panic!("nothing arrives");
}

#[test]
fn what_comes_through_a_relay_does_not_displace_a_straight_path_that_answers() {
    let mut scene = Scene::new(903, 1);
    let (one, other) = (scene.one, scene.other);
    scene.talk_apart(seconds(1));
    for _ in 0..100 {
        scene.net.send(one, other, b"up");
        scene.net.send(other, one, b"and down");
        scene.net.pass(Duration::from_millis(100));
    }
    let straight = scene.net.sides[one].endpoint;
    assert_eq!(scene.path(other, one), Some(straight));
    // One way is dead, the other is not: one has to go through the relay, and other hears it from there.
    let dead = (scene.net.sides[one].endpoint, scene.net.sides[other].endpoint);
    for _ in 0..50 {
        scene.net.send(one, other, b"hello");
        scene.net.send(other, one, b"hello");
        scene.net.pass_lossy(Duration::from_millis(100), |flight| (flight.from, flight.to) != dead);
    }
    assert!(scene.relay_of(one, other).is_some(), "its own probes are lost");
    let before = [one, other].map(|side| scene.net.sides[side].received.len());
    for _ in 0..10 {
        scene.net.send(one, other, b"hello");
        scene.net.send(other, one, b"hello");
        scene.net.pass_lossy(Duration::from_millis(100), |flight| (flight.from, flight.to) != dead);
    }
    let after = [one, other].map(|side| scene.net.sides[side].received.len());
    assert_eq!(after, before.map(|before| before + 10), "both directions work");
}

#[test]
fn the_standby_takes_over_from_a_home_relay_that_is_gone() {
    let mut scene = Scene::new(904, 2);
    let (one, other) = (scene.one, scene.other);
    assert_eq!(scene.talk_apart(seconds(3)), 1);
    let first = scene.relay_of(one, other).expect("a relay");
    for _ in 0..20 {
        scene.talk_apart(Duration::from_millis(100));
        scene.net.send(other, one, b"and back");
    }
    scene.kill(first);
    let before = scene.net.sides[other].received.len();
    for tenth in 0..50 {
        scene.net.send(other, one, b"and back");
        if scene.talk_apart(Duration::from_millis(100)) > 0 {
            assert!(tenth < 30, "after {tenth} tenths of a second");
            assert!(scene.relay_of(one, other).is_some_and(|second| second != first));
            assert!(scene.net.sides[other].received.len() > before);
            return;
        }
    }
    panic!("nothing arrives any more");
}

#[test]
fn a_relay_that_stops_is_left_at_once() {
    for seed in 917..922 {
        let mut scene = Scene::new(seed, 2);
        let (one, other) = (scene.one, scene.other);
        assert_eq!(scene.talk_apart(seconds(3)), 1);
        let first = scene.relay_of(one, other).expect("a relay");
        scene.net.act_relay(first, holloway_relay::Server::stop);
        let straight = scene.is_straight();
        scene.net.run_lossy(|flight| !straight(flight));
        scene.kill(first);
        assert_eq!(scene.talk_apart(Duration::from_millis(50)), 1, "seed {seed}");
        assert!(scene.relay_of(one, other).is_some_and(|second| second != first));
    }
}

#[test]
fn a_relay_that_has_too_much_to_do_is_left_for_another() {
    let mut scene = Scene::with(922, 2, &holloway_relay::Settings { capacity_mbps: 1, ..Default::default() });
    let (one, other) = (scene.one, scene.other);
    assert_eq!(scene.talk_apart(seconds(3)), 1);
    let home = |scene: &Scene| {
        let relays = scene.net.sides[scene.one].node.snapshot(scene.net.now_at(scene.one)).relays;
        let home = relays.into_iter().find(|relay| relay.standing == RelayStanding::Home).expect("a home relay");
        (home.announcement.node, home.load.percent())
    };
    // Thirty seconds of a megabit a second and more, all over one of the two.
    let busy = scene.relay_of(one, other).expect("a relay");
    for _ in 0..120 {
        for _ in 0..100 {
            scene.net.send(one, other, &[0; 1000]);
        }
        scene.pass_apart(Duration::from_millis(500));
        assert_eq!(scene.relay_of(one, other), Some(busy), "a path that answers is kept");
    }
    let (chosen, load) = home(&scene);
    assert!(chosen != scene.net.sides[busy].id && load < 70, "the other relay, which has less to do: {load} %");
}

#[test]
fn frames_that_no_relay_of_ours_passes_on_are_dropped() {
    let mut scene = Scene::new(905, 1);
    let one = scene.one;
    scene.talk_apart(seconds(1));
    let head = RelayFrameHeader { direction: RelayDirection::FromRelay, channel: RelayChannel(7) }.encode();
    let datagram = [&head[..], &[TRANSPORT; 40]].concat();
    let stranger = Endpoint::udp("192.0.2.99:4242".parse().expect("an address"));
    scene.net.act(one, |node, now| node.handle_datagram(stranger, datagram, now));
    assert_eq!(scene.net.dropped(one, DropReason::Relay), 1);
    let made_up = FromRelay::Gone { channel: RelayChannel(7) }.encode();
    scene.net.act(one, |node, now| node.handle_datagram(stranger, made_up, now));
    assert_eq!(scene.net.dropped(one, DropReason::Relay), 2);
}

#[test]
fn a_relay_that_starts_anew_is_registered_with_again() {
    let mut scene = Scene::new(906, 1);
    let relay = scene.relays[0];
    assert_eq!(scene.talk_apart(seconds(1)), 1);
    scene.net.start_relay(relay);
    scene.pass_apart(seconds(30));
    assert_eq!(scene.talk_apart(seconds(3)), 1);
}

#[test]
fn a_relay_that_datagrams_do_not_reach_is_reached_by_a_stream_until_they_do() {
    let mut scene = Scene::new(907, 1);
    let (one, other) = (scene.one, scene.other);
    let blocked = scene.net.sides[one].endpoint;
    let passes = move |flight: &Flight| {
        let is_in_stream = [flight.from, flight.to].iter().any(|end| end.socket_addr().ip().is_loopback());
        is_in_stream || (flight.from != blocked && flight.to != blocked)
    };
    // Its network takes no datagrams from here on.
    scene.net.pass_lossy(seconds(30), passes);
    assert_eq!(scene.net.streams.len(), 1);
    let standing = |scene: &Scene| scene.net.sides[one].node.snapshot(scene.net.now_at(one)).relays[0].clone();
    assert_eq!((standing(&scene).standing, standing(&scene).is_stream), (RelayStanding::Home, true));
    scene.net.send(other, one, b"hello");
    scene.net.pass_lossy(seconds(1), passes);
    scene.net.send(one, other, b"and back");
    scene.net.pass_lossy(seconds(1), passes);
    assert_eq!((scene.net.take(one).len(), scene.net.take(other).len()), (1, 1));
    assert!(scene.path(one, other).is_some_and(|path| path.is_relayed()));
    // They pass again, but for the two it is as before.
    let is_straight = scene.is_straight();
    let mut arrived = 0;
    for _ in 0..900 {
        scene.net.send(other, one, b"on and on");
        scene.net.pass_lossy(Duration::from_millis(100), |flight| !is_straight(flight));
        arrived += scene.net.take(one).len();
    }
    assert_eq!((standing(&scene).standing, standing(&scene).is_stream), (RelayStanding::Home, false));
    assert!(scene.net.streams.is_empty(), "the stream is closed");
    assert!(arrived >= 899, "nothing but what was in the stream is lost: {arrived}");
}

/// What a relay may do to what it passes on.
#[derive(Debug, Clone, Copy)]
enum Mischief {
    None,
    Drop,
    Duplicate,
    Delay,
    Flip,
    Truncate,
}

/// Carries everything by a relay that does mischief, until nothing is under way but what it holds back.
fn carry_by_a_hostile_relay(scene: &mut Scene, rng: &mut StdRng, held: &mut Vec<Flight>) {
    let is_straight = scene.is_straight();
    loop {
        scene.net.run_control();
        let Some(mut flight) = scene.net.flights.pop_front() else { return };
        if is_straight(&flight) {
            continue;
        }
        let is_passed_on = matches!(
            RelayFrameHeader::decode(&flight.datagram),
            Ok(RelayFrameHeader { direction: RelayDirection::FromRelay, .. })
        );
        let mischief = match rng.random_range(0..12) {
            0 => Mischief::Drop,
            1 => Mischief::Duplicate,
            2 => Mischief::Delay,
            3 => Mischief::Flip,
            4 => Mischief::Truncate,
            _ => Mischief::None,
        };
        match if is_passed_on { mischief } else { Mischief::None } {
            Mischief::None => {}
            Mischief::Drop => continue,
            Mischief::Duplicate => scene.net.flights.push_back(flight.clone()),
            Mischief::Delay => {
                held.push(flight);
                // What was held back longest, or not, comes now instead.
                flight = held.swap_remove(rng.random_range(0..held.len()));
            }
            Mischief::Flip => {
                let bit = rng.random_range(0..flight.datagram.len() * 8);
                flight.datagram[bit / 8] ^= 1 << (bit % 8);
            }
            Mischief::Truncate => flight.datagram.truncate(rng.random_range(0..flight.datagram.len())),
        }
        scene.net.deliver(flight);
    }
}

#[test]
fn a_hostile_relay_makes_nothing_arrive_that_was_not_sent_nor_anything_twice() {
    let mut scene = Scene::new(908, 1);
    let (one, other) = (scene.one, scene.other);
    assert_eq!(scene.talk_apart(seconds(1)), 1);
    scene.net.take(other);
    let mut rng = StdRng::seed_from_u64(908);
    let mut held = Vec::new();
    for number in 0..3000_u32 {
        scene.net.send(one, other, &number.to_be_bytes());
        carry_by_a_hostile_relay(&mut scene, &mut rng, &mut held);
        if number % 100 == 0 {
            scene.net.wait_for_timer();
            carry_by_a_hostile_relay(&mut scene, &mut rng, &mut held);
        }
    }
    let arrived: Vec<Vec<u8>> = scene.net.take(other);
    let mut numbers: Vec<u32> = arrived
        .iter()
        .map(|packet| u32::from_be_bytes(packet[packet.len() - 4..].try_into().expect("four bytes")))
        .collect();
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "nothing comes twice");
    assert!(numbers.last().is_some_and(|last| *last < 3000));
    assert!(count > 2000, "most of it comes, as the relay drops and spoils a quarter: {count}");
    assert!(scene.net.dropped(other, DropReason::Replayed) > 100, "what it doubles is told apart");
    assert!(scene.net.dropped(other, DropReason::NotAuthentic) > 100, "and so is what it changes");
}

#[test]
fn members_talk_on_for_an_hour_when_everything_else_is_gone() {
    let mut scene = Scene::new(909, 2);
    let (one, other) = (scene.one, scene.other);
    scene.net.send(one, other, b"hello");
    scene.net.pass(seconds(5));
    assert_eq!(scene.path(one, other), Some(scene.net.sides[other].endpoint), "straight");
    for relay in scene.relays.clone() {
        scene.kill(relay);
        for side in [one, other] {
            scene.net.disconnect(side, relay);
        }
    }
    for side in [one, other] {
        scene.net.disconnect(side, 0);
    }
    scene.net.sides[0].endpoint = Endpoint::udp("192.0.2.251:9".parse().expect("an address"));
    let rotations = |scene: &Scene| {
        let peers = scene.net.sides[one].node.snapshot(scene.net.now_at(one)).peers;
        peers.iter().find(|peer| peer.node == scene.net.sides[other].id).map(|peer| peer.rotations)
    };
    let (before, mut arrived) = (rotations(&scene).expect("a member"), 0);
    scene.net.take(other);
    for _ in 0..720 {
        scene.net.send(one, other, b"still here");
        scene.net.pass(seconds(5));
        arrived += scene.net.take(other).len();
    }
    assert_eq!(arrived, 720);
    assert!(rotations(&scene).expect("a member") >= before + 25, "and their keys are rotated");
}

#[test]
fn a_relay_that_is_gone_is_known_within_four_seconds_while_somebody_looks() {
    let mut scene = Scene::new(936, 1);
    let (one, relay) = (scene.one, scene.relays[0]);
    scene.pass_apart(seconds(60));
    scene.kill(relay);
    let standing = |scene: &Scene| scene.net.sides[one].node.snapshot(scene.net.now_at(one)).relays[0].standing;
    assert_eq!(standing(&scene), RelayStanding::Home);
    for _ in 0..4 {
        scene.net.act(one, Node::handle_watched);
        scene.pass_apart(seconds(1));
    }
    assert_eq!(standing(&scene), RelayStanding::Silent);
}

impl Scene {
    /// The two have talked straight for a while.
    fn straight(seed: u64) -> Self {
        let mut scene = Self::new(seed, 1);
        scene.talk_straight();
        scene
    }

    fn talk_straight(&mut self) {
        let (one, other) = (self.one, self.other);
        for _ in 0..20 {
            self.net.send(one, other, b"there");
            self.net.send(other, one, b"back");
            self.net.pass(Duration::from_millis(100));
        }
        assert_eq!(self.path(one, other), Some(self.net.sides[other].endpoint));
    }

    /// The one end is at another address from now on, which nobody tells but itself. The other end's NAT lets only those in
    /// whom it has sent to, and it goes on sending to where the one was. Meanwhile the lanes of some tell what they heard
    /// before. Gives how long it takes until the one hears the other again.
    fn move_to(&mut self, at: &str, late: &[usize]) -> Duration {
        let (one, other) = (self.one, self.other);
        let told: Vec<(usize, SessionTraffic)> = late
            .iter()
            .map(|side| {
                let peer = if *side == one { other } else { one };
                let heard = Heard { source: self.net.sides[peer].endpoint, at: self.net.now_at(*side).monotonic };
                let index = self.net.route(*side, peer).expect("a session").session;
                (*side, heard_at(index, heard))
            })
            .collect();
        self.net.pass(Duration::from_millis(1));
        let at: std::net::SocketAddr = at.parse().expect("an address");
        let (here, end) = (Endpoint::udp(at), self.net.sides[other].endpoint);
        self.net.sides[one].endpoint = here;
        for neighbour in [0, self.relays[0]] {
            self.net.disconnect(one, neighbour);
        }
        let local = LocalAddrs { data: vec![at], control: vec![ControlAddr::Tcp(at)] };
        self.net.act(one, |node, now| node.handle_network_change(local, now));
        let before = self.net.sides[one].received.len();
        let mut is_let_in = false;
        let mut waited = Duration::ZERO;
        while self.net.sides[one].received.len() == before && waited < seconds(5) {
            for (side, traffic) in &told {
                let report = TrafficReport { sessions: vec![*traffic], ..TrafficReport::default() };
                self.net.act(*side, |node, now| node.handle_traffic(&report, now));
            }
            self.net.send(other, one, b"are you there");
            self.net.pass_lossy(Duration::from_millis(2), |flight| {
                is_let_in |= flight.from == end && flight.to == here;
                flight.from != here || flight.to != end || is_let_in
            });
            waited += Duration::from_millis(2);
        }
        waited
    }
}

fn heard_at(index: SessionIndex, heard: Heard) -> SessionTraffic {
    SessionTraffic {
        index,
        sent_packets: 0,
        sent_bytes: 0,
        received_packets: 1,
        received_bytes: 48,
        newest: Some(heard),
    }
}

/// Well below the quarter of a second after which something that was lost is repeated.
const AT_ONCE: Duration = Duration::from_millis(50);

#[test]
fn a_member_that_moves_is_heard_at_once_whatever_lanes_tell_late() {
    for seed in 920..925 {
        let mut scene = Scene::straight(seed);
        let (one, other) = (scene.one, scene.other);
        for (at, late) in [("192.0.2.201:4242", one), ("192.0.2.202:4242", other)] {
            let waited = scene.move_to(at, &[late]);
            assert!(waited < AT_ONCE, "seed {seed}, to {at}: not heard before {waited:?}");
            scene.talk_straight();
        }
    }
}

#[test]
fn a_member_that_has_moved_often_is_heard_as_soon_as_at_first() {
    let mut scene = Scene::straight(926);
    for number in 0..40 {
        let waited = scene.move_to(&format!("192.0.2.{}:4242", 120 + number), &[]);
        assert!(waited < AT_ONCE, "move {number}: not heard before {waited:?}");
        scene.talk_straight();
    }
}

/// It has never needed a relay for the other, and so has to ask for a way at the moment at which it moves.
#[test]
fn a_member_that_was_always_called_is_heard_at_once_when_it_moves() {
    for seed in 931..934 {
        let mut scene = Scene::new(seed, 1);
        let (one, other) = (scene.one, scene.other);
        // Nobody calls the one to try as well.
        for neighbour in [0, scene.relays[0]] {
            scene.net.disconnect(other, neighbour);
        }
        for _ in 0..5 {
            scene.net.send(other, one, b"hello");
            scene.net.pass_lossy(Duration::from_millis(100), |flight| !RelayFrameHeader::is_frame(&flight.datagram));
        }
        assert!(!scene.net.peer(one, other).candidates.iter().any(|(endpoint, _)| endpoint.is_relayed()));
        let waited = scene.move_to("192.0.2.204:4242", &[]);
        assert!(waited < AT_ONCE, "seed {seed}: not heard before {waited:?}");
    }
}

#[test]
fn a_move_begins_anew_what_was_asked_from_nowhere() {
    for seed in 927..930 {
        let mut scene = Scene::straight(seed);
        let one = scene.one;
        let nowhere = Endpoint::udp("192.0.2.249:9".parse().expect("an address"));
        // A cable is pulled: what is sent now is lost.
        scene.net.sides[one].endpoint = nowhere;
        scene.net.act(one, |node, now| node.handle_network_change(LocalAddrs::default(), now));
        scene.net.pass_lossy(Duration::from_millis(30), |flight| flight.from != nowhere);
        let waited = scene.move_to("192.0.2.203:4242", &[]);
        assert!(waited < AT_ONCE, "seed {seed}: not heard before {waited:?}");
    }
}

/// Two members that reach one relay each, and these nothing but each other: the way leads over both.
#[test]
fn members_of_relays_that_only_reach_each_other_talk_over_both() {
    for seed in 912..917 {
        let mut scene = Scene::new(seed, 2);
        let (one, other) = (scene.one, scene.other);
        let [first, second] = [0, 1].map(|relay| scene.net.sides[scene.relays[relay]].endpoint);
        let ends = [scene.net.sides[one].endpoint, scene.net.sides[other].endpoint];
        let apart = [(ends[0], ends[1]), (ends[0], second), (ends[1], first)];
        let passes =
            move |flight: &Flight| apart.iter().all(|(a, b)| ![(a, b), (b, a)].contains(&(&flight.from, &flight.to)));
        scene.net.pass_lossy(seconds(60), passes);
        let before = scene.net.sides[other].received.len();
        scene.net.send(one, other, b"there");
        scene.net.pass_lossy(seconds(3), passes);
        assert_eq!(scene.net.sides[other].received.len() - before, 1, "seed {seed}");
        let before = scene.net.sides[one].received.len();
        scene.net.send(other, one, b"back");
        scene.net.pass_lossy(seconds(3), passes);
        assert_eq!(scene.net.sides[one].received.len() - before, 1, "seed {seed}");
        // Whoever has never asked for a way knows its first relay only.
        let ways = [(one, other), (other, one)].map(|(from, to)| scene.relays_between(from, to));
        assert_eq!(ways.each_ref().map(|way| way[0].as_str()), ["relay0", "relay1"], "seed {seed}");
        let whole = [vec!["relay0", "relay1"], vec!["relay1", "relay0"]];
        assert!(ways.iter().zip(whole).any(|(way, whole)| *way == whole), "seed {seed}: {ways:?}");
    }
}

/// Two relays that do not reach each other, and two that reach both but neither member.
#[test]
fn a_relay_in_the_middle_is_gone_around() {
    for seed in 923..926 {
        let mut scene = Scene::new(seed, 4);
        let (one, other) = (scene.one, scene.other);
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|relay| scene.net.sides[scene.relays[relay]].endpoint);
        let ends = [scene.net.sides[one].endpoint, scene.net.sides[other].endpoint];
        let mut apart = vec![(ends[0], ends[1]), (ends[0], second), (ends[1], first), (first, second)];
        apart.extend([third, fourth].into_iter().flat_map(|between| ends.map(|end| (end, between))));
        let passes =
            move |flight: &Flight| apart.iter().all(|(a, b)| ![(a, b), (b, a)].contains(&(&flight.from, &flight.to)));
        scene.net.pass_lossy(seconds(60), &passes);
        let talk = |scene: &mut Scene, tenths: u32| {
            (0..tenths).find(|_| {
                let before = scene.net.sides[other].received.len();
                scene.net.send(one, other, b"there");
                scene.net.pass_lossy(Duration::from_millis(100), &passes);
                scene.net.sides[other].received.len() > before
            })
        };
        assert!(talk(&mut scene, 30).is_some(), "seed {seed}");
        let way = scene.relays_between(one, other);
        assert_eq!((way.len(), way[0].as_str()), (3, "relay0"), "seed {seed}: {way:?}");
        let between = scene.relays[2..].iter().position(|side| {
            let name = scene.net.sides[*side].node.snapshot(scene.net.now_at(*side)).label.to_string();
            way[1] == name
        });
        scene.kill(scene.relays[2 + between.expect("one of the two")]);
        let tenths = talk(&mut scene, 100);
        let tenths = tenths.unwrap_or_else(|| panic!("seed {seed}: nothing arrives any more"));
        assert!(tenths < 50, "seed {seed}: after {tenths} tenths of a second");
    }
}
