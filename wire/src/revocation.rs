use crate::certificate::{CertificateHash, node_id};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, list, put, seconds};
use crate::keys::NodeId;
use crate::signed::{MessageType, SignedMessage};
use crate::time::UnixTime;

/// Most certificates that one revocation keeps: with 24 of 32 bytes it fits one datagram beside its signature, so that
/// revocations can travel inside a session.
pub const KEPT_MAX: usize = 24;

/// "This key is no longer a member." For ever; what the key issued falls with it, except what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The key that is out.
    pub subject: NodeId,
    /// Who says so.
    pub revoker: NodeId,
    /// When it was said; for the record only, a revocation holds whatever its date.
    pub at: UnixTime,
    /// Certificates issued by the subject that stay valid.
    pub kept: Vec<CertificateHash>,
}

impl SignedMessage for Revocation {
    const TYPE: MessageType = MessageType::Revocation;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.subject.as_bytes())
            .bytes(2, self.revoker.as_bytes())
            .u64(3, self.at.as_secs())
            .list(4, &self.kept, |e, hash| put(e, |e| e.bytes(&hash.0)))
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let revocation = Self {
            subject: r.required(1, node_id)?,
            revoker: r.required(2, node_id)?,
            at: r.required(3, seconds)?,
            kept: r.required(4, list(KEPT_MAX, array))?.into_iter().map(CertificateHash).collect(),
        };
        r.finish()?;
        Ok(revocation)
    }

    fn signer(&self) -> &NodeId {
        &self.revoker
    }
}
