use std::time::Duration;

use holloway_wire::Instant;

/// How a candidate became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateKind {
    /// The peer announces it.
    Announced,
    /// The peer named it in a call.
    Called,
    /// The peer was seen there.
    Seen,
    /// A relay passes on to the peer what is sent there.
    Relayed,
}

/// What came of trying a candidate last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CandidateResult {
    /// Not tried yet.
    Untried,
    /// Tried, and no answer yet.
    Waiting,
    /// It answered.
    Answered,
    /// It did not answer.
    Silent,
}

/// One endpoint by which a peer might be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// How it became known.
    pub kind: CandidateKind,
    /// What came of it.
    pub result: CandidateResult,
    /// The last measured round trip.
    pub rtt: Option<Duration>,
    /// The longest record it carries, in bytes, as far as is known; `None` if it was never in use.
    pub record_limit: Option<usize>,
    pub(super) tried: Option<Instant>,
    /// Where it stands among all in the order in which they were last named, or heard from.
    pub(super) known: u32,
    pub(super) announced: bool,
}
