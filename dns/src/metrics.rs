//! What the server counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the server was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Questions that were understood, from the network or in process.
    pub queries: u64,
    /// Of these, the ones answered from our own zones.
    pub alt_answers: u64,
    /// Questions refused because of who asked or what was asked.
    pub refused: u64,
    /// Messages that are no question: responses, other opcodes, malformed ones.
    pub malformed: u64,
    /// Replies that did not fit a datagram and were sent with TC set.
    pub truncated: u64,
    /// Questions that were put to the upstream servers.
    pub upstream_queries: u64,
    /// Of these, the ones without a usable answer.
    pub upstream_failures: u64,
    /// Replies dropped because the socket's send buffer was full.
    pub replies_dropped: u64,
}

/// One counter; counters are independent of each other, so relaxed ordering is enough.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) queries: Counter,
    pub(crate) alt_answers: Counter,
    pub(crate) refused: Counter,
    pub(crate) malformed: Counter,
    pub(crate) truncated: Counter,
    pub(crate) upstream_queries: Counter,
    pub(crate) upstream_failures: Counter,
    pub(crate) replies_dropped: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            queries: self.queries.value(),
            alt_answers: self.alt_answers.value(),
            refused: self.refused.value(),
            malformed: self.malformed.value(),
            truncated: self.truncated.value(),
            upstream_queries: self.upstream_queries.value(),
            upstream_failures: self.upstream_failures.value(),
            replies_dropped: self.replies_dropped.value(),
        }
    }
}
