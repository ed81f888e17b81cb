//! Laboratories of Linux network namespaces for the real binary: hosts, NAT boxes and an internet
//! between them, on one machine.
//!
//! A [`Lab`] owns a set of namespaces with a name of their own, so that many labs live side by side
//! (one per test). It starts as an empty internet: a bridge, with the documentation ranges
//! 198.51.100.0/24 and 2001:db8::/64 behind it. Hosts and NAT boxes are plugged into it by veth
//! pairs; a [`Nat`] has a LAN of its own behind it, maps and filters as its [`NatKind`] says, and may
//! stand behind another. Every cable is a [`Link`] that can lose packets,
//! swallow UDP, be pulled or move to another address. When the lab is dropped, by success or by
//! panic, its processes are killed and its namespaces deleted; what a killed run left behind is
//! removed by the next [`Lab::sweep`].
//!
//! Programs run in a host with [`Host::spawn`] and [`Host::run`]; plain sockets of the test itself
//! are opened there with [`Host::in_namespace`]; the product's daemon has the wrapper [`Daemon`].
//! Nothing here sleeps and hopes: [`wait_until`] waits for a condition, up to a deadline.
//!
//! # Needs
//!
//! `ip` and `nft` (`tc` for [`Link::limit_rate`], `miniupnpd` for [`Nat::forward_ports`]), and root; [`enter_user_namespace`] makes an
//! ordinary user root enough.
//!
//! # Does not know
//!
//! None of the product's crates: the daemon is a program with a command line, seen from outside.
//! It does not delay, reorder or corrupt packets: not every kernel can, and the deterministic world
//! does it better.

mod daemon;
mod ground;
mod host;
mod leftovers;
mod link;
mod namespace;
mod nat;
mod nat_rules;
mod port_mapping;
mod process;
mod programs;
mod segment;
mod syscalls;
pub mod tools;
mod topology;
mod user_namespace;
mod wait;

pub use daemon::Daemon;
pub use host::Host;
pub use link::{Family, Link};
pub use nat::{Hairpin, Nat, NatKind, UdpExpiry};
pub use port_mapping::{ForwardedPort, MappingProtocol, PortMappings};
pub use process::{Process, signal};
pub use segment::Segment;
pub use topology::Lab;
pub use user_namespace::{enter_user_namespace, in_mount_namespace, open_tun};
pub use wait::wait_until;
