use std::time::Duration;

use holloway_wire::{Instant, Load, Now, RELAYS_MAX, RelayAnnouncement, RelayLink, RelayState, Signed};

use crate::settings::{BYTES_PER_MEGABIT, Identity, Settings};

/// How often a relay says that it is there (ARCHITECTURE §5 "Times and limits"), and
const EVERY: Duration = Duration::from_secs(30);
/// for how many times as long that holds: two more may be lost.
const LIFETIMES: u32 = 3;

/// With more relays than anyone keeps in mind, each speaks less often, so that everyone hears about one a second, however
/// many there are: the rule of RTCP's reports (RFC 3550 §6.2). Whether a relay is there is seen by asking it.
const RELAYS_AT_FULL_PACE: usize = RELAYS_MAX;

/// Announcements come no closer than this for what comes and goes by itself.
const EVERY_AT_LEAST: Duration = Duration::from_secs(5);

/// How a relay is doing.
pub(crate) struct Condition {
    pub(crate) load: Load,
    pub(crate) members: usize,
    pub(crate) state: RelayState,
    pub(crate) links: Vec<RelayLink>,
    /// Relays in the network, as far as is known.
    pub(crate) relays: usize,
}

/// Decides when the relay speaks of itself, and what it says.
pub(crate) struct Announcer {
    due: Instant,
    sequence: u64,
    announced: Option<Instant>,
    /// Bytes passed on until the last announcement, and when that was.
    before: (u64, Instant),
}

impl Announcer {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { due: now, sequence: 0, announced: None, before: (0, now) }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    pub(crate) const fn announce_at(&mut self, at: Instant) {
        self.due = at;
    }

    /// Something has changed that others reckon with: it is told at once, unless that was done just now.
    pub(crate) fn announce_soon(&mut self, now: Instant) {
        let soonest = self.announced.map_or(now, |announced| announced + EVERY_AT_LEAST);
        self.due = self.due.min(soonest.max(now));
    }

    /// How much of its capacity the relay has used since it was last asked.
    pub(crate) fn load(&mut self, bytes: u64, capacity_bytes: u64, now: Instant) -> Load {
        let (before, since) = std::mem::replace(&mut self.before, (bytes, now));
        let span = now.since(since).as_secs_f64();
        let capacity = capacity_bytes.max(BYTES_PER_MEGABIT) as f64 * span;
        if capacity <= 0.0 {
            return Load::NONE;
        }
        let percent = bytes.saturating_sub(before) as f64 * 100.0 / capacity;
        Load::of_percent(percent.min(100.0) as u8)
    }

    pub(crate) fn announce(
        &mut self,
        identity: &Identity,
        settings: &Settings,
        condition: Condition,
        now: Now,
    ) -> Signed<RelayAnnouncement> {
        let Condition { load, members, state, links, relays } = condition;
        let every = EVERY * u32::try_from(relays.div_ceil(RELAYS_AT_FULL_PACE).max(1)).unwrap_or(u32::MAX);
        self.due = now.monotonic + every;
        self.announced = Some(now.monotonic);
        self.sequence = now.unix.as_nanos().max(self.sequence + 1);
        let announcement = RelayAnnouncement {
            node: identity.node_id(),
            sequence: self.sequence,
            expires: now.unix + every * LIFETIMES,
            name: identity.name.clone(),
            region: settings.region.clone(),
            place: settings.place,
            capacity_mbps: settings.capacity_mbps,
            load,
            members: u32::try_from(members).unwrap_or(u32::MAX),
            software: settings.software.clone(),
            endpoints: settings.endpoints.clone(),
            stream_port: settings.stream_port,
            state,
            links,
        };
        Signed::sign(announcement, &identity.key, &identity.network)
    }
}
