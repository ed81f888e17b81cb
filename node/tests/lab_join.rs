//! Joining by invite, and what ends a membership: three real daemons in namespaces.
//!
//! Needs root and the programs `ip`, `nft` and `ping`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Host, Lab, NatKind};
use stage::{DATA_PORT, DEADLINE, Home, Machine, Refusal, founder, let_pass, member};

#[test]
fn three_machines_join_by_invite_and_reach_each_other() {
    let lab = Lab::new("join").unwrap();
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| lab.public_host(name).unwrap());
    let alice = founder(&lab, &alice, "");
    let mut machines = vec![alice];
    for host in [&bob, &carol] {
        let mut machine = Machine::new(&lab, host);
        machine.start();
        let token = machines[0].invite(&["--name", host.name()]);
        let start = Instant::now();
        let joined = machine.ask(&["join", &token]);
        for before in &machines {
            // Once, without a further try: names are answered when `join` returns.
            let name = format!("{}.home.alt", before.host().name());
            let answer = machine.ask(&["dns", "query", &name]);
            assert!(answer.to_string().contains(&before.address().to_string()), "{}: {answer:#}", host.name());
        }
        let (_, waited) = machine.wait_ping("alice");
        println!(
            "{}: join told {} ms, first ping {:?} after the start of join ({waited:?} after its end)",
            host.name(),
            joined["elapsed_ms"],
            start.elapsed()
        );
        assert_eq!(joined["fqdn"], format!("{}.home.alt", host.name()));
        machines.push(machine);
    }
    let [alice, bob, carol] = &machines[..] else { panic!("three machines") };
    for (machine, others) in [(alice, ["bob", "carol"]), (bob, ["alice", "carol"]), (carol, ["alice", "bob"])] {
        machine.wait("two peers", || (machine.peer_names() == others).then_some(()));
        for name in others {
            machine.wait_direct(name);
            let peer = machine.peer(name).unwrap();
            assert_eq!(peer["online"], true, "{peer:#}");
            assert_eq!(peer["fqdn"], format!("{name}.home.alt"));
        }
    }
    assert!(carol.reaches(bob.address()), "the system's own ping");
    let rights = alice.network()["rights"].clone();
    assert!(["issue", "admin"].iter().all(|right| rights.as_array().unwrap().contains(&(*right).into())), "{rights}");
    let chain = carol.ask(&["certificate", "show", "bob"]);
    assert_eq!(chain["certificate"]["name"], "bob");
    let invites = alice.ask(&["invites"]);
    assert!(invites["invites"].as_array().unwrap().iter().all(|invite| invite["state"] == "spent"), "{invites:#}");
    secrets_are_nowhere(&machines);
    for machine in &machines {
        println!("{}: {} KiB resident", machine.host().name(), machine.daemon.rss_kib().unwrap());
    }
}

/// No log and no document has anything of an invite; no key is in a status.
fn secrets_are_nowhere(machines: &[Machine]) {
    for machine in machines {
        let process = machine.daemon.process().unwrap();
        let documents = [machine.ask(&["status"]), machine.ask(&["events"]), machine.ask(&["peers"])];
        let said = format!("{}{}{documents:?}", process.stdout(), process.stderr());
        assert!(!said.contains("holloway1"), "an invite was shown");
        let arguments = std::fs::read(format!("/proc/{}/cmdline", process.pid())).unwrap();
        assert!(!String::from_utf8_lossy(&arguments).contains("holloway1"));
    }
}

#[test]
fn a_machine_joins_without_a_running_daemon_and_runs_afterwards() {
    let lab = Lab::new("bare").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut bob = Machine::new(&lab, &lab.public_host("bob").unwrap());
    let token = alice.invite(&["--name", "bob"]);
    let before = bob.kernel_state();
    let joined = bob.ask(&["join", &token]);
    assert_eq!(joined["name"], "bob");
    assert_eq!(bob.kernel_state(), before, "a command leaves no interface");
    assert_eq!(bob.refusal(&["status"]).exit, 3);
    bob.start();
    bob.wait_ping("alice");
    alice.wait_ping("bob");
}

#[test]
fn every_useless_invite_is_refused_for_its_own_reason_and_changes_nothing() {
    let lab = Lab::new("refused").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let guest_host = lab.public_host("guest").unwrap();
    let mut guest = Machine::new(&lab, &guest_host);
    guest.configure("");
    let mut used = Machine::new(&lab, &lab.public_host("bob").unwrap());

    let spent = alice.invite(&[]);
    used.start();
    used.ask(&["join", &spent, "--name", "bob"]);

    let withdrawn = alice.ask(&["invite"]);
    alice.ask(&["invite", "revoke", withdrawn["id"].as_str().unwrap()]);
    let withdrawn = withdrawn["token"].as_str().unwrap().to_owned();

    let expired = alice.invite(&["--expires", "1s"]);
    let taken = alice.invite(&[]);
    alice.wait("an invite to expire", || {
        let invites = alice.ask(&["invites"]);
        invites["invites"].as_array().unwrap().iter().any(|invite| invite["state"] == "expired").then_some(())
    });
    let malformed = format!("{}a", alice.invite(&[]));

    for (daemon, line) in [("without a daemon", false), ("with a daemon", true)] {
        if line {
            guest.start();
        }
        let before = names_of(&guest);
        for (code, token) in [
            ("invite_spent", &spent),
            ("invite_withdrawn", &withdrawn),
            ("invite_expired", &expired),
            ("invite_malformed", &malformed),
        ] {
            let refusal = guest.refusal(&["join", token, "--name", "guest"]);
            println!("{daemon}: {code}: {} ({})", refusal.message, refusal.hint);
            assert_eq!((refusal.code.as_str(), refusal.exit), (code, 1), "{}", refusal.message);
            assert!(!refusal.hint.is_empty());
            assert_eq!(names_of(&guest), before, "{code}: nothing changes");
        }
        let refusal = guest.refusal(&["join", &taken, "--name", "bob"]);
        assert_eq!(refusal.code, "name_taken", "{}", refusal.message);
        assert_eq!(names_of(&guest), before);
    }
    assert_eq!(alice.peer_names(), ["bob"]);

    // An invite for one name is not redeemed under another.
    let named = alice.invite(&["--name", "carol"]);
    assert_eq!(guest.refusal(&["join", &named, "--name", "guest"]).code, "name_invalid");

    // The name can be chosen anew: the refusal has not spent the invite.
    guest.ask(&["join", &taken, "--name", "guest"]);
    assert_eq!(guest.refusal(&["join", &alice.invite(&[])]).code, "already_member");

    a_foreign_invite_is_refused(&lab, &mut alice);
}

/// What is in the state directory, by name.
fn names_of(machine: &Machine) -> Vec<String> {
    let names = machine.state_listing().into_iter().map(|(path, _)| path.display().to_string());
    // Made by any command, holding nothing: the lock, the store, the socket.
    let own = ["lock", "holloway.db", "api.sock", "networks"];
    names.filter(|name| !own.iter().any(|own| name.ends_with(own))).collect()
}

/// An invite of another network that leads to this issuer: the machine there is somebody else.
fn a_foreign_invite_is_refused(lab: &Lab, alice: &mut Machine) {
    let mallory = founder(lab, &lab.public_host("mallory").unwrap(), "");
    let door = format!("{}:42042", alice.host().ipv4());
    let token = mallory.invite(&["--name", "eve", "--bootstrap", &door]);
    let eve = Machine::new(lab, &lab.public_host("eve").unwrap());
    let refusal = eve.refusal(&["join", &token]);
    println!("foreign: {}: {}", refusal.code, refusal.message);
    assert!(["issuer_unreachable", "invite_wrong_network"].contains(&refusal.code.as_str()), "{}", refusal.code);
    assert!(!alice.peer_names().contains(&"eve".to_owned()));
}

#[test]
fn a_waiting_join_succeeds_when_the_issuer_comes_up() {
    let lab = Lab::new("wait").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let bob = Machine::new(&lab, &lab.public_host("bob").unwrap());
    let token = alice.invite(&["--name", "bob"]);
    alice.daemon.terminate().unwrap();

    let refusal = bob.refusal(&["join", &token]);
    assert_eq!((refusal.code.as_str(), refusal.exit), ("issuer_unreachable", 1), "{}", refusal.message);
    assert!(refusal.hint.contains("--wait"), "{}", refusal.hint);

    let mut waiting = bob.host().spawn("join", bob.command().args(["join", &token, "--wait"])).unwrap();
    alice.start();
    let status = waiting.wait_for_end(DEADLINE).unwrap();
    assert!(status.success(), "{}", waiting.stderr());
    alice.wait("bob to be a member", || alice.peer("bob"));
}

#[test]
fn of_fifty_simultaneous_redemptions_of_one_invite_one_succeeds() {
    /// As in the promise (P17).
    const REDEEMERS: usize = 50;
    let lab = Lab::new("fifty").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let hosts: Vec<Host> = (0..5).map(|number| lab.public_host(&format!("host{number}")).unwrap()).collect();
    let token = alice.invite(&["--name", "guest"]);
    let redeemers: Vec<Machine> = (0..REDEEMERS)
        .map(|number| Machine::with_state(&hosts[number % hosts.len()], &lab.directory().join(format!("s{number}"))))
        .collect();
    let start = Instant::now();
    let outputs: Vec<_> = thread::scope(|scope| {
        // On a machine that others use too the issuer may take longer than one try waits.
        let join = |machine: &Machine| machine.run(&["join", "--wait", &token, "--json"]);
        let threads: Vec<_> = redeemers.iter().map(|machine| scope.spawn(move || join(machine))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for output in &outputs {
        let outcome = if output.status.success() { "member".to_owned() } else { Refusal::of(output).code };
        *outcomes.entry(outcome).or_default() += 1;
    }
    println!("50 redemptions in {:?}: {outcomes:?}", start.elapsed());
    let expected = BTreeMap::from([("member".to_owned(), 1), ("invite_spent".to_owned(), REDEEMERS - 1)]);
    assert_eq!(outcomes, expected);
    assert_eq!(alice.peer_names(), ["guest"]);

    alice.daemon.kill9().unwrap();
    alice.start();
    assert_eq!(alice.peer_names(), ["guest"], "after a crash, too");
    let late = Machine::with_state(&hosts[0], &lab.directory().join("late"));
    assert_eq!(late.refusal(&["join", &token]).code, "invite_spent");

    // The one that is in may ask again: it has lost nothing.
    let winner = outputs.iter().position(|output| output.status.success()).unwrap();
    assert_eq!(redeemers[winner].refusal(&["join", &token]).code, "already_member");
}

#[test]
fn a_block_holds_for_one_machine_and_a_revocation_for_all_and_for_ever() {
    let Home { lab, mut alice, mut bob, mut carol } = Home::new("revoke", "");
    for (machine, other) in [(&alice, "bob"), (&bob, "carol"), (&carol, "bob"), (&bob, "alice")] {
        machine.wait_ping(other);
    }
    let (alice_address, bob_address) = (alice.address(), bob.address());

    // A block: carol's machine only.
    carol.ask(&["block", "bob"]);
    carol.wait("bob to be cut off", || (!carol.reaches(bob_address)).then_some(()));
    assert!(!bob.reaches(carol.address()) && bob.reaches(alice_address));
    carol.daemon.kill9().unwrap();
    carol.start();
    assert!(!bob.reaches(carol.address()), "a block outlives a crash");
    carol.ask(&["unblock", "bob"]);
    carol.wait("bob to be back", || carol.reaches(bob_address).then_some(()));

    // A revocation while carol is away.
    carol.daemon.terminate().unwrap();
    let start = Instant::now();
    alice.ask(&["revoke", "bob"]);
    alice.wait("bob to be gone", || (!alice.reaches(bob_address)).then_some(()));
    println!("revoked: traffic stopped after {:?}", start.elapsed());
    assert!(!bob.reaches(alice_address));
    bob.wait("bob to know", || {
        let events = bob.ask(&["events"]);
        events["events"].as_array().unwrap().iter().any(|event| event["kind"] == "expelled").then_some(())
    });
    assert_eq!(bob.refusal(&["invite"]).code, "permission_denied", "he admits nobody any more");
    alice.wait("bob to be forgotten", || alice.peer("bob").is_none().then_some(()));

    // She learns of it when she is back, and lets nothing of his through.
    carol.start();
    carol.wait("carol to know", || (carol.peer("bob").is_none() && carol.peer("alice").is_some()).then_some(()));
    println!("carol, who was away, knew {:?} after the revocation", start.elapsed());
    assert!(!bob.reaches(carol.address()) && !carol.reaches(bob_address));

    // Nobody's restart brings him back.
    for machine in [&mut alice, &mut carol, &mut bob] {
        machine.daemon.terminate().unwrap();
    }
    for machine in [&mut alice, &mut carol, &mut bob] {
        machine.start();
    }
    carol.wait_ping("alice");
    assert!(!bob.reaches(alice_address) && !carol.reaches(bob_address));
    assert_eq!(alice.peer_names(), ["carol"]);
    assert_eq!(carol.peer_names(), ["alice"]);
    assert_eq!(alice.network()["revoked"], 1);
    drop(lab);
}

#[test]
fn a_late_joiner_learns_everyone_and_one_who_was_away_catches_up() {
    let Home { lab, mut alice, mut bob, carol } = Home::new("late", "");
    bob.wait_ping("carol");
    bob.daemon.terminate().unwrap();
    let dave = member(&lab, &alice, &lab.public_host("dave").unwrap(), "");
    let start = Instant::now();
    dave.wait("dave to know all", || (dave.peer_names() == ["alice", "bob", "carol"]).then_some(()));
    println!("dave knew everyone {:?} after his join", start.elapsed());
    dave.wait_ping("carol");
    let start = Instant::now();
    bob.start();
    bob.wait("bob to hear of dave", || bob.peer("dave"));
    bob.wait_ping("dave");
    println!("bob, who was away, reached dave {:?} after his start", start.elapsed());

    // Control does not hang on the founder: she stops, and the others find each other again after a restart of one.
    alice.daemon.terminate().unwrap();
    bob.daemon.restart().unwrap();
    bob.wait_live();
    bob.wait_ping("dave");
    drop(carol);
}

#[test]
fn who_leaves_forgets_the_network_and_may_come_again_by_a_new_invite() {
    let lab = Lab::new("leave").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let host = lab.public_host("bob").unwrap();
    let bare = Machine::new(&lab, &host);
    let before = bare.kernel_state();
    let bob = member(&lab, &alice, &host, "");
    bob.wait_ping("alice");
    let files = bob.name_files();
    assert_eq!(bob.refusal(&["leave", "home"]).exit, 2, "without --yes and without a terminal");
    bob.ask(&["leave", "home", "--yes"]);
    bob.wait("the interface to go", || (bob.kernel_state() == before).then_some(()));
    assert_eq!(bob.ask(&["status"])["state"], "waiting");
    assert!(!bob.state().join("networks/home").exists(), "keys are gone");
    assert_ne!(files[0], b"", "there was something to take back");
    let token = alice.invite(&["--name", "bob2"]);
    bob.ask(&["join", &token]);
    bob.wait_ping("alice");
    bob.ask(&["leave", "home", "--yes"]);
    bob.ask(&["create", "own", "--name", "bob"]);
    assert_eq!(bob.network()["fqdn"], "bob.own.alt");
}

#[test]
fn an_issuer_behind_a_router_is_reached_by_the_relay_that_its_invite_names() {
    let lab = Lab::new("issuer-nat").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let boxes = ["nat-bob", "nat-carol"].map(|name| lab.nat(NatKind::Symmetric, name).unwrap());
    let mut bob = Machine::new(&lab, &boxes[0].host("bob").unwrap());
    bob.start();
    bob.ask(&["join", &alice.invite(&["--name", "bob", "--right", "issue"])]);
    bob.wait("a home relay", || bob.network()["home_relay"]["name"].as_str().map(str::to_owned));
    let mut carol = Machine::new(&lab, &boxes[1].host("carol").unwrap());
    carol.start();
    let start = Instant::now();
    let joined = carol.ask(&["join", &bob.invite(&["--name", "carol"])]);
    println!("joined through a relay in {:?}", start.elapsed());
    assert_eq!(joined["issuer"], "bob.home.alt", "{joined:#}");
    carol.wait_ping("bob");
    assert!(carol.peer_names().contains(&"alice".to_owned()));
}

/// The port of the data path is among those that the system gives to anyone.
#[test]
fn a_port_that_is_taken_costs_no_invite_and_one_that_is_taken_for_a_moment_nothing() {
    let lab = Lab::new("port").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let host = lab.public_host("bob").unwrap();
    let mut bob = Machine::new(&lab, &host);
    bob.start();
    let token = alice.invite(&["--name", "bob"]);
    let taken = || host.in_namespace(|| UdpSocket::bind(("0.0.0.0", DATA_PORT))).unwrap().unwrap();

    let held = taken();
    let refusal = bob.refusal(&["join", &token]);
    assert!(refusal.message.contains(&DATA_PORT.to_string()) && refusal.hint.contains("ss -tulpn"), "{refusal:?}");
    let invites = alice.ask(&["invites"]);
    assert_eq!(invites["invites"][0]["state"], "unspent", "{invites:#}");
    drop(held);

    let held = taken();
    thread::scope(|scope| {
        scope.spawn(|| {
            let_pass(Duration::from_millis(300));
            drop(held);
        });
        bob.ask(&["join", &token]);
    });
    alice.wait_ping("bob");
}

#[test]
fn a_machine_waits_for_approval_and_is_let_in_by_the_command_that_status_names() {
    let lab = Lab::new("approval").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut bob = Machine::new(&lab, &lab.public_host("bob").unwrap());
    bob.start();
    let token = alice.invite(&["--approval"]);
    let join = ["join", &token, "--name", "bob"];
    assert_eq!(bob.refusal(&join).code, "approval_pending");
    let waiting = alice.ask(&["invites"])["invites"][0]["applicant"].clone();
    assert_eq!(waiting["name"], "bob");
    let attention = alice.ask(&["status"])["attention"][0].clone();
    assert!(attention["what"].as_str().unwrap().starts_with("bob waits to be approved"), "{attention}");
    let command: Vec<&str> = attention["command"].as_str().unwrap().split(' ').skip(1).collect();
    assert_eq!(alice.ask(&command)["node_id"], waiting["node_id"]);

    // What was acknowledged holds after a crash, and for the same key.
    alice.daemon.kill9().unwrap();
    alice.start();
    let rival = member_in_vain(&lab, &token);
    assert_eq!(rival, "invite_spent");
    bob.ask(&join);
    assert_eq!(bob.network()["node_id"], waiting["node_id"]);
    bob.wait_ping("alice");
}

#[test]
fn who_waits_for_approval_waits_while_the_issuer_is_away() {
    let lab = Lab::new("patience").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut bob = Machine::new(&lab, &lab.public_host("bob").unwrap());
    bob.start();
    let token = alice.invite(&["--approval"]);
    let join = ["join", &token, "--name", "bob"];
    let mut waiting = bob.host().spawn("join", bob.command().args(join)).unwrap();
    bob.wait("the word that it waits", || waiting.stderr().contains("Waiting").then_some(()));
    alice.daemon.terminate().unwrap();
    // The one that waits asks every few seconds and is served in its turn: it was refused, too, before this is over.
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(20) {
        assert_eq!(bob.refusal(&join).code, "issuer_unreachable");
    }
    alice.start();
    // Who waits is known from its asking, and forgotten with the process that was asked.
    let invite = alice.wait("bob to ask again", || {
        let invite = alice.ask(&["invites"])["invites"][0].clone();
        (!invite["applicant"].is_null()).then_some(invite)
    });
    alice.ask(&["invite", "approve", invite["id"].as_str().unwrap()]);
    let status = waiting.wait_for_end(DEADLINE).unwrap();
    assert!(status.success(), "{}", waiting.stderr());
    bob.wait_ping("alice");
}

/// What becomes of another machine with the same invite.
fn member_in_vain(lab: &Lab, token: &str) -> String {
    let mut rival = Machine::new(lab, &lab.public_host("rival").unwrap());
    rival.start();
    rival.refusal(&["join", token, "--name", "eve"]).code
}
