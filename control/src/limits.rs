//! Every bound of the control plane, with its reason. At a bound the newest loses, unless said otherwise.

use std::time::Duration;

use crate::quota::StrangerLimits;

/// Largest message of the members' channels; the project's largest message everywhere.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Largest message a stranger may send or be sent: a certificate chain with room, and not worth sending in bulk.
pub const STRANGER_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// What gossipsub adds to a message (author, sequence number, topic, signature, framing), rounded up.
const GOSSIP_OVERHEAD_BYTES: usize = 1024;

/// Largest body of a gossip message, so that the message with its frame is [`MESSAGE_BYTES_MAX`].
pub const GOSSIP_BYTES_MAX: usize = MESSAGE_BYTES_MAX - GOSSIP_OVERHEAD_BYTES;

/// Largest record: a signed announcement with its chain. Twenty nodes keep a copy, so it is dearer than a message.
pub const RECORD_BYTES_MAX: usize = 4 * 1024;

/// Addresses tried in one dial; those after them are left out. A node has a handful; more is somebody else's list.
pub const ADDRESSES_PER_DIAL_MAX: usize = 16;

/// Commands waiting for the task. Half of it holds twice the verdicts that can be due.
pub(crate) const COMMANDS_MAX: usize = 2048;

/// The last places of the command queue are kept for verdicts and answers, which cannot be asked for again.
pub(crate) const COMMANDS_RESERVED: usize = 1024;

/// Events waiting for the owner. When they are full the swarm is not polled, so that peers are slowed, not lost.
pub(crate) const EVENTS_MAX: usize = 256;

/// Events the task holds before it stops taking commands; a command makes one event at most.
pub(crate) const OUTBOX_MAX: usize = 256;

/// Connections in all. Members keep theirs, and a file descriptor each; the usual limit of descriptors is 1024.
pub(crate) const CONNECTIONS_MAX: u32 = 768;

/// Incoming connections in all; the difference is kept for connections this node wants itself.
pub(crate) const CONNECTIONS_IN_MAX: u32 = 640;

/// Connections to one peer: both sides dialing at once over both transports make four.
pub(crate) const CONNECTIONS_PER_PEER_MAX: u32 = 4;

/// Connections of either direction that are still shaking hands, the part that costs us before it costs them.
pub(crate) const PENDING_MAX: u32 = 128;

/// Incoming connections of peers that are not admitted.
pub(crate) const STRANGERS_MAX: usize = 256;

/// The same from one source prefix. A lab or an office joins at once; a flood has to come from many places.
pub(crate) const STRANGERS_PER_PREFIX_MAX: usize = 64;

/// Admitted peers, and peers whose addresses are remembered. Well above the network sizes we test (1,000).
pub(crate) const KNOWN_PEERS_MAX: usize = 16_384;

/// Peers cut off at a time: only admitted members can earn it, so few; 40 bytes each.
pub(crate) const QUARANTINED_MAX: usize = 1024;

/// Source prefixes counted at a time; 60 bytes each. Beyond it new prefixes are refused until some go quiet.
pub(crate) const SOURCES_MAX: usize = 4096;

/// Streams of one stranger's channel on one connection, both directions.
pub(crate) const STREAMS_PER_STRANGER_MAX: usize = 8;

/// Streams of one member's channel on one connection, both directions.
pub(crate) const STREAMS_PER_MEMBER_MAX: usize = 32;

/// Our own requests in all that wait for an answer, or for a connection.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// Requests of others that wait for the owner's answer. Beyond it they are told that we are busy.
pub(crate) const UNANSWERED_MAX: usize = 1024;

/// How long strangers' exchanges may take, both directions.
pub(crate) const STRANGER_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long members' exchanges may take, both directions: the largest message over a bad line.
pub(crate) const MEMBER_REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A stranger's connection with nothing on it is closed after this; so is a member's before both have opened.
pub(crate) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Members are pinged this often: 32 bytes each way.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(3);

/// How long a ping may take.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A member's connection on which no ping has come back for this long is dead: two pings were lost, and a dead
/// member is noticed within ten seconds.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(9);

/// Gossip messages that wait for the owner's verdict: 32 MiB of the largest. The oldest are dropped, their time to be
/// passed on is over.
pub(crate) const UNJUDGED_MAX: usize = 512;

/// Records offered for storage that wait for the owner's verdict; the oldest are dropped, they are offered again.
pub(crate) const STORE_OFFERS_MAX: usize = 256;

/// Record queries under way. Each asks some twenty nodes.
pub(crate) const QUERIES_MAX: usize = 128;

/// Values kept of one query: enough to outvote a holder of stale ones.
pub(crate) const VALUES_PER_QUERY_MAX: usize = 8;

/// Our own dials under way, as groups of addresses.
pub(crate) const DIALS_MAX: usize = 128;

/// What strangers may ask on the hello channel: members that come back say hello again, and a household of them
/// behind one address after a power cut must not be refused.
pub(crate) const HELLO_LIMITS: StrangerLimits =
    StrangerLimits { concurrent_per_prefix: 32, per_minute_per_prefix: 240, concurrent_total: 256 };

/// What strangers may ask on the redeem channel: an invite is redeemed once; each try costs the issuer a signature
/// and a write to disk.
pub(crate) const REDEEM_LIMITS: StrangerLimits =
    StrangerLimits { concurrent_per_prefix: 8, per_minute_per_prefix: 30, concurrent_total: 64 };
