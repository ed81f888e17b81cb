use std::time::{Duration, Instant};

use holloway_mesh::{DropCounts, DropReason, TooLong};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::forwarding::Table;
use super::queue::LaneEvent;
use super::train::Sent;

/// How often a lane with traffic reports it: often enough for liveness (a second), rarely enough to cost nothing.
pub(super) const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What a lane tells the core.
pub(super) struct Upward {
    events: Sender<LaneEvent>,
    drops: DropCounts,
    has_drops: bool,
    too_long: Vec<TooLong>,
    reported: Instant,
    is_urgent: bool,
}

impl Upward {
    pub(super) fn new(events: Sender<LaneEvent>) -> Self {
        Self {
            events,
            drops: DropCounts::default(),
            has_drops: false,
            too_long: Vec::new(),
            reported: Instant::now(),
            is_urgent: false,
        }
    }

    /// Gives the core what the lane cannot place.
    pub(super) fn hand_over(&mut self, event: LaneEvent) {
        if self.events.try_send(event).is_err() {
            self.drop(DropReason::QueueFull);
        }
    }

    /// Counts a dropped packet.
    pub(super) fn drop(&mut self, reason: DropReason) {
        self.drops.count(reason);
        self.has_drops = true;
    }

    /// Takes note of what became of a train.
    pub(super) fn sent(&mut self, sent: &Sent) {
        for _ in 0..sent.dropped {
            self.drop(DropReason::QueueFull);
        }
        if let Some((endpoint, length)) = sent.too_long {
            self.is_urgent = true;
            match self.too_long.iter_mut().find(|noted| noted.endpoint == endpoint) {
                Some(noted) => noted.length = noted.length.min(length),
                None => self.too_long.push(TooLong { endpoint, length }),
            }
        }
    }

    /// The core should hear of it now.
    pub(super) fn hurry(&mut self, is_urgent: bool) {
        self.is_urgent |= is_urgent;
    }

    /// Whether there is something to report, now or later.
    pub(super) fn has_news(&self, table: &Table) -> bool {
        table.has_traffic() || self.has_drops || self.is_urgent
    }

    /// Reports what has happened, when it is time or the core should hear of it now.
    pub(super) fn report(&mut self, table: &mut Table) {
        if !self.has_news(table) || !(self.is_urgent || self.reported.elapsed() >= REPORT_EVERY) {
            return;
        }
        let mut report = table.take_report();
        report.drops = std::mem::take(&mut self.drops);
        report.too_long = std::mem::take(&mut self.too_long);
        (self.has_drops, self.is_urgent, self.reported) = (false, false, Instant::now());
        if let Err(TrySendError::Full(LaneEvent::Traffic(report))) =
            self.events.try_send(LaneEvent::Traffic(Box::new(report)))
        {
            self.drops.add(&report.drops);
            self.has_drops = true;
        }
    }
}
