//! The words that travel between Holloway nodes.
//!
//! Keys, ids, overlay addresses, names, the frames of the session protocol, signed messages and the text of an
//! invite: parsed once at the door into values that can only hold sense. Every decoder is bounded before it allocates.
//!
//! This crate does not know what time it is, what a message causes, who may send it, or that files, sockets and tasks
//! exist. Policy lives in `holloway-mesh`.

#![warn(clippy::iter_over_hash_type)]

mod announcement;
mod bootstrap;
mod broadcast;
mod canonical;
mod certificate;
mod endpoint;
mod error;
mod fields;
mod frame;
mod handshake;
mod hash;
mod hello;
mod id;
mod invite;
mod keys;
mod member_request;
mod name;
mod packet;
mod publication;
mod punch;
mod record;
mod redeem;
mod relay_announcement;
mod relay_frame;
mod relay_message;
mod revocation;
mod rights;
mod rng;
mod session_control;
mod signed;
mod source_prefix;
mod sync;
mod time;

pub use announcement::{
    ControlAddr, EndpointAnnouncement, HOME_PEERS_MAX, HOME_RELAYS_MAX, NAME_RECORDS_MAX, NamePublication, NameRecord,
};
pub use bootstrap::Bootstrap;
pub use broadcast::Broadcast;
pub use certificate::{
    CHAIN_LENGTH_MAX, CertificateHash, GROUPS_MAX, Membership, MembershipCertificate, StaticBinding, Validity,
    decode_certificates, encode_certificates,
};
pub use endpoint::{ENDPOINTS_MAX, Endpoint, is_dialable};
pub use error::DecodeError;
pub use frame::{
    COOKIE_LEN, COOKIE_NONCE_LEN, CookieReply, Datagram, HANDSHAKE_LEN_MAX, HandshakeInitiation, HandshakeResponse,
    MAC_LEN, Macs, OLDEST_VERSION, PROTOCOL_VERSION, SessionIndex, encode_cookie_reply, encode_initiation,
    encode_response, is_supported_version, set_mac1, set_mac2,
};
pub use handshake::{Capabilities, InitiationPayload, ResponsePayload, Suite};
pub use hash::{Digest, Domain, keyed_mac, labelled_key};
pub use hello::{Hello, HelloReply, REFUSAL_REVOCATIONS_MAX};
pub use id::{NetworkId, OverlayAddr, Prefix, SubjectKind};
pub use invite::{INVITE_PREFIX, InviteBody, InviteError, InviteId, InviteSecret, InviteToken};
pub use keys::{IdentityKey, KeyError, NodeId, Signature, StaticPublicKey, StaticSecret};
pub use member_request::{MemberRequest, RELAYS_MAX, RelaysReply};
pub use name::{Label, NameError};
pub use packet::{InnerPacket, PacketError};
pub use publication::{Publication, PublicationId, PublicationKind, PublicationSlot};
pub use punch::PunchCall;
pub use record::{
    RECORD_HEADER_LEN, RECORD_OVERHEAD, RECORD_TAG_LEN, RecordFlags, RecordHeader, RecordKind, TRANSPORT_TYPE,
};
pub use redeem::{
    CONTACT_ADDRS_MAX, CONTACTS_MAX, Contact, PassedRedemption, RedeemReply, RedeemRequest, Refusal, SealedRequest,
};
pub use relay_announcement::{Load, Place, RELAY_LINKS_MAX, RelayAnnouncement, RelayLink, RelayState};
pub use relay_frame::{RELAY_FRAME_LEN, RelayChannel, RelayDirection, RelayFrameHeader};
pub use relay_message::{
    CHALLENGE_LEN, Challenge, FromRelay, OwnLink, RELAY_MESSAGE_LEN_MAX, RELAYS_IN_PATH_MAX, RegistrationId,
    RelayMessageKind, RelayRefusal, RelayRegistration, ToRelay,
};
pub use revocation::{KEPT_MAX, Revocation};
pub use rights::Rights;
pub use rng::{SecureRng, random_bytes};
pub use session_control::{MtuProbeSize, SessionControl};
pub use signed::{MessageType, Signed, SignedMessage};
pub use source_prefix::SourcePrefix;
pub use sync::{SYNC_BUCKETS, SYNC_IDS_MAX, SyncReply, SyncRequest};
pub use time::{Instant, Now, UnixTime};

/// Largest message of the control plane and largest datagram, in bytes (ARCHITECTURE §5: a 16-bit length).
pub const MESSAGE_LEN_MAX: usize = 65_535;
