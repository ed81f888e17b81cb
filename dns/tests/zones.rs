//! Who sees what, and what is never asked upstream.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::net::IpAddr;
use std::sync::Arc;

use holloway_dns::{AltZone, AltZoneBuilder, Answer, Host, PublishedRecord, Question, View, Zones};

#[test]
fn everything_under_alt_that_no_zone_owns_does_not_exist() {
    for name in ["foo.alt", "alt", "alt.", "FOO.ALT", "a.b.c.foo.alt.", "xn--home-.alt", "xn--.ALT"] {
        let answer = everything(name, "AAAA").expect("never upstream");
        assert!(matches!(answer, Answer::NxDomain { .. }), "{name}: {answer:?}");
        assert_eq!(answer.authority()[0].name(), "alt.");
        assert!(answer.authority()[0].ttl_seconds() <= 30);
    }
}

#[test]
fn the_rest_of_the_unique_local_reverse_tree_does_not_exist() {
    for name in ["1.d.f.ip6.arpa", "d.f.ip6.arpa.", "0.0.3.4.D.F.IP6.ARPA"] {
        let answer = everything(name, "PTR").expect("never upstream");
        if name == "d.f.ip6.arpa." {
            assert!(matches!(answer, Answer::NoData { .. }), "our zones lie below it");
        } else {
            assert!(matches!(answer, Answer::NxDomain { .. }), "{name}: {answer:?}");
        }
    }
    let between = everything("2.4.d.f.ip6.arpa", "PTR").expect("never upstream");
    assert!(matches!(between, Answer::NoData { .. }), "our zones lie below it");
    let empty = Zones::default().lookup(&question("2.4.d.f.ip6.arpa", "PTR"), View::ThisMachine);
    assert!(matches!(empty, Some(Answer::NxDomain { .. })));
}

#[test]
fn onion_and_invalid_names_stay_here_and_all_others_go_upstream() {
    for name in ["abc.onion", "x.INVALID"] {
        assert!(matches!(everything(name, "A"), Some(Answer::NxDomain { .. })), "{name}");
    }
    for name in ["example.com", ".", "alt.example", "myalt", "f.ip6.arpa", "home.arpa", "1.0.0.127.in-addr.arpa"] {
        assert_eq!(everything(name, "A"), None, "{name}");
    }
}

#[test]
fn this_machine_sees_all_networks_and_others_see_their_own_or_nothing() {
    let zones = two_networks();
    for own in ["127.0.0.1", "127.42.0.53", "::1", "::ffff:127.0.0.1", "fd42:1:1::a", "fd42:2:2::a"] {
        assert_eq!(zones.view(address(own)), View::ThisMachine, "{own}");
    }
    assert_eq!(zones.view(address("fd42:1:1::b")), View::Network(0));
    assert_eq!(zones.view(address("fd42:2:2:1::")), View::Network(1));
    for stranger in ["192.0.2.1", "fd42:3:3::1", "2001:db8::1", "10.0.0.1"] {
        assert_eq!(zones.view(address(stranger)), View::Stranger, "{stranger}");
    }
    let with = two_networks().with_own_addresses([address("192.0.2.1")]);
    assert_eq!(with.view(address("192.0.2.1")), View::ThisMachine);
}

#[test]
fn a_member_of_one_network_cannot_tell_whether_another_exists() {
    let zones = two_networks();
    let seen = |name: &str, view| zones.lookup(&question(name, "AAAA"), view).unwrap();
    assert_eq!(seen("bob.one.alt", View::Network(0)).records().len(), 1);
    let hidden = seen("bob.two.alt", View::Network(0));
    let absent = seen("bob.three.alt", View::Network(0));
    assert!(matches!(hidden, Answer::NxDomain { .. }));
    assert_eq!(hidden, absent);
    let reverse = seen("b.0.0.0.2.0.0.0.2.0.0.0.2.4.d.f.ip6.arpa", View::Network(0));
    assert!(matches!(reverse, Answer::NxDomain { .. }));
    assert_eq!(seen("bob.two.alt", View::ThisMachine).records().len(), 1);
}

#[test]
fn an_alias_into_another_network_is_returned_but_not_followed() {
    let answer = everything("across.bob.one.alt", "AAAA").unwrap();
    let Answer::Records { records, onward } = answer else { panic!("{answer:?}") };
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].data(), "bob.two.alt.");
    assert_eq!(onward, None);
}

#[test]
fn an_alias_to_a_public_name_is_left_to_the_upstream() {
    let answer = everything("blog.bob.one.alt", "AAAA").unwrap();
    let Answer::Records { onward: Some(onward), .. } = answer else { panic!("{answer:?}") };
    assert_eq!(onward.name(), "blog.example.com.");
}

#[test]
fn of_two_zones_with_one_name_the_first_keeps_it() {
    let zones = Zones::new([network("one", 1), network("one", 2)]);
    let answer = zones.lookup(&question("bob.one.alt", "AAAA"), View::ThisMachine).unwrap();
    assert_eq!(answer.records()[0].data(), "fd42:1:1::b");
    let keyed = format!("bob.{}.alt", id(2));
    let answer = zones.lookup(&question(&keyed, "AAAA"), View::ThisMachine).unwrap();
    assert_eq!(answer.records()[0].data(), "fd42:2:2::b");
}

fn everything(name: &str, rtype: &str) -> Option<Answer> {
    two_networks().lookup(&question(name, rtype), View::ThisMachine)
}

fn question(name: &str, rtype: &str) -> Question {
    Question::parse(name, rtype).unwrap()
}

fn two_networks() -> Zones {
    Zones::new([network("one", 1), network("two", 2)])
}

fn network(label: &str, number: u16) -> Arc<AltZone> {
    let prefix = format!("fd42:{number}:{number}::");
    let records = [("across", "CNAME", "bob.two.alt"), ("blog", "CNAME", "blog.example.com")];
    let bob = Host {
        label: "bob".to_owned(),
        addresses: vec![address(&format!("{prefix}b"))],
        primary: format!("bob.{label}.alt"),
        records: records.iter().map(|(n, t, v)| PublishedRecord::parse(n, t, v).unwrap()).collect(),
    };
    let own = address(&format!("{prefix}a"));
    let builder = AltZoneBuilder::new(label, &id(number), prefix.parse().unwrap(), own);
    Arc::new(builder.host(bob).build().unwrap())
}

fn id(number: u16) -> String {
    format!("{number}").repeat(52)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
