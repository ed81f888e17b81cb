use std::fmt;

use minicbor::{Decoder, Encoder};

use crate::canonical;
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, list, put, seconds, text, tuple, u8, u64};
use crate::hash::{Digest, Domain};
use crate::id::NetworkId;
use crate::keys::{IdentityKey, NodeId, StaticPublicKey};
use crate::name::Label;
use crate::rights::Rights;
use crate::signed::{MessageType, Signed, SignedMessage};
use crate::time::UnixTime;

/// Most groups of one member: they travel in every handshake, which has 1,000 bytes for certificates.
pub const GROUPS_MAX: usize = 8;

/// Longest group name, for the same reason.
const GROUP_LEN_MAX: usize = 32;

/// Most certificates carried in one chain: a budget of bytes (16 KiB at 250 bytes each) and of signature checks
/// (two for each, about 5 ms in all), not a depth of delegation that anyone needs.
pub const CHAIN_LENGTH_MAX: usize = 64;

/// When a membership holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second at which it holds.
    pub not_before: UnixTime,
    /// First second at which it no longer holds; `None` for ever.
    pub not_after: Option<UnixTime>,
}

impl Validity {
    /// Whether `at` lies inside.
    #[must_use]
    pub fn holds_at(&self, at: UnixTime) -> bool {
        self.not_before <= at && self.not_after.is_none_or(|end| at < end)
    }

    /// Whether `inner` lies wholly inside.
    #[must_use]
    pub fn covers(&self, inner: &Self) -> bool {
        let ends_in_time = match (self.not_after, inner.not_after) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(outer), Some(end)) => end <= outer,
        };
        self.not_before <= inner.not_before && ends_in_time
    }
}

/// What an issuer says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The member.
    pub subject: NodeId,
    /// The member's host label.
    pub label: Label,
    /// What the member may do.
    pub rights: Rights,
    /// The member's groups, for rules.
    pub groups: Vec<String>,
    /// When this holds.
    pub validity: Validity,
    /// Who says so: another member with the right to issue, or the root.
    pub issuer: NodeId,
}

impl SignedMessage for Membership {
    const TYPE: MessageType = MessageType::Membership;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.subject.as_bytes())
            .text(2, self.label.as_str())
            .u64(3, u64::from(self.rights.bits()))
            .list(4, &self.groups, |e, group| put(e, |e| e.str(group)))
            .u64(5, self.validity.not_before.as_secs())
            .optional(self.validity.not_after, |w, end| w.u64(6, end.as_secs()))
            .bytes(7, self.issuer.as_bytes())
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let membership = Self {
            subject: r.required(1, node_id)?,
            label: r.required(2, label)?,
            rights: Rights::from_bits(r.required(3, u8)?)?,
            groups: r.required(4, list(GROUPS_MAX, text(GROUP_LEN_MAX)))?,
            validity: Validity { not_before: r.required(5, seconds)?, not_after: r.optional(6, seconds)? },
            issuer: r.required(7, node_id)?,
        };
        r.finish()?;
        if !membership.groups.iter().all(|group| is_group(group)) {
            return Err(DecodeError::Value);
        }
        Ok(membership)
    }

    fn signer(&self) -> &NodeId {
        &self.issuer
    }
}

impl Membership {
    /// Whether `text` may name a group.
    #[must_use]
    pub fn is_group_name(text: &str) -> bool {
        text.len() <= GROUP_LEN_MAX && is_group(text)
    }
}

fn is_group(group: &str) -> bool {
    !group.is_empty() && group.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Reads a lower-case label: the one spelling.
pub(crate) fn label(d: &mut Decoder<'_>) -> Result<Label, DecodeError> {
    let carried = d.str()?;
    let label: Label = carried.parse().map_err(|_| DecodeError::Value)?;
    if label.as_str() == carried { Ok(label) } else { Err(DecodeError::NotCanonical) }
}

pub(crate) fn node_id(d: &mut Decoder<'_>) -> Result<NodeId, DecodeError> {
    NodeId::from_bytes(array(d)?).map_err(|_| DecodeError::Key)
}

/// A member's own statement of its Noise static key. The highest sequence wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticBinding {
    /// The member.
    pub subject: NodeId,
    /// Its Noise static key.
    pub key: StaticPublicKey,
    /// Grows with each new key.
    pub sequence: u64,
}

impl SignedMessage for StaticBinding {
    const TYPE: MessageType = MessageType::StaticBinding;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.subject.as_bytes())
            .bytes(2, self.key.as_bytes())
            .u64(3, self.sequence)
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let binding = Self {
            subject: r.required(1, node_id)?,
            key: StaticPublicKey(r.required(2, array)?),
            sequence: r.required(3, u64)?,
        };
        r.finish()?;
        Ok(binding)
    }

    fn signer(&self) -> &NodeId {
        &self.subject
    }
}

/// The hash that names one certificate: of the membership as its issuer signed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateHash(pub [u8; 32]);

impl fmt::Debug for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Digest(self.0), f)
    }
}

/// Proof of membership: what the issuer says of the member, and the member's own binding of its Noise key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipCertificate {
    membership: Signed<Membership>,
    binding: Signed<StaticBinding>,
}

impl MembershipCertificate {
    /// Joins the two halves.
    ///
    /// # Errors
    /// [`DecodeError::Value`] when they speak of different members.
    pub fn new(membership: Signed<Membership>, binding: Signed<StaticBinding>) -> Result<Self, DecodeError> {
        if membership.value().subject != binding.value().subject {
            return Err(DecodeError::Value);
        }
        Ok(Self { membership, binding })
    }

    /// Issues a certificate: `issuer` signs `membership`, the subject has signed `binding`.
    ///
    /// # Errors
    /// [`DecodeError::Value`] when the two halves speak of different members, any when the membership breaks a limit.
    ///
    /// # Panics
    /// When `issuer` is not the issuer that the membership names.
    pub fn issue(
        membership: Membership,
        binding: Signed<StaticBinding>,
        issuer: &IdentityKey,
        network: &NetworkId,
    ) -> Result<Self, DecodeError> {
        Self::new(Signed::try_sign(membership, issuer, network)?, binding)
    }

    /// The same membership with a newer binding.
    ///
    /// # Errors
    /// [`DecodeError::Value`] when the binding is another member's.
    pub fn rebind(&self, binding: Signed<StaticBinding>) -> Result<Self, DecodeError> {
        Self::new(self.membership.clone(), binding)
    }

    /// What the issuer says.
    #[must_use]
    pub const fn membership(&self) -> &Membership {
        self.membership.value()
    }

    /// The member.
    #[must_use]
    pub const fn subject(&self) -> &NodeId {
        &self.membership.value().subject
    }

    /// The member's Noise static key.
    #[must_use]
    pub const fn static_key(&self) -> &StaticPublicKey {
        &self.binding.value().key
    }

    /// The binding's sequence.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.binding.value().sequence
    }

    /// The binding alone.
    #[must_use]
    pub const fn binding(&self) -> &Signed<StaticBinding> {
        &self.binding
    }

    /// The hash of the membership.
    #[must_use]
    pub fn hash(&self) -> CertificateHash {
        CertificateHash(Digest::of(Domain::Certificate, &[self.membership.bytes()]).0)
    }

    /// Whether both signatures hold in this network. Says nothing of the issuer's own standing.
    #[must_use]
    pub fn verify_signatures(&self, network: &NetworkId) -> bool {
        self.membership.verify(network) && self.binding.verify(network)
    }

    /// Encodes the certificate.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        self.write(&mut e);
        e.into_writer()
    }

    /// Reads a certificate and nothing after it.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        canonical::check(bytes)?;
        Self::read(&mut Decoder::new(bytes))
    }

    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.array(2));
        self.membership.write(e);
        self.binding.write(e);
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        Self::new(Signed::read(d)?, Signed::read(d)?)
    }
}

/// Encodes a chain from the leaf up, without the parents beyond `length_max` bytes.
pub(crate) fn encode_certificates_within(mut chain: &[MembershipCertificate], length_max: usize) -> Vec<u8> {
    loop {
        let certificates = encode_certificates(chain);
        match chain {
            [fitting @ .., _] if !fitting.is_empty() && certificates.len() > length_max => chain = fitting,
            _ => return certificates,
        }
    }
}

/// Encodes a chain, leaf first.
#[must_use]
pub fn encode_certificates(chain: &[MembershipCertificate]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::new());
    put(&mut e, |e| e.array(chain.len() as u64));
    for certificate in chain {
        certificate.write(&mut e);
    }
    e.into_writer()
}

/// Reads a chain of at most [`CHAIN_LENGTH_MAX`] certificates.
///
/// # Errors
/// [`DecodeError`] when the form is not right.
pub fn decode_certificates(bytes: &[u8]) -> Result<Vec<MembershipCertificate>, DecodeError> {
    canonical::check(bytes)?;
    list(CHAIN_LENGTH_MAX, MembershipCertificate::read)(&mut Decoder::new(bytes))
}
