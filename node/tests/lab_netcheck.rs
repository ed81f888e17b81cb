//! What `netcheck` says behind each kind of router.
//!
//! Needs root and the programs `ip` and `nft`.
#![allow(clippy::unwrap_used, reason = "the functions below the tests are test code too")]

mod stage;

use holloway_simnet::lab::{Lab, NatKind};
use serde_json::Value;
use stage::{Machine, founder, member};

/// Two relays on the internet: it takes two to tell what a router does.
fn two_relays(lab: &Lab) -> [Machine; 2] {
    let alice = founder(lab, &lab.public_host("alice").unwrap(), "");
    let mut dave = Machine::new(lab, &lab.public_host("dave").unwrap());
    dave.start();
    dave.ask(&["join", &alice.invite(&["--name", "dave", "--right", "relay"])]);
    [alice, dave]
}

/// Waits until a machine knows with whom direct paths are possible, how far both relays are, and what became of its
/// question for a port. The address of one relay is enough for the first where there is no router.
fn wait_check(machine: &Machine, direct: &str) -> Value {
    machine.wait(&format!("direct paths that are {direct}"), || {
        let check = machine.ask(&["netcheck"])["networks"][0].clone();
        let has_port_news = check["port_mapping"]["state"] != "asking";
        let relays = check["relays"].as_array().unwrap();
        let has_relays = relays.len() == 2 && relays.iter().all(|relay| relay["rtt_ms"].is_f64());
        (check["direct"] == direct && has_port_news && has_relays).then_some(check)
    })
}

#[test]
fn netcheck_tells_what_each_kind_of_router_lets_through() {
    let lab = Lab::new("netcheck").unwrap();
    let [alice, _dave] = two_relays(&lab);
    for (kind, udp, mapping, direct, port_mapping) in [
        (NatKind::Public, "works", "none", "anyone", "not_needed"),
        (NatKind::FullCone, "works", "endpoint_independent", "most", "refused"),
        (NatKind::Home, "works", "endpoint_independent", "most", "refused"),
        (NatKind::Symmetric, "works", "endpoint_dependent", "open", "refused"),
        (NatKind::UdpBlocked, "blocked", "unknown", "none", "refused"),
    ] {
        let name = format!("{kind:?}").to_lowercase();
        let router = lab.nat(kind, &format!("nat-{name}")).unwrap();
        let host = router.host(&name).unwrap();
        let machine = member(&lab, &alice, &host, "");
        let check = wait_check(&machine, direct);
        let found = [&check["udp"], &check["nat"]["mapping"], &check["port_mapping"]["state"]];
        assert_eq!(found, [udp, mapping, port_mapping], "{name}: {check:#}");
        assert_eq!((&check["network"], &check["ipv6"]["state"]), (&"home".into(), &"absent".into()));
        assert_eq!(check["ipv4"]["state"], if udp == "works" { "works" } else { "unproven" });
        assert_eq!(check["ipv4"]["addresses"], serde_json::json!([host.ipv4().to_string()]));
        for seen in check["nat"]["seen"].as_array().unwrap() {
            assert!(seen["address"].as_str().unwrap().starts_with(&format!("{}:", router.outside_ipv4(&host))));
        }
        let text = machine.run(&["netcheck"]);
        assert!(String::from_utf8(text.stdout).unwrap().contains(check["summary"].as_str().unwrap()));
    }
}
