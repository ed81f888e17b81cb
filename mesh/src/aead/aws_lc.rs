use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use holloway_wire::{RECORD_TAG_LEN, Suite};

use super::{NotAuthentic, nonce};

/// Whether this build has a suite.
pub(crate) const fn supports(_suite: Suite) -> bool {
    true
}

/// One key of one suite (AWS-LC, which picks the fastest code for the processor by itself).
pub(crate) struct AeadKey(LessSafeKey);

impl AeadKey {
    pub(crate) fn new(suite: Suite, key: &[u8; 32]) -> Self {
        let algorithm = match suite {
            Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
            Suite::Aes256Gcm => &AES_256_GCM,
        };
        Self(LessSafeKey::new(UnboundKey::new(algorithm, key).expect("both suites have 32-byte keys")))
    }

    /// Encrypts in place and returns the tag.
    pub(crate) fn seal(&self, counter: u64, aad: &[u8], content: &mut [u8]) -> [u8; RECORD_TAG_LEN] {
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce(counter)), Aad::from(aad), content)
            .expect("a record is far below the suites' length limits");
        tag.as_ref().try_into().expect("both suites have 16-byte tags")
    }

    /// Encrypts from one buffer into another, which is as long as the content and the tag behind it.
    pub(crate) fn seal_apart(&self, counter: u64, aad: &[u8], content: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(content.len());
        let nonce = Nonce::assume_unique_for_key(nonce(counter));
        self.0
            .seal_out_of_place_scatter(nonce, Aad::from(aad), content, ciphertext, &[], tag)
            .expect("a record is far below the suites' length limits, and its buffer has room for the tag");
    }

    /// Decrypts content and tag in place and returns the content.
    pub(crate) fn open<'a>(
        &self,
        counter: u64,
        aad: &[u8],
        sealed: &'a mut [u8],
    ) -> Result<&'a mut [u8], NotAuthentic> {
        self.0
            .open_in_place(Nonce::assume_unique_for_key(nonce(counter)), Aad::from(aad), sealed)
            .map_err(|_| NotAuthentic)
    }
}
