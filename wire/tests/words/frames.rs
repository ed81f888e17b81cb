//! Frames and record headers: every length, every first byte, every flag.

use holloway_wire::{
    Datagram, DecodeError, HANDSHAKE_LEN_MAX, OLDEST_VERSION, PROTOCOL_VERSION, RECORD_OVERHEAD, RECORD_TAG_LEN,
    RecordFlags, RecordHeader, RecordKind, SessionIndex, TRANSPORT_TYPE, encode_cookie_reply, encode_initiation,
    encode_response, set_mac1, set_mac2,
};
use proptest::collection::vec;
use proptest::prelude::*;

const KEY: [u8; 32] = [1; 32];
const COOKIE: [u8; 16] = [2; 16];

fn initiation() -> Vec<u8> {
    sealed(encode_initiation(SessionIndex(0x0102_0304), &[9; 200]))
}

fn response() -> Vec<u8> {
    sealed(encode_response(SessionIndex(5), SessionIndex(6), &[9; 80]))
}

fn cookie() -> Vec<u8> {
    encode_cookie_reply(SessionIndex(7), &[8; 24], &[9; 32])
}

fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    set_mac1(&mut frame, &KEY);
    set_mac2(&mut frame, &COOKIE);
    frame
}

/// Whether a node would look further than the frame's macs.
fn passes(frame: &[u8]) -> bool {
    match Datagram::decode(frame) {
        Ok(Datagram::Initiation(message)) => message.macs.mac1_matches(&KEY) && message.macs.mac2_matches(&COOKIE),
        Ok(Datagram::Response(message)) => message.macs.mac1_matches(&KEY) && message.macs.mac2_matches(&COOKIE),
        Ok(Datagram::Cookie(_)) => true,
        Ok(Datagram::Transport) => RecordHeader::decode(frame).is_ok(),
        Err(_) => false,
    }
}

#[test]
fn a_handshake_message_of_any_other_length_is_dropped() {
    for frame in [initiation(), response(), cookie()] {
        assert!(passes(&frame));
        for end in 0..frame.len() {
            assert!(!passes(&frame[..end]), "passes when cut at {end} of {}", frame.len());
        }
        for more in 1..=HANDSHAKE_LEN_MAX {
            let mut longer = frame.clone();
            longer.resize(frame.len() + more, 0);
            assert!(!passes(&longer), "passes with {more} more bytes");
        }
    }
}

#[test]
fn a_handshake_message_with_any_bit_changed_is_dropped() {
    for frame in [initiation(), response()] {
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut changed = frame.clone();
                changed[at] ^= 1 << bit;
                let is_transport = changed[0] == TRANSPORT_TYPE;
                assert!(is_transport || !passes(&changed), "byte {at}, bit {bit}");
            }
        }
    }
}

#[test]
fn nothing_and_the_largest_datagram_are_dropped() {
    assert_eq!(Datagram::decode(&[]).err(), Some(DecodeError::Truncated));
    for first in (0..=u8::MAX).filter(|first| *first != TRANSPORT_TYPE) {
        let mut largest = vec![0; 65_535];
        largest[0] = first;
        largest[1] = PROTOCOL_VERSION;
        assert!(!passes(&largest), "type {first:#04x}");
        assert!(!passes(&[first]), "type {first:#04x}");
    }
}

#[test]
fn only_our_four_types_are_ours() {
    let accepted: Vec<u8> = (0..=u8::MAX)
        .filter(|first| {
            [initiation(), response(), cookie()].iter().any(|frame| {
                let mut frame = frame.clone();
                frame[0] = *first;
                Datagram::decode(&frame).is_ok()
            })
        })
        .collect();
    assert_eq!(accepted, [0x08, 0x09, 0x0a, 0x0b], "clear of WireGuard, STUN, DTLS, TURN, RTP and QUIC");
}

#[test]
fn a_version_that_is_not_spoken_is_named() {
    for version in (0..=u8::MAX).filter(|version| !(OLDEST_VERSION..=PROTOCOL_VERSION).contains(version)) {
        for mut frame in [initiation(), response(), cookie()] {
            frame[1] = version;
            assert_eq!(Datagram::decode(&frame).err(), Some(DecodeError::Version(version)));
        }
    }
}

#[test]
fn reserved_bits_are_zero() {
    for mut frame in [initiation(), response(), cookie()] {
        frame[3] = 1;
        assert_eq!(Datagram::decode(&frame).err(), Some(DecodeError::Value));
    }
}

#[test]
fn handshake_messages_end_at_their_largest() {
    let noise = HANDSHAKE_LEN_MAX - 8 - 32;
    assert!(Datagram::decode(&encode_initiation(SessionIndex(1), &vec![0; noise])).is_ok());
    let longer = encode_initiation(SessionIndex(1), &vec![0; noise + 1]);
    assert_eq!(Datagram::decode(&longer).err(), Some(DecodeError::TooLong));
    assert!(Datagram::decode(&encode_initiation(SessionIndex(1), &[0; 96])).is_ok());
    assert_eq!(Datagram::decode(&encode_initiation(SessionIndex(1), &[0; 95])).err(), Some(DecodeError::Truncated));
}

#[test]
fn records_shorter_than_header_and_tag_are_dropped() {
    let mut record =
        RecordHeader { flags: RecordFlags::new(RecordKind::Ip), index: SessionIndex(1), counter: 2 }.encode().to_vec();
    record.resize(RECORD_OVERHEAD, 0);
    assert!(RecordHeader::decode(&record).is_ok());
    for end in 0..record.len() {
        assert_eq!(RecordHeader::decode(&record[..end]), Err(DecodeError::Truncated));
    }
}

#[test]
fn flags_are_added_to_a_kind_that_stays() {
    for kind in [RecordKind::Ip, RecordKind::Ethernet, RecordKind::Control] {
        let flags = RecordFlags::new(kind).with(RecordFlags::CHECKSUM).with(RecordFlags::FRAGMENT);
        assert!(flags.has(RecordFlags::CHECKSUM) && flags.has(RecordFlags::FRAGMENT));
        assert!(!flags.has(RecordFlags::SEVERAL));
        assert_eq!(flags.with(0xff).kind(), Some(kind), "nothing but the flags is added");
        let header = RecordHeader { flags: flags.with(0xff), index: SessionIndex(1), counter: 2 };
        let record = [header.encode().as_slice(), &[0; RECORD_TAG_LEN]].concat();
        assert_eq!(RecordHeader::decode(&record), Ok(header));
    }
}

#[test]
fn unknown_flags_the_reserved_kind_and_reserved_bytes_are_dropped() {
    for flags in 0..=u8::MAX {
        let mut record = [0; RECORD_OVERHEAD];
        record[0] = TRANSPORT_TYPE;
        record[1] = flags;
        let is_known = flags & 0b1110_0000 == 0 && flags & 0b11 != 0b11;
        assert_eq!(RecordHeader::decode(&record).is_ok(), is_known, "{flags:#010b}");
        record[2] = 1;
        assert!(RecordHeader::decode(&record).is_err());
    }
}

proptest! {
    #[test]
    fn message_1_survives(sender in any::<u32>(), noise in vec(any::<u8>(), 96..=1192)) {
        let frame = sealed(encode_initiation(SessionIndex(sender), &noise));
        let Ok(Datagram::Initiation(read)) = Datagram::decode(&frame) else {
            return Err(TestCaseError::fail("not an initiation"));
        };
        prop_assert_eq!((read.sender, read.noise), (SessionIndex(sender), noise.as_slice()));
        prop_assert!(passes(&frame));
    }

    #[test]
    fn message_2_survives(sender in any::<u32>(), receiver in any::<u32>(), noise in vec(any::<u8>(), 48..=1188)) {
        let frame = sealed(encode_response(SessionIndex(sender), SessionIndex(receiver), &noise));
        let Ok(Datagram::Response(read)) = Datagram::decode(&frame) else {
            return Err(TestCaseError::fail("not a response"));
        };
        prop_assert_eq!((read.sender, read.receiver), (SessionIndex(sender), SessionIndex(receiver)));
        prop_assert_eq!(read.noise, noise.as_slice());
        prop_assert!(passes(&frame));
    }

    #[test]
    fn cookies_survive(receiver in any::<u32>(), nonce in any::<[u8; 24]>(), sealed in any::<[u8; 32]>()) {
        let frame = encode_cookie_reply(SessionIndex(receiver), &nonce, &sealed);
        let Ok(Datagram::Cookie(read)) = Datagram::decode(&frame) else {
            return Err(TestCaseError::fail("not a cookie"));
        };
        prop_assert_eq!((read.receiver, *read.nonce, read.sealed), (SessionIndex(receiver), nonce, sealed.as_slice()));
    }

    #[test]
    fn record_headers_survive(index in any::<u32>(), counter in any::<u64>(), flags in 0..0b10_0000u8) {
        let mut record = [0; RECORD_OVERHEAD];
        record[0] = TRANSPORT_TYPE;
        record[1] = flags;
        record[4..8].copy_from_slice(&index.to_le_bytes());
        record[8..16].copy_from_slice(&counter.to_le_bytes());
        if let Ok(header) = RecordHeader::decode(&record) {
            prop_assert_eq!((header.index, header.counter), (SessionIndex(index), counter));
            prop_assert!(header.encode() == record[..16]);
        } else {
            prop_assert_eq!(flags & 0b11, 0b11);
        }
    }

    #[test]
    fn no_datagram_upsets_a_reader(bytes in vec(any::<u8>(), 0..2000), first in 0x07..0x0du8) {
        let _ = passes(&bytes);
        let mut bytes = bytes;
        bytes.splice(..bytes.len().min(4), [first, PROTOCOL_VERSION, 0, 0]);
        let _ = passes(&bytes);
    }
}
