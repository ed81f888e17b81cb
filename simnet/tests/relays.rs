//! Real nodes and real relays in a simulated world, where nobody reaches anybody straight.
//!
//! `HOLLOWAY_PROVE_SCALE` times 10 seeds of the storms are run; without it, 10. A failure prints its seed and what went
//! before; `Scenario::run` with that seed does it again.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "the functions below the tests are test code too")]

use std::time::Duration;

use holloway_simnet::world::{
    Access, MachineId, Memory, NatBehaviour, Scenario, Settings, Stop, Transition, Udp, Weather, World,
};
use holloway_wire::Rights;

const SEEDS: u64 = 10;

const ALICE: MachineId = MachineId(0);

/// Boxes between two of which nothing passes straight.
const SYMMETRIC: Access = Access::Nat(NatBehaviour::SYMMETRIC);

/// How long a relay that is gone may be missed: what members and relays need to find out, and to go around.
const GONE_MAX: Duration = Duration::from_secs(3);

/// Alice's network, in which she relays nothing: some relays, and members behind boxes.
struct Scene {
    world: World,
    relays: Vec<MachineId>,
    members: Vec<MachineId>,
}

impl Scene {
    fn new(relays: usize, accesses: &[Access]) -> Self {
        let mut world = World::new(11, Settings::default(), Memory::Remembers);
        let mut join = |access, rights| {
            let newcomer = world.add_behind(access);
            if rights == Rights::RELAY {
                world.add_relay(newcomer);
            }
            world.apply(&Transition::Join { issuer: ALICE, newcomer, rights });
            world.advance(Duration::from_secs(2)).unwrap();
            newcomer
        };
        let relays = (0..relays).map(|_| join(Access::Public, Rights::RELAY)).collect();
        let members = accesses.iter().map(|access| join(*access, Rights::NONE)).collect();
        world.apply(&Transition::Weather(Weather::CALM));
        world.advance(Duration::from_secs(60)).unwrap();
        world.check_agreement().unwrap();
        Self { world, relays, members }
    }

    /// Sends from the first member to the second until something arrives; gives how long that took.
    fn talk(&mut self, within: Duration) -> Duration {
        const EVERY: Duration = Duration::from_millis(100);
        let before = self.world.delivered_packets();
        let mut waited = Duration::ZERO;
        while self.world.delivered_packets() == before {
            assert!(waited < within, "nothing arrives");
            self.world.apply(&Transition::Send { from: self.members[0], to: self.members[1], count: 1 });
            self.world.advance(EVERY).unwrap();
            waited += EVERY;
        }
        waited
    }

    /// Over how many relays the first member reaches the second.
    fn relays_between(&mut self) -> Option<usize> {
        self.world.relays_between(self.members[0], self.members[1])
    }

    /// Talks on, so many times, until the way leads over so many relays.
    fn talk_until_over(&mut self, relays: usize, times: usize) {
        for _ in 0..times {
            if self.relays_between() == Some(relays) {
                return;
            }
            self.talk(GONE_MAX);
        }
        panic!("still over {:?} relays", self.relays_between());
    }

    /// Cuts everything between the members and all relays but one each.
    fn leave_each_one_relay(&mut self) {
        for (member, kept) in [(self.members[0], self.relays[0]), (self.members[1], self.relays[2])] {
            for relay in self.relays.iter().copied().filter(|relay| *relay != kept) {
                self.world.apply(&Transition::Cut { one: member, other: relay });
            }
        }
    }
}

#[test]
fn members_behind_symmetric_boxes_reach_each_other_at_once() {
    let mut scene = Scene::new(1, &[SYMMETRIC, SYMMETRIC]);
    scene.talk(Duration::from_secs(1));
    assert_eq!(scene.relays_between(), Some(1));
}

#[test]
fn members_behind_firewalls_reach_each_other_until_they_are_lifted_and_then_straight() {
    const HOME: Access = Access::Nat(NatBehaviour::HOME);
    let mut scene = Scene::new(1, &[HOME, HOME]);
    for machine in scene.members.clone() {
        scene.world.apply(&Transition::Udp { machine, udp: Udp::Blocked });
    }
    scene.talk(Duration::from_secs(30));
    assert_eq!(scene.relays_between(), Some(1));
    for machine in scene.members.clone() {
        scene.world.apply(&Transition::Udp { machine, udp: Udp::Passes });
    }
    scene.talk_until_over(0, 600);
}

#[test]
fn another_relay_stands_in_for_one_that_crashes() {
    let mut scene = Scene::new(3, &[SYMMETRIC, SYMMETRIC]);
    scene.talk(Duration::from_secs(1));
    for machine in scene.relays.clone() {
        scene.world.apply(&Transition::Restart { machine, how: Stop::Crash, down: Duration::from_secs(30) });
        let took = scene.talk(GONE_MAX);
        println!("{machine} gone: heard again after {took:?}");
        // Until it is back, and registered with.
        for _ in 0..60 {
            scene.talk(GONE_MAX);
            scene.world.advance(Duration::from_secs(1)).unwrap();
        }
    }
}

#[test]
fn members_that_share_no_relay_reach_each_other_over_three_and_over_two_when_the_cut_heals() {
    let mut scene = Scene::new(3, &[SYMMETRIC, SYMMETRIC]);
    let [first, _, last] = scene.relays[..] else { panic!("three relays") };
    scene.leave_each_one_relay();
    scene.world.apply(&Transition::Cut { one: first, other: last });
    let took = scene.talk(Duration::from_secs(30));
    println!("over three relays after {took:?}");
    // The peer may have found the way, and it takes a question to know over which relays it leads.
    scene.talk_until_over(3, 20);
    scene.world.apply(&Transition::Heal);
    scene.leave_each_one_relay();
    scene.talk_until_over(2, 900);
}

#[test]
fn everyone_reaches_everyone_after_storms_in_which_relays_come_and_go() {
    let scale = std::env::var("HOLLOWAY_PROVE_SCALE").map_or(1, |scale| scale.parse().unwrap());
    let results: Vec<_> = (0..SEEDS * scale).map(|seed| Scenario::WITH_RELAYS.run(seed)).collect();
    for violation in results.iter().filter_map(|result| result.as_ref().err()) {
        println!("{violation}");
    }
    let held = results.iter().filter(|result| result.is_ok()).count();
    println!("{held} of {} seeds hold", results.len());
    assert_eq!(held, results.len(), "the seeds and what went before are printed above");
}
