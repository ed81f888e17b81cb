//! The demo: exit code 0, and nothing left behind.
//!
//! Needs root and the programs `ip`, `nft`, `ping` and `curl`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holloway_simnet::lab::wait_until;

/// Far longer than the demo takes.
const DEADLINE: Duration = Duration::from_secs(120);

fn lines(program: &str, arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(program).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Processes of this build, but for this test's own.
fn processes() -> BTreeSet<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let program = fs::canonicalize(env!("CARGO_BIN_EXE_holloway")).unwrap();
    let ours = entries.filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program));
    ours.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn the_demo_holds_in_every_step_and_leaves_nothing() {
    let machine = || (lines("ip", &["-o", "link", "show"]), processes());
    let files = || ["/etc/hosts", "/etc/resolv.conf"].map(|path| fs::read(path).unwrap());
    let before = (machine(), files());
    let start = Instant::now();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_holloway"))
        .arg("demo")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Other labs may come and go meanwhile; this one's names have its pid.
    let own = format!("hw-{}-", demo.id());
    // What it prints fits a pipe.
    let ended = wait_until(DEADLINE, "the demo to end", || demo.try_wait().unwrap());
    if ended.is_err() {
        demo.kill().unwrap();
    }
    let output = demo.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    println!("demo: {:?}\n{said}", start.elapsed());
    assert!(output.status.success(), "{}\n{said}\n{complaint}", output.status);
    assert!(said.contains("wiki.bob.home.alt"), "{said}");
    assert_eq!((machine(), files()), before);
    assert!(!lines("ip", &["netns", "list"]).iter().any(|name| name.starts_with(&own)));
    let temporary = fs::read_dir(std::env::temp_dir()).unwrap().filter_map(Result::ok);
    assert!(!temporary.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(&own)));
}
