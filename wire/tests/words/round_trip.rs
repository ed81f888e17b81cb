//! `decode(encode(x)) == x`, and where bytes are accepted at all, `encode(decode(bytes)) == bytes`.

use holloway_wire::{
    Broadcast, DecodeError, EndpointAnnouncement, FromRelay, Hello, HelloReply, InitiationPayload, InviteBody,
    MemberRequest, Membership, MembershipCertificate, NamePublication, PassedRedemption, Publication, PunchCall,
    RedeemReply, RedeemRequest, RelayAnnouncement, RelayMessageKind, RelayRegistration, RelaysReply, ResponsePayload,
    Revocation, SessionControl, Signed, SignedMessage, StaticBinding, SyncReply, SyncRequest, ToRelay,
    decode_certificates, encode_certificates,
};
use minicbor::Decoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;

use crate::arbitrary::{self, Hidden, identity, signed};

/// Anything with an encoding.
trait Message: PartialEq + Sized {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// Whether `accepted`, read as this value, may differ from what is written for it.
    fn may_differ(&self, accepted: &[u8]) -> bool {
        has_extension(accepted)
    }
}

macro_rules! messages {
    ($($message:ty),* $(,)?) => {
        $(impl Message for $message {
            fn to_bytes(&self) -> Vec<u8> {
                self.encode()
            }

            fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
                Self::decode(bytes)
            }
        })*
    };
}

messages![
    Broadcast,
    EndpointAnnouncement,
    Hello,
    HelloReply,
    InitiationPayload,
    InviteBody,
    MemberRequest,
    Membership,
    MembershipCertificate,
    NamePublication,
    Publication,
    PunchCall,
    RedeemReply,
    PassedRedemption,
    RedeemRequest,
    RelayAnnouncement,
    RelayRegistration,
    RelaysReply,
    ResponsePayload,
    Revocation,
    SessionControl,
    StaticBinding,
    SyncReply,
    SyncRequest,
];

impl<T: SignedMessage + PartialEq> Message for Signed<T> {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }
}

impl Message for Vec<MembershipCertificate> {
    fn to_bytes(&self) -> Vec<u8> {
        encode_certificates(self)
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_certificates(bytes)
    }
}

/// What comes before a relay message's map.
const RELAY_HEADER_LEN: usize = 4;

impl Message for ToRelay {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }

    /// A question may be longer or shorter than the one that we write, by zeros.
    fn may_differ(&self, accepted: &[u8]) -> bool {
        let is_padded = match self {
            Self::Register { .. } | Self::Ping { .. } | Self::Bind { .. } => accepted.len() != self.encode().len(),
            Self::Answer { .. } | Self::Extend { .. } => false,
        };
        is_padded || has_extension(&accepted[RELAY_HEADER_LEN..])
    }
}

impl Message for FromRelay {
    fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(bytes)
    }

    fn may_differ(&self, accepted: &[u8]) -> bool {
        has_extension(&accepted[RELAY_HEADER_LEN..])
    }
}

/// Changes to make to an encoding: bytes replaced, removed or doubled.
fn edits() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    vec(any::<(Index, u8, u8)>(), 1..4)
}

fn edited(mut bytes: Vec<u8>, edits: &[(Index, u8, u8)]) -> Vec<u8> {
    for (index, kind, byte) in edits {
        let at = index.index(bytes.len());
        match kind % 4 {
            0 => bytes[at] = *byte,
            1 => bytes[at] ^= 1 << (byte % 8),
            2 if bytes.len() > 1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, *byte),
        }
    }
    bytes
}

/// Whether a map has fields that are carried for later versions; these are not kept outside of signed bodies.
fn has_extension(bytes: &[u8]) -> bool {
    let mut d = Decoder::new(bytes);
    let Ok(Some(fields)) = d.map() else {
        return false;
    };
    (0..fields).any(|_| {
        let is_extension = d.u64().is_ok_and(|key| key >= 128);
        let inner = d.probe().bytes().is_ok_and(has_extension);
        is_extension || inner || d.skip().is_err()
    })
}

fn survives<T: Message>(value: &T, edits: &[(Index, u8, u8)]) -> TestCaseResult {
    let bytes = value.to_bytes();
    prop_assert!(T::from_bytes(&bytes).is_ok_and(|read| read == *value), "{bytes:02x?} is read as another value");
    let stride = 1 + bytes.len() / 64;
    for end in (0..bytes.len()).step_by(stride) {
        prop_assert!(T::from_bytes(&bytes[..end]).is_err(), "accepted when cut at {end}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    prop_assert!(T::from_bytes(&longer).err() == Some(DecodeError::Trailing));
    let changed = edited(bytes, edits);
    if let Ok(read) = T::from_bytes(&changed) {
        prop_assert!(read.to_bytes() == changed || read.may_differ(&changed), "second spelling: {changed:02x?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn memberships_survive(value in arbitrary::membership(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn static_bindings_survive(value in arbitrary::binding(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn revocations_survive(value in arbitrary::revocation(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn endpoint_announcements_survive(value in arbitrary::announcement(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn name_publications_survive(value in arbitrary::names(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn invite_bodies_survive(Hidden(value) in arbitrary::invite(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn punch_calls_survive(value in arbitrary::punch(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn signed_messages_survive(
        membership in signed(arbitrary::membership),
        names in signed(arbitrary::names),
        punch in signed(arbitrary::punch),
        edits in edits(),
    ) {
        survives(&membership, &edits)?;
        survives(&names, &edits)?;
        survives(&punch, &edits)?;
    }

    #[test]
    fn certificates_survive(value in arbitrary::certificate(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn chains_survive(value in vec(arbitrary::certificate(), 0..5), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn publications_survive(value in arbitrary::publication(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn hellos_survive(value in arbitrary::hello(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn answers_to_hellos_survive(value in arbitrary::hello_reply(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn requests_to_redeem_survive(Hidden(value) in arbitrary::redeem_request(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn requests_to_redeem_that_are_passed_on_survive(value in arbitrary::passed_redemption(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn answers_to_redemptions_survive(value in arbitrary::redeem_reply(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn requests_to_sync_survive(value in arbitrary::sync_request(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn answers_to_sync_survive(value in arbitrary::sync_reply(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn messages_inside_a_session_survive(value in arbitrary::session_control(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn payloads_of_message_1_survive(value in arbitrary::initiation(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn payloads_of_message_2_survive(value in arbitrary::response(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn relay_announcements_survive(value in arbitrary::relay_announcement(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn relay_registrations_survive(value in arbitrary::relay_registration(identity(1).node_id()), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn signed_words_of_relays_survive(
        announcement in signed(arbitrary::relay_announcement),
        registration in signed(arbitrary::relay_registration),
        edits in edits(),
    ) {
        survives(&announcement, &edits)?;
        survives(&registration, &edits)?;
    }

    #[test]
    fn messages_to_a_relay_survive(value in arbitrary::to_relay(), edits in edits()) {
        survives(&value, &edits)?;
        let bytes = value.encode();
        prop_assert_eq!(RelayMessageKind::of(&bytes), Some(RelayMessageKind::ToRelay));
        prop_assert!(FromRelay::decode(&bytes).is_err());
    }

    #[test]
    fn messages_from_a_relay_survive(value in arbitrary::from_relay(), edits in edits()) {
        survives(&value, &edits)?;
        let bytes = value.encode();
        prop_assert_eq!(RelayMessageKind::of(&bytes), Some(RelayMessageKind::FromRelay));
        prop_assert!(ToRelay::decode(&bytes).is_err());
    }

    #[test]
    fn broadcasts_survive(value in arbitrary::broadcast(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn requests_to_members_survive(value in arbitrary::member_request(), edits in edits()) {
        survives(&value, &edits)?;
    }

    #[test]
    fn answers_about_relays_survive(value in arbitrary::relays_reply(), edits in edits()) {
        survives(&value, &edits)?;
    }
}
