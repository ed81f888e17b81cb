//! Who registers with relays: members, and relays with each other.
//!
//! The times are those of `mesh/src/relays/registration.rs`; what is decided is the gist of `mesh/src/relays/mod.rs` and
//! `links.rs`: to be registered with the nearest relays that answer, and with a few more for a while.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use holloway_wire::{
    IdentityKey, Instant, Membership, MembershipCertificate, NetworkId, NodeId, RegistrationId, Rights, Signed,
    StaticBinding, StaticSecret, UnixTime, Validity,
};

use super::plane::Place;

/// Wall-clock time at which every network begins: any time will do.
pub(super) const EPOCH: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Waits after each question (`TRIES`), and after each ping (`PING_TRIES`).
pub(super) const TRIES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(1000), Duration::from_millis(2000)];
pub(super) const PING_TRIES: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(250), Duration::from_millis(500), Duration::from_millis(500)];

/// How often a registration is confirmed (`PING_EVERY`).
pub(super) const PING_EVERY: Duration = Duration::from_secs(20);

/// A relay that has not answered is asked again when its distance is due to be measured (`MEASURE_EVERY`), which is
/// looked at every 30 s (`CHOOSE_EVERY`).
pub(super) const MEASURED_AGAIN: Duration = Duration::from_secs(330);

/// A relay that is registered with for someone's sake is left after this long (`UNUSED_MAX`).
pub(super) const VISIT: Duration = Duration::from_secs(300);

/// Such relays at a time: those used last (`VISITED_MAX` of a relay).
const VISITS_MAX: usize = 64;

/// Relays that a member is registered with (`HOME_RELAYS_MAX`), and a relay with others (`LINKS_MAX`).
pub(super) const HOMES: usize = 2;
pub(super) const LINKS: usize = 8;

/// Numbers of parties are the /24 that they are in, from here on: each has a site of its own, so that nobody is slowed
/// down for what others do.
const FIRST_SITE: u32 = 11 << 16;
const PORT: u16 = 42_042;

/// A party's number: relays first, then members.
pub(super) type Number = u32;

pub(super) fn address(party: Number) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits((FIRST_SITE + party) << 8 | 1), PORT))
}

pub(super) fn at_address(address: &SocketAddr) -> Option<Number> {
    let SocketAddr::V4(address) = address else { return None };
    (address.ip().to_bits() >> 8).checked_sub(FIRST_SITE)
}

/// One that registers with relays.
pub(super) struct Party {
    pub(super) key: IdentityKey,
    pub(super) node: NodeId,
    pub(super) certificate: Box<MembershipCertificate>,
    pub(super) place: Place,
    /// Relays, the nearest first, as far as it would ever go.
    pub(super) nearest: Vec<Number>,
    pub(super) standings: Vec<Standing>,
}

/// What a party has with one relay.
pub(super) struct Standing {
    pub(super) relay: Number,
    pub(super) stage: Stage,
    /// Names the question that was asked last.
    pub(super) asked: u64,
    pub(super) tries: usize,
    pub(super) sent: Instant,
    /// When the next try, ping or attempt is due.
    pub(super) due: Instant,
    /// Registered with for someone's sake until then.
    pub(super) visit_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Asking,
    Answering,
    Registered(RegistrationId),
    /// The same, and a ping is not answered yet.
    Pinging(RegistrationId),
    /// Nothing is wanted of it yet.
    Waiting,
    Failed,
}

impl Standing {
    pub(super) fn new(relay: Number, now: Instant) -> Self {
        Self { relay, stage: Stage::Waiting, asked: 0, tries: 0, sent: now, due: now, visit_until: None }
    }

    pub(super) const fn registration(&self) -> Option<RegistrationId> {
        match self.stage {
            Stage::Registered(registration) | Stage::Pinging(registration) => Some(registration),
            Stage::Asking | Stage::Answering | Stage::Waiting | Stage::Failed => None,
        }
    }
}

impl Party {
    pub(super) fn new(
        key: IdentityKey,
        place: Place,
        nearest: Vec<Number>,
        root: &IdentityKey,
        network: &NetworkId,
    ) -> Self {
        let certificate = Box::new(certificate(&key, root, network));
        Self { node: key.node_id(), key, certificate, place, nearest, standings: Vec::new() }
    }

    pub(super) fn with(&mut self, relay: Number) -> Option<&mut Standing> {
        self.standings.iter_mut().find(|standing| standing.relay == relay)
    }

    /// The relays that it is registered with, the nearest first.
    pub(super) fn registered(&self) -> impl Iterator<Item = (Number, RegistrationId)> {
        let of = |relay: &Number| self.standings.iter().find(|standing| standing.relay == *relay);
        self.nearest.iter().filter_map(of).filter_map(|held| Some((held.relay, held.registration()?)))
    }

    fn has_failed(&self, relay: Number) -> bool {
        self.standings.iter().any(|held| held.relay == relay && held.stage == Stage::Failed)
    }

    /// The nearest relays that have not failed.
    fn lasting(&self, count: usize) -> impl Iterator<Item = Number> {
        self.nearest.iter().copied().filter(|relay| !self.has_failed(*relay)).take(count)
    }

    /// Whether a relay is one of the nearest that have not failed.
    pub(super) fn is_lasting(&self, relay: Number, count: usize) -> bool {
        self.lasting(count).any(|near| near == relay)
    }

    /// The relays that it wants to be registered with: the nearest that have not failed, and those that it visited last.
    pub(super) fn wanted(&self, count: usize, now: Instant) -> Vec<Number> {
        let mut wanted: Vec<Number> = self.lasting(count).collect();
        let is_visit = |held: &&Standing| held.visit_until.is_some_and(|until| until > now);
        let mut visits: Vec<&Standing> = self.standings.iter().filter(is_visit).collect();
        visits.retain(|held| !wanted.contains(&held.relay));
        visits.sort_by_key(|held| (std::cmp::Reverse(held.visit_until), held.relay));
        wanted.extend(visits.into_iter().take(VISITS_MAX).map(|held| held.relay));
        wanted
    }
}

/// A certificate that the network's root has signed.
fn certificate(key: &IdentityKey, root: &IdentityKey, network: &NetworkId) -> MembershipCertificate {
    /// A relay does not look at it: all have the same.
    const STATIC_SECRET: [u8; 32] = [3; 32];
    let (subject, static_key) = (key.node_id(), StaticSecret::from_bytes(STATIC_SECRET).public());
    let binding = StaticBinding { subject, key: static_key, sequence: EPOCH.as_nanos() };
    let membership = Membership {
        subject,
        label: "somebodys-laptop".parse().expect("letters and a hyphen are a label"),
        rights: Rights::NONE,
        groups: Vec::new(),
        validity: Validity { not_before: EPOCH, not_after: None },
        issuer: root.node_id(),
    };
    MembershipCertificate::issue(membership, Signed::sign(binding, key, network), root, network)
        .expect("it is about one subject")
}
