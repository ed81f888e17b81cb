//! Keys change in time, and nothing is lost.

mod harness;

use harness::*;
use holloway_mesh::*;

fn settings(after: u64, packets: u64) -> Settings {
    Settings { rotate_after: seconds(after), rotate_after_packets: packets, ..Settings::default() }
}

#[test]
fn rotation_by_time_loses_nothing_and_comes_as_often_as_it_must() {
    let mut net = Net::connected_pair(71, settings(5, 1 << 24));
    let mut sent = 0_u64;
    for _ in 0..600 {
        for side in 0..2 {
            net.send(side, 1 - side, &sent.to_le_bytes());
        }
        sent += 1;
        net.pass(std::time::Duration::from_millis(100));
    }
    assert_eq!((net.take(0).len() as u64, net.take(1).len() as u64), (sent, sent));
    for side in 0..2 {
        assert!((11..=12).contains(&net.peer(side, 1 - side).rotations), "{}", net.peer(side, 1 - side).rotations);
    }
    net.assert_agree(0, 1);
}

#[test]
fn rotation_by_packets_loses_nothing_and_comes_as_often_as_it_must() {
    let mut net = Net::connected_pair(72, settings(120, 100));
    for number in 0..10_000_u32 {
        net.send(0, 1, &number.to_le_bytes());
        net.run();
    }
    let received = net.take(1);
    assert_eq!(received.len(), 10_000);
    assert!(received.iter().enumerate().all(|(number, payload)| *payload == (number as u32).to_le_bytes()));
    let rotations = net.peer(0, 1).rotations;
    // The keepalive and the probes of a new session count as well.
    assert!((99..=104).contains(&rotations), "{rotations}");
    assert_eq!(net.peer(1, 0).rotations, rotations);
}

#[test]
fn rotation_overlaps_with_records_under_way() {
    let mut net = Net::connected_pair(73, settings(120, 100));
    let mut under_way: std::collections::VecDeque<Vec<Flight>> = std::collections::VecDeque::new();
    let rounds = 500_u32;
    for number in 0..rounds {
        for part in 0..7_u8 {
            net.send(0, 1, &[number.to_le_bytes().as_slice(), &[part]].concat());
        }
        net.run_control();
        under_way.push_back(net.flights.drain(..).collect());
        if under_way.len() > 9 {
            for flight in under_way.pop_front().expect("something is under way") {
                net.deliver(flight);
            }
        }
        net.monotonic += 10_000_000;
        net.unix += 10_000_000;
    }
    under_way.into_iter().flatten().for_each(|flight| net.deliver(flight));
    net.run();
    assert_eq!(net.take(1).len(), 7 * rounds as usize);
    assert!(net.peer(0, 1).rotations >= 8, "{}", net.peer(0, 1).rotations);
}

#[test]
fn replaced_sessions_are_few_and_end() {
    let mut net = Net::connected_pair(74, settings(120, 100));
    for number in 0..5000_u32 {
        net.send(0, 1, &number.to_le_bytes());
        net.run();
        assert!(net.installed(0) <= 9 && net.installed(1) <= 9, "at most eight besides the current one");
    }
    assert_eq!((net.installed(0), net.installed(1)), (9, 9));
    net.pass(seconds(179));
    net.send(0, 1, b"still here");
    net.pass(seconds(2));
    assert!(net.installed(0) <= 2 && net.installed(1) <= 2, "{} {}", net.installed(0), net.installed(1));
}

#[test]
fn keys_of_idle_peers_lapse() {
    let mut net = Net::connected_pair(75, Settings::default());
    net.pass(seconds(200));
    assert!(!net.has_session(0, 1) && !net.has_session(1, 0));
    assert_eq!((net.installed(0), net.installed(1)), (0, 0));
    assert_eq!(net.route(0, 1), None, "lanes are told");
    net.send(0, 1, b"awake");
    net.run();
    assert_eq!(net.take(1), [b"awake".to_vec()]);
}

#[test]
fn a_session_serves_on_until_its_successor_is_confirmed() {
    let mut net = Net::connected_pair(76, settings(120, 1 << 24));
    let mut late = 0;
    for _ in 0..165 {
        net.send(0, 1, b"tick");
        net.send(1, 0, b"tock");
        net.pass_lossy(seconds(1), |flight| flight.is(TRANSPORT));
        late = net.sides[0]
            .events
            .iter()
            .filter(|event| matches!(event, Event::Security { kind: SecurityKind::LateRotation, .. }))
            .count();
    }
    assert_eq!((net.take(0).len(), net.take(1).len()), (165, 165));
    assert!(late > 0, "a late rotation is reported");
    net.pass(seconds(20));
    net.assert_agree(0, 1);
}

#[test]
fn the_hard_stop_ends_a_session_that_cannot_rotate() {
    let mut net = Net::connected_pair(77, settings(10, 1 << 24));
    for _ in 0..69 {
        net.send(0, 1, b"tick");
        net.pass_lossy(seconds(1), |flight| flight.is(TRANSPORT));
    }
    assert!(net.has_session(0, 1));
    net.take(1);
    for _ in 0..5 {
        net.send(0, 1, b"tock");
        net.pass_lossy(seconds(1), |flight| flight.is(TRANSPORT));
    }
    assert!(!net.has_session(0, 1));
    assert!(net.take(1).len() <= 2);
}

#[test]
fn the_responder_rotates_when_the_initiator_does_not() {
    let mut net = Net::connected_pair(78, settings(20, 1 << 24));
    let alice = net.sides[0].endpoint;
    for _ in 0..45 {
        net.send(0, 1, b"tick");
        net.send(1, 0, b"tock");
        net.pass_lossy(seconds(1), |flight| !(flight.is(INITIATION) && flight.from == alice));
    }
    assert!(net.peer(1, 0).rotations > 0 && net.peer(0, 1).rotations > 0);
    assert_eq!((net.take(0).len(), net.take(1).len()), (45, 45));
}

#[test]
fn lanes_report_makes_rotation_happen() {
    let mut net = Net::connected_pair(79, settings(120, 100));
    let session = net.route(0, 1).expect("a session").session;
    for _ in 0..100 {
        let record = net.seal(0, 1, holloway_wire::RecordFlags::new(holloway_wire::RecordKind::Ip), &[]);
        net.deliver(record);
    }
    let traffic = SessionTraffic {
        index: session,
        sent_packets: 100,
        sent_bytes: 6400,
        received_packets: 0,
        received_bytes: 0,
        newest: None,
    };
    let report = TrafficReport { sessions: vec![traffic], ..TrafficReport::default() };
    net.act(0, |node, now| node.handle_traffic(&report, now));
    net.run();
    assert_ne!(net.route(0, 1).expect("a session").session, session);
    assert_eq!(net.peer(0, 1).rotations, 1);
    assert!(net.peer(0, 1).sent_bytes >= 6400);
    net.assert_agree(0, 1);
}
