//! The decoders of `holloway-wire`: what is accepted is written and read back as the same value.

use holloway_wire::{
    Bootstrap, Broadcast, Datagram, DecodeError, EndpointAnnouncement, FromRelay, Hello, HelloReply, InitiationPayload,
    InnerPacket, InviteBody, InviteToken, Label, MemberRequest, Membership, MembershipCertificate, NamePublication,
    NetworkId, NodeId, PassedRedemption, Publication, PunchCall, RecordHeader, RedeemReply, RedeemRequest,
    RelayAnnouncement, RelayFrameHeader, RelayMessageKind, RelayRegistration, RelaysReply, ResponsePayload, Revocation,
    SessionControl, Signed, SignedMessage, StaticBinding, SyncReply, SyncRequest, ToRelay, decode_certificates,
    encode_certificates,
};

/// A function that must not panic, whatever the bytes.
pub type Entry = fn(&[u8]);

/// Every entry with the folder of its seeds.
pub const ENTRIES: [(&str, Entry); 33] = [
    ("wire_announcement", wire_announcement),
    ("wire_binding", wire_binding),
    ("wire_broadcast", wire_broadcast),
    ("wire_certificate", wire_certificate),
    ("wire_certificates", wire_certificates),
    ("wire_datagram", wire_datagram),
    ("wire_from_relay", wire_from_relay),
    ("wire_hello", wire_hello),
    ("wire_hello_reply", wire_hello_reply),
    ("wire_initiation", wire_initiation),
    ("wire_inner_packet", wire_inner_packet),
    ("wire_invite", wire_invite),
    ("wire_invite_text", wire_invite_text),
    ("wire_member_request", wire_member_request),
    ("wire_membership", wire_membership),
    ("wire_names", wire_names),
    ("wire_node_id", wire_node_id),
    ("wire_passed_redemption", wire_passed_redemption),
    ("wire_publication", wire_publication),
    ("wire_punch_call", wire_punch_call),
    ("wire_redeem_reply", wire_redeem_reply),
    ("wire_redeem_request", wire_redeem_request),
    ("wire_relay_announcement", wire_relay_announcement),
    ("wire_relay_frame", wire_relay_frame),
    ("wire_relay_registration", wire_relay_registration),
    ("wire_relays_reply", wire_relays_reply),
    ("wire_response", wire_response),
    ("wire_revocation", wire_revocation),
    ("wire_session_control", wire_session_control),
    ("wire_sync_reply", wire_sync_reply),
    ("wire_sync_request", wire_sync_request),
    ("wire_text", wire_text),
    ("wire_to_relay", wire_to_relay),
];

/// What is read is written and read again as the same.
fn same_again<T: PartialEq>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<T, DecodeError>,
    encode: impl Fn(&T) -> Vec<u8>,
) {
    if let Ok(value) = decode(bytes) {
        let written = encode(&value);
        assert!(decode(&written).is_ok_and(|again| again == value), "read, written and read as something else");
        assert!(written.len() <= bytes.len(), "written longer than it came");
    }
}

/// What is signed keeps its bytes.
fn same_bytes<T: SignedMessage + PartialEq>(bytes: &[u8]) {
    same_again(bytes, T::decode, T::encode);
    if let Ok(signed) = Signed::<T>::decode(bytes) {
        assert!(signed.encode() == bytes, "carried bytes were changed");
        let _ = signed.verify(&NetworkId::from_bytes([7; 32]));
    }
}

/// A node's endpoints.
pub fn wire_announcement(bytes: &[u8]) {
    same_bytes::<EndpointAnnouncement>(bytes);
}

/// A static key binding.
pub fn wire_binding(bytes: &[u8]) {
    same_bytes::<StaticBinding>(bytes);
}

/// Anything that is told to everyone.
pub fn wire_broadcast(bytes: &[u8]) {
    if let Ok(broadcast) = Broadcast::decode(bytes) {
        assert!(broadcast.encode() == bytes, "carried bytes were changed");
        let is_publication = matches!(broadcast, Broadcast::Publication(_));
        assert!(is_publication == Publication::decode(bytes).is_ok(), "two readers disagree");
    }
}

/// One certificate.
pub fn wire_certificate(bytes: &[u8]) {
    if let Ok(certificate) = MembershipCertificate::decode(bytes) {
        assert!(certificate.encode() == bytes, "carried bytes were changed");
        let _ = certificate.verify_signatures(&NetworkId::from_bytes([7; 32]));
    }
}

/// A chain of certificates.
pub fn wire_certificates(bytes: &[u8]) {
    same_again(bytes, decode_certificates, |chain| encode_certificates(chain));
}

/// A datagram of the session protocol and a record's header.
pub fn wire_datagram(bytes: &[u8]) {
    match Datagram::decode(bytes) {
        Ok(Datagram::Initiation(message)) => drop(message.macs.mac1_matches(&[1; 32])),
        Ok(Datagram::Response(message)) => drop(message.macs.mac2_matches(&[2; 16])),
        Ok(Datagram::Cookie(_) | Datagram::Transport) | Err(_) => {}
    }
    if let Ok(header) = RecordHeader::decode(bytes) {
        assert!(bytes.starts_with(&header.encode()), "a header was changed");
    }
}

/// A relay's word to a member.
pub fn wire_from_relay(bytes: &[u8]) {
    same_again(bytes, FromRelay::decode, FromRelay::encode);
    if let Ok(message) = FromRelay::decode(bytes) {
        assert!(RelayMessageKind::of(&message.encode()) == Some(RelayMessageKind::FromRelay), "taken for a member's");
        assert!(ToRelay::decode(bytes).is_err(), "both sides' word");
    }
}

/// The first message on a control connection.
pub fn wire_hello(bytes: &[u8]) {
    same_again(bytes, Hello::decode, Hello::encode);
}

/// The answer to it.
pub fn wire_hello_reply(bytes: &[u8]) {
    same_again(bytes, HelloReply::decode, HelloReply::encode);
}

/// The payload of message 1.
pub fn wire_initiation(bytes: &[u8]) {
    same_again(bytes, InitiationPayload::decode, InitiationPayload::encode);
}

/// An inner IP packet.
pub fn wire_inner_packet(bytes: &[u8]) {
    if let Ok(packet) = InnerPacket::parse(bytes) {
        assert!(!packet.source.is_multicast() && !packet.source.is_unspecified(), "a source that no sender has");
    }
}

/// What an invite says.
pub fn wire_invite(bytes: &[u8]) {
    same_bytes::<InviteBody>(bytes);
}

/// An invite's text.
pub fn wire_invite_text(bytes: &[u8]) {
    if let Ok(token) = String::from_utf8_lossy(bytes).parse::<InviteToken>() {
        assert!(token.to_string().parse().is_ok_and(|again: InviteToken| again == token), "another invite");
    }
}

/// A request to a neighbour.
pub fn wire_member_request(bytes: &[u8]) {
    same_again(bytes, MemberRequest::decode, MemberRequest::encode);
}

/// What an issuer says of a member.
pub fn wire_membership(bytes: &[u8]) {
    same_bytes::<Membership>(bytes);
}

/// A host's published names.
pub fn wire_names(bytes: &[u8]) {
    same_bytes::<NamePublication>(bytes);
}

/// A key.
pub fn wire_node_id(bytes: &[u8]) {
    if let Some(Ok(node)) = bytes.first_chunk().map(|key| NodeId::from_bytes(*key)) {
        assert!(node.to_string().parse() == Ok(node), "another key");
    }
}

/// Anything that is gossiped.
pub fn wire_publication(bytes: &[u8]) {
    if let Ok(publication) = Publication::decode(bytes) {
        assert!(publication.encode() == bytes, "carried bytes were changed");
        let _ = (publication.id(), publication.slot());
        let _ = publication.verify_signatures(&NetworkId::from_bytes([7; 32]));
    }
}

/// A call to punch.
pub fn wire_punch_call(bytes: &[u8]) {
    same_bytes::<PunchCall>(bytes);
}

/// The answer to a redemption.
pub fn wire_redeem_reply(bytes: &[u8]) {
    same_again(bytes, RedeemReply::decode, RedeemReply::encode);
}

/// A request for redemption that a relay passes on.
pub fn wire_passed_redemption(bytes: &[u8]) {
    same_again(bytes, PassedRedemption::decode, PassedRedemption::encode);
    assert!(
        PassedRedemption::decode(bytes).is_err() || RedeemRequest::decode(bytes).is_err(),
        "it is one or the other"
    );
}

/// A request for redemption.
pub fn wire_redeem_request(bytes: &[u8]) {
    same_again(bytes, RedeemRequest::decode, RedeemRequest::encode);
}

/// A relay's word of itself.
pub fn wire_relay_announcement(bytes: &[u8]) {
    same_bytes::<RelayAnnouncement>(bytes);
}

/// The head of a relay frame.
pub fn wire_relay_frame(bytes: &[u8]) {
    if let Ok(header) = RelayFrameHeader::decode(bytes) {
        let head = header.encode();
        assert!(RelayFrameHeader::is_frame(bytes) && bytes.starts_with(&head), "a header was changed");
        assert!(RelayFrameHeader::decode(&bytes[head.len()..]).is_err(), "a relay frame in a relay frame");
    }
}

/// A registration at a relay.
pub fn wire_relay_registration(bytes: &[u8]) {
    same_bytes::<RelayRegistration>(bytes);
}

/// The relays that a member knows.
pub fn wire_relays_reply(bytes: &[u8]) {
    same_again(bytes, RelaysReply::decode, RelaysReply::encode);
}

/// The payload of message 2.
pub fn wire_response(bytes: &[u8]) {
    same_again(bytes, ResponsePayload::decode, ResponsePayload::encode);
}

/// A revocation.
pub fn wire_revocation(bytes: &[u8]) {
    same_bytes::<Revocation>(bytes);
}

/// A message inside a session.
pub fn wire_session_control(bytes: &[u8]) {
    same_again(bytes, SessionControl::decode, SessionControl::encode);
}

/// The answer to a sync request.
pub fn wire_sync_reply(bytes: &[u8]) {
    same_again(bytes, SyncReply::decode, SyncReply::encode);
}

/// A sync request.
pub fn wire_sync_request(bytes: &[u8]) {
    same_again(bytes, SyncRequest::decode, SyncRequest::encode);
}

/// Names, ids and addresses as people write them.
pub fn wire_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(label) = text.parse::<Label>() {
        assert!(label.as_str().parse() == Ok(label.clone()), "another label");
    }
    if let Ok(address) = text.parse::<Bootstrap>() {
        assert!(address.to_string().parse() == Ok(address), "another address");
    }
    let _ = (text.parse::<NetworkId>(), Label::from_hostname(&text));
}

/// A member's word to a relay. A question is written with a padding of one length, whatever length it came with.
pub fn wire_to_relay(bytes: &[u8]) {
    if let Ok(message) = ToRelay::decode(bytes) {
        let written = message.encode();
        assert!(ToRelay::decode(&written).is_ok_and(|again| again == message), "read, written and read otherwise");
        assert!(RelayMessageKind::of(&written) == Some(RelayMessageKind::ToRelay), "taken for a relay's");
        assert!(FromRelay::decode(bytes).is_err(), "both sides' word");
    }
}
