//! Machines that move: other addresses, other routers, both at once; and a house without internet.
//!
//! Needs root and the programs `ip` and `nft`. `HOLLOWAY_PROVE_SCALE` multiplies the number of moves.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::net::SocketAddr;
use std::time::Duration;

use holloway_simnet::lab::{Family, Lab, NatKind};
use stage::echo::longest_gap;
use stage::{Machine, founder, let_pass, member, scale};

/// The longest silence between two machines around something that happens, from a little before it until all has settled.
fn gap_around(from: &Machine, to: &Machine, happens: impl FnOnce()) -> Duration {
    longest_gap(from, to, || {
        let_pass(Duration::from_millis(300));
        happens();
        let_pass(Duration::from_secs(6));
    })
}

#[test]
fn a_machine_that_moves_is_followed() {
    let lab = Lab::new("roaming").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let boxes = [NatKind::Home, NatKind::Home, NatKind::Symmetric]
        .iter()
        .enumerate()
        .map(|(number, kind)| lab.nat(*kind, &format!("router{number}")).unwrap())
        .collect::<Vec<_>>();
    let bob = member(&lab, &alice, &boxes[0].host("bob").unwrap(), "");
    let carol = member(&lab, &alice, &lab.public_host("carol").unwrap(), "");
    bob.wait_ping("carol");
    for run in 0..scale() {
        let address = gap_around(&bob, &carol, || carol.host().link().readdress().unwrap());
        let router = gap_around(&bob, &carol, || bob.host().link().move_to(boxes[1].lan()).unwrap());
        let worse = gap_around(&bob, &carol, || bob.host().link().move_to(boxes[2].lan()).unwrap());
        let both = gap_around(&bob, &carol, || {
            carol.host().link().readdress().unwrap();
            bob.host().link().move_to(boxes[0].lan()).unwrap();
        });
        println!(
            "{run}: another address {address:.0?}, another router {router:.0?}, a symmetric one {worse:.0?}, both at once {both:.0?}"
        );
    }
}

/// The family in which a peer is reached straight.
fn family(machine: &Machine, peer: &str) -> Option<Family> {
    let endpoint = machine.peer(peer)?["path"]["endpoint"].as_str()?.parse::<SocketAddr>().unwrap();
    Some(if endpoint.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 })
}

#[test]
fn a_machine_whose_provider_gives_it_another_address_or_only_the_other_family_is_followed() {
    let lab = Lab::new("rebinding").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let house = lab.nat(NatKind::Home, "house").unwrap();
    let bob = member(&lab, &alice, &house.host("bob").unwrap(), "");
    let [carol, dave] = ["carol", "dave"].map(|name| member(&lab, &alice, &lab.public_host(name).unwrap(), ""));
    bob.wait_ping("carol");
    dave.wait_ping("carol");
    for run in 0..scale() {
        let rebound = gap_around(&bob, &carol, || house.link().readdress().unwrap());
        let used = dave.wait("a straight path", || family(&dave, "carol"));
        let other = gap_around(&dave, &carol, || carol.host().link().lose_family(used).unwrap());
        let now = dave.wait("a straight path", || family(&dave, "carol"));
        assert_ne!(used, now);
        let again = gap_around(&dave, &carol, || carol.host().link().regain_family(used).unwrap());
        println!("{run}: the router rebound {rebound:.0?}, {used:?} to {now:?} {other:.0?}, both again {again:.0?}");
    }
}

#[test]
fn a_house_without_internet_finds_itself_after_its_machines_have_been_switched_off() {
    let lab = Lab::new("house").unwrap();
    let house = lab.switch("house").unwrap();
    let alice = founder(&lab, &house.host("alice").unwrap(), "");
    let mut bob = member(&lab, &alice, &house.host("bob").unwrap(), "");
    let mut carol = member(&lab, &alice, &house.host("carol").unwrap(), "");
    bob.wait_ping("carol");
    let mut alice = alice;
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.kill9();
        // The next lease is another address: nothing that anyone has noted is right any more.
        machine.host().link().readdress().unwrap();
    }
    // The founder stays off.
    bob.start();
    carol.start();
    let (_, took) = carol.wait_ping("bob");
    println!("two of three machines of a house without internet: first reply {took:?} after the start");
}
