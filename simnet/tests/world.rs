//! Whole networks of real nodes in a simulated world.
//!
//! `HOLLOWAY_PROVE_SCALE` times 20 seeds of the large scenario are run, half of them by each of two tests; without it,
//! 20. `make prove` runs 1,000. A failure prints its seed and what went before; `Scenario::run` with that seed does it
//! again.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "the functions below the tests are test code too")]

use std::ops::Range;
use std::time::{Duration, Instant};

use holloway_simnet::world::{
    Access, MachineId, Memory, NatBehaviour, Report, Scenario, Settings, Stop, Transition, Udp, Violation, Weather,
    World,
};

/// Seeds of the twenty-node scenario in `make test`, in each half.
const SEEDS_PER_HALF: u64 = 10;

/// The halves begin here, so that larger proofs contain the smaller ones.
const FIRST_HALF: u64 = 1;
const SECOND_HALF: u64 = 1_000_001;

const ALICE: MachineId = MachineId(0);
const BOB: MachineId = MachineId(1);
const CAROL: MachineId = MachineId(2);

#[test]
fn twenty_nodes_in_storms_first_half() {
    prove(&Scenario::TWENTY_NODES, seeds(FIRST_HALF));
}

#[test]
fn twenty_nodes_in_storms_second_half() {
    prove(&Scenario::TWENTY_NODES, seeds(SECOND_HALF));
}

#[test]
fn two_nodes_in_storms() {
    prove(
        &Scenario { machines: 2, behind_nat: 0.5, relays: 0, storms: 4, transitions: 30 },
        FIRST_HALF..FIRST_HALF + 20,
    );
}

#[test]
fn a_few_nodes_all_behind_nats_in_storms() {
    prove(
        &Scenario { machines: 5, behind_nat: 1.0, relays: 0, storms: 3, transitions: 25 },
        FIRST_HALF..FIRST_HALF + 10,
    );
}

#[test]
fn an_equal_seed_is_an_equal_run() {
    let scenario = Scenario { machines: 8, ..Scenario::TWENTY_NODES };
    let first = scenario.run(42).unwrap();
    assert_eq!(scenario.run(42).unwrap(), first);
    assert_ne!(scenario.run(43).unwrap().trace, first.trace);
}

/// Seeds that once broke something; the tests below show each cause by itself.
#[test]
fn kept_seeds_hold() {
    for seed in [1, 8, 26, 326, 1_000_010] {
        prove(&Scenario::TWENTY_NODES, seed..seed + 1);
    }
    for seed in [134, 5046, 5349] {
        prove(&Scenario { machines: 6, behind_nat: 0.5, relays: 0, storms: 2, transitions: 30 }, seed..seed + 1);
    }
}

#[test]
fn two_members_behind_nats_reach_each_other_directly() {
    let mut world = world_of(&[false, true, true]);
    send_until_delivered(&mut world, BOB, CAROL, Duration::from_secs(5));
    send_until_delivered(&mut world, CAROL, BOB, Duration::from_secs(1));
}

#[test]
fn two_members_behind_nats_find_each_other_again_after_silence() {
    let mut world = world_of(&[false, true, true]);
    send_until_delivered(&mut world, BOB, CAROL, Duration::from_secs(5));
    world.advance(Duration::from_secs(300)).unwrap();
    send_until_delivered(&mut world, CAROL, BOB, Duration::from_secs(5));
}

#[test]
fn members_reach_each_other_directly_where_their_nats_allow_it() {
    const PUBLIC: Access = Access::Public;
    const CONE: Access = Access::Nat(NatBehaviour::FULL_CONE);
    const HOME: Access = Access::Nat(NatBehaviour::HOME);
    const SYMMETRIC: Access = Access::Nat(NatBehaviour::SYMMETRIC);
    const PROVIDED: Access = Access::CarrierGrade { home: NatBehaviour::HOME, carrier: NatBehaviour::HOME };
    for (bobs, carols) in [
        (PUBLIC, SYMMETRIC),
        (CONE, CONE),
        (CONE, HOME),
        (CONE, SYMMETRIC),
        (HOME, HOME),
        (PROVIDED, PUBLIC),
        (PROVIDED, CONE),
        (PROVIDED, HOME),
        (PROVIDED, PROVIDED),
        (SYMMETRIC, Access::SameLan(BOB)),
    ] {
        println!("{bobs:?} and {carols:?}");
        let mut world = world_behind(&[bobs, carols]);
        send_until_delivered(&mut world, BOB, CAROL, Duration::from_secs(15));
        send_until_delivered(&mut world, CAROL, BOB, Duration::from_secs(5));
    }
}

#[test]
fn a_member_behind_a_firewall_hears_no_datagram_until_it_is_lifted() {
    for access in [Access::Public, Access::Nat(NatBehaviour::HOME)] {
        let mut world = world_behind(&[access]);
        send_until_delivered(&mut world, ALICE, BOB, Duration::from_secs(5));
        world.apply(&Transition::Udp { machine: BOB, udp: Udp::Blocked });
        let before = world.delivered_packets();
        for (from, to) in [(ALICE, BOB), (BOB, ALICE)] {
            world.apply(&Transition::Send { from, to, count: 20 });
        }
        world.advance(Duration::from_secs(60)).unwrap();
        assert_eq!(world.delivered_packets(), before);
        world.check_agreement().unwrap();
        world.apply(&Transition::Udp { machine: BOB, udp: Udp::Passes });
        send_until_delivered(&mut world, BOB, ALICE, Duration::from_secs(15));
        send_until_delivered(&mut world, ALICE, BOB, Duration::from_secs(15));
    }
}

#[test]
fn a_member_that_moves_is_found_again() {
    let mut world = world_of(&[false, true, false]);
    send_until_delivered(&mut world, ALICE, BOB, Duration::from_secs(5));
    for moving in [BOB, CAROL] {
        world.apply(&Transition::Roam { machine: moving });
        send_until_delivered(&mut world, moving, ALICE, Duration::from_secs(5));
        send_until_delivered(&mut world, ALICE, moving, Duration::from_secs(5));
    }
}

#[test]
fn a_member_that_crashed_is_reached_without_its_own_doing() {
    let mut world = world_of(&[false, false]);
    send_until_delivered(&mut world, ALICE, BOB, Duration::from_secs(5));
    world.apply(&Transition::Restart { machine: BOB, how: Stop::Crash, down: Duration::from_secs(40) });
    world.apply(&Transition::Send { from: ALICE, to: BOB, count: 3 });
    world.advance(Duration::from_secs(60)).unwrap();
    send_until_delivered(&mut world, ALICE, BOB, Duration::from_secs(5));
}

#[test]
fn halves_of_a_network_that_lost_each_other_grow_together_again() {
    let mut world = world_of(&[false; 20]);
    let sides = (0..20).map(|machine| u8::from(machine % 2 == 0)).collect();
    world.apply(&Transition::Partition { sides });
    world.advance(Duration::from_secs(120)).unwrap();
    world.apply(&Transition::Name { host: ALICE, name: "wiki".into() });
    world.apply(&Transition::Heal);
    world.advance(Duration::from_secs(90)).unwrap();
    world.check_agreement().unwrap();
}

/// It knows nobody but the issuer yet, and that only by the invite.
#[test]
fn a_newcomer_cut_off_right_after_it_joined_finds_its_way_back() {
    for cut_after in (50..350).step_by(2).map(Duration::from_millis) {
        let mut world = world_of(&[false, false]);
        let newcomer = world.add(true);
        world.apply(&Transition::join(ALICE, newcomer));
        world.advance(cut_after).unwrap();
        world.apply(&Transition::Partition { sides: vec![0, 0, 1] });
        world.advance(Duration::from_secs(30)).unwrap();
        world.apply(&Transition::Heal);
        world.advance(Duration::from_secs(60)).unwrap();
        world.check_agreement().unwrap();
    }
}

#[test]
fn members_behind_nats_reach_each_other_without_a_common_neighbour() {
    let behind_nat: Vec<bool> = (0..36).map(|machine| machine % 3 == 2).collect();
    let mut world = world_of(&behind_nat);
    // Everyone met the issuer: without it there is nobody whom all have as a neighbour.
    world.apply(&Transition::Partition { sides: (0..36).map(|machine| u8::from(machine == 0)).collect() });
    world.advance(Duration::from_secs(60)).unwrap();
    let hidden: Vec<MachineId> = (0..36).filter(|machine| behind_nat[*machine]).map(MachineId).collect();
    for from in &hidden {
        for to in hidden.iter().filter(|to| *to > from) {
            send_until_delivered(&mut world, *from, *to, Duration::from_secs(10));
        }
    }
}

#[test]
fn members_find_out_what_their_links_carry() {
    for (alice, bob, carries) in
        [(1500, 1500, 1472), (9000, 9000, 8972), (9000, 1500, 1472), (1500, 1492, 1464), (1340, 9000, 1312)]
    {
        let mut world = world_of(&[false, true]);
        set_link_mtus(&mut world, alice, bob);
        use_both_ways(&mut world, Duration::from_secs(40));
        let found = [world.record_limit(ALICE, BOB), world.record_limit(BOB, ALICE)];
        assert_eq!(found, [Some(carries); 2], "over {alice} and {bob}");
    }
}

#[test]
fn members_notice_when_a_link_narrows_and_when_it_widens() {
    let mut world = world_of(&[false, false]);
    set_link_mtus(&mut world, 9000, 9000);
    use_both_ways(&mut world, Duration::from_secs(40));
    set_link_mtus(&mut world, 9000, 1400);
    use_both_ways(&mut world, Duration::from_secs(30));
    for limit in [world.record_limit(ALICE, BOB), world.record_limit(BOB, ALICE)] {
        assert!(limit.is_some_and(|limit| (1357..=1372).contains(&limit)), "{limit:?}");
    }
    set_link_mtus(&mut world, 1500, 1500);
    use_both_ways(&mut world, Duration::from_secs(640));
    assert_eq!([world.record_limit(ALICE, BOB), world.record_limit(BOB, ALICE)], [Some(1472); 2]);
}

#[test]
fn a_revoked_member_is_heard_by_nobody() {
    let mut world = world_of(&[false, false, false]);
    send_until_delivered(&mut world, CAROL, BOB, Duration::from_secs(5));
    world.apply(&Transition::Revoke { by: ALICE, whom: CAROL });
    world.advance(Duration::from_secs(5)).unwrap();
    let before = world.delivered_packets();
    world.apply(&Transition::Send { from: CAROL, to: BOB, count: 20 });
    world.advance(Duration::from_secs(40)).unwrap();
    assert_eq!(world.delivered_packets(), before);
    world.check_agreement().unwrap();
}

/// The world's own alarm works: what the violation says is what was done.
#[test]
fn a_lost_promise_is_noticed() {
    let mut world = world_of(&[false, false]);
    world.forget_disk(BOB);
    world.apply(&Transition::Restart { machine: BOB, how: Stop::Crash, down: Duration::from_secs(1) });
    let violation = world.advance(Duration::from_secs(5)).unwrap_err();
    assert!(violation.what.contains("lost"), "{violation}");
}

/// A world of members, public or behind NAT boxes, that all know each other.
fn world_of(behind_nat: &[bool]) -> World {
    let access = |has_nat: &bool| if *has_nat { Access::Nat(NatBehaviour::HOME) } else { Access::Public };
    world_behind(&behind_nat[1..].iter().map(access).collect::<Vec<_>>())
}

/// A world of alice, who is public, and members with these accesses, that all know each other.
fn world_behind(accesses: &[Access]) -> World {
    let mut world = World::new(7, Settings::default(), Memory::Remembers);
    for access in accesses {
        let newcomer = world.add_behind(*access);
        world.apply(&Transition::join(ALICE, newcomer));
        world.advance(Duration::from_secs(2)).unwrap();
    }
    world.apply(&Transition::Name { host: BOB, name: "kept".into() });
    world.apply(&Transition::Weather(Weather::CALM));
    world.advance(Duration::from_secs(30)).unwrap();
    world.check_agreement().unwrap();
    world
}

fn send_until_delivered(world: &mut World, from: MachineId, to: MachineId, within: Duration) {
    let before = world.delivered_packets();
    let mut waited = Duration::ZERO;
    while world.delivered_packets() == before {
        assert!(waited < within, "{from} does not reach {to}");
        world.apply(&Transition::Send { from, to, count: 1 });
        world.advance(Duration::from_millis(250)).unwrap();
        waited += Duration::from_millis(250);
    }
}

fn set_link_mtus(world: &mut World, alice: u16, bob: u16) {
    world.apply(&Transition::LinkMtu { machine: ALICE, mtu: alice });
    world.apply(&Transition::LinkMtu { machine: BOB, mtu: bob });
}

fn use_both_ways(world: &mut World, span: Duration) {
    for _ in 0..span.as_millis() / 100 {
        world.apply(&Transition::Send { from: ALICE, to: BOB, count: 1 });
        world.apply(&Transition::Send { from: BOB, to: ALICE, count: 1 });
        world.advance(Duration::from_millis(100)).unwrap();
    }
}

fn seeds(first: u64) -> Range<u64> {
    let scale = std::env::var("HOLLOWAY_PROVE_SCALE").map_or(1, |scale| scale.parse().unwrap());
    first..first + SEEDS_PER_HALF * scale
}

fn prove(scenario: &Scenario, seeds: Range<u64>) {
    let begun = Instant::now();
    let results: Vec<Result<Report, Violation>> = seeds.map(|seed| told(scenario.run(seed))).collect();
    let reports: Vec<&Report> = results.iter().flatten().collect();
    let simulated: f64 = reports.iter().map(|report| report.simulated.as_secs_f64()).sum();
    let sum = |of: fn(&Report) -> u64| reports.iter().map(|report| of(report)).sum::<u64>();
    println!(
        "{} of {} seeds of {} nodes hold: {:.1} s on the wall, {simulated:.0} s simulated, {} datagrams, {} handshakes, \
         {} packets delivered",
        reports.len(),
        results.len(),
        scenario.machines,
        begun.elapsed().as_secs_f64(),
        sum(|report| report.datagrams),
        sum(|report| report.handshakes),
        sum(|report| report.delivered),
    );
    assert_eq!(reports.len(), results.len(), "the seeds and what went before are printed above");
}

/// Prints a violation when it is found: a long proof may be ended before it is over.
fn told(result: Result<Report, Violation>) -> Result<Report, Violation> {
    result.inspect_err(|violation| println!("{violation}"))
}
