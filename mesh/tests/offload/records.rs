//! Bundles and fragments: what one side writes the other reads.

use holloway_mesh::{Bundle, DropReason, FRAGMENT_HEADER_LEN, Reassembly, bundled, fragments};
use holloway_wire::Instant;

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

#[test]
fn a_bundle_gives_back_what_was_put_in() {
    let mut bundle = Bundle::new(1000);
    assert!(bundle.is_empty() && bundle.single().is_none());
    let packets: Vec<(Vec<u8>, bool)> = (1..=9).map(|len| (vec![len; len.into()], len % 2 == 0)).collect();
    for (packet, is_unfilled) in &packets {
        assert!(bundle.try_push(packet, *is_unfilled));
    }
    assert_eq!((bundle.count(), bundle.single()), (9, None));
    let mut content = bundle.content().to_vec();
    let read: Vec<_> =
        bundled(&mut content).expect("well made").map(|(packet, flag)| (packet.to_vec(), flag)).collect();
    assert_eq!(read, packets);
    bundle.clear();
    assert!(bundle.is_empty() && bundle.content().is_empty());
}

#[test]
fn a_bundle_keeps_to_its_limit() {
    let mut bundle = Bundle::new(100);
    assert!(!bundle.try_push(&[0; 51], false), "more than half");
    assert!(!bundle.try_push(&[], false));
    assert!(bundle.try_push(&[0; 50], false));
    assert!(!bundle.try_push(&[0; 43], false), "one byte too many");
    assert!(bundle.try_push(&[0; 42], false));
    assert_eq!(bundle.content().len(), 100);
    bundle.restart(200);
    assert!(bundle.is_empty() && bundle.try_push(&[0; 100], false));
}

#[test]
fn one_packet_is_not_a_bundle() {
    let mut bundle = Bundle::new(100);
    assert!(bundle.try_push(&[7; 20], true));
    assert_eq!(bundle.single(), Some(([7; 20].as_slice(), true)));
    assert_eq!(bundled(&mut bundle.content().to_vec()).err(), Some(DropReason::Malformed));
    assert_eq!(bundled(&mut []).err(), Some(DropReason::Malformed));
}

#[test]
fn a_bundle_with_one_fault_delivers_nothing() {
    let sound = [2, 0, 0, 0, 9, 9, 1, 0, 1, 0, 9];
    assert!(bundled(&mut sound.clone()).is_ok());
    let faults = [(0, 0), (0, 6), (1, 1), (2, 2), (3, 1), (6, 0), (6, 2), (8, 4), (9, 1)];
    for (place, value) in faults {
        let mut content = sound;
        content[place] = value;
        assert_eq!(bundled(&mut content).err(), Some(DropReason::Malformed), "{value} at {place}");
    }
    for len in 0..sound.len() {
        assert!(bundled(&mut sound[..len].to_vec()).is_err(), "cut to {len}");
    }
    assert!(bundled(&mut [sound.as_slice(), &[0]].concat()).is_err(), "a byte left over");
}

/// The contents of the records that a packet is fragmented into.
fn contents(packet: &[u8], limit: usize, id: u32, is_unfilled: bool) -> Vec<Vec<u8>> {
    fragments(packet, limit, id, is_unfilled).map(|(header, bytes)| [&header, bytes].concat()).collect()
}

#[test]
fn fragments_make_the_packet_again_in_any_order() {
    let packet: Vec<u8> = (0..5000_u32).map(|number| number as u8).collect();
    for is_unfilled in [false, true] {
        let mut parts = contents(&packet, 608, 7, is_unfilled);
        assert_eq!(parts.len(), 9);
        assert_eq!(fragments(&packet, 608, 7, is_unfilled).len(), 9);
        assert!(parts.iter().all(|part| part.len() <= 608));
        for _ in 0..parts.len() {
            parts.rotate_left(1);
            for order in [parts.clone(), parts.iter().rev().cloned().collect()] {
                let mut reassembly = Reassembly::default();
                let (last, others) = order.split_last().expect("nine");
                assert!(others.iter().all(|part| reassembly.push(part, at(0)) == Ok(None)));
                assert_eq!(reassembly.push(last, at(0)), Ok(Some((packet.clone(), is_unfilled))));
                assert!(reassembly.is_empty());
            }
        }
    }
}

#[test]
fn the_longest_packet_can_be_fragmented_and_no_longer_one() {
    let packet = vec![3; 65_535];
    let mut reassembly = Reassembly::default();
    let given = contents(&packet, 1000, 1, false)
        .iter()
        .filter_map(|part| reassembly.push(part, at(0)).expect("sound"))
        .count();
    assert_eq!(given, 1);
    assert_eq!(fragments(&[0; 65_536], 1000, 1, false).count(), 0);
    assert_eq!(fragments(&packet, FRAGMENT_HEADER_LEN, 1, false).count(), 0);
}

#[test]
fn an_overlap_gives_the_packet_up_and_what_is_still_to_come() {
    let parts = contents(&[5; 300], 108, 1, false);
    let mut overlapping = parts[1].clone();
    overlapping[4..6].copy_from_slice(&99_u16.to_le_bytes());
    for bad in [parts[0].clone(), overlapping] {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.push(&parts[0], at(0)), Ok(None));
        assert_eq!(reassembly.push(&bad, at(0)), Err(DropReason::Malformed));
        assert_eq!(reassembly.push(&parts[1], at(0)), Err(DropReason::Malformed));
        assert_eq!(reassembly.push(&parts[2], at(SECOND - 1)), Err(DropReason::Malformed));
    }
}

#[test]
fn fragments_that_contradict_each_other_are_refused() {
    let parts = contents(&[5; 300], 108, 1, false);
    let changed = |index: usize, place: usize, value: u8| {
        let mut part = parts[index].clone();
        part[place] = value;
        part
    };
    let pairs = [
        (parts[2].clone(), changed(1, 4, 250), "beyond the last"),
        (parts[2].clone(), changed(0, 6, 1), "a second last"),
        (parts[1].clone(), changed(0, 6, 1), "a last before another"),
        (parts[0].clone(), changed(1, 6, 2), "another checksum flag"),
    ];
    for (first, second, what) in pairs {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.push(&first, at(0)), Ok(None));
        assert_eq!(reassembly.push(&second, at(0)), Err(DropReason::Malformed), "{what}");
    }
}

#[test]
fn what_is_not_a_fragment_begins_nothing() {
    let mut reassembly = Reassembly::default();
    let unknown = [1, 0, 0, 0, 0, 0, 4, 0, 9];
    let reserved = [1, 0, 0, 0, 0, 0, 0, 1, 9];
    let beyond = [&[1, 0, 0, 0, 0xff, 0xff, 0, 0], [0; 1].as_slice()].concat();
    for content in [&[][..], &[0; 7], &[0; 8], &unknown, &reserved, &beyond] {
        assert_eq!(reassembly.push(content, at(0)), Err(DropReason::Malformed));
    }
    assert!(reassembly.is_empty());
}

#[test]
fn two_packets_are_put_together_at_a_time() {
    let packets: Vec<_> = (0..3).map(|id| contents(&[id; 200], 108, id.into(), false)).collect();
    let mut reassembly = Reassembly::default();
    for packet in &packets {
        assert_eq!(reassembly.push(&packet[0], at(0)), Ok(None));
    }
    assert_eq!(reassembly.push(&packets[2][1], at(0)), Ok(Some((vec![2; 200], false))));
    assert_eq!(reassembly.push(&packets[1][1], at(0)), Ok(Some((vec![1; 200], false))));
    assert_eq!(reassembly.push(&packets[0][1], at(0)), Ok(None), "the oldest gave way to the third");
}

#[test]
fn fragments_are_waited_for_a_second() {
    let parts = contents(&[5; 200], 108, 1, false);
    let mut reassembly = Reassembly::default();
    assert_eq!(reassembly.push(&parts[0], at(5)), Ok(None));
    assert_eq!(reassembly.push(&parts[1], at(SECOND + 4)), Ok(Some((vec![5; 200], false))));
    assert_eq!(reassembly.push(&parts[0], at(5)), Ok(None));
    assert_eq!(reassembly.push(&parts[1], at(SECOND + 5)), Ok(None), "the first is gone");
    reassembly.expire(at(3 * SECOND));
    assert!(reassembly.is_empty());
}

#[test]
fn crumbs_are_not_collected() {
    let mut reassembly = Reassembly::default();
    let crumb = |number: u16| [&[1, 0, 0, 0], (2 * number).to_le_bytes().as_slice(), &[0, 0, 9]].concat();
    assert!((0..64).all(|number| reassembly.push(&crumb(number), at(0)) == Ok(None)));
    assert_eq!(reassembly.push(&crumb(64), at(0)), Err(DropReason::Malformed));
}
