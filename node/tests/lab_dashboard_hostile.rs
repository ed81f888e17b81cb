//! The pages in a real browser that has signed in, and what others try against them: sites of other origins, a domain
//! whose name server gives this machine's address for it, and texts that members choose.
//!
//! Needs root, the programs `ip` and `nft`, Chromium, and Node with what `dashboard/web` asks for (`make web`).
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]

mod stage;

use std::fs;
use std::net::Ipv4Addr;

use holloway_simnet::lab::{Host, Lab, Process};
use serde_json::{Value, json};
use stage::browser::{Browser, web};
use stage::{DEADLINE, Machine, founder, member};

/// Where the pages are, for a browser on the machine itself.
const PAGES: &str = "http://127.0.0.1:42080";

/// The same port on any other machine: after the name has turned, origin and address fit together.
const PORT: &str = "42080";

/// Requests that the pages are to have answered, whoever was at the other end.
const CHANGES: [&str; 5] = [
    "POST /api/v1/invites",
    "POST /api/v1/switch",
    "POST /api/v1/dns",
    "POST /api/v1/revocations",
    "POST /api/v1/down",
];

/// Somebody else's site on a host; with another address, it is the name server of its domain, too.
fn strange_site(host: &Host, address: Ipv4Addr, port: &str, turns_to: Option<&str>) -> Process {
    let mut command = host.command("node");
    command.arg(web().join("e2e/mallory.mjs")).args([&address.to_string(), port]).args(turns_to);
    let site = host.spawn("mallory", &mut command).unwrap();
    host.wait_until(DEADLINE, "the strange site", || site.stdout().contains("ready").then_some(())).unwrap();
    site
}

/// What nobody but the admin may change.
fn state(alice: &Machine) -> [Value; 5] {
    let status = alice.ask(&["status"]);
    let members = alice.peer_names();
    [
        alice.ask(&["invites"])["invites"].clone(),
        alice.ask(&["dns", "list"])["records"].clone(),
        json!(members),
        status["on"].clone(),
        json!(status["networks"].as_array().unwrap().len()),
    ]
}

/// Tries everything from the page that is shown now; nothing was to be had, and all that came was refused.
fn assert_attack_fails(browser: &mut Browser, target: &str, refusal: &str) {
    let (tried, _) = browser.ask(&["attack", target]);
    assert_eq!(tried["got"], json!([]), "{target}");
    let answers: Vec<&str> =
        tried["answers"].as_array().unwrap().iter().map(|answer| answer.as_str().unwrap()).collect();
    for change in CHANGES {
        let refused = format!("{change} {refusal}");
        assert!(answers.contains(&refused.as_str()), "{target}: {change} was to be refused: {answers:?}");
    }
    let is_served = |answer: &&&str| answer.contains(" /api/") && !answer.ends_with(refusal);
    let served: Vec<_> = answers.iter().filter(is_served).collect();
    assert!(served.is_empty(), "{target}: {served:?}");
}

#[test]
fn sites_of_others_read_and_change_nothing_in_a_browser_that_has_signed_in() {
    let lab = Lab::new("origins").unwrap();
    let mallory = lab.public_host("mallory").unwrap();
    let host = lab.public_host("alice").unwrap();
    fs::write(host.etc_file("resolv.conf"), format!("nameserver {}\n", mallory.ipv4())).unwrap();
    let alice = founder(&lab, &host, "[dns]\nintegrate = \"off\"\n");
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), "");
    bob.wait_ping("alice");

    let mut browser = Browser::start(&alice);
    browser.ask(&["open", alice.ask(&["dashboard", "--print"])["url"].as_str().unwrap()]);
    let before = state(&alice);

    // Of another site; of another program on this machine, which browsers count as the same site and give the cookie;
    // and of a name that turns into this machine's, so that it has the same origin.
    let _far = strange_site(&mallory, mallory.ipv4(), PORT, Some("127.0.0.1"));
    let _near = strange_site(&host, Ipv4Addr::LOCALHOST, "42090", None);
    browser.ask(&["visit", &format!("http://{}:{PORT}/", mallory.ipv4())]);
    assert_attack_fails(&mut browser, PAGES, "403");
    browser.ask(&["visit", "http://127.0.0.1:42090/"]);
    assert_attack_fails(&mut browser, PAGES, "403");
    let turning = format!("http://kittens.mallory.test:{PORT}");
    browser.ask(&["visit", &format!("{turning}/turn")]);
    // A browser keeps an address for a minute, but not over a change of its network.
    alice.tool_text("ip", &["address", "add", "192.0.2.77/32", "dev", "eth0"]);
    browser.ask(&["turned"]);
    assert_attack_fails(&mut browser, &turning, "421");

    assert_eq!(state(&alice), before);
    browser.ask_in_vain(&["problems"]);
    browser.ask_in_vain(&["name", "wiki"]);
}

#[test]
fn texts_of_members_are_shown_as_they_are_and_do_nothing() {
    /// Fits into what a region may be, and would show.
    const MARKUP: &str = "<b id=owned>Erfurt</b>";
    let lab = Lab::new("texts").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut mallory = Machine::new(&lab, &lab.public_host("mallory").unwrap());
    mallory.configure(&format!("[relay]\nregion = \"{MARKUP}\"\n"));
    mallory.start();
    mallory.ask(&["join", &alice.invite(&["--name", "mallory", "--right", "relay"])]);
    let script = "<script id=owned>fetch('/api/v1/down',{method:'POST'})</script>";
    mallory.ask(&["dns", "add", "wiki", "TXT", &format!("\"{script}\"")]);
    alice.wait_ping("mallory");

    let mut browser = Browser::start(&alice);
    browser.ask(&["open", alice.ask(&["dashboard", "--print"])["url"].as_str().unwrap()]);
    browser.ask_in_vain(&["strangeText", "relays", MARKUP, "#owned"]);
    browser.ask_in_vain(&["strangeText", "names", "<script id=owned>", "#owned"]);
    browser.ask_in_vain(&["problems"]);
    assert!(alice.succeeds(&["status", "--check", "live"]));
}

#[test]
fn the_pages_come_by_tls_to_other_machines_with_the_certificate_that_was_told() {
    let lab = Lab::new("tls").unwrap();
    let host = lab.public_host("alice").unwrap();
    let settings = format!("[dashboard]\nlisten = \"{}:{PORT}\"\nallow_remote = true\n", host.ipv4());
    let alice = founder(&lab, &host, &settings);
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), "");
    bob.wait_ping("alice");

    let link = alice.ask(&["dashboard", "--print"]);
    let mut browser = Browser::start(&bob);
    browser.ask(&["open", link["url"].as_str().unwrap()]);
    let (seen, _) = browser.ask(&["fingerprint"]);
    let told = link["fingerprint"].as_str().unwrap();
    assert_eq!(told.to_lowercase().replace(':', ""), seen.as_str().unwrap());
    browser.ask_in_vain(&["name", "wiki"]);
    browser.ask_in_vain(&["problems"]);
}
