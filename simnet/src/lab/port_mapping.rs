//! A box's own daemon that forwards ports when hosts ask for them: `miniupnpd`, as home routers run it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::ground::Ground;
use super::namespace::Namespace;
use super::nat::{LAN, WAN};
use super::{Link, Process, process, programs, wait_until};

/// Far longer than the daemon takes to start, or `nft` to answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// The table that belongs to the daemon, and its chains.
const TABLE: &str = "mappings";
const CHAINS: &str = "table inet mappings {
  chain forwarded {
  }
  chain destinations {
  }
  chain sources {
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump destinations
  }
}
";

/// How hosts on a LAN may ask for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MappingProtocol {
    /// RFC 6887.
    Pcp,
    /// RFC 6886: the box is older than PCP, and says nothing to it.
    NatPmp,
    /// UPnP Internet Gateway Device.
    Upnp,
}

/// A port that the box passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedPort {
    /// The port of the box.
    pub external: u16,
    /// The socket behind it.
    pub to: SocketAddrV4,
}

/// The daemon of one box; it ends when dropped, and what it forwards stays.
#[derive(Debug)]
pub struct PortMappings {
    ground: Arc<Ground>,
    namespace: Arc<Namespace>,
    external: Ipv4Addr,
    _process: Process,
}

impl PortMappings {
    pub(super) fn start(
        ground: &Arc<Ground>,
        namespace: &Arc<Namespace>,
        link: &Link,
        protocol: MappingProtocol,
    ) -> Result<Self> {
        let external = second_address(namespace, link)?;
        namespace.nft(&rules(protocol))?;
        let config = ground.fresh_path("miniupnpd", "conf");
        fs::write(&config, configuration(protocol, external))?;
        let mut command = programs::command("ip");
        command.args(["netns", "exec", namespace.name(), "miniupnpd", "-d", "-f"]).arg(&config);
        command.arg("-P").arg(ground.fresh_path("miniupnpd", "pid"));
        let mut process = Process::spawn(ground, &format!("{}-miniupnpd", namespace.name()), &mut command)?;
        wait_until(DEADLINE, "miniupnpd to listen", || listens(&mut process, protocol).transpose())
            .with_context(|| process.stderr())??;
        Ok(Self { ground: Arc::clone(ground), namespace: Arc::clone(namespace), external, _process: process })
    }

    /// The address at which ports are forwarded: another than what its hosts' packets come from, as
    /// `miniupnpd` takes the documentation ranges for none of the internet.
    pub fn external_ipv4(&self) -> Ipv4Addr {
        self.external
    }

    /// What is forwarded now.
    ///
    /// # Errors
    ///
    /// When `nft` does not say.
    pub fn forwarded(&self) -> Result<Vec<ForwardedPort>> {
        let mut command = programs::command("ip");
        command.args(["netns", "exec", self.namespace.name(), "nft", "list", "chain", "inet", TABLE, "destinations"]);
        let Output { status, stdout, stderr } = process::run(&self.ground, "mappings", &mut command, DEADLINE)?;
        ensure!(status.success(), "nft does not list what is forwarded: {}", String::from_utf8_lossy(&stderr));
        Ok(String::from_utf8_lossy(&stdout).lines().filter_map(parse_forwarded).collect())
    }
}

/// Gives the box an address of 192.0.1.0/24, which is nobody's, beside its own.
fn second_address(namespace: &Namespace, link: &Link) -> Result<Ipv4Addr> {
    let external = Ipv4Addr::new(192, 0, 1, link.ipv4().octets()[3]);
    namespace.ip(&format!("address add {external}/32 dev {WAN}\n"))?;
    link.segment().namespace().ip(&format!("route add {external}/32 via {}\n", link.ipv4()))?;
    Ok(external)
}

/// Lets in what is forwarded, and questions of the LAN.
fn rules(protocol: MappingProtocol) -> String {
    let deaf = match protocol {
        MappingProtocol::NatPmp => {
            format!("insert rule ip nat input iifname \"{LAN}\" udp dport 5351 @th,64,8 2 drop\n")
        }
        MappingProtocol::Pcp | MappingProtocol::Upnp => String::new(),
    };
    format!(
        "{CHAINS}insert rule ip nat forward ct status dnat accept\n\
         insert rule ip nat input iifname \"{LAN}\" ip daddr 239.255.255.250 accept\n{deaf}"
    )
}

fn configuration(protocol: MappingProtocol, external: Ipv4Addr) -> String {
    let (datagrams, upnp) = match protocol {
        MappingProtocol::Pcp | MappingProtocol::NatPmp => ("yes", "no"),
        MappingProtocol::Upnp => ("no", "yes"),
    };
    format!(
        "ext_ifname={WAN}
ext_ip={external}
listening_ip={LAN}
enable_natpmp={datagrams}
enable_upnp={upnp}
secure_mode=yes
upnp_table_name={TABLE}
upnp_nat_table_name={TABLE}
upnp_forward_chain=forwarded
upnp_nat_chain=destinations
upnp_nat_postrouting_chain=sources
uuid=00000000-0000-0000-0000-000000000001
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
"
    )
}

/// `Some(Ok)` once it takes questions, `Some(Err)` once it never will.
fn listens(process: &mut Process, protocol: MappingProtocol) -> Result<Option<()>> {
    let word = match protocol {
        MappingProtocol::Pcp | MappingProtocol::NatPmp => "Listening for NAT-PMP/PCP traffic",
        MappingProtocol::Upnp => "HTTP listening on port",
    };
    let ended = process.ended()?;
    ensure!(ended.is_none(), "miniupnpd ended: {}", process.stderr());
    Ok(process.stderr().contains(word).then_some(()))
}

/// A line such as `iif "wan" @nh,72,8 0x11 th dport 42042 dnat ip to 192.168.10.2:42042`.
fn parse_forwarded(line: &str) -> Option<ForwardedPort> {
    let (matched, to) = line.split_once(" dnat ip to ")?;
    let (_, external) = matched.split_once("dport ")?;
    Some(ForwardedPort { external: external.trim().parse().ok()?, to: to.trim().parse().ok()? })
}
