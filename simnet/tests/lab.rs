//! Labs of network namespaces do to packets what they say, and leave nothing behind.
//!
//! Needs root and the programs `ip`, `nft` and `tc`.
#![expect(clippy::unwrap_used, reason = "the functions below the tests are test code too")]

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use holloway_simnet::lab::{Daemon, Host, Lab, NatKind, tools, wait_until};

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

const PORT: u16 = 42042;

/// The same number on every Linux.
const SIGKILL: i32 = 9;

#[test]
fn nothing_is_left_after_drop() {
    let lab = Lab::new("drop").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let hosts = [lab.public_host("alice").unwrap(), nat.host("bob").unwrap()];
    let directory = lab.directory().to_owned();
    let mut process = hosts[1].spawn("sleep", hosts[1].command("sleep").arg("600")).unwrap();
    assert!(hosts.iter().all(exists) && directory.exists());
    drop(lab);
    assert!(!hosts.iter().any(exists) && !directory.exists());
    let status = process.wait_for_end(DEADLINE).unwrap();
    assert_eq!(status.signal(), Some(SIGKILL));
}

#[test]
fn nothing_is_left_after_a_panic() {
    let mut host = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let lab = Lab::new("panic").unwrap();
        host = Some(lab.public_host("alice").unwrap());
        assert!(host.as_ref().is_some_and(exists));
        panic!("as a failing test would");
    }));
    assert!(outcome.is_err());
    assert!(!exists(&host.unwrap()));
}

#[test]
fn leftovers_of_a_dead_owner_are_swept_and_those_of_a_living_one_are_not() {
    let lab = Lab::new("sweep").unwrap();
    let living = lab.public_host("alice").unwrap();
    let mut owner = Killed(Command::new("sleep").arg("600").spawn().unwrap());
    let name = format!("hw-{}-0-killed-alice", owner.0.id());
    let added = Command::new("ip").args(["netns", "add", &name]).status();
    assert!(added.unwrap().success());
    let mut inside = Command::new("ip");
    inside.args(["netns", "exec", &name, "sleep", "600"]);
    let mut orphan = Killed(inside.spawn().unwrap());
    wait_until(DEADLINE, "the orphan to be inside", || {
        let pids = Command::new("ip").args(["netns", "pids", &name]).output();
        (!pids.unwrap().stdout.is_empty()).then_some(())
    })
    .unwrap();
    Lab::sweep().unwrap();
    assert!(Path::new("/run/netns").join(&name).exists());

    owner.0.kill().unwrap();
    owner.0.wait().unwrap();
    Lab::sweep().unwrap();

    // Other tests sweep too: theirs may have begun first and end later.
    let status = wait_until(DEADLINE, "the orphan to end", || orphan.0.try_wait().unwrap());
    assert_eq!(status.unwrap().signal(), Some(SIGKILL));
    wait_until(DEADLINE, "the namespace to go", || (!Path::new("/run/netns").join(&name).exists()).then_some(()))
        .unwrap();
    assert!(exists(&living));
}

#[test]
fn a_panic_inside_a_namespace_goes_on_outside() {
    let lab = Lab::new("inside").unwrap();
    let host = lab.public_host("alice").unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| host.in_namespace(|| panic!("inside")).unwrap()));
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"inside"));
}

#[test]
fn a_name_is_given_once_and_only_plain_names_are_taken() {
    let lab = Lab::new("names").unwrap();
    lab.public_host("alice").unwrap();
    for refused in ["alice", "", "Alice", "a/b", "a b", "internet"] {
        assert!(lab.public_host(refused).is_err(), "{refused:?}");
    }
}

#[test]
fn public_hosts_reach_each_other_over_both_families() {
    let lab = Lab::new("public").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let bob = lab.public_host("bob").unwrap();
    for (from, to) in [
        (IpAddr::from(alice.ipv4()), IpAddr::from(bob.ipv4())),
        (alice.ipv6().unwrap().into(), bob.ipv6().unwrap().into()),
    ] {
        let (here, there) = (bind(&alice, from), bind(&bob, to));
        send(&here, "hello", there.local_addr().unwrap());
        assert_eq!(receive(&there), ("hello".to_owned(), here.local_addr().unwrap()));
    }
}

#[test]
fn hosts_on_a_switch_reach_each_other_and_nobody_else() {
    let lab = Lab::new("switch").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let switch = lab.switch("office").unwrap();
    let (bob, carol) = (switch.host("bob").unwrap(), switch.host("carol").unwrap());
    let (b, c) = (udp(&bob), udp(&carol));
    send(&b, "hello", at(carol.ipv4()));
    assert_eq!(receive(&c), ("hello".to_owned(), at(bob.ipv4())));
    let error = b.send_to(b"hello", at(alice.ipv4())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
}

#[test]
fn hosts_behind_two_home_nats_exchange_udp_only_after_both_have_sent() {
    let lab = Lab::new("punch").unwrap();
    let (left, right) = (lab.nat(NatKind::Home, "left").unwrap(), lab.nat(NatKind::Home, "right").unwrap());
    let (bob, carol) = (left.host("bob").unwrap(), right.host("carol").unwrap());
    let (b, c) = (udp(&bob), udp(&carol));
    let (bob_outside, carol_outside) = (at(left.public_ipv4()), at(right.public_ipv4()));

    // The first is an early inbound probe at carol's NAT: dropped there, and no trap for carol's
    // own packet, which must leave from the port that bob sent to.
    send(&b, "too early", carol_outside);
    send(&c, "first of carol", bob_outside);
    assert_eq!(receive(&b), ("first of carol".to_owned(), carol_outside));
    send(&b, "second of bob", carol_outside);
    assert_eq!(receive(&c), ("second of bob".to_owned(), bob_outside));
}

#[test]
fn home_nat_keeps_the_port_for_every_destination_and_keeps_strangers_out() {
    let lab = Lab::new("home").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let stranger = lab.public_host("stranger").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let (a, s, b) = (udp(&alice), udp(&stranger), udp(&bob));
    let outside = at(nat.public_ipv4());

    send(&s, "unsolicited, before", outside);
    send(&b, "to alice", at(alice.ipv4()));
    assert_eq!(receive(&a), ("to alice".to_owned(), outside));
    send(&s, "unsolicited, after", outside);
    let other_port = udp_at(&alice, PORT + 1);
    send(&other_port, "from another port", outside);
    send(&a, "solicited", outside);
    assert_eq!(receive(&b), ("solicited".to_owned(), at(alice.ipv4())));
    send(&b, "to the stranger", at(stranger.ipv4()));
    assert_eq!(receive(&s), ("to the stranger".to_owned(), outside));
}

#[test]
fn full_cone_lets_strangers_in_once_the_host_has_sent() {
    let lab = Lab::new("cone").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let stranger = lab.public_host("stranger").unwrap();
    let nat = lab.nat(NatKind::FullCone, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let (a, s, b) = (udp(&alice), udp(&stranger), udp(&bob));
    let outside = at(nat.public_ipv4());

    send(&s, "before", outside);
    send(&b, "to alice", at(alice.ipv4()));
    assert_eq!(receive(&a), ("to alice".to_owned(), outside));
    send(&s, "after", outside);
    assert_eq!(receive(&b), ("after".to_owned(), at(stranger.ipv4())));
    send(&b, "answer", at(stranger.ipv4()));
    assert_eq!(receive(&s), ("answer".to_owned(), outside));
}

#[test]
fn symmetric_nat_maps_to_another_port_for_each_destination() {
    let lab = Lab::new("symmetric").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let nat = lab.nat(NatKind::Symmetric, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let b = udp(&bob);
    let mut ports = BTreeSet::new();
    for port in PORT..PORT + 5 {
        let a = udp_at(&alice, port);
        send(&b, "hello", SocketAddr::from((alice.ipv4(), port)));
        let (_, from) = receive(&a);
        assert_eq!(from.ip(), IpAddr::from(nat.public_ipv4()));
        ports.insert(from.port());
        send(&a, "answer", from);
        assert_eq!(receive(&b).0, "answer");
    }
    // Five random ports: two may meet by chance, not all.
    assert!(ports.len() > 2, "{ports:?}");
}

#[test]
fn a_udp_block_stops_udp_and_not_tcp_until_it_is_lifted() {
    let lab = Lab::new("block").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let (a, b) = (udp(&alice), udp(&bob));
    let listener = alice.in_namespace(|| TcpListener::bind(at(alice.ipv4()))).unwrap().unwrap();

    send(&b, "before", at(alice.ipv4()));
    let (_, outside) = receive(&a);
    nat.block_udp().unwrap();
    send(&b, "blocked, outward", at(alice.ipv4()));
    send(&a, "blocked, inward", outside);
    let connected = bob.in_namespace(|| TcpStream::connect_timeout(&at(alice.ipv4()), DEADLINE));
    assert!(connected.unwrap().is_ok());
    assert_eq!(listener.accept().unwrap().1.ip(), IpAddr::from(nat.public_ipv4()));
    nat.unblock_udp().unwrap();
    send(&b, "after", at(alice.ipv4()));
    assert_eq!(receive(&a).0, "after");
    send(&a, "answer", outside);
    assert_eq!(receive(&b).0, "answer");
}

#[test]
fn a_loss_of_thirty_percent_loses_roughly_thirty_percent_each_way() {
    const SENT: usize = 2000;
    let lab = Lab::new("loss").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let bob = lab.public_host("bob").unwrap();
    let (a, b) = (udp(&alice), udp(&bob));
    alice.link().lose(0.3).unwrap();
    for (from, to) in [(&a, &b), (&b, &a)] {
        let mut arrived = 0;
        for _ in 0..SENT / 100 {
            for _ in 0..100 {
                send(from, "datagram", to.local_addr().unwrap());
            }
            alice.link().lose(0.0).unwrap();
            send(from, "end", to.local_addr().unwrap());
            while receive(to).0 != "end" {
                arrived += 1;
            }
            alice.link().lose(0.3).unwrap();
        }
        let lost = SENT - arrived;
        assert!((SENT / 5..SENT * 2 / 5).contains(&lost), "{lost} of {SENT}");
    }
    assert!(alice.link().lose(1.1).is_err());
    assert!(alice.link().lose(f64::NAN).is_err());
}

#[test]
fn a_limited_link_carries_no_more_than_its_rate() {
    let lab = Lab::new("rate").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let bob = lab.public_host("bob").unwrap();
    let address = at(alice.ipv4());
    serve(&alice, move || tools::serve_bulk(address));
    bob.link().limit_rate(10).unwrap();
    let throughput = measure(&bob, address);
    // Twice the rate leaves room for the bucket's first burst.
    assert!(throughput.gbit_per_second() < 0.02, "{throughput:?}");
}

#[test]
fn a_host_that_roams_has_the_new_address_and_not_the_old() {
    let lab = Lab::new("roam").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let bob = lab.public_host("bob").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let (a, b) = (udp(&alice), udp_any(&bob));
    let old = (bob.ipv4(), bob.ipv6());

    bob.link().readdress().unwrap();
    assert!(old.0 != bob.ipv4() && old.1 != bob.ipv6());
    send(&b, "readdressed", at(alice.ipv4()));
    assert_eq!(receive(&a), ("readdressed".to_owned(), at(bob.ipv4())));
    let bound = bob.in_namespace(|| UdpSocket::bind((old.0, 0))).unwrap();
    assert_eq!(bound.unwrap_err().kind(), ErrorKind::AddrNotAvailable);

    bob.link().move_to(nat.lan()).unwrap();
    send(&b, "moved", at(alice.ipv4()));
    assert_eq!(receive(&a), ("moved".to_owned(), at(nat.public_ipv4())));
}

#[test]
fn a_pulled_cable_carries_nothing_until_it_is_back() {
    let lab = Lab::new("cable").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let bob = lab.public_host("bob").unwrap();
    let (a, b) = (udp(&alice), udp(&bob));
    let carrier = || {
        let show = bob.run(bob.command("ip").args(["link", "show", "eth0"]), DEADLINE);
        !String::from_utf8(show.unwrap().stdout).unwrap().contains("NO-CARRIER")
    };
    // Makes alice know where bob is: to an unknown neighbour a datagram would wait at the sender.
    send(&b, "before", at(alice.ipv4()));
    assert_eq!(receive(&a).0, "before");
    send(&a, "before", at(bob.ipv4()));
    assert_eq!(receive(&b).0, "before");

    bob.link().pull().unwrap();
    wait_until(DEADLINE, "the carrier to go", || (!carrier()).then_some(())).unwrap();
    send(&a, "pulled", at(bob.ipv4()));
    bob.link().restore().unwrap();
    wait_until(DEADLINE, "the carrier to come", || carrier().then_some(())).unwrap();
    send(&b, "restored", at(alice.ipv4()));
    assert_eq!(receive(&a).0, "restored");
    send(&a, "restored", at(bob.ipv4()));
    assert_eq!(receive(&b).0, "restored");
}

#[test]
fn programs_in_a_host_have_its_files_and_its_network() {
    let lab = Lab::new("files").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let machine = fs::read("/etc/hosts").unwrap();
    let see = |file: &str| {
        let output = bob.run(bob.command("cat").arg(file), DEADLINE).unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let router = nat.lan().router().unwrap();
    assert!(see("/etc/resolv.conf").contains(&format!("nameserver {router}")));
    let script = "echo 198.51.100.9 wiki.bob.home.alt >> /etc/hosts; getent hosts wiki.bob.home.alt";
    let output = bob.run(bob.command("sh").args(["-c", script]), DEADLINE).unwrap();
    assert!(output.stdout.starts_with(b"198.51.100.9"), "{output:?}");
    assert!(fs::read_to_string(bob.etc_file("hosts")).unwrap().contains("wiki.bob"));
    assert_eq!(fs::read("/etc/hosts").unwrap(), machine);
    assert!(see("/proc/net/route").contains("eth0"));
}

#[test]
fn a_program_that_does_not_end_is_killed_and_the_error_has_its_words() {
    let lab = Lab::new("deadline").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let script = "echo stuck here >&2; echo $$; exec sleep 600";
    let mut process = alice.spawn("stuck", alice.command("sh").args(["-c", script])).unwrap();
    let pid: u32 = alice.wait_until(DEADLINE, "its pid", || process.stdout().trim().parse().ok()).unwrap();
    assert_eq!(process.pid(), pid);
    let error = process.wait_for_end(Duration::ZERO).unwrap_err();
    assert!(format!("{error:#}").contains("stuck here"), "{error:#}");
    let error = lab.wait_until(Duration::ZERO, "the impossible", || None::<()>).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("the impossible") && text.contains("stuck here"), "{text}");
    drop(process);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let error = alice
        .run(alice.command("sh").args(["-c", "echo on my way; sleep 600"]), Duration::from_millis(200))
        .unwrap_err();
    assert!(format!("{error:#}").contains("sleep 600"), "{error:#}");
}

#[test]
fn a_page_is_fetched_and_throughput_measured_between_hosts() {
    let lab = Lab::new("tools").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let nat = lab.nat(NatKind::Home, "nat").unwrap();
    let bob = nat.host("bob").unwrap();
    let (page, bulk) = (SocketAddr::from((alice.ipv6().unwrap(), 80)), at(alice.ipv4()));
    serve(&alice, move || tools::serve_page(page, "a page of alice\n"));
    serve(&alice, move || tools::serve_bulk(bulk));
    let carol = lab.public_host("carol").unwrap();
    let fetched = wait_until(DEADLINE, "the page", || {
        let url = format!("http://[{}]/index", alice.ipv6()?);
        carol.in_namespace(|| tools::fetch(&url)).unwrap().ok()
    })
    .unwrap();
    assert_eq!((fetched.status, fetched.from), (200, page));
    assert_eq!(fetched.body, "a page of alice\n");
    assert!(measure(&bob, bulk).bytes > 0);
    for refused in ["https://alice/", "alice", "http://"] {
        assert!(tools::fetch(refused).is_err(), "{refused}");
    }
}

#[test]
fn a_daemon_is_started_asked_killed_and_stopped() {
    let lab = Lab::new("daemon").unwrap();
    let alice = lab.public_host("alice").unwrap();
    let (program, state) = (stand_in(lab.directory()), lab.directory().join("state"));
    fs::create_dir(&state).unwrap();
    let mut daemon = Daemon::start(&alice, &program, &state, &["--extra"]).unwrap();
    daemon.wait_ready(DEADLINE).unwrap();
    assert!(daemon.up().is_err());
    assert_eq!(daemon.json(&["status"]).unwrap()["schema"], 1);
    let refusal = format!("{:#}", daemon.json(&["refuse"]).unwrap_err());
    assert!(refusal.contains("refused, and why"), "{refusal}");
    assert_eq!(daemon.cli(&["refuse"]).unwrap().status.code(), Some(1));
    assert!(daemon.rss_kib().unwrap() > 0);
    assert!(daemon.cpu_seconds().unwrap() >= 0.0);
    assert_eq!(daemon.kill9().unwrap().signal(), Some(SIGKILL));
    assert!(daemon.rss_kib().is_err());

    daemon.up().unwrap();
    daemon.wait_ready(DEADLINE).unwrap();
    daemon.restart().unwrap();
    daemon.wait_ready(DEADLINE).unwrap();
    assert!(daemon.terminate().unwrap().success());

    let mut broken = Daemon::start(&alice, &program, &state, &["--broken"]).unwrap();
    let error = broken.wait_ready(DEADLINE).unwrap_err();
    assert!(format!("{error:#}").contains("broken on purpose"), "{error:#}");
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program with the daemon's command line, for tests of the wrapper alone.
fn stand_in(directory: &Path) -> PathBuf {
    const SCRIPT: &str = r#"#!/bin/sh
state=$2; verb=$3; option=$4
case "$verb $option" in
  "up --extra") trap 'rm -f "$state/ready"; exit 0' TERM; : > "$state/ready"
                while :; do sleep 0.05; done ;;
  "up --broken") rm -f "$state/ready"; echo "broken on purpose" >&2; exit 1 ;;
  "status --check") test -f "$state/ready" ;;
  "status --json") echo '{"schema":1}' ;;
  *) echo "refused, and why" >&2; exit 1 ;;
esac
"#;
    let path = directory.join("stand-in");
    fs::write(&path, SCRIPT).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn exists(host: &Host) -> bool {
    Path::new("/run/netns").join(host.namespace()).exists() || Path::new("/etc/netns").join(host.namespace()).exists()
}

fn at(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::from((address, PORT))
}

fn udp(host: &Host) -> UdpSocket {
    udp_at(host, PORT)
}

fn udp_at(host: &Host, port: u16) -> UdpSocket {
    bind_to(host, SocketAddr::from((host.ipv4(), port)))
}

fn udp_any(host: &Host) -> UdpSocket {
    bind_to(host, at(Ipv4Addr::UNSPECIFIED))
}

fn bind(host: &Host, address: IpAddr) -> UdpSocket {
    bind_to(host, SocketAddr::new(address, PORT))
}

fn bind_to(host: &Host, address: SocketAddr) -> UdpSocket {
    let socket = host.in_namespace(|| UdpSocket::bind(address)).unwrap().unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

fn send(socket: &UdpSocket, text: &str, to: SocketAddr) {
    socket.send_to(text.as_bytes(), to).unwrap();
}

fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 64];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
}

/// Runs a server in `host` for the rest of the test's process.
fn serve(host: &Host, server: impl FnOnce() -> anyhow::Result<()> + Send + 'static) {
    host.in_namespace(|| thread::spawn(server)).unwrap();
}

fn measure(host: &Host, address: SocketAddr) -> tools::Throughput {
    wait_until(DEADLINE, "the bulk server", || {
        let duration = Duration::from_millis(500);
        let measured = host.in_namespace(|| tools::measure_bulk(address, duration));
        measured.unwrap().ok()
    })
    .unwrap()
}
