use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{Load, NodeId, Now, RelayAnnouncement, RelayRefusal};

use super::{Relay, Relays};

/// How a relay is doing, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayStanding {
    /// We are registered with it, and found there first.
    Home,
    /// We are registered with it, and found there when the home relay is gone.
    Standby,
    /// We are registered with it to reach someone.
    Visited,
    /// It answers.
    Known,
    /// It has not been asked yet.
    Untried,
    /// It does not answer.
    Silent,
    /// It does not take us.
    Refusing(RelayRefusal),
}

/// One relay, for people.
#[derive(Debug, Clone)]
pub struct RelaySnapshot {
    /// What it says of itself.
    pub announcement: RelayAnnouncement,
    /// Where it has answered; over a stream, the address that the stream is lent.
    pub endpoint: Option<SocketAddr>,
    /// Whether it is spoken with over a stream, as datagrams do not get through.
    pub is_stream: bool,
    /// The round trip, smoothed.
    pub rtt: Option<Duration>,
    /// What it is to us.
    pub standing: RelayStanding,
    /// Its load, in its own newest words.
    pub load: Load,
    /// Whether what it says of itself still holds.
    pub is_current: bool,
}

impl Relays {
    /// Every relay that is known, the nearest first.
    pub(crate) fn snapshots(&self, now: Now) -> Vec<RelaySnapshot> {
        let mut snapshots: Vec<RelaySnapshot> =
            self.known.iter().map(|(node, relay)| self.snapshot(node, relay, now)).collect();
        snapshots.sort_by_key(|relay| (relay.rtt.is_none(), relay.rtt, relay.announcement.name.clone()));
        snapshots
    }

    fn snapshot(&self, node: &NodeId, relay: &Relay, now: Now) -> RelaySnapshot {
        let registration = relay.standing();
        let announcement = relay.announcement.value().clone();
        let standing = match (relay.registered(), registration.refusal()) {
            (Some(_), _) if self.homes.first() == Some(node) => RelayStanding::Home,
            (Some(_), _) if self.homes.contains(node) => RelayStanding::Standby,
            (Some(_), _) => RelayStanding::Visited,
            (None, Some(refusal)) => RelayStanding::Refusing(refusal),
            (None, None) if registration.has_failed() => RelayStanding::Silent,
            (None, None) if registration.rtt().is_some() => RelayStanding::Known,
            (None, None) => RelayStanding::Untried,
        };
        RelaySnapshot {
            endpoint: registration.endpoint(),
            is_stream: registration.endpoint().is_some() && registration.endpoint() == relay.detour.at(),
            rtt: registration.rtt(),
            standing,
            load: registration.load().unwrap_or(announcement.load),
            is_current: announcement.expires > now.unix,
            announcement,
        }
    }
}
