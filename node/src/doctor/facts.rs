//! What is so on this machine. Looks and leaves everything as it was.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use holloway_config::check_private_dir;
use holloway_wire::{Label, Prefix};

use crate::routes::{RouteOverlap, overlaps};

/// Bit of CAP_NET_ADMIN (capability.h).
const CAP_NET_ADMIN: u64 = 1 << 12;

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

/// A socket that the daemon binds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    /// What for, such as `data`.
    pub(crate) purpose: String,
    /// What it speaks.
    pub(crate) transport: Transport,
    /// Where; port 0 is any free one.
    pub(crate) address: SocketAddr,
}

/// A network that this machine is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OverlayNetwork {
    /// Its label.
    pub(crate) label: Label,
    /// Its prefix.
    pub(crate) prefix: Prefix,
}

/// What to look at.
#[derive(Clone, Debug)]
pub(crate) struct DoctorInput {
    /// The state directory.
    pub(crate) state_dir: PathBuf,
    /// The daemon's socket.
    pub(crate) socket: PathBuf,
    /// What the daemon binds.
    pub(crate) listens: Vec<Listen>,
    /// The networks of this machine.
    pub(crate) networks: Vec<OverlayNetwork>,
    /// The daemon's own interfaces.
    pub(crate) interfaces: Vec<String>,
    /// How names are integrated, in the running daemon's words.
    pub(crate) names: Option<String>,
    /// What an undone integration would leave: its journal.
    pub(crate) names_journal: PathBuf,
    /// `/dev/net/tun`
    pub(crate) tun: PathBuf,
    /// `/proc`
    pub(crate) proc: PathBuf,
}

impl DoctorInput {
    /// Nothing but the real places; the caller adds what it knows.
    pub(crate) fn of_system(state_dir: PathBuf, socket: PathBuf) -> Self {
        Self {
            names_journal: state_dir.join("names.journal"),
            state_dir,
            socket,
            listens: Vec::new(),
            networks: Vec::new(),
            interfaces: Vec::new(),
            names: None,
            tun: PathBuf::from("/dev/net/tun"),
            proc: PathBuf::from("/proc"),
        }
    }
}

/// Whether a daemon answers.
#[derive(Debug)]
pub(crate) enum Daemon {
    /// It does.
    Running,
    /// There is no socket, or nobody behind it.
    NotRunning,
    /// There is one that we may not open, or something else is wrong.
    Unreachable(io::Error),
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Whether the daemon answers.
    pub(crate) daemon: Daemon,
    /// Whether the TUN device can be opened.
    pub(crate) tun: Result<(), io::Error>,
    /// Whether this process has CAP_NET_ADMIN; `None` where it cannot be told.
    pub(crate) has_net_admin: Option<bool>,
    /// Whether the kernel speaks IPv6, and whether it is switched on.
    pub(crate) ipv6: Ipv6,
    /// What would be bound, and whether it can be. Empty while the daemon holds the ports.
    pub(crate) listens: Vec<(Listen, Result<(), io::Error>)>,
    /// What is wrong with the state directory; `None` where it is missing.
    pub(crate) state_dir: Option<Result<(), String>>,
    /// Whether a journal of changed files lies there.
    pub(crate) has_names_journal: bool,
    /// Seconds since 1970.
    pub(crate) unix_secs: u64,
    /// Foreign routes, by network.
    pub(crate) overlaps: Vec<(Label, RouteOverlap)>,
    /// Files that this process may have open; `None` for no limit, or where it cannot be told.
    pub(crate) open_files_max: Option<u64>,
}

/// The kernel and IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ipv6 {
    /// There, and on.
    On,
    /// There, and switched off for new interfaces.
    SwitchedOff,
    /// The kernel has none.
    Missing,
}

impl Facts {
    /// Looks.
    pub(crate) fn gather(input: &DoctorInput) -> Self {
        let daemon = daemon(input);
        let is_running = matches!(daemon, Daemon::Running);
        Self {
            tun: OpenOptions::new().read(true).write(true).open(&input.tun).map(|_| ()),
            has_net_admin: has_net_admin(input),
            ipv6: ipv6(input),
            listens: if is_running { Vec::new() } else { listens(input) },
            state_dir: state_dir(input),
            has_names_journal: fs::symlink_metadata(&input.names_journal).is_ok(),
            unix_secs: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            overlaps: foreign_routes(input),
            open_files_max: open_files_max(input),
            daemon,
        }
    }
}

fn daemon(input: &DoctorInput) -> Daemon {
    match UnixStream::connect(&input.socket) {
        Ok(_) => Daemon::Running,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Daemon::NotRunning
        }
        Err(error) => Daemon::Unreachable(error),
    }
}

fn has_net_admin(input: &DoctorInput) -> Option<bool> {
    let status = fs::read_to_string(input.proc.join("self/status")).ok()?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    Some(u64::from_str_radix(effective.trim(), 16).ok()? & CAP_NET_ADMIN != 0)
}

fn ipv6(input: &DoctorInput) -> Ipv6 {
    let switch =
        |scope: &str| fs::read_to_string(input.proc.join("sys/net/ipv6/conf").join(scope).join("disable_ipv6"));
    match (switch("all"), switch("default")) {
        (Ok(all), Ok(default)) if all.trim() == "0" && default.trim() == "0" => Ipv6::On,
        (Ok(_), Ok(_)) => Ipv6::SwitchedOff,
        (Err(_), _) | (_, Err(_)) => Ipv6::Missing,
    }
}

/// Binds and lets go at once.
fn listens(input: &DoctorInput) -> Vec<(Listen, Result<(), io::Error>)> {
    let bind = |listen: &Listen| match listen.transport {
        Transport::Udp => UdpSocket::bind(listen.address).map(|_| ()),
        Transport::Tcp => TcpListener::bind(listen.address).map(|_| ()),
    };
    input.listens.iter().map(|listen| (listen.clone(), bind(listen))).collect()
}

fn state_dir(input: &DoctorInput) -> Option<Result<(), String>> {
    match fs::symlink_metadata(&input.state_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Ok(_) | Err(_) => Some(check_private_dir(&input.state_dir).map_err(|error| error.to_string())),
    }
}

fn foreign_routes(input: &DoctorInput) -> Vec<(Label, RouteOverlap)> {
    let routes = fs::read_to_string(input.proc.join("net/ipv6_route")).unwrap_or_default();
    let of_network = |network: &OverlayNetwork| {
        let found = overlaps(&routes, network.prefix, &input.interfaces);
        let label = network.label.clone();
        found.into_iter().map(move |overlap| (label.clone(), overlap))
    };
    input.networks.iter().flat_map(of_network).collect()
}

fn open_files_max(input: &DoctorInput) -> Option<u64> {
    let limits = fs::read_to_string(input.proc.join("self/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}
