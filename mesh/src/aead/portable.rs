use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use holloway_wire::{RECORD_TAG_LEN, Suite};

use super::{NotAuthentic, nonce};

/// Whether this build has a suite: never AES, which is slow and not constant-time without hardware.
pub(crate) const fn supports(suite: Suite) -> bool {
    matches!(suite, Suite::ChaCha20Poly1305)
}

/// One ChaCha20-Poly1305 key, in portable Rust.
pub(crate) struct AeadKey(ChaCha20Poly1305);

impl AeadKey {
    pub(crate) fn new(suite: Suite, key: &[u8; 32]) -> Self {
        assert!(supports(suite), "a suite is only chosen where both sides support it");
        Self(ChaCha20Poly1305::new(key.into()))
    }

    /// Encrypts in place and returns the tag.
    pub(crate) fn seal(&self, counter: u64, aad: &[u8], content: &mut [u8]) -> [u8; RECORD_TAG_LEN] {
        self.0
            .encrypt_in_place_detached(&nonce(counter).into(), aad, content)
            .expect("a record is far below the suite's length limit")
            .into()
    }

    /// Encrypts from one buffer into another, which is as long as the content and the tag behind it.
    pub(crate) fn seal_apart(&self, counter: u64, aad: &[u8], content: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(content.len());
        ciphertext.copy_from_slice(content);
        tag.copy_from_slice(&self.seal(counter, aad, ciphertext));
    }

    /// Decrypts content and tag in place and returns the content.
    pub(crate) fn open<'a>(
        &self,
        counter: u64,
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic> {
        let at = sealed.len().checked_sub(RECORD_TAG_LEN).ok_or(NotAuthentic)?;
        let (content, tag) = sealed.split_at_mut(at);
        self.0
            .decrypt_in_place_detached(&nonce(counter).into(), aad, content, (&*tag).into())
            .map_err(|_| NotAuthentic)?;
        Ok(content)
    }
}
