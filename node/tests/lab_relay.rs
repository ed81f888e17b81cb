//! Machines whose routers let nothing through reach each other by relays, which may go away, and see nothing.
//!
//! Needs root and the programs `ip` and `nft`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Lab, Nat, NatKind};
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use stage::transfer::transfer;
use stage::{Machine, founder, member, scale};

const MEGABYTE: u64 = 1_000_000;

/// Two relays on the internet, and two machines behind symmetric routers.
struct Scene {
    relays: [Machine; 2],
    bob: Machine,
    carol: Machine,
    _boxes: [Nat; 2],
    _lab: Lab,
}

impl Scene {
    fn new(hint: &str) -> Self {
        let lab = Lab::new(hint).unwrap();
        let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
        let mut dave = Machine::new(&lab, &lab.public_host("dave").unwrap());
        dave.start();
        dave.ask(&["join", &alice.invite(&["--name", "dave", "--right", "relay"])]);
        let boxes = ["nat-bob", "nat-carol"].map(|name| lab.nat(NatKind::Symmetric, name).unwrap());
        let bob = member(&lab, &alice, &boxes[0].host("bob").unwrap(), "");
        let carol = member(&lab, &alice, &boxes[1].host("carol").unwrap(), "");
        let scene = Self { relays: [alice, dave], bob, carol, _boxes: boxes, _lab: lab };
        for machine in [&scene.bob, &scene.carol] {
            machine.wait("a home relay", || machine.network()["home_relay"]["name"].as_str().map(str::to_owned));
        }
        scene.bob.wait_ping("carol");
        scene
    }

    /// The relay that bob reaches carol by.
    fn between(&mut self) -> &mut Machine {
        let path = self.bob.peer("carol").unwrap()["path"].clone();
        let name = path["relay"].as_str().unwrap_or_else(|| panic!("a relay: {path}")).to_owned();
        self.relays.iter_mut().find(|relay| relay.host().name() == name).unwrap()
    }
}

/// Carries a stream from bob to carol, and does something to the relay between them when a quarter has arrived; gives
/// how long nothing arrived after that at most.
fn transfer_while(hint: &str, happens: impl FnOnce(&mut Machine)) -> Duration {
    let mut scene = Scene::new(hint);
    let pid = scene.between().daemon_pid();
    let bytes = 50 * MEGABYTE * u64::from(scale().min(4));
    let mut happens = Some(happens);
    let (mut last, mut longest) = ((0, Instant::now()), Duration::ZERO);
    let Scene { relays, bob, carol, .. } = &mut scene;
    let relay = relays.iter_mut().find(|relay| relay.daemon_pid() == pid).unwrap();
    transfer(bob, carol, bytes, |arrived| {
        if arrived > bytes / 4
            && let Some(happens) = happens.take()
        {
            happens(relay);
            last = (arrived, Instant::now());
        }
        if arrived > last.0 {
            longest = longest.max(last.1.elapsed());
            last = (arrived, Instant::now());
        }
    })
    .unwrap();
    assert!(happens.is_none(), "it happened");
    longest
}

#[test]
fn a_stream_survives_the_end_of_its_relay() {
    let stall = transfer_while("relay-kill", Machine::kill9);
    println!("relay killed: longest stall {stall:?}");
}

#[test]
fn a_stream_survives_a_relay_that_hangs() {
    const SIGSTOP: i32 = 19;
    const SIGCONT: i32 = 18;
    let mut pid = 0;
    let stall = transfer_while("relay-hang", |relay| {
        pid = relay.daemon_pid();
        holloway_simnet::lab::signal(pid, SIGSTOP).unwrap();
    });
    let _ = holloway_simnet::lab::signal(pid, SIGCONT);
    println!("relay stopped: longest stall {stall:?}");
}

#[test]
fn a_relay_sees_nothing_of_what_it_carries() {
    let scene = Scene::new("relay-blind");
    let marker: [u8; 32] = *b"\xc3holloway: not for the relay\xf0\x9f\x99\x88";
    let is_over = AtomicBool::new(false);
    // Both are watched, as either may be the nearer one at any moment.
    let frames = scene.relays.each_ref().map(|relay| relay.host().in_namespace(every_frame).unwrap());
    let seen = thread::scope(|scope| {
        let watchers = frames.each_ref().map(|frames| scope.spawn(|| frames_with(frames, &marker, &is_over)));
        let listener =
            scene.carol.host().in_namespace(|| UdpSocket::bind(SocketAddr::from((scene.carol.address(), 0))));
        let listener = listener.unwrap().unwrap();
        let to = listener.local_addr().unwrap();
        let sender = scene.bob.host().in_namespace(|| UdpSocket::bind("[::]:0")).unwrap().unwrap();
        listener.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut arrived = 0;
        for _ in 0..500 {
            sender.send_to(&marker, to).unwrap();
            let mut buffer = [0; 64];
            if listener.recv(&mut buffer).is_ok_and(|length| buffer[..length] == marker) {
                arrived += 1;
            }
        }
        assert_eq!(arrived, 500, "it does come through");
        is_over.store(true, Ordering::Relaxed);
        watchers.map(|watcher| watcher.join().unwrap())
    });
    let carried: usize = seen.iter().map(|seen| seen.frames).sum();
    assert!(carried >= 1000, "the relays carried it: {carried} frames");
    for (relay, seen) in scene.relays.iter().zip(seen) {
        assert_eq!(seen.marked, 0, "in what it received and sent");
        assert_eq!(in_memory(relay.daemon_pid(), &marker), 0, "in its memory");
    }
    assert!(in_memory(std::process::id(), &marker) > 0, "while it is found where it is");
}

struct Seen {
    frames: usize,
    marked: usize,
}

/// A socket that gets what passes every interface of this namespace from now on, with room for all of a test.
fn every_frame() -> Socket {
    const ROOM: usize = 32 << 20;
    const EVERY_PROTOCOL: i32 = (0x0003_u16.to_be()) as i32;
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(EVERY_PROTOCOL))).unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket
}

/// Counts what passes until it is over and all has been read, and in how much of it a marker is.
fn frames_with(mut frames: &Socket, marker: &[u8], is_over: &AtomicBool) -> Seen {
    let mut seen = Seen { frames: 0, marked: 0 };
    let mut frame = vec![0; 65_536];
    loop {
        let was_over = is_over.load(Ordering::Relaxed);
        match frames.read(&mut frame) {
            Ok(length) => {
                seen.frames += 1;
                seen.marked += usize::from(holds(&frame[..length], marker));
            }
            Err(_) if was_over => return seen,
            Err(_) => {}
        }
    }
}

fn holds(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|window| window == marker)
}

/// In how many of a process's mappings a marker is.
fn in_memory(pid: u32, marker: &[u8]) -> usize {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut count = 0;
    for line in maps.lines().filter(|line| line.contains(" rw") && !line.contains("[v")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        let mut bytes = Vec::new();
        memory.seek(SeekFrom::Start(from)).unwrap();
        // What is reserved and not there cannot be read.
        let _ = (&memory).take(to - from).read_to_end(&mut bytes);
        count += usize::from(holds(&bytes, marker));
    }
    count
}
