use minicbor::{Decoder, Encoder};

use crate::canonical;
use crate::error::DecodeError;
use crate::fields::{array, put, tuple};
use crate::id::NetworkId;
use crate::keys::{IdentityKey, NodeId, Signature};

/// Domain of every signature.
const SIGNATURE_DOMAIN: &[u8] = b"holloway-signed-v1";

/// Longest signed body: a publication fits a gossip message with its signatures and parents.
const BODY_LEN_MAX: usize = 48 * 1024;

/// Which kind of message is signed. Part of what is signed, so that no message can stand in for another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MessageType {
    /// A membership, by its issuer.
    Membership = 1,
    /// A static key binding, by its subject.
    StaticBinding = 2,
    /// A revocation.
    Revocation = 3,
    /// A node's endpoints.
    EndpointAnnouncement = 4,
    /// A node's published names.
    NamePublication = 5,
    /// An invite.
    Invite = 6,
    /// A call to punch.
    PunchCall = 7,
    /// A relay's word of itself.
    RelayAnnouncement = 8,
    /// A registration at a relay.
    RelayRegistration = 9,
}

/// A body that can be signed.
pub trait SignedMessage: Sized {
    /// Its type, part of the signed bytes.
    const TYPE: MessageType;

    /// Encodes the body in its one spelling.
    fn encode(&self) -> Vec<u8>;

    /// Reads a body.
    ///
    /// # Errors
    /// [`DecodeError`] for anything but the one spelling of a valid body.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// Whose signature the body needs.
    fn signer(&self) -> &NodeId;
}

/// A body with the bytes that were signed and the signature. Carried bytes are never re-encoded.
///
/// Reading one checks its form only; [`Signed::verify`] checks the signature.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed<T> {
    value: T,
    bytes: Box<[u8]>,
    signature: Signature,
}

impl<T: SignedMessage> Signed<T> {
    /// Signs `value` for a network. `key` must be the signer that the value names. The value kept is the one that
    /// readers will see.
    ///
    /// # Panics
    /// When `key` is not the named signer, or when the value breaks a limit of its type: what people or peers may
    /// have made too large goes through [`Signed::try_sign`].
    #[must_use]
    pub fn sign(value: T, key: &IdentityKey, network: &NetworkId) -> Self {
        Self::try_sign(value, key, network).expect("the value is within the limits of its type")
    }

    /// Signs `value` if anyone will be able to read it.
    ///
    /// # Errors
    /// [`DecodeError`], as a reader would meet it, when the value breaks a limit of its type.
    ///
    /// # Panics
    /// When `key` is not the signer that the value names.
    #[expect(clippy::needless_pass_by_value, reason = "the value is handed over: what is kept is what was read back")]
    pub fn try_sign(value: T, key: &IdentityKey, network: &NetworkId) -> Result<Self, DecodeError> {
        assert!(key.node_id() == *value.signer(), "a message is signed by the signer it names");
        let bytes = value.encode();
        let value = read_body(&bytes)?;
        let signature = key.sign(&signed_bytes::<T>(network, &bytes));
        Ok(Self { value, bytes: bytes.into(), signature })
    }

    /// The body.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// The carried bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the signature is the named signer's, in this network.
    #[must_use]
    pub fn verify(&self, network: &NetworkId) -> bool {
        self.value.signer().verifies(&signed_bytes::<T>(network, &self.bytes), &self.signature)
    }

    /// Encodes body and signature.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new(Vec::with_capacity(self.bytes.len() + 72));
        self.write(&mut e);
        e.into_writer()
    }

    /// Reads body and signature, and nothing after them.
    ///
    /// # Errors
    /// [`DecodeError`] when the form is not right.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        canonical::check(bytes)?;
        Self::read(&mut Decoder::new(bytes))
    }

    pub(crate) fn write(&self, e: &mut Encoder<Vec<u8>>) {
        put(e, |e| e.array(2)?.bytes(&self.bytes)?.bytes(&self.signature.0));
    }

    pub(crate) fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        tuple(d, 2)?;
        let bytes = d.bytes()?;
        let value = read_body(bytes)?;
        Ok(Self { value, bytes: bytes.into(), signature: Signature(array(d)?) })
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Signed").field(&self.value).finish()
    }
}

fn read_body<T: SignedMessage>(bytes: &[u8]) -> Result<T, DecodeError> {
    if bytes.len() > BODY_LEN_MAX {
        return Err(DecodeError::TooLong);
    }
    T::decode(bytes)
}

fn signed_bytes<T: SignedMessage>(network: &NetworkId, body: &[u8]) -> Vec<u8> {
    [SIGNATURE_DOMAIN, &[T::TYPE as u8], network.as_bytes(), body].concat()
}
