//! A daemon from its first start to its end: what it says, and who may say what to it.
//!
//! Needs root and the programs `ip` and `nft`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use holloway_simnet::lab::{Daemon, Lab};
use stage::{DATA_PORT, DEADLINE, INTERFACE, Machine, founder, member, program};

#[test]
fn a_daemon_without_a_network_waits_for_one_and_goes_on_request() {
    let lab = Lab::new("waits").unwrap();
    let mut alice = Machine::new(&lab, &lab.public_host("alice").unwrap());
    let before = (alice.kernel_state(), alice.name_files());
    alice.start();
    let status = alice.ask(&["status"]);
    assert_eq!((&status["schema"], &status["state"]), (&1.into(), &"waiting".into()));
    assert!(status["attention"][0]["command"].as_str().unwrap().starts_with("holloway "), "{status:#}");
    assert_eq!(alice.refusal(&["invite"]).code, "no_network");
    alice.ask(&["create", "home", "--name", "alice"]);
    let status = alice.ask(&["status"]);
    assert_eq!(status["state"], "ready");
    let network = &status["networks"][0];
    assert_eq!((&network["label"], &network["fqdn"]), (&"home".into(), &"alice.home.alt".into()));
    assert_eq!(network["interface"], INTERFACE);
    for field in ["id", "prefix", "address", "node_id", "rights", "control", "home_relay", "peers"] {
        assert!(network.get(field).is_some(), "{field} in {network:#}");
    }
    let socket = alice.state().join("api.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    alice.ask(&["down"]);
    assert!(!socket.exists());
    assert_eq!((alice.kernel_state(), alice.name_files()), before);
    assert_eq!(alice.refusal(&["down"]).exit, 3);
}

#[test]
fn a_daemon_in_the_background_is_ready_when_the_command_returns() {
    let lab = Lab::new("detach").unwrap();
    let alice = Machine::new(&lab, &lab.public_host("alice").unwrap());
    alice.ask(&["create", "home", "--name", "alice"]);
    let started = alice.ask(&["up", "--detach", "--wait-ready"]);
    assert!(started["pid"].as_u64().is_some(), "{started}");
    assert!(alice.succeeds(&["status", "--check", "ready"]));
    assert_eq!(alice.refusal(&["up", "--detach"]).exit, 1, "it runs already");
    assert!(alice.succeeds(&["down"]));
    assert_eq!(alice.refusal(&["status"]).exit, 3);
}

#[test]
fn invites_are_one_word_on_stdout_and_can_be_listed_and_withdrawn() {
    let lab = Lab::new("invites").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    assert_eq!(alice.refusal(&["invite", "--name", "a\nb"]).code, "name_invalid");
    let output = alice.run(&["invite", "--name", "bob", "--right", "relay", "--group", "family", "--expires", "1h"]);
    let word = String::from_utf8(output.stdout).unwrap();
    assert!(word.trim_end().chars().all(|c| c.is_ascii_alphanumeric()) && word.starts_with("holloway1"), "{word:?}");
    let invites = alice.ask(&["invites"])["invites"].clone();
    assert_eq!(invites.as_array().unwrap().len(), 1, "a refused one is not made: {invites:#}");
    assert_eq!((&invites[0]["name"], &invites[0]["state"]), (&"bob".into(), &"unspent".into()));
    let id = invites[0]["id"].as_str().unwrap();
    alice.ask(&["invite", "revoke", id]);
    assert_eq!(alice.ask(&["invites"])["invites"][0]["state"], "withdrawn");
    assert_eq!(alice.refusal(&["invite", "revoke", "nonsense"]).code, "not_found");
}

#[test]
fn of_two_networks_on_one_machine_one_must_be_named() {
    let lab = Lab::new("two").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let guest = lab.public_host("guest").unwrap();
    alice.ask(&["create", "work", "--name", "alice"]);
    let refusal = alice.refusal(&["invite"]);
    assert_eq!((refusal.code.as_str(), refusal.exit), ("network_required", 2));
    let token = alice.invite(&["--network", "work", "--name", "guest"]);
    let mut guest = Machine::new(&lab, &guest);
    guest.start();
    assert_eq!(guest.ask(&["join", &token])["fqdn"], "guest.work.alt");
    guest.wait_ping("alice.work.alt");
    let interfaces = alice.tool_text("ip", &["-o", "link", "show"]);
    assert!(interfaces.contains("hollow0") && interfaces.contains("hollow1"), "{interfaces}");
    alice.ask(&["leave", "work", "--yes"]);
    assert_eq!(alice.network()["label"], "home");
}

#[test]
fn no_log_at_any_level_shows_an_invite_or_a_key() {
    let lab = Lab::new("secrets").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let host = lab.public_host("bob").unwrap();
    let state = lab.directory().join("state-bob");
    let mut bob = Machine { daemon: Daemon::stopped(&host, program(), &state, &["--log", "trace"]) };
    bob.start();
    let token = alice.invite(&["--name", "bob"]);
    bob.ask(&["join", &token]);
    bob.wait_ping("alice");
    let refused = bob.run(&["join", &token, "--log", "trace"]);
    let process = bob.daemon.process().unwrap();
    let said = [process.stdout(), process.stderr(), String::from_utf8_lossy(&refused.stderr).into_owned()].concat();
    assert!(said.len() > 1000, "it did log");
    let environment = fs::read(format!("/proc/{}/environ", process.pid())).unwrap();
    let place = "holloway1".len();
    let secrets =
        token.as_bytes()[place..].windows(40).step_by(20).map(|part| String::from_utf8_lossy(part).into_owned());
    for secret in secrets.chain(["identity.key", "static.key"].into_iter().flat_map(|name| spellings(&bob, name))) {
        assert!(!said.contains(&secret), "a log has {secret}");
        assert!(!String::from_utf8_lossy(&environment).contains(&secret));
    }
}

/// A key as its file has it, if that is text, and in hexadecimal.
fn spellings(machine: &Machine, name: &str) -> Vec<String> {
    let bytes = fs::read(machine.state().join("networks/home").join(name)).unwrap();
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    text.into_iter().chain([hexadecimal]).collect()
}

#[test]
fn strangers_get_no_answer_from_the_data_port_and_members_do_not_notice_them() {
    const PROBES: u32 = 3000;
    let lab = Lab::new("strangers").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), "");
    bob.wait_ping("alice");
    let stranger = lab.public_host("stranger").unwrap();
    let socket = stranger.in_namespace(|| UdpSocket::bind("0.0.0.0:0")).unwrap().unwrap();
    let target = (alice.host().ipv4(), DATA_PORT);
    for number in 0..PROBES {
        let length = [0, 1, 4, 31, 32, 116, 148, 149, 1200, 1472, 20_000][number as usize % 11];
        let mut probe = vec![(number % 251) as u8; length];
        if let Some(first) = probe.first_mut() {
            *first = (number / 11 % 32) as u8;
        }
        socket.send_to(&probe, target).unwrap();
    }
    bob.wait_ping("alice");
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 2048]).is_err(), "a stranger got an answer");
    let dropped: u64 =
        alice.network()["drops"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    println!("{dropped} of {PROBES} probes counted as dropped; waited at most {DEADLINE:?}");
    assert!(dropped > 0);
}
