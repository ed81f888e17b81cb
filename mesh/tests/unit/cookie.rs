use holloway_wire::{Datagram, StaticSecret, encode_initiation, set_mac1, set_mac2};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

/// A checker under load that has drawn its secret.
fn loaded(now: Instant) -> CookieChecker {
    let mut rng = StdRng::seed_from_u64(1);
    let mut checker = CookieChecker::new(&StaticSecret::generate(&mut rng).public());
    let from = Endpoint::udp("203.0.113.1:1".parse().expect("an address"));
    let message = message(&checker, None);
    with_macs(&message, |macs| {
        for _ in 0..=UNDER_LOAD_PER_SECOND {
            checker.weigh(macs, &from, now);
        }
        checker.reply(SessionIndex(1), macs, &from, &mut rng, now);
    });
    checker
}

fn message(checker: &CookieChecker, cookie: Option<[u8; COOKIE_LEN]>) -> Vec<u8> {
    let mut message = encode_initiation(SessionIndex(7), &[9; 200]);
    set_mac1(&mut message, &checker.mac1_key);
    if let Some(cookie) = cookie {
        set_mac2(&mut message, &cookie);
    }
    message
}

fn with_macs<T>(message: &[u8], with: impl FnOnce(&Macs<'_>) -> T) -> T {
    match Datagram::decode(message) {
        Ok(Datagram::Initiation(initiation)) => with(&initiation.macs),
        _ => panic!("not an initiation"),
    }
}

/// How many of `attempts` with a valid cookie are read, each from a source of its own.
fn read(checker: &mut CookieChecker, now: Instant, attempts: u32, source: impl Fn(u32) -> String) -> u32 {
    (0..attempts)
        .map(|attempt| {
            let from = Endpoint::udp(source(attempt).parse().expect("an address"));
            let cookie = checker.cookie(&from, now).expect("the secret is fresh");
            let message = message(checker, Some(cookie));
            u32::from(matches!(with_macs(&message, |macs| checker.weigh(macs, &from, now)), Verdict::Read))
        })
        .sum()
}

#[test]
fn all_addresses_of_one_site_share_one_share() {
    let now = Instant::from_nanos(1_000_000_000);
    let mut checker = loaded(now);
    let of_one_site = read(&mut checker, now, 100, |attempt| format!("[2001:db8:1:2:{attempt:x}::1]:7"));
    assert_eq!(of_one_site, PER_SOURCE_PER_SECOND);
    assert_eq!(read(&mut checker, now, 5, |attempt| format!("[2001:db8:1:3::1]:{}", 7 + attempt)), 5, "its neighbour");
    let each_its_own = read(&mut checker, now, 100, |attempt| format!("192.0.2.{attempt}:7"));
    assert_eq!(each_its_own, 100, "addresses of the older protocol are sites each");
}
