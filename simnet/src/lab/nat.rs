//! NAT boxes: a router namespace with a public side and a LAN behind it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;

use super::ground::Ground;
use super::namespace::Forwarding;
use super::segment::{AddressPlan, Segment, WayOut};
use super::{Host, Link};

/// The public side of the box.
const WAN: &str = "wan";

/// The LAN side, a bridge.
const LAN: &str = "lan";

/// How a NAT maps and filters UDP, in the words of RFC 4787.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NatKind {
    /// Endpoint-independent mapping and filtering: once a host has sent from a port, anybody may
    /// send to it. Each port belongs to the first host that used it.
    FullCone,
    /// Endpoint-independent mapping that keeps the port, address and port dependent filtering, and
    /// no answer to strangers: the usual home router.
    Home,
    /// A random port for each destination, address and port dependent filtering.
    Symmetric,
}

/// A NAT box with a LAN (IPv4 only) behind it.
#[derive(Debug)]
pub struct Nat {
    link: Link,
    lan: Segment,
}

impl Nat {
    pub(super) fn create(ground: &Arc<Ground>, internet: &Segment, kind: NatKind, name: &str) -> Result<Self> {
        let plan = AddressPlan { ipv4: [192, 168, ground.next_lan()?], ipv6: None, way_out: WayOut::Router };
        let namespace = ground.namespace(name, Forwarding::On)?;
        // The rules come first: a packet that passed before them would leave a mapping behind.
        namespace.nft(&ruleset(kind))?;
        let lan = Segment::new(ground, Arc::clone(&namespace), LAN, plan)?;
        let link = Link::plug(namespace, WAN, internet)?;
        Ok(Self { link, lan })
    }

    /// Creates a host on the LAN.
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, the LAN is full, or `ip` refuses.
    pub fn host(&self, name: &str) -> Result<Host> {
        self.lan.host(name)
    }

    /// The LAN behind the box.
    pub fn lan(&self) -> &Segment {
        &self.lan
    }

    /// The cable on the public side.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The address that the outside sees.
    pub fn public_ipv4(&self) -> Ipv4Addr {
        self.link.ipv4()
    }

    /// Swallows all UDP on the public side, as some offices do.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn block_udp(&self) -> Result<()> {
        self.link.block_udp()
    }

    /// Lets UDP pass again.
    ///
    /// # Errors
    ///
    /// When `nft` refuses.
    pub fn unblock_udp(&self) -> Result<()> {
        self.link.unblock_udp()
    }
}

/// The box's rules.
///
/// Dropping new flows in `input` is what real routers do, and it matters: an early inbound probe
/// that is accepted there gets confirmed in conntrack and takes the mapping's place, so that the
/// later outbound packet is remapped to another port.
fn ruleset(kind: NatKind) -> String {
    let (masquerade, cone, forward) = match kind {
        NatKind::FullCone => ("masquerade", full_cone(), "ct status dnat accept"),
        NatKind::Home => ("masquerade", String::new(), ""),
        NatKind::Symmetric => ("masquerade random,fully-random", String::new(), ""),
    };
    format!(
        "table ip nat {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname \"{WAN}\" {masquerade}
  }}
  {cone}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname \"{WAN}\" ct state new drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    {forward}
    iifname \"{WAN}\" ct state != {{ established, related }} drop
  }}
}}
"
    )
}

/// Learns which host sent from which port (masquerading keeps ports) and lets everybody in there.
fn full_cone() -> String {
    format!(
        "map senders {{
    type inet_service : ipv4_addr
    size 65535
    flags dynamic
  }}
  chain learn {{
    type filter hook forward priority filter - 1; policy accept;
    oifname \"{WAN}\" meta l4proto udp add @senders {{ udp sport : ip saddr }}
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname \"{WAN}\" meta l4proto udp dnat to udp dport map @senders
  }}"
    )
}
