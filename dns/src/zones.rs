//! All zones of this machine, and who may see which.
//!
//! A question belongs to the zone with the longest matching origin. What lies under `.alt`, the
//! unique local addresses' reverse tree, `.onion` or `.invalid` and in no zone is answered here
//! as well, so that it is never asked upstream (RFC 9476, RFC 6303, RFC 7686, RFC 6761).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use hickory_proto::rr::Name;
use hickory_proto::rr::rdata::SOA;

use crate::alt_zone::AltZone;
use crate::answer::Answer;
use crate::builder::{NEGATIVE_TTL, SOA_TIMERS};
use crate::name::{self, NameKey};
use crate::question::Question;
use crate::tree::NameTree;

/// The domain that is no domain of the DNS (RFC 9476).
const ALT: &str = "alt";

/// Domains that are answered here or nowhere. `d.f.ip6.arpa` covers the unique local addresses.
const ENCLOSED: [&str; 4] = [ALT, "d.f.ip6.arpa", "onion", "invalid"];

/// Who asks, and therefore what can be seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum View {
    /// This machine: all networks' names.
    ThisMachine,
    /// A member of the network with this position: that network's names only.
    Network(usize),
    /// Anyone else: nothing.
    Stranger,
}

/// The zones of all networks on this machine.
#[derive(Debug)]
pub struct Zones {
    zones: Vec<Arc<AltZone>>,
    origins: BTreeMap<Box<[u8]>, usize>,
    origin_labels_max: usize,
    own_addresses: BTreeSet<IpAddr>,
    enclosed: Vec<Enclosed>,
}

/// One of the [`ENCLOSED`] domains, with the SOA for its negative answers.
struct Enclosed(NameTree);

impl Zones {
    /// Puts zones together; where two have the same origin, the first keeps it.
    pub fn new(zones: impl IntoIterator<Item = Arc<AltZone>>) -> Self {
        let zones: Vec<_> = zones.into_iter().collect();
        let mut origins = BTreeMap::new();
        let mut origin_labels_max = 0;
        for (position, zone) in zones.iter().enumerate() {
            for tree in &zone.trees {
                origins.entry(tree.origin().as_bytes().into()).or_insert(position);
                origin_labels_max = origin_labels_max.max(tree.origin().labels());
            }
        }
        let own_addresses = zones.iter().map(|zone| zone.own_address).collect();
        let enclosed = ENCLOSED.iter().map(|domain| Enclosed::new(domain)).collect();
        Self { zones, origins, origin_labels_max, own_addresses, enclosed }
    }

    /// Adds addresses of this machine beside its zones' own ones.
    #[must_use]
    pub fn with_own_addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.own_addresses.extend(addresses);
        self
    }

    /// Returns what a question from `source` may see.
    pub fn view(&self, source: IpAddr) -> View {
        let source = source.to_canonical();
        if source.is_loopback() || self.own_addresses.contains(&source) {
            return View::ThisMachine;
        }
        match self.zones.iter().position(|zone| zone.is_member(source)) {
            Some(position) => View::Network(position),
            None => View::Stranger,
        }
    }

    /// Answers a question, or returns `None` if its name is to be asked upstream.
    ///
    /// A chain that leaves its zone is returned but not followed into another network; `onward`
    /// is set only if its end is to be asked upstream.
    pub fn lookup(&self, question: &Question, view: View) -> Option<Answer> {
        let key = NameKey::of(&question.name);
        if let Some(zone) = self.zone_of(&key, view) {
            return zone.lookup(question).map(|answer| self.closed(answer));
        }
        let enclosed = self.enclosed.iter().find(|enclosed| enclosed.0.contains(&key))?;
        let authority = vec![enclosed.0.negative()];
        if self.leads_to_zone(&key, view) {
            return Some(Answer::NoData { chain: Vec::new(), authority });
        }
        Some(Answer::NxDomain { chain: Vec::new(), authority })
    }

    /// Tells whether a name is answered here or nowhere.
    pub(crate) fn encloses(name: &Name) -> bool {
        ENCLOSED.iter().any(|domain| name::is_under(name, domain))
    }

    fn zone_of(&self, key: &NameKey, view: View) -> Option<&AltZone> {
        let deepest = key.labels().min(self.origin_labels_max);
        (1..=deepest)
            .rev()
            .filter_map(|labels| self.origins.get(key.ancestor(labels)))
            .find(|position| view.sees(**position))
            .map(|position| &*self.zones[*position])
    }

    /// Tells whether the name is an empty non-terminal above a zone. `alt.` itself is not: it is
    /// no domain name, so it does not exist whatever we keep below it.
    fn leads_to_zone(&self, key: &NameKey, view: View) -> bool {
        let prefix = key.as_bytes();
        key.labels() > 1
            && self
                .origins
                .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
                .take_while(|(origin, _)| origin.starts_with(prefix))
                .any(|(_, position)| view.sees(*position))
    }

    fn closed(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Records { records, onward } => {
                let onward = onward.filter(|question| !Self::encloses(&question.name));
                Answer::Records { records, onward }
            }
            negative @ Answer::NoData { .. } => negative,
            negative @ Answer::NxDomain { .. } => negative,
        }
    }
}

impl Default for Zones {
    fn default() -> Self {
        Self::new([])
    }
}

impl View {
    fn sees(self, zone: usize) -> bool {
        match self {
            Self::ThisMachine => true,
            Self::Network(position) => position == zone,
            Self::Stranger => false,
        }
    }
}

impl Enclosed {
    fn new(domain: &str) -> Self {
        let origin = name::parse(domain).expect("the enclosed domains are names");
        let contact = name::parse("nobody.invalid").expect("nobody.invalid is a name");
        let (refresh, retry, expire) = SOA_TIMERS;
        let soa = SOA::new(origin.clone(), contact, 1, refresh, retry, expire, NEGATIVE_TTL);
        Self(NameTree::new(&origin, NEGATIVE_TTL, soa))
    }
}

impl std::fmt::Debug for Enclosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enclosed")
    }
}
