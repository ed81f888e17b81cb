//! Names: what resolves, what never leaves this machine, and what is as before afterwards.
//!
//! Needs root and the programs `ip`, `nft` and `dig`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::Lab;
use stage::{Home, Machine, founder, member, program};

/// Where the resolver listens on every machine.
const RESOLVER: &str = "127.42.0.53";

/// Stands for the servers of a machine's provider.
const UPSTREAM: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What the upstream says of every name (documentation, RFC 5737).
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 80);

fn dig(machine: &Machine, server: &str, name: &str, kind: &str) -> String {
    let server = format!("@{server}");
    machine.tool_text("dig", &[&server, name, kind, "+time=2", "+tries=2", "+noedns"])
}

fn short(machine: &Machine, name: &str, kind: &str) -> String {
    let server = format!("@{RESOLVER}");
    machine.tool_text("dig", &[&server, name, kind, "+short", "+time=2", "+tries=2"]).trim().to_owned()
}

/// Whether a program of this machine finds the name, as any program would.
fn resolves(machine: &Machine, name: &str) -> bool {
    machine.tool(program().to_str().unwrap(), &["probe-name", name]).status.success()
}

fn fetch(machine: &Machine, url: &str) -> Option<serde_json::Value> {
    let output = machine.tool(program().to_str().unwrap(), &["--json", "demo-tool", "fetch", url]);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn every_member_is_found_by_name_and_what_it_publishes_too() {
    let Home { alice, bob, carol, lab } = Home::new("names", "");
    carol.wait("bob's name", || (short(&carol, "bob.home.alt", "AAAA") == bob.address().to_string()).then_some(()));
    assert!(resolves(&carol, "bob.home.alt"), "by getaddrinfo");
    assert!(resolves(&carol, "BOB.HOME.ALT."), "in any letter case, with a final dot");
    assert!(carol.tool("ping", &["-6", "-c", "1", "-W", "2", "bob.home.alt"]).status.success());

    let pointer = carol.tool_text("dig", &[&format!("@{RESOLVER}"), "-x", &bob.address().to_string(), "+short"]);
    assert_eq!(pointer.trim(), "bob.home.alt.");
    let apex = dig(&carol, RESOLVER, "home.alt", "SOA");
    assert!(apex.contains("NOERROR") && apex.contains("SOA"), "{apex}");
    let nodata = dig(&carol, RESOLVER, "bob.home.alt", "A");
    assert!(nodata.contains("NOERROR") && nodata.contains("ANSWER: 0"), "{nodata}");

    // Published by bob, seen by the others.
    let address = bob.address().to_string();
    let start = Instant::now();
    bob.ask(&["dns", "add", "wiki", "AAAA", &address]);
    bob.ask(&["dns", "add", "note", "TXT", "hello"]);
    bob.ask(&["dns", "add", "www", "CNAME", "wiki.bob.home.alt"]);
    for machine in [&alice, &carol] {
        machine.wait("wiki", || (short(machine, "wiki.bob.home.alt", "AAAA") == address).then_some(()));
        println!("{}: saw wiki {:?} after dns add", machine.host().name(), start.elapsed());
    }
    carol.wait("the note", || (short(&carol, "note.bob.home.alt", "TXT") == "\"hello\"").then_some(()));
    let alias = carol.wait("www", || Some(short(&carol, "www.bob.home.alt", "AAAA")).filter(|text| !text.is_empty()));
    println!("www.bob.home.alt: {alias:?}");
    assert!(alias.contains(&address), "{alias}");
    // The whole name means the same as what is below the own one; what is not below it is refused, and so is
    // anything beside an alias.
    let added = bob.ask(&["dns", "add", "note.bob.home.alt", "TXT", "hello"]);
    assert_eq!(added["record"]["fqdn"], "note.bob.home.alt", "{added:#}");
    assert_eq!(bob.refusal(&["dns", "add", "wiki.alice.home.alt", "TXT", "hello"]).code, "usage");
    assert_eq!(bob.refusal(&["dns", "add", "www", "TXT", "hello"]).code, "usage");
    let listed = bob.ask(&["dns", "list"]);
    assert_eq!(listed["records"].as_array().unwrap().len(), 3, "{listed:#}");
    let queried = carol.ask(&["dns", "query", "wiki.bob.home.alt"]);
    assert_eq!(queried["rcode"], "NOERROR", "{queried:#}");

    // A page by its name.
    let page = bob.command_of_tool(&["serve-page", &format!("[{address}]:80"), "a page of bob's"]);
    let fetched = carol.wait("the page", || fetch(&carol, "http://wiki.bob.home.alt/"));
    assert_eq!(fetched["body"], "a page of bob's", "{fetched:#}");
    drop(page);

    let start = Instant::now();
    bob.ask(&["dns", "remove", "wiki"]);
    carol.wait("wiki to be gone", || {
        dig(&carol, RESOLVER, "wiki.bob.home.alt", "AAAA").contains("NXDOMAIN").then_some(())
    });
    println!("carol: wiki was gone {:?} after dns remove", start.elapsed());
    assert!(!resolves(&carol, "wiki.bob.home.alt"));
    assert_eq!(bob.refusal(&["dns", "remove", "wiki"]).code, "not_found");
    drop(lab);
}

impl Machine {
    fn command_of_tool(&self, arguments: &[&str]) -> holloway_simnet::lab::Process {
        let mut command = self.host().command(program());
        self.host().spawn("tool", command.arg("demo-tool").args(arguments)).unwrap()
    }
}

/// A name server that answers everything and remembers what it was asked.
struct Upstream {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    fn start(machine: &Machine) -> Self {
        let address = SocketAddr::from((UPSTREAM, 53));
        let socket = machine.host().in_namespace(|| UdpSocket::bind(address)).unwrap().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&asked);
        // Ends with the test's process; nothing of the lab hangs on it.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if let Some((name, reply)) = answer(&buffer[..length]) {
                    names.lock().unwrap().push(name);
                    let _ = socket.send_to(&reply, from);
                }
            }
        });
        Self { asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The name in a query and a reply that gives [`ELSEWHERE`] for an A question and nothing for others (RFC 1035 §4).
fn answer(query: &[u8]) -> Option<(String, Vec<u8>)> {
    const HEADER: usize = 12;
    let mut at = HEADER;
    let mut labels = Vec::new();
    while *query.get(at)? != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_ascii_lowercase());
        at += 1 + length;
    }
    let question = query.get(HEADER..at + 5)?;
    let is_a = question[question.len() - 4..] == [0, 1, 0, 1];
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    reply.extend(question);
    if is_a {
        reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(ELSEWHERE.octets());
    }
    Some((labels.join("."), reply))
}

#[test]
fn what_ends_in_alt_never_leaves_the_machine_and_everything_else_is_answered_by_its_servers() {
    let lab = Lab::new("upstream").unwrap();
    let host = lab.public_host("alice").unwrap();
    fs::write(host.etc_file("resolv.conf"), format!("nameserver {UPSTREAM}\n")).unwrap();
    let bare = Machine::new(&lab, &host);
    let upstream = Upstream::start(&bare);
    let alice = founder(&lab, &host, "");
    alice.wait("our resolver in resolv.conf", || {
        String::from_utf8_lossy(&alice.name_files()[0]).contains(RESOLVER).then_some(())
    });
    assert_eq!(short(&alice, "www.example.com", "A"), ELSEWHERE.to_string());
    assert!(resolves(&alice, "other.example.com"));
    for name in
        ["nosuch.home.alt", "foo.alt", "alt", "FOO.ALT.", "xn--nxasmq6b.alt", "a.b.c.d.home.alt", "_x._tcp.home.alt"]
    {
        for kind in ["A", "AAAA", "TXT", "DS"] {
            let reply = dig(&alice, RESOLVER, name, kind);
            assert!(!reply.contains("SERVFAIL"), "{name} {kind}: {reply}");
        }
        assert!(!resolves(&alice, name), "{name}");
    }
    assert!(dig(&alice, RESOLVER, "nosuch.home.alt", "AAAA").contains("NXDOMAIN"));
    assert!(dig(&alice, RESOLVER, "foo.alt", "AAAA").contains("NXDOMAIN"));
    let reverse = alice.tool_text("dig", &[&format!("@{RESOLVER}"), "-x", &neighbour_of(&alice).to_string()]);
    assert!(reverse.contains("NXDOMAIN"), "{reverse}");
    let asked = upstream.asked();
    println!("upstream was asked {} times: {asked:?}", asked.len());
    assert!(asked.iter().any(|name| name == "www.example.com"));
    assert!(asked.iter().all(|name| name.ends_with("example.com")), "{asked:?}");
}

/// An address of the overlay that nobody has.
fn neighbour_of(machine: &Machine) -> Ipv6Addr {
    let mut octets = machine.address().octets();
    octets[15] ^= 0xff;
    octets.into()
}

#[test]
fn large_answers_and_questions_that_are_none_stay_within_their_bounds() {
    let lab = Lab::new("bounds").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let any = dig(&alice, RESOLVER, "alice.home.alt", "ANY");
    assert!(any.contains("MSG SIZE") && size_of(&any) <= 1232, "{any}");
    let resolver: SocketAddr = format!("{RESOLVER}:53").parse().unwrap();
    let socket = alice.host().in_namespace(|| UdpSocket::bind("127.0.0.1:0")).unwrap().unwrap();
    let good = question("alice.home.alt", 28);
    for (what, bad) in [
        ("a response", edited(&good, 2, 0x80)),
        ("opcode 15", edited(&good, 2, 0x78)),
        ("no question", edited(&good, 5, 0)),
        ("two questions", edited(&good, 5, 2)),
        ("65535 questions", edited(&edited(&good, 4, 0xff), 5, 0xff)),
        ("a pointer to itself", [&good[..12], &[0xc0, 12, 0, 28, 0, 1]].concat()),
        ("a label of 64", [&good[..12], &[64], &[b'a'; 64], &[0, 0, 28, 0, 1]].concat()),
        ("a cut header", good[..7].to_vec()),
        ("nothing", Vec::new()),
    ] {
        socket.send_to(&bad, resolver).unwrap();
        // Whatever comes before the answer to the good question was said to the bad one.
        socket.send_to(&edited(&good, 0, 0x77), resolver).unwrap();
        let mut buffer = [0; 4096];
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("after {what}: {error}"));
            let rcode = buffer[3] & 0x0f;
            if buffer[0] == 0x77 && rcode == 0 {
                break;
            }
            println!("{what}: rcode {rcode}, {length} bytes");
            assert_ne!(what, "a response", "a response is never answered");
            assert!(matches!(rcode, 1 | 4 | 5), "{what}: rcode {rcode}");
        }
    }
}

fn edited(message: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut message = message.to_vec();
    message[at] = byte;
    message
}

fn question(name: &str, kind: u8) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.bytes());
    }
    message.extend([0, 0, kind, 0, 1]);
    message
}

fn size_of(reply: &str) -> usize {
    reply.lines().find_map(|line| line.split_once("rcvd: ")?.1.trim().parse().ok()).unwrap()
}

#[test]
fn questions_from_other_machines_are_refused_within_their_own_size() {
    let lab = Lab::new("audience").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), "");
    bob.wait_ping("alice");
    let server = SocketAddr::from((alice.address(), 53));
    assert!(dig(&alice, &alice.address().to_string(), "alice.home.alt", "AAAA").contains("ANSWER: 1"));
    let socket = bob.host().in_namespace(|| UdpSocket::bind((bob.address(), 0))).unwrap().unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    for name in ["alice.home.alt", "example.com"] {
        let question = question(name, 28);
        socket.send_to(&question, server).unwrap();
        let mut buffer = [0; 4096];
        match socket.recv(&mut buffer) {
            Ok(length) => {
                println!("{name}: {length} bytes for {}, rcode {}", question.len(), buffer[3] & 0x0f);
                assert!(length <= question.len());
                assert_eq!(buffer[3] & 0x0f, 5, "REFUSED");
            }
            Err(_) => println!("{name}: no answer"),
        }
    }
    let outside = bob.host().in_namespace(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    outside.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    outside.send_to(&question("alice.home.alt", 28), (alice.host().ipv4(), 53)).unwrap();
    assert!(outside.recv(&mut [0; 64]).is_err(), "nothing listens for the world");
}

#[test]
fn name_files_are_as_before_after_a_stop_and_after_a_crash_and_the_next_stop() {
    let lab = Lab::new("restored").unwrap();
    let host = lab.public_host("alice").unwrap();
    let resolv = "# by hand, without a newline at the end\noptions timeout:1\nnameserver 198.51.100.1";
    fs::write(host.etc_file("resolv.conf"), resolv).unwrap();
    fs::write(host.etc_file("hosts"), "127.0.0.1 localhost").unwrap();
    let bare = Machine::new(&lab, &host);
    let before = bare.name_files();
    let mut alice = founder(&lab, &host, "");
    let taken = || String::from_utf8_lossy(&bare.name_files()[0]).contains(RESOLVER).then_some(());
    alice.wait("our resolver in resolv.conf", taken);
    println!("integration: {}", alice.ask(&["status"])["dns"]["integration"]);
    alice.daemon.terminate().unwrap();
    assert_eq!(bare.name_files(), before);

    alice.start();
    alice.wait("our resolver in resolv.conf", taken);
    alice.daemon.kill9().unwrap();
    assert_ne!(bare.name_files(), before);
    alice.start();
    alice.wait("our resolver in resolv.conf", taken);
    alice.daemon.terminate().unwrap();
    assert_eq!(bare.name_files(), before);

    // Where it is switched off, nothing is touched.
    alice.configure("[dns]\nintegrate = \"off\"\n");
    alice.start();
    assert_eq!(bare.name_files(), before);
    assert!(dig(&alice, RESOLVER, "alice.home.alt", "AAAA").contains("ANSWER: 1"));
}
