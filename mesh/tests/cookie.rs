//! Under load, work caused by strangers costs them more than us.

mod harness;

use harness::*;
use holloway_mesh::*;
use holloway_wire::*;

/// Message 1 of the first side, and the second side under load from somebody who knows its key and nothing else.
fn under_load(seed: u64) -> (Net, Vec<u8>) {
    let mut net = Net::pair(seed);
    let junk = junk(&net, 1);
    flood(&mut net, &junk);
    (net, junk)
}

/// A message 1 with a good mac1 and nothing good behind it.
fn junk(net: &Net, victim: usize) -> Vec<u8> {
    let chain = net.sides[victim].node.certificate_chain(None).expect("a chain");
    let mut junk = encode_initiation(SessionIndex(7), &[9; 200]);
    set_mac1(&mut junk, &Digest::of(Domain::Mac1, &[chain[0].static_key().as_bytes()]).0);
    junk
}

fn flood(net: &mut Net, junk: &[u8]) {
    let from = Endpoint::udp("203.0.113.1:1000".parse().expect("an address"));
    for _ in 0..300 {
        net.deliver(Flight { from, to: net.sides[1].endpoint, datagram: junk.to_vec() });
    }
    net.flights.clear();
}

fn initiation(net: &mut Net) -> Flight {
    net.send(0, 1, b"hello");
    let at = net.flights.iter().rposition(|flight| flight.is(INITIATION)).expect("message 1");
    net.flights.remove(at).expect("it is there")
}

/// Delivers message 1 and returns what comes back.
fn answer(net: &mut Net, flight: Flight) -> Vec<Flight> {
    net.flights.clear();
    net.deliver(flight);
    net.flights.drain(..).collect()
}

#[test]
fn without_load_nobody_is_asked_for_a_cookie() {
    let mut net = Net::pair(101);
    let message = initiation(&mut net);
    let answers = answer(&mut net, message);
    assert!(answers.len() == 1 && answers[0].is(RESPONSE));
}

#[test]
fn under_load_a_cookie_is_asked_for_and_the_handshake_then_succeeds() {
    let (mut net, junk) = under_load(102);
    let message = initiation(&mut net);
    let length = message.datagram.len();
    let answers = answer(&mut net, message);
    assert!(answers.len() == 1 && answers[0].is(COOKIE) && answers[0].datagram.len() <= length);
    net.deliver(answers.into_iter().next().expect("a cookie"));
    // The load goes on while the next attempt is made.
    net.pass_lossy(std::time::Duration::from_millis(240), |_| true);
    flood(&mut net, &junk);
    net.pass(std::time::Duration::from_millis(20));
    assert_eq!(net.take(1), [b"hello".to_vec()]);
    net.assert_agree(0, 1);
}

#[test]
fn strangers_under_load_get_at_most_as_much_as_they_send() {
    let (mut net, junk) = under_load(103);
    let from = Endpoint::udp("203.0.113.2:1000".parse().expect("an address"));
    let (mut bytes_in, mut bytes_out) = (0, 0);
    for _ in 0..10_000 {
        bytes_in += junk.len();
        net.deliver(Flight { from, to: net.sides[1].endpoint, datagram: junk.clone() });
        bytes_out += net.flights.drain(..).map(|flight| flight.datagram.len()).sum::<usize>();
    }
    assert!(bytes_out > 0 && bytes_out <= bytes_in);
    assert!(!net.has_session(1, 0));
}

/// A message 1 of the first side with a cookie that the second side gave to it.
fn with_cookie(net: &mut Net, junk: &[u8]) -> Flight {
    let first = initiation(net);
    let cookie = answer(net, first).into_iter().find(|flight| flight.is(COOKIE)).expect("a cookie");
    net.deliver(cookie);
    net.wait_for_timer();
    flood_keeping(net, junk)
}

/// Keeps the load up and returns the attempt with a cookie that is under way.
fn flood_keeping(net: &mut Net, junk: &[u8]) -> Flight {
    let attempt = net.flights.drain(..).rfind(|flight| flight.is(INITIATION)).expect("an attempt");
    flood(net, junk);
    attempt
}

#[test]
fn a_valid_cookie_is_taken() {
    let (mut net, junk) = under_load(104);
    let attempt = with_cookie(&mut net, &junk);
    let answers = answer(&mut net, attempt);
    assert!(answers.iter().any(|flight| flight.is(RESPONSE)));
}

#[test]
fn a_cookie_for_another_source_counts_as_none() {
    let (mut net, junk) = under_load(105);
    let attempt = with_cookie(&mut net, &junk);
    for elsewhere in ["192.0.2.1:4243", "192.0.2.77:4242"] {
        let from = Endpoint::udp(elsewhere.parse().expect("an address"));
        let answers = answer(&mut net, Flight { from, ..attempt.clone() });
        assert!(answers.iter().all(|flight| flight.is(COOKIE)), "{elsewhere}");
    }
    let answers = answer(&mut net, attempt);
    assert!(answers.iter().any(|flight| flight.is(RESPONSE)), "it is good where it was given");
}

#[test]
fn a_forged_cookie_counts_as_none() {
    let (mut net, junk) = under_load(106);
    let attempt = with_cookie(&mut net, &junk);
    for at in attempt.datagram.len() - 16..attempt.datagram.len() {
        let mut datagram = attempt.datagram.clone();
        datagram[at] ^= 1;
        let answers = answer(&mut net, Flight { datagram, ..attempt.clone() });
        assert!(answers.iter().all(|flight| flight.is(COOKIE)));
    }
}

#[test]
fn a_stale_cookie_counts_as_none() {
    let (mut net, junk) = under_load(107);
    let attempt = with_cookie(&mut net, &junk);
    net.monotonic += 121 * 1_000_000_000;
    flood(&mut net, &junk);
    let answers = answer(&mut net, attempt);
    assert!(answers.len() == 1 && answers[0].is(COOKIE));
}

#[test]
fn a_forged_cookie_reply_changes_nothing() {
    let (mut net, junk) = under_load(108);
    let first = initiation(&mut net);
    let cookie = answer(&mut net, first).into_iter().find(|flight| flight.is(COOKIE)).expect("a cookie");
    for at in 4..cookie.datagram.len() {
        let mut datagram = cookie.datagram.clone();
        datagram[at] ^= 1;
        net.deliver(Flight { datagram, ..cookie.clone() });
    }
    assert_eq!(net.dropped(0, DropReason::Unsolicited), cookie.datagram.len() as u64 - 4);
    net.wait_for_timer();
    let attempts: Vec<Flight> = net.flights.drain(..).filter(|flight| flight.is(INITIATION)).collect();
    flood(&mut net, &junk);
    for attempt in attempts {
        assert!(answer(&mut net, attempt).iter().all(|flight| flight.is(COOKIE)));
    }
}

#[test]
fn one_source_gets_its_share_and_no_more() {
    let (mut net, junk) = under_load(109);
    let attempt = with_cookie(&mut net, &junk);
    for _ in 0..30 {
        net.deliver(attempt.clone());
    }
    assert_eq!(net.dropped(1, DropReason::RateLimited), 10);
}

#[test]
fn load_passes() {
    let (mut net, _) = under_load(110);
    net.monotonic += 2_000_000_000;
    net.unix += 2_000_000_000;
    let message = initiation(&mut net);
    let answers = answer(&mut net, message);
    assert!(answers.len() == 1 && answers[0].is(RESPONSE));
}
