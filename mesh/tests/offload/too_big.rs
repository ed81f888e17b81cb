//! What the local stack is told of a packet that is too long for its path.

use holloway_mesh::packet_too_big;

use crate::reference::{be16, put16, sum};

fn v6(next_header: u8, len: usize) -> Vec<u8> {
    let mut packet = [[0x60, 0, 0, 0, 0, 0, next_header, 64].as_slice(), &[0xfd; 15], &[1], &[0xfd; 15], &[2]].concat();
    packet.resize(len, 0x42);
    put16(&mut packet, 4, len - 40);
    packet
}

fn v4(protocol: u8, len: usize) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.resize(len, 0x42);
    put16(&mut packet, 2, len);
    packet
}

#[test]
fn ipv6_senders_get_a_packet_too_big() {
    for len in [1409, 60_000] {
        let packet = v6(17, len);
        let error = packet_too_big(&packet, 1300).expect("an answer");
        assert_eq!(error.len(), 1280, "as much of it as fits (RFC 4443 §2.4(c))");
        assert_eq!((error[0], be16(&error, 4), error[6]), (0x60, 1240, 58));
        assert_eq!((&error[8..24], &error[24..40]), (&packet[24..40], &packet[8..24]), "as if the destination sent it");
        assert_eq!((error[40], error[41], &error[44..48]), (2, 0, [0, 0, 0x05, 0x14].as_slice()));
        assert_eq!(error[48..], packet[..1232]);
        assert_eq!(sum(&[&error[8..40], &1240_u32.to_be_bytes(), &[0, 58], &error[40..]]), 0xffff);
    }
}

#[test]
fn ipv4_senders_get_fragmentation_needed() {
    for fragment in [0x40, 0] {
        let mut packet = v4(17, 1409);
        packet[6] = fragment;
        let error = packet_too_big(&packet, 1300).expect("an answer");
        assert_eq!(error.len(), 576, "as much of it as fits (RFC 1812 §4.3.2.3)");
        assert_eq!((error[0], be16(&error, 2), error[9]), (0x45, 576, 1));
        assert_eq!((&error[12..16], &error[16..20]), (&packet[16..20], &packet[12..16]));
        assert_eq!((error[20], error[21], &error[24..28]), (3, 4, [0, 0, 0x05, 0x14].as_slice()));
        assert_eq!(error[28..], packet[..548]);
        assert_eq!((sum(&[&error[..20]]), sum(&[&error[20..]])), (0xffff, 0xffff));
    }
}

#[test]
fn short_packets_are_quoted_whole() {
    assert_eq!(packet_too_big(&v6(17, 100), 1280).map(|error| error.len()), Some(148));
    assert_eq!(packet_too_big(&v4(17, 100), 1280).map(|error| error.len()), Some(128));
}

#[test]
fn errors_and_groups_are_not_answered() {
    let with = |mut packet: Vec<u8>, place: usize, value: u8| {
        packet[place] = value;
        packet
    };
    let icmp_v6 = |kind: u8| with(v6(58, 2000), 40, kind);
    assert!(packet_too_big(&icmp_v6(128), 1300).is_some(), "an echo request");
    for kind in [0, 1, 2, 3, 4, 127, 137] {
        assert!(packet_too_big(&icmp_v6(kind), 1300).is_none(), "ICMPv6 {kind}");
    }
    let mut behind = with(v6(0, 2000), 40, 58);
    (behind[41], behind[48]) = (0, 1);
    assert!(packet_too_big(&behind, 1300).is_none(), "an error behind an extension header");
    assert!(packet_too_big(&with(v6(17, 2000), 24, 0xff), 1300).is_none(), "to a group");
    assert!(packet_too_big(&with(v6(17, 2000), 8, 0xff), 1300).is_none(), "from a group");

    let icmp_v4 = |kind: u8| with(v4(1, 2000), 20, kind);
    assert!(packet_too_big(&icmp_v4(8), 1300).is_some(), "an echo request");
    for kind in [3, 4, 5, 11, 12] {
        assert!(packet_too_big(&icmp_v4(kind), 1300).is_none(), "ICMPv4 {kind}");
    }
    assert!(packet_too_big(&with(v4(17, 2000), 7, 1), 1300).is_none(), "a later fragment");
    for place in [12, 16] {
        for first in [0, 224, 240, 255] {
            assert!(packet_too_big(&with(v4(17, 2000), place, first), 1300).is_none(), "{first} at {place}");
        }
    }
    assert!(packet_too_big(&[], 1300).is_none() && packet_too_big(&[0x60], 1300).is_none());
}
