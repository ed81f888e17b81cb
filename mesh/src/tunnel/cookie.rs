use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use holloway_wire::{
    COOKIE_LEN, COOKIE_NONCE_LEN, Digest, Domain, Endpoint, Instant, Macs, SecureRng, SessionIndex, StaticPublicKey,
    Suite, encode_cookie_reply, keyed_mac, labelled_key, random_bytes,
};

use crate::aead::AeadKey;
use crate::drop_reason::DropReason;

/// A cookie holds as long as the secret it is made with (WireGuard §5.4.7).
pub(crate) const COOKIE_LIFETIME: Duration = Duration::from_secs(120);

/// Initiations in one second from which on a cookie is asked for. Reading one costs about 0.2 ms (three X25519), so
/// this is a twentieth of one core.
const UNDER_LOAD_PER_SECOND: u32 = 250;

/// How long load is assumed after it was last seen (WireGuard's implementations use one second).
const UNDER_LOAD_FOR: Duration = Duration::from_secs(1);

/// Initiations with a valid cookie that one source gets in one second: a household's machines behind one address,
/// each rotating, stay below.
const PER_SOURCE_PER_SECOND: u32 = 20;

/// Sources told apart in one second; beyond this many, further ones are refused until the next.
const SOURCES_MAX: usize = 4096;

/// Who is counted as one source: an IPv4 address, or the /64 that every IPv6 host has to itself (RFC 4291 §2.5.4).
fn host(from: &Endpoint) -> IpAddr {
    match from.socket_addr().ip() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Asks for cookies under load and checks them, so that work caused by strangers costs them more than us.
pub(crate) struct CookieChecker {
    mac1_key: [u8; 32],
    cookie_key: [u8; 32],
    secret: Option<([u8; 32], Instant)>,
    second: Instant,
    initiations: u32,
    sources: HashMap<IpAddr, u32>,
    loaded_until: Option<Instant>,
}

/// What is to be done with a handshake message whose mac1 is right.
pub(crate) enum Verdict {
    Read,
    AskForCookie,
    Drop(DropReason),
}

impl CookieChecker {
    pub(crate) fn new(local: &StaticPublicKey) -> Self {
        Self {
            mac1_key: mac1_key(local),
            cookie_key: cookie_key(local),
            secret: None,
            second: Instant::default(),
            initiations: 0,
            sources: HashMap::new(),
            loaded_until: None,
        }
    }

    /// Whether mac1 is ours.
    pub(crate) fn knows_us(&self, macs: &Macs<'_>) -> bool {
        macs.mac1_matches(&self.mac1_key)
    }

    /// Weighs an initiation with a good mac1.
    pub(crate) fn weigh(&mut self, macs: &Macs<'_>, from: &Endpoint, now: Instant) -> Verdict {
        self.count(now);
        if self.loaded_until.is_none_or(|until| until <= now) {
            return Verdict::Read;
        }
        if !self.cookie(from, now).is_some_and(|cookie| macs.mac2_matches(&cookie)) {
            return Verdict::AskForCookie;
        }
        self.take_share(from)
    }

    fn count(&mut self, now: Instant) {
        if now.since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.initiations = 0;
            self.sources.clear();
        }
        self.initiations += 1;
        if self.initiations > UNDER_LOAD_PER_SECOND {
            self.loaded_until = Some(now + UNDER_LOAD_FOR);
        }
    }

    fn take_share(&mut self, from: &Endpoint) -> Verdict {
        let host = host(from);
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&host) {
            return Verdict::Drop(DropReason::RateLimited);
        }
        let share = self.sources.entry(host).or_default();
        *share += 1;
        if *share > PER_SOURCE_PER_SECOND { Verdict::Drop(DropReason::RateLimited) } else { Verdict::Read }
    }

    /// The cookie of a source, if the secret is fresh.
    fn cookie(&self, from: &Endpoint, now: Instant) -> Option<[u8; COOKIE_LEN]> {
        let (secret, drawn) = self.secret.as_ref()?;
        (now.since(*drawn) < COOKIE_LIFETIME).then(|| keyed_mac(secret, &[&from.to_bytes()]))
    }

    /// Writes a cookie for the source of a message.
    pub(crate) fn reply(
        &mut self,
        receiver: SessionIndex,
        macs: &Macs<'_>,
        from: &Endpoint,
        rng: &mut dyn SecureRng,
        now: Instant,
    ) -> Vec<u8> {
        let mut cookie = match self.cookie(from, now) {
            Some(cookie) => cookie,
            None => {
                let secret = random_bytes(rng);
                self.secret = Some((secret, now));
                keyed_mac(&secret, &[&from.to_bytes()])
            }
        };
        let nonce: [u8; COOKIE_NONCE_LEN] = random_bytes(rng);
        let tag = one_time_key(&self.cookie_key, &nonce).seal(0, macs.mac1(), &mut cookie);
        encode_cookie_reply(receiver, &nonce, &[cookie, tag].concat())
    }
}

/// Opens a cookie that a peer sent in answer to a message with `mac1`.
pub(crate) fn open_cookie(
    remote: &StaticPublicKey,
    nonce: &[u8; COOKIE_NONCE_LEN],
    sealed: &[u8],
    mac1: &[u8],
) -> Option<[u8; COOKIE_LEN]> {
    let mut sealed = sealed.to_vec();
    let cookie = one_time_key(&cookie_key(remote), nonce).open(0, mac1, &mut sealed).ok()?;
    (&*cookie).try_into().ok()
}

/// The key of mac1 in messages to a node.
pub(crate) fn mac1_key(node: &StaticPublicKey) -> [u8; 32] {
    Digest::of(Domain::Mac1, &[node.as_bytes()]).0
}

fn cookie_key(node: &StaticPublicKey) -> [u8; 32] {
    Digest::of(Domain::Cookie, &[node.as_bytes()]).0
}

/// One-time key = BLAKE2s(cookie key; nonce), used with a zero nonce: `XChaCha20` without another primitive.
fn one_time_key(cookie_key: &[u8; 32], nonce: &[u8; COOKIE_NONCE_LEN]) -> AeadKey {
    AeadKey::new(Suite::ChaCha20Poly1305, &labelled_key(cookie_key, &[nonce]))
}

#[cfg(test)]
#[path = "../../tests/unit/cookie.rs"]
mod tests;
