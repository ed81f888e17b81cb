//! What a peer costs that is known and silent.
#![expect(unsafe_code, reason = "a global allocator that counts can only be written with it")]
#![allow(clippy::print_stdout, reason = "the figure is for whoever reads the test's output")]

mod counting;
mod harness;

use counting::live;
use harness::{Net, seconds};

/// A quarter of the thousand that the promise speaks of.
const PEERS: usize = 250;

/// 8 MiB for a thousand.
const BYTES_MAX: isize = 8 * 1024 * 1024 / 1000;

#[test]
fn a_thousand_peers_whose_keys_have_lapsed_take_less_than_eight_mebibytes() {
    let mut net = Net::found(1);
    let mut before = 0;
    for number in 0..=PEERS {
        // The first one makes what is made only once.
        if number == 1 {
            before = settled(&mut net);
        }
        net.join(&format!("peer{number}"));
        net.introduce(0, 1);
        net.send(0, 1, b"hello");
        net.run();
        net.send(1, 0, b"hello");
        net.run();
        assert_eq!((net.take(0).len(), net.take(1).len()), (1, 1), "there was a session");
        net.sides.pop();
    }
    let each = (settled(&mut net) - before) / PEERS as isize;
    println!("{each} bytes for each silent peer");
    assert!(each < BYTES_MAX, "{each} bytes for each silent peer");
}

/// What is in use when every key has lapsed and nothing is kept for the test's sake.
fn settled(net: &mut Net) -> isize {
    net.pass(seconds(600));
    let now = net.now_at(0);
    net.flights = Default::default();
    let side = &mut net.sides[0];
    (side.events, side.written, side.forwarding) = Default::default();
    (side.dials, side.verdicts, side.received) = Default::default();
    let sessions = side.node.snapshot(now).peers.iter().filter(|peer| peer.session.is_some()).count();
    assert_eq!(sessions, 0, "every key has lapsed");
    live()
}
