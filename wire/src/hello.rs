use minicbor::Decoder;

use crate::announcement::EndpointAnnouncement;
use crate::certificate::{MembershipCertificate, decode_certificates, encode_certificates};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, bytes, list, text, u8, u64};
use crate::revocation::Revocation;
use crate::signed::Signed;
use crate::time::UnixTime;

/// Longest chain carried in a hello: the whole request is at most 16 KiB (ARCHITECTURE §5 "Control plane"), and an
/// announcement takes up to one.
const CHAIN_LEN_MAX: usize = 14 * 1024;

/// Longest hello.
const HELLO_LEN_MAX: usize = 16 * 1024;

/// Most revocations in a refusal: each is at most a kilobyte.
pub const REFUSAL_REVOCATIONS_MAX: usize = 8;

/// Longest version text and longest reason.
const TEXT_LEN_MAX: usize = 128;

/// The first message on a control connection: membership, clock and version. The sender's `NodeId` is its peer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The session protocol's version.
    pub version: u8,
    /// The program's version, for people.
    pub software: String,
    /// The sender's clock.
    pub time: UnixTime,
    /// The sender's certificate and its parents.
    pub chain: Vec<MembershipCertificate>,
    /// Where the sender is, if it has said so yet: whoever is greeted can find it again when the connection ends.
    pub announcement: Option<Signed<EndpointAnnouncement>>,
}

impl Hello {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .u64(1, u64::from(self.version))
            .text(2, &self.software)
            .u64(3, self.time.as_nanos())
            .bytes(4, &encode_certificates(&self.chain))
            .optional(self.announcement.as_ref(), |w, announcement| w.field(5, |e| announcement.write(e)))
            .finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right or the chain is empty.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let hello = Self {
            version: r.required(1, u8)?,
            software: r.required(2, plain_text)?,
            time: UnixTime::from_nanos(r.required(3, u64)?),
            chain: decode_certificates(&r.required(4, bytes(CHAIN_LEN_MAX))?)?,
            announcement: r.optional(5, Signed::read)?,
        };
        r.finish()?;
        if hello.chain.is_empty() { Err(DecodeError::Field) } else { Ok(hello) }
    }
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelloReply {
    /// The sender is a member; the answer is the answerer's own hello.
    Welcome(Box<Hello>),
    /// The sender is not, and this is why.
    Refused {
        /// In words, for the log of the one refused.
        reason: String,
        /// The revocations that it is refused for, if any: it was away when they were published.
        revocations: Vec<Signed<Revocation>>,
    },
}

impl HelloReply {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Welcome(hello) => FieldWriter::new().u64(0, 1).bytes(1, &hello.encode()),
            Self::Refused { reason, revocations } => {
                FieldWriter::new().u64(0, 2).text(1, reason).list(2, revocations, |e, revocation| revocation.write(e))
            }
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
            1 => Self::Welcome(Box::new(Hello::decode(&r.required(1, bytes(HELLO_LEN_MAX))?)?)),
            2 => Self::Refused {
                reason: r.required(1, plain_text)?,
                revocations: r.required(2, list(REFUSAL_REVOCATIONS_MAX, Signed::read))?,
            },
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(reply)
    }
}

/// Short text without control characters: it will be shown.
pub(crate) fn plain_text(d: &mut Decoder<'_>) -> Result<String, DecodeError> {
    let text = text(TEXT_LEN_MAX)(d)?;
    if text.chars().any(char::is_control) { Err(DecodeError::Value) } else { Ok(text) }
}
