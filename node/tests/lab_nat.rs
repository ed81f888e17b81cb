//! Direct paths through NAT boxes, reached by the usual flow: invite, join, traffic.
//!
//! Needs root and the programs `ip` and `nft`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::time::Instant;

use holloway_simnet::lab::{Lab, Nat, NatKind};
use stage::{DATA_PORT, Machine, founder, member, scale};

/// A public founder, bob and carol behind two boxes; the path between them, seen from both sides.
fn behind(hint: &str, bobs: NatKind, carols: NatKind) -> (Lab, [Machine; 3], [Nat; 2]) {
    let lab = Lab::new(hint).unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let boxes = [lab.nat(bobs, "nat-bob").unwrap(), lab.nat(carols, "nat-carol").unwrap()];
    let bob = member(&lab, &alice, &boxes[0].host("bob").unwrap(), "");
    let carol = member(&lab, &alice, &boxes[1].host("carol").unwrap(), "");
    (lab, [alice, bob, carol], boxes)
}

#[test]
fn two_machines_behind_separate_home_routers_are_direct_both_ways() {
    let (_lab, [alice, bob, carol], boxes) = behind("home", NatKind::Home, NatKind::Home);
    let start = Instant::now();
    carol.wait_ping("bob");
    println!("home x home: first reply {:?} after carol's join", start.elapsed());
    bob.wait_ping("carol");
    assert_eq!(carol.wait_direct("bob"), format!("{}:{DATA_PORT}", boxes[0].public_ipv4()));
    assert_eq!(bob.wait_direct("carol"), format!("{}:{DATA_PORT}", boxes[1].public_ipv4()));
    assert!(carol.reaches(bob.address()) && bob.reaches(carol.address()));
    bob.wait_ping("alice");
    assert_eq!(bob.wait_direct("alice"), format!("{}:{DATA_PORT}", alice.host().ipv4()));
    let observed = bob.network()["data"]["observed"].to_string();
    assert!(observed.contains(&boxes[0].public_ipv4().to_string()), "bob knows how he looks from outside: {observed}");
}

#[test]
fn a_full_cone_and_a_home_router_are_direct_both_ways() {
    let (_lab, [_alice, bob, carol], boxes) = behind("cone", NatKind::FullCone, NatKind::Home);
    bob.wait_ping("carol");
    carol.wait_ping("bob");
    assert_eq!(carol.wait_direct("bob"), format!("{}:{DATA_PORT}", boxes[0].public_ipv4()));
}

#[test]
fn a_symmetric_router_lets_a_public_machine_through_and_leaves_a_relay_for_another_router() {
    let (_lab, [alice, bob, carol], _boxes) = behind("symmetric", NatKind::Symmetric, NatKind::Home);
    bob.wait_ping("alice");
    alice.wait_ping("bob");
    let (reply, took) = carol.wait_ping("bob");
    println!("home x symmetric: first reply after {took:?}");
    let path = &reply["replies"][0]["path"];
    assert_eq!((&path["kind"], &path["relay"]), (&"relay".into(), &"alice".into()), "{reply:#}");
    bob.wait_ping("carol");
    assert!(carol.reaches(bob.address()) && bob.reaches(carol.address()));
    carol.wait("alice as home relay", || (carol.network()["home_relay"]["name"] == "alice").then_some(()));
}

#[test]
fn two_symmetric_routers_leave_a_relay() {
    let (_lab, [_alice, bob, carol], _boxes) = behind("symmetric2", NatKind::Symmetric, NatKind::Symmetric);
    let (reply, took) = carol.wait_ping("bob");
    println!("symmetric x symmetric: first reply after {took:?}");
    assert_eq!(reply["replies"][0]["path"]["kind"], "relay", "{reply:#}");
    assert!(carol.reaches(bob.address()) && bob.reaches(carol.address()));
}

#[test]
fn two_machines_behind_the_same_router_are_direct_by_their_lan_addresses() {
    let lab = Lab::new("hairpin").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let router = lab.nat(NatKind::Home, "router").unwrap();
    let bob = member(&lab, &alice, &router.host("bob").unwrap(), "");
    let carol = member(&lab, &alice, &router.host("carol").unwrap(), "");
    carol.wait_ping("bob");
    bob.wait_ping("carol");
    assert_eq!(carol.wait_direct("bob"), format!("{}:{DATA_PORT}", bob.host().ipv4()));
    assert!(bob.wait_direct("carol").starts_with(&carol.host().ipv4().to_string()));
    bob.wait_ping("alice");
}

/// What the grid of PROMISES §3 says of two machines behind such routers.
fn is_straight_possible(one: NatKind, other: NatKind) -> bool {
    use NatKind::{FullCone, Home, Public, Symmetric, UdpBlocked};
    match (one, other) {
        (UdpBlocked, _) | (_, UdpBlocked) => false,
        (Public | FullCone, _) | (_, Public | FullCone) => true,
        (Home, Home) => true,
        (Symmetric, _) | (_, Symmetric) => false,
    }
}

/// One cell of the grid: both reach each other at once, and stay with what the routers allow.
fn cell(one: NatKind, other: NatKind) {
    let hint = format!("{one:?}-{other:?}").to_lowercase();
    let start = Instant::now();
    let (_lab, [_alice, bob, carol], _boxes) = behind(&hint, one, other);
    let joined = start.elapsed();
    let (_, first) = carol.wait_ping("bob");
    bob.wait_ping("carol");
    let kind = |machine: &Machine, peer: &str| machine.peer(peer).unwrap()["path"]["kind"].as_str().unwrap().to_owned();
    let wanted = if is_straight_possible(one, other) { "direct" } else { "relay" };
    let start = Instant::now();
    carol.wait(&format!("{hint}: a path that is {wanted}"), || {
        // Traffic is what makes a better path be looked for.
        let _ = (carol.ping("bob"), bob.ping("carol"));
        (kind(&carol, "bob") == wanted && kind(&bob, "carol") == wanted).then_some(())
    });
    let settled = start.elapsed();
    println!("{hint}: set up {joined:.1?}, first reply {first:?}, {wanted} {settled:?} later");
    assert!(carol.reaches(bob.address()) && bob.reaches(carol.address()));
}

#[test]
fn machines_behind_any_two_routers_reach_each_other() {
    for run in 0..scale() {
        for one in NatKind::ALL {
            for other in NatKind::ALL {
                println!("run {run}");
                cell(one, other);
            }
        }
    }
}
