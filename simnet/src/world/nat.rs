use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use holloway_wire::Instant;

/// Idle mappings and permissions are forgotten after this long: the shortest-lived NATs that are common.
const FORGETS_AFTER: Duration = Duration::from_secs(30);

/// Where a box's external ports begin.
const FIRST_PORT: u16 = 20_000;

/// External ports that a box has.
const PORTS: u32 = (u16::MAX - FIRST_PORT) as u32 + 1;

/// How far apart two successive ports of a symmetric box are: odd and no divisor of [`PORTS`], so that all get used,
/// and far, so that the neighbour of a known port is no good guess.
const STRIDE: u32 = 28_657;

/// What a mapping or a filter depends on, in the words of RFC 4787 (§4.1 for mappings, §5 for filters).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing outside: one mapping for all destinations; whoever knows it may use it.
    EndpointIndependent,
    /// The address outside, not the port.
    AddressDependent,
    /// The address and the port outside.
    AddressAndPortDependent,
}

/// Whether a box passes on what is sent from behind it to its own external addresses (RFC 4787 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hairpin {
    /// It vanishes.
    Off,
    /// It arrives from the sender's external address, and is filtered like anything from there.
    On,
}

/// How a NAT box treats UDP, in the words of RFC 4787.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatBehaviour {
    /// What the external port of a socket inside depends on.
    pub mapping: Dependence,
    /// What may come in at a mapping.
    pub filtering: Dependence,
    /// Whether two behind it reach each other by their external addresses.
    pub hairpin: Hairpin,
    /// How long an idle mapping lives, and what may come in through it. What passes refreshes it, in either direction
    /// (§4.3).
    pub expiry: Duration,
}

impl NatBehaviour {
    /// Endpoint-independent mapping and filtering.
    pub const FULL_CONE: Self = Self { filtering: Dependence::EndpointIndependent, ..Self::HOME };

    /// What most homes have: endpoint-independent mapping, address and port dependent filtering, no hairpin.
    pub const HOME: Self = Self {
        mapping: Dependence::EndpointIndependent,
        filtering: Dependence::AddressAndPortDependent,
        hairpin: Hairpin::Off,
        expiry: FORGETS_AFTER,
    };

    /// Address and port dependent mapping and filtering.
    pub const SYMMETRIC: Self = Self { mapping: Dependence::AddressAndPortDependent, ..Self::HOME };

    /// The same with another word on hairpins.
    #[must_use]
    pub const fn with_hairpin(self, hairpin: Hairpin) -> Self {
        Self { hairpin, ..self }
    }

    /// The same with another expiry.
    #[must_use]
    pub const fn with_expiry(self, expiry: Duration) -> Self {
        Self { expiry, ..self }
    }
}

/// Those outside who are the same to a mapping or a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Anyone,
    Address(IpAddr),
    Endpoint(SocketAddr),
}

impl Dependence {
    const fn scope(self, remote: SocketAddr) -> Scope {
        match self {
            Self::EndpointIndependent => Scope::Anyone,
            Self::AddressDependent => Scope::Address(remote.ip()),
            Self::AddressAndPortDependent => Scope::Endpoint(remote),
        }
    }
}

/// A NAT box: its mappings, and who may use them.
pub(crate) struct NatBox {
    behaviour: NatBehaviour,
    mappings: BTreeMap<(SocketAddr, Scope), Mapping>,
    last_port: u16,
}

struct Mapping {
    port: u16,
    permitted: BTreeMap<Scope, Instant>,
}

impl NatBox {
    pub(crate) const fn new(behaviour: NatBehaviour) -> Self {
        Self { behaviour, mappings: BTreeMap::new(), last_port: FIRST_PORT }
    }

    pub(crate) const fn behaviour(&self) -> NatBehaviour {
        self.behaviour
    }

    /// A datagram leaves; returns the external port that it gets.
    pub(crate) fn outbound(&mut self, inside: SocketAddr, remote: SocketAddr, now: Instant) -> u16 {
        self.forget(now);
        let key = (inside, self.behaviour.mapping.scope(remote));
        if !self.mappings.contains_key(&key) {
            let mapping = Mapping { port: self.take_port(), permitted: BTreeMap::new() };
            self.mappings.insert(key, mapping);
        }
        let mapping = self.mappings.get_mut(&key).expect("it was there or inserted above");
        mapping.permitted.insert(self.behaviour.filtering.scope(remote), now);
        mapping.port
    }

    /// A datagram arrives at an external port; returns where it goes, if it may.
    pub(crate) fn inbound(&mut self, port: u16, remote: SocketAddr, now: Instant) -> Option<SocketAddr> {
        self.forget(now);
        let ((inside, _), mapping) = self.mappings.iter_mut().find(|(_, mapping)| mapping.port == port)?;
        let permitted = mapping.permitted.get_mut(&self.behaviour.filtering.scope(remote))?;
        *permitted = now;
        Some(*inside)
    }

    /// Whose an external port is, whoever may use it.
    pub(crate) fn owner(&self, port: u16) -> Option<SocketAddr> {
        self.mappings.iter().find(|(_, mapping)| mapping.port == port).map(|((inside, _), _)| *inside)
    }

    /// The next port that no mapping has: two may not share one (RFC 4787 §4.2, REQ-3).
    fn take_port(&mut self) -> u16 {
        let mut candidates = std::iter::successors(Some(self.last_port), |port| Some(self.following(*port))).skip(1);
        let port = candidates.by_ref().take(PORTS as usize).find(|port| self.owner(*port).is_none());
        self.last_port = port.expect("a world's machines use fewer ports than a box has");
        self.last_port
    }

    fn following(&self, port: u16) -> u16 {
        match self.behaviour.mapping {
            Dependence::EndpointIndependent => port.checked_add(1).unwrap_or(FIRST_PORT),
            Dependence::AddressDependent | Dependence::AddressAndPortDependent => {
                let at = (u32::from(port - FIRST_PORT) + STRIDE) % PORTS;
                FIRST_PORT + u16::try_from(at).expect("PORTS fits")
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        let expiry = self.behaviour.expiry;
        self.mappings.retain(|_, mapping| {
            mapping.permitted.retain(|_, used| now.since(*used) < expiry);
            !mapping.permitted.is_empty()
        });
    }
}

#[cfg(test)]
#[path = "../../tests/unit/nat.rs"]
mod tests;
