//! The documents of the local API. Plain values: what they mean for the daemon is the daemon's business.

mod account;
mod changes;
mod dns;
mod error;
mod event;
mod history;
mod invite;
mod member;
mod netcheck;
mod network;
mod relay;
mod route;
mod schema;
mod session;
mod status;
mod why;

pub use account::{Account, AccountRemoved, Accounts, ChangePassword, Password, PutAccount, TotpCode, TotpSecret};
pub use changes::{Changes, StreamQuery};
pub use dns::{
    DnsAdd, DnsAdded, DnsAnswer, DnsList, DnsQuery, DnsRecord, DnsRemove, DnsRemoved, DnsReply, Names, PublishedName,
};
pub use error::{ApiError, ErrorCode, ErrorDocument};
pub use event::{Event, Events, EventsQuery, Severity};
pub use history::{
    Audit, Connection, Connections, Counted, Deed, Handle, Handled, History, HistoryQuery, Overview, PageQuery, Sample,
    SecurityEvent, SecurityEvents,
};
pub use invite::{
    Applicant, Approve, Approved, CreateInvite, InviteApproval, InviteCreated, InviteRevoked, InviteState,
    InviteSummary, InviteText, Invites,
};
pub use member::{
    Block, BlockEntry, Blocked, Blocks, CertificateChain, CertificateView, Ping, PingReply, Revoke, Revoked, Unblocked,
};
pub use netcheck::{
    DirectPaths, FamilyCheck, FamilyState, NatCheck, NatMapping, Netcheck, NetworkCheck, PortMappingCheck,
    PortMappingState, SeenAt, UdpState,
};
pub use network::{CreateNetwork, Down, InNetwork, Join, Joined, Left, NetworkCreated, Switch, Switched};
pub use relay::{AnnouncedRelay, OwnRelay, Place, PlaceSource, RelayLink, RelayStanding, RelayStatus, Relays};
pub use route::{RouteStatus, RouteVia, Routes};
pub use schema::SchemaVersion;
pub use session::{Role, Session, SignIn, SignInLink, SignedOut};
pub use status::{
    Attention, ControlStatus, DaemonState, DataStatus, DataplaneStatus, DnsStatus, Health, HomeRelay, NetworkStatus,
    PathKind, PathStatus, PeerInNetwork, PeerStatus, Peers, Right, SessionStatus, Status,
};
pub use why::{Advice, TriedWay, WayKind, WayResult, Why, WhyQuery};
