use std::net::SocketAddr;

use crate::certificate::{MembershipCertificate, decode_certificates, encode_certificates_within};
use crate::endpoint::{read_socket_addr, write_socket_addr};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, bytes, u8, u64};
use crate::time::UnixTime;

/// Certificates in message 1 take at most this many bytes (ARCHITECTURE §5 "Handshake").
const CERTIFICATES_LEN_MAX: usize = 1000;

/// What protects transport records. The handshake itself is always ChaCha20-Poly1305.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Suite {
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305 = 1,
    /// AES-256-GCM (NIST SP 800-38D), only where both sides have vector AES.
    Aes256Gcm = 2,
}

impl Suite {
    /// The suite's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    fn from_carried(value: u8) -> Result<Self, DecodeError> {
        match value {
            1 => Ok(Self::ChaCha20Poly1305),
            2 => Ok(Self::Aes256Gcm),
            _ => Err(DecodeError::Value),
        }
    }
}

/// What a node can do beyond the required, stated inside the authenticated handshake. Unknown bits are ignored: they
/// are offers that this version cannot take up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Prefers AES-256-GCM for transport.
    pub const VECTOR_AES: Self = Self(1);

    /// Whether all of `other` are stated.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The payload of message 1. It has no forward secrecy, so nothing else goes into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiationPayload {
    /// Strictly grows per static key: the wall clock in nanoseconds, or one more than the last.
    pub timestamp: UnixTime,
    /// The initiator's capabilities.
    pub capabilities: Capabilities,
    /// Digest of the revocations it knows.
    pub revocations: [u8; 16],
    /// Its certificate, and as many parents as fit.
    pub certificates: Vec<MembershipCertificate>,
}

impl InitiationPayload {
    /// Encodes the payload; parents that do not fit are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let certificates = encode_certificates_within(&self.certificates, CERTIFICATES_LEN_MAX);
        FieldWriter::new()
            .u64(1, self.timestamp.as_nanos())
            .u64(2, self.capabilities.0)
            .bytes(3, &self.revocations)
            .bytes(4, &certificates)
            .finish()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right or there is no certificate.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(payload)?;
        let payload = Self {
            timestamp: UnixTime::from_nanos(r.required(1, u64)?),
            capabilities: Capabilities(r.required(2, u64)?),
            revocations: r.required(3, array)?,
            certificates: decode_certificates(&r.required(4, bytes(CERTIFICATES_LEN_MAX))?)?,
        };
        r.finish()?;
        if payload.certificates.is_empty() { Err(DecodeError::Field) } else { Ok(payload) }
    }
}

/// The payload of message 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponsePayload {
    /// The suite that the responder chose.
    pub suite: Suite,
    /// Digest of the revocations it knows.
    pub revocations: [u8; 16],
    /// The source address at which it saw message 1.
    pub observed: SocketAddr,
}

impl ResponsePayload {
    /// Encodes the payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .u64(1, self.suite as u64)
            .bytes(2, &self.revocations)
            .field(3, |e| write_socket_addr(e, &self.observed))
            .finish()
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(payload)?;
        let payload = Self {
            suite: Suite::from_carried(r.required(1, u8)?)?,
            revocations: r.required(2, array)?,
            observed: r.required(3, read_socket_addr)?,
        };
        r.finish()?;
        Ok(payload)
    }
}
