use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use holloway_wire::{ControlAddr, Instant};
use rand::RngExt;
use rand::rngs::StdRng;

use super::MachineId;
use super::nat::{Hairpin, NatBehaviour, NatBox};

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

/// Whether UDP gets through a firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Udp {
    /// As everywhere.
    Passes,
    /// Not a datagram, either way; the control plane's connections do.
    Blocked,
}

/// How a machine is connected to the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// With a public address.
    Public,
    /// Behind a NAT box of its own.
    Nat(NatBehaviour),
    /// Behind a NAT box of its own, behind another that its provider runs (RFC 6888).
    CarrierGrade {
        /// The near one.
        home: NatBehaviour,
        /// The far one.
        carrier: NatBehaviour,
    },
    /// On the LAN of another machine, which is behind a box.
    SameLan(MachineId),
    /// Behind a NAT box of its own, whose provider's box is that of another machine.
    SameCarrier {
        /// The near box.
        home: NatBehaviour,
        /// The other.
        neighbour: MachineId,
    },
}

/// Where machines are, and what lies between them.
///
/// There is the internet, and there is a LAN behind each NAT box; a box is on the internet or on another box's LAN.
/// All addresses differ, also those on different LANs, but only those on the same LAN or on the internet are reached.
pub(crate) struct Underlay {
    pub(crate) weather: Weather,
    places: Vec<Place>,
    boxes: BTreeMap<BoxId, Router>,
    /// Boxes so far.
    installed: usize,
    sides: Vec<u8>,
    /// Pairs that cannot talk, the lower first.
    cuts: BTreeSet<(MachineId, MachineId)>,
}

struct Place {
    inside: SocketAddr,
    lan: Option<BoxId>,
    udp: Udp,
    delay: Duration,
    link_mtu: u16,
    moves: u16,
}

/// A NAT box where it stands.
struct Router {
    nat: NatBox,
    address: Ipv4Addr,
    /// The LAN that it is on, if not on the internet.
    uplink: Option<BoxId>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct BoxId(usize);

/// Who has an address.
enum Holder {
    Machine(MachineId),
    /// A box, and the LAN that it is on, if not on the internet.
    Box(BoxId, Option<BoxId>),
}

impl Router {
    /// A datagram arrives from its uplink or, by a hairpin, from behind it; returns where it goes, if it may.
    fn inbound(&mut self, from: SocketAddr, port: u16, now: Instant) -> Option<SocketAddr> {
        let is_hairpin = from.ip() == IpAddr::V4(self.address);
        match self.nat.behaviour().hairpin {
            Hairpin::Off if is_hairpin => None,
            Hairpin::Off | Hairpin::On => self.nat.inbound(port, from, now),
        }
    }
}

/// The last byte of a machine's addresses, and of its boxes'.
fn host_byte(machine: MachineId) -> u8 {
    u8::try_from(machine.0 + 1).expect("a world has at most 254 machines")
}

/// Which move the addresses of a place belong to.
fn move_byte(moves: u16) -> u8 {
    u8::try_from(moves).expect("a machine moves at most 255 times")
}

/// The machine's own and public address at its `moves`-th place.
fn outside(machine: MachineId, moves: u16) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, move_byte(moves), host_byte(machine))
}

/// The address of the machine's home box on a provider's LAN (RFC 6598).
fn carrier_side(machine: MachineId, moves: u16) -> Ipv4Addr {
    Ipv4Addr::new(100, 64, move_byte(moves), host_byte(machine))
}

impl Underlay {
    pub(crate) const fn new() -> Self {
        Self {
            weather: Weather::CALM,
            places: Vec::new(),
            boxes: BTreeMap::new(),
            installed: 0,
            sides: Vec::new(),
            cuts: BTreeSet::new(),
        }
    }

    /// Puts a further machine somewhere.
    pub(crate) fn add(&mut self, access: Access, rng: &mut StdRng) {
        let machine = MachineId(self.places.len());
        let lan = self.connect(machine, access, 0);
        let third = u8::try_from(machine.0).expect("a world has at most 254 machines");
        let inside = if lan.is_some() { Ipv4Addr::new(10, 0, third, 2) } else { outside(machine, 0) };
        self.places.push(Place {
            inside: SocketAddr::new(inside.into(), DATA_PORT),
            lan,
            udp: Udp::Passes,
            delay: Duration::from_millis(rng.random_range(DELAY_MS)) / 2,
            link_mtu: LINK_MTU,
            moves: 0,
        });
        self.sides.push(0);
    }

    /// The LAN that a machine with this access is on, with new boxes where it needs any.
    fn connect(&mut self, machine: MachineId, access: Access, moves: u16) -> Option<BoxId> {
        let public = outside(machine, moves);
        let private = carrier_side(machine, moves);
        match access {
            Access::Public => None,
            Access::Nat(home) => Some(self.install(home, public, None)),
            Access::CarrierGrade { home, carrier } => {
                let carrier = self.install(carrier, public, None);
                Some(self.install(home, private, Some(carrier)))
            }
            Access::SameLan(neighbour) => {
                Some(self.places[neighbour.0].lan.expect("the neighbour is behind a box, as `Access` says"))
            }
            Access::SameCarrier { home, neighbour } => {
                let carrier = self.boxes_above(neighbour).nth(1);
                let carrier = carrier.expect("the neighbour is behind a provider's box, as `Access` says");
                Some(self.install(home, private, Some(carrier)))
            }
        }
    }

    fn install(&mut self, behaviour: NatBehaviour, address: Ipv4Addr, uplink: Option<BoxId>) -> BoxId {
        let id = BoxId(self.installed);
        self.installed += 1;
        self.boxes.insert(id, Router { nat: NatBox::new(behaviour), address, uplink });
        id
    }

    /// Moves a machine to another network: other addresses, and fresh NAT boxes of its own if it had any. Whoever was
    /// on its LAN stays behind.
    pub(crate) fn roam(&mut self, machine: MachineId) {
        let access = self.access(machine);
        let moves = self.moves(machine) + 1;
        let lan = self.connect(machine, access, moves);
        let place = &mut self.places[machine.0];
        (place.moves, place.lan) = (moves, lan);
        if lan.is_none() {
            place.inside.set_ip(outside(machine, moves).into());
        }
        self.remove_abandoned();
    }

    /// How a machine would be connected by boxes of its own that are like its present ones.
    fn access(&self, machine: MachineId) -> Access {
        let mut behaviours = self.boxes_above(machine).map(|router| self.boxes[&router].nat.behaviour());
        match (behaviours.next(), behaviours.next()) {
            (None, _) => Access::Public,
            (Some(home), None) => Access::Nat(home),
            (Some(home), Some(carrier)) => Access::CarrierGrade { home, carrier },
        }
    }

    fn remove_abandoned(&mut self) {
        let used: Vec<BoxId> =
            (0..self.places.len()).flat_map(|machine| self.boxes_above(MachineId(machine))).collect();
        self.boxes.retain(|id, _| used.contains(id));
    }

    /// The boxes between a machine and the internet, the nearest first.
    fn boxes_above(&self, machine: MachineId) -> impl Iterator<Item = BoxId> + '_ {
        std::iter::successors(self.places[machine.0].lan, |router| self.boxes[router].uplink)
    }

    /// How often a machine has moved.
    pub(crate) fn moves(&self, machine: MachineId) -> u16 {
        self.places[machine.0].moves
    }

    /// Whether strangers can connect to a machine.
    pub(crate) fn is_public(&self, machine: MachineId) -> bool {
        self.places[machine.0].lan.is_none()
    }

    /// The address that a machine knows of its data path.
    pub(crate) fn data(&self, machine: MachineId) -> SocketAddr {
        self.places[machine.0].inside
    }

    /// The address that a machine knows of its control plane.
    pub(crate) fn control(&self, machine: MachineId) -> ControlAddr {
        ControlAddr::Tcp(SocketAddr::new(self.data(machine).ip(), CONTROL_PORT))
    }

    /// The machine whose control plane listens at an address that another can connect to.
    pub(crate) fn listener(&self, from: MachineId, address: &ControlAddr) -> Option<MachineId> {
        let at = address.socket_addr();
        self.reached(from, at.ip()).filter(|_| at.port() == CONTROL_PORT)
    }

    /// The machine that another reaches at an address when it connects to it.
    pub(crate) fn reached(&self, from: MachineId, ip: IpAddr) -> Option<MachineId> {
        let Holder::Machine(owner) = self.holder(ip)? else {
            return None;
        };
        (self.is_public(owner) || self.shares_lan(from, owner)).then_some(owner)
    }

    fn shares_lan(&self, one: MachineId, other: MachineId) -> bool {
        one != other && self.places[one.0].lan.is_some() && self.places[one.0].lan == self.places[other.0].lan
    }

    fn holder(&self, ip: IpAddr) -> Option<Holder> {
        let machine = self.places.iter().position(|place| place.inside.ip() == ip);
        let router = || self.boxes.iter().find(|(_, router)| IpAddr::V4(router.address) == ip);
        machine
            .map(|at| Holder::Machine(MachineId(at)))
            .or_else(|| router().map(|(id, router)| Holder::Box(*id, router.uplink)))
    }

    /// The LAN that an address is on; the internet for any other.
    fn lan_of(&self, ip: IpAddr) -> Option<BoxId> {
        match self.holder(ip)? {
            Holder::Machine(machine) => self.places[machine.0].lan,
            Holder::Box(_, uplink) => uplink,
        }
    }

    /// Whether an address is that of a machine on the same LAN.
    fn is_neighbour(&self, machine: MachineId, ip: IpAddr) -> bool {
        match self.holder(ip) {
            Some(Holder::Machine(other)) => self.shares_lan(machine, other),
            Some(Holder::Box(..)) | None => false,
        }
    }

    /// A datagram leaves a machine; returns the source that it has where it is going, unless a firewall swallows it.
    pub(crate) fn depart(&mut self, from: MachineId, to: SocketAddr, now: Instant) -> Option<SocketAddr> {
        let mut source = self.data(from);
        if self.is_neighbour(from, to.ip()) {
            return Some(source);
        }
        if self.places[from.0].udp == Udp::Blocked {
            return None;
        }
        let destination = self.lan_of(to.ip());
        let mut at = self.places[from.0].lan;
        while let Some(id) = at {
            let router = self.boxes.get_mut(&id).expect("whoever is behind a box keeps it");
            source = SocketAddr::new(router.address.into(), router.nat.outbound(source, to, now));
            at = router.uplink;
            if at == destination {
                break;
            }
        }
        Some(source)
    }

    /// A datagram arrives at an address; returns the machine that receives it, if one does.
    pub(crate) fn arrive(&mut self, from: SocketAddr, to: SocketAddr, now: Instant) -> Option<MachineId> {
        let mut lan = self.lan_of(from.ip());
        let mut to = to;
        loop {
            match self.holder(to.ip())? {
                Holder::Machine(machine) => {
                    let place = &self.places[machine.0];
                    let is_blocked = place.udp == Udp::Blocked && !self.is_neighbour(machine, from.ip());
                    return (place.lan == lan && place.inside == to && !is_blocked).then_some(machine);
                }
                Holder::Box(id, uplink) if uplink == lan => {
                    to = self.boxes.get_mut(&id)?.inbound(from, to.port(), now)?;
                    lan = Some(id);
                }
                Holder::Box(..) => return None,
            }
        }
    }

    /// Which machine a datagram is going to, as far as partitions are concerned, if its destination is reached.
    pub(crate) fn towards(&self, from: MachineId, to: SocketAddr) -> Option<MachineId> {
        match self.holder(to.ip())? {
            Holder::Machine(machine) => (self.is_public(machine) || self.shares_lan(from, machine)).then_some(machine),
            Holder::Box(id, uplink) => {
                let is_reached = uplink.is_none_or(|uplink| self.boxes_above(from).any(|router| router == uplink));
                is_reached.then(|| self.behind(id, to.port()))
            }
        }
    }

    /// The machine that has a box's port, or else the first behind the box.
    fn behind(&self, id: BoxId, port: u16) -> MachineId {
        let owner = self.boxes[&id].nat.owner(port).and_then(|inside| match self.holder(inside.ip())? {
            Holder::Machine(machine) => Some(machine),
            Holder::Box(inner, _) => Some(self.behind(inner, inside.port())),
        });
        let is_behind = |machine: &MachineId| self.boxes_above(*machine).any(|router| router == id);
        owner
            .or_else(|| (0..self.places.len()).map(MachineId).find(is_behind))
            .expect("a box that nobody is behind is removed")
    }

    /// Switches a firewall in front of a machine, wherever it moves. It does not stand between it and its LAN.
    pub(crate) fn set_udp(&mut self, machine: MachineId, udp: Udp) {
        self.places[machine.0].udp = udp;
    }

    /// Splits the machines: those on different sides cannot talk.
    pub(crate) fn partition(&mut self, sides: Vec<u8>) {
        self.sides = sides;
    }

    /// Cuts what is between two machines, and nothing else.
    pub(crate) fn cut(&mut self, one: MachineId, other: MachineId) {
        self.cuts.insert((one.min(other), one.max(other)));
    }

    /// All can talk again.
    pub(crate) fn heal(&mut self) {
        self.sides.clear();
        self.cuts.clear();
    }

    /// Whether nothing stands between two machines.
    pub(crate) fn is_open(&self, one: MachineId, other: MachineId) -> bool {
        self.side(one) == self.side(other) && !self.cuts.contains(&(one.min(other), one.max(other)))
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

#[cfg(test)]
#[path = "../../tests/unit/underlay.rs"]
mod tests;
