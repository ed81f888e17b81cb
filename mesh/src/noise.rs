//! `Noise_IK_25519_ChaChaPoly_BLAKE2s`, one message at a time: every state has a type and is consumed by the next.
//!
//! Snow does the handshake. Chance comes in as the ephemeral key, and a Diffie-Hellman result of all zeros is refused,
//! which snow does not do by itself (RFC 7748 §6.1). Nothing here knows what the payloads mean.

use holloway_wire::{StaticPublicKey, StaticSecret};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};
use subtle::ConstantTimeEq;
use x25519_dalek::{X25519_BASEPOINT_BYTES, x25519};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The one protocol.
const PROTOCOL: &str = "Noise_IK_25519_ChaChaPoly_BLAKE2s";

/// For what is sealed to a node without a session: one message, one way (Noise §7.4). The sender is not proven by it.
const SEALING: &str = "Noise_N_25519_ChaChaPoly_BLAKE2s";

/// Largest Noise message that is written: a handshake datagram, generously.
const MESSAGE_LEN_MAX: usize = 2048;

/// The message could not be read: not for us, forged, or made with a key that shares no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HandshakeFailed;

impl From<Error> for HandshakeFailed {
    fn from(_: Error) -> Self {
        Self
    }
}

/// A fresh ephemeral secret, drawn by the caller and used for one handshake.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Ephemeral(pub(crate) [u8; 32]);

/// The two keys that a finished handshake splits into, and its hash (Noise §5.2, §11.2). Wiped on drop.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Split {
    pub(crate) to_responder: [u8; 32],
    pub(crate) to_initiator: [u8; 32],
    pub(crate) hash: [u8; 32],
}

/// An initiator that has sent message 1.
pub(crate) struct Initiator(HandshakeState);

impl Initiator {
    /// Writes message 1.
    #[expect(clippy::needless_pass_by_value, reason = "an ephemeral key is used up and wiped")]
    pub(crate) fn start(
        local: &StaticSecret,
        remote: &StaticPublicKey,
        prologue: &[u8],
        ephemeral: Ephemeral,
        payload: &[u8],
    ) -> Result<(Self, Vec<u8>), HandshakeFailed> {
        let mut state =
            builder(local, prologue, &ephemeral)?.remote_public_key(remote.as_bytes())?.build_initiator()?;
        let message = write(&mut state, payload)?;
        Ok((Self(state), message))
    }

    /// Reads message 2: its payload, and the keys. A message that is not the answer leaves the state as it was.
    pub(crate) fn finish(mut self: Box<Self>, message: &[u8]) -> Result<(Vec<u8>, Split), Box<Self>> {
        match read(&mut self.0, message) {
            Ok(payload) => Ok((payload, split(self.0))),
            Err(_) => Err(self),
        }
    }
}

/// A responder that has read message 1.
pub(crate) struct Responder {
    state: HandshakeState,
    remote: StaticPublicKey,
    payload: Vec<u8>,
}

impl Responder {
    /// Reads message 1.
    #[expect(clippy::needless_pass_by_value, reason = "an ephemeral key is used up and wiped")]
    pub(crate) fn read(
        local: &StaticSecret,
        prologue: &[u8],
        ephemeral: Ephemeral,
        message: &[u8],
    ) -> Result<Self, HandshakeFailed> {
        let mut state = builder(local, prologue, &ephemeral)?.build_responder()?;
        let payload = read(&mut state, message)?;
        let remote = state.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(HandshakeFailed)?;
        Ok(Self { state, remote: StaticPublicKey(remote), payload })
    }

    /// The initiator's static key, proven by message 1.
    pub(crate) const fn remote(&self) -> &StaticPublicKey {
        &self.remote
    }

    /// The payload of message 1.
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Writes message 2, and the keys.
    pub(crate) fn respond(mut self, payload: &[u8]) -> Result<(Vec<u8>, Split), HandshakeFailed> {
        let message = write(&mut self.state, payload)?;
        Ok((message, split(self.state)))
    }
}

/// Seals something that only the holder of a key can read.
#[expect(clippy::needless_pass_by_value, reason = "an ephemeral key is used up and wiped")]
pub(crate) fn seal(
    to: &StaticPublicKey,
    prologue: &[u8],
    ephemeral: Ephemeral,
    content: &[u8],
) -> Result<Vec<u8>, HandshakeFailed> {
    let resolver = Box::new(Resolver(Zeroizing::new(ephemeral.0)));
    let builder = Builder::with_resolver(SEALING.parse()?, resolver).prologue(prologue)?;
    write(&mut builder.remote_public_key(to.as_bytes())?.build_initiator()?, content)
}

/// Opens what was sealed.
pub(crate) fn open_sealed(secret: &StaticSecret, prologue: &[u8], sealed: &[u8]) -> Result<Vec<u8>, HandshakeFailed> {
    let unused = Box::new(Resolver(Zeroizing::new([0; 32])));
    let builder = Builder::with_resolver(SEALING.parse()?, unused).prologue(prologue)?;
    read(&mut builder.local_private_key(secret.as_bytes())?.build_responder()?, sealed)
}

fn builder<'a>(
    local: &'a StaticSecret,
    prologue: &'a [u8],
    ephemeral: &Ephemeral,
) -> Result<Builder<'a>, HandshakeFailed> {
    let params: NoiseParams = PROTOCOL.parse()?;
    Ok(Builder::with_resolver(params, Box::new(Resolver(Zeroizing::new(ephemeral.0))))
        .local_private_key(local.as_bytes())?
        .prologue(prologue)?)
}

fn write(state: &mut HandshakeState, payload: &[u8]) -> Result<Vec<u8>, HandshakeFailed> {
    let mut message = vec![0; MESSAGE_LEN_MAX.max(payload.len() + 128)];
    let length = state.write_message(payload, &mut message)?;
    message.truncate(length);
    Ok(message)
}

fn read(state: &mut HandshakeState, message: &[u8]) -> Result<Vec<u8>, HandshakeFailed> {
    let mut payload = vec![0; message.len()];
    let length = state.read_message(message, &mut payload)?;
    payload.truncate(length);
    Ok(payload)
}

fn split(mut state: HandshakeState) -> Split {
    let (to_responder, to_initiator) = state.dangerously_get_raw_split();
    let hash = state.get_handshake_hash().try_into().expect("BLAKE2s has 32 bytes");
    Split { to_responder, to_initiator, hash }
}

/// Snow's parts, with the ephemeral key from outside and our own Diffie-Hellman.
struct Resolver(Zeroizing<[u8; 32]>);

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.0.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        (*choice == DHChoice::Curve25519).then(|| Box::<X25519>::default() as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Gives out the ephemeral key once; a handshake that asks twice is broken.
struct Once(Option<Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        let secret = self.0.take().ok_or(Error::Rng)?;
        if out.len() != secret.len() {
            return Err(Error::Rng);
        }
        out.copy_from_slice(secret.as_ref());
        Ok(())
    }
}

/// X25519 that refuses an all-zero result.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
struct X25519 {
    secret: [u8; 32],
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        self.secret.copy_from_slice(secret);
        self.public = x25519(self.secret, X25519_BASEPOINT_BYTES);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(secret.as_mut())?;
        self.set(secret.as_ref());
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public: [u8; 32] = public.get(..32).and_then(|key| key.try_into().ok()).ok_or(Error::Dh)?;
        let shared = Zeroizing::new(x25519(self.secret, public));
        if shared.ct_eq(&[0; 32]).into() {
            return Err(Error::Dh);
        }
        out[..32].copy_from_slice(shared.as_ref());
        Ok(())
    }
}

#[cfg(test)]
#[path = "../tests/unit/noise.rs"]
mod tests;
