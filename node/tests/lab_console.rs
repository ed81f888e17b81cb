//! The switch, and that the networks do not notice what becomes of the dashboard and its store.
//!
//! Needs root and the programs `ip` and `nft`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;

use holloway_simnet::lab::Lab;
use stage::transfer::{Transferred, transfer};
use stage::{INTERFACE, Machine, founder, member, scale};

/// A transfer grows no further: a client that says nothing loses its place after ten seconds.
const BYTES_SCALE_MAX: u32 = 6;

#[test]
fn networks_that_are_switched_off_leave_no_trace_and_stay_off_until_they_are_switched_on() {
    let lab = Lab::new("switch").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut bob = Machine::new(&lab, &lab.public_host("bob").unwrap());
    bob.start();
    let before = bob.kernel_state();
    let invite = alice.invite(&[]);
    bob.ask(&["join", &invite, "--name", "bob"]);
    bob.wait_ping("alice");

    assert_eq!(bob.ask(&["off"])["on"], false);
    assert_eq!(bob.kernel_state(), before);
    let status = bob.ask(&["status"]);
    assert_eq!((&status["on"], &status["networks"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(status["attention"][0]["command"], "holloway on");
    assert_eq!(bob.refusal(&["create", "other"]).code, "switched_off");
    assert_eq!(bob.ask(&["off"])["on"], false, "once more is harmless");

    bob.daemon.terminate().unwrap();
    bob.start();
    assert_eq!(bob.ask(&["status"])["on"], false, "it is remembered");
    assert_eq!(bob.kernel_state(), before);

    assert_eq!(bob.ask(&["on"])["on"], true);
    assert_eq!(bob.network()["interface"], INTERFACE);
    bob.wait_ping("alice");

    bob.ask(&["off"]);
    bob.ask(&["leave", "home", "--yes"]);
    bob.ask(&["on"]);
    assert_eq!(bob.ask(&["status"])["networks"], serde_json::json!([]), "what was left while off is forgotten");
}

#[test]
fn whoever_founds_a_network_has_its_history_and_audit_from_then_on() {
    let lab = Lab::new("founded").unwrap();
    let mut alice = Machine::new(&lab, &lab.public_host("alice").unwrap());
    alice.start();
    assert_eq!(alice.api("overview")["error"]["code"], "not_found", "nobody is an admin yet");
    alice.ask(&["create", "home", "--name", "alice"]);
    assert_eq!(alice.api("overview")["store"], "sqlite");
    assert_eq!(alice.api("audit")["deeds"][0]["action"], "POST /api/v1/networks");
}

/// Clients of the API and of the pages that never finish what they begin to say.
fn hang(machine: &Machine) -> (Vec<UnixStream>, Vec<TcpStream>) {
    let pages: SocketAddr = "127.0.0.1:42080".parse().unwrap();
    let socket = machine.state().join("api.sock");
    let local = (0..32).map(|_| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(b"POST /api/v1/invites HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{").unwrap();
        stream
    });
    let browsers = (0..200).map(|_| {
        let mut stream = machine.host().in_namespace(|| TcpStream::connect(pages)).unwrap().unwrap();
        // Its place may be given to the next one already.
        match stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: 127.") {
            Ok(()) => {}
            Err(error) => assert!([ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind())),
        }
        stream
    });
    (local.collect(), browsers.collect())
}

#[test]
fn a_store_that_hangs_and_an_api_that_is_kept_busy_leave_the_packets_alone() {
    let lab = Lab::new("hangs").unwrap();
    let database = lab.public_host("database").unwrap();
    // It takes connections and never says a word.
    let silent = database.in_namespace(|| TcpListener::bind((database.ipv4(), 5432))).unwrap().unwrap();
    let hung = format!("[dashboard]\nstore = \"postgres://x@{}/x\"\n", database.ipv4());
    let quiet = "[dashboard]\nstore = \"off\"\n";
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), quiet);
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), quiet);
    let bytes = 100_000_000 * u64::from(scale().min(BYTES_SCALE_MAX));
    let rounds = scale();
    let conditions = [("at rest", false), ("at rest again", false), ("all hangs", true)];
    let mut figures = [const { Figures::new() }; 3];
    for turn in (0..rounds).flat_map(turns) {
        let is_hung = conditions[turn].1;
        alice.daemon.terminate().unwrap();
        alice.configure(if is_hung { &hung } else { quiet });
        alice.start();
        bob.wait_ping("alice");
        let kept = is_hung.then(|| {
            let held = thread::spawn({
                let silent = silent.try_clone().unwrap();
                move || silent.accept().map(|(stream, _)| stream)
            });
            (held.join().unwrap().unwrap(), hang(&alice))
        });
        if is_hung {
            assert_eq!(alice.ask(&["status"])["state"], "ready");
        }
        let before = alice.daemon.cpu_seconds().unwrap();
        let done = transfer(&alice, &bob, bytes, |_| {}).unwrap();
        let cpu = alice.daemon.cpu_seconds().unwrap() - before;
        figures[turn].add(&done, cpu);
        if is_hung {
            assert_eq!(alice.ask(&["status"])["state"], "ready", "still");
        }
        drop(kept);
    }
    let [rest, others @ ..] = &figures;
    let ((at_rest, rest_error), cpu_at_rest) = (rest.rate(), rest.cpu_per_gigabyte());
    println!("{rounds} rounds of {} MB at rest: {at_rest:.0} Mbit/s, {cpu_at_rest:.3} s/GB", bytes / 1_000_000);
    for ((name, _), other) in conditions[1..].iter().zip(others) {
        let ((rate, error), cpu) = (other.rate(), other.cpu_per_gigabyte());
        let ratio = rate / at_rest;
        let ratio_error = ratio * (error / rate).hypot(rest_error / at_rest);
        println!("{name}: {rate:.0} Mbit/s, {ratio:.3} ± {ratio_error:.3}; processor {:.3}", cpu / cpu_at_rest);
    }
}

/// The order of three conditions in a round: each comes first, in the middle and last equally often, and behind each of the
/// others, as the machine may grow faster or slower meanwhile.
fn turns(round: u32) -> [usize; 3] {
    [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0], [0, 2, 1], [1, 0, 2]][round as usize % 6]
}

/// What transfers in one condition were.
struct Figures {
    rates: Vec<f64>,
    bytes: u64,
    cpu_seconds: f64,
}

impl Figures {
    const fn new() -> Self {
        Self { rates: Vec::new(), bytes: 0, cpu_seconds: 0.0 }
    }

    fn add(&mut self, done: &Transferred, cpu_seconds: f64) {
        self.rates.push(done.megabit_per_second());
        self.bytes += done.bytes;
        self.cpu_seconds += cpu_seconds;
    }

    /// The mean of the rates in Mbit/s, and its standard error, which one alone does not tell (NaN).
    fn rate(&self) -> (f64, f64) {
        let count = self.rates.len() as f64;
        let mean = self.rates.iter().sum::<f64>() / count;
        let squares: f64 = self.rates.iter().map(|rate| (rate - mean).powi(2)).sum();
        (mean, (squares / (count - 1.0) / count).sqrt())
    }

    /// Processor seconds for a gigabyte.
    fn cpu_per_gigabyte(&self) -> f64 {
        self.cpu_seconds * 1e9 / self.bytes as f64
    }
}
