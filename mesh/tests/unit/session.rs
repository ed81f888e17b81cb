use std::collections::BTreeSet;

use holloway_wire::RecordKind;
use serde_json::Value;

use super::*;
use crate::aead::supports;

const SUITES: [Suite; 2] = [Suite::ChaCha20Poly1305, Suite::Aes256Gcm];

fn split(seed: u8) -> Split {
    Split { to_responder: [seed; 32], to_initiator: [seed + 1; 32], hash: [seed + 2; 32] }
}

/// The sealing half of the initiator and the opening half of the responder.
fn one_way(suite: Suite) -> (Sealer, Opener) {
    let index = SessionIndex(0x0001_020304);
    let (sealer, _) = halves(&split(7), Role::Initiator, suite, index, 100);
    let (_, opener) = halves(&split(7), Role::Responder, suite, index, 100);
    (sealer, opener)
}

fn sealed(sealer: &Sealer, content: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    sealer.seal(RecordFlags::new(RecordKind::Ip), content, &mut record).expect("a fresh session");
    record
}

fn open(opener: &Opener, record: &[u8]) -> Result<(Vec<u8>, bool), DropReason> {
    let header = RecordHeader::decode(record).map_err(|_| DropReason::Malformed)?;
    let mut record = record.to_vec();
    opener.open(&header, &mut record).map(|opened| (opened.content.to_vec(), opened.is_newest))
}

fn supported() -> impl Iterator<Item = Suite> {
    SUITES.into_iter().filter(|suite| supports(*suite))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "vectors lie in files")]
fn transport_keys_equal_our_own_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/transport_keys.json");
    let text = std::fs::read_to_string(path).expect("the vectors are part of the repository");
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("a list of vectors");
    assert_eq!(vectors.len(), 6);
    for vector in &vectors {
        let field = |name: &str| -> [u8; 32] {
            let bytes = hex::decode(vector[name].as_str().expect("a hex string")).expect("hex");
            bytes.try_into().expect("32 bytes")
        };
        let suite = SUITES.into_iter().find(|suite| vector["suite"] == suite.name()).expect("a suite of ours");
        let hash = field("handshake_hash");
        let to_responder = transport_key(&field("split_to_responder"), suite, Direction::ToResponder, &hash);
        let to_initiator = transport_key(&field("split_to_initiator"), suite, Direction::ToInitiator, &hash);
        assert_eq!(*to_responder, field("key_to_responder"));
        assert_eq!(*to_initiator, field("key_to_initiator"));
    }
}

#[test]
fn what_one_side_seals_the_other_opens_once() {
    for suite in supported() {
        let (sealer, opener) = one_way(suite);
        for number in 0..300_usize {
            let content = vec![u8::try_from(number % 256).expect("below 256"); number * 5];
            let record = sealed(&sealer, &content);
            assert_eq!(record.len(), content.len() + RECORD_OVERHEAD);
            assert_eq!(open(&opener, &record), Ok((content, true)));
            assert_eq!(open(&opener, &record), Err(DropReason::Replayed));
        }
        assert_eq!((sealer.sealed(), opener.opened()), (300, 300));
    }
}

#[test]
fn directions_and_suites_have_keys_of_their_own() {
    let index = SessionIndex(1);
    let mut keys = BTreeSet::new();
    for suite in SUITES {
        for direction in [Direction::ToResponder, Direction::ToInitiator] {
            keys.insert(*transport_key(&[1; 32], suite, direction, &[2; 32]));
        }
    }
    assert_eq!(keys.len(), 4);
    let (sealer, own_opener) = halves(&split(3), Role::Initiator, Suite::ChaCha20Poly1305, index, 100);
    assert_eq!(open(&own_opener, &sealed(&sealer, b"reflected")), Err(DropReason::NotAuthentic));
}

#[test]
fn a_flipped_bit_anywhere_changes_nothing() {
    for suite in supported() {
        let (sealer, opener) = one_way(suite);
        let first = sealed(&sealer, b"first");
        assert!(open(&opener, &first).is_ok());
        let record = sealed(&sealer, &[0x42; 100]);
        for bit in 0..record.len() * 8 {
            let mut forged = record.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&opener, &forged).is_err(), "bit {bit}");
        }
        for length in 0..record.len() {
            assert!(open(&opener, &record[..length]).is_err(), "cut to {length}");
        }
        assert!(open(&opener, &[record.as_slice(), &[0]].concat()).is_err());
        assert_eq!(opener.opened(), 1);
        assert_eq!(open(&opener, &record), Ok((vec![0x42; 100], true)));
    }
}

#[test]
fn only_an_authentic_jump_moves_the_window() {
    let (sealer, opener) = one_way(Suite::ChaCha20Poly1305);
    let early = sealed(&sealer, b"early");
    let mut forged = early.clone();
    forged[8..16].copy_from_slice(&(PACKETS_MAX - 1).to_le_bytes());
    assert_eq!(open(&opener, &forged), Err(DropReason::NotAuthentic));
    assert!(open(&opener, &early).is_ok());
    let waiting = sealed(&sealer, b"waiting");
    let mut jumped = Vec::new();
    sealer.seal_reserved(PACKETS_MAX - 1, RecordFlags::new(RecordKind::Ip), b"jumped", &mut jumped);
    assert_eq!(open(&opener, &jumped), Ok((b"jumped".to_vec(), true)));
    assert_eq!(open(&opener, &waiting), Err(DropReason::Replayed));
}

#[test]
fn counters_beyond_the_hard_stop_are_refused_unread() {
    let (sealer, opener) = one_way(Suite::ChaCha20Poly1305);
    for counter in [PACKETS_MAX, 1 << 40, u64::MAX] {
        let mut record = Vec::new();
        sealer.seal_reserved(counter, RecordFlags::new(RecordKind::Ip), b"beyond", &mut record);
        assert_eq!(open(&opener, &record), Err(DropReason::Exhausted));
    }
}

#[test]
fn reservations_never_pass_the_hard_stop() {
    let (sealer, _) = one_way(Suite::ChaCha20Poly1305);
    assert_eq!(sealer.reserve(64), Ok(0));
    assert_eq!(sealer.reserve(PACKETS_MAX), Err(Exhausted));
    assert_eq!(sealer.reserve(u64::MAX), Err(Exhausted));
    assert_eq!(sealer.reserve(u64::MAX - 10), Err(Exhausted));
    assert_eq!(sealer.reserve(1), Ok(64), "what was refused used nothing up");
    assert_eq!(sealer.reserve(PACKETS_MAX - 65), Ok(65));
    assert_eq!(sealer.reserve(1), Err(Exhausted));
    assert_eq!(sealer.reserve(0), Ok(PACKETS_MAX));
    assert_eq!(sealer.sealed(), PACKETS_MAX);
}

#[test]
fn lanes_that_share_a_sealer_never_share_a_counter() {
    let (sealer, _) = one_way(Suite::ChaCha20Poly1305);
    let mut counters = BTreeSet::new();
    #[expect(clippy::disallowed_methods, reason = "lanes are threads")]
    std::thread::scope(|scope| {
        let lane = || (0..1000).map(|number| (sealer.reserve(1 + number % 64), 1 + number % 64)).collect::<Vec<_>>();
        let lanes: Vec<_> = (0..4).map(|_| scope.spawn(lane)).collect();
        for lane in lanes {
            for (first, count) in lane.join().expect("a lane") {
                let first = first.expect("far from the hard stop");
                for counter in first..first + count {
                    assert!(counters.insert(counter), "{counter} was given out twice");
                }
            }
        }
    });
    assert_eq!(counters.len() as u64, sealer.sealed());
}

#[test]
fn a_sealer_says_when_rotation_is_due() {
    let (sealer, _) = one_way(Suite::ChaCha20Poly1305);
    sealer.reserve(99).expect("a fresh session");
    assert!(!sealer.wants_rotation());
    sealer.reserve(1).expect("a fresh session");
    assert!(sealer.wants_rotation());
}

#[test]
fn records_are_chacha20_poly1305_whatever_the_implementation() {
    use chacha20poly1305::aead::AeadInPlace;
    use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

    let (sealer, opener) = one_way(Suite::ChaCha20Poly1305);
    sealer.reserve(0x0001_0203).expect("a fresh session");
    let record = sealed(&sealer, b"the same bytes from every build");
    let key = transport_key(&split(7).to_responder, Suite::ChaCha20Poly1305, Direction::ToResponder, &[9; 32]);
    let reference = ChaCha20Poly1305::new((&*key).into());
    let mut content = b"the same bytes from every build".to_vec();
    let nonce = [0, 0, 0, 0, 3, 2, 1, 0, 0, 0, 0, 0];
    let tag = reference.encrypt_in_place_detached(&nonce.into(), &record[..16], &mut content).expect("short");
    assert_eq!(record, [&record[..16], &content, tag.as_slice()].concat());
    assert!(open(&opener, &record).is_ok());
}

#[test]
fn sealing_out_of_place_makes_the_same_record() {
    for suite in supported() {
        let (sealer, opener) = one_way(suite);
        let flags = RecordFlags::new(RecordKind::Ip).with(RecordFlags::CHECKSUM);
        for length in [0, 1, 15, 16, 17, 240, 1420, 8920] {
            let content: Vec<u8> = (0..length).map(|number: u32| number as u8).collect();
            let counter = sealer.reserve(1).expect("a fresh session");
            let mut expected = Vec::new();
            sealer.seal_reserved(counter, flags, &content, &mut expected);
            let mut out = vec![0xee; content.len() + RECORD_OVERHEAD + 3];
            assert_eq!(sealer.seal_into(counter, flags, &content, &mut out), expected.len());
            assert_eq!(out[..expected.len()], expected);
            assert_eq!(out[expected.len()..], [0xee; 3], "nothing is written behind the record");
            for at in [0, content.len() / 2, content.len()] {
                let (front, back) = content.split_at(at);
                let mut parts = vec![0xee; out.len()];
                assert_eq!(sealer.seal_parts_into(counter, flags, [front, back], &mut parts), expected.len());
                assert_eq!(parts, out);
            }
            assert_eq!(open(&opener, &expected), Ok((content, true)));
        }
    }
}

#[test]
fn a_record_far_behind_is_refused_unread() {
    let (sealer, opener) = one_way(Suite::ChaCha20Poly1305);
    let record = |counter| {
        let mut record = Vec::new();
        sealer.seal_reserved(counter, RecordFlags::new(RecordKind::Ip), b"late", &mut record);
        record
    };
    assert!(open(&opener, &record(9000)).is_ok());
    let mut forged = record(808);
    *forged.last_mut().expect("a tag") ^= 1;
    assert_eq!(open(&opener, &forged), Err(DropReason::Replayed), "its tag was not looked at");
    assert_eq!(open(&opener, &record(808)), Err(DropReason::Replayed));
    assert_eq!(open(&opener, &record(809)), Ok((b"late".to_vec(), false)), "the last in the window");
}
