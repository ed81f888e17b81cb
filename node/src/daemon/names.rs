use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use holloway_config::{DnsSettings, DnsTransport, Upstream as ConfiguredUpstream};
use holloway_dns::{
    AltZone, AltZoneBuilder, Audience, Host, PublishedRecord, ROOT_HINTS, RebindingFilter, Server, Upstream,
    UpstreamConfig, UpstreamMode, UpstreamServer, Zones,
};
use holloway_wire::{Label, NameRecord, NodeId};

use super::engine::NetworkView;
use super::resolving::Resolving;

/// Tries at listening on a new overlay address, which the kernel may still be checking.
const BIND_TRIES: u32 = 10;
/// Time between them.
const BIND_RETRY: std::time::Duration = std::time::Duration::from_millis(50);

/// The names of all networks: zones, the server that answers them, and the operating system that asks it.
pub(crate) struct Names {
    settings: DnsSettings,
    server: Option<Arc<Server>>,
    bound: BTreeMap<IpAddr, SocketAddr>,
    resolving: Resolving,
    serial: u32,
    /// What could not be done, for `status`.
    troubles: BTreeSet<String>,
}

/// What `status` shows of names.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamesView {
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) integration: String,
    pub(crate) troubles: Vec<String>,
}

/// The full name of a host.
pub(crate) fn fqdn(host: &Label, network: &Label) -> String {
    format!("{host}.{network}.alt")
}

impl Names {
    /// Starts the server, if names are wanted, and puts it into the operating system's way.
    pub(crate) async fn start(settings: DnsSettings, resolving: Resolving) -> Self {
        let mut names =
            Self { settings, server: None, bound: BTreeMap::new(), resolving, serial: 1, troubles: BTreeSet::new() };
        if names.settings.enabled {
            names.serve().await;
        }
        names
    }

    async fn serve(&mut self) {
        let upstream = self.upstream(self.resolving.system_servers());
        let server = Arc::new(Server::new(Zones::default(), upstream, Audience::ThisMachine));
        let address = SocketAddr::new(self.settings.listen, self.settings.port);
        match server.bind(address).await {
            Ok(bound) => {
                self.bound.insert(bound.ip(), bound);
                self.resolving.install();
            }
            Err(error) => self.trouble(format!("names are not answered on {address}: {error}")),
        }
        self.server = Some(server);
    }

    fn trouble(&mut self, what: String) {
        tracing::warn!("{what}");
        self.troubles.insert(what);
    }

    fn upstream(&mut self, system: Vec<SocketAddr>) -> Upstream {
        let mode = match &self.settings.upstream {
            ConfiguredUpstream::System => UpstreamMode::System(system),
            ConfiguredUpstream::Recursive => UpstreamMode::Recursive(ROOT_HINTS.to_vec()),
            ConfiguredUpstream::Servers(servers) => UpstreamMode::Servers(servers.iter().filter_map(server).collect()),
        };
        let config = UpstreamConfig { mode, rebinding: RebindingFilter::On };
        Upstream::new(config).unwrap_or_else(|error| {
            self.trouble(format!("names of the internet are not answered: {error}"));
            Upstream::new(UpstreamConfig { mode: UpstreamMode::System(Vec::new()), rebinding: RebindingFilter::On })
                .expect("no servers is a valid configuration")
        })
    }

    /// A name of ours that a program should be able to find, if nobody has tried yet.
    pub(crate) fn to_probe(&self, networks: &[NetworkView]) -> Option<String> {
        let network = networks.first().filter(|_| self.server.is_some() && self.resolving.wants_probe())?;
        Some(fqdn(&network.snapshot.label, &network.label))
    }

    /// Takes in whether a program found it.
    pub(crate) fn probed(&mut self, resolves: bool, networks: &[NetworkView]) {
        self.resolving.judge(resolves);
        self.resolving.publish(host_entries(networks));
    }

    /// The server, for questions of our own.
    pub(crate) fn server(&self) -> Option<Arc<Server>> {
        self.server.clone()
    }

    pub(crate) fn view(&self) -> NamesView {
        NamesView {
            listening: self.bound.values().copied().collect(),
            integration: self.resolving.status(),
            troubles: self.troubles.iter().cloned().collect(),
        }
    }

    /// Takes in what the networks' names stand for now.
    pub(crate) fn update(&mut self, networks: &[NetworkView]) {
        let Some(server) = self.server.clone() else {
            return;
        };
        self.serial = self.serial.wrapping_add(1).max(1);
        let zones: Vec<Arc<AltZone>> = networks.iter().filter_map(|network| self.zone(network)).map(Arc::new).collect();
        server.swap(Zones::new(zones));
        self.resolving.publish(host_entries(networks));
    }

    fn zone(&mut self, network: &NetworkView) -> Option<AltZone> {
        let own = IpAddr::V6(network.snapshot.address.ip());
        let prefix = network.snapshot.prefix.network();
        let mut builder =
            AltZoneBuilder::new(network.label.as_str(), &network.id.to_string(), prefix, own).serial(self.serial);
        let published = published(network);
        for (node, label, address) in members(network) {
            let records = published.get(node).into_iter().copied().flatten();
            builder = builder.host(Host {
                label: label.to_string(),
                addresses: vec![address],
                primary: fqdn(label, &network.label),
                records: records.filter_map(parse).collect(),
            });
        }
        match builder.build() {
            Ok(zone) => Some(zone),
            Err(error) => {
                self.trouble(format!("the names of {} are not answered: {error}", network.label));
                None
            }
        }
    }

    /// Listens on the overlay address of each network that has an interface, and on no other.
    pub(crate) async fn listen(&mut self, networks: &[NetworkView]) {
        let Some(server) = self.server.clone() else {
            return;
        };
        let wanted: BTreeSet<IpAddr> = networks
            .iter()
            .filter(|network| network.interface.is_some())
            .map(|network| IpAddr::V6(network.snapshot.address.ip()))
            .collect();
        let gone: Vec<IpAddr> =
            self.bound.keys().filter(|ip| **ip != self.settings.listen && !wanted.contains(ip)).copied().collect();
        for ip in gone {
            if let Some(bound) = self.bound.remove(&ip) {
                server.unbind(bound).await;
            }
        }
        for ip in wanted {
            if !self.bound.contains_key(&ip) {
                self.bind(&server, SocketAddr::new(ip, self.settings.port)).await;
            }
        }
    }

    async fn bind(&mut self, server: &Server, address: SocketAddr) {
        for attempt in 1..=BIND_TRIES {
            match server.bind(address).await {
                Ok(bound) => {
                    self.bound.insert(address.ip(), bound);
                    return;
                }
                Err(error) if attempt == BIND_TRIES => {
                    self.trouble(format!("names are not answered on {address}: {error}"));
                }
                Err(_) => tokio::time::sleep(BIND_RETRY).await,
            }
        }
    }

    /// Leaves the operating system as it was.
    pub(crate) async fn stop(&mut self) {
        self.resolving.remove();
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
    }
}

fn server(configured: &holloway_config::DnsServer) -> Option<UpstreamServer> {
    let text = match &configured.transport {
        DnsTransport::Plain => configured.address.to_string(),
        DnsTransport::Tls { certificate_name } => format!("tls://{}#{certificate_name}", configured.address),
    };
    text.parse().ok()
}

/// Every member with its label and address, this machine included.
fn members(network: &NetworkView) -> impl Iterator<Item = (&NodeId, &Label, IpAddr)> {
    let own = (&network.snapshot.node, &network.snapshot.label, IpAddr::V6(network.snapshot.address.ip()));
    let peers = network.snapshot.peers.iter();
    std::iter::once(own).chain(peers.map(|peer| (&peer.node, &peer.label, IpAddr::V6(peer.address.ip()))))
}

/// What each member publishes under its name.
fn published(network: &NetworkView) -> BTreeMap<&NodeId, &[NameRecord]> {
    network.snapshot.names.iter().map(|(owner, records)| (owner, records.as_slice())).collect()
}

/// A member's record; what does not parse is left out, for it is the member's fault.
fn parse(record: &NameRecord) -> Option<PublishedRecord> {
    PublishedRecord::parse(&record.name, &record.record_type, &record.value).ok()
}

/// Exact names with addresses, for where only a hosts file helps.
fn host_entries(networks: &[NetworkView]) -> Vec<(String, IpAddr)> {
    let mut entries = Vec::new();
    for network in networks {
        let published = published(network);
        for (node, label, address) in members(network) {
            let name = fqdn(label, &network.label);
            entries.push((name.clone(), address));
            for record in published.get(node).into_iter().copied().flatten() {
                if let Ok(ip) = record.value.parse::<IpAddr>()
                    && parse(record).is_some()
                    && !record.name.is_empty()
                    && !record.name.contains('*')
                {
                    entries.push((format!("{}.{name}", record.name), ip));
                }
            }
        }
    }
    entries
}
