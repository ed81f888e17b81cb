use std::time::{Duration, Instant};

/// How long a lane waits for more: two or three datagrams at the rate from which on it does, ten at 200,000 a second.
const PAUSE: Duration = Duration::from_micros(50);

/// From this mean time between datagrams on a lane waits: 50,000 a second.
const CLOSE: Duration = Duration::from_micros(20);

/// Longer than this they do not count as apart, so that they are close again after some thirty reads.
const APART: Duration = Duration::from_millis(1);

/// A read counts this part of the mean.
const SMOOTHING: u32 = 8;

/// When a relay waits a moment before it reads again: while datagrams that it passes on come fast and one by one. Read at
/// once, few have gathered, and each costs a read and a send of its own; gathered, they leave in trains. What network cards
/// do with their interrupts (J. Mogul, K. Ramakrishnan, "Eliminating Receive Livelock in an Interrupt-Driven Kernel", 1996,
/// and Linux' "dynamic interrupt moderation").
///
/// Members' lanes never wait, and send trains: the first that arrives as one ends the waiting, with the pause in which it
/// comes.
pub(super) struct Moderation {
    read: Instant,
    /// Mean time between datagrams.
    spacing: Duration,
}

impl Moderation {
    pub(super) fn new() -> Self {
        Self { read: Instant::now(), spacing: APART }
    }

    /// A read brought so many datagrams, which came one by one and were all passed on. Gives how long to wait for more.
    pub(super) fn singles(&mut self, count: usize, now: Instant) -> Option<Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let apart = now.saturating_duration_since(self.read).min(APART) / count;
        self.spacing = (self.spacing * (SMOOTHING - 1) + apart) / SMOOTHING;
        self.read = now;
        (self.spacing < CLOSE).then_some(PAUSE)
    }

    /// Something else came, and what follows shall not wait.
    pub(super) fn other(&mut self, now: Instant) {
        (self.read, self.spacing) = (now, APART);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many reads of single datagrams so far apart a lane waits, within a thousand.
    fn waits_after(apart: Duration) -> Option<usize> {
        let mut moderation = Moderation::new();
        let mut now = moderation.read;
        (1..1000).find(|_| {
            now += apart;
            moderation.singles(1, now).is_some()
        })
    }

    #[test]
    fn single_datagrams_are_gathered_only_when_many_have_come_fast() {
        assert_eq!(waits_after(Duration::from_micros(25)), None);
        let reads = waits_after(Duration::from_micros(5)).unwrap();
        assert!((20..60).contains(&reads), "{reads}");
    }

    #[test]
    fn gathering_goes_on_while_as_many_come_and_ends_when_they_do_not() {
        let mut moderation = Moderation::new();
        let mut now = moderation.read;
        for _ in 0..100 {
            now += Duration::from_micros(60);
            moderation.singles(12, now);
        }
        now += Duration::from_micros(60);
        assert_eq!(moderation.singles(12, now), Some(PAUSE));
        now += APART;
        assert_eq!(moderation.singles(1, now), None);
    }

    #[test]
    fn a_train_or_a_packet_of_our_own_ends_it() {
        let mut moderation = Moderation::new();
        let mut now = moderation.read;
        for _ in 0..100 {
            now += Duration::from_micros(5);
            moderation.singles(1, now);
        }
        moderation.other(now);
        assert_eq!(moderation.singles(1, now + Duration::from_micros(5)), None);
    }
}
