use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use holloway_wire::is_dialable;

use super::Refusal;

/// How long a mapping is asked for. Routers forget when they restart, and half of this is how long ours is missing then.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// A router that grants less is asked again no sooner than after half of this (RFC 6887 §15 has servers grant no less).
const LIFETIME_MIN: Duration = Duration::from_secs(120);

/// How long to wait after the first refusal, and
const BACKOFF: Duration = Duration::from_secs(60);
/// after the seventh and later ones.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);

/// Most letters of what a router said that are kept.
const WORDS_MAX: usize = 120;

/// How long a mapping is taken to live, whatever the router says; one that does not live at all is a refusal.
pub(super) fn believed(granted: Duration) -> Result<Duration, Refusal> {
    match granted.is_zero() {
        true => Err(refused(&"the router grants no time")),
        false => Ok(granted.clamp(LIFETIME_MIN, LIFETIME)),
    }
}

/// How long to wait after this many refusals on end.
pub(super) fn backoff(refusals: u32) -> Duration {
    let doublings = refusals.saturating_sub(1).min(16);
    (BACKOFF * (1 << doublings)).min(BACKOFF_MAX)
}

/// The address that a router says it forwards, if others can use it.
pub(super) fn usable(external: SocketAddr) -> Result<SocketAddr, Refusal> {
    match external.ip().to_canonical() {
        IpAddr::V4(ip) if is_internet(ip) && external.port() != 0 => Ok(SocketAddr::new(ip.into(), external.port())),
        IpAddr::V4(ip) => Err(Refusal::Unusable(ip)),
        IpAddr::V6(_) => Err(Refusal::Refused("the router named an IPv6 address".to_owned())),
    }
}

/// Whether an address can be one of the internet: none that is private (RFC 1918), a provider's own (RFC 6598) or
/// cannot be sent to.
pub(crate) fn is_internet(ip: Ipv4Addr) -> bool {
    let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
    is_dialable(&SocketAddr::new(ip.into(), 1)) && !ip.is_private() && !is_shared
}

/// What a router said, cut to a length that can be shown.
pub(super) fn refused(words: &impl ToString) -> Refusal {
    Refusal::Refused(words.to_string().chars().take(WORDS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn external(text: &str) -> Result<SocketAddr, Refusal> {
        usable(text.parse().unwrap())
    }

    #[test]
    fn an_address_of_the_internet_is_taken_in_its_one_spelling() {
        assert_eq!(external("198.51.100.7:42042").unwrap().to_string(), "198.51.100.7:42042");
        assert_eq!(external("[::ffff:198.51.100.7]:1").unwrap().to_string(), "198.51.100.7:1");
    }

    #[test]
    fn addresses_that_lead_nowhere_are_not_taken() {
        let private = ["10.0.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"];
        let nowhere = ["0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.251", "255.255.255.255"];
        for ip in private.into_iter().chain(nowhere) {
            assert_eq!(external(&format!("{ip}:42042")), Err(Refusal::Unusable(ip.parse().unwrap())));
        }
        assert!(external("198.51.100.7:0").is_err() && external("[2001:db8::1]:42042").is_err());
        assert!(external("100.128.0.1:1").is_ok() && external("100.63.255.255:1").is_ok());
    }

    #[test]
    fn lifetimes_are_believed_within_bounds() {
        let seconds = |granted| believed(Duration::from_secs(granted)).unwrap().as_secs();
        assert!(believed(Duration::ZERO).is_err());
        assert_eq!((seconds(1), seconds(119), seconds(121)), (120, 120, 121));
        assert_eq!((seconds(3600), seconds(u64::from(u32::MAX))), (3600, 3600));
    }

    #[test]
    fn a_router_that_refuses_is_asked_ever_more_seldom() {
        let waits: Vec<u64> = (1..=8).map(|refusals| backoff(refusals).as_secs()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }

    #[test]
    fn long_words_of_a_router_are_cut() {
        let Refusal::Refused(words) = refused(&"é".repeat(10_000)) else { panic!("it was words") };
        assert_eq!(words.chars().count(), WORDS_MAX);
    }
}
