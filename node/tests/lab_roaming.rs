//! Machines that move: other addresses, other routers, both at once; and a house without internet.
//!
//! Needs root and the programs `ip` and `nft`. `HOLLOWAY_PROVE_SCALE` multiplies the number of moves.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Lab, NatKind};
use stage::{Machine, founder, let_pass, member, scale};

/// How often a datagram is sent to see what comes back.
const EVERY: Duration = Duration::from_millis(10);

/// Sends datagrams from one machine to another, which sends them back, while something happens; gives the longest time in
/// which none came back. Fails when none comes back any more.
fn longest_gap(from: &Machine, to: &Machine, happens: impl FnOnce()) -> Duration {
    let echo = to.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((to.address(), 0)))).unwrap().unwrap();
    let target = echo.local_addr().unwrap();
    let socket = from.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((from.address(), 0)))).unwrap().unwrap();
    for end in [&echo, &socket] {
        end.set_read_timeout(Some(EVERY)).unwrap();
    }
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 64];
            while !is_over.load(Ordering::Relaxed) {
                if let Ok((length, source)) = echo.recv_from(&mut buffer) {
                    let _ = echo.send_to(&buffer[..length], source);
                }
            }
        });
        let watcher = scope.spawn(|| {
            let mut buffer = [0; 64];
            let (mut last, mut longest, mut next) = (Instant::now(), Duration::ZERO, Instant::now());
            while !is_over.load(Ordering::Relaxed) {
                if next <= Instant::now() {
                    next = Instant::now() + EVERY;
                    let _ = socket.send_to(b"are you there", target);
                }
                if socket.recv(&mut buffer).is_ok() {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
            }
            (longest, last.elapsed())
        });
        let_pass(Duration::from_millis(300));
        happens();
        let_pass(Duration::from_secs(6));
        is_over.store(true, Ordering::Relaxed);
        let (longest, silent_for) = watcher.join().unwrap();
        assert!(silent_for < Duration::from_secs(1), "nothing comes back any more, for {silent_for:?}");
        longest
    })
}

#[test]
fn a_machine_that_moves_is_followed() {
    let lab = Lab::new("roaming").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let boxes = [NatKind::Home, NatKind::Home, NatKind::Symmetric]
        .iter()
        .enumerate()
        .map(|(number, kind)| lab.nat(*kind, &format!("router{number}")).unwrap())
        .collect::<Vec<_>>();
    let bob = member(&lab, &alice, &boxes[0].host("bob").unwrap(), "");
    let carol = member(&lab, &alice, &lab.public_host("carol").unwrap(), "");
    bob.wait_ping("carol");
    for run in 0..scale() {
        let address = longest_gap(&bob, &carol, || carol.host().link().readdress().unwrap());
        let router = longest_gap(&bob, &carol, || bob.host().link().move_to(boxes[1].lan()).unwrap());
        let worse = longest_gap(&bob, &carol, || bob.host().link().move_to(boxes[2].lan()).unwrap());
        let both = longest_gap(&bob, &carol, || {
            carol.host().link().readdress().unwrap();
            bob.host().link().move_to(boxes[0].lan()).unwrap();
        });
        println!(
            "{run}: another address {address:.0?}, another router {router:.0?}, a symmetric one {worse:.0?}, both at once {both:.0?}"
        );
    }
}

#[test]
fn a_house_without_internet_finds_itself_after_its_machines_have_been_switched_off() {
    let lab = Lab::new("house").unwrap();
    let house = lab.switch("house").unwrap();
    let alice = founder(&lab, &house.host("alice").unwrap(), "");
    let mut bob = member(&lab, &alice, &house.host("bob").unwrap(), "");
    let mut carol = member(&lab, &alice, &house.host("carol").unwrap(), "");
    bob.wait_ping("carol");
    let mut alice = alice;
    for machine in [&mut alice, &mut bob, &mut carol] {
        machine.kill9();
        // The next lease is another address: nothing that anyone has noted is right any more.
        machine.host().link().readdress().unwrap();
    }
    // The founder stays off.
    bob.start();
    carol.start();
    let (_, took) = carol.wait_ping("bob");
    println!("two of three machines of a house without internet: first reply {took:?} after the start");
}
