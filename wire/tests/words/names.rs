//! Labels and bootstrap addresses as people write them.

use holloway_wire::{Bootstrap, DecodeError, Label, NameError};
use proptest::prelude::*;

use crate::arbitrary;

fn parse(text: &str) -> Result<Label, NameError> {
    text.parse()
}

#[test]
fn labels_stand_at_the_edge_of_their_rules() {
    assert_eq!(parse(&"a".repeat(63)).expect("63 is legal").as_str(), "a".repeat(63));
    assert_eq!(parse(&"a".repeat(64)), Err(NameError::TooLong));
    assert_eq!(parse(""), Err(NameError::Empty));
    assert_eq!(parse("-a"), Err(NameError::Hyphen));
    assert_eq!(parse("a-"), Err(NameError::Hyphen));
    assert_eq!(parse("XN--bcher-kva"), Err(NameError::Punycode));
    assert_eq!(parse("Localhost"), Err(NameError::Reserved));
    assert_eq!(parse("BOB").expect("upper case is read").as_str(), "bob");
}

#[test]
fn labels_hold_nothing_that_a_terminal_or_shell_would_obey() {
    for text in ["a\nb", "\u{1b}[31m", "\"", "$(id)", "a\u{202e}b", "a b", "a.b", "a/b", "bücher", "a_b", "\0"] {
        assert_eq!(parse(text), Err(NameError::Character), "{text:?}");
    }
    assert_eq!(parse(&"x".repeat(10_000)), Err(NameError::TooLong));
}

#[test]
fn a_label_is_made_of_every_host_name_in_which_something_remains() {
    let made = |hostname: &str| Label::from_hostname(hostname).map(|label| label.to_string());
    assert_eq!(made("Bobs-MacBook.local").as_deref(), Some("bobs-macbook"));
    assert_eq!(made("_my host_").as_deref(), Some("my-host"));
    assert_eq!(made(&format!("{}-tail", "a".repeat(62))), Some("a".repeat(62)));
    assert_eq!(made("---"), None);
    assert_eq!(made(""), None);
}

#[test]
fn bootstrap_addresses_are_read_in_every_usual_form() {
    let read = |text: &str| text.parse::<Bootstrap>().map(|b| (b.host, b.tcp, b.quic));
    assert_eq!(read("192.0.2.1"), Ok(("192.0.2.1".into(), 42042, 42043)));
    assert_eq!(read("192.0.2.1:7"), Ok(("192.0.2.1".into(), 7, 8)));
    assert_eq!(read("2001:db8::1"), Ok(("2001:db8::1".into(), 42042, 42043)));
    assert_eq!(read("[2001:db8::1]:7"), Ok(("2001:db8::1".into(), 7, 8)));
    assert_eq!(read("Home.Example.org:7"), Ok(("home.example.org".into(), 7, 8)));
    for text in ["", ":7", "host:0", "host:65535", "host:65536", "a b", "a..b", "host:7:7", "http://host"] {
        assert_eq!(read(text), Err(DecodeError::Value), "{text:?}");
    }
}

proptest! {
    #[test]
    fn labels_survive_as_text(label in arbitrary::label()) {
        prop_assert_eq!(parse(label.as_str()), Ok(label.clone()));
        prop_assert_eq!(parse(&label.as_str().to_ascii_uppercase()), Ok(label));
    }

    #[test]
    fn a_suffix_leaves_a_label_legal(label in arbitrary::label(), suffix in "[a-z2-7]{4}") {
        let longer = label.with_suffix(&suffix);
        prop_assert_eq!(parse(longer.as_str()), Ok(longer.clone()));
        let tail = format!("-{suffix}");
        prop_assert!(longer.as_str().ends_with(&tail));
    }

    #[test]
    fn whatever_is_accepted_as_a_label_is_one(text in "\\PC{0,70}") {
        if let Ok(label) = parse(&text) {
            prop_assert_eq!(parse(label.as_str()), Ok(label.clone()));
            prop_assert!(label.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
        }
    }

    #[test]
    fn any_host_name_makes_a_legal_label_or_none(hostname in "\\PC{0,90}") {
        if let Some(label) = Label::from_hostname(&hostname) {
            prop_assert_eq!(parse(label.as_str()), Ok(label));
        }
    }

    #[test]
    fn bootstrap_addresses_survive_as_text(host in "[a-z]{1,9}(\\.[a-z0-9-]{1,9}){0,3}", port in 1..u16::MAX) {
        let address: Bootstrap = format!("{host}:{port}").parse().expect("a legal host and port");
        prop_assert_eq!(address.to_string().parse(), Ok(address));
    }

    #[test]
    fn no_text_upsets_the_reading_of_a_bootstrap_address(text in "\\PC{0,60}") {
        if let Ok(address) = text.parse::<Bootstrap>() {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}
