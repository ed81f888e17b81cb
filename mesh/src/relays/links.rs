//! What a relay does with other relays: it registers with the nearest, and with those that circuits are to lead over, and
//! says so to the relay of this machine, which leads the circuits.

use holloway_wire::OwnLink;

use super::*;

/// Relays that a relay is registered with in any case: those nearest to it.
const LINKS_MAX: usize = 8;

/// Relays that a relay is registered with besides, for the circuits of the moment.
const VISITED_MAX: usize = 64;

/// Relays that a relay knows: all that any network we think of has.
const KNOWN_MAX: usize = 4096;

/// What this machine's own relay is to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayNews {
    /// Another relay has spoken of itself.
    Announced(RelayAnnouncement),
    /// We are registered with another relay, or with `None`, not any more.
    Link {
        /// The other relay.
        relay: NodeId,
        /// How.
        link: Option<OwnLink>,
    },
}

/// What a relay needs to know besides, to be one among others.
#[derive(Debug, Default)]
pub(super) struct Links {
    /// The nearest relays.
    nearest: Vec<NodeId>,
    /// What the relay was told of each.
    told: BTreeMap<NodeId, OwnLink>,
}

impl Relays {
    /// This machine is a relay itself from now on.
    pub(crate) fn begin_relaying(&mut self) {
        if self.links.is_some() {
            return;
        }
        self.links = Some(Links::default());
        let known = self.known.values().map(|relay| relay.announcement.value().clone());
        self.outputs.extend(known.map(|announcement| RelaysOutput::News(RelayNews::Announced(announcement))));
    }

    /// Circuits are to lead over another relay: we register there, or see whether it still knows us.
    pub(crate) fn want_link(&mut self, relay: &NodeId, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        if let Some(relay) = self.known.get_mut(relay) {
            relay.in_use_until = Some(now + UNUSED_MAX);
            relay.registration.doubt(now);
        } else if self.may_ask(now) {
            self.outputs.push_back(RelaysOutput::Ask { node: None });
        }
        self.handle_timeout(context);
    }

    pub(super) const fn capacity(&self) -> usize {
        if self.links.is_some() { KNOWN_MAX } else { RELAYS_MAX }
    }

    /// Chooses the relays to be linked with, of all that can be used, the nearest first.
    pub(super) fn choose_links(&mut self, usable: &[(bool, Duration, NodeId)]) {
        if let Some(links) = &mut self.links {
            links.nearest = usable.iter().take(LINKS_MAX).map(|(_, _, node)| *node).collect();
        }
    }

    /// The relays that something was sent through or that circuits lead over, those used last first.
    pub(super) fn visited(&self, now: Instant) -> Vec<NodeId> {
        let most = if self.links.is_some() { VISITED_MAX } else { super::VISITED_MAX };
        let is_visit = |(node, relay): &(&NodeId, &Relay)| relay.is_in_use(now) && !self.homes.contains(node);
        let mut visited: Vec<(&NodeId, &Relay)> = self.known.iter().filter(is_visit).collect();
        visited.sort_by_key(|(_, relay)| std::cmp::Reverse(relay.in_use_until));
        visited.into_iter().take(most).map(|(node, _)| *node).collect()
    }

    pub(super) fn nearest_links(&self) -> Vec<NodeId> {
        self.links.as_ref().map(|links| links.nearest.clone()).unwrap_or_default()
    }

    pub(super) fn heard(&mut self, announcement: &RelayAnnouncement) {
        if self.links.is_some() {
            self.outputs.push_back(RelaysOutput::News(RelayNews::Announced(announcement.clone())));
        }
    }

    /// A registration is gone, also when there is another at once: what the other relay knew went with it.
    pub(super) fn link_lost(&mut self, relay: NodeId) {
        if let Some(links) = &mut self.links
            && links.told.remove(&relay).is_some()
        {
            self.outputs.push_back(RelaysOutput::News(RelayNews::Link { relay, link: None }));
        }
    }

    /// Tells the relay of this machine what has changed.
    pub(super) fn tell_links(&mut self) {
        let Some(links) = &mut self.links else {
            return;
        };
        let state = |node: &NodeId, relay: &Relay| {
            let (registration, at) = relay.registered()?;
            let is_lasting = links.nearest.contains(node);
            Some(OwnLink { registration, at, rtt: relay.standing().rtt()?, is_lasting })
        };
        let now: BTreeMap<NodeId, OwnLink> =
            self.known.iter().filter_map(|(node, relay)| Some((*node, state(node, relay)?))).collect();
        let gone = links.told.keys().filter(|node| !now.contains_key(node)).map(|node| (*node, None));
        let other = now.iter().filter(|(node, link)| links.told.get(node) != Some(link));
        let changed = gone.chain(other.map(|(node, link)| (*node, Some(*link))));
        self.outputs.extend(changed.map(|(relay, link)| RelaysOutput::News(RelayNews::Link { relay, link })));
        links.told = now;
    }
}
