//! NAT boxes: a router namespace with a public side and a LAN behind it.

use std::fs;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ground::Ground;
use super::namespace::{Forwarding, Namespace};
use super::nat_rules::{Rules, Udp};
use super::segment::{AddressPlan, ROUTER, Segment, WayOut};
use super::{Host, Link, MappingProtocol, PortMappings};

/// The public side of the box.
pub(super) const WAN: &str = "wan";

/// The LAN side, a bridge.
pub(super) const LAN: &str = "lan";

/// How a box treats the UDP of the hosts behind it, in the words of RFC 4787: §4.1 on mapping, §5 on filtering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// No NAT: the LAN has public addresses (198.18.0.0/15, RFC 2544), and whoever sends there gets in.
    Public,
    /// Endpoint-independent mapping and filtering: once a host has sent from a port, anybody may
    /// send to it. Keeps the port for the first host that uses it; no two hosts share one (REQ-3).
    FullCone,
    /// Endpoint-independent mapping that keeps the port, address and port dependent filtering, and
    /// no answer to strangers: the usual home router. Two hosts that use one port share it as long
    /// as they talk to different destinations.
    Home,
    /// Address and port dependent mapping to a random port, address and port dependent filtering.
    Symmetric,
    /// A home router behind a firewall that swallows UDP both ways, and lets TCP pass; it may be
    /// lifted by [`Nat::unblock_udp`].
    UdpBlocked,
}

impl NatKind {
    /// All kinds, the friendliest first.
    pub const ALL: [Self; 5] = [Self::Public, Self::FullCone, Self::Home, Self::Symmetric, Self::UdpBlocked];
}

/// Whether a box passes on what its hosts send to its own public address (RFC 4787 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hairpin {
    /// The box takes it for itself, and nobody listens there.
    Off,
    /// It comes back from the sender's external address and port (REQ-9), filtered like anything
    /// from there.
    On,
}

/// How long an idle UDP mapping lives, in whole seconds (RFC 4787 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpExpiry {
    /// While nothing has come back (`nf_conntrack_udp_timeout`).
    pub unreplied: Duration,
    /// Once both sides have sent for longer than two seconds (`nf_conntrack_udp_timeout_stream`).
    /// The endpoint-independent part of a full cone's mappings has this from the start.
    pub stream: Duration,
}

impl UdpExpiry {
    /// What Linux does where nothing is said.
    pub const LINUX: Self = Self { unreplied: Duration::from_secs(30), stream: Duration::from_secs(120) };

    /// The same for both.
    pub const fn after(span: Duration) -> Self {
        Self { unreplied: span, stream: span }
    }
}

/// A NAT box with a LAN (IPv4 only) behind it.
#[derive(Debug)]
pub struct Nat {
    ground: Arc<Ground>,
    namespace: Arc<Namespace>,
    link: Link,
    lan: Segment,
    /// Behind a lock because a lab is shared by the threads of a test.
    rules: Mutex<Rules>,
}

/// Which addresses a LAN behind a NAT has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Customers {
    /// Hosts: private ones (RFC 1918).
    Hosts,
    /// Mostly other boxes: those shared between a provider and its customers (RFC 6598).
    Boxes,
}

impl Nat {
    pub(super) fn create(
        ground: &Arc<Ground>,
        uplink: &Segment,
        kind: NatKind,
        customers: Customers,
        name: &str,
    ) -> Result<Self> {
        let ipv4 = lan_prefix(kind, customers, ground.next_lan()?);
        let plan = AddressPlan { ipv4, ipv6: None, way_out: WayOut::Router };
        let namespace = ground.namespace(name, Forwarding::On)?;
        let rules = Rules::of(kind, plan.ipv4(ROUTER));
        // The rules come first: a packet that passed before them would leave a mapping behind.
        namespace.nft(&rules.ruleset())?;
        let lan = Segment::new(ground, Arc::clone(&namespace), LAN, plan)?;
        let link = Link::plug(Arc::clone(&namespace), WAN, uplink)?;
        if kind == NatKind::Public {
            uplink.namespace().ip(&format!("route add {}/24 via {}\n", plan.ipv4(0), link.ipv4()))?;
        }
        Ok(Self { ground: Arc::clone(ground), namespace, link, lan, rules: Mutex::new(rules) })
    }

    /// Creates a host on the LAN.
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, the LAN is full, or `ip` refuses.
    pub fn host(&self, name: &str) -> Result<Host> {
        self.lan.host(name)
    }

    /// Creates a box on the LAN of this one: what goes out of it is translated twice, as behind a
    /// provider's carrier-grade NAT (RFC 6888).
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, addresses have run out, or `ip` or `nft` refuse.
    pub fn nat(&self, kind: NatKind, name: &str) -> Result<Self> {
        Self::create(&self.ground, &self.lan, kind, Customers::Hosts, name)
    }

    /// The LAN behind the box.
    pub fn lan(&self) -> &Segment {
        &self.lan
    }

    /// The cable on the public side. Behind a box of [`NatKind::Public`] the way leads to its first
    /// address: leave that one where it is.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The address on the public side. The outside sees it in place of its hosts' own, unless the
    /// box is [`NatKind::Public`].
    pub fn public_ipv4(&self) -> Ipv4Addr {
        self.link.ipv4()
    }

    /// The address that stands for a host of the LAN on the box's public side.
    pub fn outside_ipv4(&self, host: &Host) -> Ipv4Addr {
        match self.rules().kind {
            NatKind::Public => host.ipv4(),
            NatKind::FullCone | NatKind::Home | NatKind::Symmetric | NatKind::UdpBlocked => self.public_ipv4(),
        }
    }

    /// Swallows all UDP through the box, both ways and whatever mappings there are, as some offices
    /// do; other protocols pass. Hosts on the LAN still reach each other.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn block_udp(&self) -> Result<()> {
        self.change(|rules| rules.udp = Udp::Blocked)
    }

    /// Lets UDP pass again.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn unblock_udp(&self) -> Result<()> {
        self.change(|rules| rules.udp = Udp::Passes)
    }

    /// Switches hairpins of UDP; they are off at first. It makes no difference without endpoint-independent
    /// mapping: a symmetric box has no mapping through which its own address could come in.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn set_hairpin(&self, hairpin: Hairpin) -> Result<()> {
        self.change(|rules| rules.hairpin = hairpin)
    }

    /// Sets how long idle mappings live; one that exists keeps its end until it is used again.
    ///
    /// # Errors
    ///
    /// When a span is not of whole seconds, one at least, or the system refuses.
    pub fn set_udp_expiry(&self, expiry: UdpExpiry) -> Result<()> {
        let settings =
            [("nf_conntrack_udp_timeout", expiry.unreplied), ("nf_conntrack_udp_timeout_stream", expiry.stream)];
        for (name, span) in settings {
            ensure!(
                span.as_secs() > 0 && span.subsec_nanos() == 0,
                "a mapping lives for whole seconds, one at least, not {span:?}"
            );
            self.namespace.set_kernel_parameter(&format!("netfilter/{name}"), &span.as_secs().to_string())?;
        }
        self.change(|rules| rules.expiry = expiry)
    }

    /// Lets the box forward ports to hosts that ask for them.
    ///
    /// # Errors
    ///
    /// When the box is of [`NatKind::Public`], `miniupnpd` (of Debian's `miniupnpd-nftables`) does not start, or `ip` or
    /// `nft` refuse.
    pub fn forward_ports(&self, protocol: MappingProtocol) -> Result<PortMappings> {
        ensure!(self.rules().kind != NatKind::Public, "behind this box there is nothing to forward to");
        PortMappings::start(&self.ground, &self.namespace, &self.link, protocol)
    }

    /// How many UDP flows the box remembers.
    ///
    /// # Errors
    ///
    /// When the kernel does not show them (`CONFIG_NF_CONNTRACK_PROCFS`).
    pub fn udp_flows(&self) -> Result<usize> {
        const FLOWS: &str = "/proc/thread-self/net/nf_conntrack";
        let flows = self.namespace.enter(|| fs::read_to_string(FLOWS))?;
        let flows = flows.with_context(|| format!("reading {FLOWS}"))?;
        Ok(flows.lines().filter(|flow| flow.split_whitespace().any(|word| word == "udp")).count())
    }

    fn change(&self, change: impl FnOnce(&mut Rules)) -> Result<()> {
        let mut rules = self.rules();
        change(&mut rules);
        self.namespace.nft(&rules.settings())
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The /24 of the `number`-th LAN.
const fn lan_prefix(kind: NatKind, customers: Customers, number: u8) -> [u8; 3] {
    match kind {
        NatKind::Public => [198, 18, number],
        NatKind::FullCone | NatKind::Home | NatKind::Symmetric | NatKind::UdpBlocked => match customers {
            Customers::Hosts => [192, 168, number],
            Customers::Boxes => [100, 64, number],
        },
    }
}
