//! By which endpoint a peer is reached.

mod harness;

use std::time::Duration;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

fn at(address: &str) -> Endpoint {
    Endpoint::udp(address.parse().expect("an address"))
}

#[test]
fn a_peer_that_moves_is_followed_at_its_first_record() {
    let mut net = Net::connected_pair(501, Settings::default());
    let session = net.route(0, 1).expect("a session").session;
    let elsewhere = at("198.51.100.1:7777");
    net.sides[1].endpoint = elsewhere;
    net.send(1, 0, b"from elsewhere");
    net.run();
    assert_eq!(net.peer(0, 1).endpoint, Some(elsewhere));
    net.send(0, 1, b"found you");
    net.run();
    assert_eq!((net.take(0).len(), net.take(1).len()), (1, 1));
    assert_eq!(
        net.route(0, 1),
        Some(Route { session, endpoint: elsewhere, record_limit: 1440 }),
        "the session is kept"
    );
}

#[test]
fn a_change_of_network_is_shown_to_peers_at_once() {
    let mut net = Net::connected_pair(502, Settings::default());
    let elsewhere = at("198.51.100.1:7777");
    net.sides[1].endpoint = elsewhere;
    let local = LocalAddrs { data: vec![elsewhere.socket_addr()], control: vec![] };
    net.act(1, |node, now| node.handle_network_change(local, now));
    net.run();
    net.send(0, 1, b"you have moved");
    net.run();
    assert_eq!(net.take(1).len(), 1);
}

#[test]
fn a_handshake_that_a_machine_began_without_a_network_begins_anew_with_one() {
    let mut net = Net::connected_pair(612, Settings::default());
    let rotations = |net: &Net| net.peer(0, 1).rotations;
    let before = rotations(&net);
    let nowhere = at("192.0.2.249:9");
    net.sides[0].endpoint = nowhere;
    net.act(0, |node, now| node.handle_network_change(LocalAddrs::default(), now));
    net.pass_lossy(Duration::from_millis(30), |flight| flight.from != nowhere);
    assert_eq!(rotations(&net), before);
    let here = at("192.0.2.203:4242");
    net.sides[0].endpoint = here;
    let local = LocalAddrs { data: vec![here.socket_addr()], control: Vec::new() };
    net.act(0, |node, now| node.handle_network_change(local, now));
    net.pass(Duration::from_millis(20));
    assert_eq!(rotations(&net), before + 1);
    assert_eq!(net.peer(1, 0).endpoint, Some(here));
}

#[test]
fn only_the_newest_record_moves_a_peer() {
    let mut net = Net::connected_pair(503, Settings::default());
    let old_place = net.sides[1].endpoint;
    for number in 0..10_u8 {
        net.send(1, 0, &[number]);
    }
    let late: Vec<Flight> = net.flights.drain(..).collect();
    let elsewhere = at("198.51.100.1:7777");
    net.sides[1].endpoint = elsewhere;
    net.send(1, 0, b"newest");
    net.run();
    for flight in late.into_iter().rev() {
        assert_eq!(flight.from, old_place);
        net.deliver(flight);
        assert_eq!(net.peer(0, 1).endpoint, Some(elsewhere));
    }
    assert_eq!(net.take(0).len(), 11);
}

#[test]
fn late_records_of_a_replaced_session_move_nobody() {
    let settings = Settings { rotate_after_packets: 100, ..Settings::default() };
    let mut net = Net::connected_pair(504, settings);
    net.send(1, 0, b"late");
    let late = net.flights.pop_front().expect("a record");
    for number in 0..200_u8 {
        net.send(0, 1, &[number]);
        net.run();
    }
    assert!(net.peer(0, 1).rotations > 0);
    let elsewhere = at("198.51.100.1:7777");
    net.deliver(Flight { from: elsewhere, ..late });
    assert_eq!(net.take(0), [b"late".to_vec()]);
    assert_eq!(net.peer(0, 1).endpoint, Some(net.sides[1].endpoint));
}

#[test]
fn a_probe_moves_nobody() {
    let mut net = Net::connected_pair(505, Settings::default());
    let probe = SessionControl::Probe { id: 5 }.encode();
    let flight = net.seal(1, 0, RecordFlags::new(RecordKind::Control), &probe);
    let elsewhere = at("198.51.100.1:7777");
    net.deliver(Flight { from: elsewhere, ..flight });
    assert_eq!(net.peer(0, 1).endpoint, Some(net.sides[1].endpoint));
    let reply = net.flights.pop_back().expect("an answer");
    assert_eq!(reply.to, elsewhere, "it goes back where the probe came from");
}

/// A machine with no IPv6 address but the overlay's sends from that one.
#[test]
fn a_source_inside_the_overlay_is_not_heard() {
    let mut net = Net::connected_pair(611, Settings::default());
    let straight = net.sides[0].endpoint;
    let inside = at("[fd42:d27b:bfc9:e4a0::1]:42042");
    net.sides[0].endpoint = inside;
    net.send(0, 1, b"in a circle");
    net.pass(seconds(3));
    assert!(net.dropped(1, DropReason::Looped) > 0);
    assert!(net.take(1).is_empty());
    assert_eq!(net.peer(1, 0).endpoint, Some(straight));
    assert!(!net.peer(1, 0).candidates.iter().any(|candidate| candidate.0 == inside));
}

#[test]
fn an_unasked_probe_reply_moves_nobody() {
    let mut net = Net::connected_pair(506, Settings::default());
    let observed = "198.51.100.2:1".parse().expect("an address");
    for id in 0..100 {
        let reply = SessionControl::ProbeReply { id, observed }.encode();
        let flight = net.seal(1, 0, RecordFlags::new(RecordKind::Control), &reply);
        net.deliver(Flight { from: at("198.51.100.1:7777"), ..flight });
    }
    assert_eq!(net.peer(0, 1).endpoint, Some(net.sides[1].endpoint));
}

#[test]
fn a_silent_path_is_probed_and_then_replaced() {
    let mut net = Net::connected_pair(507, Settings::default());
    let (dead, alive) = (net.sides[1].endpoint, at("198.51.100.1:7777"));
    net.sides[1].endpoint = alive;
    let local = LocalAddrs { data: vec![alive.socket_addr(), dead.socket_addr()], control: vec![] };
    net.act(1, |node, now| node.handle_network_change(local, now));
    net.flights.clear();
    net.connect(0, 1);
    net.pass_lossy(Duration::from_millis(300), |_| false);
    net.disconnect(0, 1);
    net.sides[0].received.clear();
    let start = net.monotonic;
    let mut gap = None;
    for _ in 0..80 {
        net.send(0, 1, b"anyone?");
        net.pass(Duration::from_millis(50));
        if gap.is_none() && !net.take(1).is_empty() {
            gap = Some(net.monotonic - start);
        }
    }
    assert!(gap.is_some_and(|gap| gap < 3_000_000_000), "{gap:?}");
    assert_eq!(net.peer(0, 1).endpoint, Some(alive));
}

#[test]
fn a_path_that_answers_again_after_a_long_outage_is_used() {
    let mut net = Net::connected_pair(508, Settings::default());
    for _ in 0..100 {
        net.send(0, 1, b"anyone?");
        net.pass_lossy(seconds(1), |_| false);
    }
    net.take(1);
    let start = net.monotonic;
    while net.take(1).is_empty() && net.monotonic - start < 60_000_000_000 {
        net.send(0, 1, b"back?");
        net.pass(Duration::from_millis(500));
    }
    assert!(net.monotonic - start < 10_000_000_000);
}

#[test]
fn a_peer_that_restarted_is_found_again_soon() {
    let mut net = Net::connected_pair(509, Settings::default());
    // Bob forgets everything: his sessions are gone, and nobody tells alice.
    let start = net.monotonic;
    net.sides[1].node = {
        let mut other = Net::pair(509);
        other.sides.pop().expect("the same bob, without a session").node
    };
    while net.take(1).is_empty() && net.monotonic - start < 60_000_000_000 {
        net.send(0, 1, b"are you there?");
        net.pass(Duration::from_millis(500));
    }
    assert!(net.monotonic - start < 10_000_000_000, "{} s", (net.monotonic - start) / 1_000_000_000);
}

#[test]
fn a_ping_measures_the_round_trip() {
    let mut net = Net::pair(510);
    let ping = |member: &str| Command::Ping { member: member.into(), timeout: seconds(5) };
    let reply = net.command(0, ping("bob"));
    let bob = net.sides[1].id;
    assert!(matches!(reply, Ok(Reply::Pong { node, .. }) if node == bob));
    assert!(matches!(net.command(0, ping("bob.home.alt")), Ok(Reply::Pong { .. })));
    assert!(matches!(net.command(0, ping("alice")), Err(CommandError::Oneself)));
    assert!(matches!(net.command(0, ping("nobody")), Err(CommandError::UnknownMember(_))));
    net.act(0, |node, now| node.handle_command(CommandId(4242), ping("bob"), now));
    net.flights.clear();
    net.pass_lossy(seconds(6), |_| false);
    assert!(matches!(net.result(0, CommandId(4242)), Some(Err(CommandError::Timeout(_)))));
}

#[test]
fn each_side_learns_how_the_other_sees_it() {
    let mut net = Net::pair(511);
    // Behind a NAT: what is announced is not what others see.
    net.sides[0].endpoint = at("198.51.100.9:61000");
    net.send(0, 1, b"hello");
    net.run();
    let observed = net.sides[0].node.snapshot(net.now_at(0)).observed;
    assert_eq!(observed, [net.sides[0].endpoint.socket_addr()]);
}

#[test]
fn a_call_makes_both_sides_try() {
    let mut net = Net::pair(512);
    let lower = usize::from(net.sides[1].id < net.sides[0].id);
    net.connect(0, 1);
    // The greeting of a new neighbour is one side's alone; its attempts are called out to the other.
    let mut tried = [false; 2];
    let ends = [net.sides[0].endpoint, net.sides[1].endpoint];
    net.pass_lossy(seconds(1), |flight| {
        for (tried, end) in tried.iter_mut().zip(ends) {
            *tried |= flight.is(INITIATION) && flight.from == end;
        }
        false
    });
    assert_eq!(tried, [true; 2]);
    net.send(lower, 1 - lower, b"hello");
    net.pass(seconds(6));
    assert_eq!(net.take(1 - lower), [b"hello".to_vec()]);
    net.assert_agree(0, 1);
}

#[test]
fn an_address_that_a_router_forwards_is_announced_as_long_as_it_does() {
    let mut net = Net::connected_pair(520, Settings::default());
    net.connect(0, 1);
    let is_known = |net: &Net, place: Endpoint| net.peer(1, 0).candidates.iter().any(|(known, _)| *known == place);
    let external = at("198.51.100.7:42042");
    net.act(0, |node, now| node.handle_port_mapping(Some(external.socket_addr()), now));
    net.settle_announcements();
    assert!(is_known(&net, external));
    net.act(0, |node, now| node.handle_port_mapping(None, now));
    net.settle_announcements();
    assert!(!is_known(&net, external));
    let nowhere = at("127.0.0.1:42042");
    net.act(0, |node, now| node.handle_port_mapping(Some(nowhere.socket_addr()), now));
    net.settle_announcements();
    assert!(!is_known(&net, nowhere));
}
