use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use minicbor::Decoder;
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::announcement::HOME_RELAYS_MAX;
use crate::bootstrap::Bootstrap;
use crate::certificate::{label, node_id};
use crate::error::DecodeError;
use crate::fields::{FieldReader, FieldWriter, array, list, seconds, u8};
use crate::hash::{Digest, Domain};
use crate::id::NetworkId;
use crate::keys::{IdentityKey, NodeId, base32};
use crate::name::Label;
use crate::redeem::Contact;
use crate::rights::Rights;
use crate::signed::{MessageType, Signed, SignedMessage};
use crate::time::UnixTime;

/// What every invite starts with: the word and the format's version.
pub const INVITE_PREFIX: &str = "holloway1";

/// Most bootstrap addresses in one invite: a token stays a few hundred characters.
const BOOTSTRAP_MAX: usize = 8;

/// Most relays that an invite names: a home relay and a standby.
const VIA_MAX: usize = HOME_RELAYS_MAX;

/// Longest token text that is looked at: eight long host names and signatures, with room for white space.
const TEXT_LEN_MAX: usize = 16 * 1024;

/// Why a text is not an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InviteError {
    /// It does not start with the prefix.
    #[error("an invite starts with {INVITE_PREFIX}")]
    Prefix,
    /// It is of a version that this program does not know.
    #[error("this invite is of a version that this program does not know")]
    Version,
    /// A character that no invite has.
    #[error("an invite has only letters and digits; part of it is missing or changed")]
    Characters,
    /// The content is cut short, changed or not ours.
    #[error("the invite is incomplete or changed ({0})")]
    Content(DecodeError),
}

/// The one-time secret of an invite. Whoever knows it may join; wiped on drop, has no `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct InviteSecret([u8; 16]);

impl InviteSecret {
    /// Draws a new secret of 128 bits: it cannot be guessed, and the token stays short.
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut secret = Self([0; 16]);
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// The secret with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id under which the issuer keeps the invite: a hash, so that its ledger holds no secret.
    #[must_use]
    pub fn id(&self) -> InviteId {
        InviteId(Digest::of(Domain::Invite, &[&self.0]).prefix())
    }
}

/// Names an invite in its issuer's ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InviteId([u8; 10]);

impl InviteId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 10]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 10] {
        &self.0
    }
}

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InviteId {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).map_err(|_| InviteError::Characters)?;
        bytes.try_into().map(Self).map_err(|_| InviteError::Characters)
    }
}

/// What an invite says.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteBody {
    /// The network.
    pub network: NetworkId,
    /// The network's name.
    pub network_label: Label,
    /// The one node that can redeem it.
    pub issuer: NodeId,
    /// Where the issuer may be reached.
    pub bootstrap: Vec<Bootstrap>,
    /// The one-time secret.
    pub secret: InviteSecret,
    /// The name that the newcomer will have; else it chooses.
    pub host_label: Option<Label>,
    /// When it lapses.
    pub expires: UnixTime,
    /// What the newcomer may do.
    pub rights: Rights,
    /// Relays that the issuer is connected to, and that pass a [`crate::PassedRedemption`] on to it.
    pub via: Vec<Contact>,
}

impl SignedMessage for InviteBody {
    const TYPE: MessageType = MessageType::Invite;

    fn encode(&self) -> Vec<u8> {
        FieldWriter::new()
            .bytes(1, self.network.as_bytes())
            .text(2, self.network_label.as_str())
            .bytes(3, self.issuer.as_bytes())
            .list(4, &self.bootstrap, |e, bootstrap| bootstrap.write(e))
            .bytes(5, self.secret.as_bytes())
            .optional(self.host_label.as_ref(), |w, label| w.text(6, label.as_str()))
            .u64(7, self.expires.as_secs())
            .u64(8, u64::from(self.rights.bits()))
            .optional((!self.via.is_empty()).then_some(&self.via), |w, via| {
                w.list(9, via, |e, contact| contact.write(e))
            })
            .finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = FieldReader::new(bytes)?;
        let body = Self {
            network: NetworkId::from_bytes(r.required(1, array)?),
            network_label: r.required(2, label)?,
            issuer: r.required(3, node_id)?,
            bootstrap: r.required(4, list(BOOTSTRAP_MAX, Bootstrap::read))?,
            secret: InviteSecret::from_bytes(r.required(5, array)?),
            host_label: r.optional(6, label)?,
            expires: r.required(7, seconds)?,
            rights: Rights::from_bits(r.required(8, u8)?)?,
            via: r.optional(9, via)?.unwrap_or_default(),
        };
        r.finish()?;
        Ok(body)
    }

    fn signer(&self) -> &NodeId {
        &self.issuer
    }
}

/// Relays, where there are any.
fn via(d: &mut Decoder<'_>) -> Result<Vec<Contact>, DecodeError> {
    let via = list(VIA_MAX, Contact::read)(d)?;
    if via.is_empty() { Err(DecodeError::Value) } else { Ok(via) }
}

/// An invite: one word of text that lets one machine into a network. Holds a secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteToken(Signed<InviteBody>);

impl InviteToken {
    /// Most bootstrap addresses that fit.
    pub const BOOTSTRAP_MAX: usize = BOOTSTRAP_MAX;

    /// Signs an invite.
    ///
    /// # Panics
    /// When `issuer` is not the issuer that the body names, or the body breaks a limit: what an operator may have made
    /// too large goes through [`InviteToken::try_sign`].
    #[must_use]
    pub fn sign(body: InviteBody, issuer: &IdentityKey) -> Self {
        Self::try_sign(body, issuer).expect("the invite is within its limits")
    }

    /// Signs an invite if anyone will be able to read it.
    ///
    /// # Errors
    /// [`DecodeError`], as a reader would meet it, when the body breaks a limit.
    ///
    /// # Panics
    /// When `issuer` is not the issuer that the body names.
    pub fn try_sign(body: InviteBody, issuer: &IdentityKey) -> Result<Self, DecodeError> {
        let network = body.network;
        Signed::try_sign(body, issuer, &network).map(Self)
    }

    /// What it says.
    #[must_use]
    pub const fn body(&self) -> &InviteBody {
        self.0.value()
    }
}

impl fmt::Display for InviteToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{INVITE_PREFIX}{}", base32(&self.0.encode()))
    }
}

/// Reads a token in either case, with white space anywhere; its signature must be its issuer's.
impl FromStr for InviteToken {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        if text.len() > TEXT_LEN_MAX {
            return Err(InviteError::Content(DecodeError::TooLong));
        }
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
        let prefix = INVITE_PREFIX.to_ascii_uppercase();
        let Some(payload) = compact.strip_prefix(&prefix) else {
            return Err(if compact.starts_with("HOLLOWAY") { InviteError::Version } else { InviteError::Prefix });
        };
        let bytes = BASE32_NOPAD.decode(payload.as_bytes()).map_err(|_| InviteError::Characters)?;
        let signed = Signed::<InviteBody>::decode(&bytes).map_err(InviteError::Content)?;
        if !signed.verify(&signed.value().network) {
            return Err(InviteError::Content(DecodeError::Signature));
        }
        Ok(Self(signed))
    }
}
