//! What a signature covers, and that there is only one.

use holloway_wire::{
    Membership, MembershipCertificate, NetworkId, NodeId, Revocation, Rights, Signature, Signed, SignedMessage,
    StaticBinding, StaticPublicKey, UnixTime, Validity,
};
use minicbor::Encoder;
use proptest::prelude::*;

use crate::arbitrary::{self, NETWORK, identity, signed};

/// The order of the base point, little endian (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn with_order_added(signature: [u8; 64]) -> [u8; 64] {
    let mut changed = signature;
    let mut carry = 0u16;
    for (byte, addend) in changed[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(addend) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S below the order leaves room for one more");
    changed
}

fn membership() -> Membership {
    Membership {
        subject: identity(2).node_id(),
        label: "bob".parse().expect("a label"),
        rights: Rights::NONE,
        groups: vec![],
        validity: Validity { not_before: UnixTime::from_secs(1), not_after: None },
        issuer: identity(1).node_id(),
    }
}

/// Body and signature as they travel.
fn carried(body: &[u8], signature: &Signature) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    e.array(2).and_then(|e| e.bytes(body)).and_then(|e| e.bytes(&signature.0)).expect("a Vec takes every byte");
    e.into_writer()
}

/// The body with a field of text appended.
fn extended(body: &[u8], key: u8, text: &str) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes[0] += 1;
    bytes.extend_from_slice(&[0x18, key, 0x60 + u8::try_from(text.len()).expect("short text")]);
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn sign_body<T: SignedMessage>(body: &[u8]) -> Signature {
    identity(1).sign(&[b"holloway-signed-v1", [T::TYPE as u8].as_slice(), NETWORK.as_bytes(), body].concat())
}

#[test]
fn a_signature_with_the_order_added_is_refused() {
    let message = b"message";
    let key = identity(1);
    let signature = key.sign(message);
    assert!(key.node_id().verifies(message, &signature));
    assert!(!key.node_id().verifies(message, &Signature(with_order_added(signature.0))));
}

#[test]
fn a_signature_by_a_small_order_key_never_comes_to_be_checked() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert!(NodeId::from_bytes(neutral).is_err());
    let node = identity(1).node_id();
    let mut forged = [0; 64];
    forged[..32].copy_from_slice(&neutral);
    assert!(!node.verifies(b"anything", &Signature(forged)));
}

#[test]
fn an_unknown_field_below_128_is_refused_even_when_signed() {
    for key in [24, 127] {
        let body = extended(&membership().encode(), key, "later");
        assert!(Signed::<Membership>::decode(&carried(&body, &sign_body::<Membership>(&body))).is_err(), "{key}");
    }
}

#[test]
fn an_unknown_field_from_128_on_is_carried_and_covered_by_the_signature() {
    for key in [128, 255] {
        let body = extended(&membership().encode(), key, "later");
        let bytes = carried(&body, &sign_body::<Membership>(&body));
        let read = Signed::<Membership>::decode(&bytes).expect("extensions are carried");
        assert_eq!(read.value(), &membership());
        assert!(read.verify(&NETWORK));
        assert_eq!(read.encode(), bytes);
        let changed = extended(&membership().encode(), key, "other");
        let forged = carried(&changed, &sign_body::<Membership>(&body));
        assert!(!Signed::<Membership>::decode(&forged).expect("its form is right").verify(&NETWORK));
    }
}

#[test]
fn a_body_signed_as_one_type_is_nothing_as_another() {
    let body = membership().encode();
    let signature = sign_body::<Revocation>(&body);
    let read = Signed::<Membership>::decode(&carried(&body, &signature)).expect("its form is right");
    assert!(!read.verify(&NETWORK));
}

#[test]
fn what_was_signed_and_what_is_read_back_are_the_same_value() {
    let membership = Membership {
        validity: Validity {
            not_before: UnixTime::from_nanos(1_500_000_001),
            not_after: Some(UnixTime::from_nanos(9_999_999_999)),
        },
        ..membership()
    };
    let signed = Signed::sign(membership, &identity(1), &NETWORK);
    assert_eq!(Signed::decode(&signed.encode()), Ok(signed));
}

#[test]
fn the_halves_of_a_certificate_belong_to_one_member() {
    let stranger = identity(3);
    let binding = StaticBinding { subject: stranger.node_id(), key: StaticPublicKey([9; 32]), sequence: 1 };
    let binding = Signed::sign(binding, &stranger, &NETWORK);
    assert!(MembershipCertificate::issue(membership(), binding, &identity(1), &NETWORK).is_err());
}

#[test]
fn of_ten_thousand_certificates_with_one_bit_changed_none_passes() {
    let (root, subject) = (identity(1), identity(2));
    let mut tried = 0;
    for groups in 0..5 {
        let binding = StaticBinding { subject: subject.node_id(), key: StaticPublicKey([9; 32]), sequence: 1 };
        let membership = Membership { groups: vec!["g".into(); groups], ..membership() };
        let binding = Signed::sign(binding, &subject, &NETWORK);
        let certificate = MembershipCertificate::issue(membership, binding, &root, &NETWORK).expect("one member");
        let bytes = certificate.encode();
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let passes = MembershipCertificate::decode(&changed).is_ok_and(|read| read.verify_signatures(&NETWORK));
            assert!(!passes, "with {groups} groups, bit {bit}");
            tried += 1;
        }
    }
    assert!(tried >= 10_000, "{tried}");
}

proptest! {
    #[test]
    fn a_signature_holds_in_its_own_network_only(value in signed(arbitrary::membership), other in any::<[u8; 32]>()) {
        prop_assert!(value.verify(&NETWORK));
        prop_assert!(!value.verify(&NetworkId::from_bytes(other)));
    }

    #[test]
    fn a_changed_certificate_is_refused_or_does_not_verify(
        certificate in arbitrary::certificate(),
        at in any::<proptest::sample::Index>(),
        bit in 0..8u8,
    ) {
        let mut bytes = certificate.encode();
        prop_assert!(certificate.verify_signatures(&NETWORK));
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = MembershipCertificate::decode(&bytes) {
            prop_assert!(!changed.verify_signatures(&NETWORK), "byte {at}, bit {bit}");
        }
    }
}
