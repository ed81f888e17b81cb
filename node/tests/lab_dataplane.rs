//! The data path on the real kernel: with each offload missing, over wide and narrow paths, into and out of black holes.
//!
//! Needs root and the programs `ip`, `nft` and `ping`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::Lab;
use serde_json::{Value, json};
use stage::transfer::transfer;
use stage::{Home, INTERFACE, Machine, founder, member, scale};

const MEGABYTE: u64 = 1_000_000;

/// What IPv6 demands of every link.
const MTU_MIN: u64 = 1280;

/// IPv6 and UDP headers, inside.
const HEADERS: usize = 48;

/// In what pieces a stream is looked at for dips.
const WINDOW: Duration = Duration::from_millis(100);

fn pair(hint: &str, alice: &str, bob: &str) -> (Lab, Machine, Machine) {
    let lab = Lab::new(hint).unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), alice);
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), bob);
    alice.wait_ping("bob");
    (lab, alice, bob)
}

fn dataplane(machine: &Machine) -> Value {
    machine.ask(&["status"])["dataplane"].clone()
}

fn mtu(machine: &Machine, peer: &str) -> Option<u64> {
    machine.peer(peer)?["path"]["mtu"].as_u64()
}

/// Whether a path over links of 1500 bytes carries so much: less 28 of IPv4 and UDP or 48 of IPv6 and UDP, and 32 of the
/// record. The search has sizes in use on its way up that are not its last.
fn is_of_ethernet(mtu: u64) -> bool {
    [1440, 1420].contains(&mtu)
}

fn socket(machine: &Machine) -> UdpSocket {
    let address = SocketAddr::from((machine.address(), 0));
    let socket = machine.host().in_namespace(|| UdpSocket::bind(address)).unwrap().unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket
}

/// Sends datagrams of each length from one machine to another, and gives those that did not arrive as they were.
fn lost(from: &Machine, to: &Machine, lengths: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let (sender, receiver) = (socket(from), socket(to));
    let target = receiver.local_addr().unwrap();
    let mut buffer = [0; 65_536];
    let arrives = |length: usize| {
        let sent: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        sender.send_to(&sent, target).is_ok()
            && receiver.recv(&mut buffer).is_ok_and(|arrived| buffer[..arrived] == sent[..])
    };
    let mut arrives = arrives;
    lengths.into_iter().filter(|length| !arrives(*length)).collect()
}

/// Keeps a little traffic going until the path to a peer has the MTU that is waited for.
fn wait_mtu(from: &Machine, to: &Machine, peer: &str, is_right: impl Fn(u64) -> bool) -> u64 {
    let address = to.address();
    from.wait(&format!("the path to {peer} to be measured"), || {
        from.reaches(address);
        mtu(from, peer).filter(|mtu| is_right(*mtu))
    })
}

#[test]
fn without_any_one_offload_everything_still_arrives_and_status_tells_which_is_missing() {
    let off = |key: &str| format!("[dataplane]\n{key} = false\n");
    let none = "[dataplane]\ntun_offload = false\nudp_gso = false\nudp_gro = false\n[session]\ncipher = \"chacha20-poly1305\"\n";
    let cases = [
        (String::new(), json!({"tun_offload": true, "udp_gso": true, "udp_gro": true})),
        (off("tun_offload"), json!({"tun_offload": false, "tun_uso": false, "udp_gso": true})),
        (off("udp_gso"), json!({"tun_offload": true, "udp_gso": false, "udp_gro": true})),
        (off("udp_gro"), json!({"tun_offload": true, "udp_gso": true, "udp_gro": false})),
        ("[dataplane]\nlanes = 2\n".into(), json!({"lanes": 2, "tun_offload": true})),
        (none.into(), json!({"tun_offload": false, "udp_gso": false, "udp_gro": false, "cipher": "ChaCha20-Poly1305"})),
    ];
    for (toml, expected) in cases {
        let (_lab, alice, bob) = pair("offload", &toml, "");
        let told = dataplane(&alice);
        for (field, value) in expected.as_object().unwrap() {
            let is_same = match (&told[field], value) {
                (Value::String(told), Value::String(value)) => told.eq_ignore_ascii_case(value),
                (told, value) => told == value,
            };
            assert!(is_same, "{toml}: {field} is {}, not {value}", told[field]);
        }
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            let done = transfer(from, to, 30 * MEGABYTE, |_| {}).unwrap();
            println!("{:?}: {:.0} Mbit/s from {}", toml, done.megabit_per_second(), from.host().name());
            assert_eq!(lost(from, to, [0, 1, 100, 700, 1300]), [0; 0], "{toml}");
        }
        for machine in [&alice, &bob] {
            for reason in ["inner_packet", "malformed", "not_authentic", "unsupported", "too_big"] {
                assert_eq!(machine.drops(reason), 0, "{toml}: {reason}");
            }
        }
    }
}

#[test]
fn a_path_with_large_packets_is_used_as_such_and_the_others_are_told_apart() {
    let lab = Lab::new("jumbo").unwrap();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| lab.public_host(name).unwrap());
    for host in [&alice, &bob] {
        host.link().set_mtu(9000).unwrap();
    }
    let alice = founder(&lab, &alice, "");
    let bob = member(&lab, &alice, &bob, "");
    let carol = member(&lab, &alice, &carol, "");
    let wide = wait_mtu(&alice, &bob, "bob", |mtu| mtu > 8000);
    let narrow = wait_mtu(&alice, &carol, "carol", is_of_ethernet);
    let shown = alice.tool_text("ip", &["-o", "link", "show", INTERFACE]);
    println!("{wide} bytes to bob, {narrow} to carol; {shown}");
    assert!(shown.contains(&format!("mtu {wide} ")), "{shown}");
    wait_mtu(&bob, &alice, "alice", |mtu| mtu > 8000);

    // One packet of the path's full length, to either.
    let fits = |mtu: u64| mtu as usize - HEADERS;
    assert_eq!(lost(&alice, &bob, [fits(wide)]), [0; 0]);
    assert_eq!(lost(&alice, &carol, [fits(narrow)]), [0; 0]);
    // Longer ones to carol: the stack is told, and then makes fragments itself.
    let far = lost(&alice, &carol, [4000, 4000, 4000]);
    assert!(far.len() < 3, "the local stack did not learn of the path's MTU");
    let learnt = alice.tool_text("ip", &["-6", "route", "get", &carol.address().to_string()]);
    assert!(learnt.contains(&format!("mtu {narrow}")), "{learnt}");
    for other in [&bob, &carol] {
        transfer(&alice, other, 50 * MEGABYTE, |_| {}).unwrap();
        transfer(other, &alice, 50 * MEGABYTE, |_| {}).unwrap();
    }
}

#[test]
fn a_stream_goes_on_when_its_path_becomes_a_black_hole_for_long_packets() {
    let (_lab, alice, bob) = pair("hole", "", "");
    wait_mtu(&alice, &bob, "bob", is_of_ethernet);
    let before = mtu(&alice, "bob");
    bob.host().link().limit_rate(50).unwrap();
    let bytes = 20 * MEGABYTE;
    let mut is_narrow = false;
    transfer(&alice, &bob, bytes, |arrived| {
        if arrived > bytes / 4 && !is_narrow {
            bob.host().link().swallow_longer_than(1400).unwrap();
            is_narrow = true;
        }
    })
    .unwrap();
    let after = mtu(&alice, "bob");
    println!("the path's MTU was {before:?}, and is {after:?}");
    assert!(is_narrow);
    // 1400 less 28 of IPv4 and UDP, and 32 of the record.
    assert!(after.is_some_and(|mtu| (MTU_MIN..=1340).contains(&mtu)), "{after:?}");
}

#[test]
fn a_path_narrower_than_ipv6_allows_carries_everything_in_fragments() {
    let (_lab, alice, bob) = pair("narrow", "", "");
    for machine in [&alice, &bob] {
        machine.host().link().swallow_longer_than(1000).unwrap();
    }
    for (from, to, peer) in [(&alice, &bob, "bob"), (&bob, &alice, "alice")] {
        let found = wait_mtu(from, to, peer, |mtu| mtu < 1000);
        println!("to {peer}: {found} bytes to a record");
    }
    let lengths = [0, 100, 700, 900, 950, 1000, 1100, MTU_MIN as usize - HEADERS];
    assert_eq!(lost(&alice, &bob, lengths), [0; 0]);
    assert_eq!(lost(&bob, &alice, lengths), [0; 0]);
    transfer(&alice, &bob, 5 * MEGABYTE, |_| {}).unwrap();
    transfer(&bob, &alice, 5 * MEGABYTE, |_| {}).unwrap();
}

#[test]
fn a_forged_word_that_packets_are_too_big_changes_nothing() {
    let (_lab, alice, bob) = pair("forged", "", "");
    wait_mtu(&alice, &bob, "bob", is_of_ethernet);
    let (victim, peer) = (alice.host().ipv4(), bob.host().ipv4());
    for told in [0_u16, 68, 576, 1000] {
        forge_too_big(&bob, victim.octets(), peer.octets(), told);
    }
    transfer(&alice, &bob, 20 * MEGABYTE, |_| {}).unwrap();
    let after = mtu(&alice, "bob");
    assert!(after.is_some_and(is_of_ethernet), "{after:?}");
    assert_eq!(alice.drops("too_big"), 0);
    let address: Ipv6Addr = bob.address();
    assert!(alice.reaches(address));
}

#[test]
fn keys_rotate_under_full_load_without_a_lost_or_repeated_byte() {
    let times = u64::from(scale().min(10));
    let every = if times < 10 { "1s" } else { "5s" };
    let toml = format!("[session]\nrotate_after = \"{every}\"\n");
    let (_lab, alice, bob) = pair("load", &toml, &toml);
    let bytes = times.max(2) * 1000 * MEGABYTE;
    let mut windows = vec![0_u64];
    let start = Instant::now();
    let rotations = |machine: &Machine| machine.peer("bob").unwrap()["rotations"].as_u64().unwrap();
    let before = rotations(&alice);
    let done = transfer(&alice, &bob, bytes, |arrived| {
        let at = start.elapsed().as_millis() as usize / WINDOW.as_millis() as usize;
        windows.resize(windows.len().max(at + 1), *windows.last().unwrap());
        windows[at] = arrived;
    })
    .unwrap();
    let rotated = rotations(&alice) - before;
    let carried: Vec<u64> = windows.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = bytes / (done.elapsed.as_millis() as u64 / WINDOW.as_millis() as u64).max(1);
    // The first windows are TCP's slow start, the last one is cut off.
    let inner = &carried[2.min(carried.len())..carried.len().saturating_sub(1)];
    let low: Vec<usize> = (0..inner.len()).filter(|at| inner[*at] < mean / 2).collect();
    println!(
        "{} MB at {:.0} Mbit/s, {rotated} rotations; of {} windows of {WINDOW:?}, these below half of the mean: {low:?}",
        bytes / MEGABYTE,
        done.megabit_per_second(),
        inner.len(),
    );
    assert!(rotated > 0);
}

/// UDP sockets at the data port that are connected to one peer: what the kernel keeps for them is kept apart.
fn sockets_of_peers(machine: &Machine) -> usize {
    const ESTABLISHED: &str = "01";
    let table = machine.tool_text("cat", &["/proc/net/udp", "/proc/net/udp6"]);
    let port = format!(":{:04X}", stage::DATA_PORT);
    let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    columns.filter(|row| row.len() > 3 && row[1].ends_with(&port) && row[3] == ESTABLISHED).count()
}

#[test]
fn a_member_that_floods_leaves_room_for_another() {
    let Home { alice, bob, carol, lab } = Home::new("flood", "");
    for member in [&bob, &carol] {
        member.wait_ping("alice");
    }
    alice.wait("a socket for each of the two", || (sockets_of_peers(&alice) == 2).then_some(()));
    let alone = transfer(&bob, &alice, 200 * MEGABYTE, |_| {}).unwrap();
    let (flood, ditch) = (socket(&carol), socket(&alice));
    let (ditch_at, is_over) = (ditch.local_addr().unwrap(), AtomicBool::new(false));
    let (beside, flooded) = thread::scope(|scope| {
        let flooder = scope.spawn(|| {
            let send = || usize::from(flood.send_to(&[0; 200], ditch_at).is_ok());
            std::iter::repeat_with(send).take_while(|_| !is_over.load(Ordering::Relaxed)).sum::<usize>()
        });
        let beside = transfer(&bob, &alice, 200 * MEGABYTE, |_| {}).unwrap();
        is_over.store(true, Ordering::Relaxed);
        (beside, flooder.join().unwrap())
    });
    let share = beside.megabit_per_second() / alone.megabit_per_second();
    println!("{:.0} Mbit/s alone, {share:.2} of it beside a flood of {flooded} packets", alone.megabit_per_second());
    // Half would be fair. In one queue with the flood TCP gets a twentieth, for what is lost there.
    assert!(share > 0.15, "{share:.2}");
    drop(lab);
}

/// Sends an ICMP "fragmentation needed" (RFC 1191 §4) that quotes a datagram of the victim's data path.
fn forge_too_big(from: &Machine, victim: [u8; 4], peer: [u8; 4], mtu: u16) {
    let port = stage::DATA_PORT.to_be_bytes();
    let mut message = vec![3, 4, 0, 0, 0, 0];
    message.extend(mtu.to_be_bytes());
    message.extend([0x45, 0, 5, 0xdc, 0, 0, 0x40, 0, 64, 17, 0, 0]);
    message.extend(victim.iter().chain(&peer));
    message.extend([port, port].concat());
    message.extend([5, 0xc8, 0, 0]);
    let sum: u32 = message.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !(((folded & 0xffff) + (folded >> 16)) as u16);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    let raw = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(socket2::Protocol::ICMPV4));
    let socket = from.host().in_namespace(raw).unwrap().unwrap();
    let to = SocketAddr::from((victim, 0));
    socket.send_to(&message, &to.into()).unwrap();
}
