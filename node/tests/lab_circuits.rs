//! Members whose relays they do not share reach each other from relay to relay.
//!
//! Needs root and the programs `ip` and `nft`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Lab, Nat, NatKind};
use stage::transfer::transfer;
use stage::{Machine, founder, member, scale};

const MEGABYTE: u64 = 1_000_000;

/// Relays on the internet, bob and carol behind symmetric routers.
struct Scene {
    /// Alice, who founded the network, and others.
    relays: Vec<Machine>,
    bob: Machine,
    carol: Machine,
    boxes: [Nat; 2],
    _lab: Lab,
}

impl Scene {
    fn new(hint: &str, others: &[&str]) -> Self {
        let lab = Lab::new(hint).unwrap();
        let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
        let joined = others.iter().map(|name| {
            let mut relay = Machine::new(&lab, &lab.public_host(name).unwrap());
            relay.start();
            relay.ask(&["join", &alice.invite(&["--name", name, "--right", "relay"])]);
            relay
        });
        let joined: Vec<Machine> = joined.collect();
        let boxes = ["nat-bob", "nat-carol"].map(|name| lab.nat(NatKind::Symmetric, name).unwrap());
        let bob = member(&lab, &alice, &boxes[0].host("bob").unwrap(), "");
        let carol = member(&lab, &alice, &boxes[1].host("carol").unwrap(), "");
        let relays = std::iter::once(alice).chain(joined).collect();
        Self { relays, bob, carol, boxes, _lab: lab }
    }

    /// Where the packets of bob and of carol come from.
    fn outside(&self) -> [IpAddr; 2] {
        self.boxes.each_ref().map(|router| router.public_ipv4().into())
    }

    fn relay(&self, name: &str) -> &Machine {
        self.relays.iter().find(|relay| relay.host().name() == name).unwrap()
    }

    /// From here on nothing from these addresses arrives at a machine.
    fn shut(machine: &Machine, out: &[IpAddr]) {
        machine.tool_text("nft", &["add table inet apart"]);
        let chain = "add chain inet apart arriving { type filter hook input priority -10; }";
        machine.tool_text("nft", &[chain]);
        for address in out {
            let family = if address.is_ipv4() { "ip" } else { "ip6" };
            machine.tool_text("nft", &[&format!("add rule inet apart arriving {family} saddr {address} drop")]);
        }
    }

    fn wait_home(machine: &Machine, relay: &str) {
        machine.wait(&format!("{relay} as home relay"), || {
            let network = machine.network();
            (network["home_relay"]["name"].as_str() == Some(relay)).then_some(())
        });
    }

    /// The relays on the way from one to the other, as far as it knows them: who has never asked for one knows the first.
    fn way(from: &Machine, to: &str) -> Vec<String> {
        let path = from.peer(to).map_or(serde_json::Value::Null, |peer| peer["path"].clone());
        let further = path["further_relays"].as_array().into_iter().flatten();
        let names = path["relay"].as_str().into_iter().chain(further.filter_map(|name| name.as_str()));
        names.map(str::to_owned).collect()
    }

    /// Waits until packets between bob and carol go over just these relays, and come back; gives how long that took.
    fn wait_way(&self, relays: &[&str]) -> Duration {
        let start = Instant::now();
        let back: Vec<&str> = relays.iter().rev().copied().collect();
        self.bob.wait(&format!("carol over {relays:?}"), || {
            self.bob.ping("carol")?;
            (Self::way(&self.bob, "carol") == relays || Self::way(&self.carol, "bob") == back).then_some(())
        });
        start.elapsed()
    }
}

#[test]
fn members_that_share_no_relay_reach_each_other_over_two() {
    let scene = Scene::new("circuit-two", &["dave"]);
    let [bob_at, carol_at] = scene.outside();
    Scene::shut(scene.relay("dave"), &[bob_at]);
    Scene::shut(scene.relay("alice"), &[carol_at]);
    Scene::wait_home(&scene.bob, "alice");
    Scene::wait_home(&scene.carol, "dave");
    let (_, took) = scene.bob.wait_ping("carol");
    println!("over two relays: the first reply after {took:?}");
    scene.wait_way(&["alice", "dave"]);
    let bytes = 2 * MEGABYTE * u64::from(scale().min(50));
    transfer(&scene.bob, &scene.carol, bytes, |_| {}).unwrap();
    transfer(&scene.carol, &scene.bob, bytes, |_| {}).unwrap();
    let said = [(&scene.bob, "carol"), (&scene.carol, "bob")]
        .map(|(machine, peer)| machine.ask(&["why", peer])["summary"].as_str().unwrap_or_default().to_owned());
    let is_told = said[0].contains("relays alice and dave") || said[1].contains("relays dave and alice");
    assert!(is_told, "{said:?}");
}

#[test]
fn two_relays_without_a_link_are_joined_by_a_third_and_another_takes_its_place() {
    let mut scene = Scene::new("circuit-three", &["dave", "erin", "fred"]);
    let [bob_at, carol_at] = scene.outside();
    for (relay, member, other) in [("dave", bob_at, "alice"), ("alice", carol_at, "dave")] {
        let other = scene.relay(other).host();
        let other_at = std::iter::once(other.ipv4().into()).chain(other.ipv6().map(IpAddr::from));
        Scene::shut(scene.relay(relay), &std::iter::once(member).chain(other_at).collect::<Vec<_>>());
    }
    for between in ["erin", "fred"] {
        Scene::shut(scene.relay(between), &[bob_at, carol_at]);
    }
    Scene::wait_home(&scene.bob, "alice");
    Scene::wait_home(&scene.carol, "dave");
    let (_, took) = scene.bob.wait_ping("carol");
    println!("over three relays: the first reply after {took:?}");
    let between = scene.bob.wait("a relay in the middle", || {
        scene.bob.ping("carol")?;
        let ways = [Scene::way(&scene.bob, "carol"), Scene::way(&scene.carol, "bob")];
        ways.into_iter().find_map(|way| (way.len() == 3).then(|| way[1].clone()))
    });
    let other = if between == "erin" { "fred" } else { "erin" };
    scene.relays.iter_mut().find(|relay| relay.host().name() == between).unwrap().kill9();
    let took = scene.wait_way(&["alice", other, "dave"]);
    println!("the relay in the middle killed: over the other after {took:?}");
}
