use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use holloway_config::{Cipher, Lanes, ListenSettings, Mtu, Settings};
use holloway_control as control;
use holloway_dashboard::api::{ApiError, ErrorCode};
use holloway_mesh::{CipherChoice, ControlEvent, Identity, Node, Stored};
use holloway_wire::{Bootstrap, Contact, ControlAddr, IdentityKey, Label, NetworkId, NodeId, OverlayAddr, Rights};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::engine::{Engine, Input};
use super::network::{InterfaceMtu, Network, Parts};
use crate::lane::{self, LaneEvent, UdpSockets};
use crate::random::OsRandom;
use crate::routes::overlaps;
use crate::store::{Chosen, NetworkKey};
use crate::tun::{self, Tun};

/// Inner MTU where the configuration says `auto` (ARCHITECTURE §5: a full packet fits through an IPv6 relay on a
/// 1500-byte underlay).
const MTU: u16 = 1408;

/// Lanes of one network where their number is left to the program (dataplane.md §8).
const LANES_MAX: usize = 8;

/// How long a port of the data path may be taken: the system gives it to anyone who asks for any, until that one is done
/// (it is among the 28,232 that Linux gives). Whoever starts a daemon learns of one that stays taken within two seconds.
const PORT_PATIENCE: Duration = Duration::from_secs(1);
const PORT_RETRY: Duration = Duration::from_millis(20);

/// Events of one lane that wait for the core: about a handshake's worth for every peer of a busy machine.
const LANE_EVENTS_MAX: usize = 2048;

/// A network that is about to run.
pub(crate) struct Joining {
    pub(crate) key: NetworkKey,
    pub(crate) label: Label,
    pub(crate) position: usize,
    pub(crate) identity: Identity,
    /// Ports that it had before, where the configuration leaves them open.
    pub(crate) ports: Ports,
    /// Where members were found before.
    pub(crate) hints: Vec<(NodeId, Vec<Bootstrap>)>,
    /// Members that the issuer named.
    pub(crate) contacts: Vec<Contact>,
    /// What runs of it already.
    pub(crate) begun: Option<Begun>,
    /// How much of it shall run.
    pub(crate) extent: Extent,
    /// How long its control ports may be held by a network that was left just now.
    pub(crate) listen_patience: Duration,
}

/// How much of a network runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything.
    Whole,
    /// What a single command needs: no interface, no listening, any port.
    Bare,
}

/// The ports of one network; 0 is any free one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    pub(crate) data: u16,
    pub(crate) control_tcp: u16,
    pub(crate) control_quic: u16,
}

/// A control plane that is running, with what it has reported so far.
pub(crate) struct RunningControl {
    pub(crate) handle: control::Handle,
    pub(crate) events: mpsc::Receiver<control::Event>,
    pub(crate) seen: Vec<control::Event>,
}

/// What runs of a network that was joined just now.
pub(crate) struct Begun {
    /// The sockets of the data path. They come first: programs take ports of their own as they please, this one too.
    pub(crate) data: Vec<UdpSockets>,
    /// The control plane by which the invite was redeemed.
    pub(crate) control: RunningControl,
}

/// Starts every part of a network.
pub(crate) async fn open(engine: &Engine, joining: Joining) -> anyhow::Result<Network> {
    let network_settings = engine.settings.network(&joining.label, joining.position);
    let listen = with_ports(network_settings.listen, joining.ports);
    let queues = lane_count(engine.settings.dataplane.lanes, joining.extent);
    let mtu = interface_mtu(network_settings.tun.mtu);
    let node_id = joining.identity.node_id();
    let address = OverlayAddr::of_node(&joining.identity.network, &node_id);
    let wants_tun = joining.extent == Extent::Whole && network_settings.tun.enabled;
    let (tuns, interface) = if wants_tun {
        let name = network_settings.tun.name;
        refuse_overlap(&joining.identity, &name)?;
        let offload = engine.settings.dataplane.tun_offload;
        let wanted = tun::Wanted { name: &name, address, mtu: mtu.current, offload, queues };
        let tuns = tun::open(&wanted)?;
        tun::limit_segments(&name).await;
        (tuns, Some(name))
    } else {
        (Vec::new(), None)
    };
    // A lane reads and writes its own queue of the interface.
    let lanes = if tuns.is_empty() { 1 } else { tuns.len() };
    let (data, control) = joining.begun.map(|begun| (begun.data, begun.control)).unzip();
    let data = match data {
        Some(data) => data,
        None => bind_data_path(&engine.settings, &listen, joining.extent).await?,
    };
    let udp: Vec<_> = data.into_iter().take(lanes).map(Arc::new).collect();
    let (tun, first_udp) = (tuns.first().cloned(), udp[0].clone());
    let running = match control {
        Some(running) => running,
        None => {
            let Identity { key, network, .. } = &joining.identity;
            start_control(key, *network, &listen, joining.extent, joining.listen_patience)?
        }
    };
    let loaded = engine.store.load(joining.key).await?;
    if loaded.skipped > 0 {
        tracing::warn!(network = %joining.label, skipped = loaded.skipped, "stored publications cannot be read");
    }
    let relay_identity = relay_identity(&joining.identity);
    let node = new_node(engine, joining.identity, network_settings.tun.mtu, loaded.stored);
    let lanes = start_lanes(engine, joining.key, tuns, udp, address)?;
    let ports = Ports {
        data: first_udp.local_addrs().first().map_or(0, SocketAddr::port),
        control_tcp: listen.control_tcp,
        control_quic: listen.control_quic,
    };
    if joining.extent == Extent::Whole && ports != joining.ports {
        remember_ports(engine, joining.key, ports, interface.clone()).await;
    }
    let mut network = Network::new(Parts {
        key: joining.key,
        label: joining.label,
        interface,
        node,
        lanes,
        tun,
        udp: first_udp,
        control: running.handle,
        mtu,
        cipher: cipher(&engine.settings),
        ports,
    });
    if let Some(identity) = relay_identity.filter(|_| joining.extent == Extent::Whole) {
        let usage = engine.store.relay_usage(joining.key).await?;
        network.start_relay(identity, &engine.settings.relay, usage, &engine.local, engine.clock.now());
    }
    if joining.extent == Extent::Whole && listen.port_mapping {
        network.start_port_mapping(engine.inputs.clone());
    }
    feed(engine, &mut network, running.seen, running.events);
    give_hints(engine, &mut network, joining.hints).await;
    for Contact { node, control } in joining.contacts {
        let event = ControlEvent::Discovered { node, addresses: control };
        network.node.handle_control(event, engine.clock.now());
    }
    Ok(network)
}

/// Listens for the data path, once for each lane that there may be. A port that somebody has for a moment is waited for.
pub(crate) async fn bind_data_path(
    settings: &Settings,
    listen: &ListenSettings,
    extent: Extent,
) -> anyhow::Result<Vec<UdpSockets>> {
    let lanes = lane_count(settings.dataplane.lanes, extent);
    let begun = Instant::now();
    loop {
        match UdpSockets::bind(&data_addresses(listen, extent), settings.dataplane, lanes) {
            Err(error) if is_port_taken(&error) && begun.elapsed() < PORT_PATIENCE => sleep(PORT_RETRY).await,
            bound => return bound,
        }
    }
}

/// The addresses of the data path.
fn data_addresses(listen: &ListenSettings, extent: Extent) -> Vec<SocketAddr> {
    match extent {
        Extent::Whole => listen.data.clone(),
        Extent::Bare => listen.data.iter().map(|address| SocketAddr::new(address.ip(), 0)).collect(),
    }
}

/// Starts the control plane of a network.
pub(crate) fn start_control(
    key: &IdentityKey,
    network: NetworkId,
    listen: &ListenSettings,
    extent: Extent,
    patience: Duration,
) -> anyhow::Result<RunningControl> {
    let mut settings = control::Settings::new(key, network);
    if extent == Extent::Whole {
        settings.mdns = true;
        settings.listen_patience = patience;
        settings.listen =
            control::Listen { tcp: any_address(listen.control_tcp), quic: any_address(listen.control_quic) };
    }
    let (handle, events) = control::spawn(&settings).with_context(|| {
        format!("cannot listen on the control ports (TCP {}, QUIC {})", listen.control_tcp, listen.control_quic)
    })?;
    Ok(RunningControl { handle, events, seen: Vec::new() })
}

/// How long a control plane that has ended may hold its QUIC port.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(15);

/// Whether something else has a port that was asked for.
fn is_port_taken(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| match cause.downcast_ref::<std::io::Error>() {
        Some(error) => error.kind() == std::io::ErrorKind::AddrInUse,
        None => matches!(cause.downcast_ref(), Some(control::Error::Listen { held: true, .. })),
    })
}

/// A failure in the API's words.
pub(crate) fn internal(error: &anyhow::Error) -> ApiError {
    let hint = match is_port_taken(error) {
        true => "see which program has the port: ss -tulpn; or take another under [listen] in holloway.toml",
        false => "holloway doctor",
    };
    ApiError::new(ErrorCode::Internal, format!("{error:#}")).with_hint(hint)
}

/// Every address of the families that this machine has.
fn any_address(port: u16) -> Vec<SocketAddr> {
    let mut addresses = vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)];
    if Path::new("/proc/net/if_inet6").exists() {
        addresses.push(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    addresses
}

/// Puts remembered ports where the configuration asks for any, and free ones where none are remembered.
pub(crate) fn with_ports(mut listen: ListenSettings, ports: Ports) -> ListenSettings {
    for address in listen.data.iter_mut().filter(|address| address.port() == 0) {
        address.set_port(ports.data);
    }
    if listen.control_tcp == 0 {
        listen.control_tcp = if ports.control_tcp == 0 { free_tcp_port() } else { ports.control_tcp };
    }
    if listen.control_quic == 0 {
        listen.control_quic = if ports.control_quic == 0 { free_udp_port() } else { ports.control_quic };
    }
    listen
}

/// A port that is free at the moment; 0 where the system has none to give, and then listening fails with the reason.
fn free_tcp_port() -> u16 {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    std::net::TcpListener::bind(any).and_then(|socket| socket.local_addr()).map_or(0, |address| address.port())
}

/// As [`free_tcp_port`], for UDP.
fn free_udp_port() -> u16 {
    let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    UdpSocket::bind(any).and_then(|socket| socket.local_addr()).map_or(0, |address| address.port())
}

fn interface_mtu(mtu: Mtu) -> InterfaceMtu {
    match mtu {
        Mtu::Auto => InterfaceMtu { current: MTU, is_auto: true },
        Mtu::Fixed(mtu) => InterfaceMtu { current: mtu, is_auto: false },
    }
}

/// Lanes of one network. Half of the processors are left to the programs that talk over it and to the kernel's own part
/// of the work: two lanes on two processors were slower than one (dataplane.md §8).
fn lane_count(wanted: Lanes, extent: Extent) -> usize {
    match (extent, wanted) {
        (Extent::Bare, _) => 1,
        (Extent::Whole, Lanes::Fixed(lanes)) => lanes.into(),
        (Extent::Whole, Lanes::Auto) => {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            (processors / 2).clamp(1, LANES_MAX)
        }
    }
}

/// Refuses a prefix that the machine already routes elsewhere. A machine without IPv6 has no routes to look at.
fn refuse_overlap(identity: &Identity, interface: &str) -> anyhow::Result<()> {
    let table = std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    let prefix = identity.network.prefix();
    match overlaps(&table, prefix, &[interface.to_owned()]).into_iter().find(|overlap| !overlap.is_wider) {
        Some(overlap) => anyhow::bail!(
            "the network's prefix {prefix} is already routed to {} ({}); remove that route first",
            overlap.interface,
            overlap.route
        ),
        None => Ok(()),
    }
}

/// Who this machine is as a relay, if its certificate says that it may be one.
fn relay_identity(identity: &Identity) -> Option<holloway_relay::Identity> {
    let membership = identity.chain[0].membership();
    membership.rights.contains(Rights::RELAY).then(|| holloway_relay::Identity {
        network: identity.network,
        key: IdentityKey::from_bytes(&identity.key.to_bytes()),
        name: membership.label.clone(),
    })
}

fn new_node(engine: &Engine, identity: Identity, mtu: Mtu, stored: Stored) -> Node {
    Node::new(identity, mesh_settings(&engine.settings, mtu), stored, Box::new(OsRandom), engine.clock.now())
}

fn mesh_settings(settings: &Settings, mtu: Mtu) -> holloway_mesh::Settings {
    holloway_mesh::Settings {
        rotate_after: settings.session.rotate_after,
        rotate_after_packets: settings.session.rotate_after_packets,
        max_clock_skew: settings.session.max_clock_skew,
        cipher: cipher(settings),
        path_mtu: match mtu {
            Mtu::Auto => None,
            Mtu::Fixed(mtu) => Some(mtu),
        },
        software: env!("CARGO_PKG_VERSION").into(),
    }
}

/// What is offered to peers.
pub(crate) fn cipher(settings: &Settings) -> CipherChoice {
    match settings.session.cipher {
        Cipher::Auto if has_vector_aes() => CipherChoice::VectorAes,
        Cipher::Auto | Cipher::ChaCha20Poly1305 => CipherChoice::ChaCha20Poly1305,
    }
}

/// Whether this processor has vector AES and carry-less multiplication, with which AES-256-GCM is several times
/// faster than ChaCha20-Poly1305 (dataplane.md §3).
#[cfg(target_arch = "x86_64")]
fn has_vector_aes() -> bool {
    std::arch::is_x86_feature_detected!("vaes") && std::arch::is_x86_feature_detected!("vpclmulqdq")
}

/// Whether this processor has AES instructions.
#[cfg(target_arch = "aarch64")]
fn has_vector_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
}

/// Other processors have software AES, which is slow and not constant-time.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_vector_aes() -> bool {
    false
}

fn start_lanes(
    engine: &Engine,
    key: NetworkKey,
    tuns: Vec<Arc<Tun>>,
    udp: Vec<Arc<UdpSockets>>,
    address: OverlayAddr,
) -> anyhow::Result<lane::Lanes> {
    let (events, mut queue) = mpsc::channel::<LaneEvent>(LANE_EVENTS_MAX);
    let inputs = engine.inputs.clone();
    tokio::spawn(async move {
        while let Some(event) = queue.recv().await {
            if inputs.send(Input::Lane(key, event)).await.is_err() {
                return;
            }
        }
    });
    let tuns = tuns.into_iter().map(Some).chain(std::iter::once(None));
    let parts = udp.into_iter().zip(tuns).map(|(udp, tun)| lane::Parts { tun, udp }).collect();
    lane::Lanes::spawn(parts, IpAddr::V6(address.ip()), engine.clock, &events).context("cannot start a lane")
}

/// Hands what the control plane reports to the engine, what it has reported already first.
fn feed(engine: &Engine, network: &mut Network, seen: Vec<control::Event>, mut events: mpsc::Receiver<control::Event>) {
    let now = engine.clock.now();
    for event in seen {
        network.control_event(event, &engine.local, now);
    }
    let (inputs, key) = (engine.inputs.clone(), network.key);
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if inputs.send(Input::Control(key, event)).await.is_err() {
                return;
            }
        }
    });
}

/// Tells the core where members were found before, and who is meant by host names.
async fn give_hints(engine: &Engine, network: &mut Network, hints: Vec<(NodeId, Vec<Bootstrap>)>) {
    for (node, bootstrap) in hints {
        let addresses = resolve(&bootstrap).await;
        network.node.handle_control(ControlEvent::Discovered { node, addresses }, engine.clock.now());
    }
}

/// The addresses behind bootstrap entries; names that do not resolve have none.
pub(crate) async fn resolve(bootstrap: &[Bootstrap]) -> Vec<ControlAddr> {
    let mut addresses = Vec::new();
    for entry in bootstrap {
        let Ok(found) = tokio::net::lookup_host((entry.host.as_str(), entry.tcp)).await else {
            continue;
        };
        for address in found {
            addresses.push(ControlAddr::Quic(SocketAddr::new(address.ip(), entry.quic)));
            addresses.push(ControlAddr::Tcp(SocketAddr::new(address.ip(), entry.tcp)));
        }
    }
    addresses
}

/// Writes down which ports were chosen, so that the network has them again after a restart.
async fn remember_ports(engine: &Engine, key: NetworkKey, ports: Ports, interface: Option<String>) {
    let chosen = Chosen {
        interface,
        data_port: Some(ports.data),
        control_tcp: Some(ports.control_tcp),
        control_quic: Some(ports.control_quic),
    };
    if let Err(error) = engine.store.remember_chosen(key, &chosen).await {
        tracing::warn!(%error, "the ports cannot be remembered");
    }
}

impl From<&Chosen> for Ports {
    fn from(chosen: &Chosen) -> Self {
        Self {
            data: chosen.data_port.unwrap_or(0),
            control_tcp: chosen.control_tcp.unwrap_or(0),
            control_quic: chosen.control_quic.unwrap_or(0),
        }
    }
}
