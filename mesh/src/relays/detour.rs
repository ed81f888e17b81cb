use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{Instant, RegistrationId};

use super::registration::Registration;

/// Pauses after a stream could not be opened, or has ended.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// The way to a relay by a stream, for when datagrams do not get through. The shell opens it, and lends it an address: what
/// is sent there travels in the stream.
#[derive(Debug)]
pub(super) struct Detour {
    stage: Stage,
    failures: u32,
}

#[derive(Debug)]
enum Stage {
    Closed { until: Option<Instant> },
    Opening,
    Open { at: SocketAddr, registration: Box<Registration> },
}

impl Detour {
    pub(super) const fn new() -> Self {
        Self { stage: Stage::Closed { until: None }, failures: 0 }
    }

    /// Begins to open the stream, unless that was tried just now.
    pub(super) fn open(&mut self, now: Instant) -> bool {
        let may = matches!(self.stage, Stage::Closed { until } if until.is_none_or(|until| until <= now));
        if may {
            self.stage = Stage::Opening;
        }
        may
    }

    /// The stream is open, and has this address.
    pub(super) fn handle_opened(&mut self, at: SocketAddr) {
        self.stage = Stage::Open { at, registration: Box::new(Registration::new()) };
    }

    /// The stream could not be opened, or has ended. Gives where we were registered.
    pub(super) fn handle_closed(&mut self, now: Instant) -> Option<SocketAddr> {
        let was = self.registered().map(|(_, at)| at);
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        self.failures = if was.is_some() { 0 } else { self.failures + 1 };
        self.stage = Stage::Closed { until: Some(now + pause) };
        was
    }

    /// It is not needed any more. Says whether there was one.
    pub(super) fn close(&mut self) -> bool {
        let was_open = !matches!(self.stage, Stage::Closed { .. });
        *self = Self::new();
        was_open
    }

    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed { .. })
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open { .. })
    }

    /// The address of the stream.
    pub(super) const fn at(&self) -> Option<SocketAddr> {
        match &self.stage {
            Stage::Open { at, .. } => Some(*at),
            Stage::Closed { .. } | Stage::Opening => None,
        }
    }

    /// Our standing with the relay over the stream.
    pub(super) fn registration(&self) -> Option<&Registration> {
        match &self.stage {
            Stage::Open { registration, .. } => Some(registration),
            Stage::Closed { .. } | Stage::Opening => None,
        }
    }

    pub(super) fn registration_mut(&mut self) -> Option<&mut Registration> {
        match &mut self.stage {
            Stage::Open { registration, .. } => Some(registration),
            Stage::Closed { .. } | Stage::Opening => None,
        }
    }

    pub(super) fn registered(&self) -> Option<(RegistrationId, SocketAddr)> {
        self.registration()?.registered()
    }
}
