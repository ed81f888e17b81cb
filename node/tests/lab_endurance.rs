//! What has to hold for long: sessions in bad weather, and without anyone who helped to find them.
//!
//! Needs root and the programs `ip`, `nft` and `tc`. Ten minutes each when `HOLLOWAY_PROVE_SCALE` is 50 or more, as in
//! `make prove`; seconds otherwise.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::time::{Duration, Instant};

use holloway_simnet::lab::{Lab, NatKind};
use stage::echo::longest_gap;
use stage::transfer::transfer;
use stage::{Machine, founder, let_pass, member, scale};

/// Share of packets lost in each direction.
const LOSS: f64 = 0.3;

/// Several times what a second of such weather carries, and little beside what the link does.
const BYTES_PER_SECOND: u64 = 300_000;

/// What the link carries a second.
const MEGABITS: u32 = 50;

/// How often machines are asked whether all is well.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often keys rotate where that is to happen a few times in seconds, too.
const ROTATE_EVERY: Duration = Duration::from_secs(5);

/// Rotations that may be more than there are spans: both may begin one at once.
const ROTATIONS_BESIDE: u64 = 4;

/// How long something has to hold.
fn long() -> Duration {
    Duration::from_secs(12) * scale().min(50)
}

/// Whether packets are lost.
#[derive(PartialEq)]
enum Weather {
    Fair,
    /// Since then, when so many bytes had arrived.
    Bad {
        since: Instant,
        before: u64,
    },
    Over,
}

/// A session that is watched while time passes.
struct Watched<'a> {
    machine: &'a Machine,
    peer: &'a str,
    begun: Instant,
    looked: Instant,
    rotations: u64,
}

impl<'a> Watched<'a> {
    fn new(machine: &'a Machine, peer: &'a str) -> Self {
        let rotations = machine.peer(peer).unwrap()["rotations"].as_u64().unwrap();
        Self { machine, peer, begun: Instant::now(), looked: Instant::now(), rotations }
    }

    /// From time to time: the session is there, on a straight path.
    fn look(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        let peer = self.machine.peer(self.peer).unwrap();
        assert!(!peer["session"].is_null(), "torn down after {:?}: {peer:#}", self.begun.elapsed());
        assert_eq!(peer["path"]["kind"], "direct", "{peer:#}");
    }

    /// Gives how often keys have rotated: no more often than their age is a reason to.
    fn rotations(&self) -> u64 {
        let rotations = self.machine.peer(self.peer).unwrap()["rotations"].as_u64().unwrap() - self.rotations;
        let most = self.begun.elapsed().as_secs() / ROTATE_EVERY.as_secs() + ROTATIONS_BESIDE;
        assert!(rotations <= most, "{rotations} rotations, {most} have a cause: sessions were torn down");
        rotations
    }
}

#[test]
fn a_stream_and_its_session_outlive_a_third_of_lost_packets_each_way() {
    let lab = Lab::new("loss").unwrap();
    let toml = format!("[session]\nrotate_after = \"{}s\"\n", ROTATE_EVERY.as_secs());
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), &toml);
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), &toml);
    alice.wait_ping("bob");
    // So slow that the stream is not over before the weather changes.
    bob.host().link().limit_rate(MEGABITS).unwrap();
    let mut watched = [Watched::new(&alice, "bob"), Watched::new(&bob, "alice")];
    let mut weather = Weather::Fair;
    let mut arrived_in_it = 0;
    let bytes = BYTES_PER_SECOND * long().as_secs();
    let done = transfer(&alice, &bob, bytes, |arrived| match weather {
        Weather::Fair if arrived > 0 => {
            bob.host().link().lose(LOSS).unwrap();
            weather = Weather::Bad { since: Instant::now(), before: arrived };
        }
        Weather::Bad { since, before } if since.elapsed() < long() => {
            arrived_in_it = arrived - before;
            watched.iter_mut().for_each(Watched::look);
        }
        Weather::Bad { .. } => {
            bob.host().link().lose(0.0).unwrap();
            weather = Weather::Over;
        }
        Weather::Fair | Weather::Over => {}
    })
    .unwrap();
    assert!(weather == Weather::Over, "the stream was to need longer than {:?}", done.elapsed);
    let rotations = watched.map(|watched| watched.rotations());
    println!(
        "{LOSS} lost each way for {:?}: {arrived_in_it} bytes of TCP in it, all {bytes} after {:?}; {rotations:?} rotations",
        long(),
        done.elapsed
    );
    assert!(rotations.iter().all(|rotations| *rotations > 0), "keys rotate in any weather: {rotations:?}");
}

#[test]
fn sessions_outlive_every_relay_and_everyone_who_introduced_them() {
    let lab = Lab::new("alone").unwrap();
    let toml = format!("[session]\nrotate_after = \"{}s\"\n", ROTATE_EVERY.as_secs());
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut dave = Machine::new(&lab, &lab.public_host("dave").unwrap());
    dave.start();
    dave.ask(&["join", &alice.invite(&["--name", "dave", "--right", "relay"])]);
    let boxes = ["nat-bob", "nat-carol"].map(|name| lab.nat(NatKind::Home, name).unwrap());
    let bob = member(&lab, &alice, &boxes[0].host("bob").unwrap(), &toml);
    let carol = member(&lab, &alice, &boxes[1].host("carol").unwrap(), &toml);
    bob.wait_direct("carol");
    carol.wait_direct("bob");
    alice.kill9();
    dave.kill9();
    let mut watched = [Watched::new(&bob, "carol"), Watched::new(&carol, "bob")];
    let begun = Instant::now();
    let gap = longest_gap(&bob, &carol, || {
        while begun.elapsed() < long() {
            let_pass(LOOK_EVERY);
            watched.iter_mut().for_each(Watched::look);
        }
    });
    let rotations = watched.map(|watched| watched.rotations());
    println!("alone for {:?}: longest gap {gap:.0?}, {rotations:?} rotations", begun.elapsed());
    assert!(rotations.iter().all(|rotations| *rotations > 0), "keys rotate without anyone's help: {rotations:?}");
}
