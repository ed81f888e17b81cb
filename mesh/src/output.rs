use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use holloway_wire::{ControlAddr, Endpoint, Instant, Label, NodeId, Publication, PublicationSlot, SessionIndex};

use crate::command::{CommandError, CommandId, Reply};
use crate::drop_reason::DropCounts;
use crate::invite::Invite;
use crate::relays::RelayNews;
use crate::tunnel::{Opener, Sealer};

/// What a node wants done. Drain [`crate::Node::poll_output`] after every input.
pub enum Output {
    /// Send a datagram.
    Transmit {
        /// Where.
        endpoint: Endpoint,
        /// What.
        datagram: Vec<u8>,
    },
    /// Hand a packet to the local stack.
    Tun(Vec<u8>),
    /// Something for the control plane.
    Control(ControlCommand),
    /// Write something down, then answer with [`crate::Node::handle_persisted`].
    Persist {
        /// Names the write.
        id: RecordId,
        /// All or nothing.
        writes: Vec<Write>,
    },
    /// Tell the lanes.
    Forwarding(Forwarding),
    /// Open or close a stream to a relay.
    Stream(StreamCommand),
    /// Tell the relay of this machine, if it is one.
    Relay(RelayNews),
    /// Tell whoever wants to know.
    Event(Event),
}

/// What is to become of the stream to a relay that datagrams do not get through to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamCommand {
    /// Open it, then answer with [`crate::Node::handle_stream`], also when it ends.
    Open {
        /// The relay; whoever answers must prove to be it.
        relay: NodeId,
        /// Where it takes streams; TCP.
        addresses: Vec<SocketAddr>,
    },
    /// Close it, without an answer.
    Close {
        /// The relay.
        relay: NodeId,
    },
}

/// Names a write until the disk has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// One change of what is kept across restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// An invite, new or changed.
    Invite(Invite),
    /// A publication, in place of the one in its slot.
    Publication(PublicationSlot, Vec<u8>),
    /// A key on the block-list.
    Block(NodeId),
    /// A key no longer on it.
    Unblock(NodeId),
}

/// Whether the disk has it.
pub type Persisted = Result<(), String>;

/// What was kept across a restart.
#[derive(Debug, Default)]
pub struct Stored {
    /// The ledger.
    pub invites: Vec<Invite>,
    /// The publications.
    pub publications: Vec<Publication>,
    /// The block-list.
    pub blocked: Vec<NodeId>,
}

/// What lanes need to know. A retirement takes effect at a lane's next batch.
#[derive(Clone)]
pub enum Forwarding {
    /// A session can be used.
    Install {
        /// Its index; its low 16 bits are unique among live sessions.
        index: SessionIndex,
        /// Whose it is.
        node: NodeId,
        /// Opens what comes in.
        opener: Arc<Opener>,
        /// Seals what goes out.
        sealer: Arc<Sealer>,
    },
    /// An index is no longer in use.
    Retire {
        /// The index.
        index: SessionIndex,
    },
    /// How a peer is reached now.
    Peer {
        /// The peer.
        node: NodeId,
        /// The session to seal with, and where to send; `None`: packets for it go to the core.
        route: Option<Route>,
        /// The inner addresses that are its own.
        allowed_ips: Vec<IpAddr>,
    },
}

/// How a peer is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The installed session to seal with.
    pub session: SessionIndex,
    /// Where to send.
    pub endpoint: Endpoint,
    /// Longest record that the path takes, in bytes: a whole datagram's payload.
    pub record_limit: usize,
}

/// What lanes did since their last report.
#[derive(Debug, Clone, Default)]
pub struct TrafficReport {
    /// For each session that had traffic.
    pub sessions: Vec<SessionTraffic>,
    /// Which records the socket refused as too long for the network in front of it, sent by lanes or for
    /// [`Output::Transmit`]; of each endpoint the shortest is enough.
    pub too_long: Vec<TooLong>,
    /// What they dropped.
    pub drops: DropCounts,
}

/// A record that the socket refused (EMSGSIZE of a socket that never fragments and believes no router).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// Where it was to go.
    pub endpoint: Endpoint,
    /// Its length, in bytes.
    pub length: usize,
}

/// One session's traffic since the last report.
#[derive(Debug, Clone, Copy)]
pub struct SessionTraffic {
    /// The session.
    pub index: SessionIndex,
    /// Inner packets and bytes sealed.
    pub sent_packets: u64,
    /// Inner bytes sealed.
    pub sent_bytes: u64,
    /// Inner packets opened.
    pub received_packets: u64,
    /// Inner bytes opened.
    pub received_bytes: u64,
    /// Where the newest record came from, if there was one.
    pub newest: Option<Heard>,
}

/// A peer was authentic at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Where it was.
    pub source: Endpoint,
    /// When that was received, by the clock of the node's inputs.
    pub at: Instant,
}

/// Names a request to another node until its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Names a request from another node until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseToken(pub u64);

/// Names a gossip message until its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GossipToken(pub u64);

/// Names a DHT record offered for storage until its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreToken(pub u64);

/// Which conversation a request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Showing membership; open to strangers.
    Hello,
    /// Redeeming an invite; open to strangers.
    Redeem,
    /// Comparing publications; members only.
    Sync,
    /// Messages between members, and for passing on; members only.
    Member,
}

/// What is to become of a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid news: pass it on.
    Accept,
    /// Neither news nor an offence.
    Ignore,
    /// An offence by whoever passed it on.
    Reject,
}

/// What the control plane shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlCommand {
    /// Connect to a node.
    Dial {
        /// Who must answer.
        node: NodeId,
        /// Where.
        addresses: Vec<ControlAddr>,
    },
    /// A node is a member: speak everything with it.
    Admit {
        /// The member.
        node: NodeId,
    },
    /// A node is not, or no longer.
    Expel {
        /// The node.
        node: NodeId,
    },
    /// Ask something.
    Request {
        /// For the answer.
        id: RequestId,
        /// Whom.
        node: NodeId,
        /// In which conversation.
        channel: Channel,
        /// What.
        body: Vec<u8>,
    },
    /// Answer something.
    Respond {
        /// From the request.
        token: ResponseToken,
        /// What.
        body: Vec<u8>,
    },
    /// Tell everyone.
    Publish {
        /// What.
        body: Vec<u8>,
    },
    /// Judge a gossip message.
    Judge {
        /// From the message.
        message: GossipToken,
        /// The verdict.
        verdict: Verdict,
    },
    /// Leave a record for others to find.
    PutRecord {
        /// Where it is found.
        key: [u8; 32],
        /// What.
        value: Vec<u8>,
    },
    /// Look for a record.
    FindRecord {
        /// For the answer.
        id: RequestId,
        /// Where it is found.
        key: [u8; 32],
    },
    /// Judge a record that was offered for storage.
    JudgeRecord {
        /// From the offer.
        token: StoreToken,
        /// Whether it may be stored.
        accept: bool,
    },
}

/// What the control plane reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlEvent {
    /// The first connection with a node is there, or a further one that we dialled.
    Connected {
        /// The node.
        node: NodeId,
        /// Whether we dialled.
        outbound: bool,
    },
    /// Both sides have admitted each other: members' conversations are possible now. Comes again when the other side
    /// has restarted.
    Opened {
        /// The member.
        node: NodeId,
    },
    /// The last connection with a node is gone.
    Disconnected {
        /// The node.
        node: NodeId,
    },
    /// A node could not be reached.
    DialFailed {
        /// The node.
        node: NodeId,
    },
    /// Someone asks something.
    Request {
        /// For the answer.
        token: ResponseToken,
        /// Who; proven by the connection.
        node: NodeId,
        /// In which conversation.
        channel: Channel,
        /// What.
        body: Vec<u8>,
    },
    /// An answer, or `None` when there will be none.
    Response {
        /// From the request.
        id: RequestId,
        /// The answer.
        body: Option<Vec<u8>>,
    },
    /// Someone passed on a message to everyone.
    Gossip {
        /// For the verdict.
        message: GossipToken,
        /// Who passed it on.
        source: NodeId,
        /// What.
        body: Vec<u8>,
    },
    /// A node on the local network says that it is there. Not proven.
    Discovered {
        /// Who it says it is.
        node: NodeId,
        /// Where.
        addresses: Vec<ControlAddr>,
    },
    /// A record was found, or not.
    Record {
        /// From the search.
        id: RequestId,
        /// The record.
        value: Option<Vec<u8>>,
    },
    /// A record is offered for storage here.
    RecordOffered {
        /// For the verdict.
        token: StoreToken,
        /// What.
        value: Vec<u8>,
    },
}

/// The machine's own addresses, as announced to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalAddrs {
    /// Of the data path.
    pub data: Vec<SocketAddr>,
    /// Of the control plane.
    pub control: Vec<ControlAddr>,
}

/// What happened, for operators and other parts of the program.
pub enum Event {
    /// A command is done.
    CommandDone {
        /// The command.
        id: CommandId,
        /// What it came to.
        result: Result<Reply, CommandError>,
    },
    /// Names or what they stand for changed; see the snapshot.
    NamesChanged,
    /// We have learned all that some member knows, for the first time since the start.
    CaughtUp,
    /// Our own certificate changed; keep this chain.
    CertificateRenewed,
    /// We are no longer a member.
    Expelled,
    /// A session with a member is up where there was none.
    PeerUp {
        /// The member.
        node: NodeId,
        /// Its name.
        label: Label,
        /// How it is reached.
        endpoint: Endpoint,
    },
    /// A machine redeems an invite and waits for somebody here to approve of it.
    ApprovalWanted {
        /// The machine.
        node: NodeId,
        /// The name that it will have.
        label: Label,
    },
    /// A member became known.
    MemberJoined {
        /// The member.
        node: NodeId,
        /// Its name.
        label: Label,
        /// Whether it was not among what the node began with.
        is_new: bool,
    },
    /// A member is no longer one, or no longer talked to.
    MemberLeft {
        /// The node.
        node: NodeId,
        /// Its name, where its certificate is known.
        label: Option<Label>,
        /// Whether it is a member still, and blocked here.
        blocked: bool,
    },
    /// Something that an operator should know.
    Security {
        /// What.
        kind: SecurityKind,
        /// About whom, if that is known.
        node: Option<NodeId>,
        /// In more words.
        detail: String,
    },
}

/// Which security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SecurityKind {
    /// A handshake showed a certificate that is not its key's.
    ForeignCertificate,
    /// A revoked member tried to shake hands.
    RevokedMember,
    /// A session's rotation gets no answer.
    LateRotation,
    /// A member's clock is too far from ours.
    ClockSkew,
    /// A member was revoked.
    Revoked,
}

impl SecurityKind {
    /// The event's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForeignCertificate => "foreign_certificate",
            Self::RevokedMember => "revoked_member",
            Self::LateRotation => "late_rotation",
            Self::ClockSkew => "clock_skew",
            Self::Revoked => "revoked",
        }
    }
}
