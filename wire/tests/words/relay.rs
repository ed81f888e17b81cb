//! Words between members and relays: frames that are passed on, questions that no answer outgrows, and their limits.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use holloway_wire::{
    Broadcast, Datagram, DecodeError, ENDPOINTS_MAX, Endpoint, FromRelay, GROUPS_MAX, HOME_RELAYS_MAX, Load,
    MESSAGE_LEN_MAX, MemberRequest, Membership, MembershipCertificate, PROTOCOL_VERSION, Place, Publication,
    RELAY_FRAME_LEN, RELAY_LINKS_MAX, RELAY_MESSAGE_LEN_MAX, RELAYS_IN_PATH_MAX, RELAYS_MAX, RegistrationId,
    RelayAnnouncement, RelayChannel, RelayDirection, RelayFrameHeader, RelayLink, RelayMessageKind, RelayRefusal,
    RelayRegistration, RelayState, RelaysReply, Rights, Signed, SignedMessage, StaticBinding, StaticPublicKey, ToRelay,
    UnixTime, Validity, encode_certificates, is_dialable,
};
use minicbor::Encoder;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::arbitrary::{self, LAST_SECOND, NETWORK, identity};

const RELAY_FRAME_TYPE: u8 = 0x0c;
const RELAY_MESSAGE_TYPE: u8 = 0x0d;

/// What a relay frame may carry: the first bytes of the session protocol's datagrams.
const CARRIED_TYPES: [u8; 4] = [0x08, 0x09, 0x0a, 0x0b];

const DIRECTIONS: [RelayDirection; 2] = [RelayDirection::ToRelay, RelayDirection::FromRelay];

/// The longest encoding of an address.
fn far_address() -> SocketAddr {
    "[2001:db8::1]:65535".parse().expect("an address")
}

fn near_address() -> SocketAddr {
    "192.0.2.1:1".parse().expect("an address")
}

fn frame(direction: RelayDirection, carried: &[u8]) -> Vec<u8> {
    let header = RelayFrameHeader { direction, channel: RelayChannel(0x0102_0304) };
    [header.encode().as_slice(), carried].concat()
}

fn registration() -> Signed<RelayRegistration> {
    let body = RelayRegistration {
        node: identity(1).node_id(),
        relay: identity(2).node_id(),
        challenge: [0xff; 32],
        observed: far_address(),
    };
    Signed::sign(body, &identity(1), &NETWORK)
}

/// A certificate whose length these two numbers choose.
fn certificate(label_len: usize, groups: usize) -> MembershipCertificate {
    let binding = StaticBinding { subject: identity(1).node_id(), key: StaticPublicKey([5; 32]), sequence: u64::MAX };
    let membership = Membership {
        subject: identity(1).node_id(),
        label: "a".repeat(label_len).parse().expect("63 is legal"),
        rights: Rights::ALL,
        groups: vec!["g".repeat(32); groups],
        validity: Validity {
            not_before: UnixTime::from_secs(LAST_SECOND),
            not_after: Some(UnixTime::from_secs(LAST_SECOND)),
        },
        issuer: identity(2).node_id(),
    };
    let binding = Signed::sign(binding, &identity(1), &NETWORK);
    MembershipCertificate::issue(membership, binding, &identity(2), &NETWORK).expect("one member")
}

/// A chain of two that takes just so many bytes.
fn chain_of(length: usize) -> Vec<MembershipCertificate> {
    (0..=GROUPS_MAX)
        .flat_map(|groups| (1..=63).map(move |label_len| vec![certificate(label_len, groups), certificate(9, 1)]))
        .find(|chain| encode_certificates(chain).len() == length)
        .expect("some pair has that length")
}

/// An answer as it travels, whatever its certificates.
fn answer(certificates: &[u8]) -> Vec<u8> {
    let mut datagram = vec![RELAY_MESSAGE_TYPE, PROTOCOL_VERSION, 0, 0, 0xa4, 0, 2, 1, 7, 2];
    datagram.extend(registration().encode());
    let mut e = Encoder::new(Vec::new());
    e.u8(3).and_then(|e| e.bytes(certificates)).expect("a Vec takes every byte");
    datagram.extend(e.into_writer());
    datagram
}

/// The three questions that anyone can ask, as they travel, with a padding of our choice.
fn questions(padding: &[u8]) -> [Vec<u8>; 3] {
    let node = identity(3).node_id();
    let register = [[0xa3, 0, 1, 1, 7].as_slice(), &[2]].concat();
    let ping = [[0xa4, 0, 3, 1, 5, 2, 7].as_slice(), &[3]].concat();
    let bind = [[0xa6, 0, 4, 1, 5, 2, 7, 3, 0x58, 0x20].as_slice(), node.as_bytes(), &[4, 0x80, 5]].concat();
    [register, ping, bind].map(|fields| {
        let mut e = Encoder::new(Vec::new());
        e.bytes(padding).expect("a Vec takes every byte");
        [[RELAY_MESSAGE_TYPE, PROTOCOL_VERSION, 0, 0].as_slice(), &fields, &e.into_writer()].concat()
    })
}

/// Questions as they are written: the shortest and the longest of each.
fn written_questions() -> Vec<ToRelay> {
    let node = identity(3).node_id();
    let of_number = |number| {
        let registration = RegistrationId(number);
        [
            ToRelay::Register { id: number },
            ToRelay::Ping { registration, id: number },
            ToRelay::Bind { registration, id: number, node, relays: Vec::new() },
            ToRelay::Bind { registration, id: number, node, relays: vec![node; HOME_RELAYS_MAX] },
        ]
    };
    [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX) + 1, u64::MAX].into_iter().flat_map(of_number).collect()
}

/// What a relay says to whoever asks, each at its longest.
fn longest_answers() -> [FromRelay; 4] {
    let (id, node) = (u64::MAX, identity(3).node_id());
    [
        FromRelay::Challenge { id, challenge: [0xff; 32], observed: far_address() },
        FromRelay::Pong { id, observed: far_address(), load: Load::FULL, state: RelayState::Draining },
        FromRelay::Unbound { id, node },
        FromRelay::Gone { channel: RelayChannel(u32::MAX) },
    ]
}

fn longest_bound() -> FromRelay {
    let node = identity(3).node_id();
    let route = vec![node; RELAYS_IN_PATH_MAX - 1];
    FromRelay::Bound { id: u64::MAX, node, channel: RelayChannel(u32::MAX), route }
}

fn longest_answer_len() -> usize {
    longest_answers().iter().map(|answer| answer.encode().len()).max().expect("there are some")
}

/// One message of each kind.
fn words_of_relays() -> Vec<FromRelay> {
    let registered = FromRelay::Registered {
        id: 7,
        registration: RegistrationId(5),
        lifetime: Duration::from_secs(60),
        state: RelayState::Open,
        resumed: true,
    };
    let refused = FromRelay::Refused { id: 7, refusal: RelayRefusal::Quota };
    let extended = FromRelay::Extended { id: 7, channel: RelayChannel(1) };
    longest_answers().into_iter().chain([registered, refused, extended, longest_bound()]).collect()
}

fn words_of_members() -> Vec<ToRelay> {
    let answer = ToRelay::Answer { id: 7, registration: registration(), certificates: vec![certificate(3, 0)] };
    let node = identity(3).node_id();
    let extend = |route| ToRelay::Extend {
        registration: RegistrationId(5),
        id: 7,
        from: node,
        to: node,
        route,
        channel: RelayChannel(1),
    };
    let extends = [extend(Vec::new()), extend(vec![node; RELAYS_IN_PATH_MAX - 2])];
    written_questions().into_iter().chain([answer]).chain(extends).collect()
}

fn all_words() -> Vec<Vec<u8>> {
    let of_members = words_of_members();
    let of_relays = words_of_relays();
    of_members.iter().map(ToRelay::encode).chain(of_relays.iter().map(FromRelay::encode)).collect()
}

/// What either side makes of a datagram that must not be read.
fn refusals(datagram: &[u8]) -> [Option<DecodeError>; 2] {
    [ToRelay::decode(datagram).err(), FromRelay::decode(datagram).err()]
}

fn announcement() -> RelayAnnouncement {
    RelayAnnouncement {
        node: identity(2).node_id(),
        sequence: 1,
        expires: UnixTime::from_secs(1),
        name: "relay".parse().expect("a label"),
        region: "north".into(),
        place: Place::new(9_000, 18_000),
        capacity_mbps: 1,
        load: Load::FULL,
        members: 1,
        software: "holloway".into(),
        endpoints: vec![near_address()],
        stream_port: Some(443),
        state: RelayState::Open,
        links: vec![RelayLink::new(identity(3).node_id(), Duration::from_millis(7))],
    }
}

/// The announcement with the one place where it has `from` changed `to` something else.
fn changed_announcement(from: &[u8], to: &[u8]) -> Result<RelayAnnouncement, DecodeError> {
    RelayAnnouncement::decode(&changed(announcement().encode(), from, to))
}

fn changed(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    assert_eq!(at.len(), 1, "the test knows which bytes it changes");
    bytes.splice(at[0]..at[0] + from.len(), to.iter().copied());
    bytes
}

fn with_last(mut bytes: Vec<u8>, last: u8) -> Vec<u8> {
    *bytes.last_mut().expect("it is not empty") = last;
    bytes
}

#[test]
fn relay_frames_carry_the_session_protocol_and_nothing_else() {
    for direction in DIRECTIONS {
        for first in 0..=u8::MAX {
            let read = RelayFrameHeader::decode(&frame(direction, &[first, 1, 2, 3]));
            if CARRIED_TYPES.contains(&first) {
                assert_eq!(read, Ok(RelayFrameHeader { direction, channel: RelayChannel(0x0102_0304) }));
            } else {
                assert_eq!(read, Err(DecodeError::Value), "carries {first:#04x}");
            }
        }
    }
}

#[test]
fn a_relay_frame_in_a_relay_frame_is_refused() {
    for (outer, inner) in DIRECTIONS.into_iter().flat_map(|outer| DIRECTIONS.map(|inner| (outer, inner))) {
        let once = frame(inner, &[CARRIED_TYPES[0]]);
        assert!(RelayFrameHeader::decode(&once).is_ok());
        assert_eq!(RelayFrameHeader::decode(&frame(outer, &once)), Err(DecodeError::Value));
    }
}

#[test]
fn a_relay_frame_that_ends_early_or_carries_nothing_is_refused() {
    for direction in DIRECTIONS {
        let whole = frame(direction, &CARRIED_TYPES[..1]);
        assert_eq!(whole.len(), RELAY_FRAME_LEN + 1);
        assert!(RelayFrameHeader::decode(&whole).is_ok());
        for end in 0..whole.len() {
            assert_eq!(RelayFrameHeader::decode(&whole[..end]), Err(DecodeError::Truncated), "cut at {end}");
        }
    }
}

#[test]
fn reserved_bits_and_directions_of_a_relay_frame_are_refused() {
    for direction in DIRECTIONS {
        let whole = frame(direction, &CARRIED_TYPES[..1]);
        for (at, bit) in (0..4).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = whole.clone();
            other[at] ^= 1 << bit;
            let is_direction = (at, bit) == (1, 0);
            let refusal = (!is_direction).then_some(DecodeError::Value);
            assert_eq!(RelayFrameHeader::decode(&other).err(), refusal, "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn relay_frames_relay_messages_and_session_datagrams_are_told_apart_by_their_first_byte() {
    for first in 0..=u8::MAX {
        let datagram = [first, PROTOCOL_VERSION, 0, 0, 0xa0];
        assert_eq!(RelayFrameHeader::is_frame(&datagram), first == RELAY_FRAME_TYPE);
        assert_eq!(RelayMessageKind::of(&datagram).is_some(), first == RELAY_MESSAGE_TYPE);
    }
    assert!(!RelayFrameHeader::is_frame(&[]));
    assert_eq!(RelayMessageKind::of(&[]), None);
    for ours in all_words().into_iter().chain(DIRECTIONS.map(|direction| frame(direction, &[CARRIED_TYPES[0]]))) {
        assert!(Datagram::decode(&ours).is_err(), "{ours:02x?}");
    }
}

#[test]
fn what_kind_a_relay_message_is_agrees_with_who_can_read_it() {
    for message in words_of_members() {
        let datagram = message.encode();
        assert_eq!(RelayMessageKind::of(&datagram), Some(RelayMessageKind::ToRelay), "{message:?}");
        assert_eq!(ToRelay::decode(&datagram), Ok(message));
        assert_eq!(FromRelay::decode(&datagram), Err(DecodeError::Value));
    }
    for message in words_of_relays() {
        let datagram = message.encode();
        assert_eq!(RelayMessageKind::of(&datagram), Some(RelayMessageKind::FromRelay), "{message:?}");
        assert_eq!(FromRelay::decode(&datagram), Ok(message));
        assert_eq!(ToRelay::decode(&datagram), Err(DecodeError::Value));
    }
}

#[test]
fn every_tag_is_one_sides_or_nobodys() {
    for tag in 0..24 {
        let datagram = [RELAY_MESSAGE_TYPE, PROTOCOL_VERSION, 0, 0, 0xa1, 0, tag];
        let of_member = (1..=5).contains(&tag);
        let of_relay = (0x10..=0x17).contains(&tag);
        // A tag that is known lacks its fields.
        let refusal = |is_known| Some(if is_known { DecodeError::Field } else { DecodeError::Value });
        assert_eq!(refusals(&datagram), [refusal(of_member), refusal(of_relay)], "tag {tag:#04x}");
        let kind = if tag < 0x10 { RelayMessageKind::ToRelay } else { RelayMessageKind::FromRelay };
        assert_eq!(RelayMessageKind::of(&datagram), Some(kind));
    }
}

#[test]
fn a_question_that_anyone_can_ask_is_no_shorter_than_any_answer() {
    for question in written_questions() {
        let asked = question.encode();
        assert_eq!(ToRelay::decode(&asked).as_ref(), Ok(&question), "what is written can be read");
        for answer in longest_answers() {
            let length = answer.encode().len();
            assert!(asked.len() >= length, "{} bytes of {question:?} for {length} of {answer:?}", asked.len());
        }
        let is_short = asked.len() < longest_bound().encode().len();
        assert!(!is_short || !matches!(question, ToRelay::Bind { .. }), "{question:?}");
    }
}

#[test]
fn a_question_shorter_than_any_answer_is_refused() {
    let mut lengths = vec![];
    for padding in 0..=160 {
        for question in questions(&vec![0; padding]) {
            match ToRelay::decode(&question) {
                Ok(ToRelay::Bind { .. }) => assert!(question.len() >= longest_bound().encode().len()),
                Ok(_) => lengths.push(question.len()),
                Err(refusal) => assert_eq!(refusal, DecodeError::Truncated, "padded with {padding}"),
            }
        }
    }
    assert!(lengths.len() > 3, "the test's questions are read");
    assert!(lengths.iter().all(|length| *length >= longest_answer_len()), "{lengths:?}");
}

#[test]
fn a_padding_holds_zeros_and_ends_at_its_limit() {
    for at in 0..120 {
        let mut padding = [0; 120];
        assert!(questions(&padding).iter().all(|question| ToRelay::decode(question).is_ok()));
        padding[at] = 1;
        for question in questions(&padding) {
            assert_eq!(ToRelay::decode(&question), Err(DecodeError::Value), "byte {at}");
        }
    }
    for question in questions(&[0; 161]) {
        assert_eq!(ToRelay::decode(&question), Err(DecodeError::TooLong));
    }
}

#[test]
fn an_answer_with_the_largest_chain_fits_one_datagram() {
    let largest = chain_of(900);
    let message = ToRelay::Answer { id: u64::MAX, registration: registration(), certificates: largest };
    let datagram = message.encode();
    assert!(datagram.len() <= RELAY_MESSAGE_LEN_MAX, "{} bytes", datagram.len());
    assert_eq!(ToRelay::decode(&datagram), Ok(message));
    assert!(ToRelay::decode(&answer(&encode_certificates(&chain_of(900)))).is_ok());
    assert_eq!(ToRelay::decode(&answer(&encode_certificates(&chain_of(901)))), Err(DecodeError::TooLong));
}

#[test]
fn the_largest_certificate_fits_an_answer() {
    let certificates = vec![certificate(63, GROUPS_MAX)];
    let message = ToRelay::Answer { id: u64::MAX, registration: registration(), certificates };
    assert_eq!(ToRelay::decode(&message.encode()), Ok(message));
}

#[test]
fn parents_that_do_not_fit_an_answer_are_left_out_from_the_root_end() {
    let certificates = vec![certificate(63, GROUPS_MAX); 5];
    let message = ToRelay::Answer { id: 7, registration: registration(), certificates: certificates.clone() };
    let Ok(ToRelay::Answer { certificates: read, .. }) = ToRelay::decode(&message.encode()) else {
        panic!("what is written can be read");
    };
    assert_eq!(read, certificates[..1]);
}

#[test]
fn a_registration_is_for_one_relay_one_challenge_and_one_address() {
    let signed = registration();
    assert!(signed.verify(&NETWORK));
    let body = signed.value();
    let others = [
        RelayRegistration { relay: identity(3).node_id(), ..body.clone() },
        RelayRegistration { challenge: [0xfe; 32], ..body.clone() },
        RelayRegistration { observed: "[2001:db8::1]:65534".parse().expect("an address"), ..body.clone() },
    ];
    for other in others {
        let forged = changed(signed.encode(), &body.encode(), &other.encode());
        let read = Signed::<RelayRegistration>::decode(&forged).expect("its form is right");
        assert_eq!(read.value(), &other);
        assert!(!read.verify(&NETWORK));
    }
}

#[test]
fn an_answer_without_certificates_is_refused() {
    assert!(ToRelay::decode(&answer(&encode_certificates(&[certificate(3, 0)]))).is_ok());
    assert_eq!(ToRelay::decode(&answer(&encode_certificates(&[]))), Err(DecodeError::Field));
}

#[test]
fn a_relay_message_of_another_version_is_refused_by_its_number() {
    for version in (0..=u8::MAX).filter(|version| *version != PROTOCOL_VERSION) {
        for mut datagram in all_words() {
            datagram[1] = version;
            assert_eq!(refusals(&datagram), [Some(DecodeError::Version(version)); 2]);
        }
    }
}

#[test]
fn a_relay_message_of_another_type_with_reserved_bits_or_without_a_body_is_refused() {
    for datagram in all_words() {
        for (at, bit) in [0, 2, 3].into_iter().flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = datagram.clone();
            other[at] ^= 1 << bit;
            assert_eq!(refusals(&other), [Some(DecodeError::Value); 2], "byte {at}, bit {bit}");
        }
        for end in 0..=4 {
            assert_eq!(refusals(&datagram[..end]), [Some(DecodeError::Truncated); 2], "cut at {end}");
        }
    }
}

#[test]
fn a_relay_message_beyond_the_largest_is_refused_whatever_it_says() {
    let gone = FromRelay::Gone { channel: RelayChannel(1) }.encode();
    let padded = |length: usize| {
        let mut datagram = changed(gone.clone(), &[0xa2], &[0xa3]);
        let extension = length - datagram.len() - 5;
        datagram.extend([0x18, 0x80, 0x59]);
        datagram.extend(u16::try_from(extension).expect("short").to_be_bytes());
        datagram.resize(length, 0);
        datagram
    };
    assert!(FromRelay::decode(&padded(RELAY_MESSAGE_LEN_MAX)).is_ok(), "later versions may say more");
    assert_eq!(refusals(&padded(RELAY_MESSAGE_LEN_MAX + 1)), [Some(DecodeError::TooLong); 2]);
}

#[test]
fn states_and_refusals_that_are_not_known_are_refused() {
    let registered = |state| FromRelay::Registered {
        id: 7,
        registration: RegistrationId(5),
        lifetime: Duration::from_secs(60),
        state,
        resumed: true,
    };
    let pong = |state| FromRelay::Pong { id: 7, observed: near_address(), load: Load::NONE, state };
    for message in [registered(RelayState::Open), pong(RelayState::Open)] {
        assert_eq!(FromRelay::decode(&with_last(message.encode(), 2)), Err(DecodeError::Value));
    }
    assert_eq!(FromRelay::decode(&with_last(pong(RelayState::Open).encode(), 1)), Ok(pong(RelayState::Draining)));
    let refused = FromRelay::Refused { id: 7, refusal: RelayRefusal::Full }.encode();
    let known: Vec<u8> =
        (0..24).filter(|refusal| FromRelay::decode(&with_last(refused.clone(), *refusal)).is_ok()).collect();
    assert_eq!(known, [1, 2, 3, 4]);
    assert_eq!(changed_announcement(&[13, 0, 14], &[13, 2, 14]), Err(DecodeError::Value));
}

#[test]
fn the_longest_lifetime_is_read_as_it_was_written() {
    let lifetime = Duration::from_secs(u16::MAX.into());
    let state = RelayState::Open;
    let message = FromRelay::Registered { id: 7, registration: RegistrationId(5), lifetime, state, resumed: false };
    let datagram = message.encode();
    assert_eq!(FromRelay::decode(&datagram), Ok(message));
    let longer = changed(datagram, &[0x19, 0xff, 0xff], &[0x1a, 0, 1, 0, 0]);
    assert_eq!(FromRelay::decode(&longer), Err(DecodeError::Value));
}

#[test]
fn a_channel_has_32_bits() {
    let datagram = FromRelay::Gone { channel: RelayChannel(u32::MAX) }.encode();
    let longer = changed(datagram, &[0x1a, 0xff, 0xff, 0xff, 0xff], &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(FromRelay::decode(&longer), Err(DecodeError::Value));
}

#[test]
fn a_place_off_the_globe_is_none() {
    for (latitude, longitude) in [(9_000, 18_000), (-9_000, -18_000), (0, 0), (-1, 1)] {
        let place = Place::new(latitude, longitude).expect("on the globe");
        assert_eq!((place.latitude(), place.longitude()), (latitude, longitude));
    }
    for (latitude, longitude) in
        [(9_001, 0), (-9_001, 0), (0, 18_001), (0, -18_001), (i16::MIN, 0), (0, i16::MIN), (i16::MAX, i16::MAX)]
    {
        assert_eq!(Place::new(latitude, longitude), None, "{latitude}, {longitude}");
    }
}

#[test]
fn a_place_off_the_globe_is_refused() {
    let corner = [0x82, 0x19, 0x46, 0x50, 0x19, 0x8c, 0xa0];
    assert_eq!(changed_announcement(&corner, &corner), Ok(announcement()));
    for wrong in [
        [0x82, 0x19, 0x46, 0x51, 0x19, 0x8c, 0xa0],
        [0x82, 0x19, 0x46, 0x50, 0x19, 0x8c, 0xa1],
        [0x82, 0x19, 0xff, 0xff, 0x19, 0x8c, 0xa0],
        [0x82, 0x39, 0x46, 0x50, 0x19, 0x8c, 0xa0],
        [0x82, 0x19, 0x46, 0x50, 0x39, 0x8c, 0xa0],
    ] {
        assert_eq!(changed_announcement(&corner, &wrong), Err(DecodeError::Value), "{wrong:02x?}");
    }
    let three = [0x83, 0x19, 0x46, 0x50, 0x19, 0x8c, 0xa0, 0];
    assert_eq!(changed_announcement(&corner, &three), Err(DecodeError::Field));
}

#[test]
fn relays_stand_south_and_west_too() {
    for (latitude, longitude) in [(-3_387, 15_121), (4_071, -7_401), (-3_460, -5_838), (-9_000, -18_000), (-1, -1)] {
        let announcement = RelayAnnouncement { place: Place::new(latitude, longitude), ..announcement() };
        assert!(announcement.place.is_some());
        assert_eq!(RelayAnnouncement::decode(&announcement.encode()), Ok(announcement));
    }
}

#[test]
fn a_load_ends_at_all_of_it() {
    assert_eq!([0, 99, 100, 101, 255].map(|percent| Load::of_percent(percent).percent()), [0, 99, 100, 100, 100]);
    assert_eq!(changed_announcement(&[8, 0x18, 100], &[8, 0x18, 100]), Ok(announcement()));
    for wrong in [101, 255] {
        assert_eq!(changed_announcement(&[8, 0x18, 100], &[8, 0x18, wrong]), Err(DecodeError::Value));
        let pong = FromRelay::Pong { id: 7, observed: near_address(), load: Load::FULL, state: RelayState::Open };
        let datagram = changed(pong.encode(), &[3, 0x18, 100], &[3, 0x18, wrong]);
        assert_eq!(FromRelay::decode(&datagram), Err(DecodeError::Value));
    }
}

#[test]
fn what_a_relay_says_of_itself_is_short_and_can_be_shown() {
    let read = |announcement: RelayAnnouncement| RelayAnnouncement::decode(&announcement.encode()).err();
    let fitting = RelayAnnouncement { region: "r".repeat(128), software: String::new(), ..announcement() };
    assert_eq!(read(fitting), None);
    for (text, refusal) in [("r".repeat(129), DecodeError::TooLong), ("a\u{1b}[2J".into(), DecodeError::Value)] {
        assert_eq!(read(RelayAnnouncement { region: text.clone(), ..announcement() }), Some(refusal));
        assert_eq!(read(RelayAnnouncement { software: text, ..announcement() }), Some(refusal));
    }
    let at = |endpoints| RelayAnnouncement { endpoints: vec![far_address(); endpoints], ..announcement() };
    assert_eq!(read(at(ENDPOINTS_MAX)), None);
    assert_eq!(read(at(ENDPOINTS_MAX + 1)), Some(DecodeError::TooLong));
    assert_eq!(read(RelayAnnouncement { stream_port: None, ..announcement() }), None);
    assert_eq!(read(RelayAnnouncement { stream_port: Some(0), ..announcement() }), Some(DecodeError::Value));
}

#[test]
fn the_largest_answer_about_relays_fits_one_message() {
    let largest = RelayAnnouncement {
        sequence: u64::MAX,
        expires: UnixTime::from_secs(LAST_SECOND),
        name: "a".repeat(63).parse().expect("63 is legal"),
        region: "r".repeat(128),
        capacity_mbps: u32::MAX,
        members: u32::MAX,
        software: "s".repeat(128),
        endpoints: vec![far_address(); ENDPOINTS_MAX],
        stream_port: Some(u16::MAX),
        links: vec![RelayLink::new(identity(3).node_id(), Duration::MAX); RELAY_LINKS_MAX],
        ..announcement()
    };
    let signed = Signed::sign(largest, &identity(2), &NETWORK);
    let reply = |relays| RelaysReply { relays: vec![signed.clone(); relays] };
    let bytes = reply(RELAYS_MAX).encode();
    assert!(bytes.len() <= MESSAGE_LEN_MAX, "{} bytes", bytes.len());
    assert_eq!(RelaysReply::decode(&bytes), Ok(reply(RELAYS_MAX)));
    assert_eq!(RelaysReply::decode(&reply(RELAYS_MAX + 1).encode()), Err(DecodeError::TooLong));
}

#[test]
fn requests_to_members_that_are_not_known_are_refused() {
    assert_eq!(MemberRequest::decode(&[0xa1, 0, 2]), Ok(MemberRequest::Relays));
    for unknown in [0, 4, 23] {
        assert_eq!(MemberRequest::decode(&[0xa1, 0, unknown]), Err(DecodeError::Value));
    }
    assert_eq!(MemberRequest::decode(&[0xa1, 0, 1]), Err(DecodeError::Field), "a call without a call");
    assert_eq!(MemberRequest::decode(&[0xa1, 0, 3]), Err(DecodeError::Field), "nothing to redeem");
    assert_eq!(MemberRequest::decode(&[0xa2, 0, 2, 1, 0]), Err(DecodeError::Field), "more than was asked");
}

#[test]
fn a_relay_is_broadcast_and_never_published() {
    let signed = Signed::sign(announcement(), &identity(2), &NETWORK);
    let broadcast = Broadcast::Relay(signed).encode();
    assert!(Broadcast::decode(&broadcast).is_ok());
    assert_eq!(Publication::decode(&broadcast), Err(DecodeError::Value), "what is published is kept");
    for unknown in [0x04, 0x17] {
        let other = changed(broadcast.clone(), &[0x82, 0x18, 0x20], &[0x82, unknown]);
        assert_eq!(Broadcast::decode(&other), Err(DecodeError::Value), "kind {unknown:#04x}");
    }
    let other = changed(broadcast, &[0x82, 0x18, 0x20], &[0x82, 0x18, 0x21]);
    assert_eq!(Broadcast::decode(&other), Err(DecodeError::Value));
}

#[test]
fn an_endpoint_behind_a_relay_is_no_other() {
    let relayed = |address, channel| Endpoint::relayed(address, RelayChannel(channel));
    let endpoints = [
        Endpoint::udp(near_address()),
        Endpoint::udp(far_address()),
        relayed(near_address(), 1),
        relayed(near_address(), 2),
        relayed(near_address(), 0x0100_0000),
        relayed(far_address(), 1),
        relayed("192.0.2.1:2".parse().expect("an address"), 1),
    ];
    for (at, one) in endpoints.iter().enumerate() {
        for other in &endpoints[at + 1..] {
            assert_ne!(one, other);
            assert_ne!(one.to_bytes(), other.to_bytes(), "{one} and {other}: a cookie of one would do for the other");
            assert_ne!(one.to_string(), other.to_string());
        }
    }
}

#[test]
fn an_endpoint_behind_a_relay_is_sent_to_at_the_relay_and_told_to_nobody() {
    let endpoint = Endpoint::relayed(near_address(), RelayChannel(0x0102_0304));
    assert!(endpoint.is_relayed());
    assert_eq!(endpoint.socket_addr(), near_address());
    assert!(!is_dialable(&endpoint.observed()), "the relay's address is not the peer's");
    assert_eq!(endpoint.to_string(), "192.0.2.1:1/01020304");
    let straight = Endpoint::udp(near_address());
    assert!(!straight.is_relayed());
    assert_eq!((straight.socket_addr(), straight.observed()), (near_address(), near_address()));
}

#[test]
fn a_relays_address_has_one_spelling() {
    let mapped = "[::ffff:192.0.2.1]:1".parse().expect("an address");
    let endpoint = Endpoint::relayed(near_address(), RelayChannel(7));
    assert_eq!(Endpoint::relayed(mapped, RelayChannel(7)), endpoint);
    assert_eq!(Endpoint::Relayed { relay: mapped, channel: RelayChannel(7) }.canonical(), endpoint);
    assert_eq!(endpoint.canonical(), endpoint);
}

proptest! {
    #[test]
    fn relay_frames_survive(
        header in arbitrary::relay_frame_header(),
        first in 0x08..=0x0bu8,
        rest in vec(any::<u8>(), 0..64),
    ) {
        let datagram = [header.encode().as_slice(), &[first], &rest].concat();
        prop_assert!(RelayFrameHeader::is_frame(&datagram));
        prop_assert_eq!(RelayFrameHeader::decode(&datagram), Ok(header));
        prop_assert_eq!(RelayMessageKind::of(&datagram), None);
    }

    #[test]
    fn a_relay_frame_that_is_read_has_one_spelling(bytes in vec(any::<u8>(), 0..16), head in 0..2u8, first in 0..16u8) {
        let mut bytes = bytes;
        bytes.splice(..bytes.len().min(4), [RELAY_FRAME_TYPE, head, 0, 0]);
        if let Some(carried) = bytes.get_mut(RELAY_FRAME_LEN) {
            *carried = first;
        }
        if let Ok(header) = RelayFrameHeader::decode(&bytes) {
            prop_assert!(bytes.starts_with(&header.encode()));
        } else {
            prop_assert!(bytes.get(RELAY_FRAME_LEN).is_none_or(|first| !CARRIED_TYPES.contains(first)));
        }
    }

    #[test]
    fn endpoints_behind_relays_have_one_spelling(
        address in any::<IpAddr>(),
        port in any::<u16>(),
        channel in arbitrary::channel(),
    ) {
        let relay = SocketAddr::new(address, port);
        let endpoint = Endpoint::relayed(relay, channel);
        prop_assert_eq!(Endpoint::Relayed { relay, channel }.canonical(), endpoint);
        prop_assert!(endpoint.to_bytes().ends_with(&channel.0.to_be_bytes()));
        prop_assert_ne!(endpoint.to_bytes(), Endpoint::udp(relay).to_bytes());
    }
}
