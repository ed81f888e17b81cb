//! Sessions under load, weather and violence: what users run over the mesh does not notice.
//!
//! Needs root and the programs `ip`, `nft`, `tc` and `ping`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Lab, tools};
use stage::transfer::transfer;
use stage::{DEADLINE, INTERFACE, Machine, founder, member};

const MEGABYTE: u64 = 1_000_000;

/// What a daemon's memory may grow by under load: its queues, not the load.
const RSS_GROWTH_MAX_KIB: u64 = 16 * 1024;

/// Data in a TCP segment is never less here, as long as there is more to send.
const PAYLOAD_MIN: u64 = 1000;

/// Share of packets lost in each direction while datagrams are counted.
const LOSS: f64 = 0.3;

/// The same for TCP: three of ten round trips are lost, and CUBIC carries some twenty kilobytes a second. At 0.3 in each
/// direction, which is half of the round trips, it backs off to retries two minutes apart, over the bare cable as well.
const TCP_LOSS: f64 = 0.163;

/// Datagrams counted; of a binomial distribution the tolerance is six standard deviations.
const DATAGRAMS: u16 = 3000;
const LOSS_TOLERANCE: u16 = 150;

/// Their length: each travels in a record of its own, and is lost by itself.
const DATAGRAM_BYTES: usize = 1000;

/// Datagrams sent before one waits for what arrived of them: none is lost for want of room.
const AT_ONCE: u16 = 50;

/// How many of [`DATAGRAMS`] that alice sends reach bob. Returns when no more come.
fn datagrams_that_arrive(alice: &Machine, bob: &Machine) -> u16 {
    let open = |machine: &Machine| {
        let address = SocketAddr::from((machine.address(), 0));
        machine.host().in_namespace(|| UdpSocket::bind(address)).unwrap().unwrap()
    };
    let (from, to) = (open(alice), open(bob));
    to.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut arrived = 0;
    for sent in 0..DATAGRAMS {
        from.send_to(&[0; DATAGRAM_BYTES], to.local_addr().unwrap()).unwrap();
        let mut rest = (sent + 1) % AT_ONCE == 0;
        while rest {
            rest = to.recv(&mut [0; DATAGRAM_BYTES]).is_ok();
            arrived += u16::from(rest);
        }
    }
    arrived
}

fn pair(hint: &str, toml: &str) -> (Lab, Machine, Machine) {
    let lab = Lab::new(hint).unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), toml);
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), toml);
    alice.wait_ping("bob");
    (lab, alice, bob)
}

fn rotations(machine: &Machine, peer: &str) -> u64 {
    machine.peer(peer).unwrap()["rotations"].as_u64().unwrap()
}

/// Transfers, and checks that memory stays flat; gives the rotations of the sender.
fn transfer_flat(alice: &Machine, bob: &Machine, bytes: u64) -> (u64, Duration) {
    transfer(alice, bob, 8 * MEGABYTE, |_| {}).unwrap();
    let machines = [alice, bob];
    let rss = || machines.map(|machine| machine.daemon.rss_kib().unwrap());
    let before = rss();
    let mut most = before;
    let rotated = rotations(alice, "bob");
    let done = transfer(alice, bob, bytes, |_| {
        let now = rss();
        most = [most[0].max(now[0]), most[1].max(now[1])];
    })
    .unwrap();
    let rotated = rotations(alice, "bob") - rotated;
    println!(
        "{} MB in {:?} ({:.0} Mbit/s), {rotated} rotations, resident {before:?} KiB before and {most:?} KiB at most",
        bytes / MEGABYTE,
        done.elapsed,
        done.megabit_per_second()
    );
    for (before, most) in before.into_iter().zip(most) {
        assert!(most < before + RSS_GROWTH_MAX_KIB, "memory grew from {before} to {most} KiB");
    }
    (rotated, done.elapsed)
}

#[test]
fn rotation_by_packets_breaks_no_stream_and_is_no_more_frequent_than_its_cause() {
    const EVERY: u64 = 100;
    let (_lab, alice, bob) = pair("packets", &format!("[session]\nrotate_after_packets = {EVERY}\n"));
    let bytes = 200 * MEGABYTE;
    let (rotated, _) = transfer_flat(&alice, &bob, bytes);
    assert!(rotated > 0);
    // Either side may be the one whose counter ran out: the sender of data, or that of acknowledgements.
    let most = 2 * bytes / PAYLOAD_MIN / EVERY + 2;
    assert!(rotated <= most, "{rotated} rotations, {most} have a cause");
}

#[test]
fn rotation_by_time_breaks_no_stream_and_is_no_more_frequent_than_its_cause() {
    let every = Duration::from_secs(5);
    let (_lab, alice, bob) = pair("time", "[session]\nrotate_after = \"5s\"\n");
    // Slow enough that a few spans pass.
    bob.host().link().limit_rate(100).unwrap();
    let (rotated, elapsed) = transfer_flat(&alice, &bob, 200 * MEGABYTE);
    assert!(rotated > 0, "none in {elapsed:?}");
    let most = elapsed.as_secs() / every.as_secs() + 2;
    assert!(rotated <= most, "{rotated} rotations in {elapsed:?}, {most} have a cause");
}

#[test]
fn a_stream_survives_a_new_address_a_third_of_lost_packets_and_pulled_cables() {
    let (_lab, alice, bob) = pair("weather", "");
    let old = bob.host().ipv4();
    bob.host().link().limit_rate(50).unwrap();
    let bytes = 40 * MEGABYTE;
    let mut moved = None;
    let mut gap = (Instant::now(), 0, Duration::ZERO);
    transfer(&alice, &bob, bytes, |arrived| {
        if arrived > bytes / 4 && moved.is_none() {
            bob.host().link().readdress().unwrap();
            moved = Some(Instant::now());
        }
        if arrived != gap.1 {
            gap = (Instant::now(), arrived, gap.2.max(gap.0.elapsed()));
        }
    })
    .unwrap();
    println!("roaming from {old} to {}: longest gap {:?}", bob.host().ipv4(), gap.2);
    assert!(moved.is_some() && bob.host().ipv4() != old);
    let endpoint = alice.peer("bob").unwrap()["path"]["endpoint"].as_str().unwrap().to_owned();
    assert!(!endpoint.contains(&old.to_string()), "still at the old address: {endpoint}");

    bob.host().link().lose(LOSS).unwrap();
    let established = alice.peer("bob").unwrap()["session"]["established"].clone();
    let arrived = datagrams_that_arrive(&alice, &bob);
    println!("{arrived} of {DATAGRAMS} datagrams arrived at a loss of {LOSS}");
    let expected = (f64::from(DATAGRAMS) * (1.0 - LOSS)) as u16;
    assert!(arrived.abs_diff(expected) < LOSS_TOLERANCE, "{arrived} of {DATAGRAMS}, the link lets {expected} pass");
    bob.host().link().lose(TCP_LOSS).unwrap();
    let done = transfer(&alice, &bob, MEGABYTE / 20, |_| {}).unwrap();
    println!("50 kB of TCP with 30 % of the round trips lost: {:?}", done.elapsed);
    let peer = alice.peer("bob").unwrap();
    println!("session established {established}, then {}", peer["session"]["established"]);
    assert_eq!(peer["path"]["kind"], "direct");

    bob.host().link().lose(0.0).unwrap();
    bob.host().link().pull().unwrap();
    assert!(alice.ping("bob").is_none());
    bob.host().link().restore().unwrap();
    let (_, waited) = alice.wait_ping("bob");
    println!("cable back: reply after {waited:?}");
}

#[test]
fn a_killed_daemon_starts_clean_and_a_stopped_one_leaves_the_machine_as_it_was() {
    let lab = Lab::new("violence").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let host = lab.public_host("bob").unwrap();
    let bare = Machine::new(&lab, &host);
    let before = (bare.kernel_state(), bare.name_files());
    let mut bob = member(&lab, &alice, &host, "");
    bob.wait_ping("alice");
    let names = bob.name_files();
    assert!(bob.kernel_state().contains(INTERFACE));
    assert_ne!(names, before.1, "names were integrated");

    bob.daemon.kill9().unwrap();
    assert_eq!(bob.name_files(), names, "a crash takes nothing back");
    let start = Instant::now();
    bob.start();
    alice.wait_ping("bob");
    println!("after kill -9: reached again {:?} after the start", start.elapsed());
    bob.wait("names to be integrated again", || (bob.name_files() == names).then_some(()));

    assert!(bob.daemon.terminate().unwrap().success());
    assert_eq!((bob.kernel_state(), bob.name_files()), before, "byte for byte");
    assert_eq!(bob.refusal(&["status"]).exit, 3);

    // Killed while nobody looks, then only cleaned up: by a start and a stop.
    bob.start();
    bob.wait("names to be integrated again", || (bob.name_files() == names).then_some(()));
    bob.daemon.kill9().unwrap();
    bob.start();
    assert!(bob.succeeds(&["down"]));
    assert_eq!((bob.kernel_state(), bob.name_files()), before, "byte for byte");
}

#[test]
fn a_packet_with_another_source_than_its_senders_is_not_delivered() {
    const SPOOFED: usize = 100;
    let (_lab, alice, bob) = pair("source", "");
    let (alice_address, bob_address) = (alice.address(), bob.address());
    let mut stolen = bob_address.octets();
    stolen[15] ^= 1;
    let stolen = std::net::Ipv6Addr::from(stolen);
    bob.tool_text("ip", &["address", "add", &format!("{stolen}/128"), "dev", INTERFACE, "nodad"]);

    let sink = alice.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((alice_address, 7)))).unwrap().unwrap();
    sink.set_read_timeout(Some(DEADLINE)).unwrap();
    let open = |source| bob.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((source, 0)))).unwrap().unwrap();
    let (thief, honest) = (open(stolen), open(bob_address));
    for _ in 0..SPOOFED {
        thief.send_to(b"stolen", (alice_address, 7)).unwrap();
    }
    honest.send_to(b"honest", (alice_address, 7)).unwrap();
    let mut buffer = [0; 64];
    let (length, from) = sink.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from.ip()), (&b"honest"[..], bob_address.into()));
    let counted = bob.wait("the drops to be counted", || {
        let counted = alice.drops("inner_source") + bob.drops("inner_source");
        (counted >= SPOOFED as u64).then_some(counted)
    });
    println!("{counted} packets with a foreign source dropped");
    let ping = bob.tool("ping", &["-6", "-c", "1", "-W", "1", "-I", &stolen.to_string(), &alice_address.to_string()]);
    assert!(!ping.status.success());
}

#[test]
fn names_taken_by_others_end_the_start_with_their_cause_and_nothing_half_configured() {
    let lab = Lab::new("taken").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let prefix = alice.network()["prefix"].as_str().unwrap().to_owned();
    alice.daemon.terminate().unwrap();

    // The interface's name.
    alice.tool_text("ip", &["tuntap", "add", "dev", INTERFACE, "mode", "tap"]);
    refused(&alice, INTERFACE);
    alice.tool_text("ip", &["tuntap", "del", "dev", INTERFACE, "mode", "tap"]);

    // A port.
    let any = SocketAddr::from(([0, 0, 0, 0], stage::DATA_PORT));
    let taken = alice.host().in_namespace(|| UdpSocket::bind(any)).unwrap().unwrap();
    refused(&alice, &stage::DATA_PORT.to_string());
    drop(taken);

    // The prefix.
    alice.tool_text("ip", &["-6", "route", "add", &prefix, "dev", "eth0"]);
    refused(&alice, prefix.trim_end_matches("::/48"));
    alice.tool_text("ip", &["-6", "route", "del", &prefix, "dev", "eth0"]);
    alice.start();
}

fn refused(machine: &Machine, cause: &str) {
    let before = (machine.kernel_state(), machine.name_files());
    let start = Instant::now();
    let refusal = machine.refusal(&["up"]);
    println!("{cause} taken: refused after {:?}: {}", start.elapsed(), refusal.message);
    assert!(refusal.message.contains(cause), "{}", refusal.message);
    assert_eq!((machine.kernel_state(), machine.name_files()), before);
    assert!(!machine.state().join("api.sock").exists());
}

#[test]
fn an_idle_network_is_quiet_and_a_busy_one_is_measured() {
    let (_lab, alice, bob) = pair("figures", "");
    let idle = [&alice, &bob].map(|machine| machine.daemon.rss_kib().unwrap());
    println!("resident after the join: {idle:?} KiB");
    let address = SocketAddr::from((bob.address(), 5201));
    thread::scope(|scope| {
        // Ends with the last sender: its listener lives in this thread.
        let listener = bob.host().in_namespace(|| std::net::TcpListener::bind(address)).unwrap().unwrap();
        scope.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let count = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
            std::io::Write::write_all(&mut stream, &count.to_be_bytes()).unwrap();
        });
        let measured = alice.host().in_namespace(|| tools::measure_bulk(address, Duration::from_secs(3))).unwrap();
        println!("one TCP stream: {:.2} Gbit/s", measured.unwrap().gbit_per_second());
    });
}
