//! One spelling of everything: what means the same in other bytes is refused.

use holloway_wire::{
    CHAIN_LENGTH_MAX, CertificateHash, DecodeError, EndpointAnnouncement, GROUPS_MAX, HOME_RELAYS_MAX,
    InitiationPayload, KEPT_MAX, Membership, MembershipCertificate, MtuProbeSize, NAME_RECORDS_MAX, NamePublication,
    NameRecord, RECORD_OVERHEAD, Revocation, Rights, SessionControl, Signed, SignedMessage, StaticBinding,
    StaticPublicKey, UnixTime, Validity, decode_certificates, encode_certificates,
};

use crate::arbitrary::{LAST_SECOND, NETWORK, identity};

fn binding() -> StaticBinding {
    StaticBinding { subject: identity(1).node_id(), key: StaticPublicKey([5; 32]), sequence: 7 }
}

/// The largest membership that there is.
fn largest_membership() -> Membership {
    Membership {
        subject: identity(1).node_id(),
        label: "a".repeat(63).parse().expect("63 is legal"),
        rights: Rights::ALL,
        groups: vec!["g".repeat(32); GROUPS_MAX],
        validity: Validity {
            not_before: UnixTime::from_secs(LAST_SECOND),
            not_after: Some(UnixTime::from_secs(LAST_SECOND)),
        },
        issuer: identity(2).node_id(),
    }
}

fn largest_certificate() -> MembershipCertificate {
    let binding = Signed::sign(StaticBinding { sequence: u64::MAX, ..binding() }, &identity(1), &NETWORK);
    MembershipCertificate::issue(largest_membership(), binding, &identity(2), &NETWORK).expect("one member")
}

/// `binding()` encodes as `a3 | 01 5820 … | 02 5820 … | 03 07`.
fn replaced(at: usize, length: usize, with: &[u8]) -> Result<StaticBinding, DecodeError> {
    let mut bytes = binding().encode();
    bytes.splice(at..at + length, with.iter().copied());
    StaticBinding::decode(&bytes)
}

#[test]
fn other_spellings_of_the_same_body_are_refused() {
    let end = binding().encode().len();
    assert_eq!(replaced(0, 1, &[0xa3]), Ok(binding()), "the test changes what it means to");
    assert_eq!(replaced(end - 1, 1, &[0x18, 0x07]), Err(DecodeError::NotCanonical), "one byte for 7");
    assert_eq!(replaced(end - 1, 1, &[0x1b, 0, 0, 0, 0, 0, 0, 0, 7]), Err(DecodeError::NotCanonical), "eight bytes");
    assert_eq!(replaced(end - 2, 1, &[0x18, 0x03]), Err(DecodeError::NotCanonical), "a long key");
    assert_eq!(replaced(2, 2, &[0x59, 0, 0x20]), Err(DecodeError::NotCanonical), "a long length");
    assert_eq!(replaced(0, 1, &[0xb8, 3]), Err(DecodeError::NotCanonical), "a long count");
    assert_eq!(replaced(end, 0, &[0]), Err(DecodeError::Trailing));
    assert_eq!(replaced(end - 1, 1, &[0xfb, 0x40, 0x1c, 0, 0, 0, 0, 0, 0]), Err(DecodeError::Value), "a float");
    assert_eq!(replaced(end - 1, 1, &[0xc2, 0x41, 7]), Err(DecodeError::Value), "a tagged bignum");
}

#[test]
fn indefinite_lengths_are_refused() {
    let mut bytes = binding().encode();
    bytes[0] = 0xbf;
    bytes.push(0xff);
    assert_eq!(StaticBinding::decode(&bytes), Err(DecodeError::NotCanonical));
}

#[test]
fn fields_out_of_order_or_twice_are_refused() {
    let body = binding().encode();
    let (subject, key, sequence) = (&body[1..36], &body[36..71], &body[71..]);
    assert_eq!(StaticBinding::decode(&[&[0xa3], subject, key, sequence].concat()), Ok(binding()));
    let swapped = [&[0xa3], key, subject, sequence].concat();
    assert_eq!(StaticBinding::decode(&swapped), Err(DecodeError::NotCanonical));
    let doubled = [&[0xa4], subject, key, sequence, sequence].concat();
    assert_eq!(StaticBinding::decode(&doubled), Err(DecodeError::NotCanonical));
    let missing = [&[0xa2], subject, key].concat();
    assert_eq!(StaticBinding::decode(&missing), Err(DecodeError::Field));
}

#[test]
fn extensions_given_twice_are_refused() {
    let mut bytes = binding().encode();
    bytes[0] += 2;
    bytes.extend_from_slice(&[0x18, 0x80, 1, 0x18, 0x80, 1]);
    assert_eq!(StaticBinding::decode(&bytes), Err(DecodeError::NotCanonical));
}

#[test]
fn seconds_beyond_what_a_time_holds_are_refused_instead_of_bent() {
    let revocation =
        |at| Revocation { subject: identity(1).node_id(), revoker: identity(1).node_id(), at, kept: vec![] };
    let last = revocation(UnixTime::from_secs(LAST_SECOND));
    let mut bytes = last.encode();
    assert_eq!(Revocation::decode(&bytes), Ok(last));
    let at = bytes.windows(8).position(|window| window == LAST_SECOND.to_be_bytes()).expect("the time is in there");
    bytes[at..at + 8].copy_from_slice(&(LAST_SECOND + 1).to_be_bytes());
    assert_eq!(Revocation::decode(&bytes), Err(DecodeError::Value));
}

#[test]
fn an_upper_case_label_in_a_certificate_is_refused() {
    let mut bytes = Membership { label: "bob".parse().expect("a label"), ..largest_membership() }.encode();
    let at = bytes.windows(3).position(|window| window == b"bob").expect("the label is in there");
    bytes[at] = b'B';
    assert_eq!(Membership::decode(&bytes), Err(DecodeError::NotCanonical));
}

#[test]
fn unknown_rights_and_unlawful_groups_are_refused() {
    let groups = |groups: &[&str]| Membership {
        groups: groups.iter().map(ToString::to_string).collect(),
        ..largest_membership()
    };
    for wrong in ["", "Ops", "a b", "ops\n", "über"] {
        assert_eq!(Membership::decode(&groups(&[wrong]).encode()), Err(DecodeError::Value), "{wrong:?}");
    }
    assert_eq!(Membership::decode(&groups(&[&"g".repeat(33)]).encode()), Err(DecodeError::TooLong));
    assert_eq!(Membership::decode(&groups(&["g"; GROUPS_MAX + 1]).encode()), Err(DecodeError::TooLong));
    assert!(Rights::from_bits(16).is_err());
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_refused() {
    let pong = SessionControl::Pong { id: 1, observed: "[2001:db8::1]:9".parse().expect("an address") };
    let mut bytes = pong.encode();
    let at = bytes.windows(4).position(|window| window == [0x20, 0x01, 0x0d, 0xb8]).expect("the address is in there");
    bytes[at..at + 16].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1]);
    assert_eq!(SessionControl::decode(&bytes), Err(DecodeError::NotCanonical));
}

#[test]
fn an_mtu_probe_is_as_long_as_it_says() {
    let ids = [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX) + 1, u64::MAX];
    for size in [512, 513, 548, 559, 560, 1312, 1440, 1472, 8972, 65_535] {
        for id in ids {
            let size = MtuProbeSize::new(size).expect("a size");
            let probe = SessionControl::MtuProbe { id, size }.encode();
            assert_eq!(probe.len() + RECORD_OVERHEAD, usize::from(size.get()));
            assert_eq!(SessionControl::decode(&probe), Ok(SessionControl::MtuProbe { id, size }));
            let reply = SessionControl::MtuProbeReply { id, size }.encode();
            assert!(reply.len() < 32, "an answer is short");
        }
    }
}

#[test]
fn an_mtu_probe_that_lies_about_its_length_is_refused() {
    let probe = |size| SessionControl::MtuProbe { id: 7, size: MtuProbeSize::new(size).expect("a size") }.encode();
    let honest = probe(600);
    let mut not_zero = honest.clone();
    *not_zero.last_mut().expect("padding") = 1;
    assert_eq!(SessionControl::decode(&not_zero), Err(DecodeError::Value));
    let said = honest.windows(3).position(|window| window == [0x19, 0x02, 0x58]).expect("it says 600");
    for (high, low) in [(0x02, 0x57), (0x02, 0x59), (0xff, 0xff), (0x01, 0xff)] {
        let mut lie = honest.clone();
        lie[said + 1..said + 3].copy_from_slice(&[high, low]);
        assert_eq!(SessionControl::decode(&lie), Err(DecodeError::Value));
    }
    assert!(SessionControl::decode(&honest[..honest.len() - 1]).is_err());
    assert!(SessionControl::decode(&[honest.as_slice(), &[0]].concat()).is_err());
    assert_eq!(MtuProbeSize::new(511), None);
}

#[test]
fn lists_end_at_their_limit() {
    let revocation = |kept| Revocation {
        subject: identity(1).node_id(),
        revoker: identity(2).node_id(),
        at: UnixTime::from_secs(1),
        kept: vec![CertificateHash([1; 32]); kept],
    };
    assert!(Revocation::decode(&revocation(KEPT_MAX).encode()).is_ok());
    assert_eq!(Revocation::decode(&revocation(KEPT_MAX + 1).encode()), Err(DecodeError::TooLong));
    let announcement = |endpoints: usize| EndpointAnnouncement {
        node: identity(1).node_id(),
        sequence: 1,
        expires: UnixTime::from_secs(1),
        endpoints: vec!["192.0.2.1:1".parse().expect("an address"); endpoints],
        control: vec![],
        home_peers: vec![],
        relays: vec![],
    };
    assert!(EndpointAnnouncement::decode(&announcement(16).encode()).is_ok());
    assert_eq!(EndpointAnnouncement::decode(&announcement(17).encode()), Err(DecodeError::TooLong));
    let at_relays = |relays| EndpointAnnouncement { relays: vec![identity(3).node_id(); relays], ..announcement(1) };
    assert!(EndpointAnnouncement::decode(&at_relays(HOME_RELAYS_MAX).encode()).is_ok());
    assert_eq!(EndpointAnnouncement::decode(&at_relays(HOME_RELAYS_MAX + 1).encode()), Err(DecodeError::TooLong));
    let call = |endpoints| SessionControl::Call { endpoints: announcement(endpoints).endpoints };
    assert_eq!(SessionControl::decode(&call(16).encode()), Ok(call(16)));
    assert_eq!(SessionControl::decode(&call(17).encode()), Err(DecodeError::TooLong));
}

#[test]
fn a_certificate_that_nobody_could_read_is_not_issued() {
    let binding = Signed::sign(binding(), &identity(1), &NETWORK);
    let membership = Membership { groups: vec!["ops".into(); GROUPS_MAX + 1], ..largest_membership() };
    let issued = MembershipCertificate::issue(membership, binding, &identity(2), &NETWORK);
    assert_eq!(issued, Err(DecodeError::TooLong));
}

#[test]
fn a_chain_ends_at_its_limit() {
    let chain = |length| encode_certificates(&vec![largest_certificate(); length]);
    assert!(decode_certificates(&chain(CHAIN_LENGTH_MAX)).is_ok());
    assert_eq!(decode_certificates(&chain(CHAIN_LENGTH_MAX + 1)), Err(DecodeError::TooLong));
    assert_eq!(decode_certificates(&chain(10_000)), Err(DecodeError::TooLong));
}

#[test]
fn the_largest_revocation_fits_one_record_of_a_session() {
    let largest = Revocation {
        subject: identity(1).node_id(),
        revoker: identity(2).node_id(),
        at: UnixTime::from_secs(LAST_SECOND),
        kept: vec![CertificateHash([1; 32]); KEPT_MAX],
    };
    let message = SessionControl::Revocation(Signed::sign(largest, &identity(2), &NETWORK)).encode();
    assert!(message.len() <= 1200, "{} bytes", message.len());
}

#[test]
fn the_largest_certificate_fits_message_1() {
    let payload = InitiationPayload {
        timestamp: UnixTime::from_nanos(u64::MAX),
        capabilities: Default::default(),
        revocations: [0xff; 16],
        certificates: vec![largest_certificate()],
    };
    assert_eq!(InitiationPayload::decode(&payload.encode()), Ok(payload));
}

#[test]
fn parents_that_do_not_fit_message_1_are_left_out_from_the_root_end() {
    let payload = InitiationPayload {
        timestamp: UnixTime::from_nanos(1),
        capabilities: Default::default(),
        revocations: [0; 16],
        certificates: vec![largest_certificate(); 5],
    };
    let read = InitiationPayload::decode(&payload.encode()).expect("what is written can be read");
    assert_eq!(read.certificates, payload.certificates[..1]);
}

#[test]
fn a_publication_of_names_beyond_the_size_of_a_message_is_refused_before_it_is_signed() {
    let names = |records| NamePublication {
        node: identity(1).node_id(),
        sequence: 1,
        records: vec![
            NameRecord { name: "n".repeat(253), record_type: "TXT".into(), value: "v".repeat(1000) };
            records
        ],
    };
    let fitting = Signed::try_sign(names(30), &identity(1), &NETWORK).expect("30 large records fit");
    assert_eq!(Signed::decode(&fitting.encode()), Ok(fitting));
    assert_eq!(Signed::try_sign(names(NAME_RECORDS_MAX), &identity(1), &NETWORK), Err(DecodeError::TooLong));
}
