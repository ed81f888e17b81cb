use std::fmt;

use subtle::ConstantTimeEq;

use crate::error::DecodeError;
use crate::hash::keyed_mac;

/// The protocol version that this node speaks first.
pub const PROTOCOL_VERSION: u8 = 1;

/// The oldest version it still speaks: its own and the one before (ARCHITECTURE §5 "Handshake").
pub const OLDEST_VERSION: u8 = 1;

/// Length of mac1 and mac2 (WireGuard §5.4.4).
pub const MAC_LEN: usize = 16;

/// Length of the nonce of a cookie reply (`XChaCha20Poly1305`'s in WireGuard; here the input of the one-time key).
pub const COOKIE_NONCE_LEN: usize = 24;

/// Length of a cookie (WireGuard §5.4.7).
pub const COOKIE_LEN: usize = 16;

/// Largest handshake message: message 1 with 1,000 bytes of certificates, unfragmented on an IPv6 path of 1280.
pub const HANDSHAKE_LEN_MAX: usize = 1232;

pub(crate) const TYPE_INITIATION: u8 = 0x08;
pub(crate) const TYPE_RESPONSE: u8 = 0x09;
pub(crate) const TYPE_COOKIE: u8 = 0x0a;
pub(crate) const TYPE_TRANSPORT: u8 = 0x0b;

const AEAD_TAG_LEN: usize = 16;
const MACS_LEN: usize = 2 * MAC_LEN;
/// Type, version, two reserved bytes, the sender's index.
const INITIATION_HEADER_LEN: usize = 8;
/// The same and the receiver's index.
const RESPONSE_HEADER_LEN: usize = 12;
const COOKIE_REPLY_LEN: usize = 8 + COOKIE_NONCE_LEN + COOKIE_LEN + AEAD_TAG_LEN;
/// `e`, encrypted `s`, empty payload (Noise, IK message 1).
const NOISE_INITIATION_LEN_MIN: usize = 32 + 48 + AEAD_TAG_LEN;
/// `e`, empty payload (Noise, IK message 2).
const NOISE_RESPONSE_LEN_MIN: usize = 32 + AEAD_TAG_LEN;

/// Whether this node speaks a version.
#[must_use]
pub const fn is_supported_version(version: u8) -> bool {
    version >= OLDEST_VERSION && version <= PROTOCOL_VERSION
}

/// Names a session or handshake at the node that chose it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionIndex(pub u32);

impl fmt::Debug for SessionIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:08x}", self.0)
    }
}

/// One datagram of the session protocol, told apart by its first byte.
#[derive(Debug, Clone, Copy)]
pub enum Datagram<'a> {
    /// Message 1.
    Initiation(HandshakeInitiation<'a>),
    /// Message 2.
    Response(HandshakeResponse<'a>),
    /// A cookie, sent instead of an answer under load.
    Cookie(CookieReply<'a>),
    /// A transport record; its header is read by [`crate::RecordHeader`].
    Transport,
}

impl<'a> Datagram<'a> {
    /// Reads a datagram's frame.
    ///
    /// # Errors
    /// [`DecodeError`]: wrong length, unknown type, reserved bits set, or a version that is not spoken here.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        match bytes.first() {
            Some(&TYPE_TRANSPORT) => Ok(Self::Transport),
            Some(&TYPE_INITIATION) => HandshakeInitiation::decode(bytes).map(Self::Initiation),
            Some(&TYPE_RESPONSE) => HandshakeResponse::decode(bytes).map(Self::Response),
            Some(&TYPE_COOKIE) => CookieReply::decode(bytes).map(Self::Cookie),
            Some(_) => Err(DecodeError::Value),
            None => Err(DecodeError::Truncated),
        }
    }
}

/// Message 1: `type u8 | version u8 | 0 u16 | sender u32 | noise | mac1 | mac2`, little endian.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeInitiation<'a> {
    /// The initiator's index for the session to be.
    pub sender: SessionIndex,
    /// The Noise message.
    pub noise: &'a [u8],
    /// Both macs and what they are over.
    pub macs: Macs<'a>,
}

/// Message 2: as message 1, with the receiver's index after the sender's.
#[derive(Debug, Clone, Copy)]
pub struct HandshakeResponse<'a> {
    /// The responder's index.
    pub sender: SessionIndex,
    /// The initiator's index, from message 1.
    pub receiver: SessionIndex,
    /// The Noise message.
    pub noise: &'a [u8],
    /// Both macs and what they are over.
    pub macs: Macs<'a>,
}

/// `type u8 | version u8 | 0 u16 | receiver u32 | nonce [24] | encrypted cookie [32]`.
#[derive(Debug, Clone, Copy)]
pub struct CookieReply<'a> {
    /// The index of the handshake message that is answered.
    pub receiver: SessionIndex,
    /// Makes the one-time key.
    pub nonce: &'a [u8; COOKIE_NONCE_LEN],
    /// The cookie and its tag.
    pub sealed: &'a [u8],
}

/// The two macs at the end of a handshake message.
#[derive(Debug, Clone, Copy)]
pub struct Macs<'a> {
    message: &'a [u8],
}

impl<'a> Macs<'a> {
    /// Whether mac1 was made with `key`, that is by someone who knows the receiver's static key.
    #[must_use]
    pub fn mac1_matches(&self, key: &[u8; 32]) -> bool {
        let start = self.message.len() - MACS_LEN;
        keyed_mac(key, &[&self.message[..start]]).ct_eq(self.mac1()).into()
    }

    /// Whether mac2 was made with a cookie.
    #[must_use]
    pub fn mac2_matches(&self, cookie: &[u8; COOKIE_LEN]) -> bool {
        let start = self.message.len() - MAC_LEN;
        mac2(cookie, &self.message[..start]).ct_eq(&self.message[start..]).into()
    }

    /// The bytes of mac1, to which a cookie reply is bound.
    #[must_use]
    pub fn mac1(&self) -> &'a [u8] {
        let start = self.message.len() - MACS_LEN;
        &self.message[start..start + MAC_LEN]
    }
}

impl<'a> HandshakeInitiation<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let noise = handshake_body(bytes, INITIATION_HEADER_LEN, NOISE_INITIATION_LEN_MIN)?;
        Ok(Self { sender: index_at(bytes, 4), noise, macs: Macs { message: bytes } })
    }
}

impl<'a> HandshakeResponse<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let noise = handshake_body(bytes, RESPONSE_HEADER_LEN, NOISE_RESPONSE_LEN_MIN)?;
        Ok(Self { sender: index_at(bytes, 4), receiver: index_at(bytes, 8), noise, macs: Macs { message: bytes } })
    }
}

impl<'a> CookieReply<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() != COOKIE_REPLY_LEN {
            return Err(DecodeError::Truncated);
        }
        check_header(bytes)?;
        let (nonce, sealed) = bytes[8..].split_first_chunk().expect("the length was checked");
        Ok(Self { receiver: index_at(bytes, 4), nonce, sealed })
    }
}

fn handshake_body(bytes: &[u8], header: usize, noise_min: usize) -> Result<&[u8], DecodeError> {
    if bytes.len() < header + noise_min + MACS_LEN {
        return Err(DecodeError::Truncated);
    }
    if bytes.len() > HANDSHAKE_LEN_MAX {
        return Err(DecodeError::TooLong);
    }
    check_header(bytes)?;
    Ok(&bytes[header..bytes.len() - MACS_LEN])
}

fn check_header(bytes: &[u8]) -> Result<(), DecodeError> {
    if !is_supported_version(bytes[1]) {
        return Err(DecodeError::Version(bytes[1]));
    }
    if bytes[2..4] != [0, 0] {
        return Err(DecodeError::Value);
    }
    Ok(())
}

fn index_at(bytes: &[u8], at: usize) -> SessionIndex {
    SessionIndex(u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]))
}

/// Writes message 1 without its macs: they come with [`set_mac1`] and [`set_mac2`].
#[must_use]
pub fn encode_initiation(sender: SessionIndex, noise: &[u8]) -> Vec<u8> {
    let mut bytes = vec![TYPE_INITIATION, PROTOCOL_VERSION, 0, 0];
    bytes.extend_from_slice(&sender.0.to_le_bytes());
    with_macs(bytes, noise)
}

/// Writes message 2 without its macs.
#[must_use]
pub fn encode_response(sender: SessionIndex, receiver: SessionIndex, noise: &[u8]) -> Vec<u8> {
    let mut bytes = vec![TYPE_RESPONSE, PROTOCOL_VERSION, 0, 0];
    bytes.extend_from_slice(&sender.0.to_le_bytes());
    bytes.extend_from_slice(&receiver.0.to_le_bytes());
    with_macs(bytes, noise)
}

fn with_macs(mut bytes: Vec<u8>, noise: &[u8]) -> Vec<u8> {
    bytes.extend_from_slice(noise);
    bytes.resize(bytes.len() + MACS_LEN, 0);
    bytes
}

/// Writes a cookie reply.
#[must_use]
pub fn encode_cookie_reply(receiver: SessionIndex, nonce: &[u8; COOKIE_NONCE_LEN], sealed: &[u8]) -> Vec<u8> {
    let mut bytes = vec![TYPE_COOKIE, PROTOCOL_VERSION, 0, 0];
    bytes.extend_from_slice(&receiver.0.to_le_bytes());
    bytes.extend_from_slice(nonce);
    bytes.extend_from_slice(sealed);
    bytes
}

/// Fills in mac1: shows knowledge of the receiver's static key.
pub fn set_mac1(message: &mut [u8], key: &[u8; 32]) {
    let start = message.len() - MACS_LEN;
    let mac = keyed_mac(key, &[&message[..start]]);
    message[start..start + MAC_LEN].copy_from_slice(&mac);
}

/// Fills in mac2: shows that a cookie was received at the source address. Mac1 comes first.
pub fn set_mac2(message: &mut [u8], cookie: &[u8; COOKIE_LEN]) {
    let start = message.len() - MAC_LEN;
    let mac = mac2(cookie, &message[..start]);
    message[start..].copy_from_slice(&mac);
}

fn mac2(cookie: &[u8; COOKIE_LEN], message: &[u8]) -> [u8; MAC_LEN] {
    let mut key = [0; 32];
    key[..COOKIE_LEN].copy_from_slice(cookie);
    keyed_mac(&key, &[message])
}
