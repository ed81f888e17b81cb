use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, list, u8};
use crate::punch::PunchCall;
use crate::redeem::SealedRequest;
use crate::relay_announcement::RelayAnnouncement;
use crate::signed::Signed;

/// Most relays that a node knows: those near it, enough for any two nodes to have one in common or in between.
pub const RELAYS_MAX: usize = 32;

/// What a member asks its neighbour to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberRequest {
    /// Take this call, or pass it on.
    Call(Signed<PunchCall>),
    /// Say which relays it knows; answered with [`RelaysReply`].
    Relays,
    /// Someone wants to redeem an invite of yours; answered with [`crate::RedeemReply`].
    Redeem(SealedRequest),
}

impl MemberRequest {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let w = FieldWriter::new();
        match self {
            Self::Call(call) => w.u64(0, 1).field(1, |e| call.write(e)),
            Self::Relays => w.u64(0, 2),
            Self::Redeem(sealed) => w.u64(0, 3).bytes(1, &sealed.0),
        }
        .finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let request = match r.required(0, u8)? {
            1 => Self::Call(r.required(1, Signed::read)?),
            2 => Self::Relays,
            3 => Self::Redeem(r.required(1, SealedRequest::read)?),
            _ => return Err(DecodeError::Value),
        };
        r.finish()?;
        Ok(request)
    }
}

/// The relays that a member knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaysReply {
    /// Their own words; not all of them may be of today.
    pub relays: Vec<Signed<RelayAnnouncement>>,
}

impl RelaysReply {
    /// Encodes the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::new().list(1, &self.relays, |e, relay| relay.write(e)).finish()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(message)?;
        let reply = Self { relays: r.required(1, list(RELAYS_MAX, Signed::read))? };
        r.finish()?;
        Ok(reply)
    }
}
