use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::Instant;

/// Idle mappings and permissions are forgotten after this long: the shortest-lived NATs that are common.
const FORGETS_AFTER: Duration = Duration::from_secs(30);

/// Where a box's external ports begin.
const FIRST_PORT: u16 = 20_000;

/// A NAT box as most homes have one: the mapping does not depend on the destination, what comes in must come from an
/// address and port that was sent to (RFC 4787 §4.1, §5), and there is no hairpin.
pub(crate) struct NatBox {
    mappings: BTreeMap<SocketAddr, Mapping>,
    next_port: u16,
}

struct Mapping {
    port: u16,
    permitted: BTreeMap<SocketAddr, Instant>,
}

impl NatBox {
    pub(crate) const fn new() -> Self {
        Self { mappings: BTreeMap::new(), next_port: FIRST_PORT }
    }

    /// A datagram leaves; returns the external port that it gets.
    pub(crate) fn outbound(&mut self, inside: SocketAddr, remote: SocketAddr, now: Instant) -> u16 {
        self.forget(now);
        let next_port = &mut self.next_port;
        let mapping = self.mappings.entry(inside).or_insert_with(|| {
            *next_port = next_port.checked_add(1).unwrap_or(FIRST_PORT);
            Mapping { port: *next_port, permitted: BTreeMap::new() }
        });
        mapping.permitted.insert(remote, now);
        mapping.port
    }

    /// A datagram arrives at an external port; returns where it goes, if it may.
    pub(crate) fn inbound(&mut self, port: u16, remote: SocketAddr, now: Instant) -> Option<SocketAddr> {
        self.forget(now);
        let (inside, mapping) = self.mappings.iter_mut().find(|(_, mapping)| mapping.port == port)?;
        let permitted = mapping.permitted.get_mut(&remote)?;
        *permitted = now;
        Some(*inside)
    }

    fn forget(&mut self, now: Instant) {
        self.mappings.retain(|_, mapping| {
            mapping.permitted.retain(|_, used| now.since(*used) < FORGETS_AFTER);
            !mapping.permitted.is_empty()
        });
    }
}
