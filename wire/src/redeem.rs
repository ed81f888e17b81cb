use minicbor::{Decoder, Encoder};
use thiserror::Error;

use crate::announcement::ControlAddr;
use crate::certificate::{
    MembershipCertificate, StaticBinding, decode_certificates, encode_certificates, label, node_id,
};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, bytes, list, put, tuple, u8, u64};
use crate::hello::plain_text;
use crate::invite::InviteSecret;
use crate::keys::NodeId;
use crate::name::Label;
use crate::signed::Signed;
use crate::time::UnixTime;

/// Longest chain in a reply: the whole reply is at most 16 KiB (ARCHITECTURE §5 "Control plane"), and
/// the contacts take up to one and a half.
const CHAIN_LEN_MAX: usize = 14 * 1024;

/// Most contacts that a newcomer is given: two more than a node dials.
pub const CONTACTS_MAX: usize = 8;

/// Most addresses of one contact: both transports over both families.
pub const CONTACT_ADDRS_MAX: usize = 4;

/// Asks the issuer to redeem an invite. The asker's `NodeId` is its peer id, and the binding is signed by it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedeemRequest {
    /// The asker's clock: refused when further off than the allowed skew.
    pub time: UnixTime,
    /// The invite's secret.
    pub secret: InviteSecret,
    /// The name that the asker would like, where the invite leaves it open.
    pub label: Label,
    /// The asker's Noise static key, signed by its identity.
    pub binding: Signed<StaticBinding>,
}

impl RedeemRequest {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .u64(1, self.time.as_nanos())
            .bytes(2, self.secret.as_bytes())
            .text(3, self.label.as_str())
            .field(4, |e| self.binding.write(e))
            .finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let request = Self {
            time: UnixTime::from_nanos(r.required(1, u64)?),
            secret: InviteSecret::from_bytes(r.required(2, array)?),
            label: r.required(3, label)?,
            binding: r.required(4, Signed::read)?,
        };
        r.finish()?;
        Ok(request)
    }
}

/// Asks a relay to pass a request for redemption on to the issuer. The relay cannot read it: whoever knows the secret
/// could join in the newcomer's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedRedemption {
    /// To whom.
    pub issuer: NodeId,
    /// The [`RedeemRequest`], sealed to the issuer.
    pub sealed: SealedRequest,
}

/// A [`RedeemRequest`] that only the issuer can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRequest(pub Vec<u8>);

/// A request takes about 250 bytes.
const SEALED_LEN_MAX: usize = 1024;

impl SealedRequest {
    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        bytes(SEALED_LEN_MAX)(d).map(Self)
    }
}

impl PassedRedemption {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::new().bytes(5, self.issuer.as_bytes()).bytes(6, &self.sealed.0).finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right, that of a [`RedeemRequest`] included.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let passed = Self { issuer: r.required(5, node_id)?, sealed: r.required(6, SealedRequest::read)? };
        r.finish()?;
        Ok(passed)
    }
}

/// Why an invite was not redeemed. Only who knows the secret learns more than [`Refusal::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[repr(u8)]
#[non_exhaustive]
pub enum Refusal {
    /// No such invite here: never issued, or not by this node.
    #[error("the issuer does not know this invite")]
    Unknown = 1,
    /// Its time is over.
    #[error("the invite has expired")]
    Expired = 2,
    /// Another machine has used it.
    #[error("the invite has already been used by another machine")]
    Spent = 3,
    /// The issuer took it back.
    #[error("the invite was withdrawn")]
    Withdrawn = 4,
    /// The asker's key has been revoked.
    #[error("this machine's key has been revoked in this network")]
    Revoked = 5,
    /// The name belongs to another member.
    #[error("another member already has this name")]
    NameTaken = 6,
    /// The issuer may not issue (any more).
    #[error("the issuer of this invite may no longer admit members")]
    NotAnIssuer = 7,
    /// The clocks differ too much.
    #[error("the clocks of this machine and the issuer differ by more than the allowed skew")]
    ClockSkew = 8,
    /// The request is not what it should be.
    #[error("the issuer could not read the request")]
    Malformed = 9,
    /// The issuer could not write its ledger; asking again later may help.
    #[error("the issuer cannot store the membership at the moment")]
    Unavailable = 10,
    /// Whoever was asked to pass the request on has no connection to the issuer, or does not pass on.
    #[error("the issuer is not connected to this relay")]
    NotConnected = 11,
    /// Somebody has to approve of this machine first; asking again later may help.
    #[error("the issuer of this invite has to approve of this machine first")]
    ApprovalPending = 12,
}

impl Refusal {
    const ALL: [Self; 12] = [
        Self::Unknown,
        Self::Expired,
        Self::Spent,
        Self::Withdrawn,
        Self::Revoked,
        Self::NameTaken,
        Self::NotAnIssuer,
        Self::ClockSkew,
        Self::Malformed,
        Self::Unavailable,
        Self::NotConnected,
        Self::ApprovalPending,
    ];

    fn from_carried(code: u8) -> Result<Self, DecodeError> {
        Self::ALL.into_iter().find(|refusal| *refusal as u8 == code).ok_or(DecodeError::Value)
    }
}

/// A member and where its control plane is, for a newcomer that knows nobody but its issuer. Not proven: the connection
/// will prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The member.
    pub node: NodeId,
    /// Where it listens, at most [`CONTACT_ADDRS_MAX`].
    pub control: Vec<ControlAddr>,
}

impl Contact {
    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.array(2)?.bytes(self.node.as_bytes())?.array(self.control.len() as u64));
        for address in &self.control {
            address.write(e);
        }
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        Ok(Self { node: node_id(d)?, control: list(CONTACT_ADDRS_MAX, ControlAddr::read)(d)? })
    }
}

/// The issuer's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedeemReply {
    /// The newcomer is a member: its certificate and the parents up to the root's.
    Granted {
        /// Leaf first.
        chain: Vec<MembershipCertificate>,
        /// Members other than the issuer, at most [`CONTACTS_MAX`]: the newcomer is not lost when the issuer goes away.
        contacts: Vec<Contact>,
    },
    /// It is not.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What the code cannot say, the size of a clock skew say.
        detail: String,
    },
}

impl RedeemReply {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Granted { chain, contacts } => FieldWriter::new()
                .u64(0, 1)
                .bytes(1, &encode_certificates(chain))
                .list(2, contacts, |e, contact| contact.write(e)),
            Self::Refused { refusal, detail } => FieldWriter::new().u64(0, 2).u64(1, *refusal as u64).text(2, detail),
        }
        .finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let reply = match r.required(0, u8)? {
            1 => Self::Granted {
                chain: decode_certificates(&r.required(1, bytes(CHAIN_LEN_MAX))?)?,
                contacts: r.required(2, list(CONTACTS_MAX, Contact::read))?,
            },
            2 => Self::Refused {
                refusal: Refusal::from_carried(r.required(1, u8)?)?,
                detail: r.required(2, plain_text)?,
            },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(reply)
    }
}
