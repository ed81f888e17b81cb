use std::fmt;

use minicbor::{Decoder, Encoder};

use crate::announcement::{EndpointAnnouncement, NamePublication};
use crate::canonical;
use crate::certificate::MembershipCertificate;
use crate::error::DecodeError;
use crate::fields::{array, put, tuple};
use crate::hash::{Digest, Domain};
use crate::id::NetworkId;
use crate::keys::NodeId;
use crate::revocation::Revocation;
use crate::signed::Signed;

/// Which statement a publication makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PublicationKind {
    /// A member's certificate.
    Certificate = 0,
    /// A revocation.
    Revocation = 1,
    /// A member's endpoints.
    Endpoints = 2,
    /// A member's published names.
    Names = 3,
}

/// Something every member may know and passes on: it carries its own proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// A member's certificate.
    Certificate(MembershipCertificate),
    /// A revocation.
    Revocation(Signed<Revocation>),
    /// A member's endpoints.
    Endpoints(Signed<EndpointAnnouncement>),
    /// A member's published names.
    Names(Signed<NamePublication>),
}

/// What a publication replaces: of each kind, one holds for each subject (for revocations: for each subject and
/// revoker, as the set only grows).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PublicationSlot {
    /// The kind.
    pub kind: PublicationKind,
    /// Whom it is about.
    pub subject: NodeId,
    /// Who says it, where that distinguishes statements.
    pub signer: Option<NodeId>,
}

/// Names one publication exactly: a 128-bit hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicationId(pub [u8; 16]);

impl fmt::Debug for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}{:02x}", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

impl PublicationId {
    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.bytes(&self.0));
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        array(d).map(Self)
    }
}

impl Publication {
    /// The kind of statement.
    #[must_use]
    pub const fn kind(&self) -> PublicationKind {
        match self {
            Self::Certificate(_) => PublicationKind::Certificate,
            Self::Revocation(_) => PublicationKind::Revocation,
            Self::Endpoints(_) => PublicationKind::Endpoints,
            Self::Names(_) => PublicationKind::Names,
        }
    }

    /// Whom it is about.
    #[must_use]
    pub const fn subject(&self) -> &NodeId {
        match self {
            Self::Certificate(certificate) => certificate.subject(),
            Self::Revocation(revocation) => &revocation.value().subject,
            Self::Endpoints(announcement) => &announcement.value().node,
            Self::Names(names) => &names.value().node,
        }
    }

    /// What it replaces.
    #[must_use]
    pub fn slot(&self) -> PublicationSlot {
        let signer = match self {
            Self::Revocation(revocation) => Some(revocation.value().revoker),
            Self::Certificate(_) | Self::Endpoints(_) | Self::Names(_) => None,
        };
        PublicationSlot { kind: self.kind(), subject: *self.subject(), signer }
    }

    /// Whether its own signatures hold. Says nothing of the signer's standing.
    #[must_use]
    pub fn verify_signatures(&self, network: &NetworkId) -> bool {
        match self {
            Self::Certificate(certificate) => certificate.verify_signatures(network),
            Self::Revocation(revocation) => revocation.verify(network),
            Self::Endpoints(announcement) => announcement.verify(network),
            Self::Names(names) => names.verify(network),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> PublicationId {
        PublicationId(Digest::of(Domain::Publication, &[&self.encode()]).prefix())
    }

    /// Encodes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        self.write(&mut e);
        e.into_writer()
    }

    /// Reads one and nothing after it.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        canonical::check(bytes)?;
        Self::read(&mut Decoder::new(bytes))
    }

    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.array(2)?.u8(self.kind() as u8));
        match self {
            Self::Certificate(certificate) => certificate.write(e),
            Self::Revocation(revocation) => revocation.write(e),
            Self::Endpoints(announcement) => announcement.write(e),
            Self::Names(names) => names.write(e),
        }
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        match d.u8()? {
            0 => Ok(Self::Certificate(MembershipCertificate::read(d)?)),
            1 => Ok(Self::Revocation(Signed::read(d)?)),
            2 => Ok(Self::Endpoints(Signed::read(d)?)),
            3 => Ok(Self::Names(Signed::read(d)?)),
            _ => Err(DecodeError::Value),
        }
    }
}
