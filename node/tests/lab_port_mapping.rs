//! Routers that forward ports are asked to, by each protocol, and paths become direct that could not be without.
//!
//! Needs root and the programs `ip`, `nft` and `miniupnpd`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::net::SocketAddrV4;
use std::time::Instant;

use holloway_simnet::lab::{ForwardedPort, Lab, MappingProtocol, Nat, NatKind, PortMappings};
use stage::{DATA_PORT, Machine, founder, member};

/// Waits until a router forwards this many ports.
fn wait_forwarded(asker: &Machine, router: &PortMappings, count: usize) -> Vec<ForwardedPort> {
    asker.wait(&format!("{count} forwarded ports"), || {
        Some(router.forwarded().unwrap()).filter(|ports| ports.len() == count)
    })
}

/// Waits until a machine knows by what address its router forwards to it.
fn wait_mapped(machine: &Machine, router: &PortMappings) {
    let external = format!("{}:{DATA_PORT}", router.external_ipv4());
    machine
        .wait(&format!("{external} to be known"), || (machine.network()["data"]["mapped"] == external).then_some(()));
}

fn symmetric(lab: &Lab, name: &str, protocol: MappingProtocol) -> (Nat, PortMappings) {
    let nat = lab.nat(NatKind::Symmetric, name).unwrap();
    let router = nat.forward_ports(protocol).unwrap();
    (nat, router)
}

/// Bob and carol behind symmetric routers, between which only a relay is left otherwise (`lab_nat`).
fn two_symmetric_routers_are_opened(protocol: MappingProtocol, name: &str) {
    let hint = format!("mapping-{}", name.to_lowercase());
    let lab = Lab::new(&hint).unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let (bobs, bobs_router) = symmetric(&lab, "nat-bob", protocol);
    let (carols, carols_router) = symmetric(&lab, "nat-carol", protocol);
    let mut bob = member(&lab, &alice, &bobs.host("bob").unwrap(), "");
    let carol = member(&lab, &alice, &carols.host("carol").unwrap(), "");
    let forwarded = ForwardedPort { external: DATA_PORT, to: SocketAddrV4::new(bob.host().ipv4(), DATA_PORT) };
    assert_eq!(wait_forwarded(&bob, &bobs_router, 1), [forwarded]);
    wait_forwarded(&carol, &carols_router, 1);

    let start = Instant::now();
    carol.wait_direct("bob");
    bob.wait_direct("carol");
    println!("{name}: symmetric x symmetric is direct after {:?}", start.elapsed());
    assert!(carol.reaches(bob.address()) && bob.reaches(carol.address()));
    wait_mapped(&bob, &bobs_router);
    wait_mapped(&carol, &carols_router);

    let check = bob.ask(&["netcheck"])["networks"][0].clone();
    assert_eq!((&check["direct"], &check["port_mapping"]["protocol"]), (&"anyone".into(), &name.into()), "{check:#}");

    bob.daemon.terminate().unwrap();
    assert_eq!(bobs_router.forwarded().unwrap(), [], "a clean stop takes the mapping back");
    assert_eq!(carols_router.forwarded().unwrap().len(), 1, "the other router's is another's business");
}

#[test]
fn two_symmetric_routers_are_opened_by_pcp() {
    two_symmetric_routers_are_opened(MappingProtocol::Pcp, "PCP");
}

#[test]
fn two_symmetric_routers_are_opened_by_nat_pmp() {
    two_symmetric_routers_are_opened(MappingProtocol::NatPmp, "NAT-PMP");
}

#[test]
fn two_symmetric_routers_are_opened_by_upnp() {
    two_symmetric_routers_are_opened(MappingProtocol::Upnp, "UPnP");
}

/// Nobody but carol relays, from a house whose router forwards.
#[test]
fn a_relay_behind_a_router_that_forwards_serves_others() {
    let lab = Lab::new("mapping-relay").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "[relay]\nenabled = false");
    let (house, router) = symmetric(&lab, "house", MappingProtocol::Pcp);
    let mut carol = Machine::new(&lab, &house.host("carol").unwrap());
    carol.start();
    carol.ask(&["join", &alice.invite(&["--name", "carol", "--right", "relay"])]);
    wait_forwarded(&carol, &router, 1);
    let [bob, dave] = ["bob", "dave"].map(|name| {
        let nat = lab.nat(NatKind::Symmetric, &format!("nat-{name}")).unwrap();
        let machine = member(&lab, &alice, &nat.host(name).unwrap(), "");
        (nat, machine)
    });
    for (_, machine) in [&bob, &dave] {
        machine.wait("a home relay", || (machine.network()["home_relay"]["name"] == "carol").then_some(()));
    }
    bob.1.wait_ping("dave");
    let path = bob.1.peer("dave").unwrap()["path"].clone();
    assert_eq!((&path["kind"], &path["relay"]), (&"relay".into(), &"carol".into()), "{path}");
    carol.daemon.terminate().unwrap();
}

#[test]
fn machines_behind_one_router_get_a_port_each_and_one_that_does_not_want_any_gets_none() {
    let lab = Lab::new("mapping-shared").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let (nat, router) = symmetric(&lab, "router", MappingProtocol::Upnp);
    let _unwilling = member(&lab, &alice, &nat.host("dave").unwrap(), "[listen]\nport_mapping = false");
    let bob = member(&lab, &alice, &nat.host("bob").unwrap(), "");
    let mut carol = member(&lab, &alice, &nat.host("carol").unwrap(), "");
    let ports = wait_forwarded(&carol, &router, 2);
    assert_eq!(ports.iter().filter(|port| port.external == DATA_PORT).count(), 1, "{ports:?}");
    let mut to: Vec<_> = ports.iter().map(|port| *port.to.ip()).collect();
    to.sort();
    let mut wanted = [bob.host().ipv4(), carol.host().ipv4()];
    wanted.sort();
    assert_eq!(to, wanted);

    carol.ask(&["leave", "home", "--yes"]);
    wait_forwarded(&carol, &router, 1);
    carol.daemon.terminate().unwrap();
}

#[test]
fn a_machine_that_moves_asks_its_new_router_and_one_that_crashed_gets_its_port_again() {
    let lab = Lab::new("mapping-moves").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let (first, first_router) = symmetric(&lab, "first", MappingProtocol::NatPmp);
    let (second, second_router) = symmetric(&lab, "second", MappingProtocol::Pcp);
    let mut bob = member(&lab, &alice, &first.host("bob").unwrap(), "");
    wait_forwarded(&bob, &first_router, 1);
    bob.host().link().move_to(second.lan()).unwrap();
    let forwarded = ForwardedPort { external: DATA_PORT, to: SocketAddrV4::new(bob.host().ipv4(), DATA_PORT) };
    assert_eq!(wait_forwarded(&bob, &second_router, 1), [forwarded]);
    wait_mapped(&bob, &second_router);

    bob.kill9();
    assert_eq!(second_router.forwarded().unwrap(), [forwarded], "nobody has taken it back");
    bob.start();
    wait_mapped(&bob, &second_router);
    bob.daemon.terminate().unwrap();
    assert_eq!(second_router.forwarded().unwrap(), []);
}
