//! Circuits from relay to relay.

mod constellation;
mod people;

use std::collections::BTreeSet;
use std::time::Duration;

use constellation::*;
use holloway_relay::*;
use holloway_wire::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const NEAR: Duration = Duration::from_millis(5);
const FAR: Duration = Duration::from_millis(50);

/// Sends a record each way and says over how many relays each has come.
fn talk(sky: &mut Constellation, one: &Member, other: &Member, channel: RelayChannel) -> (usize, usize) {
    sky.frames(one.at);
    sky.frames(other.at);
    sky.say(one, channel, &record(1));
    let [there] = sky.frames(other.at).try_into().expect("one frame there");
    assert_eq!(there.record, record(1));
    sky.say(other, there.channel, &record(2));
    let [back] = sky.frames(one.at).try_into().expect("one frame back");
    assert_eq!((back.channel, &back.record), (channel, &record(2)));
    (there.relays, back.relays)
}

#[test]
fn members_of_two_relays_reach_each_other_over_both() {
    let mut sky = Constellation::new(2, 1);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 1));
    assert_eq!(sky.bind(&alice, &bob), None, "the relays do not know each other yet");
    assert_eq!(sky.wanted, [(0, sky.node(1))], "which is to be mended");
    sky.link(0, 1, NEAR);
    let (channel, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(1)]);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (2, 2));
    assert_eq!(sky.bind(&alice, &bob), Some((channel, route)), "asked again");
}

#[test]
fn a_link_that_members_want_for_now_carries_them_and_is_nobodys_news() {
    let mut sky = Constellation::new(2, 8);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 1));
    sky.pass(Duration::from_secs(6));
    let announced = sky.announced;
    sky.link_for_now(0, 1, NEAR);
    let (channel, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(1)]);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (2, 2));
    sky.pass(Duration::from_secs(6));
    assert_eq!((sky.announced, sky.snapshot(0).links), (announced, vec![]));
    // One that lasts is told soon.
    sky.link(0, 1, NEAR);
    sky.pass(Duration::from_secs(6));
    assert_eq!((sky.announced, sky.snapshot(0).links.len()), (announced + 1, 1));
}

#[test]
fn a_third_relay_helps_where_two_have_no_link() {
    let mut sky = Constellation::new(3, 2);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 2));
    sky.join(0, 1, NEAR);
    sky.join(1, 2, NEAR);
    sky.pass(Duration::from_secs(6));
    let (channel, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(1), sky.node(2)]);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (3, 3));
    let (back, _) = sky.bind(&bob, &alice).expect("bob asks as well");
    assert_eq!(talk(&mut sky, &bob, &alice, back), (3, 3));
}

#[test]
fn the_shorter_way_is_taken() {
    let mut sky = Constellation::new(3, 3);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 2));
    sky.join(0, 2, FAR);
    sky.join(0, 1, NEAR);
    sky.join(1, 2, NEAR);
    sky.pass(Duration::from_secs(6));
    let (_, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(1), sky.node(2)], "10 ms over another relay, not 50 ms straight");
}

#[test]
fn a_way_that_has_become_better_is_taken_and_the_old_one_carries_what_is_under_way() {
    let mut sky = Constellation::new(3, 9);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 2));
    sky.join(0, 1, NEAR);
    sky.join(1, 2, NEAR);
    sky.pass(Duration::from_secs(6));
    let (first, long) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(long, [sky.node(1), sky.node(2)]);
    sky.join(0, 2, FAR);
    sky.pass(Duration::from_secs(6));
    assert_eq!(sky.bind(&alice, &bob), Some((first, long)), "50 ms straight are no better than 10 ms");
    sky.link(0, 2, NEAR);
    let (second, short) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(short, [sky.node(2)]);
    assert_eq!(talk(&mut sky, &alice, &bob, second), (2, 2));
    assert_eq!(talk(&mut sky, &alice, &bob, first), (3, 3));
    assert_eq!(sky.bind(&alice, &bob), Some((second, short)), "and stays");
}

#[test]
fn a_better_way_that_is_none_leaves_the_old_one_as_it_was() {
    let mut sky = Constellation::new(3, 10);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 2));
    sky.join(0, 1, NEAR);
    sky.join(1, 2, NEAR);
    sky.pass(Duration::from_secs(6));
    let before = sky.bind(&alice, &bob);
    sky.link(0, 2, NEAR);
    sky.set_cut(0, 2, true);
    assert_eq!(sky.bind_with_patience(&alice, &bob), before);
    let (channel, _) = before.expect("a channel");
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (3, 3));
}

/// One that has gone without a word is sought where it says, as soon as it is heard from there.
#[test]
fn a_peer_that_sends_from_beyond_another_relay_is_no_longer_here() {
    let mut sky = Constellation::new(2, 11);
    let (alice, mut bob) = (sky.member(1, 0), sky.member(2, 0));
    sky.join(0, 1, NEAR);
    let (here, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, []);
    sky.pass(Duration::from_secs(1));
    sky.rehome(&mut bob, 1);
    assert_eq!(sky.bind(&alice, &bob), Some((here, vec![])), "it was here a second ago");
    let (back, _) = sky.bind(&bob, &alice).expect("a channel");
    sky.say(&bob, back, &record(1));
    let (there, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(1)]);
    assert_eq!(talk(&mut sky, &alice, &bob, there), (2, 2));
}

#[test]
fn no_way_leads_over_more_than_three_relays() {
    let mut sky = Constellation::new(4, 4);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 3));
    for relay in 0..3 {
        sky.join(relay, relay + 1, NEAR);
    }
    sky.pass(Duration::from_secs(6));
    assert_eq!(sky.bind(&alice, &bob), None);
    // Nor when a relay asks for one.
    let registration = sky.registration_of(0, 1);
    let question = |route| ToRelay::Extend {
        registration,
        id: 7,
        from: alice.node(),
        to: bob.node(),
        route,
        channel: RelayChannel(7),
    };
    assert!(ToRelay::decode(&question(vec![sky.node(2), sky.node(3)]).encode()).is_err());
    // Nor back to whence it came, or over the same relay twice.
    for turning in [0, 1] {
        let question = question(vec![sky.node(turning)]).encode();
        sky.send(sky.at(0), 1, question);
    }
    assert_eq!(sky.snapshot(1).drops.of(DropReason::Malformed), 2);
}

#[test]
fn only_a_relay_that_is_registered_has_circuits_extended() {
    let mut sky = Constellation::new(2, 5);
    let (alice, bob, mallory) = (sky.member(1, 0), sky.member(2, 1), sky.member(3, 1));
    sky.link(0, 1, NEAR);
    let question = |registration| {
        let (from, to) = (alice.node(), bob.node());
        ToRelay::Extend { registration, id: 7, from, to, route: Vec::new(), channel: RelayChannel(7) }.encode()
    };
    let (of_mallory, of_relay) = (sky.registration(&mallory), sky.registration_of(0, 1));
    sky.send(mallory.at, 1, question(of_mallory));
    sky.send(mallory.at, 1, question(of_relay));
    let drops = sky.snapshot(1).drops;
    assert_eq!((drops.of(DropReason::NotARelay), drops.of(DropReason::UnknownRegistration)), (1, 1));
    assert_eq!((sky.words(mallory.at), sky.snapshot(1).channels), (vec![], 0));
}

#[test]
fn nobody_else_answers_for_a_relay() {
    let mut sky = Constellation::new(2, 6);
    let (alice, bob, mallory) = (sky.member(1, 0), sky.member(2, 1), sky.member(3, 0));
    sky.link(0, 1, NEAR);
    let (channel, _) = sky.bind(&alice, &bob).expect("a channel");
    // Every number that mallory could name is a guess; the right ones from the wrong place count as little.
    sky.say(&alice, channel, &record(1));
    let [there] = sky.frames(bob.at).try_into().expect("one frame");
    for channel in [channel, there.channel] {
        sky.send(mallory.at, 0, FromRelay::Gone { channel }.encode());
        sky.send(mallory.at, 0, FromRelay::Extended { id: 1, channel }.encode());
        sky.say(&mallory, channel, &record(9));
    }
    assert_eq!(sky.frames(bob.at), []);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (2, 2));
    sky.set_cut(0, 1, true);
    assert_eq!(sky.bind(&alice, &bob), None);
    let Some(ToRelay::Extend { id, .. }) = sky.lost.pop() else { panic!("it was asked for") };
    let answer = FromRelay::Extended { id, channel: RelayChannel(7) }.encode();
    sky.send(mallory.at, 0, answer.clone());
    assert_eq!(sky.words(alice.at), []);
    sky.set_cut(0, 1, false);
    sky.send(sky.at(1), 0, answer);
    let words = sky.words(alice.at);
    assert!(matches!(words[..], [FromRelay::Bound { .. }]), "from the right place it counts: {words:?}");
}

#[test]
fn a_relay_that_goes_is_gone_around() {
    let mut sky = Constellation::new(4, 7);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 3));
    for between in [1, 2] {
        sky.join(0, between, NEAR * between as u32);
        sky.join(between, 3, NEAR);
    }
    sky.pass(Duration::from_secs(6));
    let (channel, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(1), sky.node(3)]);
    sky.unlink(0, 1);
    assert_eq!(sky.words(alice.at), [FromRelay::Gone { channel }], "told at once");
    let (channel, route) = sky.bind(&alice, &bob).expect("another");
    assert_eq!(route, [sky.node(2), sky.node(3)]);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (3, 3));
    // The far side of the way breaks: that is told from relay to relay.
    sky.unlink(2, 3);
    assert_eq!(sky.words(alice.at), [FromRelay::Gone { channel }]);
}

#[test]
fn a_relay_that_falls_silent_is_gone_around_when_a_member_asks_again() {
    let mut sky = Constellation::new(4, 8);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 3));
    for between in [1, 2] {
        sky.join(0, between, NEAR * between as u32);
        sky.join(between, 3, NEAR);
    }
    sky.pass(Duration::from_secs(6));
    let (old, _) = sky.bind(&alice, &bob).expect("a channel");
    sky.set_cut(1, 3, true);
    sky.say(&alice, old, &record(1));
    assert_eq!(sky.frames(bob.at), [], "nobody has noticed yet");
    let (channel, route) = sky.bind_with_patience(&alice, &bob).expect("another way");
    assert_eq!(route, [sky.node(2), sky.node(3)]);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (3, 3));
}

#[test]
fn a_circuit_follows_a_member_to_its_new_relay() {
    let mut sky = Constellation::new(3, 9);
    let (alice, mut bob) = (sky.member(1, 0), sky.member(2, 1));
    sky.join(0, 1, NEAR);
    sky.join(0, 2, FAR);
    sky.bind(&alice, &bob).expect("a channel");
    sky.rehome(&mut bob, 2);
    let (channel, route) = sky.bind(&alice, &bob).expect("a channel");
    assert_eq!(route, [sky.node(2)]);
    assert_eq!(talk(&mut sky, &alice, &bob, channel), (2, 2));
}

#[test]
fn who_is_expelled_is_cut_off_on_every_relay() {
    let mut sky = Constellation::new(3, 10);
    let (alice, bob, carol) = (sky.member(1, 0), sky.member(2, 2), sky.member(3, 2));
    sky.join(0, 1, NEAR);
    sky.join(1, 2, NEAR);
    sky.pass(Duration::from_secs(6));
    let (to_bob, _) = sky.bind(&alice, &bob).expect("a channel");
    let (to_carol, _) = sky.bind(&alice, &carol).expect("a channel");
    for relay in 0..3 {
        sky.expel(relay, &bob.node());
    }
    sky.say(&alice, to_bob, &record(1));
    assert_eq!(sky.frames(bob.at), []);
    assert_eq!(talk(&mut sky, &alice, &carol, to_carol), (3, 3), "others are not concerned");
    // A relay is expelled: what led over it is gone, also where it was in the middle.
    let middle = sky.node(1);
    for relay in [0, 2] {
        sky.expel(relay, &middle);
    }
    assert!(sky.words(alice.at).contains(&FromRelay::Gone { channel: to_carol }));
    assert_eq!(sky.bind(&alice, &carol), None);
    assert_eq!((sky.snapshot(0).channels, sky.snapshot(2).channels), (0, 0));
}

#[test]
fn what_is_not_used_is_given_up_on_every_relay() {
    let mut sky = Constellation::new(2, 11);
    let (alice, bob) = (sky.member(1, 0), sky.member(2, 1));
    sky.link(0, 1, NEAR);
    let (channel, _) = sky.bind(&alice, &bob).expect("a channel");
    sky.pass(Duration::from_secs(59));
    sky.say(&alice, channel, &record(1));
    sky.wanted.clear();
    sky.pass(Duration::from_secs(61));
    assert!(sky.wanted.contains(&(0, sky.node(1))), "the link is wanted for as long as anything leads over it");
    assert_eq!([0, 1].map(|relay| (sky.snapshot(relay).channels, sky.snapshot(relay).circuits)), [(2, 1); 2]);
    sky.pass(Duration::from_secs(620));
    assert_eq!([0, 1].map(|relay| (sky.snapshot(relay).channels, sky.snapshot(relay).circuits)), [(0, 0); 2]);
}

#[test]
fn a_relay_says_which_links_it_has() {
    let mut sky = Constellation::new(3, 12);
    sky.link(0, 2, FAR);
    sky.link(0, 1, NEAR);
    let links = sky.snapshot(0).links;
    assert_eq!(links, [RelayLink::new(sky.node(1), NEAR), RelayLink::new(sky.node(2), FAR)]);
}

/// What a plain model says of who reaches whom, however links come and go.
#[test]
fn members_reach_each_other_wherever_three_relays_lead() {
    (0..20 * prove_scale()).for_each(wander);
}

#[expect(clippy::disallowed_methods, reason = "how much is proven is said from outside")]
fn prove_scale() -> u64 {
    std::env::var("HOLLOWAY_PROVE_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1)
}

fn wander(seed: u64) {
    const RELAYS: usize = 6;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut sky = Constellation::new(RELAYS as u16, seed);
    let members: Vec<Member> = (0..8).map(|number| sky.member(number, rng.random_range(0..RELAYS))).collect();
    let mut links = BTreeSet::new();
    for step in 0..40 {
        let (one, other) = (rng.random_range(0..RELAYS), rng.random_range(0..RELAYS));
        if one != other {
            if links.remove(&(one, other)) {
                sky.unlink(one, other);
            } else {
                links.insert((one, other));
                sky.link(one, other, Duration::from_millis(rng.random_range(1..100)));
            }
        }
        // Longer than a way that has failed is avoided, and than news take; members stay registered.
        sky.pass(Duration::from_secs(31));
        keep_alive(&mut sky, &members, &links);
        let (from, to) = (&members[rng.random_range(0..8)], &members[rng.random_range(0..8)]);
        if from.at == to.at {
            continue;
        }
        let is_near = |from, to| links.contains(&(from, to));
        let leads = from.home == to.home
            || is_near(from.home, to.home)
            || (0..RELAYS).any(|between| is_near(from.home, between) && is_near(between, to.home));
        let bound = sky.bind_with_patience(from, to);
        assert_eq!(bound.is_some(), leads, "seed {seed}, step {step}: {} to {}", from.home, to.home);
        if let Some((channel, route)) = bound {
            let relays = route.len() + 1;
            assert_eq!(talk(&mut sky, from, to, channel), (relays, relays), "seed {seed}, step {step}");
        }
    }
}

fn keep_alive(sky: &mut Constellation, members: &[Member], links: &BTreeSet<(usize, usize)>) {
    for member in members {
        let registration = sky.registration(member);
        sky.send(member.at, member.home, ToRelay::Ping { registration, id: 1 }.encode());
        sky.words(member.at);
    }
    for (from, to) in links {
        let registration = sky.registration_of(*from, *to);
        sky.send(sky.at(*from), *to, ToRelay::Ping { registration, id: 1 }.encode());
        sky.words(sky.at(*from));
    }
}
