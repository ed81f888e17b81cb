//! One network namespace, known to `ip netns` by its name.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

use super::{programs, syscalls};

/// Where `ip netns` keeps namespaces.
pub(super) const NAMESPACES: &str = "/run/netns";

/// Where `ip netns exec` looks for a namespace's private files of /etc.
pub(super) const PRIVATE_ETC: &str = "/etc/netns";

/// The kernel's parameters of the network that one is in.
const PARAMETERS: &str = "/proc/sys/net";

/// Whether a namespace passes packets on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Forwarding {
    On,
    Off,
}

/// A network namespace. Deleting it is the business of the lab that owns it.
#[derive(Debug)]
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    /// Creates the namespace with loopback up and addresses usable at once.
    pub(super) fn create(name: String, forwarding: Forwarding) -> Result<Self> {
        let namespace = Self { name };
        programs::feed("ip", &["netns", "add", &namespace.name], "")?;
        namespace.enter(|| set_kernel_parameters(forwarding))??;
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The directory of its private /etc files.
    pub(super) fn private_etc(&self) -> PathBuf {
        Path::new(PRIVATE_ETC).join(&self.name)
    }

    /// Runs lines of `ip` inside.
    pub(super) fn ip(&self, lines: &str) -> Result<()> {
        self.enter(|| programs::feed("ip", &["-batch", "-"], lines))?
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Whether a device inside is the port of a bridge, and passes on what it gets.
    pub(super) fn is_forwarding_port(&self, device: &str) -> Result<bool> {
        let shown =
            self.enter(|| programs::command("ip").args(["-details", "link", "show", "dev", device]).output())??;
        Ok(String::from_utf8_lossy(&shown.stdout).contains("bridge_slave state forwarding"))
    }

    /// Applies an nftables ruleset inside, as one transaction.
    pub(super) fn nft(&self, ruleset: &str) -> Result<()> {
        self.enter(|| programs::feed("nft", &["-f", "-"], ruleset))?
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Runs one line of `tc` inside.
    pub(super) fn tc(&self, line: &str) -> Result<()> {
        self.enter(|| programs::feed("tc", &["-batch", "-"], line))?
            .with_context(|| format!("in namespace {}", self.name))
    }

    /// Sets one of the kernel's parameters of the network, like `ipv4/ip_forward`, inside.
    pub(super) fn set_kernel_parameter(&self, parameter: &str, value: &str) -> Result<()> {
        self.enter(|| write_kernel_parameter(parameter, value))?
    }

    /// Runs `work` on a fresh thread inside; a panic in it goes on in the caller.
    ///
    /// Threads and processes that `work` starts are inside too, and so are its sockets, wherever
    /// they are used afterwards.
    pub(super) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = Path::new(NAMESPACES).join(&self.name);
        let handle = File::open(&path).with_context(|| format!("opening {}", path.display()))?;
        let inside = || {
            syscalls::enter_network_namespace(handle.as_fd())
                .with_context(|| format!("entering namespace {}", self.name))?;
            Ok(work())
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name(format!("in {}", self.name)).spawn_scoped(scope, inside)?;
            thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
        })
    }
}

/// Whether bridges show what they carry to the rules of IPv4.
const BRIDGES_ASK_RULES: &str = "bridge/bridge-nf-call-iptables";

/// Sets what must not be inherited from the machine: some of these start as copies of its values.
fn set_kernel_parameters(forwarding: Forwarding) -> Result<()> {
    let forward = match forwarding {
        Forwarding::On => "1",
        Forwarding::Off => "0",
    };
    let parameters = [
        ("ipv4/ip_forward", forward),
        ("ipv6/conf/all/forwarding", forward),
        // A redirect would make a host go past the router, and so past its rules.
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv6/conf/all/disable_ipv6", "0"),
        ("ipv6/conf/default/disable_ipv6", "0"),
        // Without it a link-local address stays unusable for a second.
        ("ipv6/conf/all/accept_dad", "0"),
        ("ipv6/conf/default/accept_dad", "0"),
    ];
    for (parameter, value) in parameters {
        write_kernel_parameter(parameter, value)?;
    }
    // A router's rules are not for what its switch carries. Kernels without the parameter agree.
    if Path::new(PARAMETERS).join(BRIDGES_ASK_RULES).exists() {
        write_kernel_parameter(BRIDGES_ASK_RULES, "0")?;
    }
    Ok(())
}

fn write_kernel_parameter(parameter: &str, value: &str) -> Result<()> {
    let path = Path::new(PARAMETERS).join(parameter);
    fs::write(&path, value).with_context(|| format!("writing {}", path.display()))
}
