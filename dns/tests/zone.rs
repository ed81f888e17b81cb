//! The zone as a specification: RFC 1034 section 4.3.2, RFC 2308, RFC 4592, RFC 8020, RFC 8482.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::net::{IpAddr, Ipv6Addr};

use holloway_dns::{AltZone, AltZoneBuilder, Answer, Host, PublishedRecord, Question, SkipReason};

const ID: &str = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";

#[test]
fn a_host_has_its_address_and_the_question_keeps_its_letter_case() {
    let answer = ask("BoB.hOmE.aLt", "AAAA");
    assert_eq!(texts(answer.records()), ["BoB.hOmE.aLt. 30 IN AAAA fd42:1:2::b"]);
}

#[test]
fn what_a_host_publishes_stands_under_its_own_name() {
    assert_eq!(data("wiki.bob.home.alt", "AAAA"), ["fd42::1"]);
    assert_eq!(data("_http._tcp.bob.home.alt", "SRV"), ["0 5 8080 wiki.bob.home.alt."]);
    assert_eq!(data("bob.home.alt", "TXT"), ["\"hello world\""]);
}

#[test]
fn the_self_certifying_name_answers_like_the_network_name() {
    assert_eq!(data(&format!("bob.{ID}.alt"), "AAAA"), ["fd42:1:2::b"]);
    assert_eq!(data(&format!("wiki.bob.{}.ALT.", ID.to_uppercase()), "AAAA"), ["fd42::1"]);
    assert_no_such_name(&ask(&format!("nobody.{ID}.alt"), "AAAA"));
}

#[test]
fn the_apex_has_soa_ns_and_the_network_id() {
    assert_eq!(data("home.alt", "NS"), ["ns.home.alt."]);
    assert_eq!(data("ns.home.alt", "AAAA"), ["fd42:1:2::a"]);
    assert_eq!(data("home.alt", "TXT"), [format!("\"network-id={ID}\"")]);
    assert_eq!(data("home.alt", "SOA"), ["ns.home.alt. hostmaster.home.alt. 7 3600 900 1209600 30"]);
}

#[test]
fn an_empty_non_terminal_exists_without_data() {
    assert_no_data(&ask("_tcp.bob.home.alt", "SRV"));
    assert_no_data(&ask("deep.bob.home.alt", "AAAA"));
    assert_no_data(&ask("very.deep.bob.home.alt", "AAAA"));
}

#[test]
fn nothing_exists_below_a_name_that_does_not() {
    assert_no_such_name(&ask("x.nobody.home.alt", "AAAA"));
    assert_no_such_name(&ask("nobody.home.alt", "AAAA"));
    assert_no_such_name(&ask("x.wiki.bob.home.alt", "AAAA"));
}

#[test]
fn a_wildcard_stands_for_names_that_do_not_exist() {
    assert_eq!(
        texts(ask("Anything.carol.home.alt", "AAAA").records()),
        ["Anything.carol.home.alt. 30 IN AAAA fd42::c"]
    );
    assert_eq!(data("a.b.c.carol.home.alt", "AAAA"), ["fd42::c"]);
}

#[test]
fn a_wildcard_never_overrides_an_existing_name() {
    assert_no_data(&ask("mail.carol.home.alt", "AAAA"));
    assert_eq!(data("mail.carol.home.alt", "TXT"), ["\"post\""]);
}

#[test]
fn a_wildcard_never_overrides_an_empty_non_terminal_nor_reaches_below_it() {
    assert_no_data(&ask("ent.carol.home.alt", "AAAA"));
    assert_no_such_name(&ask("other.ent.carol.home.alt", "AAAA"));
}

#[test]
fn a_wildcard_without_the_type_is_no_data() {
    assert_no_data(&ask("anything.carol.home.alt", "SRV"));
}

#[test]
fn a_wildcard_can_be_asked_for_by_its_own_name() {
    assert_eq!(data("*.carol.home.alt", "AAAA"), ["fd42::c"]);
    assert_no_such_name(&ask("x.*.carol.home.alt", "AAAA"));
}

#[test]
fn an_empty_wildcard_makes_names_exist_without_data() {
    let zone = zone_of(vec![host("dan", &[("*.pub", "TXT", "all"), ("_x.y", "TXT", "deep")])]);
    assert_no_data(&lookup(&zone, "y.dan.home.alt", "TXT"));
    assert_no_data(&lookup(&zone, "what.pub.dan.home.alt", "AAAA"));
}

#[test]
fn a_chain_of_aliases_is_followed_inside_the_zone() {
    let answer = ask("One.bob.home.alt", "AAAA");
    assert_eq!(
        texts(answer.records()),
        [
            "One.bob.home.alt. 30 IN CNAME two.bob.home.alt.",
            "two.bob.home.alt. 30 IN CNAME wiki.bob.home.alt.",
            "wiki.bob.home.alt. 30 IN AAAA fd42::1",
        ]
    );
    assert!(matches!(answer, Answer::Records { onward: None, .. }));
}

#[test]
fn an_alias_is_not_followed_when_it_is_asked_for_itself() {
    assert_eq!(data("one.bob.home.alt", "CNAME"), ["two.bob.home.alt."]);
    assert_eq!(data("one.bob.home.alt", "ANY"), ["two.bob.home.alt."]);
}

#[test]
fn an_alias_to_a_missing_name_is_nxdomain_with_the_chain() {
    let answer = ask("dangling.bob.home.alt", "AAAA");
    assert_no_such_name(&answer);
    assert_eq!(data_of(answer.records()), ["gone.bob.home.alt."]);
}

#[test]
fn an_alias_to_a_name_without_the_type_is_no_data_with_the_chain() {
    let answer = ask("two.bob.home.alt", "SRV");
    assert_no_data(&answer);
    assert_eq!(data_of(answer.records()), ["wiki.bob.home.alt."]);
}

#[test]
fn aliases_that_loop_end() {
    let answer = ask("loop1.bob.home.alt", "AAAA");
    assert_eq!(data_of(answer.records()), ["loop2.bob.home.alt.", "loop1.bob.home.alt."]);
    assert_eq!(ask("self.bob.home.alt", "AAAA").records().len(), 1);
}

#[test]
fn a_chain_longer_than_eight_aliases_is_cut() {
    let names: Vec<_> = (0..20).map(|i| (format!("c{i}"), format!("c{}.eve.home.alt", i + 1))).collect();
    let records: Vec<_> = names.iter().map(|(name, target)| (name.as_str(), "CNAME", target.as_str())).collect();
    let zone = zone_of(vec![host("eve", &records)]);
    assert_eq!(lookup(&zone, "c0.eve.home.alt", "AAAA").records().len(), 8);
}

#[test]
fn an_alias_that_leaves_the_zone_says_where_to_go_on() {
    let Answer::Records { records, onward: Some(onward) } = ask("blog.bob.home.alt", "A") else {
        panic!("the chain leaves the zone");
    };
    assert_eq!(data_of(&records), ["blog.example.com."]);
    assert_eq!(onward.to_string(), "blog.example.com. A");
}

#[test]
fn a_wildcard_alias_is_followed() {
    let zone = zone_of(vec![host("eve", &[("*", "CNAME", "bob.home.alt")]), bob()]);
    let answer = lookup(&zone, "x.eve.home.alt", "AAAA");
    assert_eq!(data_of(answer.records()), ["bob.home.alt.", "fd42:1:2::b"]);
}

#[test]
fn an_alias_cannot_stand_beside_other_records() {
    let records = [("", "CNAME", "bob.home.alt"), ("w", "CNAME", "x.home.alt"), ("w", "TXT", "t")];
    let zone = zone_of(vec![host("eve", &records)]);
    let reasons: Vec<_> = zone.skipped().iter().map(|s| (s.name.as_str(), s.reason)).collect();
    assert_eq!(reasons, [("", SkipReason::CnameNotAlone), ("w", SkipReason::CnameNotAlone)]);
    assert_eq!(data_of(lookup(&zone, "w.eve.home.alt", "TXT").records()), ["\"t\""]);
    assert_eq!(lookup(&zone, "eve.home.alt", "AAAA").records().len(), 1);
}

#[test]
fn a_negative_answer_carries_the_soa_with_the_lesser_ttl() {
    assert_eq!(ask("home.alt", "SOA").records()[0].ttl_seconds(), 300);
    for negative in [ask("bob.home.alt", "A"), ask("nobody.home.alt", "A")] {
        let [soa] = negative.authority() else { panic!("exactly the SOA") };
        assert_eq!((soa.name().as_str(), soa.rtype().as_str()), ("home.alt.", "SOA"));
        assert_eq!(soa.ttl_seconds(), 30);
    }
}

#[test]
fn any_is_answered_with_one_record_set() {
    let answer = ask("bob.home.alt", "ANY");
    assert_eq!(texts(answer.records()), ["bob.home.alt. 30 IN TXT \"hello world\""]);
    assert_no_data(&ask("deep.bob.home.alt", "ANY"));
}

#[test]
fn an_unknown_type_is_no_data() {
    assert_no_data(&ask("bob.home.alt", "TYPE65280"));
    assert_no_data(&ask("bob.home.alt", "HTTPS"));
}

#[test]
fn a_name_of_255_octets_is_found() {
    // 14 octets of "bob.home.alt." with the root, then 3 * 64 and 49 make 255.
    let long = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(48));
    let zone = zone_of(vec![host("bob", &[(&long, "TXT", "far")])]);
    assert_eq!(zone.skipped(), []);
    assert_eq!(data_of(lookup(&zone, &format!("{long}.bob.home.alt"), "TXT").records()), ["\"far\""]);

    let longer = format!("{long}d");
    let zone = zone_of(vec![host("bob", &[(&longer, "TXT", "far")])]);
    assert_eq!(zone.skipped()[0].reason, SkipReason::NameTooLong);
}

#[test]
fn a_label_of_any_octets_is_found() {
    let zone = zone_of(vec![host("bob", &[(r"\255\200\046\032x._ipp", "TXT", "odd")])]);
    let answer = lookup(&zone, r"\255\200\046\032X._IPP.bob.home.alt", "TXT");
    assert_eq!(data_of(answer.records()), ["\"odd\""]);
    assert_eq!(answer.records()[0].name(), r"\255\200\.\032X._IPP.bob.home.alt.");
    assert_no_such_name(&lookup(&zone, r"\255\200\.\000x._ipp.bob.home.alt", "TXT"));
    assert_no_such_name(&lookup(&zone, r"\000.bob.home.alt", "TXT"));
}

#[test]
fn zero_and_one_octets_in_labels_are_not_confused() {
    let zone = zone_of(vec![host("bob", &[("a", "TXT", "plain")])]);
    assert_no_such_name(&lookup(&zone, r"a\000.bob.home.alt", "TXT"));
    assert_no_such_name(&lookup(&zone, r"a\001\001.bob.home.alt", "TXT"));
}

#[test]
fn an_address_points_to_the_primary_name() {
    let name = "b.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa";
    assert_eq!(data(name, "PTR"), ["bob.home.alt."]);
    assert_eq!(data(&name.to_uppercase(), "PTR"), ["bob.home.alt."]);
    assert_no_data(&ask(name, "AAAA"));
}

#[test]
fn the_reverse_zone_knows_empty_non_terminals_and_missing_names() {
    let b = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa";
    assert_no_data(&ask(b, "PTR"));
    assert_no_data(&ask("0.2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa", "PTR"));
    assert_no_data(&ask("2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa", "PTR"));
    let missing = ask(&format!("9.{b}"), "PTR");
    assert_no_such_name(&missing);
    assert_eq!(missing.authority()[0].name(), "2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa.");
    assert_no_such_name(&ask("1.2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa", "PTR"));
}

#[test]
fn only_addresses_in_the_prefix_have_pointers_and_the_first_host_keeps_a_contested_one() {
    let contested: IpAddr = "fd42:1:2::77".parse().unwrap();
    let mut zoe = host("zoe", &[]);
    let mut amy = host("amy", &[]);
    zoe.addresses = vec![contested, "2001:db8::1".parse().unwrap()];
    amy.addresses = vec![contested];
    let zone = zone_of(vec![zoe, amy]);
    let name = "7.7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.1.0.0.0.2.4.d.f.ip6.arpa";
    assert_eq!(data_of(lookup(&zone, name, "PTR").records()), ["amy.home.alt."]);
    assert_eq!(data_of(lookup(&zone, "zoe.home.alt", "AAAA").records()).len(), 2);
}

#[test]
fn a_question_outside_the_zone_is_not_answered() {
    for name in ["example.com", "alt", ".", "home.example", "other.alt", "ip6.arpa", "xhome.alt"] {
        assert_eq!(home().lookup(&Question::parse(name, "A").unwrap()), None, "{name}");
    }
}

#[test]
fn unusable_hosts_are_left_out_with_a_reason() {
    let labels = ["ns", "-x", "a b", "", "a.b", "*", "bob", "bob"];
    let zone = zone_of(labels.iter().map(|label| host(label, &[])).collect());
    let reasons: Vec<_> = zone.skipped().iter().map(|skipped| skipped.reason).collect();
    assert_eq!(reasons[..6], [SkipReason::Label; 6]);
    assert_eq!(reasons[6..], [SkipReason::Duplicate]);
    assert_eq!(data_of(lookup(&zone, "ns.home.alt", "AAAA").records()), ["fd42:1:2::a"]);
}

#[test]
fn a_host_has_at_most_64_records() {
    let names: Vec<_> = (0..65).map(|i| format!("n{i}")).collect();
    let records: Vec<_> = names.iter().map(|name| (name.as_str(), "TXT", "t")).collect();
    let zone = zone_of(vec![host("bob", &records)]);
    assert_eq!(zone.skipped().len(), 1);
    assert_eq!(zone.skipped()[0].reason, SkipReason::TooMany);
}

#[test]
fn a_network_needs_a_label() {
    for label in ["", "a.b", "-x", "ü", &"x".repeat(64)] {
        assert!(AltZoneBuilder::new(label, ID, prefix(), own()).build().is_err(), "{label}");
    }
}

#[test]
fn text_from_the_network_cannot_act_on_a_terminal() {
    let zone = zone_of(vec![host("bob", &[("t", "TXT", "a\"b\\c é")])]);
    assert_eq!(data_of(lookup(&zone, "t.bob.home.alt", "TXT").records()), [r#""a\"b\\c \195\169""#]);
}

fn ask(name: &str, rtype: &str) -> Answer {
    lookup(&home(), name, rtype)
}

fn lookup(zone: &AltZone, name: &str, rtype: &str) -> Answer {
    zone.lookup(&Question::parse(name, rtype).unwrap()).expect("the name lies in the zone")
}

fn data(name: &str, rtype: &str) -> Vec<String> {
    let answer = ask(name, rtype);
    assert!(matches!(answer, Answer::Records { .. }), "{name} {rtype}: {answer:?}");
    data_of(answer.records())
}

fn data_of(records: &[holloway_dns::ResourceRecord]) -> Vec<String> {
    records.iter().map(holloway_dns::ResourceRecord::data).collect()
}

fn texts(records: &[holloway_dns::ResourceRecord]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}

fn assert_no_data(answer: &Answer) {
    assert!(matches!(answer, Answer::NoData { .. }), "{answer:?}");
    assert_eq!(answer.authority().len(), 1);
}

fn assert_no_such_name(answer: &Answer) {
    assert!(matches!(answer, Answer::NxDomain { .. }), "{answer:?}");
    assert_eq!(answer.authority().len(), 1);
}

fn home() -> AltZone {
    let carol = host(
        "carol",
        &[("*", "AAAA", "fd42::c"), ("mail", "TXT", "post"), ("below.ent", "TXT", "under an empty non-terminal")],
    );
    zone_of(vec![bob(), carol])
}

fn bob() -> Host {
    let mut bob = host(
        "bob",
        &[
            ("wiki", "AAAA", "fd42::1"),
            ("", "TXT", "hello world"),
            ("_http._tcp", "SRV", "0 5 8080 wiki.bob.home.alt"),
            ("a.very.deep", "TXT", "down here"),
            ("one", "CNAME", "two.bob.home.alt"),
            ("two", "CNAME", "wiki.bob.home.alt."),
            ("dangling", "CNAME", "gone.bob.home.alt"),
            ("loop1", "CNAME", "loop2.bob.home.alt"),
            ("loop2", "CNAME", "loop1.bob.home.alt"),
            ("self", "CNAME", "self.bob.home.alt"),
            ("blog", "CNAME", "blog.example.com"),
        ],
    );
    bob.addresses = vec!["fd42:1:2::b".parse().unwrap()];
    bob.primary = "bob.home.alt".to_owned();
    bob
}

fn host(label: &str, records: &[(&str, &str, &str)]) -> Host {
    let record = |(name, rtype, value): &(&str, &str, &str)| PublishedRecord::parse(name, rtype, value).unwrap();
    Host {
        label: label.to_owned(),
        addresses: vec!["fd42:1:2::ffff".parse().unwrap()],
        primary: String::new(),
        records: records.iter().map(record).collect(),
    }
}

fn zone_of(hosts: Vec<Host>) -> AltZone {
    let builder = AltZoneBuilder::new("home", ID, prefix(), own()).serial(7);
    hosts.into_iter().fold(builder, AltZoneBuilder::host).build().unwrap()
}

fn prefix() -> Ipv6Addr {
    "fd42:1:2::".parse().unwrap()
}

fn own() -> IpAddr {
    "fd42:1:2::a".parse().unwrap()
}
