use std::time::Duration;

use holloway_wire::{Instant, Load, Now, RelayAnnouncement, RelayState, Signed};

use crate::settings::{Identity, Settings};

/// How often a relay says that it is there (ARCHITECTURE §5 "Times and limits"),
const EVERY: Duration = Duration::from_secs(30);
/// and how long that holds: two more may be lost.
const LIFETIME: Duration = Duration::from_secs(90);

/// Decides when the relay speaks of itself, and what it says.
pub(crate) struct Announcer {
    due: Instant,
    sequence: u64,
    /// Bytes passed on until the last announcement, and when that was.
    before: (u64, Instant),
}

impl Announcer {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { due: now, sequence: 0, before: (0, now) }
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    pub(crate) const fn announce_at(&mut self, at: Instant) {
        self.due = at;
    }

    /// How much of its capacity the relay has used since it was last asked.
    pub(crate) fn load(&mut self, bytes: u64, capacity_mbps: u32, now: Instant) -> Load {
        let (before, since) = std::mem::replace(&mut self.before, (bytes, now));
        let span = now.since(since).as_secs_f64();
        let capacity = f64::from(capacity_mbps.max(1)) * 125_000.0 * span;
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
        load: Load,
        members: usize,
        state: RelayState,
        now: Now,
    ) -> Signed<RelayAnnouncement> {
        self.due = now.monotonic + EVERY;
        self.sequence = now.unix.as_nanos().max(self.sequence + 1);
        let announcement = RelayAnnouncement {
            node: identity.node_id(),
            sequence: self.sequence,
            expires: now.unix + LIFETIME,
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
        };
        Signed::sign(announcement, &identity.key, &identity.network)
    }
}
