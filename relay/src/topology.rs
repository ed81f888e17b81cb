use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{
    Instant, NodeId, Now, OwnLink, RELAY_LINKS_MAX, RelayAnnouncement, RelayLink, RelayState, UnixTime,
};

/// Relays whose links are known: those of every member that may relay, in any network that we think of.
const RELAYS_MAX: usize = 4096;

/// A route on which a question went unanswered is not taken for this long: its links are said to be there for that long
/// at most after they are gone.
const FAILED_FOR: Duration = Duration::from_secs(30);

const FAILED_MAX: usize = 1024;

/// A way is left for one that takes this share of its time or less.
const WORTH_IT: f64 = 0.8;

/// Which relays reach which, by what each says of its own links (link state), and the ways over them. A way is chosen by
/// the relay where it begins and named in full, so that it cannot turn back on itself whatever others believe.
#[derive(Default)]
pub(crate) struct Topology {
    own: BTreeMap<NodeId, OwnLink>,
    others: BTreeMap<NodeId, Reach>,
    failed: BTreeMap<Vec<NodeId>, Instant>,
}

struct Reach {
    sequence: u64,
    expires: UnixTime,
    links: Vec<RelayLink>,
}

impl Topology {
    pub(crate) fn own(&self, relay: &NodeId) -> Option<&OwnLink> {
        self.own.get(relay)
    }

    /// The relay at an address, if we are registered there.
    pub(crate) fn own_at(&self, at: &SocketAddr) -> Option<NodeId> {
        self.own.iter().find(|(_, link)| link.at == *at).map(|(relay, _)| *relay)
    }

    /// Takes in a link of our own; gives the one that it replaces.
    pub(crate) fn set_own(&mut self, relay: NodeId, link: Option<OwnLink>) -> Option<OwnLink> {
        match link {
            Some(link) => self.own.insert(relay, link),
            None => self.own.remove(&relay),
        }
    }

    /// Our lasting links, the shortest first, for others. Everyone would hear of each that comes and goes: with many relays
    /// most circuits take one of their own.
    pub(crate) fn own_links(&self) -> Vec<RelayLink> {
        let lasting = self.own.iter().filter(|(_, link)| link.is_lasting);
        let mut links: Vec<RelayLink> = lasting.map(|(relay, link)| RelayLink::new(*relay, link.rtt)).collect();
        links.sort_by_key(|link| (link.rtt(), link.relay));
        links.truncate(RELAY_LINKS_MAX);
        links
    }

    /// Another relay says which links it has.
    pub(crate) fn handle_announcement(&mut self, announcement: &RelayAnnouncement, now: UnixTime) {
        let RelayAnnouncement { node, sequence, expires, state, .. } = *announcement;
        if self.others.get(&node).is_some_and(|held| held.sequence >= sequence) {
            return;
        }
        if self.others.len() >= RELAYS_MAX && !self.others.contains_key(&node) {
            self.others.retain(|_, reach| reach.expires > now);
            if self.others.len() >= RELAYS_MAX {
                return;
            }
        }
        // One that is about to stop is no way to anyone else.
        let links = if state == RelayState::Open { announcement.links.clone() } else { Vec::new() };
        self.others.insert(node, Reach { sequence, expires, links });
    }

    /// Relays that there are, this one included.
    pub(crate) fn relays(&self, now: UnixTime) -> usize {
        1 + self.others.values().filter(|reach| reach.expires > now).count()
    }

    pub(crate) fn forget(&mut self, relay: &NodeId) {
        self.others.remove(relay);
    }

    /// Nobody answers on a route.
    pub(crate) fn handle_failed(&mut self, route: Vec<NodeId>, now: Instant) {
        self.failed.retain(|_, until| *until > now);
        if self.failed.len() < FAILED_MAX {
            self.failed.insert(route, now + FAILED_FOR);
        }
    }

    /// The shortest way to any of these relays, over one other at most: the relays that follow this one.
    pub(crate) fn route(&self, to: &[NodeId], now: Now) -> Option<Vec<NodeId>> {
        let is_good = |route: &Vec<NodeId>| self.failed.get(route).is_none_or(|until| *until <= now.monotonic);
        let ways = to.iter().flat_map(|last| self.ways(*last, now.unix)).filter(|(_, route)| is_good(route));
        ways.min().map(|(_, route)| route)
    }

    /// A way to any of these relays that is better than the one in use: it is over fewer relays and no longer, or shorter by a
    /// fifth. By less nobody is moved: what relays measure of each other goes up and down.
    pub(crate) fn better_route(&self, used: &[NodeId], to: &[NodeId], now: Now) -> Option<Vec<NodeId>> {
        let length = |route: &[NodeId]| {
            let last = route.last()?;
            self.ways(*last, now.unix).find(|(_, way)| way == route).map(|(length, _)| length)
        };
        let best = self.route(to, now)?;
        let (before, after) = (length(used)?, length(&best)?);
        let is_better = (best.len() < used.len() && after <= before) || after < before.mul_f64(WORTH_IT);
        is_better.then_some(best)
    }

    /// The ways to a relay, and how long each is.
    fn ways(&self, last: NodeId, now: UnixTime) -> impl Iterator<Item = (Duration, Vec<NodeId>)> {
        let straight = self.own.get(&last).map(|link| (link.rtt, vec![last]));
        let over = self.own.iter().filter(move |(between, _)| **between != last).filter_map(move |(between, own)| {
            let reach = self.others.get(between).filter(|reach| reach.expires > now)?;
            let rest = reach.links.iter().find(|link| link.relay == last)?;
            Some((own.rtt + rest.rtt(), vec![*between, last]))
        });
        straight.into_iter().chain(over)
    }
}
