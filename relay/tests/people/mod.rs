//! Keys, certificates and a first day, for everyone who stands around a relay.

use holloway_wire::*;

/// 2026-11-21.
pub(crate) const START: UnixTime = UnixTime::from_secs(1_795_219_200);

/// The key of the person with this number.
pub(crate) fn key(number: u16) -> IdentityKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    IdentityKey::from_bytes(&seed)
}

/// What makes the holder of a key a member of the network of `root`.
pub(crate) fn certificate(root: &IdentityKey, key: &IdentityKey) -> MembershipCertificate {
    let network = NetworkId::of_root(&root.node_id());
    let subject = key.node_id();
    let binding =
        StaticBinding { subject, key: StaticSecret::from_bytes([3; 32]).public(), sequence: START.as_nanos() };
    let membership = Membership {
        subject,
        label: "someone".parse().expect("a label"),
        rights: Rights::NONE,
        groups: Vec::new(),
        validity: Validity { not_before: START, not_after: None },
        issuer: root.node_id(),
    };
    let binding = Signed::sign(binding, key, &network);
    MembershipCertificate::issue(membership, binding, root, &network).expect("it fits together")
}
