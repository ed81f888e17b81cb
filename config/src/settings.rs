//! Stage two: what was typed, as values that can only hold sense. Everything behind this door is valid.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use holloway_wire::Label;

use crate::error::ConfigError;
use crate::reader::Reader;
use crate::typed::Typed;
use crate::upstream::Upstream;

/// Where the first network's data path listens, and TCP control.
const DATA_PORT: u16 = 42042;
/// Where the first network's QUIC control listens: beside the data path, which has its own UDP port.
const CONTROL_QUIC_PORT: u16 = 42043;
const ROTATE_AFTER_DEFAULT: Duration = Duration::from_secs(120);
/// Half of the hard stop at 2^25: far more than a handshake lasts.
const ROTATE_AFTER_PACKETS_DEFAULT: u64 = 1 << 24;
const CLOCK_SKEW_DEFAULT: Duration = Duration::from_secs(60);
/// On loopback but not 127.0.0.1, where other resolvers sit.
const DNS_LISTEN_DEFAULT: Ipv4Addr = Ipv4Addr::new(127, 42, 0, 53);
const DNS_PORT: u16 = 53;
const DASHBOARD_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 42080);

/// Everything the operator decided, with defaults where nothing was said.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settings {
    /// `[node]`
    pub node: NodeSettings,
    /// `[listen]`
    pub listen: ListenSettings,
    /// `[session]`
    pub session: SessionSettings,
    /// `[tun]`
    pub tun: TunSettings,
    /// `[dataplane]`
    pub dataplane: DataplaneSettings,
    /// `[network.<label>]`; see [`network`](Self::network) for what applies to a network.
    pub networks: BTreeMap<Label, NetworkOverrides>,
    /// `[dns]`
    pub dns: DnsSettings,
    /// `[relay]`
    pub relay: RelaySettings,
    /// `[dashboard]`
    pub dashboard: DashboardSettings,
}

/// `[node]`: this machine.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeSettings {
    /// The label it asks for when it joins; default: the host name.
    pub name: Option<Label>,
}

/// `[listen]`: where a network's sockets are bound; port 0 is any free port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// UDP addresses of the data path.
    pub data: Vec<SocketAddr>,
    /// TCP port of control.
    pub control_tcp: u16,
    /// UDP port of control over QUIC.
    pub control_quic: u16,
    /// Whether the router is asked to forward the data path's port.
    pub port_mapping: bool,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            data: vec![
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DATA_PORT),
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), DATA_PORT),
            ],
            control_tcp: DATA_PORT,
            control_quic: CONTROL_QUIC_PORT,
            port_mapping: true,
        }
    }
}

/// `[session]`: limits of encrypted sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Age at which a rotation starts.
    pub rotate_after: Duration,
    /// Packets after which a rotation starts.
    pub rotate_after_packets: u64,
    /// How far another machine's clock may be off.
    pub max_clock_skew: Duration,
    /// Which cipher to offer.
    pub cipher: Cipher,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            rotate_after: ROTATE_AFTER_DEFAULT,
            rotate_after_packets: ROTATE_AFTER_PACKETS_DEFAULT,
            max_clock_skew: CLOCK_SKEW_DEFAULT,
            cipher: Cipher::Auto,
        }
    }
}

/// Which cipher to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// The fastest that both sides have.
    Auto,
    /// ChaCha20-Poly1305 only.
    ChaCha20Poly1305,
}

/// `[tun]`: the network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunSettings {
    /// Interface name.
    pub name: String,
    /// Inner MTU.
    pub mtu: Mtu,
    /// Whether there is an interface at all.
    pub enabled: bool,
}

impl Default for TunSettings {
    fn default() -> Self {
        Self { name: interface_name(0), mtu: Mtu::Auto, enabled: true }
    }
}

/// `[dataplane]`: which of the kernel's offloads the data path uses, where they are there, and on how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataplaneSettings {
    /// Large packets from and to the network interface, checksums left to it.
    pub tun_offload: bool,
    /// Many datagrams in one send.
    pub udp_gso: bool,
    /// Many datagrams in one receive.
    pub udp_gro: bool,
    /// Threads that carry packets.
    pub lanes: Lanes,
}

impl Default for DataplaneSettings {
    fn default() -> Self {
        Self { tun_offload: true, udp_gso: true, udp_gro: true, lanes: Lanes::Auto }
    }
}

/// How many threads carry packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// As suits the processor.
    Auto,
    /// This many, 1 to 8.
    Fixed(u16),
}

/// Inner MTU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mtu {
    /// The program's choice.
    Auto,
    /// This many bytes, 1280 or more.
    Fixed(u16),
}

/// `[network.<label>]`: what is said for one network only.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NetworkOverrides {
    /// `[network.<label>.listen]`
    pub listen: ListenOverrides,
    /// `[network.<label>.tun]`
    pub tun: TunOverrides,
}

/// Parts of [`ListenSettings`] that were typed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListenOverrides {
    /// UDP addresses of the data path.
    pub data: Option<Vec<SocketAddr>>,
    /// TCP port of control.
    pub control_tcp: Option<u16>,
    /// UDP port of control over QUIC.
    pub control_quic: Option<u16>,
    /// Whether the router is asked to forward the data path's port.
    pub port_mapping: Option<bool>,
}

impl ListenOverrides {
    fn over(self, base: ListenSettings) -> ListenSettings {
        ListenSettings {
            data: self.data.unwrap_or(base.data),
            control_tcp: self.control_tcp.unwrap_or(base.control_tcp),
            control_quic: self.control_quic.unwrap_or(base.control_quic),
            port_mapping: self.port_mapping.unwrap_or(base.port_mapping),
        }
    }
}

/// Parts of [`TunSettings`] that were typed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TunOverrides {
    /// Interface name.
    pub name: Option<String>,
    /// Inner MTU.
    pub mtu: Option<Mtu>,
    /// Whether there is an interface at all.
    pub enabled: Option<bool>,
}

impl TunOverrides {
    fn over(self, base: TunSettings) -> TunSettings {
        TunSettings {
            name: self.name.unwrap_or(base.name),
            mtu: self.mtu.unwrap_or(base.mtu),
            enabled: self.enabled.unwrap_or(base.enabled),
        }
    }
}

/// What applies to one network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Where its sockets are bound.
    pub listen: ListenSettings,
    /// Its interface.
    pub tun: TunSettings,
}

/// `[dns]`: the resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Whether it runs.
    pub enabled: bool,
    /// Who answers what is not `.alt`.
    pub upstream: Upstream,
    /// Whether the operating system is pointed at it.
    pub integrate: Integrate,
    /// Its port, on the overlay addresses and on [`listen`](Self::listen).
    pub port: u16,
    /// Its loopback address; never 127.0.0.1.
    pub listen: IpAddr,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            upstream: Upstream::System,
            integrate: Integrate::Auto,
            port: DNS_PORT,
            listen: IpAddr::V4(DNS_LISTEN_DEFAULT),
        }
    }
}

/// Whether the operating system's resolver configuration is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrate {
    /// Where it is safe, and undone at the end.
    Auto,
    /// Never.
    Off,
}

/// `[relay]`: whether this machine relays for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// When it does.
    pub enabled: RelayEnabled,
    /// The TCP port where it takes streams from networks that let no UDP through; `None` for none.
    pub stream_port: Option<u16>,
    /// Members registered at once.
    pub members: u32,
    /// What one member may send through it, in megabits a second.
    pub member_mbps: u32,
    /// What one member may send through it in a calendar month, in gigabytes.
    pub member_month_gb: Option<u32>,
    /// What it can pass on altogether, in megabits a second: others see how much of it is used.
    pub capacity_mbps: u32,
    /// Where it stands, in words for people.
    pub region: String,
    /// Where it stands, in hundredths of degrees north and east.
    pub place: Option<(i16, i16)>,
}

impl Default for RelaySettings {
    fn default() -> Self {
        Self {
            enabled: RelayEnabled::Auto,
            stream_port: Some(443),
            members: 10_000,
            member_mbps: 200,
            member_month_gb: None,
            capacity_mbps: 1_000,
            region: String::new(),
            place: None,
        }
    }
}

/// When this machine relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RelayEnabled {
    /// When its certificate has the right.
    #[default]
    Auto,
    /// The same, said in so many words: without the right nobody would use it.
    On,
    /// Never.
    Off,
}

/// `[dashboard]`: the pages in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardSettings {
    /// Where; a loopback address unless the operator allowed more in so many words.
    pub listen: SocketAddr,
    /// Whether other machines may reach it.
    pub allow_remote: bool,
    /// Further host names by which browsers may call it, in lower case.
    pub names: Vec<String>,
    /// The certificate chain and key in PEM that it shows, where they are not its own.
    pub tls: Option<TlsFiles>,
    /// Where history, audit and accounts are kept.
    pub store: ConsoleStoreSetting,
    /// A database (`.mmdb`) that tells where on the globe addresses are, for relays that do not say so themselves.
    pub places: Option<PathBuf>,
}

/// Files of a TLS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to an authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

/// Where a console keeps history, audit and accounts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ConsoleStoreSetting {
    /// In a file beside the node's own store, on machines that have the right admin.
    #[default]
    Auto,
    /// In that file, whatever rights the machine has.
    Sqlite,
    /// In a PostgreSQL database, which several machines may share.
    Postgres(DatabaseUrl),
    /// Nowhere.
    Off,
}

/// The address of a database. It may hold a password, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// An address as it was typed.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// The whole address, password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}

impl Default for DashboardSettings {
    fn default() -> Self {
        Self {
            listen: DASHBOARD_DEFAULT,
            allow_remote: false,
            names: Vec::new(),
            tls: None,
            store: ConsoleStoreSetting::Auto,
            places: None,
        }
    }
}

impl Settings {
    /// Finds out what was meant.
    ///
    /// # Errors
    /// Refuses the first unknown key, wrong type or illegal value, naming where it was typed and what is legal.
    pub fn new(typed: Typed) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(typed);
        reader.open_sections()?;
        let networks = reader.networks()?;
        let (listen, tun) = (reader.listen(&["listen"])?, reader.tun(&["tun"])?);
        let settings = Self {
            node: reader.node()?,
            listen: listen.over(ListenSettings::default()),
            session: reader.session()?,
            tun: tun.over(TunSettings::default()),
            dataplane: reader.dataplane()?,
            networks,
            dns: reader.dns()?,
            relay: reader.relay()?,
            dashboard: reader.dashboard()?,
        };
        reader.finish()?;
        Ok(settings)
    }

    /// What applies to the network with this label that was the `position`-th (from 0) to be joined: the first gets the
    /// ports of `[listen]` and the name of `[tun]`, any other one free ports and `hollow<position>`.
    #[must_use]
    pub fn network(&self, label: &Label, position: usize) -> NetworkSettings {
        let (mut listen, mut tun) = (self.listen.clone(), self.tun.clone());
        if position > 0 {
            listen.data.iter_mut().for_each(|address| address.set_port(0));
            (listen.control_tcp, listen.control_quic) = (0, 0);
            tun.name = interface_name(position);
        }
        let said = self.networks.get(label).cloned().unwrap_or_default();
        NetworkSettings { listen: said.listen.over(listen), tun: said.tun.over(tun) }
    }
}

fn interface_name(position: usize) -> String {
    format!("hollow{position}")
}
