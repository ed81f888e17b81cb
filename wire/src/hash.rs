use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Mac, Update};
use blake2::{Blake2s256, Blake2sMac, Digest as _};
use data_encoding::HEXLOWER;

/// What a hash is for. Every hash input starts with its domain, so that no digest can stand in for another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A network's id, from its root key.
    Network,
    /// An overlay address, from network and subject key.
    Address,
    /// A certificate's hash.
    Certificate,
    /// A publication's id.
    Publication,
    /// An invite's id, from its secret.
    Invite,
    /// A digest over the revocation set.
    RevocationSet,
    /// The mac1 key of a node, from its static key (WireGuard §5.4.4, `LABEL_MAC1`).
    Mac1,
    /// The cookie key of a node, from its static key (WireGuard §5.4.7, `LABEL_COOKIE`).
    Cookie,
    /// One sync bucket's digest.
    SyncBucket,
    /// A DHT key of a node's record.
    Record,
    /// A gossip message's id, from its author and number.
    Gossip,
}

impl Domain {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Network => b"holloway network v1",
            Self::Address => b"holloway address v1",
            Self::Certificate => b"holloway certificate v1",
            Self::Publication => b"holloway publication v1",
            Self::Invite => b"holloway invite v1",
            Self::RevocationSet => b"holloway revocations v1",
            Self::Mac1 => b"holloway mac1 v1",
            Self::Cookie => b"holloway cookie v1",
            Self::SyncBucket => b"holloway sync bucket v1",
            Self::Record => b"holloway record v1",
            Self::Gossip => b"holloway gossip v1",
        }
    }
}

/// A BLAKE2s-256 digest (RFC 7693).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes the domain's label and the parts, each preceded by its length, so that no two lists of parts collide.
    #[must_use]
    pub fn of(domain: Domain, parts: &[&[u8]]) -> Self {
        let mut hasher = Blake2s256::new();
        Update::update(&mut hasher, domain.label());
        for part in parts {
            Update::update(&mut hasher, &(part.len() as u64).to_le_bytes());
            Update::update(&mut hasher, part);
        }
        Self(hasher.finalize_fixed().into())
    }

    /// The first `N` bytes.
    #[must_use]
    pub fn prefix<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= 32) };
        let mut out = [0; N];
        out.copy_from_slice(&self.0[..N]);
        out
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0[..6]))
    }
}

/// A keyed BLAKE2s MAC of 16 bytes over the parts, as WireGuard's `MAC(key, input)`.
///
/// Sixteen bytes come from a 256-bit output cut short; the key is at most 32 bytes (RFC 7693 §2.9).
#[must_use]
pub fn keyed_mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    let full = keyed(key, parts);
    let mut out = [0; 16];
    out.copy_from_slice(&full[..16]);
    out
}

/// A 32-byte key derived from `key` by keyed BLAKE2s over the parts.
#[must_use]
pub fn labelled_key(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    keyed(key, parts)
}

fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Blake2sMac<U32> as KeyInit>::new(key.into());
    for part in parts {
        Mac::update(&mut mac, part);
    }
    mac.finalize_fixed().into()
}
