use std::time::Duration;

use holloway_mesh::Settings;
use holloway_wire::Rights;
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom};

use super::log::Errors;
use super::{Access, MachineId, Memory, NatBehaviour, Transition, Violation, World};

/// Longer than anything takes that mends itself: a connection is missed after 9 s, dialled again within 30 s, and
/// neighbours compare what they know every 60 s.
const CALM: Duration = Duration::from_secs(90);

/// Pairs that are tried after each storm but the last, after which all are.
const SAMPLE: usize = 30;

/// What kind of world, and what happens in it. The seed decides the rest.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Machines that join, the founder included.
    pub machines: usize,
    /// The share of them behind NAT boxes of their own; the founder is public.
    pub behind_nat: f64,
    /// Relays beside the founder's, public at first. With any, boxes are of all kinds and firewalls in the way of UDP;
    /// without, only such boxes as can be passed straight.
    pub relays: usize,
    /// How many storms.
    pub storms: usize,
    /// Transitions in each.
    pub transitions: usize,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How long the world lived.
    pub simulated: Duration,
    /// Datagrams sent.
    pub datagrams: u64,
    /// First handshake messages among them.
    pub handshakes: u64,
    /// Inner packets delivered.
    pub delivered: u64,
    /// A hash over everything that was sent and delivered: equal for equal runs.
    pub trace: u64,
}

impl Scenario {
    /// Twenty machines, a third of them behind NAT boxes.
    pub const TWENTY_NODES: Self = Self { machines: 20, behind_nat: 0.35, relays: 0, storms: 2, transitions: 30 };

    /// A dozen machines that mostly cannot reach each other straight, and three relays that come and go.
    pub const WITH_RELAYS: Self = Self { machines: 12, behind_nat: 0.8, relays: 3, storms: 2, transitions: 40 };

    /// Runs it.
    ///
    /// # Errors
    /// The first [`Violation`], from a second run that remembered what went before.
    pub fn run(&self, seed: u64) -> Result<Report, Violation> {
        tracing::subscriber::with_default(Errors, || {
            self.attempt(seed, Memory::Forgets).or_else(|_| self.attempt(seed, Memory::Remembers))
        })
    }

    fn attempt(&self, seed: u64, memory: Memory) -> Result<Report, Violation> {
        let mut world = World::new(seed, Settings::default(), memory);
        world.draw_settings();
        if self.relays > 0 {
            world.add_relay(MachineId(0));
        }
        for number in 1..self.machines {
            if number <= self.relays {
                let relay = world.add(false);
                world.add_relay(relay);
            } else if self.relays > 0 {
                let access = world.draw_access(self.behind_nat);
                world.add_behind(access);
            } else {
                let has_nat = world.rng.random_bool(self.behind_nat);
                world.add(has_nat);
            }
        }
        for storm in 0..self.storms {
            let share = (self.machines - 1) * (storm + 2) / (self.storms + 1);
            world.gather(share)?;
            world.storm(self.transitions)?;
            world.calm()?;
            let pairs = world.pairs();
            world.check_reach(&pairs[..pairs.len().min(SAMPLE)])?;
        }
        world.gather(self.machines - 1)?;
        world.calm()?;
        let pairs = world.pairs();
        world.check_reach(&pairs)?;
        Ok(world.summary())
    }
}

impl World {
    /// Some worlds rotate keys very often.
    fn draw_settings(&mut self) {
        match self.rng.random_range(0..16) {
            0 => self.settings.rotate_after = Duration::from_secs(5),
            1..4 => self.settings.rotate_after_packets = 100,
            _ => {}
        }
        self.machines[0].settings = self.settings.clone();
        self.stop(MachineId(0), super::Stop::Clean);
        self.start(MachineId(0));
    }

    /// Any box there is.
    fn draw_access(&mut self, behind_nat: f64) -> Access {
        const KINDS: [NatBehaviour; 3] = [NatBehaviour::FULL_CONE, NatBehaviour::HOME, NatBehaviour::SYMMETRIC];
        if !self.rng.random_bool(behind_nat) {
            return Access::Public;
        }
        let [home, carrier] = [(); 2].map(|()| *KINDS.choose(&mut self.rng).expect("there are some"));
        if self.rng.random_bool(0.2) { Access::CarrierGrade { home, carrier } } else { Access::Nat(home) }
    }

    /// Lets machines join until the first `count` after the founder have been invited.
    fn gather(&mut self, count: usize) -> Result<(), Violation> {
        for newcomer in (1..=count).map(MachineId) {
            self.invite_by_someone(newcomer);
            let pause = self.rng.random_range(10..1500);
            self.advance(Duration::from_millis(pause))?;
        }
        Ok(())
    }

    fn invite_by_someone(&mut self, newcomer: MachineId) {
        if self.model.is_member(newcomer) || self.model.newcomers.contains_key(&newcomer) {
            return;
        }
        let is_able = |machine: &MachineId| {
            self.is_running(*machine)
                && self.underlay.is_public(*machine)
                && self.model.rights(*machine).contains(Rights::ISSUE)
        };
        let issuers: Vec<MachineId> = self.model.standing().into_iter().filter(is_able).collect();
        let issuer = issuers.choose(&mut self.rng).copied();
        let rights = if self.rng.random_bool(0.3) { Rights::ISSUE.with(Rights::ADMIN) } else { Rights::NONE };
        let rights = if self.machines[newcomer.0].is_relay { rights.with(Rights::RELAY) } else { rights };
        if let Some(issuer) = issuer {
            self.apply(&Transition::Join { issuer, newcomer, rights });
        }
    }

    fn storm(&mut self, transitions: usize) -> Result<(), Violation> {
        for _ in 0..transitions {
            let transition = self.draw();
            self.apply(&transition);
            let pause = self.rng.random_range(0..4000);
            self.advance(Duration::from_millis(pause))?;
        }
        Ok(())
    }

    /// Everything mends: then all must agree, and all that were invited must be in.
    fn calm(&mut self) -> Result<(), Violation> {
        self.apply(&Transition::Heal);
        let weather = self.draw_calm();
        self.apply(&Transition::Weather(weather));
        self.advance(CALM)?;
        self.moved.clear();
        let waiting = self.model.newcomers.iter().find(|(_, newcomer)| newcomer.is_ready());
        if let Some((newcomer, _)) = waiting {
            let newcomer = *newcomer;
            self.violated(format!("{newcomer} could not join"));
        }
        self.check_agreement()
    }

    /// All pairs of members that stand, in a random order.
    fn pairs(&mut self) -> Vec<(MachineId, MachineId)> {
        let standing = self.model.standing();
        let others = |one: &MachineId| {
            let one = *one;
            standing.iter().filter(move |other| **other != one).map(move |other| (one, *other))
        };
        let mut pairs: Vec<_> = standing.iter().flat_map(others).collect();
        pairs.shuffle(&mut self.rng);
        pairs
    }

    fn summary(&self) -> Report {
        Report {
            seed: self.seed,
            simulated: Duration::from_nanos(self.now.as_nanos()),
            datagrams: self.trace.datagrams,
            handshakes: self.trace.handshakes,
            delivered: self.model.delivered,
            trace: self.trace.hash(),
        }
    }
}
