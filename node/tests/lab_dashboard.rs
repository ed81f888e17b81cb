//! The pages in a real browser, beside a network of one relay and members behind routers.
//!
//! Needs root, the programs `ip` and `nft`, Chromium, and Node with what `dashboard/web` asks for (`make web`).
//! `HOLLOWAY_SCREENSHOTS` names a folder that keeps the pictures.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever reads the test's output")]

mod stage;

use std::process::Stdio;

use holloway_simnet::lab::{Lab, NatKind};
use serde_json::json;
use stage::browser::Browser;
use stage::{Machine, founder, member};

#[test]
fn an_admin_sees_invites_and_revokes_on_the_pages_without_loading_them_anew() {
    let lab = Lab::new("pages").unwrap();
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), "");
    let mut relay = relay(&lab, &alice);
    let members: Vec<Machine> = ["bob", "carol", "dave", "erin", "frank", "grace"]
        .iter()
        .enumerate()
        .map(|(number, name)| {
            let kind = if number % 2 == 0 { NatKind::Home } else { NatKind::Symmetric };
            let router = lab.nat(kind, &format!("router{number}")).unwrap();
            member(&lab, &alice, &router.host(name).unwrap(), "")
        })
        .collect();
    for machine in &members {
        machine.wait_ping("alice");
    }
    wait_for_home(&alice);

    let mut browser = Browser::start(&alice);
    let link = alice.ask(&["dashboard", "--print"]);
    browser.ask(&["open", link["url"].as_str().unwrap()]);
    browser.ask_in_vain(&["look"]);

    let (invite, _) = browser.ask(&["invite", "heidi"]);
    assert_eq!(invite["found"], json!([]));
    let mut heidi = Machine::new(&lab, &lab.public_host("heidi").unwrap());
    heidi.start();
    heidi.ask(&["join", invite["token"].as_str().unwrap()]);
    browser.ask_in_vain(&["joined", "heidi"]);

    let (invite, _) = browser.ask(&["invite", "ivan", "approval"]);
    assert_eq!(invite["found"], json!([]));
    let mut ivan = Machine::new(&lab, &lab.public_host("ivan").unwrap());
    ivan.start();
    let token = invite["token"].as_str().unwrap();
    assert_eq!(ivan.refusal(&["join", token]).code, "approval_pending");
    let mut joining = ivan.command().args(["join", token]).stdout(Stdio::null()).spawn().unwrap();
    browser.ask_in_vain(&["approve", "ivan"]);
    assert!(joining.wait().unwrap().success());
    ivan.wait_ping("alice");

    browser.ask_in_vain(&["revoke", "heidi"]);
    for machine in members.iter().chain([&alice]) {
        machine.wait("heidi gone", || (!machine.peer_names().contains(&"heidi".to_owned())).then_some(()));
    }

    relay.kill9();
    let (_, took) = browser.ask(&["relay", "relay", "silent"]);
    println!("a relay that was killed was shown as silent after {took} ms");
    browser.ask_in_vain(&["problems"]);
}

#[test]
fn people_sign_in_with_accounts_and_see_what_was_recorded() {
    let lab = Lab::new("accounts").unwrap();
    let places = concat!("[dashboard]\nplaces = \"", env!("CARGO_MANIFEST_DIR"), "/tests/data/places.mmdb\"\n");
    let alice = founder(&lab, &lab.public_host("alice").unwrap(), places);
    let _relay = relay(&lab, &alice);
    let bob = member(&lab, &alice, &lab.public_host("bob").unwrap(), "");
    bob.wait_ping("alice");
    wait_for_home(&alice);
    let relays = alice.ask(&["relays"]);
    let sources = ["own", "relays"].map(|list| relays[list][0]["place"]["source"].clone());
    assert_eq!(sources, ["address", "operator"], "one has said where it is");

    let mut browser = Browser::start(&alice);
    let link = alice.ask(&["dashboard", "--print"]);
    browser.ask(&["open", link["url"].as_str().unwrap()]);
    browser.ask_in_vain(&["history", "relay"]);
    alice.wait("bob's connection on record", || {
        let known = alice.api("connections");
        known["connections"].as_array().unwrap().iter().any(|one| one["name"] == "bob").then_some(())
    });
    browser.ask_in_vain(&["connection", "bob"]);

    browser.ask_in_vain(&["account", "ada", PASSWORD, "admin"]);
    browser.ask_in_vain(&["account", "eve", PASSWORD, "viewer"]);
    browser.ask_in_vain(&["signIn", "ada", PASSWORD]);
    browser.ask_in_vain(&["password", PASSWORD, OTHER_PASSWORD]);
    let (codes, _) = browser.ask(&["codes"]);
    assert_eq!(codes["found"], json!([]));
    browser.ask_in_vain(&["signIn", "ada", OTHER_PASSWORD, codes["secret"].as_str().unwrap()]);

    browser.ask_in_vain(&["name", "wiki"]);
    browser.ask_in_vain(&["unaccount", "eve"]);
    browser.ask_in_vain(&["switch"]);
    browser.ask(&["audited", "ada", "/api/v1/dns"]);
    browser.ask_in_vain(&["problems"]);
}

const PASSWORD: &str = "a horse that is correct";
const OTHER_PASSWORD: &str = "a staple that is a battery";

/// A relay with a place on the map.
fn relay(lab: &Lab, alice: &Machine) -> Machine {
    let mut relay = Machine::new(lab, &lab.public_host("relay").unwrap());
    relay.configure("[relay]\nregion = \"Erfurt\"\nplace = \"50.98, 11.03\"\n");
    relay.start();
    relay.ask(&["join", &alice.invite(&["--name", "relay", "--right", "relay"])]);
    relay
}

fn wait_for_home(alice: &Machine) {
    alice.wait("the relay as home", || {
        let relays = alice.ask(&["relays"]);
        let mut known = relays["relays"].as_array()?.iter();
        known.any(|relay| relay["standing"] == "home").then_some(())
    });
}
