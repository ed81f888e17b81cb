use std::time::Duration;

use holloway_mesh::Command;
use holloway_wire::{NameRecord, Rights};
use rand::RngExt;
use rand::seq::IndexedRandom;

use super::program::Asked;
use super::{Happening, MachineId, Udp, Weather, World};

/// A machine's clock is off by no more than this, so that any two are within the 60 s that handshakes allow.
const SKEW_MS: i64 = 25_000;

/// Times that a machine moves at most.
const MOVES_MAX: u16 = 250;

/// Public machines that stay where they are.
const STAYING_MIN: usize = 3;

/// What links carry: the least that IPv6 has, other tunnels, PPPoE, Ethernet, jumbo frames.
const LINK_MTUS: [u16; 5] = [1280, 1400, 1492, 1500, 9000];

/// Members without which nobody blocks anyone.
const BLOCKING_MIN: usize = 10;

/// Members that fall with one that is revoked, itself included, at most.
const FALLING_MAX: usize = 3;

/// How much of a storm with relays is what only they get around.
const OBSTACLES: f64 = 0.15;

/// How a program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It writes down what it has and says goodbye.
    Clean,
    /// It is gone in the middle of whatever it did.
    Crash,
}

/// Something that happens in a world.
#[derive(Debug, Clone, PartialEq)]
pub enum Transition {
    /// Packets from one machine's stack to another's.
    Send {
        /// Who sends.
        from: MachineId,
        /// To whom.
        to: MachineId,
        /// How many.
        count: usize,
    },
    /// A packet with another member's source address.
    Spoof {
        /// Who sends.
        from: MachineId,
        /// To whom.
        to: MachineId,
        /// Whose address.
        claims: MachineId,
    },
    /// Machines on different sides cannot talk.
    Partition {
        /// Each machine's side.
        sides: Vec<u8>,
    },
    /// Two machines cannot talk with each other; with all others they can.
    Cut {
        /// One of them.
        one: MachineId,
        /// The other.
        other: MachineId,
    },
    /// All can talk again.
    Heal,
    /// The underlay gets better or worse.
    Weather(Weather),
    /// A program ends, and starts again some time later.
    Restart {
        /// Whose.
        machine: MachineId,
        /// How it ends.
        how: Stop,
        /// How long it is down.
        down: Duration,
    },
    /// A member invites a machine.
    Join {
        /// Who invites.
        issuer: MachineId,
        /// Whom.
        newcomer: MachineId,
        /// What it may do.
        rights: Rights,
    },
    /// A member revokes another.
    Revoke {
        /// Who revokes.
        by: MachineId,
        /// Whom.
        whom: MachineId,
    },
    /// A member blocks another, or no longer does.
    Block {
        /// Who blocks.
        by: MachineId,
        /// Whom.
        whom: MachineId,
        /// Whether.
        blocked: bool,
    },
    /// A host publishes a name.
    Name {
        /// The host.
        host: MachineId,
        /// The name.
        name: String,
    },
    /// A machine is in another network.
    Roam {
        /// Which.
        machine: MachineId,
    },
    /// A machine's link carries longer packets, or no longer such long ones. Those that are longer vanish.
    LinkMtu {
        /// Whose.
        machine: MachineId,
        /// The longest packet, IP header included.
        mtu: u16,
    },
    /// A firewall in front of a machine is switched; it lets its LAN alone. Storms do this where there are relays.
    Udp {
        /// Whose.
        machine: MachineId,
        /// Whether UDP gets through it.
        udp: Udp,
    },
    /// A machine's wall clock is set.
    Clock {
        /// Whose.
        machine: MachineId,
        /// How far it is from the truth now.
        skew_ms: i64,
    },
    /// Datagrams that no member sent: noise, and real ones with a bit changed.
    Forge {
        /// To whom.
        to: MachineId,
        /// How many.
        count: usize,
    },
    /// Real datagrams once more, some from elsewhere or to someone else.
    Replay {
        /// How many.
        count: usize,
    },
}

impl Transition {
    /// A plain member joins.
    #[must_use]
    pub const fn join(issuer: MachineId, newcomer: MachineId) -> Self {
        Self::Join { issuer, newcomer, rights: Rights::NONE }
    }
}

impl World {
    /// Makes something happen.
    pub fn apply(&mut self, transition: &Transition) {
        self.note(|| format!("== {transition:?}"));
        match transition {
            Transition::Send { from, to, count } => (0..*count).for_each(|_| {
                self.send(*from, *to);
            }),
            Transition::Spoof { from, to, claims } => {
                self.send_as(*from, *to, *claims);
            }
            Transition::Partition { sides } => {
                self.underlay.partition(sides.clone());
                self.parted();
            }
            Transition::Cut { one, other } => {
                self.underlay.cut(*one, *other);
                self.parted();
            }
            Transition::Heal => self.underlay.heal(),
            Transition::Weather(weather) => self.underlay.weather = *weather,
            Transition::Restart { machine, how, down } => self.restart(*machine, *how, *down),
            Transition::Join { issuer, newcomer, rights } => self.invite(*issuer, *newcomer, *rights),
            Transition::Revoke { by, whom } => self.revoke(*by, *whom),
            Transition::Block { by, whom, blocked } => self.block(*by, *whom, *blocked),
            Transition::Name { host, name } => self.publish_name(*host, name),
            Transition::Roam { machine } => self.roam(*machine),
            Transition::LinkMtu { machine, mtu } => self.underlay.set_link_mtu(*machine, *mtu),
            Transition::Udp { machine, udp } => self.underlay.set_udp(*machine, *udp),
            Transition::Clock { machine, skew_ms } => self.machines[machine.0].clock.set_skew(*skew_ms),
            Transition::Forge { to, count } => (0..*count).for_each(|_| self.forge(*to)),
            Transition::Replay { count } => (0..*count).for_each(|_| self.replay()),
        }
    }

    /// Connections between those that cannot talk die when it lasts.
    fn parted(&mut self) {
        self.control_partitioned();
        self.streams_partitioned();
    }

    fn restart(&mut self, machine: MachineId, how: Stop, down: Duration) {
        if self.is_running(machine) {
            self.stop(machine, how);
            self.file(down, Happening::Starts { machine });
        }
    }

    fn revoke(&mut self, by: MachineId, whom: MachineId) {
        if self.is_running(by) {
            let member = self.id(whom).to_string();
            self.model.revoking(whom);
            self.command(by, Command::Revoke { member }, Asked::Revoke(whom));
        }
    }

    fn block(&mut self, by: MachineId, whom: MachineId, blocked: bool) {
        if self.is_running(by) {
            let id = self.id(whom);
            let member = id.to_string();
            self.machines[by.0].promised.blocked.insert(id, None);
            let command = if blocked { Command::Block { member } } else { Command::Unblock { member } };
            self.command(by, command, Asked::Block(whom, blocked));
        }
    }

    fn publish_name(&mut self, host: MachineId, name: &str) {
        let record = NameRecord { name: name.into(), record_type: "TXT".into(), value: "\"here\"".into() };
        self.command(host, Command::AddName(record.clone()), Asked::Name(record));
    }

    fn roam(&mut self, machine: MachineId) {
        if self.underlay.moves(machine) >= MOVES_MAX {
            return;
        }
        self.moved.insert(machine);
        self.underlay.roam(machine);
        self.control_cut(machine, false);
        self.streams_cut(machine, false);
        self.network_changed(machine);
    }

    /// From nobody's address: noise, or something captured with a bit changed.
    fn forge(&mut self, to: MachineId) {
        let stranger = std::net::SocketAddr::from(([203, 0, 113, 7], self.rng.random_range(1024..u16::MAX)));
        let (from, to, datagram) = match self.captured_one() {
            Some((from, to, datagram)) if self.rng.random_bool(0.7) => (from, to, self.corrupt(datagram)),
            _ => {
                let length = self.rng.random_range(0..200);
                let mut noise: Vec<u8> = (0..length).map(|_| self.rng.random()).collect();
                if let Some(first) = noise.first_mut() {
                    *first = self.rng.random_range(0x08..0x0c);
                }
                (stranger, self.underlay.data(to), noise)
            }
        };
        let delay = Duration::from_millis(self.rng.random_range(0..200));
        self.file(delay, Happening::Arrives { from, to, datagram });
    }

    fn replay(&mut self) {
        let Some((mut from, mut to, datagram)) = self.captured_one() else {
            return;
        };
        match self.rng.random_range(0..10) {
            0 => from = std::net::SocketAddr::from(([203, 0, 113, 9], 4242)),
            1..4 => {
                if let Some((elsewhere, _, _)) = self.captured_one() {
                    from = elsewhere;
                }
            }
            4..6 => {
                if let Some((_, elsewhere, _)) = self.captured_one() {
                    to = elsewhere;
                }
            }
            _ => {}
        }
        let delay = Duration::from_millis(self.rng.random_range(0..3000));
        self.file(delay, Happening::Arrives { from, to, datagram });
    }

    fn captured_one(&mut self) -> Option<(std::net::SocketAddr, std::net::SocketAddr, Vec<u8>)> {
        if self.captured.is_empty() {
            return None;
        }
        let at = self.rng.random_range(0..self.captured.len());
        self.captured.get(at).cloned()
    }

    /// Draws what happens next in a storm.
    pub(crate) fn draw(&mut self) -> Transition {
        let standing = self.model.standing();
        let one = *standing.choose(&mut self.rng).expect("the founder always stands");
        let other = *standing.choose(&mut self.rng).expect("the founder always stands");
        if self.has_relays() && self.rng.random_bool(OBSTACLES) {
            return self.draw_obstacle(one);
        }
        match self.rng.random_range(0..100) {
            0..30 => self.draw_packets(one, other),
            30..37 => Transition::Weather(self.draw_weather()),
            37..44 => self.draw_partition(),
            44..48 => Transition::Heal,
            48..62 => self.draw_restart(one),
            62..72 => Transition::Name { host: one, name: format!("name{}", self.rng.random_range(0..20)) },
            72..80 => self.draw_roaming(one),
            80..82 => {
                Transition::LinkMtu { machine: one, mtu: *LINK_MTUS.choose(&mut self.rng).expect("there are some") }
            }
            82..85 => Transition::Clock { machine: one, skew_ms: self.rng.random_range(-SKEW_MS..=SKEW_MS) },
            85..89 => Transition::Forge { to: one, count: self.rng.random_range(1..60) },
            89..94 => Transition::Replay { count: self.rng.random_range(1..60) },
            94..97 => self.draw_block(one, other),
            97..99 => self.draw_revocation(one, other),
            _ => Transition::Spoof { from: one, to: other, claims: MachineId(0) },
        }
    }

    /// What only relays get around: a firewall in front of a machine that is none, or a cut towards one that is.
    fn draw_obstacle(&mut self, machine: MachineId) -> Transition {
        let relays = self.relays();
        let relay = *relays.choose(&mut self.rng).expect("there are relays");
        match self.rng.random_range(0..3) {
            0 if !relays.contains(&machine) => Transition::Udp { machine, udp: Udp::Blocked },
            1 => Transition::Udp { machine, udp: Udp::Passes },
            _ if machine != relay => Transition::Cut { one: machine, other: relay },
            _ => Transition::Heal,
        }
    }

    fn draw_packets(&mut self, from: MachineId, to: MachineId) -> Transition {
        let count = if self.rng.random_bool(0.2) { self.rng.random_range(20..150) } else { 3 };
        Transition::Send { from, to, count }
    }

    /// Up to a third lost.
    pub(crate) fn draw_weather(&mut self) -> Weather {
        Weather {
            loss: self.rng.random_range(0.0..0.35),
            duplicate: self.rng.random_range(0.0..0.1),
            corrupt: self.rng.random_range(0.0..0.05),
            jitter: Duration::from_millis(self.rng.random_range(0..150)),
        }
    }

    /// No more than a tenth lost.
    pub(crate) fn draw_calm(&mut self) -> Weather {
        let loss = self.rng.random_range(0.0..0.1);
        let jitter = Duration::from_millis(self.rng.random_range(0..40));
        Weather { loss, duplicate: loss / 2.0, corrupt: loss / 10.0, jitter }
    }

    fn draw_partition(&mut self) -> Transition {
        let parts = self.rng.random_range(2..4);
        Transition::Partition { sides: self.machines.iter().map(|_| self.rng.random_range(0..parts)).collect() }
    }

    fn draw_restart(&mut self, machine: MachineId) -> Transition {
        let how = if self.rng.random_bool(0.6) { Stop::Crash } else { Stop::Clean };
        Transition::Restart { machine, how, down: Duration::from_millis(self.rng.random_range(100..30_000)) }
    }

    /// Some public machines stay where they are until the next calm, so that the others have somewhere to turn to; and
    /// so does an issuer of whom a newcomer knows nothing yet but the address in its invite.
    fn draw_roaming(&mut self, machine: MachineId) -> Transition {
        let id = self.id(machine);
        let standing = self.model.standing();
        let stays =
            |other: &&MachineId| **other != machine && self.underlay.is_public(**other) && !self.moved.contains(*other);
        let relies = |other: &MachineId| {
            self.model.issuer(*other) == Some(machine) && !self.machines[other.0].disk.has_endpoints_of(&id)
        };
        let is_needed = standing.iter().filter(stays).count() < STAYING_MIN || standing.iter().any(relies);
        if self.underlay.is_public(machine) && is_needed {
            return Transition::Heal;
        }
        Transition::Roam { machine }
    }

    /// In a small network a block may cut the only way that news has.
    fn draw_block(&mut self, by: MachineId, whom: MachineId) -> Transition {
        if by == whom || self.model.standing().len() < BLOCKING_MIN {
            return Transition::Heal;
        }
        Transition::Block { by, whom, blocked: self.rng.random_bool(0.5) }
    }

    /// Whoever may revokes someone whose fall leaves most members standing. Never the founder, nor anyone above the
    /// revoker: what such a revocation keeps is not in the model.
    fn draw_revocation(&mut self, by: MachineId, whom: MachineId) -> Transition {
        let falls = self.model.standing().into_iter().filter(|member| self.model.hangs_on(*member, whom)).count();
        let may = self.model.rights(by).contains(Rights::ADMIN);
        if whom == MachineId(0) || self.model.hangs_on(by, whom) || falls > FALLING_MAX || !may {
            return self.draw_packets(by, whom);
        }
        Transition::Revoke { by, whom }
    }
}
