//! From what was typed to what it means: which keys exist, and what each may hold.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use holloway_wire::Label;

use crate::error::{ConfigError, quoted};
use crate::parse::Field;
use crate::settings::{
    Cipher, ConsoleStoreSetting, DashboardSettings, DatabaseUrl, DataplaneSettings, DnsSettings, Integrate, Lanes,
    ListenOverrides, Mtu, NetworkOverrides, NodeSettings, RelayEnabled, RelaySettings, SessionSettings, TlsFiles,
    TunOverrides,
};
use crate::typed::{RawValue, Typed};
use crate::upstream::{DnsServer, LEGAL_SERVER, Upstream};

/// Data sockets of one network: both families on a handful of interfaces.
const DATA_ADDRESSES_MAX: usize = 8;
/// Upstream servers; a question is never asked of more than a few.
const UPSTREAMS_MAX: usize = 8;
/// Networks with overrides; each costs an interface and three ports.
const NETWORKS_MAX: usize = 64;
/// Linux interface names, without the closing zero (`IFNAMSIZ` - 1).
const INTERFACE_NAME_BYTES_MAX: usize = 15;

/// Below one second handshakes would overlap; above an hour a stolen key opens too much.
const ROTATE_AFTER_LEGAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);
/// 100 is enough to prove that rotation loses nothing; 2^24 leaves half of the hard stop at 2^25.
const ROTATE_AFTER_PACKETS_LEGAL: RangeInclusive<u64> = 100..=1 << 24;
/// Above five minutes a replay outlives the 300 s for which request ids are remembered.
const CLOCK_SKEW_LEGAL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);
/// IPv6 needs 1280 (RFC 8200 §5).
const MTU_LEGAL: RangeInclusive<u16> = 1280..=u16::MAX;

/// More lanes than these gain nothing on the machines that were measured (dataplane.md §8).
const LANES_LEGAL: RangeInclusive<u16> = 1..=8;

/// A hundred thousand members take about half a gigabyte of a relay's memory.
const RELAY_MEMBERS_LEGAL: RangeInclusive<u64> = 1..=100_000;

/// A terabit a second.
const RELAY_MBPS_LEGAL: RangeInclusive<u64> = 1..=1_000_000;
const RELAY_MONTH_GB_LEGAL: RangeInclusive<u64> = 1..=1_000_000_000;

/// Longest name of a place in letters: it stands in a table.
const REGION_LETTERS_MAX: usize = 32;

/// Host names of the pages, and the longest (RFC 1035 §2.3.4).
const DASHBOARD_NAMES_MAX: usize = 16;
const HOST_NAME_BYTES_MAX: usize = 253;

const SECTIONS: [&str; 9] = ["node", "listen", "session", "tun", "dataplane", "network", "dns", "relay", "dashboard"];

/// Every key outside `[network.…]`.
pub(crate) const KEYS: [&str; 36] = [
    "node.name",
    "listen.data",
    "listen.control_tcp",
    "listen.control_quic",
    "listen.port_mapping",
    "session.rotate_after",
    "session.rotate_after_packets",
    "session.max_clock_skew",
    "session.cipher",
    "tun.name",
    "tun.mtu",
    "tun.enabled",
    "dataplane.tun_offload",
    "dataplane.udp_gso",
    "dataplane.udp_gro",
    "dataplane.lanes",
    "dns.enabled",
    "dns.upstream",
    "dns.integrate",
    "dns.port",
    "dns.listen",
    "relay.enabled",
    "relay.stream_port",
    "relay.members",
    "relay.member_mbps",
    "relay.member_month_gb",
    "relay.capacity_mbps",
    "relay.region",
    "relay.place",
    "dashboard.listen",
    "dashboard.allow_remote",
    "dashboard.names",
    "dashboard.tls_certificate",
    "dashboard.tls_key",
    "dashboard.store",
    "dashboard.places",
];

/// Takes keys out of what was typed, until nothing may be left.
pub(crate) struct Reader {
    typed: Typed,
}

impl Reader {
    pub(crate) fn new(typed: Typed) -> Self {
        Self { typed }
    }

    fn field(&mut self, section: &[&str], key: &str) -> Option<Field> {
        let path = [section, &[key]].concat();
        let given = self.typed.take(&path)?;
        let key = path.join(".");
        Some(Field { key, given })
    }

    pub(crate) fn open_sections(&mut self) -> Result<(), ConfigError> {
        SECTIONS.iter().try_for_each(|name| self.open(&[], name))
    }

    /// Takes a section's own entry, which must be a table.
    fn open(&mut self, parent: &[&str], name: &str) -> Result<(), ConfigError> {
        match self.field(parent, name) {
            Some(field) if field.given.value != RawValue::Table => {
                let is = field.given.value.type_name();
                Err(field.fault(format!("is {is}; the section [{}] is expected", field.key)))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn node(&mut self) -> Result<NodeSettings, ConfigError> {
        let name = match self.field(&["node"], "name") {
            None => None,
            Some(field) => Some(label(&field, field.text()?)?),
        };
        Ok(NodeSettings { name })
    }

    pub(crate) fn listen(&mut self, section: &[&str]) -> Result<ListenOverrides, ConfigError> {
        let any_port = 0..=u16::MAX;
        Ok(ListenOverrides {
            data: self.field(section, "data").map(|f| data_addresses(&f)).transpose()?,
            control_tcp: self.field(section, "control_tcp").map(|f| f.port(any_port.clone())).transpose()?,
            control_quic: self.field(section, "control_quic").map(|f| f.port(any_port)).transpose()?,
            port_mapping: self.field(section, "port_mapping").map(|f| f.boolean()).transpose()?,
        })
    }

    pub(crate) fn session(&mut self) -> Result<SessionSettings, ConfigError> {
        let section = &["session"];
        let mut session = SessionSettings::default();
        if let Some(field) = self.field(section, "rotate_after") {
            session.rotate_after = field.duration(ROTATE_AFTER_LEGAL)?;
        }
        if let Some(field) = self.field(section, "rotate_after_packets") {
            session.rotate_after_packets = field.integer(ROTATE_AFTER_PACKETS_LEGAL)?;
        }
        if let Some(field) = self.field(section, "max_clock_skew") {
            session.max_clock_skew = field.duration(CLOCK_SKEW_LEGAL)?;
        }
        if let Some(field) = self.field(section, "cipher") {
            let words = [("auto", Cipher::Auto), ("chacha20-poly1305", Cipher::ChaCha20Poly1305)];
            session.cipher = field.word(&words)?;
        }
        Ok(session)
    }

    pub(crate) fn tun(&mut self, section: &[&str]) -> Result<TunOverrides, ConfigError> {
        Ok(TunOverrides {
            name: self.field(section, "name").map(|f| interface(&f)).transpose()?,
            mtu: self.field(section, "mtu").map(|f| mtu(&f)).transpose()?,
            enabled: self.field(section, "enabled").map(|f| f.boolean()).transpose()?,
        })
    }

    pub(crate) fn dataplane(&mut self) -> Result<DataplaneSettings, ConfigError> {
        let section = &["dataplane"];
        let mut dataplane = DataplaneSettings::default();
        if let Some(field) = self.field(section, "tun_offload") {
            dataplane.tun_offload = field.boolean()?;
        }
        if let Some(field) = self.field(section, "udp_gso") {
            dataplane.udp_gso = field.boolean()?;
        }
        if let Some(field) = self.field(section, "udp_gro") {
            dataplane.udp_gro = field.boolean()?;
        }
        if let Some(field) = self.field(section, "lanes") {
            dataplane.lanes = lanes(&field)?;
        }
        Ok(dataplane)
    }

    pub(crate) fn networks(&mut self) -> Result<BTreeMap<Label, NetworkOverrides>, ConfigError> {
        let mut networks = BTreeMap::new();
        for (name, origin) in self.typed.names_under("network") {
            let key = format!("network.{name}");
            let refuse = |fault: String| ConfigError::key(&origin, &key, fault);
            let label: Label = name.parse().map_err(|e| refuse(format!("is not a network label: {e}")))?;
            self.open(&["network"], &name)?;
            let overrides = self.network(&name)?;
            if networks.insert(label, overrides).is_some() {
                return Err(refuse("is written twice, in different letter case; keep one".to_owned()));
            }
            if networks.len() > NETWORKS_MAX {
                return Err(refuse(format!("is one network too many; legal is at most {NETWORKS_MAX}")));
            }
        }
        Ok(networks)
    }

    fn network(&mut self, name: &str) -> Result<NetworkOverrides, ConfigError> {
        self.open(&["network", name], "listen")?;
        self.open(&["network", name], "tun")?;
        Ok(NetworkOverrides {
            listen: self.listen(&["network", name, "listen"])?,
            tun: self.tun(&["network", name, "tun"])?,
        })
    }

    pub(crate) fn dns(&mut self) -> Result<DnsSettings, ConfigError> {
        let section = &["dns"];
        let mut dns = DnsSettings::default();
        if let Some(field) = self.field(section, "enabled") {
            dns.enabled = field.boolean()?;
        }
        if let Some(field) = self.field(section, "upstream") {
            dns.upstream = upstream(&field)?;
        }
        if let Some(field) = self.field(section, "integrate") {
            dns.integrate = field.word(&[("auto", Integrate::Auto), ("off", Integrate::Off)])?;
        }
        if let Some(field) = self.field(section, "port") {
            dns.port = field.port(1..=u16::MAX)?;
        }
        if let Some(field) = self.field(section, "listen") {
            dns.listen = dns_listen(&field)?;
        }
        Ok(dns)
    }

    pub(crate) fn relay(&mut self) -> Result<RelaySettings, ConfigError> {
        let section = &["relay"];
        let mut relay = RelaySettings::default();
        if let Some(field) = self.field(section, "enabled") {
            relay.enabled = relay_enabled(&field)?;
        }
        if let Some(field) = self.field(section, "stream_port") {
            relay.stream_port = Some(field.port(0..=u16::MAX)?).filter(|port| *port != 0);
        }
        if let Some(field) = self.field(section, "members") {
            relay.members = number(&field, RELAY_MEMBERS_LEGAL)?;
        }
        if let Some(field) = self.field(section, "member_mbps") {
            relay.member_mbps = number(&field, RELAY_MBPS_LEGAL)?;
        }
        if let Some(field) = self.field(section, "member_month_gb") {
            relay.member_month_gb = Some(number(&field, RELAY_MONTH_GB_LEGAL)?);
        }
        if let Some(field) = self.field(section, "capacity_mbps") {
            relay.capacity_mbps = number(&field, RELAY_MBPS_LEGAL)?;
        }
        if let Some(field) = self.field(section, "region") {
            relay.region = region(&field)?;
        }
        if let Some(field) = self.field(section, "place") {
            relay.place = Some(place(&field)?);
        }
        Ok(relay)
    }

    pub(crate) fn dashboard(&mut self) -> Result<DashboardSettings, ConfigError> {
        let section = &["dashboard"];
        let mut dashboard = DashboardSettings::default();
        if let Some(field) = self.field(section, "allow_remote") {
            dashboard.allow_remote = field.boolean()?;
        }
        if let Some(field) = self.field(section, "listen") {
            dashboard.listen = dashboard_listen(&field, dashboard.allow_remote)?;
        }
        if let Some(field) = self.field(section, "names") {
            dashboard.names = dashboard_names(&field)?;
        }
        dashboard.tls = tls_files(self.field(section, "tls_certificate"), self.field(section, "tls_key"))?;
        if let Some(field) = self.field(section, "store") {
            dashboard.store = console_store(&field)?;
        }
        if let Some(field) = self.field(section, "places") {
            dashboard.places = Some(absolute(&field)?);
        }
        Ok(dashboard)
    }

    /// Refuses the first key that nobody took.
    pub(crate) fn finish(&self) -> Result<(), ConfigError> {
        let Some((path, given)) = self.typed.rest().next() else {
            return Ok(());
        };
        let legal = legal_beside(path);
        let fault = format!("is unknown; legal here: {legal}");
        Err(ConfigError::key(&given.origin, &path.join("."), fault))
    }
}

/// What could have been written where an unknown key was.
fn legal_beside(path: &[String]) -> String {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["network", _, section @ ("listen" | "tun"), ..] => keys_of(section),
        ["network", ..] => "listen, tun".to_owned(),
        [section, _, ..] if SECTIONS.contains(section) => keys_of(section),
        _ => SECTIONS.map(|section| format!("[{section}]")).join(", "),
    }
}

fn keys_of(section: &str) -> String {
    let keys = KEYS.iter().filter_map(|key| key.strip_prefix(section)?.strip_prefix('.'));
    keys.collect::<Vec<_>>().join(", ")
}

fn label(field: &Field, text: &str) -> Result<Label, ConfigError> {
    text.parse().map_err(|e| field.fault(format!("\"{}\" is not a machine's name: {e}", quoted(text))))
}

fn data_addresses(field: &Field) -> Result<Vec<SocketAddr>, ConfigError> {
    let texts = field.texts(DATA_ADDRESSES_MAX)?;
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            field.refuse(
                format!("\"{}\" is not a socket address", quoted(text)),
                "ADDRESS:PORT such as \"0.0.0.0:42042\" or \"[::]:42042\"",
            )
        })
    };
    texts.iter().map(parse).collect()
}

fn interface(field: &Field) -> Result<String, ConfigError> {
    let name = field.text()?;
    let is_legal = (1..=INTERFACE_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && !name.starts_with(['.', '-']);
    if is_legal {
        return Ok(name.to_owned());
    }
    let legal = format!("1 to {INTERFACE_NAME_BYTES_MAX} letters, digits, '_', '-', '.'");
    Err(field.refuse(format!("\"{}\" is not an interface name", quoted(name)), legal))
}

fn mtu(field: &Field) -> Result<Mtu, ConfigError> {
    Ok(auto_or_number(field, MTU_LEGAL)?.map_or(Mtu::Auto, Mtu::Fixed))
}

fn lanes(field: &Field) -> Result<Lanes, ConfigError> {
    Ok(auto_or_number(field, LANES_LEGAL)?.map_or(Lanes::Auto, Lanes::Fixed))
}

/// "auto", which is `None`, or a number.
fn auto_or_number(field: &Field, legal: RangeInclusive<u16>) -> Result<Option<u16>, ConfigError> {
    match &field.given.value {
        RawValue::Text(text) | RawValue::Untyped(text) if text == "auto" => Ok(None),
        RawValue::Text(text) => {
            let legal = format!("\"auto\" or {} to {}", legal.start(), legal.end());
            Err(field.refuse(format!("\"{}\"", quoted(text)), legal))
        }
        RawValue::Untyped(_)
        | RawValue::Integer(_)
        | RawValue::Boolean(_)
        | RawValue::List(_)
        | RawValue::Table
        | RawValue::Other(_) => field.port(legal).map(Some),
    }
}

fn upstream(field: &Field) -> Result<Upstream, ConfigError> {
    let texts = field.texts(UPSTREAMS_MAX)?;
    let legal = format!("\"recursive\", [\"system\"], or a list of servers, each {LEGAL_SERVER}");
    match texts.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["system"] => Ok(Upstream::System),
        ["recursive"] => Ok(Upstream::Recursive),
        several if several.contains(&"system") || several.contains(&"recursive") => {
            Err(field.refuse("\"system\" and \"recursive\" stand alone", legal))
        }
        servers => servers
            .iter()
            .map(|text| text.parse::<DnsServer>())
            .collect::<Result<_, _>>()
            .map(Upstream::Servers)
            .map_err(|_| field.refuse("a server is not understood", legal)),
    }
}

fn dns_listen(field: &Field) -> Result<IpAddr, ConfigError> {
    let legal = "an address of 127.0.0.0/8 other than 127.0.0.1, such as \"127.42.0.53\"";
    let address: Ipv4Addr = field.parsed(legal)?;
    if !address.is_loopback() || address == Ipv4Addr::LOCALHOST {
        return Err(field.refuse(format!("\"{address}\" is not for us"), legal));
    }
    Ok(IpAddr::V4(address))
}

fn number(field: &Field, legal: RangeInclusive<u64>) -> Result<u32, ConfigError> {
    let number = field.integer(legal)?;
    u32::try_from(number).map_err(|_| field.fault(format!("{number} is too large")))
}

fn region(field: &Field) -> Result<String, ConfigError> {
    let text = field.text()?;
    let is_legal = text.chars().count() <= REGION_LETTERS_MAX && !text.chars().any(char::is_control);
    if is_legal {
        return Ok(text.to_owned());
    }
    Err(field.refuse(format!("\"{}\"", quoted(text)), format!("up to {REGION_LETTERS_MAX} letters")))
}

/// Degrees north and east, as hundredths: a relay's place is nobody's to know more precisely.
fn place(field: &Field) -> Result<(i16, i16), ConfigError> {
    let text = field.text()?;
    let hundredths = |text: &str, most: f64| {
        let degrees: f64 = text.trim().parse().ok()?;
        (degrees.abs() <= most).then(|| (degrees * 100.0).round() as i16)
    };
    let parsed =
        text.split_once(',').and_then(|(north, east)| Some((hundredths(north, 90.0)?, hundredths(east, 180.0)?)));
    parsed.ok_or_else(|| field.refuse(format!("\"{}\"", quoted(text)), "degrees north and east, \"52.52, 13.40\" say"))
}

fn relay_enabled(field: &Field) -> Result<RelayEnabled, ConfigError> {
    match &field.given.value {
        RawValue::Boolean(true) => Ok(RelayEnabled::On),
        RawValue::Boolean(false) => Ok(RelayEnabled::Off),
        RawValue::Untyped(_)
        | RawValue::Text(_)
        | RawValue::Integer(_)
        | RawValue::List(_)
        | RawValue::Table
        | RawValue::Other(_) => {
            field.word(&[("auto", RelayEnabled::Auto), ("true", RelayEnabled::On), ("false", RelayEnabled::Off)])
        }
    }
}

fn dashboard_names(field: &Field) -> Result<Vec<String>, ConfigError> {
    let is_host = |name: &String| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        !name.is_empty() && name.len() <= HOST_NAME_BYTES_MAX && name.bytes().all(is_legal)
    };
    let names = field.texts(DASHBOARD_NAMES_MAX)?;
    match names.iter().find(|name| !is_host(name)) {
        Some(name) => {
            Err(field.refuse(format!("\"{}\"", quoted(name)), "host names without port, such as \"wiki.home.alt\""))
        }
        None => Ok(names.iter().map(|name| name.to_ascii_lowercase()).collect()),
    }
}

fn tls_files(certificate: Option<Field>, key: Option<Field>) -> Result<Option<TlsFiles>, ConfigError> {
    let alone = "needs the other of dashboard.tls_certificate and dashboard.tls_key";
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(field), None) | (None, Some(field)) => Err(field.fault(alone.to_owned())),
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { certificate: absolute(&certificate)?, key: absolute(&key)? }))
        }
    }
}

fn absolute(field: &Field) -> Result<PathBuf, ConfigError> {
    let path = PathBuf::from(field.text()?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(field.refuse(format!("\"{}\"", quoted(field.text()?)), "a path from / on"))
    }
}

fn console_store(field: &Field) -> Result<ConsoleStoreSetting, ConfigError> {
    let text = field.text()?;
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(ConsoleStoreSetting::Postgres(DatabaseUrl::new(text.to_owned())));
    }
    match text {
        "auto" => Ok(ConsoleStoreSetting::Auto),
        "sqlite" => Ok(ConsoleStoreSetting::Sqlite),
        "off" => Ok(ConsoleStoreSetting::Off),
        // It may be an address with a password that was mistyped: it is not shown.
        _ => Err(field.refuse("this", "\"auto\", \"sqlite\", \"off\" or \"postgres://…\"")),
    }
}

fn dashboard_listen(field: &Field, allow_remote: bool) -> Result<SocketAddr, ConfigError> {
    let legal = "a loopback address with a port, such as \"127.0.0.1:42080\"";
    let address: SocketAddr = field.parsed(legal)?;
    if address.ip().is_loopback() || allow_remote {
        return Ok(address);
    }
    Err(field.refuse(
        format!("{address} would let other machines reach the dashboard"),
        format!("{legal}; to expose it nevertheless, add allow_remote = true to [dashboard]"),
    ))
}
