//! What was acknowledged is there after a crash; what was not is there wholly or not at all.
//!
//! Needs root and the programs `ip` and `nft`. `HOLLOWAY_PROVE_SCALE` multiplies the number of crashes, up to a hundred.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holloway_simnet::lab::{Lab, signal};
use serde_json::Value;
use stage::{Machine, SIGKILL, founder, let_pass, scale};

/// Crashes of a quick run, and of a full proof.
const CRASHES: u32 = 10;
const CRASHES_MAX: u32 = 100;

/// The crash comes within this time: a few commands long.
const LIFE_MAX_MS: u64 = 400;

/// Where the moments of the crashes come from; the same in every run.
const SEED: u64 = 20_261_120;

/// What clients were told in one life of the daemon.
#[derive(Default)]
struct Told {
    invites: Vec<String>,
    joined: Vec<String>,
    /// Joins without an answer: name and invite's word.
    unsettled: Vec<(String, String)>,
}

#[test]
fn a_daemon_killed_while_it_issues_and_redeems_keeps_what_it_acknowledged() {
    let crashes = (CRASHES * scale()).min(CRASHES_MAX);
    let lab = Lab::new("durability").unwrap();
    let mut alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let guests = lab.public_host("guests").unwrap();
    let guest = |name: &str| Machine::with_state(&guests, &lab.directory().join(format!("guest-{name}")));
    let mut random = SEED;
    let mut invites = BTreeSet::new();
    let mut members = BTreeSet::new();
    let mut ready = Vec::new();
    let mut completed_late = 0;
    println!("{crashes} crashes, seed {SEED}");
    for life in 0..crashes {
        let stock = alice.invite(&["--name", &format!("m{life}")]);
        let told = one_life(&mut alice, &guest, life, stock, next(&mut random) % LIFE_MAX_MS);
        invites.extend(told.invites);
        members.extend(told.joined);
        let start = Instant::now();
        alice.start();
        ready.push(start.elapsed());
        check(&alice, &invites, &members);
        for (name, token) in told.unsettled {
            // The same keys ask again: they are a member now, whatever became of the first answer.
            guest(&name).ask(&["join", &token]);
            members.insert(name);
            completed_late += 1;
        }
    }
    check(&alice, &invites, &members);
    let slowest = ready.iter().max().unwrap();
    println!(
        "{} invites and {} members acknowledged, {completed_late} joins completed after a crash, slowest start {slowest:?}",
        invites.len(),
        members.len(),
    );
    assert!(invites.len() > crashes as usize / 2, "the crashes leave time to acknowledge something");
}

/// Issues and redeems until the daemon is killed, `life_ms` later.
fn one_life(alice: &mut Machine, guest: &impl Fn(&str) -> Machine, life: u32, stock: String, ms: u64) -> Told {
    let over = AtomicBool::new(false);
    let name = format!("m{life}");
    let guest = guest(&name);
    let mut told = Told::default();
    let mut join = guest.host().spawn("join", guest.command().args(["join", &stock])).unwrap();
    thread::scope(|scope| {
        let issuing = scope.spawn(|| issue(alice, life, &over));
        let_pass(Duration::from_millis(ms));
        signal(alice.daemon.process().unwrap().pid(), SIGKILL).unwrap();
        over.store(true, Ordering::Relaxed);
        told.invites = issuing.join().unwrap();
    });
    alice.daemon.kill9().unwrap();
    // Without an issuer it would try for some seconds more; it loses its power, too.
    match join.kill().unwrap().success() {
        true => told.joined.push(name),
        false => told.unsettled.push((name, stock)),
    }
    told
}

fn issue(alice: &Machine, life: u32, over: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0_u32.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("i{life}-{number}");
        let output = alice.run(&["invite", "--name", &name, "--json"]);
        if let Ok(invite) = serde_json::from_slice::<Value>(&output.stdout)
            && output.status.success()
        {
            acknowledged.push(invite["id"].as_str().unwrap().to_owned());
        }
    }
    acknowledged
}

/// What was acknowledged is there, and spent invites and members are the same thing.
fn check(alice: &Machine, invites: &BTreeSet<String>, members: &BTreeSet<String>) {
    let listed = alice.ask(&["invites"]);
    let listed: BTreeMap<&str, &Value> =
        listed["invites"].as_array().unwrap().iter().map(|invite| (invite["id"].as_str().unwrap(), invite)).collect();
    for id in invites {
        assert!(listed.contains_key(id.as_str()), "the acknowledged invite {id} is lost");
    }
    let present: BTreeSet<String> = alice.peer_names().into_iter().collect();
    let lost: Vec<_> = members.difference(&present).collect();
    assert!(lost.is_empty(), "acknowledged members are lost: {lost:?}");
    let spent: BTreeSet<String> = listed
        .values()
        .filter(|invite| invite["state"] == "spent")
        .map(|invite| invite["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(spent, present, "an invite is spent if and only if its member exists");
}

/// A step of splitmix64 (Steele, Lea, Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[test]
fn a_member_killed_while_it_joins_opens_its_store_and_joins_in_the_end() {
    // Not more in a full proof: an issuer takes so many newcomers a minute from one network, and no more.
    let crashes = CRASHES;
    let lab = Lab::new("joiner").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let host = lab.public_host("guests").unwrap();
    let mut random = SEED;
    let mut members_early = 0;
    for number in 0..crashes {
        let name = format!("g{number}");
        let guest = Machine::with_state(&host, &lab.directory().join(&name));
        let token = alice.invite(&["--name", &name]);
        let mut join = host.spawn("join", guest.command().args(["join", &token])).unwrap();
        let_pass(Duration::from_millis(next(&mut random) % LIFE_MAX_MS));
        join.kill().unwrap();
        let output = guest.run(&["join", &token, "--json"]);
        if !output.status.success() {
            assert_eq!(stage::Refusal::of(&output).code, "already_member", "{name}");
            members_early += 1;
        }
        alice.wait("the member", || alice.peer(&name));
    }
    let mut joined = alice.peer_names();
    joined.sort();
    assert_eq!(joined.len(), crashes as usize);
    println!("{crashes} joins killed and done again, {members_early} of them members before the second try");
}
