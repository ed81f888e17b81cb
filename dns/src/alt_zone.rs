//! The authoritative zone of one network.
//!
//! The same names stand under two origins, `<network>.alt` and the self-certifying
//! `<network id>.alt`, and the addresses' names under the /48 in `ip6.arpa`. Knows neither clock
//! nor socket, and not how its names came to be.

use std::net::{IpAddr, Ipv6Addr};

use hickory_proto::rr::{Name, Record};

use crate::answer::{Answer, ResourceRecord};
use crate::builder::Skipped;
use crate::name::NameKey;
use crate::question::Question;
use crate::tree::{Found, NameTree};

/// Longest CNAME chain followed: stubs and resolvers give up between 8 and 17, so a longer one
/// helps nobody.
const CHAIN_MAX: usize = 8;

/// An immutable authoritative zone for one network.
pub struct AltZone {
    pub(crate) trees: [NameTree; 3],
    pub(crate) prefix: Ipv6Addr,
    pub(crate) own_address: IpAddr,
    pub(crate) skipped: Vec<Skipped>,
}

impl AltZone {
    /// Answers a question, or returns `None` if its name lies outside this zone.
    ///
    /// An alias is followed as long as its target is in this zone; a chain that leaves the zone
    /// ends with the CNAME and says so in `onward`, one that loops ends where it began to.
    pub fn lookup(&self, question: &Question) -> Option<Answer> {
        let mut chain = Vec::new();
        let mut name = question.name.clone();
        loop {
            let key = NameKey::of(&name);
            let Some(tree) = self.trees.iter().find(|tree| tree.contains(&key)) else {
                return leaving(chain, name, question);
            };
            match tree.find(&key, question.rtype) {
                Found::Records(set) => {
                    chain.extend(set.iter().map(|record| owned_by(&name, record)));
                    return Some(Answer::Records { records: chain, onward: None });
                }
                Found::NoData => {
                    return Some(Answer::NoData { chain, authority: vec![tree.negative()] });
                }
                Found::NxDomain => {
                    return Some(Answer::NxDomain { chain, authority: vec![tree.negative()] });
                }
                Found::Alias { cname, target } => {
                    chain.push(owned_by(&name, cname));
                    if chain.len() == CHAIN_MAX || chain.iter().any(|link| link.0.name == *target) {
                        return Some(Answer::Records { records: chain, onward: None });
                    }
                    name = target.clone();
                }
            }
        }
    }

    /// Returns what could not be taken into the zone, and why.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Returns this machine's own address in the network.
    pub fn own_address(&self) -> IpAddr {
        self.own_address
    }

    /// Tells whether `address` lies in the network's /48.
    pub(crate) fn is_member(&self, address: IpAddr) -> bool {
        matches!(address, IpAddr::V6(v6) if v6.segments()[..3] == self.prefix.segments()[..3])
    }
}

impl std::fmt::Debug for AltZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AltZone")
            .field("prefix", &self.prefix)
            .field("own_address", &self.own_address)
            .field("skipped", &self.skipped.len())
            .finish_non_exhaustive()
    }
}

fn leaving(chain: Vec<ResourceRecord>, name: Name, question: &Question) -> Option<Answer> {
    if chain.is_empty() {
        return None;
    }
    Some(Answer::Records { records: chain, onward: Some(Question::new(name, question.rtype)) })
}

/// Returns the record with the name as it was asked: letter case kept, wildcard synthesised.
fn owned_by(name: &Name, record: &Record) -> ResourceRecord {
    ResourceRecord(Record::from_rdata(name.clone(), record.ttl, record.data.clone()))
}
