//! One origin's names as a sorted tree, and the search through it.
//!
//! Every name between the origin and a record's owner is a node of its own, so an empty
//! non-terminal is a node without records and "exists" is "is in the map". A search walks down
//! from the origin to the closest encloser (RFC 4592 section 2.2.1), then takes the node itself,
//! the wildcard beside it, or nothing. Does not know what the records mean, nor other origins.

use std::collections::BTreeMap;

use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::answer::ResourceRecord;
use crate::name::NameKey;

/// What a tree holds for a name and a type.
pub(crate) enum Found<'t> {
    Records(&'t [Record]),
    Alias { cname: &'t Record, target: &'t Name },
    NoData,
    NxDomain,
}

pub(crate) struct NameTree {
    origin: NameKey,
    negative: ResourceRecord,
    nodes: BTreeMap<Box<[u8]>, Node>,
}

/// The record sets of one name, sorted by type; empty for an empty non-terminal.
#[derive(Default)]
struct Node(Vec<(RecordType, Vec<Record>)>);

impl NameTree {
    /// Starts a tree at `origin` with its SOA.
    pub(crate) fn new(origin: &Name, ttl: u32, soa: SOA) -> Self {
        let negative_ttl = ttl.min(soa.minimum);
        let soa = RData::SOA(soa);
        let mut tree = Self {
            origin: NameKey::of(origin),
            negative: ResourceRecord(Record::from_rdata(origin.clone(), negative_ttl, soa.clone())),
            nodes: BTreeMap::new(),
        };
        tree.insert(Record::from_rdata(origin.clone(), ttl, soa));
        tree
    }

    /// Adds a record at or below the origin, and the empty non-terminals above it; a record that
    /// is there already is not added twice.
    pub(crate) fn insert(&mut self, record: Record) {
        let key = NameKey::of(&record.name);
        for labels in self.origin.labels()..key.labels() {
            self.nodes.entry(key.ancestor(labels).into()).or_default();
        }
        self.nodes.entry(key.as_bytes().into()).or_default().insert(record);
    }

    /// Tells whether `key` is the origin or a name below it.
    pub(crate) fn contains(&self, key: &NameKey) -> bool {
        key.labels() >= self.origin.labels() && key.ancestor(self.origin.labels()) == self.origin.as_bytes()
    }

    /// Returns the key of the origin.
    pub(crate) fn origin(&self) -> &NameKey {
        &self.origin
    }

    /// Returns the SOA for a negative answer: its TTL is the lesser of the SOA's own and MINIMUM
    /// (RFC 2308 section 3).
    pub(crate) fn negative(&self) -> ResourceRecord {
        self.negative.clone()
    }

    /// Returns what the name has of the type; the name must lie in this tree.
    pub(crate) fn find(&self, key: &NameKey, rtype: RecordType) -> Found<'_> {
        let (encloser, labels) = self.closest_encloser(key);
        if labels == key.labels() {
            return encloser.find(rtype);
        }
        match self.nodes.get(key.wildcard_under(labels).as_bytes()) {
            Some(wildcard) => wildcard.find(rtype),
            None => Found::NxDomain,
        }
    }

    /// Tells whether the name has a CNAME, and whether it has anything else.
    pub(crate) fn occupancy(&self, name: &Name) -> Occupancy {
        match self.nodes.get(NameKey::of(name).as_bytes()).map(|node| node.0.as_slice()) {
            None | Some([]) => Occupancy::Free,
            Some([(RecordType::CNAME, _)]) => Occupancy::Alias,
            Some(_) => Occupancy::Records,
        }
    }

    fn closest_encloser(&self, key: &NameKey) -> (&Node, usize) {
        let mut labels = self.origin.labels();
        let mut deepest = self.nodes.get(self.origin.as_bytes()).expect("the origin was inserted by new");
        while labels < key.labels() {
            let Some(child) = self.nodes.get(key.ancestor(labels + 1)) else { break };
            deepest = child;
            labels += 1;
        }
        (deepest, labels)
    }
}

/// What stands at a name already; a CNAME tolerates nothing beside it (RFC 1034 section 3.6.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Occupancy {
    Free,
    Alias,
    Records,
}

impl Node {
    fn insert(&mut self, record: Record) {
        let rtype = record.record_type();
        let at = self.0.partition_point(|(held, _)| u16::from(*held) < u16::from(rtype));
        match self.0.get_mut(at) {
            Some((held, set)) if *held == rtype => {
                if !set.iter().any(|known| known.data == record.data) {
                    set.push(record);
                }
            }
            _ => self.0.insert(at, (rtype, vec![record])),
        }
    }

    fn find(&self, rtype: RecordType) -> Found<'_> {
        match (rtype, self.0.as_slice()) {
            // RFC 8482 section 4.1: one record set stands for all of them.
            (RecordType::ANY, [(_, set), ..]) => Found::Records(set),
            (_, sets) => match sets.iter().find(|(held, _)| *held == rtype) {
                Some((_, set)) => Found::Records(set),
                None => self.alias().unwrap_or(Found::NoData),
            },
        }
    }

    fn alias(&self) -> Option<Found<'_>> {
        let (_, set) = self.0.iter().find(|(held, _)| *held == RecordType::CNAME)?;
        let cname = set.first()?;
        let RData::CNAME(target) = &cname.data else { return None };
        Some(Found::Alias { cname, target: &target.0 })
    }
}
