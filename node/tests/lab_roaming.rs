//! Machines that move: other addresses, other routers, both at once; and a house without internet.
//!
//! Needs root and the programs `ip` and `nft`. `HOLLOWAY_PROVE_SCALE` multiplies the number of moves.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::time::Duration;

use holloway_simnet::lab::{Lab, NatKind};
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
