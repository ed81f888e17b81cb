//! One relay through its public verbs.

mod people;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holloway_relay::*;
use holloway_wire::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stage::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn two_that_register_reach_each_other_by_their_own_channels() {
    let mut stage = Stage::new(1);
    let (alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    stage.hear(alice.at, &frame(to_bob, &record(100)));
    let [(to_alice, carried)] = stage.passed_on(bob.at).try_into().expect("one frame");
    assert_eq!(carried, record(100));
    assert_ne!(to_alice, to_bob);
    stage.hear(bob.at, &frame(to_alice, &record(50)));
    assert_eq!(stage.passed_on(alice.at), [(to_bob, record(50))]);
    assert_eq!(stage.bind(&bob, &alice), Some(to_alice), "whoever asks");
}

#[test]
fn a_challenge_is_for_one_address_and_a_short_time() {
    let mut stage = Stage::new(2);
    let (peer, thief) = (stage.peer(1), stage.peer(2));
    let challenge = stage.challenge(peer.at).expect("a challenge");
    let answer = stage.answer(&peer, challenge);
    stage.say(thief.at, &answer);
    let elsewhere = Peer { at: thief.at, ..stage.peer(1) };
    let answer_elsewhere = stage.answer(&elsewhere, challenge);
    stage.say(thief.at, &answer_elsewhere);
    assert_eq!(stage.dropped(DropReason::Challenge), 2);
    stage.pass(seconds(59));
    stage.say(peer.at, &answer);
    assert_eq!(stage.server.snapshot().members, 1, "a minute old");
    stage.pass(seconds(121));
    stage.say(peer.at, &answer);
    assert_eq!(stage.dropped(DropReason::Challenge), 3, "three minutes old");
}

#[test]
fn who_is_not_what_it_says_is_not_registered() {
    let mut stage = Stage::new(3);
    let (peer, other) = (stage.peer(1), stage.peer(2));
    let challenge = stage.challenge(peer.at).expect("a challenge");
    let body = |node: NodeId, relay: NodeId| RelayRegistration { node, relay, challenge, observed: peer.at };
    let good = body(peer.key.node_id(), stage.relay);

    let for_another_relay = stage.answer_with(&peer, body(peer.key.node_id(), other.key.node_id()));
    stage.say(peer.at, &for_another_relay);
    let registration = Signed::sign(good.clone(), &peer.key, &stage.network);
    let certificates = vec![people::certificate(&stage.root, &other.key)];
    stage.say(peer.at, &ToRelay::Answer { id: 2, registration, certificates });
    let registration = Signed::sign(good.clone(), &peer.key, &NetworkId::from_bytes([9; 32]));
    let certificates = vec![people::certificate(&stage.root, &peer.key)];
    stage.say(peer.at, &ToRelay::Answer { id: 2, registration, certificates });
    assert_eq!(stage.dropped(DropReason::Signature), 3);
    assert_eq!((stage.server.snapshot().members, stage.heard(peer.at)), (0, vec![]));

    stage.strangers.push(peer.key.node_id());
    let answer = stage.answer_with(&peer, good);
    stage.say(peer.at, &answer);
    assert_eq!(stage.heard(peer.at), [FromRelay::Refused { id: 2, refusal: RelayRefusal::NotAMember }]);
    assert_eq!(stage.server.snapshot().members, 0);
}

#[test]
fn a_verdict_that_comes_too_late_or_twice_changes_nothing() {
    let mut stage = Stage::new(4);
    stage.judges = false;
    let mut peer = stage.peer(1);
    assert_eq!(stage.register(&mut peer), None, "the owner has not answered");
    let token = stage.waiting.pop().expect("a question");
    stage.server.handle_expelled(&peer.key.node_id());
    stage.server.handle_verdict(token, Standing::Member, stage.now);
    assert_eq!(stage.server.snapshot().members, 0, "it was expelled meanwhile");
    stage.register(&mut peer);
    let token = stage.waiting.pop().expect("a question");
    for _ in 0..2 {
        stage.server.handle_verdict(token, Standing::Member, stage.now);
        stage.drain();
    }
    assert_eq!((stage.server.snapshot().members, stage.heard(peer.at).len()), (1, 1));
}

#[test]
fn nobody_sends_on_another_s_channel_or_to_whom_it_has_none() {
    let mut stage = Stage::new(5);
    let (alice, bob, mallory) = (stage.registered(1), stage.registered(2), stage.registered(3));
    let stranger = stage.peer(4);
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    for thief in [&mallory, &bob, &stranger] {
        stage.hear(thief.at, &frame(to_bob, &record(200)));
    }
    stage.hear(stranger.at, &frame(RelayChannel(7), &record(200)));
    assert_eq!(stage.passed_on(bob.at), []);
    assert_eq!((stage.dropped(DropReason::ForeignSource), stage.dropped(DropReason::UnknownChannel)), (3, 1));
    let nested = frame(to_bob, &frame(to_bob, &record(100)));
    stage.hear(alice.at, &nested);
    let backwards = RelayFrameHeader { direction: RelayDirection::FromRelay, channel: to_bob }.encode();
    stage.hear(alice.at, &[&backwards[..], &record(9)].concat());
    assert_eq!((stage.passed_on(bob.at), stage.dropped(DropReason::Malformed)), (vec![], 2));
}

#[test]
fn a_member_that_moves_is_challenged_and_then_followed() {
    let mut stage = Stage::new(6);
    let (mut alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    alice.at = address(11);
    stage.hear(alice.at, &frame(to_bob, &record(300)));
    let [FromRelay::Challenge { id: 0, challenge, observed }] = stage.heard(alice.at)[..] else {
        panic!("a challenge");
    };
    assert_eq!(observed, alice.at);
    let answer = stage.answer(&alice, challenge);
    stage.say(alice.at, &answer);
    stage.hear(alice.at, &frame(to_bob, &record(301)));
    let [(to_alice, _)] = stage.passed_on(bob.at).try_into().expect("one frame");
    stage.sent.clear();
    stage.hear(bob.at, &frame(to_alice, &record(302)));
    assert_eq!(stage.passed_on(alice.at), [(to_bob, record(302))], "and found at its new address");
    stage.hear(address(1), &frame(to_bob, &record(300)));
    assert_eq!(stage.passed_on(bob.at), [], "the old one counts no longer");
}

#[test]
fn a_ping_keeps_a_registration_and_silence_ends_it() {
    let mut stage = Stage::new(7);
    let (alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    for _ in 0..10 {
        stage.pass(seconds(20));
        assert!(matches!(stage.ping(&alice)[..], [FromRelay::Pong { id: 9, observed, .. }] if observed == alice.at));
    }
    assert_eq!(stage.server.snapshot().members, 1, "bob was silent");
    stage.hear(alice.at, &frame(to_bob, &record(100)));
    assert_eq!(stage.heard(alice.at), [FromRelay::Gone { channel: to_bob }]);
    assert!(matches!(stage.ping(&bob)[..], [FromRelay::Challenge { .. }]), "it may register again at once");
    let again = stage.registered(2);
    stage.hear(alice.at, &frame(to_bob, &record(100)));
    assert_eq!(stage.passed_on(again.at).len(), 1, "by the same channel");
}

#[test]
fn a_member_expelled_neither_sends_nor_hears() {
    let mut stage = Stage::new(8);
    let (alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    stage.hear(alice.at, &frame(to_bob, &record(100)));
    let [(to_alice, _)] = stage.passed_on(bob.at).try_into().expect("one frame");
    stage.server.handle_expelled(&bob.key.node_id());
    stage.drain();
    stage.hear(alice.at, &frame(to_bob, &record(100)));
    stage.hear(bob.at, &frame(to_alice, &record(100)));
    assert_eq!((stage.passed_on(alice.at), stage.passed_on(bob.at)), (vec![], vec![]));
    assert_eq!(stage.server.snapshot().channels, 0);
}

#[test]
fn what_is_not_used_is_given_up() {
    let mut stage = Stage::new(9);
    let (alice, bob, carol) = (stage.registered(1), stage.registered(2), stage.registered(3));
    let (to_bob, _) = (stage.bind(&alice, &bob).expect("a channel"), stage.bind(&alice, &carol).expect("a channel"));
    for _ in 0..70 {
        stage.pass(seconds(10));
        for member in [&alice, &bob, &carol] {
            stage.ping(member);
        }
        stage.hear(alice.at, &frame(to_bob, &record(100)));
    }
    assert_eq!(stage.server.snapshot().channels, 2, "those of alice and bob");
    assert_eq!(stage.bind(&alice, &bob), Some(to_bob));
}

/// P06: whoever is not registered gets no more bytes than it sends, whatever it sends.
#[test]
fn strangers_get_no_more_than_they_send() {
    for seed in 10..14 {
        let mut stage = Stage::new(seed);
        let mut rng = StdRng::seed_from_u64(seed);
        let (alice, bob) = (stage.registered(1), stage.registered(2));
        let channel = stage.bind(&alice, &bob).expect("a channel");
        stage.bytes.clear();
        let strangers: Vec<Peer> = (100..120).map(|number| stage.peer(number)).collect();
        for _ in 0..5_000 {
            let stranger = &strangers[rng.random_range(0..strangers.len())];
            let mut datagram = match rng.random_range(0..6) {
                0 => ToRelay::Register { id: 1 }.encode(),
                1 => ToRelay::Ping { registration: alice.registration, id: rng.random() }.encode(),
                2 => ToRelay::Bind {
                    registration: alice.registration,
                    id: 1,
                    node: bob.key.node_id(),
                    relays: Vec::new(),
                }
                .encode(),
                3 => frame(channel, &record(rng.random_range(1..200))),
                4 => frame(RelayChannel(rng.random()), &record(rng.random_range(1..200))),
                _ => stage.answer(stranger, rng.random()).encode(),
            };
            if rng.random_bool(0.3) {
                datagram.truncate(rng.random_range(0..=datagram.len()));
            }
            stage.hear(stranger.at, &datagram);
            stage.pass(Duration::from_micros(rng.random_range(0..50_000)));
        }
        for stranger in &strangers {
            let (heard, said) = stage.bytes.get(&stranger.at).copied().unwrap_or_default();
            assert!(said <= heard, "{said} bytes for {heard}");
        }
        assert!(stage.sent.iter().any(|(to, _)| strangers.iter().any(|stranger| stranger.at == *to)), "some answers");
        assert_eq!(stage.passed_on(bob.at), []);
    }
}

/// P13: the limit of each member within a tenth, over seconds and over minutes.
#[test]
fn a_member_sends_as_fast_as_it_may_and_no_faster() {
    let rate_bytes = 1_000_000;
    let settings = Settings { rate_bytes, burst_bytes: 100_000, ..Settings::default() };
    let mut stage = Stage::with(15, settings, Vec::new());
    let (alice, bob, carol) = (stage.registered(1), stage.registered(2), stage.registered(3));
    let [to_bob, to_carol] = [&bob, &carol].map(|peer| stage.bind(&alice, peer).expect("a channel"));
    let from_carol = stage.bind(&carol, &bob).expect("a channel");
    for span in [1u64, 20] {
        let mut passed = 0;
        for _ in 0..span * 1_000 {
            for channel in [to_bob, to_carol] {
                stage.hear(alice.at, &frame(channel, &record(992)));
            }
            passed += 1_000 * (stage.passed_on(bob.at).len() + stage.passed_on(carol.at).len());
            stage.pass(Duration::from_millis(1));
        }
        let allowed = rate_bytes * span;
        let share = passed as f64 / allowed as f64;
        assert!((0.9..=1.1).contains(&share), "{passed} of {allowed} in {span} s");
        stage.hear(carol.at, &frame(from_carol, &record(992)));
        assert_eq!(stage.passed_on(bob.at).len(), 1, "another has a bucket of its own");
    }
    assert!(stage.dropped(DropReason::TooFast) > 1_000);
}

#[test]
fn a_month_s_allowance_survives_a_restart_and_ends_with_the_month() {
    let settings = Settings { month_bytes_max: Some(10_000), ..Settings::default() };
    let mut stage = Stage::with(16, settings.clone(), Vec::new());
    let (alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    for _ in 0..12 {
        stage.hear(alice.at, &frame(to_bob, &record(992)));
    }
    assert_eq!((stage.passed_on(bob.at).len(), stage.dropped(DropReason::Quota)), (10, 2));
    stage.pass(seconds(60));
    let node = alice.key.node_id();
    let kept: Vec<Usage> = stage.kept.iter().filter(|usage| usage.node == node).copied().collect();
    let [Usage { sent_bytes: 10_000, month, .. }] = kept[..] else { panic!("{kept:?}") };
    assert_eq!(month, Month((2026 - 1970) * 12 + 10));

    let mut again = Stage::with(17, settings, stage.kept.clone());
    let mut late = again.peer(1);
    assert_eq!(again.register(&mut late), Some(FromRelay::Refused { id: 2, refusal: RelayRefusal::Quota }));
    again.pass(seconds(10 * 86_400));
    let (alice, bob) = (again.registered(1), again.registered(2));
    let to_bob = again.bind(&alice, &bob).expect("a channel");
    again.hear(alice.at, &frame(to_bob, &record(992)));
    assert_eq!(again.passed_on(bob.at).len(), 1, "December has begun");
}

#[test]
fn months_are_the_calendar_s() {
    let month = |seconds: u64| Month::of(UnixTime::from_secs(seconds)).0;
    assert_eq!((month(0), month(2_678_399), month(2_678_400)), (0, 0, 1));
    // 2024-02-29T23:59:59Z and the second after it; 2027-01-01 and the second before it.
    assert_eq!((month(1_709_251_199), month(1_709_251_200)), (54 * 12 + 1, 54 * 12 + 2));
    assert_eq!((month(1_798_761_599), month(1_798_761_600)), (56 * 12 + 11, 57 * 12));
}

#[test]
fn a_full_relay_says_so_and_keeps_those_it_has() {
    let settings = Settings { members_max: 3, ..Settings::default() };
    let mut stage = Stage::with(18, settings, Vec::new());
    let mut first = stage.registered(1);
    let _others = (stage.registered(2), stage.registered(3));
    let mut fourth = stage.peer(4);
    assert_eq!(stage.register(&mut fourth), Some(FromRelay::Refused { id: 2, refusal: RelayRefusal::Full }));
    first.at = address(21);
    assert!(matches!(stage.register(&mut first), Some(FromRelay::Registered { .. })), "one that it has may move");
    assert_eq!(stage.server.snapshot().members, 3);
}

#[test]
fn one_member_has_so_many_channels_and_no_more() {
    let mut stage = Stage::new(19);
    let mut members = vec![stage.registered(1)];
    for number in 2..300 {
        members.push(stage.registered(number));
        stage.pass(Duration::from_millis(200));
        stage.ping(&members[0]);
    }
    let mut channels = BTreeSet::new();
    for to in 1..members.len() {
        stage.pass(Duration::from_millis(100));
        stage.ping(&members[to]);
        channels.extend(stage.bind(&members[0], &members[to]));
    }
    assert_eq!((channels.len(), stage.server.snapshot().channels), (256, 512));
    assert!(stage.dropped(DropReason::Full) > 0);
}

#[test]
fn a_draining_relay_serves_those_it_has_and_takes_no_others() {
    let mut stage = Stage::new(20);
    let (mut alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    let before = stage.announced.len();
    stage.server.drain(stage.now);
    stage.pass(Duration::ZERO);
    let told: Vec<RelayState> = stage.announced[before..].iter().map(|announced| announced.state).collect();
    assert_eq!(told, [RelayState::Draining], "everyone is told at once");
    let id = alice.registration.0;
    let told = stage.heard(alice.at);
    assert!(matches!(told[..], [FromRelay::Pong { id: said, state: RelayState::Draining, .. }] if said == id));
    assert!(matches!(stage.ping(&alice)[..], [FromRelay::Pong { state: RelayState::Draining, .. }]));
    stage.hear(alice.at, &frame(to_bob, &record(100)));
    assert_eq!(stage.passed_on(bob.at).len(), 1);
    assert!(matches!(stage.register(&mut alice), Some(FromRelay::Registered { state: RelayState::Draining, .. })));
    let mut late = stage.peer(3);
    assert_eq!(stage.register(&mut late), Some(FromRelay::Refused { id: 2, refusal: RelayRefusal::Draining }));
}

#[test]
fn a_relay_that_stops_tells_of_every_channel() {
    let mut stage = Stage::new(24);
    let (alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    stage.server.stop(stage.now);
    stage.drain();
    assert!(stage.heard(alice.at).contains(&FromRelay::Gone { channel: to_bob }));
    assert_eq!(stage.heard(bob.at).iter().filter(|word| matches!(word, FromRelay::Gone { .. })).count(), 1);
}

#[test]
fn a_relay_announces_itself_every_half_minute() {
    let settings = Settings { capacity_mbps: 8, rate_bytes: 10_000_000, ..Settings::default() };
    let mut stage = Stage::with(21, settings, Vec::new());
    let (alice, bob) = (stage.registered(1), stage.registered(2));
    let to_bob = stage.bind(&alice, &bob).expect("a channel");
    // Half a megabyte a second is half of what it can.
    for _ in 0..300 {
        for _ in 0..50 {
            stage.hear(alice.at, &frame(to_bob, &record(992)));
        }
        stage.sent.clear();
        stage.ping(&bob);
        stage.pass(Duration::from_millis(100));
    }
    let last = stage.announced.last().expect("an announcement");
    assert_eq!((stage.announced.len(), last.members, last.load.percent()), (2, 2, 50));
    assert_eq!(last.expires, stage.now.unix + seconds(90));
    assert!(stage.announced[0].sequence < stage.announced[1].sequence);
}

/// As reports are paced in RFC 3550 §6.2: everyone hears about one a second, however many there are.
#[test]
fn among_many_relays_each_announces_itself_less_often() {
    let mut stage = Stage::new(22);
    let mut sequence = 0;
    let mut hear_all = |stage: &mut Stage| {
        sequence += 1;
        for number in 0..96 {
            let announcement = RelayAnnouncement {
                node: people::key(number).node_id(),
                sequence: people::START.as_nanos() + sequence,
                expires: stage.now.unix + seconds(400),
                ..stage.announced[0].clone()
            };
            stage.server.handle_announcement(&announcement, stage.now);
        }
    };
    for _ in 0..10 {
        hear_all(&mut stage);
        stage.pass(seconds(60));
    }
    // With 97 relays every 120 s: at the start, after the first half a minute, and four times since.
    assert_eq!(stage.announced.len(), 6);
    let times: Vec<u64> = stage.announced.iter().map(|announced| announced.sequence / 1_000_000_000).collect();
    let apart: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(apart, [30, 120, 120, 120, 120]);
    let last = stage.announced.last().expect("six");
    assert_eq!(last.expires.as_nanos() - last.sequence, 360_000_000_000, "two more may be lost");
}

/// Members come, go, move and send at random; a small model says who may reach whom.
#[test]
fn frames_go_where_a_plain_model_says() {
    for seed in 100..130 {
        wander(seed);
    }
}

struct Known {
    peer: Peer,
    registered: bool,
}

fn wander(seed: u64) {
    let mut stage = Stage::new(seed);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut known: Vec<Known> = (0..8).map(|number| Known { peer: stage.peer(number), registered: false }).collect();
    let mut channels: BTreeMap<(usize, usize), RelayChannel> = BTreeMap::new();
    let mut moves = 100;
    for _ in 0..400 {
        let (one, other) = (rng.random_range(0..known.len()), rng.random_range(0..known.len()));
        match rng.random_range(0..10) {
            0 | 1 => {
                let reply = stage.register(&mut known[one].peer);
                known[one].registered = matches!(reply, Some(FromRelay::Registered { .. }));
                assert!(known[one].registered, "seed {seed}");
            }
            2 => {
                moves += 1;
                known[one].peer.at = address(moves);
                known[one].registered = false;
                // The relay still has the old address: frames to this member go there, to nobody.
            }
            3 => {
                stage.server.handle_expelled(&known[one].peer.key.node_id());
                stage.drain();
                known[one].registered = false;
                channels.retain(|(from, to), _| *from != one && *to != one);
            }
            4 | 5 if one != other => {
                if let Some(channel) = stage.bind(&known[one].peer, &known[other].peer) {
                    assert!(known[one].registered, "seed {seed}: bound without a registration");
                    let before = channels.insert((one, other), channel);
                    assert!(before.is_none_or(|before| before == channel), "seed {seed}: a number changed");
                }
            }
            _ => {
                let content = record(rng.random_range(20..1_400));
                if let Some(channel) = channels.get(&(one, other)) {
                    stage.hear(known[one].peer.at, &frame(*channel, &content));
                }
                let is_expected =
                    channels.contains_key(&(one, other)) && known[one].registered && known[other].registered;
                for (at, receiver) in known.iter().enumerate() {
                    let passed = stage.passed_on(receiver.peer.at);
                    let wanted = usize::from(is_expected && at == other);
                    assert_eq!(passed.len(), wanted, "seed {seed}: {one} to {other}, at {at}");
                    assert!(passed.iter().all(|(_, carried)| *carried == content));
                }
            }
        }
        stage.sent.clear();
        stage.pass(Duration::from_millis(rng.random_range(100..300)));
        for member in known.iter().filter(|member| member.registered) {
            stage.server.handle_datagram(
                member.peer.at,
                &ToRelay::Ping { registration: member.peer.registration, id: 1 }.encode(),
                stage.now,
            );
        }
        stage.drain();
        stage.sent.clear();
    }
}
