//! Holloway's protocol as a pure state machine: one [`Node`] is one network on one machine.
//!
//! **Contract.** After any `handle_*`, drain [`Node::poll_output`] to `None`, then read [`Node::poll_timeout`]. An
//! early or repeated [`Node::handle_timeout`] is harmless. [`holloway_wire::Now`] carries both clocks and never goes
//! backwards. Bad input never returns an error: it is counted under a [`DropReason`]. Whatever must not be said
//! before the disk has what it rests on waits for [`Node::handle_persisted`].
//!
//! Lanes carry packets past the node, with what it handed to them: the halves of a session ([`Sealer`], [`Opener`]) and
//! pure functions of packets, which cut, bundle, fragment and gather them ([`LocalPacket`], [`Gather`]).
//!
//! The crate does not know what time it is, where chance comes from, what a socket, a file or a task is, nor libp2p,
//! DNS or configuration. Locks and atomics stand in one place only: the halves of a session, which lanes share.

#![warn(clippy::iter_over_hash_type)]

mod aead;
mod allowed_ips;
mod command;
mod drop_reason;
mod founding;
mod invite;
mod neighbours;
mod node;
mod noise;
mod offload;
mod output;
mod path;
mod pings;
mod relays;
mod roster;
mod settings;
mod snapshot;
mod tunnel;

pub use command::{Command, CommandError, CommandId, Reply};
pub use drop_reason::{DropCounts, DropReason};
pub use founding::found;
pub use holloway_wire::SecureRng;
pub use invite::{Applicant, Invite, InviteState, JoinError, Joined, Redeemer};
pub use node::{Node, TimerName};
pub use offload::{
    BUNDLED_OVERHEAD, Bundle, Bundled, FRAGMENT_HEADER_LEN, Fragments, Gather, LocalPacket, Piece, Pieces, Reassembly,
    TooBig, TunOffload, VirtioHeader, bundled, complete_checksum, fragments, packet_too_big,
};
pub use output::{
    Channel, ControlCommand, ControlEvent, Event, Forwarding, GossipToken, Heard, LocalAddrs, Output, Persisted,
    RecordId, RequestId, ResponseToken, Route, SecurityKind, SessionTraffic, StoreToken, Stored, StreamCommand,
    TooLong, TrafficReport, Verdict, Write,
};
pub use path::{Candidate, CandidateKind, CandidateResult};
pub use relays::{RelayNews, RelaySnapshot, RelayStanding};
pub use settings::{CipherChoice, Identity, Settings};
pub use snapshot::{Observation, PeerSnapshot, SessionSnapshot, Snapshot};
pub use tunnel::{Exhausted, Opened, Opener, Sealer};
