use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use holloway_wire::{ControlAddr, Instant};
use rand::RngExt;
use rand::rngs::StdRng;

use super::MachineId;
use super::nat::NatBox;

/// Port of every machine's data path.
const DATA_PORT: u16 = 42_044;
/// Port of every machine's control plane.
const CONTROL_PORT: u16 = 42_042;

/// What a machine's link carries, IP header included, unless it was said otherwise: an Ethernet's.
const LINK_MTU: u16 = 1500;

/// IPv4 and UDP headers of a datagram.
const HEADERS_LEN: usize = 20 + 8;

/// Base one-way delays lie between these.
const DELAY_MS: std::ops::Range<u64> = 2..60;

/// What the underlay does to datagrams. Each share is a probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// Lost.
    pub loss: f64,
    /// Delivered twice.
    pub duplicate: f64,
    /// Delivered with one bit changed.
    pub corrupt: f64,
    /// Added delay, up to: larger than the time between two datagrams, it changes their order.
    pub jitter: Duration,
}

impl Weather {
    /// Nothing is lost.
    pub const CALM: Self = Self { loss: 0.0, duplicate: 0.0, corrupt: 0.0, jitter: Duration::from_millis(2) };
}

/// Where machines are, and what lies between them.
pub(crate) struct Underlay {
    pub(crate) weather: Weather,
    places: Vec<Place>,
    sides: Vec<u8>,
}

struct Place {
    outside: Ipv4Addr,
    inside: SocketAddr,
    nat: Option<NatBox>,
    delay: Duration,
    link_mtu: u16,
    moves: u16,
}

/// The machine's own and public address at its `moves`-th place.
fn outside(machine: MachineId, moves: u16) -> Ipv4Addr {
    let [high, low] = moves.to_be_bytes();
    debug_assert_eq!(high, 0, "a machine moves at most 255 times");
    Ipv4Addr::new(198, 18, low, u8::try_from(machine.0 + 1).expect("a world has at most 254 machines"))
}

impl Underlay {
    pub(crate) const fn new() -> Self {
        Self { weather: Weather::CALM, places: Vec::new(), sides: Vec::new() }
    }

    /// Puts a further machine somewhere.
    pub(crate) fn add(&mut self, has_nat: bool, rng: &mut StdRng) {
        let machine = MachineId(self.places.len());
        let outside = outside(machine, 0);
        let third = u8::try_from(machine.0).expect("a world has at most 254 machines");
        let inside = if has_nat { Ipv4Addr::new(10, 0, third, 2) } else { outside };
        self.places.push(Place {
            outside,
            inside: SocketAddr::new(inside.into(), DATA_PORT),
            nat: has_nat.then(NatBox::new),
            delay: Duration::from_millis(rng.random_range(DELAY_MS)) / 2,
            link_mtu: LINK_MTU,
            moves: 0,
        });
        self.sides.push(0);
    }

    /// Moves a machine to another network: other addresses, and a fresh NAT box if it has one.
    pub(crate) fn roam(&mut self, machine: MachineId) {
        let place = &mut self.places[machine.0];
        place.moves += 1;
        place.outside = outside(machine, place.moves);
        match &mut place.nat {
            Some(nat) => *nat = NatBox::new(),
            None => place.inside.set_ip(place.outside.into()),
        }
    }

    /// How often a machine has moved.
    pub(crate) fn moves(&self, machine: MachineId) -> u16 {
        self.places[machine.0].moves
    }

    /// Whether strangers can connect to a machine.
    pub(crate) fn is_public(&self, machine: MachineId) -> bool {
        self.places[machine.0].nat.is_none()
    }

    /// The address that a machine knows of its data path.
    pub(crate) fn data(&self, machine: MachineId) -> SocketAddr {
        self.places[machine.0].inside
    }

    /// The address that a machine knows of its control plane.
    pub(crate) fn control(&self, machine: MachineId) -> ControlAddr {
        ControlAddr::Tcp(SocketAddr::new(self.data(machine).ip(), CONTROL_PORT))
    }

    /// The machine whose control plane listens at an address that can be reached from elsewhere.
    pub(crate) fn listener(&self, address: &ControlAddr) -> Option<MachineId> {
        let at = address.socket_addr();
        let owner = self.owner(at.ip())?;
        (self.is_public(owner) && at.port() == CONTROL_PORT).then_some(owner)
    }

    fn owner(&self, ip: IpAddr) -> Option<MachineId> {
        self.places.iter().position(|place| IpAddr::V4(place.outside) == ip).map(MachineId)
    }

    /// A datagram leaves a machine; returns the source that it has outside.
    pub(crate) fn depart(&mut self, from: MachineId, to: SocketAddr, now: Instant) -> SocketAddr {
        let place = &mut self.places[from.0];
        match &mut place.nat {
            None => place.inside,
            Some(nat) => SocketAddr::new(place.outside.into(), nat.outbound(place.inside, to, now)),
        }
    }

    /// A datagram arrives at an address; returns the machine that receives it, if one does.
    pub(crate) fn arrive(&mut self, from: SocketAddr, to: SocketAddr, now: Instant) -> Option<MachineId> {
        let owner = self.owner(to.ip())?;
        let place = &mut self.places[owner.0];
        let is_for_data = match &mut place.nat {
            None => to.port() == DATA_PORT,
            Some(nat) => nat.inbound(to.port(), from, now) == Some(place.inside),
        };
        is_for_data.then_some(owner)
    }

    /// Which machine a datagram sent to an address is going to, as far as partitions are concerned.
    pub(crate) fn towards(&self, to: SocketAddr) -> Option<MachineId> {
        self.owner(to.ip())
    }

    /// Splits the machines: those on different sides cannot talk.
    pub(crate) fn partition(&mut self, sides: Vec<u8>) {
        self.sides = sides;
    }

    /// Whether nothing stands between two machines.
    pub(crate) fn is_open(&self, one: MachineId, other: MachineId) -> bool {
        self.side(one) == self.side(other)
    }

    /// Sets what a machine's link carries.
    pub(crate) fn set_link_mtu(&mut self, machine: MachineId, mtu: u16) {
        self.places[machine.0].link_mtu = mtu;
    }

    /// The longest datagram that gets from one machine to another; longer ones vanish without a word.
    pub(crate) fn datagram_max(&self, one: MachineId, other: MachineId) -> usize {
        let mtu = |machine: MachineId| self.places[machine.0].link_mtu;
        usize::from(mtu(one).min(mtu(other))) - HEADERS_LEN
    }

    fn side(&self, machine: MachineId) -> u8 {
        self.sides.get(machine.0).copied().unwrap_or_default()
    }

    /// One-way delay between two machines, without jitter.
    pub(crate) fn delay(&self, one: MachineId, other: MachineId) -> Duration {
        self.places[one.0].delay + self.places[other.0].delay
    }
}
