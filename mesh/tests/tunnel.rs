//! Sessions, from the first message to the last record.

mod harness;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

#[test]
fn a_first_packet_waits_for_the_handshake_and_arrives() {
    let mut net = Net::pair(1);
    net.send(0, 1, b"first");
    net.run();
    assert_eq!(net.take(1), [b"first".to_vec()]);
    assert!(net.has_session(0, 1) && net.has_session(1, 0));
    assert!(net.sides[0].events.iter().any(|event| matches!(event, Event::PeerUp { .. })));
    assert!(net.sides[1].events.iter().any(|event| matches!(event, Event::PeerUp { .. })));
    net.assert_agree(0, 1);
}

#[test]
fn staged_packets_are_bounded_and_delivered_in_order() {
    let mut net = Net::pair(2);
    for number in 0..100_u8 {
        net.send(0, 1, &[number]);
    }
    net.run();
    let expected: Vec<Vec<u8>> = (0..64).map(|number| vec![number]).collect();
    assert_eq!(net.take(1), expected);
    assert_eq!(net.dropped(0, DropReason::StageFull), 36);
}

#[test]
fn what_a_responder_has_staged_goes_out_with_the_first_record() {
    let mut net = Net::pair(3);
    let lower = usize::from(net.sides[1].id < net.sides[0].id);
    let higher = 1 - lower;
    net.send(higher, lower, b"from the higher");
    net.send(lower, higher, b"from the lower");
    net.run();
    assert_eq!(net.take(lower), [b"from the higher".to_vec()]);
    assert_eq!(net.take(higher), [b"from the lower".to_vec()]);
    net.assert_agree(0, 1);
}

#[test]
fn a_staged_packet_whose_session_never_comes_is_counted() {
    let mut net = Net::pair(4);
    net.send(0, 1, b"lost");
    net.pass_lossy(seconds(40), |_| false);
    assert_eq!(net.dropped(0, DropReason::NoSession), 1);
    assert!(!net.peer(0, 1).is_handshaking);
    net.send(0, 1, b"again");
    net.run();
    assert_eq!(net.take(1), [b"again".to_vec()], "there is a new attempt as soon as there is traffic");
}

#[test]
fn attempts_follow_the_schedule_and_end_after_thirty_seconds() {
    let mut net = Net::pair(5);
    let start = net.monotonic;
    let mut sent = Vec::new();
    net.send(0, 1, b"anyone?");
    for _ in 0..40_000 / 50 {
        let now = net.monotonic - start;
        net.pass_lossy(std::time::Duration::from_millis(50), |flight| {
            if flight.is(INITIATION) {
                sent.push(now / 1_000_000);
            }
            false
        });
    }
    sent.dedup();
    assert_eq!(&sent[..2], [0, 200], "at 0 and 0.25 s");
    assert!((700..=750).contains(&sent[2]) && (1700..=1750).contains(&sent[3]), "{sent:?}");
    assert!(sent.len() > 10 && sent.iter().all(|at| *at < 30_000), "{sent:?}");
    let slow: Vec<u64> = sent.windows(2).filter(|pair| pair[0] > 12_000).map(|pair| pair[1] - pair[0]).collect();
    assert!(slow.iter().all(|wait| (4900..5400).contains(wait)), "{slow:?}");
}

#[test]
fn a_long_round_trip_still_makes_one_session() {
    for round_trip_ms in [100, 300, 600, 900, 1400, 2500] {
        let mut net = Net::pair(6);
        let mut under_way: Vec<(u64, Flight)> = Vec::new();
        net.send(0, 1, b"far away");
        for _ in 0..1000 {
            net.run_control();
            while let Some(flight) = net.flights.pop_front() {
                under_way.push((net.monotonic + round_trip_ms * 500_000, flight));
            }
            let due = under_way.iter().filter(|(at, _)| *at <= net.monotonic).count();
            for (_, flight) in under_way.drain(..due).collect::<Vec<_>>() {
                net.deliver(flight);
            }
            net.monotonic += 10_000_000;
            net.unix += 10_000_000;
            for side in 0..2 {
                net.act(side, Node::handle_timeout);
            }
        }
        assert_eq!(net.take(1), [b"far away".to_vec()], "at {round_trip_ms} ms");
        assert_eq!((net.peer(0, 1).rotations, net.peer(1, 0).rotations), (0, 0), "at {round_trip_ms} ms");
        assert_eq!(net.dropped(1, DropReason::UnknownSession), 0, "at {round_trip_ms} ms");
        net.flights.clear();
        net.assert_agree(0, 1);
    }
}

#[test]
fn the_responder_sends_nothing_before_the_first_record() {
    let mut net = Net::pair(7);
    net.send(0, 1, b"hello");
    let initiation = net.flights.pop_front().expect("message 1");
    net.flights.clear();
    net.deliver(initiation);
    assert!(net.flights.iter().all(|flight| flight.is(RESPONSE)));
    assert!(!net.has_session(1, 0), "message 1 alone changes no session");
    assert_eq!(net.peer(1, 0).endpoint, None, "nor an endpoint");
    assert!(net.route(1, 0).is_none());
}

#[test]
fn a_replayed_message_1_makes_no_second_state() {
    let mut net = Net::connected_pair(8, Settings::default());
    let session = net.route(1, 0).expect("a session").session;
    net.pass(seconds(200));
    net.send(0, 1, b"again");
    let initiation = net.flights.iter().find(|flight| flight.is(INITIATION)).expect("message 1").clone();
    net.run();
    assert_ne!(net.route(1, 0).expect("a session").session, session);
    let session = net.route(1, 0).expect("a session").session;
    let replays = 100_000;
    for number in 0..replays {
        net.deliver(initiation.clone());
        if number % 1000 == 0 {
            net.monotonic += 500_000_000;
            net.unix += 500_000_000;
        }
    }
    let refused = [DropReason::Timestamp, DropReason::CookieRequired, DropReason::RateLimited];
    assert_eq!(refused.map(|reason| net.dropped(1, reason)).iter().sum::<u64>(), replays);
    let answers: Vec<&Flight> = net.flights.iter().filter(|flight| flight.is(RESPONSE)).collect();
    assert!(answers.is_empty(), "no replay is answered");
    assert!(net.flights.iter().all(|flight| flight.datagram.len() <= initiation.datagram.len()), "no amplification");
    net.flights.clear();
    assert_eq!(net.route(1, 0).expect("a session").session, session, "no session was replaced");
    net.take(1);
    net.assert_agree(0, 1);
}

#[test]
fn a_changed_handshake_message_is_dropped_in_silence() {
    for (kind, victim) in [(INITIATION, 1), (RESPONSE, 0)] {
        let mut net = Net::pair(9);
        net.send(0, 1, b"hello");
        let mut message = None;
        net.run_lossy(|flight| {
            let is_it = flight.is(kind);
            if is_it && message.is_none() {
                message = Some(flight.clone());
            }
            !is_it
        });
        let message = message.expect("the message");
        let mut changed: Vec<Vec<u8>> = Vec::new();
        for length in 0..message.datagram.len() {
            changed.push(message.datagram[..length].to_vec());
        }
        for bit in (0..message.datagram.len() * 8).step_by(3) {
            // mac2 is not looked at without load.
            if bit / 8 < message.datagram.len() - 16 {
                let mut flipped = message.datagram.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                changed.push(flipped);
            }
        }
        for more in [1, 2, 16, 300] {
            changed.push([message.datagram.as_slice(), &vec![0; more]].concat());
        }
        changed.push(vec![kind; 65_535]);
        changed.push(Vec::new());
        let sent = net.sides[victim].sent;
        let mut cookies = 0;
        for (number, datagram) in changed.into_iter().enumerate() {
            if number % 100 == 0 {
                // Not so many in one second that cookies are asked for.
                net.monotonic += 2_000_000_000;
                net.unix += 2_000_000;
            }
            net.deliver(Flight { datagram, ..message.clone() });
            cookies += net.flights.iter().filter(|flight| flight.is(COOKIE)).count() as u64;
            net.flights.clear();
        }
        assert_eq!((net.sides[victim].sent, cookies), (sent, 0), "nothing was answered");
        assert!(!net.has_session(victim, 1 - victim));
        net.deliver(message);
        net.run();
        assert_eq!(net.take(1).len(), 1, "the true message is still taken");
    }
}

#[test]
fn low_order_ephemerals_get_no_answer_and_leave_no_state() {
    let mut net = Net::pair(10);
    net.send(0, 1, b"hello");
    let initiation = net.flights.iter().find(|flight| flight.is(INITIATION)).expect("message 1").clone();
    net.flights.clear();
    let bob = *net.peer(0, 1).certificate.expect("a certificate").static_key();
    let mac1_key = Digest::of(Domain::Mac1, &[bob.as_bytes()]).0;
    let mut low_order = vec![[0; 32], [0xff; 32]];
    low_order[1][31] = 0x7f;
    low_order[0][0] = 1;
    low_order.push([0; 32]);
    low_order[1][0] = 0xec;
    for point in low_order {
        let mut datagram = initiation.datagram.clone();
        datagram[8..40].copy_from_slice(&point);
        set_mac1(&mut datagram, &mac1_key);
        net.deliver(Flight { datagram, ..initiation.clone() });
    }
    assert_eq!(net.dropped(1, DropReason::Handshake), 3);
    assert!(net.flights.is_empty() && !net.has_session(1, 0));
}

#[test]
fn a_member_with_a_low_order_static_key_gets_no_message() {
    let mut net = Net::found(11);
    let weak = Subject::new(1);
    let membership = net.membership(&net.root, &weak, "weak", Rights::NONE);
    let binding = StaticBinding { subject: weak.id(), key: StaticPublicKey([0; 32]), sequence: 1 };
    let binding = Signed::sign(binding, &weak.key, &net.network);
    let certificate = MembershipCertificate::issue(membership, binding, &net.root, &net.network).expect("signed");
    assert_eq!(net.tell(0, &Publication::Certificate(certificate)), Verdict::Accept);
    let target = OverlayAddr::of_node(&net.network, &weak.id()).ip();
    let packet = packet(net.sides[0].ip, target, b"hello");
    net.act(0, |node, now| node.handle_tun(packet, now));
    assert!(net.flights.is_empty());
    assert_eq!(net.dropped(0, DropReason::NoSession), 1);
}

#[test]
fn our_own_messages_reflected_are_dropped() {
    let mut net = Net::pair(12);
    net.send(0, 1, b"hello");
    let initiation = net.flights.pop_front().expect("message 1");
    let alice = net.sides[0].endpoint;
    net.deliver(Flight { to: alice, ..initiation.clone() });
    assert_eq!(net.dropped(0, DropReason::Mac1), 1, "it is for another key");
    net.deliver(initiation);
    net.run();
    net.take(1);
    net.send(0, 1, b"record");
    let record = net.flights.pop_front().expect("a record");
    net.deliver(Flight { to: alice, ..record });
    let dropped = net.dropped(0, DropReason::UnknownSession) + net.dropped(0, DropReason::NotAuthentic);
    assert_eq!(dropped, 1);
    assert!(net.take(0).is_empty());
}

#[test]
fn a_certificate_shown_by_another_key_is_refused_and_reported() {
    let mut net = Net::pair(13);
    let thief = Subject::new(2);
    let stolen = net.sides[1].node.certificate_chain(None).expect("bob's chain");
    let bob = net.sides[1].id;
    let identity = thief.identity(net.network, stolen);
    let side = net.add(identity, Stored::default());
    net.teach(side, 0);
    net.send(side, 0, b"let me in");
    net.run();
    assert!(net.dropped(0, DropReason::ForeignCertificate) > 0);
    assert!(net.sides[0].events.iter().any(|event| {
        matches!(event, Event::Security { kind: SecurityKind::ForeignCertificate, node: Some(node), .. } if *node == bob)
    }));
    assert!(net.take(0).is_empty() && !net.has_session(0, 1));
}

#[test]
fn an_unknown_version_is_counted_as_one() {
    let mut net = Net::pair(14);
    net.send(0, 1, b"hello");
    let mut flight = net.flights.pop_front().expect("message 1");
    flight.datagram[1] = 9;
    net.deliver(flight);
    assert_eq!(net.dropped(1, DropReason::Version), 1);
}

#[test]
fn records_of_unknown_sessions_get_no_answer() {
    let mut net = Net::connected_pair(15, Settings::default());
    net.send(0, 1, b"record");
    let record = net.flights.pop_front().expect("a record");
    let sent = net.sides[1].sent;
    for index in [0, 1, u32::MAX] {
        let mut datagram = record.datagram.clone();
        datagram[4..8].copy_from_slice(&index.to_le_bytes());
        net.deliver(Flight { datagram, ..record.clone() });
    }
    assert_eq!(net.dropped(1, DropReason::UnknownSession), 3);
    assert_eq!(net.sides[1].sent, sent, "nobody is told");
    net.deliver(record);
    assert_eq!(net.take(1).len(), 1);
}

#[test]
fn a_forged_record_moves_nothing() {
    let mut net = Net::connected_pair(16, Settings::default());
    net.send(0, 1, &[7; 64]);
    let record = net.flights.pop_front().expect("a record");
    let before = net.route(1, 0);
    let stranger = Endpoint::udp("203.0.113.9:999".parse().expect("an address"));
    for bit in 0..record.datagram.len() * 8 {
        let mut datagram = record.datagram.clone();
        datagram[bit / 8] ^= 1 << (bit % 8);
        net.deliver(Flight { datagram, from: stranger, ..record.clone() });
    }
    assert!(net.take(1).is_empty());
    assert_eq!(net.route(1, 0), before);
    assert_eq!(net.peer(1, 0).endpoint, Some(net.sides[0].endpoint));
    net.deliver(record);
    assert_eq!(net.take(1).len(), 1, "the true record is still taken");
}

#[test]
fn a_replayed_record_is_never_delivered_again() {
    let settings = Settings { rotate_after: seconds(10), ..Settings::default() };
    let mut net = Net::connected_pair(17, settings);
    let mut records = Vec::new();
    for round in 0..40_u8 {
        for number in 0..25 {
            net.send(0, 1, &[round, number]);
        }
        net.run_lossy(|flight| {
            records.extend(flight.is(TRANSPORT).then(|| flight.clone()));
            true
        });
        net.pass(seconds(1));
    }
    assert_eq!(net.take(1).len(), 1000);
    assert!(net.peer(1, 0).rotations > 2);
    let stranger = Endpoint::udp("203.0.113.9:999".parse().expect("an address"));
    for record in records.iter().rev().chain(&records) {
        net.deliver(record.clone());
        net.deliver(Flight { from: stranger, ..record.clone() });
    }
    assert!(net.take(1).is_empty() && net.take(0).is_empty());
    assert_eq!(net.peer(1, 0).endpoint, Some(net.sides[0].endpoint));
}

#[test]
fn a_packet_with_another_source_is_dropped_and_counted() {
    let mut net = Net::connected_pair(18, Settings::default());
    let (alice, bob) = (net.sides[0].ip, net.sides[1].ip);
    let mut hop_limit_0 = packet(alice, bob, b"x");
    hop_limit_0[7] = 0;
    let mut lying = packet(alice, bob, b"x");
    lying[5] = 200;
    let mut version_5 = packet(alice, bob, b"x");
    version_5[0] = 0x50;
    let multicast = "ff02::1".parse().expect("an address");
    let cases = [
        (packet("fd42::1".parse().expect("an address"), bob, b"x"), DropReason::InnerSource),
        (packet(bob, bob, b"x"), DropReason::InnerSource),
        (packet(multicast, bob, b"x"), DropReason::InnerPacket),
        (hop_limit_0, DropReason::InnerPacket),
        (lying, DropReason::InnerPacket),
        (version_5, DropReason::InnerPacket),
        (packet_v4([10, 0, 0, 1], [10, 0, 0, 2]), DropReason::InnerSource),
        (packet(alice, "fd42::2".parse().expect("an address"), b"x"), DropReason::InnerDestination),
        (vec![0x60], DropReason::InnerPacket),
    ];
    for (packet, reason) in cases {
        let before = net.dropped(1, reason);
        let record = net.seal(0, 1, RecordFlags::new(RecordKind::Ip), &packet);
        net.deliver(record);
        assert_eq!(net.dropped(1, reason), before + 1, "{reason:?}");
    }
    assert!(net.take(1).is_empty());
}

#[test]
fn packets_without_a_member_at_their_destination_go_nowhere() {
    let mut net = Net::pair(19);
    let alice = net.sides[0].ip;
    let own = packet(alice, alice, b"to myself");
    let nobody = packet(alice, "fd42::9".parse().expect("an address"), b"x");
    for packet in [own, nobody, packet_v4([10, 0, 0, 1], [10, 0, 0, 2])] {
        net.act(0, |node, now| node.handle_tun(packet, now));
    }
    assert_eq!(net.dropped(0, DropReason::NoRoute), 3);
    net.act(0, |node, now| node.handle_tun(Vec::new(), now));
    assert_eq!(net.dropped(0, DropReason::InnerPacket), 1);
    assert!(net.flights.is_empty());
}

#[test]
fn kinds_and_flags_that_are_not_handled_are_dropped() {
    let mut net = Net::connected_pair(20, Settings::default());
    let ethernet = net.seal(0, 1, RecordFlags::new(RecordKind::Ethernet), &[0; 60]);
    net.deliver(ethernet);
    assert_eq!(net.dropped(1, DropReason::Unsupported), 1);
    let garbage = net.seal(0, 1, RecordFlags::new(RecordKind::Control), &[0xff; 20]);
    net.deliver(garbage);
    assert_eq!(net.dropped(1, DropReason::Payload), 1);
    net.assert_agree(0, 1);
}

#[test]
fn suites_are_agreed_inside_the_handshake() {
    let settings = Settings { cipher: CipherChoice::VectorAes, ..Settings::default() };
    let net = Net::connected_pair(21, settings);
    let suite = net.peer(0, 1).session.expect("a session").suite;
    let expected = if cfg!(feature = "aws-lc") { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 };
    assert_eq!((suite, net.peer(1, 0).session.expect("a session").suite), (expected, expected));
    let net = Net::connected_pair(22, Settings::default());
    assert_eq!(net.peer(0, 1).session.expect("a session").suite, Suite::ChaCha20Poly1305);
}

#[test]
fn clocks_may_differ_by_the_allowed_skew_and_no_more() {
    for (error, is_accepted) in [(59, true), (-59, true), (61, false), (-61, false)] {
        let mut net = Net::pair(23);
        net.sides[1].clock_error = error;
        net.send(0, 1, b"hello");
        net.run();
        assert_eq!(net.take(1).len(), usize::from(is_accepted), "{error} s");
        assert_eq!(net.dropped(1, DropReason::ClockSkew) > 0, !is_accepted, "{error} s");
        let is_reported = net.sides[1].events.iter().any(|event| {
            matches!(event, Event::Security { kind: SecurityKind::ClockSkew, detail, .. } if detail.contains("61 s"))
        });
        assert_eq!(is_reported, !is_accepted, "{error} s");
    }
}

#[test]
fn a_clock_ten_years_ahead_does_no_harm_once_it_is_mended() {
    const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;
    for both in [false, true] {
        let mut net = Net::pair(24);
        net.sides[0].clock_error = TEN_YEARS;
        net.sides[1].clock_error = if both { TEN_YEARS } else { 0 };
        net.send(0, 1, b"from the future");
        net.pass(seconds(5));
        assert_eq!(net.take(1).len(), usize::from(both));
        net.sides[0].clock_error = 0;
        net.sides[1].clock_error = 0;
        net.pass(seconds(200));
        for side in 0..2 {
            net.send(side, 1 - side, b"mended");
        }
        net.pass(seconds(60));
        assert!(net.take(1).contains(&b"mended".to_vec()), "both ahead: {both}");
        assert!(net.take(0).contains(&b"mended".to_vec()), "both ahead: {both}");
        net.assert_agree(0, 1);
    }
}

#[test]
fn early_and_repeated_timeouts_do_nothing() {
    let mut net = Net::connected_pair(25, Settings::default());
    net.pass(seconds(3));
    let before = net.sides[0].node.poll_timeout();
    for _ in 0..1000 {
        net.act(0, Node::handle_timeout);
    }
    assert_eq!(net.sides[0].node.poll_timeout(), before);
    assert!(net.flights.is_empty());
    net.assert_agree(0, 1);
}

#[test]
fn the_same_seed_and_inputs_give_the_same_outputs() {
    let run = || {
        let mut net = Net::connected_pair(26, Settings::default());
        let mut seen = Vec::new();
        for round in 0..30_u8 {
            net.send(usize::from(round % 2), usize::from(1 - round % 2), &[round]);
            net.pass_lossy(seconds(7), |flight| {
                seen.push(flight.clone());
                !seen.len().is_multiple_of(5)
            });
        }
        seen
    };
    let (first, second) = (run(), run());
    assert!(first.len() > 100);
    assert!(first == second);
}

#[test]
fn keys_that_are_never_confirmed_are_forgotten() {
    for (wait, is_taken) in [(20, true), (31, false)] {
        let mut net = Net::pair(27);
        net.send(0, 1, b"hello");
        let mut records = Vec::new();
        net.run_lossy(|flight| {
            records.extend(flight.is(TRANSPORT).then(|| flight.clone()));
            !flight.is(TRANSPORT)
        });
        net.pass_lossy(seconds(wait), |_| false);
        for record in records {
            net.deliver(record);
        }
        assert_eq!(net.take(1).len(), usize::from(is_taken), "after {wait} s");
        assert_eq!(net.dropped(1, DropReason::UnknownSession) > 0, !is_taken, "after {wait} s");
    }
}

#[test]
fn a_session_ends_with_its_last_record_and_the_next_begins() {
    let mut net = Net::connected_pair(28, Settings::default());
    let (sealer, _) = net.halves(0, 1);
    let left = (1 << 25) - sealer.reserve(0).expect("a fresh session");
    sealer.reserve(left).expect("up to the last");
    assert_eq!(sealer.reserve(1), Err(Exhausted));
    net.send(0, 1, b"after the last");
    net.run();
    assert_eq!(net.take(1), [b"after the last".to_vec()], "it waited for the next session");
    assert_eq!(net.dropped(0, DropReason::Exhausted), 0);
    net.assert_agree(0, 1);
}

#[test]
fn a_handshake_goes_on_when_the_session_lapses_meanwhile() {
    let settings = Settings { rotate_after: seconds(5), ..Settings::default() };
    let mut net = Net::connected_pair(29, settings);
    for _ in 0..64 {
        net.send(0, 1, b"tick");
        net.pass_lossy(seconds(1), |flight| flight.is(TRANSPORT));
    }
    net.take(1);
    let mut attempts = 0;
    for _ in 0..8 {
        net.send(0, 1, b"tock");
        net.pass_lossy(seconds(1), |flight| {
            attempts += u32::from(flight.is(INITIATION));
            flight.is(TRANSPORT)
        });
    }
    assert!(!net.has_session(0, 1) && attempts > 0);
    net.take(1);
    net.pass(seconds(6));
    assert!(!net.take(1).is_empty(), "what waited is delivered");
    net.assert_agree(0, 1);
}

#[test]
fn lanes_that_heard_a_peer_elsewhere_move_it_only_on_its_current_session() {
    let settings = Settings { rotate_after_packets: 100, ..Settings::default() };
    let mut net = Net::connected_pair(30, settings);
    let old = net.route(0, 1).expect("a session").session;
    for number in 0..150_u8 {
        net.send(0, 1, &[number]);
        net.run();
    }
    let current = net.route(0, 1).expect("a session").session;
    assert_ne!(old, current);
    let elsewhere = Endpoint::udp("198.51.100.1:7777".parse().expect("an address"));
    let now = net.now_at(0).monotonic;
    let heard = |index| TrafficReport {
        sessions: vec![SessionTraffic {
            index,
            sent_packets: 0,
            sent_bytes: 0,
            received_packets: 1,
            received_bytes: 1,
            newest: Some(Heard { source: elsewhere, at: now }),
        }],
        ..TrafficReport::default()
    };
    net.act(0, |node, now| node.handle_traffic(&heard(old), now));
    assert_eq!(net.peer(0, 1).endpoint, Some(net.sides[1].endpoint));
    net.act(0, |node, now| node.handle_traffic(&heard(current), now));
    assert_eq!(net.peer(0, 1).endpoint, Some(elsewhere));
}

#[test]
fn edge_keys_of_x25519_get_no_session_through_a_node() {
    #[expect(clippy::disallowed_methods, reason = "public vectors lie in a folder beside the repository")]
    let text = {
        let beside = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
        let folder = std::env::var_os("HOLLOWAY_SHARED_DATA").map_or(beside, std::path::PathBuf::from);
        std::fs::read_to_string(folder.join("x25519_edge_vectors.json"))
    };
    let Ok(text) = text else {
        println!("skipped: the public X25519 vectors are not there");
        return;
    };
    let document: serde_json::Value = serde_json::from_str(&text).expect("vectors are JSON");
    let vectors = document["vectors"].as_array().expect("a list of vectors");
    let hex = |value: &serde_json::Value| hex::decode(value.as_str().expect("a hex string")).expect("hex");
    let weak: Vec<Vec<u8>> = vectors
        .iter()
        .filter(|vector| hex(&vector["shared"]) == [0; 32])
        .map(|vector| hex(&vector["public"]))
        .collect();
    assert_eq!(weak.len(), 31);

    let mut net = Net::pair(31);
    net.send(0, 1, b"hello");
    let initiation = net.flights.iter().find(|flight| flight.is(INITIATION)).expect("message 1").clone();
    net.flights.clear();
    let bob = *net.peer(0, 1).certificate.expect("a certificate").static_key();
    let mac1_key = Digest::of(Domain::Mac1, &[bob.as_bytes()]).0;
    for point in &weak {
        let mut datagram = initiation.datagram.clone();
        datagram[8..40].copy_from_slice(point);
        set_mac1(&mut datagram, &mac1_key);
        net.deliver(Flight { datagram, ..initiation.clone() });
    }
    assert_eq!(net.dropped(1, DropReason::Handshake), 31);
    assert!(net.flights.is_empty() && !net.has_session(1, 0));
    net.deliver(initiation);
    net.run();
    assert_eq!(net.take(1).len(), 1, "the true message is still taken");
}
