//! Puts an [`AltZone`] together from a network's hosts.
//!
//! What other members publish is input from strangers: a host or record that cannot be taken is
//! left out and reported as [`Skipped`], it never spoils the zone for the others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use hickory_proto::rr::rdata::{A, AAAA, NS, PTR, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::alt_zone::AltZone;
use crate::error::DnsError;
use crate::name::{self, NameFault};
use crate::record::PublishedRecord;
use crate::tree::{NameTree, Occupancy};

/// Most hosts of a zone: up to here the full set of names is gossiped to every member.
pub const HOSTS_MAX: usize = 10_000;

/// Most records one host may publish; the quota of an owner, so that no member can fill the
/// others' memory.
pub const RECORDS_PER_HOST_MAX: usize = 64;

/// Seconds that an address or published record may be cached: a host that roams or changes its
/// mind is found again within half a minute.
const DYNAMIC_TTL: u32 = 30;

/// Seconds that the apex may be cached: it changes only with the network itself.
const STATIC_TTL: u32 = 300;

/// Seconds that "no such name" may be cached (SOA MINIMUM, RFC 2308): a new host is seen at once.
pub(crate) const NEGATIVE_TTL: u32 = 30;

/// SOA REFRESH, RETRY and EXPIRE: there is no secondary to obey them, the values are the ones
/// RFC 1912 section 2.2 calls sensible.
pub(crate) const SOA_TIMERS: (i32, i32, i32) = (3_600, 900, 1_209_600);

/// The label of the name server, which no host can have.
const NS_LABEL: &str = "ns";

/// Labels of the reverse zone of a /48: twelve nibbles, `ip6`, `arpa`.
const REVERSE_ORIGIN_LABELS: usize = 14;

/// One member of a network, as far as names are concerned.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host's label: letters, digits and inner hyphens, at most 63 octets.
    pub label: String,
    /// The host's addresses.
    pub addresses: Vec<IpAddr>,
    /// The whole name that the host's addresses point back to; if it is no name, or empty, the
    /// host's name under `<network>.alt` is taken.
    pub primary: String,
    /// What the host publishes under its own name.
    pub records: Vec<PublishedRecord>,
}

/// A host or record that was left out of a zone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skipped {
    /// The host's label.
    pub host: String,
    /// The record's name relative to the host; empty for the host itself.
    pub name: String,
    /// Why it was left out.
    pub reason: SkipReason,
}

/// Why something was left out of a zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The host's label is no host label, or reserved.
    Label,
    /// Another host has the label already.
    Duplicate,
    /// The zone or the host has as many as it may have.
    TooMany,
    /// The name would be longer than 255 octets.
    NameTooLong,
    /// A CNAME cannot stand beside other records.
    CnameNotAlone,
}

/// Collects what an [`AltZone`] is made of.
#[derive(Debug)]
pub struct AltZoneBuilder {
    network: String,
    network_id: String,
    prefix: Ipv6Addr,
    own_address: IpAddr,
    serial: u32,
    hosts: BTreeMap<String, Host>,
    skipped: Vec<Skipped>,
}

impl AltZoneBuilder {
    /// Starts the zone `<network>.alt`, also called `<network_id>.alt`, of the /48 `prefix`.
    ///
    /// `own_address` is this machine's own address in the network: the name server of the zone,
    /// as every machine serves its own copy.
    pub fn new(network: &str, network_id: &str, prefix: Ipv6Addr, own_address: IpAddr) -> Self {
        Self {
            network: network.to_ascii_lowercase(),
            network_id: network_id.to_ascii_lowercase(),
            prefix,
            own_address,
            serial: 1,
            hosts: BTreeMap::new(),
            skipped: Vec::new(),
        }
    }

    /// Sets the SOA's serial number.
    #[must_use]
    pub fn serial(mut self, serial: u32) -> Self {
        self.serial = serial;
        self
    }

    /// Adds a host; if its label is unusable or taken, it is skipped.
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        let label = host.label.to_ascii_lowercase();
        let refusal = if !is_host_label(&label) || label == NS_LABEL {
            Some(SkipReason::Label)
        } else if self.hosts.contains_key(&label) {
            Some(SkipReason::Duplicate)
        } else if self.hosts.len() == HOSTS_MAX {
            Some(SkipReason::TooMany)
        } else {
            None
        };
        match refusal {
            Some(reason) => self.skip(&host.label, "", reason),
            None => drop(self.hosts.insert(label, host)),
        }
        self
    }

    /// Builds the zone.
    ///
    /// # Errors
    ///
    /// [`DnsError::Network`] if the network's label or id is no label.
    pub fn build(mut self) -> Result<AltZone, DnsError> {
        let mut trees = [self.forward_tree(&self.network)?, self.forward_tree(&self.network_id)?, self.reverse_tree()?];
        for (label, host) in std::mem::take(&mut self.hosts) {
            let [named, keyed, reverse] = &mut trees;
            self.add_addresses(named, &self.network, &label, &host);
            self.add_addresses(keyed, &self.network_id, &label, &host);
            self.add_pointers(reverse, &label, &host);
            let refused = self.add_records(named, &self.network, &label, &host);
            // What fits only under the shorter origin is no loss worth reporting.
            let _ = self.add_records(keyed, &self.network_id, &label, &host);
            self.skipped.extend(refused);
        }
        let Self { prefix, own_address, skipped, .. } = self;
        Ok(AltZone { trees, prefix, own_address, skipped })
    }

    fn forward_tree(&self, network: &str) -> Result<NameTree, DnsError> {
        let origin = self.origin(network)?;
        let server = origin.prepend_label(NS_LABEL).map_err(|_| self.unusable(network))?;
        let mut tree = NameTree::new(&origin, STATIC_TTL, self.soa(&origin, &server));
        let identity = format!("network-id={}", self.network_id);
        tree.insert(Record::from_rdata(origin.clone(), STATIC_TTL, RData::NS(NS(server.clone()))));
        tree.insert(Record::from_rdata(origin, STATIC_TTL, RData::TXT(TXT::new(vec![identity]))));
        tree.insert(address_record(server, self.own_address));
        Ok(tree)
    }

    fn reverse_tree(&self) -> Result<NameTree, DnsError> {
        let origin = Name::from(self.prefix).trim_to(REVERSE_ORIGIN_LABELS);
        let server = self.origin(&self.network)?.prepend_label(NS_LABEL).map_err(|_| self.unusable(&self.network))?;
        let mut tree = NameTree::new(&origin, STATIC_TTL, self.soa(&origin, &server));
        tree.insert(Record::from_rdata(origin, STATIC_TTL, RData::NS(NS(server))));
        Ok(tree)
    }

    fn origin(&self, network: &str) -> Result<Name, DnsError> {
        if !is_host_label(network) {
            return Err(self.unusable(network));
        }
        name::join([network.as_bytes(), b"alt"]).map_err(|_| self.unusable(network))
    }

    fn unusable(&self, network: &str) -> DnsError {
        DnsError::Network(network.to_owned())
    }

    fn soa(&self, origin: &Name, server: &Name) -> SOA {
        let (refresh, retry, expire) = SOA_TIMERS;
        let contact = origin.prepend_label("hostmaster").unwrap_or_else(|_| origin.clone());
        SOA::new(server.clone(), contact, self.serial, refresh, retry, expire, NEGATIVE_TTL)
    }

    fn add_addresses(&self, tree: &mut NameTree, network: &str, label: &str, host: &Host) {
        let Ok(owner) = name::join([label.as_bytes(), network.as_bytes(), b"alt"]) else { return };
        for address in &host.addresses {
            tree.insert(address_record(owner.clone(), *address));
        }
    }

    /// An address that two hosts claim points to the one whose label sorts first.
    fn add_pointers(&self, tree: &mut NameTree, label: &str, host: &Host) {
        let Some(primary) = self.primary_name(label, host) else { return };
        for address in &host.addresses {
            let owner = Name::from(*address);
            let within = tree.contains(&name::NameKey::of(&owner));
            if within && tree.occupancy(&owner) == Occupancy::Free {
                let pointer = RData::PTR(PTR(primary.clone()));
                tree.insert(Record::from_rdata(owner, DYNAMIC_TTL, pointer));
            }
        }
    }

    fn primary_name(&self, label: &str, host: &Host) -> Option<Name> {
        match name::parse(&host.primary) {
            Ok(primary) if !primary.is_root() => Some(primary),
            _ => name::join([label.as_bytes(), self.network.as_bytes(), b"alt"]).ok(),
        }
    }

    /// Adds what the host publishes, aliases last, so that a CNAME gives way to what stands.
    fn add_records(&self, tree: &mut NameTree, network: &str, label: &str, host: &Host) -> Vec<Skipped> {
        let skipped = |record: &PublishedRecord, reason| Skipped {
            host: host.label.clone(),
            name: record.name().to_owned(),
            reason,
        };
        let (kept, beyond) = host.records.split_at(host.records.len().min(RECORDS_PER_HOST_MAX));
        let mut refused: Vec<_> = beyond.iter().map(|record| skipped(record, SkipReason::TooMany)).collect();
        let (aliases, others): (Vec<_>, Vec<_>) =
            kept.iter().partition(|record| record.data().record_type() == RecordType::CNAME);
        for record in others.into_iter().chain(aliases) {
            let under = [label.as_bytes(), network.as_bytes(), b"alt"];
            if let Err(reason) = add_record(tree, record, under) {
                refused.push(skipped(record, reason));
            }
        }
        refused
    }

    fn skip(&mut self, host: &str, name: &str, reason: SkipReason) {
        self.skipped.push(Skipped { host: host.to_owned(), name: name.to_owned(), reason });
    }
}

fn add_record(tree: &mut NameTree, record: &PublishedRecord, under: [&[u8]; 3]) -> Result<(), SkipReason> {
    let owner = name::join(record.labels().chain(under)).map_err(|_: NameFault| SkipReason::NameTooLong)?;
    let alias = record.data().record_type() == RecordType::CNAME;
    if alias && tree.occupancy(&owner) != Occupancy::Free {
        return Err(SkipReason::CnameNotAlone);
    }
    tree.insert(Record::from_rdata(owner, DYNAMIC_TTL, record.data().clone()));
    Ok(())
}

fn address_record(owner: Name, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    Record::from_rdata(owner, DYNAMIC_TTL, data)
}

/// RFC 1123 section 2.1: letters, digits and inner hyphens.
fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
