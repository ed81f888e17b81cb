//! What a NAT box does to packets, as an nftables ruleset.

use std::net::Ipv4Addr;

use super::nat::{Hairpin, LAN, NatKind, UdpExpiry, WAN};

/// The rules of one box: its kind for good, and settings that change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) kind: NatKind,
    pub(super) hairpin: Hairpin,
    pub(super) expiry: UdpExpiry,
    pub(super) udp: Udp,
    /// The box's own address on its LAN.
    router: Ipv4Addr,
}

/// Whether UDP gets through the box's firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Udp {
    Passes,
    Blocked,
}

/// How the box translates what goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Translation {
    None,
    /// Keeps mappings of its own, one for all destinations, and lets everybody use them.
    Cone,
    /// Keeps ports, which is one mapping for all destinations as long as no two hosts use one port.
    PortPreserving,
    /// Takes a random port for each flow.
    Random,
}

impl Rules {
    /// A fresh box's.
    pub(super) const fn of(kind: NatKind, router: Ipv4Addr) -> Self {
        let udp = match kind {
            NatKind::Public | NatKind::FullCone | NatKind::Home | NatKind::Symmetric => Udp::Passes,
            NatKind::UdpBlocked => Udp::Blocked,
        };
        Self { kind, hairpin: Hairpin::Off, expiry: UdpExpiry::LINUX, udp, router }
    }

    /// Everything, for a namespace without rules.
    pub(super) fn ruleset(&self) -> String {
        let translation = match self.translation() {
            Translation::None => String::new(),
            Translation::Cone => {
                let inward = format!("iifname \"{WAN}\" dnat ip to udp dport map @owners");
                let outward = format!("{}\n    {}", cone_outward(), hairpin_outward());
                format!("{MAPS}{}", translating(self.router, &inward, &outward, "ct status dnat accept"))
            }
            Translation::PortPreserving => {
                let outward = format!("oifname \"{WAN}\" masquerade\n    {}", hairpin_outward());
                format!("{MAPS}{}", translating(self.router, "", &outward, ""))
            }
            Translation::Random => {
                let outward = format!("oifname \"{WAN}\" masquerade random,fully-random");
                translating(self.router, "", &outward, "")
            }
        };
        format!("table ip nat {{\n  {SETTINGS_CHAINS}  {translation}}}\n{}", self.settings())
    }

    /// The part that depends on settings, in place of what was there.
    pub(super) fn settings(&self) -> String {
        let Self { udp, router, .. } = self;
        let mut lines = String::from("flush chain ip nat firewall\nflush chain ip nat learn\n");
        lines += "flush chain ip nat hairpin_inward\nflush chain ip nat hairpin_forward\n";
        match udp {
            Udp::Passes => {}
            // The router goes on refusing: a resolver that asks it fails at once.
            Udp::Blocked => {
                lines += &format!("add rule ip nat firewall iifname \"{LAN}\" ip daddr {router} accept\n");
                lines += "add rule ip nat firewall meta l4proto udp drop\n";
            }
        }
        match self.translation() {
            Translation::None | Translation::Random => {}
            Translation::Cone | Translation::PortPreserving => lines += &self.mapping_rules(),
        }
        lines
    }

    const fn translation(&self) -> Translation {
        match self.kind {
            NatKind::Public => Translation::None,
            NatKind::FullCone => Translation::Cone,
            NatKind::Home | NatKind::UdpBlocked => Translation::PortPreserving,
            NatKind::Symmetric => Translation::Random,
        }
    }

    /// Keeps the book of mappings, and bends hairpins by it.
    fn mapping_rules(&self) -> String {
        let seconds = self.expiry.stream.as_secs();
        let mut lines = String::new();
        // Behind source translation, a datagram has its external port and conntrack knows the inner one.
        for (direction, status) in [("original", "snat"), ("reply", "dnat")] {
            let inside = format!("ct {direction} ip saddr . ct {direction} proto-src");
            let when = format!("add rule ip nat learn meta l4proto udp ct direction {direction} ct status {status}");
            lines += &format!("{when} update @mappings {{ {inside} timeout {seconds}s : udp sport }}\n");
            lines += &format!("{when} update @owners {{ udp sport timeout {seconds}s : {inside} }}\n");
            lines += &format!("{when} update @owned {{ udp sport timeout {seconds}s }}\n");
        }
        match self.hairpin {
            Hairpin::Off => lines += "add rule ip nat hairpin_forward drop\n",
            Hairpin::On => lines += &self.hairpin_rules(seconds),
        }
        lines
    }

    /// A datagram to the box itself goes to whom the port belongs, if that one has sent to where it comes from.
    fn hairpin_rules(&self, seconds: u64) -> String {
        let router = self.router;
        let inward = format!(
            "add rule ip nat hairpin_inward meta l4proto udp fib daddr type local ip daddr != {router} \
             ct mark set {HAIRPIN} dnat ip to udp dport map @owners\n"
        );
        let looped = format!("add rule ip nat learn meta l4proto udp ct mark {HAIRPIN} ct direction original");
        let sender = "ct original ip saddr . ct original proto-src . ct original proto-dst";
        let owner = "ct reply ip saddr . ct reply proto-src . udp sport";
        match self.translation() {
            Translation::PortPreserving => format!(
                "{inward}{looped} update @sent {{ {sender} timeout {seconds}s }}\n\
                 {looped} ct state new {owner} != @sent drop\n"
            ),
            Translation::None | Translation::Cone | Translation::Random => inward,
        }
    }
}

/// Chains whose rules are settings.
const SETTINGS_CHAINS: &str = "chain firewall {
    type filter hook prerouting priority raw; policy accept;
  }
  chain learn {
    type filter hook postrouting priority srcnat + 1; policy accept;
  }
  chain hairpin_inward {
  }
  chain hairpin_forward {
  }
";

/// Which external port a socket inside has, whose an external port is, that it is somebody's, and
/// who has sent to which external port of the box. Each lives as long as a stream, and is renewed
/// by what goes out (RFC 4787 §4.3, REQ-6).
const MAPS: &str = "map mappings {
    type ipv4_addr . inet_service : inet_service
    size 65535
    flags dynamic,timeout
  }
  map owners {
    type inet_service : ipv4_addr . inet_service
    size 65535
    flags dynamic,timeout
  }
  set owned {
    type inet_service
    size 65535
    flags dynamic,timeout
  }
  set sent {
    type ipv4_addr . inet_service . inet_service
    size 65535
    flags dynamic,timeout
  }
";

/// The mark of flows that return to the LAN: behind routing, a packet no longer says where it came from.
const HAIRPIN: u32 = 1;

/// What is left when a host's own port is another's; the system's ports are not (RFC 4787 §4.2.2).
const ANY_PORT: &str = "1024-65535";

/// The rules of a box that translates: what is done to destinations on the way in, to sources on the way out.
///
/// Dropping new flows in `input` is what real routers do, and it matters: an early inbound probe
/// that is accepted there gets confirmed in conntrack and takes the mapping's place, so that the
/// later outbound packet is remapped to another port. Refusing what the LAN sends to the public side
/// (hairpins that are off) keeps it out of conntrack just so, until they are switched on.
fn translating(router: Ipv4Addr, inward: &str, outward: &str, forward: &str) -> String {
    format!(
        "chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    {inward}
    iifname \"{LAN}\" jump hairpin_inward
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    {outward}
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname \"{WAN}\" ct state new drop
    iifname \"{LAN}\" ip daddr != {router} meta l4proto udp reject
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname \"{LAN}\" oifname \"{LAN}\" jump hairpin_forward
    {forward}
    iifname \"{WAN}\" ct state != {{ established, related }} drop
  }}
"
    )
}

/// The port of the mapping if there is one, else the host's own if it is free, else any.
fn cone_outward() -> String {
    format!(
        "oifname \"{WAN}\" meta l4proto udp masquerade to :ip saddr . udp sport map @mappings
    oifname \"{WAN}\" udp sport @owned masquerade to :{ANY_PORT} random
    oifname \"{WAN}\" masquerade"
    )
}

/// What returns to the LAN comes from the box's address that it was sent to, and from the sender's external port.
fn hairpin_outward() -> String {
    let looped = format!("oifname \"{LAN}\" ct mark {HAIRPIN} meta l4proto udp");
    let translate = "snat ip to ct original ip daddr";
    format!(
        "{looped} {translate} : ip saddr . udp sport map @mappings
    {looped} udp sport @owned {translate} : {ANY_PORT} random
    {looped} {translate}"
    )
}
