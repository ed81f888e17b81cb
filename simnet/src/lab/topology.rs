//! The lab itself: an internet, and the verbs that put things into it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ground::Ground;
use super::namespace::Forwarding;
use super::nat::Customers;
use super::segment::{AddressPlan, Segment, WayOut};
use super::{Host, Nat, NatKind, leftovers, programs, syscalls, wait_until};

/// The public part of a lab: documentation ranges of RFC 5737 and RFC 3849.
const PUBLIC: AddressPlan =
    AddressPlan { ipv4: [198, 51, 100], ipv6: Some([0x2001, 0xdb8, 0, 0]), way_out: WayOut::Router };

/// The bridge of a segment that is nothing but a bridge.
const BRIDGE: &str = "bridge";

/// A set of network namespaces that live as long as this value.
#[derive(Debug)]
pub struct Lab {
    ground: Arc<Ground>,
    internet: Segment,
}

impl Lab {
    /// Creates a lab with an empty internet. `name_hint` becomes part of the namespaces' names,
    /// `hw-<pid>-<number>-<hint>-<host>`, for whoever looks at `ip netns`.
    ///
    /// # Errors
    ///
    /// When the caller is not root, a needed program is not installed (the error names the
    /// packages), or the system refuses a namespace.
    pub fn new(name_hint: &str) -> Result<Self> {
        check_requirements()?;
        leftovers::sweep()?;
        let ground = Ground::new(name_hint)?;
        match build_internet(&ground) {
            Ok(internet) => Ok(Self { ground, internet }),
            Err(error) => {
                let _ = ground.take_down();
                Err(error)
            }
        }
    }

    /// Removes the namespaces, processes and files of labs whose owner is gone; [`Lab::new`] does
    /// this too.
    ///
    /// # Errors
    ///
    /// When something could not be removed.
    pub fn sweep() -> Result<()> {
        leftovers::sweep()
    }

    /// The public part.
    pub fn internet(&self) -> &Segment {
        &self.internet
    }

    /// Creates a host with public addresses, IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, the segment is full, or `ip` refuses.
    pub fn public_host(&self, name: &str) -> Result<Host> {
        self.internet.host(name)
    }

    /// Creates a NAT box on the internet with a LAN of its own.
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, addresses have run out, or `ip` or `nft` refuse.
    pub fn nat(&self, kind: NatKind, name: &str) -> Result<Nat> {
        Nat::create(&self.ground, &self.internet, kind, Customers::Hosts, name)
    }

    /// Creates a provider's NAT box on the internet, for other boxes behind it ([`Nat::nat`]).
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, addresses have run out, or `ip` or `nft` refuse.
    pub fn carrier_nat(&self, kind: NatKind, name: &str) -> Result<Nat> {
        Nat::create(&self.ground, &self.internet, kind, Customers::Boxes, name)
    }

    /// Creates a LAN of hosts with private IPv4 addresses and no way out.
    ///
    /// # Errors
    ///
    /// When the name is taken or no name, addresses have run out, or `ip` refuses.
    pub fn switch(&self, name: &str) -> Result<Segment> {
        let plan = AddressPlan { ipv4: [192, 168, self.ground.next_lan()?], ipv6: None, way_out: WayOut::None };
        let namespace = self.ground.namespace(name, Forwarding::Off)?;
        Segment::new(&self.ground, namespace, BRIDGE, plan)
    }

    /// The lab's own directory (0700): logs, and whatever a test wants to keep there. It goes with
    /// the lab.
    pub fn directory(&self) -> &Path {
        self.ground.directory()
    }

    /// Like [`wait_until`], and the error ends with the tails of all logs.
    ///
    /// # Errors
    ///
    /// When `deadline` has passed.
    pub fn wait_until<T>(&self, deadline: Duration, what: &str, condition: impl FnMut() -> Option<T>) -> Result<T> {
        wait_until(deadline, what, condition).with_context(|| self.log_tails())
    }

    /// The ends of the logs of all processes so far, for error messages.
    pub fn log_tails(&self) -> String {
        self.ground.log_tails()
    }

    /// Takes everything down, as dropping does, and says whether it worked.
    ///
    /// # Errors
    ///
    /// When something could not be removed.
    pub fn close(self) -> Result<()> {
        self.ground.take_down()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Nobody is left to tell; the next sweep tries again once this process is gone.
        let _ = self.ground.take_down();
    }
}

fn check_requirements() -> Result<()> {
    programs::require()?;
    let (user, _) = syscalls::effective_ids();
    ensure!(user == 0, "network namespaces need root, or lab::enter_user_namespace first");
    // A private file of a namespace is mounted over the machine's; over nothing, it cannot be.
    ensure!(
        Path::new("/etc/resolv.conf").exists(),
        "the lab needs a file /etc/resolv.conf (an empty one will do: touch /etc/resolv.conf)"
    );
    Ok(())
}

fn build_internet(ground: &Arc<Ground>) -> Result<Segment> {
    // It forwards so that an unreachable address is answered by the router, not met with silence.
    let namespace = ground.namespace("internet", Forwarding::On)?;
    Segment::new(ground, namespace, BRIDGE, PUBLIC)
}
