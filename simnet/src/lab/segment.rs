//! A network segment: a bridge, the address plan behind it, and the hosts plugged into it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context, Result, ensure};

use super::Host;
use super::ground::Ground;
use super::namespace::Namespace;

/// The machine of a segment that knows the way out, where there is one.
pub(super) const ROUTER: u8 = 1;

/// The first number given to a host; smaller ones are left to routers and to the reader's eye.
const FIRST_HOST: u8 = 10;

/// The last number given to a host: 255 is the broadcast address of a /24.
const LAST_HOST: u8 = 254;

/// A network segment that hosts can be plugged into: the internet, a LAN behind a NAT, or a plain
/// switch. Clones are the same segment.
#[derive(Clone, Debug)]
pub struct Segment {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    ground: Arc<Ground>,
    namespace: Arc<Namespace>,
    bridge: &'static str,
    plan: AddressPlan,
    next_host: AtomicU8,
}

/// The addresses of a segment: a /24 and, perhaps, a /64.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressPlan {
    pub(super) ipv4: [u8; 3],
    pub(super) ipv6: Option<[u16; 4]>,
    pub(super) way_out: WayOut,
}

/// Whether the segment has a router with number [`ROUTER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WayOut {
    Router,
    None,
}

impl AddressPlan {
    pub(super) fn ipv4(&self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.ipv4;
        Ipv4Addr::new(a, b, c, number)
    }

    /// The address whose last group is written like the decimal number, so that 198.51.100.12 and
    /// 2001:db8::12 belong together for the eye.
    pub(super) fn ipv6(&self, number: u8) -> Option<Ipv6Addr> {
        let [a, b, c, d] = self.ipv6?;
        let digits = [number / 100, number / 10 % 10, number % 10];
        let group = digits.iter().fold(0, |group, digit| group << 4 | u16::from(*digit));
        Some(Ipv6Addr::new(a, b, c, d, 0, 0, 0, group))
    }
}

impl Segment {
    /// Makes a segment out of a new bridge in `namespace`.
    pub(super) fn new(
        ground: &Arc<Ground>,
        namespace: Arc<Namespace>,
        bridge: &'static str,
        plan: AddressPlan,
    ) -> Result<Self> {
        // Without snooping a bridge passes multicast (mDNS, neighbour discovery) from the first
        // frame; with it, only once it has seen memberships.
        namespace.ip(&format!("link add {bridge} type bridge mcast_snooping 0\nlink set {bridge} up\n"))?;
        if plan.way_out == WayOut::Router {
            namespace.ip(&router_addresses(bridge, &plan))?;
        }
        Ok(Self {
            inner: Arc::new(Inner {
                ground: Arc::clone(ground),
                namespace,
                bridge,
                plan,
                next_host: AtomicU8::new(FIRST_HOST),
            }),
        })
    }

    /// Creates a host on this segment, with addresses, and a default route if there is a way out.
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, the segment is full, or `ip` refuses.
    pub fn host(&self, name: &str) -> Result<Host> {
        Host::create(name, self)
    }

    /// The address of the router of this segment, if it has one.
    pub fn router(&self) -> Option<Ipv4Addr> {
        (self.plan().way_out == WayOut::Router).then(|| self.plan().ipv4(ROUTER))
    }

    pub(super) fn plan(&self) -> &AddressPlan {
        &self.inner.plan
    }

    pub(super) fn ground(&self) -> &Arc<Ground> {
        &self.inner.ground
    }

    pub(super) fn namespace(&self) -> &Arc<Namespace> {
        &self.inner.namespace
    }

    pub(super) fn bridge(&self) -> &'static str {
        self.inner.bridge
    }

    /// A host number that was never given out here.
    pub(super) fn take_number(&self) -> Result<u8> {
        let next = |number: u8| number.checked_add(1);
        let number = self
            .inner
            .next_host
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .ok()
            .context("the segment has no address left")?;
        ensure!(number <= LAST_HOST, "the segment has no address left");
        Ok(number)
    }
}

fn router_addresses(bridge: &str, plan: &AddressPlan) -> String {
    let mut lines = format!("address add {}/24 dev {bridge}\n", plan.ipv4(ROUTER));
    if let Some(address) = plan.ipv6(ROUTER) {
        lines += &format!("address add {address}/64 dev {bridge} nodad\n");
    }
    lines
}
