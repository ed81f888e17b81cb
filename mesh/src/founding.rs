use holloway_wire::{
    IdentityKey, Label, Membership, MembershipCertificate, NetworkId, Now, Rights, Signed, StaticBinding, StaticSecret,
    Validity,
};

use crate::invite::backdated;
use crate::settings::Identity;

/// Founds a network: the root certifies its first member, with every right and for ever. The root key is needed again
/// only to certify another first member; the caller keeps it apart.
#[must_use]
pub fn found(
    root: &IdentityKey,
    key: IdentityKey,
    static_key: StaticSecret,
    network_label: Label,
    label: Label,
    now: Now,
) -> Identity {
    let network = NetworkId::of_root(&root.node_id());
    let subject = key.node_id();
    let binding = StaticBinding { subject, key: static_key.public(), sequence: now.unix.as_nanos() };
    let membership = Membership {
        subject,
        label,
        rights: Rights::ALL,
        groups: Vec::new(),
        validity: Validity { not_before: backdated(now), not_after: None },
        issuer: root.node_id(),
    };
    let binding = Signed::sign(binding, &key, &network);
    let certificate =
        MembershipCertificate::issue(membership, binding, root, &network).expect("both halves speak of the founder");
    Identity { network, network_label, key, static_key, chain: vec![certificate] }
}
