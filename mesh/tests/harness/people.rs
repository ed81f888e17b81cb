//! Newcomers, and certificates made by hand.

use std::net::{IpAddr, Ipv6Addr};

use holloway_mesh::*;
use holloway_wire::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::{Net, label};

impl Net {
    /// Issues a certificate by hand.
    pub(crate) fn certify(
        &self,
        issuer: &IdentityKey,
        subject: &Subject,
        membership: Membership,
    ) -> MembershipCertificate {
        let binding = StaticBinding {
            subject: subject.key.node_id(),
            key: subject.static_key.public(),
            sequence: subject.sequence,
        };
        let binding = Signed::sign(binding, &subject.key, &self.network);
        MembershipCertificate::issue(membership, binding, issuer, &self.network).expect("a certificate")
    }

    pub(crate) fn membership(&self, issuer: &IdentityKey, subject: &Subject, name: &str, rights: Rights) -> Membership {
        Membership {
            subject: subject.key.node_id(),
            label: label(name),
            rights,
            groups: Vec::new(),
            validity: Validity { not_before: UnixTime::from_secs(1_700_000_000), not_after: None },
            issuer: issuer.node_id(),
        }
    }

    pub(crate) fn revocation(
        &self,
        revoker: &IdentityKey,
        subject: &NodeId,
        kept: Vec<CertificateHash>,
    ) -> Publication {
        let at = self.now_at(usize::MAX).unix;
        let revocation = Revocation { subject: *subject, revoker: revoker.node_id(), at, kept };
        Publication::Revocation(Signed::sign(revocation, revoker, &self.network))
    }
}

/// Keys of someone for whom certificates are made by hand.
pub(crate) struct Subject {
    pub(crate) key: IdentityKey,
    pub(crate) static_key: StaticSecret,
    pub(crate) sequence: u64,
}

impl Subject {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self { key: IdentityKey::generate(&mut rng), static_key: StaticSecret::generate(&mut rng), sequence: 1 }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.key.node_id()
    }

    pub(crate) fn identity(&self, network: NetworkId, chain: Vec<MembershipCertificate>) -> Identity {
        Identity {
            network,
            network_label: label("home"),
            key: IdentityKey::from_bytes(&self.key.to_bytes()),
            static_key: self.static_key.clone(),
            chain,
        }
    }
}

/// Someone with an invite.
pub(crate) struct Newcomer {
    pub(crate) key: IdentityKey,
    pub(crate) static_key: StaticSecret,
    pub(crate) redeemer: Redeemer,
}

impl Newcomer {
    pub(crate) fn new(token: &InviteToken, name: &str, key: IdentityKey, static_key: StaticSecret, now: Now) -> Self {
        let redeemer =
            Redeemer::new(token.clone(), label(name), &key, &static_key, now).expect("the invite is not over");
        Self { key, static_key, redeemer }
    }

    pub(crate) fn identity(self, joined: Joined) -> Identity {
        Identity {
            network: joined.network,
            network_label: joined.network_label,
            key: self.key,
            static_key: self.static_key,
            chain: joined.chain,
        }
    }
}

/// A whole inner packet (RFC 8200 §3) with no next header.
pub(crate) fn packet(source: Ipv6Addr, destination: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a short payload").to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], 59, 64];
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(payload);
    packet
}

/// The same over IPv4 (RFC 791 §3.1).
pub(crate) fn packet_v4(source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0];
    packet.extend_from_slice(&source);
    packet.extend_from_slice(&destination);
    packet
}

pub(crate) fn ip(address: Ipv6Addr) -> IpAddr {
    IpAddr::V6(address)
}
