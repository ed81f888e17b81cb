//! Holloway's names: the `.alt` zones as pure values, and the server and resolver around them.
//!
//! Two halves. The pure half turns what a network's members published into an [`AltZone`], an
//! authoritative zone that answers a [`Question`] with an [`Answer`] by the algorithm of RFC 1034
//! section 4.3.2 and RFC 4592, without a clock and without input or output. [`Zones`] is the set
//! of all zones on this machine together with the rule who may see which of them. The shell half
//! is [`Server`], which owns the sockets, and [`Upstream`], which asks somebody else about every
//! name that is not ours. `.alt` is never asked upstream: [`Zones`] answers it completely, and a
//! second gate stands where packets to upstream servers leave.
//!
//! What this crate does not know: how a name comes to be (membership, claims, gossip), which
//! networks are joined or when that changes, where the operating system keeps its resolver
//! settings, and the configuration file. Whoever uses it hands in finished zones and a finished
//! upstream, and swaps them when they change.

mod alt_zone;
mod answer;
mod builder;
mod door;
mod error;
mod gate;
mod metrics;
mod name;
mod question;
mod rebinding;
mod record;
mod reply;
mod responder;
mod server;
mod tcp;
mod tree;
mod udp;
mod upstream;
mod upstream_server;
mod zones;

pub use alt_zone::AltZone;
pub use answer::{Answer, ResourceRecord};
pub use builder::{AltZoneBuilder, HOSTS_MAX, Host, RECORDS_PER_HOST_MAX, SkipReason, Skipped};
pub use error::{DnsError, QueryError};
pub use metrics::Snapshot;
pub use question::{Question, QuestionError};
pub use rebinding::RebindingFilter;
pub use record::{PublishedRecord, RecordError, RecordKind, TXT_BYTES_MAX};
pub use responder::Audience;
pub use server::Server;
pub use upstream::{ROOT_HINTS, Upstream, UpstreamConfig, UpstreamError, UpstreamMode};
pub use upstream_server::{UpstreamServer, UpstreamServerError};
pub use zones::{View, Zones};
