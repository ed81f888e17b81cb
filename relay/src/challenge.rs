use std::net::SocketAddr;
use std::time::Duration;

use holloway_wire::{Challenge, Endpoint, Instant, SecureRng, keyed_mac, random_bytes};
use subtle::ConstantTimeEq;

/// A secret makes challenges this long, and is good for as long again.
const PERIOD: Duration = Duration::from_secs(60);

/// Makes challenges and knows them again without keeping them: nothing is stored for strangers.
pub(crate) struct Challenger {
    current: [u8; 32],
    last: [u8; 32],
    since: Instant,
}

impl Challenger {
    pub(crate) fn new(rng: &mut dyn SecureRng, now: Instant) -> Self {
        Self { current: random_bytes(rng), last: random_bytes(rng), since: now }
    }

    /// The challenge to a source.
    pub(crate) fn challenge(&mut self, source: &SocketAddr, rng: &mut dyn SecureRng, now: Instant) -> Challenge {
        self.turn(rng, now);
        make(&self.current, source)
    }

    /// Whether a source was challenged so within the last one or two minutes.
    pub(crate) fn knows(
        &mut self,
        challenge: &Challenge,
        source: &SocketAddr,
        rng: &mut dyn SecureRng,
        now: Instant,
    ) -> bool {
        self.turn(rng, now);
        let is_of = |secret: &[u8; 32]| make(secret, source).ct_eq(challenge);
        (is_of(&self.current) | is_of(&self.last)).into()
    }

    fn turn(&mut self, rng: &mut dyn SecureRng, now: Instant) {
        let age = now.since(self.since);
        if age < PERIOD {
            return;
        }
        let fresh = random_bytes(rng);
        let before = std::mem::replace(&mut self.current, fresh);
        self.last = if age < PERIOD * 2 { before } else { random_bytes(rng) };
        self.since = now;
    }
}

fn make(secret: &[u8; 32], source: &SocketAddr) -> Challenge {
    let address = Endpoint::udp(*source).to_bytes();
    let [low, high] = [0, 1].map(|half: u8| keyed_mac(secret, &[&[half], &address]));
    let mut challenge = Challenge::default();
    challenge[..16].copy_from_slice(&low);
    challenge[16..].copy_from_slice(&high);
    challenge
}
