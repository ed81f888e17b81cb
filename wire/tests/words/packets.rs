//! Inner packets: what a header may say of itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use holloway_wire::{InnerPacket, PacketError};
use proptest::collection::vec;
use proptest::prelude::*;

const V6_SOURCE: Ipv6Addr = Ipv6Addr::new(0xfd42, 1, 2, 0, 0, 0, 0, 1);
const V6_DESTINATION: Ipv6Addr = Ipv6Addr::new(0xfd42, 1, 2, 0, 0, 0, 0, 2);
const V4_SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const V4_DESTINATION: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

fn v6(payload: usize) -> Vec<u8> {
    let length = u16::try_from(payload).expect("a payload has a 16-bit length").to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], 17, 64];
    packet.extend_from_slice(&V6_SOURCE.octets());
    packet.extend_from_slice(&V6_DESTINATION.octets());
    packet.resize(40 + payload, 0);
    packet
}

fn v4(payload: usize) -> Vec<u8> {
    let length = u16::try_from(20 + payload).expect("a packet has a 16-bit length").to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend_from_slice(&V4_SOURCE.octets());
    packet.extend_from_slice(&V4_DESTINATION.octets());
    packet.resize(20 + payload, 0);
    packet
}

fn with(mut packet: Vec<u8>, at: usize, bytes: &[u8]) -> Result<InnerPacket, PacketError> {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    InnerPacket::parse(&packet)
}

#[test]
fn whole_packets_are_read() {
    let read = InnerPacket::parse(&v6(1368)).expect("a whole packet");
    assert_eq!((read.source, read.destination), (V6_SOURCE.into(), V6_DESTINATION.into()));
    let read = InnerPacket::parse(&v4(8)).expect("a whole packet");
    assert_eq!((read.source, read.destination), (V4_SOURCE.into(), V4_DESTINATION.into()));
    assert!(InnerPacket::parse(&v6(0)).is_ok());
    assert!(InnerPacket::parse(&v6(65_495)).is_ok());
}

#[test]
fn other_versions_are_refused() {
    for version in (0..16u8).filter(|version| ![4, 6].contains(version)) {
        assert_eq!(with(v6(8), 0, &[version << 4]), Err(PacketError::Version), "{version}");
    }
    assert_eq!(with(v6(8), 0, &[0x45]), Err(PacketError::Length), "IPv6 that claims to be IPv4");
    assert_eq!(with(v4(8), 0, &[0x60]), Err(PacketError::Length), "IPv4 that claims to be IPv6");
}

#[test]
fn packets_shorter_or_longer_than_they_say_are_refused() {
    for packet in [v6(8), v4(8)] {
        for end in 0..packet.len() {
            assert_eq!(InnerPacket::parse(&packet[..end]), Err(PacketError::Length), "cut at {end}");
        }
        let longer = [packet.as_slice(), &[0]].concat();
        assert_eq!(InnerPacket::parse(&longer), Err(PacketError::Length));
    }
    assert_eq!(with(v6(8), 4, &[0, 9]), Err(PacketError::Length));
    assert_eq!(with(v6(8), 4, &[0, 0]), Err(PacketError::Length), "a jumbogram says 0");
    assert_eq!(with(v6(8), 4, &[0xff, 0xff]), Err(PacketError::Length));
    assert_eq!(with(v4(8), 2, &[0, 20]), Err(PacketError::Length));
    assert_eq!(with(v4(8), 2, &[0, 0]), Err(PacketError::Length));
}

#[test]
fn an_ipv4_header_is_neither_too_short_nor_longer_than_its_packet() {
    assert_eq!(with(v4(8), 0, &[0x44]), Err(PacketError::Length));
    assert!(with(v4(8), 0, &[0x47]).is_ok(), "eight bytes of options");
    assert_eq!(with(v4(8), 0, &[0x48]), Err(PacketError::Length));
}

#[test]
fn a_used_up_hop_limit_is_refused() {
    assert_eq!(with(v6(8), 7, &[0]), Err(PacketError::HopLimit));
    assert_eq!(with(v4(8), 8, &[0]), Err(PacketError::HopLimit));
    assert!(with(v6(8), 7, &[1]).is_ok());
}

#[test]
fn sources_that_no_sender_has_are_refused() {
    for source in ["ff02::1", "ff0e::1", "::"] {
        let source: Ipv6Addr = source.parse().expect("an address");
        assert_eq!(with(v6(8), 8, &source.octets()), Err(PacketError::Source), "{source}");
    }
    for source in ["224.0.0.1", "239.255.255.255", "0.0.0.0", "255.255.255.255"] {
        let source: Ipv4Addr = source.parse().expect("an address");
        assert_eq!(with(v4(8), 12, &source.octets()), Err(PacketError::Source), "{source}");
    }
}

proptest! {
    #[test]
    fn no_bytes_upset_the_reader_of_packets(mut bytes in vec(any::<u8>(), 0..100), version in prop_oneof![Just(4u8), Just(6u8)]) {
        let _ = InnerPacket::parse(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = version << 4 | *first & 0x0f;
        }
        let _ = InnerPacket::parse(&bytes);
    }
}
