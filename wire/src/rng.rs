use rand_core::CryptoRng;

/// Secure randomness, handed in from outside: the operating system's in the daemon, a seeded one in simulation.
pub trait SecureRng: CryptoRng + Send + Sync {}

impl<R: CryptoRng + Send + Sync> SecureRng for R {}

/// Draws `N` random bytes.
#[must_use]
pub fn random_bytes<const N: usize>(rng: &mut dyn SecureRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}
