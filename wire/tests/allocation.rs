//! A lie about size costs nothing: what a decoder allocates is bounded by what it was given, not by what that claims.
#![expect(unsafe_code, reason = "a global allocator that counts can only be written with it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use holloway_wire::{
    Broadcast, Datagram, EndpointAnnouncement, FromRelay, Hello, HelloReply, InitiationPayload, InviteBody,
    InviteToken, MemberRequest, Membership, MembershipCertificate, NamePublication, PROTOCOL_VERSION, Publication,
    PunchCall, RecordHeader, RedeemReply, RedeemRequest, RelayAnnouncement, RelayFrameHeader, RelayRegistration,
    RelaysReply, ResponsePayload, Revocation, SessionControl, Signed, SignedMessage, StaticBinding, SyncReply,
    SyncRequest, ToRelay, decode_certificates,
};

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.set(ALLOCATED.get() + layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated_by<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATED.get();
    let result = work();
    (result, ALLOCATED.get() - before)
}

/// What the reason of a refusal may take.
const SMALL: usize = 32;

type Decoder = (&'static str, fn(&[u8]) -> bool);

const DECODERS: [Decoder; 32] = [
    ("certificates", |bytes| decode_certificates(bytes).is_ok()),
    ("certificate", |bytes| MembershipCertificate::decode(bytes).is_ok()),
    ("hello", |bytes| Hello::decode(bytes).is_ok()),
    ("hello reply", |bytes| HelloReply::decode(bytes).is_ok()),
    ("initiation", |bytes| InitiationPayload::decode(bytes).is_ok()),
    ("response", |bytes| ResponsePayload::decode(bytes).is_ok()),
    ("publication", |bytes| Publication::decode(bytes).is_ok()),
    ("redeem reply", |bytes| RedeemReply::decode(bytes).is_ok()),
    ("redeem request", |bytes| RedeemRequest::decode(bytes).is_ok()),
    ("session control", |bytes| SessionControl::decode(bytes).is_ok()),
    ("sync reply", |bytes| SyncReply::decode(bytes).is_ok()),
    ("sync request", |bytes| SyncRequest::decode(bytes).is_ok()),
    ("datagram", |bytes| Datagram::decode(bytes).is_ok()),
    ("record", |bytes| RecordHeader::decode(bytes).is_ok()),
    ("announcement", |bytes| EndpointAnnouncement::decode(bytes).is_ok()),
    ("invite", |bytes| InviteBody::decode(bytes).is_ok()),
    ("membership", |bytes| Membership::decode(bytes).is_ok()),
    ("names", |bytes| NamePublication::decode(bytes).is_ok()),
    ("punch", |bytes| PunchCall::decode(bytes).is_ok()),
    ("revocation", |bytes| Revocation::decode(bytes).is_ok()),
    ("binding", |bytes| StaticBinding::decode(bytes).is_ok()),
    ("signed membership", |bytes| Signed::<Membership>::decode(bytes).is_ok()),
    ("signed names", |bytes| Signed::<NamePublication>::decode(bytes).is_ok()),
    ("signed revocation", |bytes| Signed::<Revocation>::decode(bytes).is_ok()),
    ("broadcast", |bytes| Broadcast::decode(bytes).is_ok()),
    ("member request", |bytes| MemberRequest::decode(bytes).is_ok()),
    ("relays reply", |bytes| RelaysReply::decode(bytes).is_ok()),
    ("relay announcement", |bytes| RelayAnnouncement::decode(bytes).is_ok()),
    ("relay registration", |bytes| RelayRegistration::decode(bytes).is_ok()),
    ("signed relay announcement", |bytes| Signed::<RelayAnnouncement>::decode(bytes).is_ok()),
    ("signed relay registration", |bytes| Signed::<RelayRegistration>::decode(bytes).is_ok()),
    ("relay frame", |bytes| RelayFrameHeader::decode(bytes).is_ok()),
];

/// Bytes that claim much and are little.
fn lies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("arrays nested 10,000 deep", vec![0x81; 10_000]),
        ("maps nested 10,000 deep", [0xa1, 0x00].repeat(10_000)),
        ("a map of 1,000,000 entries in 10 bytes", vec![0xba, 0x00, 0x0f, 0x42, 0x40, 0x00, 0x01, 0x01, 0x01, 0x02]),
        ("an array of 2^64 - 1", vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("a map of 2^63", vec![0xbb, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x00]),
        ("bytes of 2^64 - 1", vec![0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("text of 2^32 - 1", vec![0x7a, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("a field with an array of 2^32 - 1", vec![0xa1, 0x01, 0x9a, 0xff, 0xff, 0xff, 0xff, 0x00]),
        ("a list of 65,000 nothings", [[0x99, 0xfd, 0xe8].as_slice(), &[0; 65_000]].concat()),
    ]
}

#[test]
fn lies_about_size_and_depth_are_refused_before_anything_is_allocated() {
    for (lie, bytes) in lies() {
        for (decoder, accepts) in DECODERS {
            let (is_accepted, allocated) = allocated_by(|| accepts(&bytes));
            assert!(!is_accepted, "{decoder} accepts {lie}");
            assert!(allocated <= SMALL, "{decoder} allocates {allocated} bytes for {lie}");
        }
    }
}

#[test]
fn lies_in_messages_to_and_from_a_relay_are_refused_before_anything_is_allocated() {
    for (lie, bytes) in lies() {
        let datagram = [&[0x0d, PROTOCOL_VERSION, 0, 0], bytes.as_slice()].concat();
        let (is_accepted, allocated) =
            allocated_by(|| ToRelay::decode(&datagram).is_ok() || FromRelay::decode(&datagram).is_ok());
        assert!(!is_accepted, "accepts {lie}");
        assert!(allocated <= SMALL, "{allocated} bytes for {lie}");
    }
}

#[test]
fn a_list_longer_than_its_limit_is_refused_before_it_is_read() {
    let ids: Vec<u8> = [0x50].iter().chain(&[0; 16]).copied().cycle().take(17 * 3000).collect();
    let bytes = [[0xa2, 0x00, 0x02, 0x01, 0x99, 0x0b, 0xb8].as_slice(), &ids].concat();
    let (is_accepted, allocated) = allocated_by(|| SyncRequest::decode(&bytes).is_ok());
    assert!(!is_accepted);
    assert!(allocated <= SMALL, "{allocated} bytes");
}

#[test]
fn an_invite_that_lies_costs_no_more_than_its_text() {
    for (lie, bytes) in lies() {
        let text = format!("holloway1{}", data_encoding::BASE32_NOPAD.encode(&bytes));
        let (is_accepted, allocated) = allocated_by(|| text.parse::<InviteToken>().is_ok());
        assert!(!is_accepted, "{lie}");
        assert!(allocated <= 4 * text.len() + 64, "{allocated} bytes for {} of text: {lie}", text.len());
    }
}
