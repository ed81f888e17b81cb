//! What a person may publish, and what is said about the rest.

use holloway_dns::{PublishedRecord, RecordError, RecordKind, TXT_BYTES_MAX};

#[test]
fn valid_records_are_taken_and_parse_back_to_themselves() {
    for (name, rtype, value) in [
        ("wiki", "AAAA", "fd42::1"),
        ("Wiki", "aaaa", "FD42:0::1"),
        ("", "A", "192.0.2.1"),
        ("*", "TXT", "any text at all, even ü"),
        ("*.apps", "CNAME", "web.bob.home.alt"),
        ("www", "CNAME", "Example.COM."),
        ("_http._tcp", "SRV", "0 5 8080 web.bob.home.alt"),
        ("_none._tcp", "SRV", "0 0 0 ."),
        (r"My\032Printer._ipp._tcp", "TXT", ""),
        (r"a\+12", "TXT", "a plus sign, not an octet"),
    ] {
        let record = PublishedRecord::parse(name, rtype, value).unwrap();
        let again = PublishedRecord::parse(record.name(), &record.kind().to_string(), record.value()).unwrap();
        assert_eq!((again.name(), again.value()), (record.name(), record.value()));
    }
    assert_eq!(PublishedRecord::parse("W", "aaaa", "FD42:0::1").unwrap().to_string(), "w AAAA fd42::1");
    assert_eq!(PublishedRecord::parse("", "a", "192.0.2.1").unwrap().to_string(), "@ A 192.0.2.1");
}

#[test]
fn a_wrong_name_is_refused_with_its_own_reason() {
    let long = "a".repeat(64);
    let whole = vec!["a".repeat(63); 4].join(".");
    for (name, reason) in [
        ("a\nb", RecordError::ControlCharacter),
        ("a\u{1b}[31m", RecordError::ControlCharacter),
        (r"a\010b", RecordError::ControlCharacter),
        ("a b", RecordError::BadCharacter(' ')),
        ("a\"b", RecordError::BadCharacter('"')),
        ("$(id)", RecordError::BadCharacter('$')),
        ("\u{202e}abc", RecordError::BadCharacter('\u{202e}')),
        ("café", RecordError::BadCharacter('é')),
        (r"a\300", RecordError::BadEscape),
        (r"a\1", RecordError::BadEscape),
        ("a\\", RecordError::BadEscape),
        ("a..b", RecordError::EmptyLabel),
        (".a", RecordError::EmptyLabel),
        ("a.", RecordError::NotRelative),
        (".", RecordError::NotRelative),
        (&long, RecordError::LabelTooLong),
        (&whole, RecordError::NameTooLong),
        ("-a", RecordError::Hyphen),
        ("a-", RecordError::Hyphen),
        ("a.*", RecordError::Wildcard),
        ("a*", RecordError::Wildcard),
        ("*.*", RecordError::Wildcard),
    ] {
        let refused = PublishedRecord::parse(name, "TXT", "t").map(|record| record.to_string());
        assert_eq!(refused, Err(reason), "{name:?}");
    }
}

#[test]
fn a_wrong_type_or_value_is_refused_with_its_own_reason() {
    let refused = |rtype: &str, value: &str| PublishedRecord::parse("x", rtype, value).unwrap_err();
    assert_eq!(refused("MX", "10 mail"), RecordError::UnknownType("MX".to_owned()));
    assert_eq!(refused("SOA", ""), RecordError::UnknownType("SOA".to_owned()));
    assert_eq!(refused("A", "fd42::1"), RecordError::NotIpv4("fd42::1".to_owned()));
    assert_eq!(refused("A", "192.0.2.256"), RecordError::NotIpv4("192.0.2.256".to_owned()));
    assert_eq!(refused("AAAA", "192.0.2.1"), RecordError::NotIpv6("192.0.2.1".to_owned()));
    assert_eq!(refused("AAAA", "fe80::1%eth0"), RecordError::NotIpv6("fe80::1%eth0".to_owned()));
    assert_eq!(refused("CNAME", "web"), RecordError::TargetNotWhole("web".to_owned()));
    assert_eq!(refused("CNAME", ""), RecordError::TargetNotWhole(String::new()));
    assert_eq!(refused("CNAME", "a b.c"), RecordError::BadCharacter(' '));
    for srv in ["", "0 5 8080", "0 5 65536 a.b", "0 5 -1 a.b", "0 5 8080 a.b c", "x 5 80 a.b"] {
        assert_eq!(refused("SRV", srv), RecordError::SrvForm, "{srv}");
    }
    assert_eq!(refused("SRV", "0 5 80 web"), RecordError::TargetNotWhole("web".to_owned()));
    assert_eq!(refused("TXT", "a\u{7}b"), RecordError::ControlCharacter);
}

#[test]
fn a_text_has_at_most_a_thousand_bytes() {
    assert!(PublishedRecord::parse("x", "TXT", &"a".repeat(TXT_BYTES_MAX)).is_ok());
    assert_eq!(
        PublishedRecord::parse("x", "TXT", &"a".repeat(TXT_BYTES_MAX + 1)),
        Err(RecordError::TextTooLong(TXT_BYTES_MAX + 1))
    );
}

#[test]
fn an_alias_does_not_fit_beside_other_records_of_its_name() {
    let alias = PublishedRecord::parse("www", "CNAME", "a.b").unwrap();
    let text = PublishedRecord::parse("WWW", "TXT", "t").unwrap();
    let other = PublishedRecord::parse("web", "TXT", "t").unwrap();
    assert_eq!(alias.fits_beside(std::slice::from_ref(&text)), Err(RecordError::CnameNotAlone));
    assert_eq!(text.fits_beside(std::slice::from_ref(&alias)), Err(RecordError::CnameNotAlone));
    assert_eq!(alias.fits_beside(&[other, alias.clone()]), Ok(()));
    assert_eq!(alias.kind(), RecordKind::Cname);
}
