use rand::SeedableRng;

use super::*;

const ALICE: MachineId = MachineId(0);
const BOB: MachineId = MachineId(1);
const CAROL: MachineId = MachineId(2);

const PASSES_HAIRPINS: NatBehaviour = NatBehaviour::FULL_CONE.with_hairpin(Hairpin::On);

/// A world's underlay with a clock, and alice's public place in it.
struct Ground {
    underlay: Underlay,
    now: Instant,
}

impl Ground {
    fn new(others: &[Access]) -> Self {
        let mut underlay = Underlay::new();
        let mut rng = StdRng::seed_from_u64(7);
        for access in [Access::Public].iter().chain(others) {
            underlay.add(*access, &mut rng);
        }
        Self { underlay, now: Instant::from_nanos(1) }
    }

    /// Sends a datagram all the way; returns the source that it arrives with, and where.
    fn send(&mut self, from: MachineId, to: SocketAddr) -> Option<(SocketAddr, MachineId)> {
        let source = self.underlay.depart(from, to, self.now)?;
        self.underlay.towards(from, to)?;
        Some((source, self.underlay.arrive(source, to, self.now)?))
    }

    /// Where `to` sees `from`, which must get there.
    fn seen(&mut self, from: MachineId, to: MachineId) -> SocketAddr {
        let (source, reached) = self.send(from, self.underlay.data(to)).expect("it gets there");
        assert_eq!(reached, to);
        source
    }
}

#[test]
fn a_machine_behind_a_provider_is_translated_twice_and_answered_through_both_boxes() {
    let access = Access::CarrierGrade { home: NatBehaviour::HOME, carrier: NatBehaviour::HOME };
    let mut ground = Ground::new(&[access, Access::Public]);
    let seen = ground.seen(BOB, ALICE);
    assert_eq!(seen.ip(), IpAddr::V4(outside(BOB, 0)));
    assert_eq!(ground.send(ALICE, seen).map(|(_, reached)| reached), Some(BOB));
    assert_eq!(ground.send(CAROL, seen), None, "a stranger");
    let between = SocketAddr::new(carrier_side(BOB, 0).into(), seen.port());
    assert_eq!(ground.send(ALICE, between), None, "the box between is on no public address");
}

#[test]
fn a_symmetric_provider_makes_a_home_symmetric() {
    let access = Access::CarrierGrade { home: NatBehaviour::FULL_CONE, carrier: NatBehaviour::SYMMETRIC };
    let mut ground = Ground::new(&[access, Access::Public]);
    assert_ne!(ground.seen(BOB, ALICE), ground.seen(BOB, CAROL));
}

#[test]
fn two_on_a_lan_reach_each_other_by_their_own_addresses_without_the_box() {
    let mut ground = Ground::new(&[Access::Nat(NatBehaviour::SYMMETRIC), Access::SameLan(BOB)]);
    assert_eq!(ground.seen(BOB, CAROL), ground.underlay.data(BOB));
    assert_eq!(ground.underlay.listener(BOB, &ground.underlay.control(CAROL)), Some(CAROL));
    assert_eq!(ground.underlay.listener(ALICE, &ground.underlay.control(CAROL)), None);
    assert_eq!(ground.send(ALICE, ground.underlay.data(CAROL)), None, "nobody else reaches a LAN");
    let (bobs, carols) = (ground.seen(BOB, ALICE), ground.seen(CAROL, ALICE));
    assert!(bobs.ip() == carols.ip() && bobs.port() != carols.port());
    assert_eq!(ground.underlay.towards(ALICE, carols), Some(CAROL));
}

#[test]
fn a_hairpin_passes_where_it_is_on_and_comes_from_the_external_address() {
    for (behaviour, passes) in [(PASSES_HAIRPINS, true), (NatBehaviour::FULL_CONE, false)] {
        let mut ground = Ground::new(&[Access::Nat(behaviour), Access::SameLan(BOB)]);
        let (bobs, carols) = (ground.seen(BOB, ALICE), ground.seen(CAROL, ALICE));
        assert_eq!(ground.send(BOB, carols), passes.then_some((bobs, CAROL)));
    }
}

#[test]
fn a_hairpin_of_a_home_box_is_filtered_like_anything_from_outside() {
    let access = Access::Nat(NatBehaviour::HOME.with_hairpin(Hairpin::On));
    let mut ground = Ground::new(&[access, Access::SameLan(BOB)]);
    let (bobs, carols) = (ground.seen(BOB, ALICE), ground.seen(CAROL, ALICE));
    assert_eq!(ground.send(BOB, carols), None);
    assert_eq!(ground.send(CAROL, bobs), Some((carols, BOB)));
    assert_eq!(ground.send(BOB, carols), Some((bobs, CAROL)));
}

#[test]
fn two_homes_of_a_provider_reach_each_other_by_its_hairpin_or_by_its_lan() {
    for (carrier, passes) in [(PASSES_HAIRPINS, true), (NatBehaviour::FULL_CONE, false)] {
        let home = NatBehaviour::FULL_CONE;
        let beside = Access::SameCarrier { home, neighbour: BOB };
        let mut ground = Ground::new(&[Access::CarrierGrade { home, carrier }, beside]);
        let (bobs, carols) = (ground.seen(BOB, ALICE), ground.seen(CAROL, ALICE));
        assert_eq!(bobs.ip(), carols.ip());
        assert_eq!(ground.send(BOB, carols), passes.then_some((bobs, CAROL)));
        let on_its_lan = SocketAddr::new(carrier_side(CAROL, 0).into(), FIRST_OF_A_BOX);
        let (source, reached) = ground.send(BOB, on_its_lan).expect("the homes' boxes are on one LAN");
        assert_eq!((source.ip(), reached), (carrier_side(BOB, 0).into(), CAROL));
        assert_eq!(ground.send(ALICE, on_its_lan), None);
        let (alice, now) = (ground.underlay.data(ALICE), ground.now);
        assert_eq!(ground.underlay.arrive(alice, on_its_lan, now), None, "not even forged");
    }
}

/// The port of the first mapping of an endpoint-independent box.
const FIRST_OF_A_BOX: u16 = 20_001;

#[test]
fn a_firewall_stops_udp_both_ways_but_not_on_the_lan_until_it_is_switched_off() {
    for access in [Access::Public, Access::Nat(NatBehaviour::FULL_CONE)] {
        let mut ground = Ground::new(&[access]);
        let seen = ground.seen(BOB, ALICE);
        ground.underlay.set_udp(BOB, Udp::Blocked);
        assert_eq!(ground.send(BOB, ground.underlay.data(ALICE)), None);
        assert_eq!(ground.send(ALICE, seen), None);
        ground.underlay.set_udp(BOB, Udp::Passes);
        assert_eq!(ground.seen(BOB, ALICE), seen);
        assert_eq!(ground.send(ALICE, seen).map(|(_, reached)| reached), Some(BOB));
    }
    let mut ground = Ground::new(&[Access::Nat(NatBehaviour::HOME), Access::SameLan(BOB)]);
    ground.underlay.set_udp(BOB, Udp::Blocked);
    assert_eq!(ground.seen(BOB, CAROL), ground.underlay.data(BOB));
    assert_eq!(ground.seen(CAROL, BOB), ground.underlay.data(CAROL));
}

#[test]
fn whoever_moves_gets_boxes_of_the_same_kinds_and_leaves_its_lan_behind() {
    let access = Access::CarrierGrade { home: NatBehaviour::HOME, carrier: NatBehaviour::SYMMETRIC };
    let mut ground = Ground::new(&[access, Access::SameLan(BOB)]);
    let before = ground.seen(BOB, ALICE);
    let carols = ground.seen(CAROL, ALICE);
    ground.underlay.roam(BOB);
    assert!(ground.underlay.access(BOB) == access && ground.underlay.access(CAROL) == access);
    assert_eq!(ground.send(BOB, ground.underlay.data(CAROL)), None);
    assert_eq!(ground.send(ALICE, before), None);
    let after = ground.seen(BOB, ALICE);
    assert_ne!(after.ip(), before.ip());
    assert_eq!(ground.send(ALICE, after).map(|(_, reached)| reached), Some(BOB));
    assert_eq!(ground.send(ALICE, carols).map(|(_, reached)| reached), Some(CAROL));
    ground.underlay.roam(CAROL);
    assert_eq!(ground.underlay.towards(ALICE, carols), None, "the box went with the last one behind it");
}
