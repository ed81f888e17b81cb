//! Invites as they reach people: pasted, wrapped, cut and changed.

use holloway_wire::{
    Bootstrap, DecodeError, INVITE_PREFIX, InviteBody, InviteError, InviteSecret, InviteToken, NetworkId, Rights,
    UnixTime,
};
use proptest::prelude::*;

use crate::arbitrary::{self, Hidden, identity};

fn token() -> InviteToken {
    let issuer = identity(1);
    let body = InviteBody {
        network: NetworkId::of_root(&issuer.node_id()),
        network_label: "home".parse().expect("a label"),
        issuer: issuer.node_id(),
        bootstrap: vec!["192.0.2.1".parse().expect("an address"), "home.example.org:7".parse().expect("an address")],
        secret: InviteSecret::from_bytes([3; 16]),
        host_label: Some("bob".parse().expect("a label")),
        expires: UnixTime::from_secs(1_800_000_000),
        rights: Rights::NONE,
        via: vec![],
    };
    InviteToken::sign(body, &issuer)
}

fn reads_as(text: &str, expected: &InviteToken) -> bool {
    text.parse::<InviteToken>().is_ok_and(|read| read == *expected)
}

fn error(text: &str) -> Option<InviteError> {
    text.parse::<InviteToken>().err()
}

#[test]
fn an_invite_is_read_as_it_was_written() {
    let token = token();
    assert!(token.to_string().starts_with(INVITE_PREFIX));
    assert!(reads_as(&token.to_string(), &token));
}

#[test]
fn white_space_line_wraps_and_upper_case_do_not_matter() {
    let token = token();
    let text = token.to_string();
    let wrapped = |width: usize, end: &str| -> String {
        text.as_bytes().chunks(width).map(|line| format!("{}{end}", String::from_utf8_lossy(line))).collect()
    };
    assert!(reads_as(&format!("  \t{text}\r\n\n"), &token));
    assert!(reads_as(&wrapped(64, "\n"), &token));
    assert!(reads_as(&wrapped(76, "\r\n"), &token));
    assert!(reads_as(&wrapped(5, " "), &token));
    assert!(reads_as(&wrapped(1, "\u{a0}"), &token));
    assert!(reads_as(&text.to_ascii_uppercase(), &token));
}

#[test]
fn an_invite_cut_at_any_place_is_refused() {
    let text = token().to_string();
    for end in 0..text.len() {
        assert!(error(&text[..end]).is_some(), "accepted when cut at {end}");
        assert!(error(&text[end + 1..]).is_some(), "accepted from {}", end + 1);
        let hole = format!("{}{}", &text[..end], &text[end + 1..]);
        assert!(error(&hole).is_some(), "accepted without character {end}");
    }
}

#[test]
fn an_invite_with_any_bit_of_its_text_changed_is_refused_or_the_same() {
    let token = token();
    for text in [token.to_string(), token.to_string().to_ascii_uppercase()] {
        for at in 0..text.len() {
            for bit in 0..7 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).expect("seven bits are ASCII");
                let is_other_case = changed.eq_ignore_ascii_case(&text);
                assert_eq!(reads_as(&changed, &token), is_other_case, "character {at}, bit {bit}");
                assert!(is_other_case || error(&changed).is_some(), "character {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn an_invite_with_any_bit_of_its_content_changed_is_refused() {
    let text = token().to_string();
    let payload = text[INVITE_PREFIX.len()..].to_ascii_uppercase();
    let content = data_encoding::BASE32_NOPAD.decode(payload.as_bytes()).expect("base32");
    for at in 0..content.len() {
        for bit in 0..8 {
            let mut changed = content.clone();
            changed[at] ^= 1 << bit;
            let changed = format!("{INVITE_PREFIX}{}", data_encoding::BASE32_NOPAD.encode(&changed));
            assert!(matches!(error(&changed), Some(InviteError::Content(_))), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn every_kind_of_wrong_text_has_its_own_reason() {
    let text = token().to_string();
    let payload = &text[INVITE_PREFIX.len()..];
    assert_eq!(error(""), Some(InviteError::Prefix));
    assert_eq!(error(payload), Some(InviteError::Prefix));
    assert_eq!(error("javascript:alert(1)"), Some(InviteError::Prefix));
    assert_eq!(error(&format!("https://example.org/#{text}")), Some(InviteError::Prefix));
    assert_eq!(error(&format!("holloway2{payload}")), Some(InviteError::Version));
    assert_eq!(error(&format!("{text}!")), Some(InviteError::Characters));
    assert_eq!(error(&format!("{INVITE_PREFIX}{}", payload.replace('a', "é"))), Some(InviteError::Characters));
    assert_eq!(error(INVITE_PREFIX), Some(InviteError::Content(DecodeError::Truncated)));
    assert_eq!(error(&format!("{text}{}", "\n".repeat(20_000))), Some(InviteError::Content(DecodeError::TooLong)));
}

#[test]
fn an_invite_for_one_network_cannot_be_turned_into_one_for_another() {
    let issuer = identity(1);
    let other = InviteBody { network: NetworkId::from_bytes([9; 32]), ..token().body().clone() };
    let other = InviteToken::sign(other, &issuer);
    assert!(reads_as(&other.to_string(), &other));
    assert!(token().to_string() != other.to_string());
}

#[test]
fn an_invite_that_nobody_could_read_is_not_made() {
    let with = |bootstrap| InviteToken::try_sign(InviteBody { bootstrap, ..token().body().clone() }, &identity(1));
    let address: Bootstrap = "192.0.2.1".parse().expect("an address");
    assert!(with(vec![address.clone(); InviteToken::BOOTSTRAP_MAX]).is_ok());
    assert_eq!(with(vec![address.clone(); InviteToken::BOOTSTRAP_MAX + 1]).err(), Some(DecodeError::TooLong));
    assert_eq!(with(vec![Bootstrap { host: "a b".into(), ..address }]).err(), Some(DecodeError::Value));
}

proptest! {
    #[test]
    fn invites_survive_as_text(Hidden(body) in arbitrary::invite(identity(1).node_id())) {
        let token = InviteToken::sign(body, &identity(1));
        prop_assert!(reads_as(&token.to_string(), &token));
    }

    #[test]
    fn no_text_upsets_the_reading_of_an_invite(tail in "\\PC{0,200}") {
        let text = format!("{INVITE_PREFIX}{tail}");
        prop_assert!(error(&text).is_some());
        prop_assert!(error(&tail).is_some());
    }
}
