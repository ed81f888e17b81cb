//! The transport AEAD: one key of one suite. Which implementation stands behind it is chosen here, once.

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(feature = "aws-lc")]
pub(crate) use aws_lc::{AeadKey, supports};

#[cfg(not(feature = "aws-lc"))]
mod portable;
#[cfg(not(feature = "aws-lc"))]
pub(crate) use portable::{AeadKey, supports};

/// The nonce of a record: four zero bytes and the counter, little endian (ARCHITECTURE §5 "Transport record").
fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

/// The tag did not match: the record is forged, damaged or of another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotAuthentic;
