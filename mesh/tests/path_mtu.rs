//! How long the records are that are sent to a peer.

mod harness;

use std::time::Duration;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

/// In use before anything is known.
const START: usize = 1440;
/// Carries an inner 1280.
const FLOOR: usize = 1312;
/// The most over IPv4 Ethernet.
const ETHERNET: usize = 1472;

fn at(address: &str) -> Endpoint {
    Endpoint::udp(address.parse().expect("an address"))
}

/// Sends for a while over a path that carries datagrams up to a length.
fn use_path(net: &mut Net, carries: usize, span: Duration) {
    for _ in 0..span.as_millis() / 50 {
        net.send(0, 1, b"data");
        net.pass_lossy(Duration::from_millis(50), |flight| flight.datagram.len() <= carries);
    }
    net.take(1);
}

fn used_pair(seed: u64, carries: usize) -> Net {
    let mut net = Net::connected_pair(seed, Settings::default());
    use_path(&mut net, carries, seconds(30));
    net
}

fn limit(net: &Net) -> usize {
    net.route(0, 1).expect("a route").record_limit
}

/// Every limit that the lanes were ever told.
fn limits_told(net: &Net) -> Vec<usize> {
    let routes = net.sides[0].forwarding.iter().filter_map(|forwarding| match forwarding {
        Forwarding::Peer { route, .. } => *route,
        Forwarding::Install { .. } | Forwarding::Retire { .. } => None,
    });
    routes.map(|route| route.record_limit).collect()
}

#[test]
fn lanes_and_operators_are_told_what_was_found() {
    for (carries, found) in [(ETHERNET, ETHERNET), (8972, 8972), (20_000, 8972), (1452, 1440), (FLOOR, FLOOR)] {
        let net = used_pair(601, carries);
        assert!((found..found + 16).contains(&limit(&net)), "{} where {carries} pass", limit(&net));
        let peer = net.peer(0, 1);
        assert_eq!((peer.record_limit, peer.mtu), (Some(limit(&net)), Some(limit(&net) - 32)));
        let in_use = peer.candidates.iter().find(|(endpoint, _)| Some(*endpoint) == peer.endpoint);
        assert_eq!(in_use.and_then(|(_, candidate)| candidate.record_limit), Some(limit(&net)));
    }
}

#[test]
fn the_common_size_is_used_before_anything_is_known() {
    let net = Net::connected_pair(602, Settings::default());
    assert_eq!(limit(&net), START);
    assert_eq!(net.peer(0, 1).mtu, Some(1408));
}

#[test]
fn a_path_that_carries_an_inner_1280_never_fragments() {
    for carries in [FLOOR, FLOOR + 1, 1400, START, ETHERNET] {
        let net = used_pair(603, carries);
        let told = limits_told(&net);
        assert!(told.iter().all(|limit| *limit >= FLOOR), "{told:?}");
        assert!(limit(&net) <= carries);
    }
}

#[test]
fn a_path_below_the_floor_is_used_as_far_as_it_goes() {
    for carries in [548, 700, 1232, 1311] {
        let net = used_pair(604, carries);
        assert!((carries - 16..=carries).contains(&limit(&net)), "{} where {carries} pass", limit(&net));
    }
}

#[test]
fn a_black_hole_is_left_within_seconds() {
    let mut net = used_pair(605, 8972);
    use_path(&mut net, ETHERNET, seconds(13));
    assert!((START..=ETHERNET).contains(&limit(&net)), "{}", limit(&net));
}

#[test]
fn a_path_on_which_nothing_passes_keeps_its_limit() {
    let mut net = used_pair(606, ETHERNET);
    use_path(&mut net, 0, seconds(60));
    assert_eq!(net.peer(0, 1).record_limit, Some(ETHERNET));
}

#[test]
fn an_mtu_probe_is_answered_where_it_came_from_and_moves_nobody() {
    let mut net = Net::connected_pair(607, Settings::default());
    let size = MtuProbeSize::new(1472).expect("a size");
    let probe = SessionControl::MtuProbe { id: 5, size }.encode();
    let flight = net.seal(1, 0, RecordFlags::new(RecordKind::Control), &probe);
    assert_eq!(flight.datagram.len(), 1472);
    let elsewhere = at("198.51.100.1:7777");
    net.deliver(Flight { from: elsewhere, ..flight });
    let reply = net.flights.pop_back().expect("an answer");
    assert_eq!(reply.to, elsewhere);
    assert!(reply.datagram.len() < 100, "it is shorter than any probe");
    assert_eq!(net.peer(0, 1).endpoint, Some(net.sides[1].endpoint));
}

#[test]
fn unasked_answers_widen_nothing() {
    let mut net = used_pair(608, ETHERNET);
    let (before, told) = (limit(&net), limits_told(&net).len());
    for id in (0..200).chain([u64::MAX]) {
        let size = MtuProbeSize::new(8972).expect("a size");
        let reply = SessionControl::MtuProbeReply { id, size }.encode();
        let flight = net.seal(1, 0, RecordFlags::new(RecordKind::Control), &reply);
        net.deliver(flight);
    }
    net.run();
    assert_eq!((limit(&net), limits_told(&net).len()), (before, told));
}

#[test]
fn an_answer_from_elsewhere_widens_nothing() {
    let mut net = Net::connected_pair(609, Settings::default());
    let bob = net.sides[1].endpoint;
    for _ in 0..600 {
        net.send(0, 1, b"data");
        net.pass_lossy(Duration::from_millis(50), |_| true);
        net.sides[1].endpoint = bob;
    }
    assert_eq!(limit(&net), 8972, "without it, everything passes");

    let mut net = Net::connected_pair(609, Settings::default());
    for _ in 0..600 {
        net.send(0, 1, b"data");
        while let Some(flight) = net.flights.pop_front() {
            let is_answer = flight.from == bob && flight.datagram.len() < 64;
            let from = if is_answer { at("198.51.100.1:7777") } else { flight.from };
            net.deliver(Flight { from, ..flight });
        }
        net.pass_lossy(Duration::from_millis(50), |flight| flight.from != bob);
    }
    let peer = net.peer(0, 1);
    assert_eq!((peer.endpoint, peer.record_limit), (Some(bob), Some(START)));
}

#[test]
fn an_idle_peer_is_not_probed() {
    let mut net = used_pair(610, ETHERNET);
    net.pass(seconds(2));
    let mut probes = 0;
    net.pass_lossy(seconds(3600), |flight| {
        probes += usize::from(flight.is(TRANSPORT) && flight.datagram.len() >= 500);
        true
    });
    assert_eq!(probes, 0);
    let timer = net.sides[0].node.poll_timeout();
    assert!(timer.is_none_or(|(_, name)| name != TimerName::Path), "{timer:?}");
}

#[test]
fn what_the_socket_refuses_is_known_at_once() {
    let mut net = used_pair(611, 8972);
    let bob = net.sides[1].endpoint;
    let report =
        |endpoint, length| TrafficReport { too_long: vec![TooLong { endpoint, length }], ..TrafficReport::default() };
    let nobody = report(at("198.51.100.1:7777"), 1000);
    net.act(0, |node, now| node.handle_traffic(&nobody, now));
    assert_eq!(limit(&net), 8972);
    net.act(0, |node, now| node.handle_traffic(&report(bob, 8972), now));
    assert_eq!(limit(&net), START);
    use_path(&mut net, ETHERNET, seconds(3));
    assert_eq!(limit(&net), ETHERNET);
    for length in [0, 1, 20_000, usize::MAX] {
        net.act(0, |node, now| node.handle_traffic(&report(bob, length), now));
        assert_eq!(limit(&net), ETHERNET, "nobody sends {length}");
    }
}

#[test]
fn another_endpoint_starts_from_the_common_size_and_a_known_one_from_what_is_known() {
    let mut net = used_pair(612, 8972);
    let (home, away) = (net.sides[1].endpoint, at("198.51.100.1:7777"));
    let appears_at = |net: &mut Net, place| {
        net.sides[1].endpoint = place;
        net.send(1, 0, b"here");
        net.run();
        assert_eq!(net.peer(0, 1).endpoint, Some(place));
        limit(net)
    };
    assert_eq!(appears_at(&mut net, away), START);
    use_path(&mut net, 1380, seconds(10));
    assert!((1365..=1380).contains(&limit(&net)));
    assert_eq!(appears_at(&mut net, home), 8972);
}

#[test]
fn what_lanes_send_and_hear_makes_the_search_go_on() {
    let mut net = Net::connected_pair(613, Settings::default());
    let (index, bob) = (net.route(0, 1).expect("a route").session, net.sides[1].endpoint);
    let traffic = |now| SessionTraffic {
        index,
        sent_packets: 10,
        sent_bytes: 1000,
        received_packets: 10,
        received_bytes: 1000,
        newest: Some(Heard { source: bob, at: now }),
    };
    for _ in 0..50 {
        net.act(0, |node, now| {
            let report = TrafficReport { sessions: vec![traffic(now.monotonic)], ..TrafficReport::default() };
            node.handle_traffic(&report, now);
        });
        net.pass_lossy(Duration::from_millis(100), |flight| flight.datagram.len() <= ETHERNET);
    }
    assert_eq!(limit(&net), ETHERNET);
}

#[test]
fn a_decided_mtu_is_the_most_that_is_tried() {
    for (decided, most) in [(1280, 1312), (1400, 1432), (1420, 1452), (2000, 2032)] {
        let mut net = Net::connected_pair(614, Settings { path_mtu: Some(decided), ..Settings::default() });
        assert_eq!(limit(&net), most.min(START));
        use_path(&mut net, 20_000, seconds(20));
        assert_eq!(limit(&net), most);
    }
}

#[test]
fn this_machine_in_another_network_tries_again_at_once() {
    let mut net = used_pair(615, ETHERNET);
    let local = LocalAddrs { data: vec![at("198.51.100.3:1").socket_addr()], control: vec![] };
    net.act(0, |node, now| node.handle_network_change(local, now));
    use_path(&mut net, 8972, seconds(5));
    assert_eq!(limit(&net), 8972, "long before the next search");
}
