//! One rule at a time: what may be cut, what may be gathered, and what is done about checksums.

use std::io::IoSlice;

use holloway_mesh::{DropReason, Gather, LocalPacket, TunOffload, VirtioHeader, complete_checksum};

use crate::reference::{ACK, CWR, ECE, FIN, PSH, TCP, UDP, be16, be32, finish, finish_v4, kernel, plain, put16, put32};

const ALL: TunOffload = TunOffload { virtio: true, tso: true, uso: true };

/// A TCP or UDP packet with finished checksums; TCP with timestamps.
fn packet(version: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = match version {
        4 => vec![0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2],
        _ => [[0x60, 0, 0, 9, 0, 0, protocol, 64].as_slice(), &[0xfd; 32]].concat(),
    };
    packet.extend_from_slice(&[0x13, 0x88, 0x9c, 0x40]);
    if protocol == TCP {
        packet.extend_from_slice(&[0, 0, 1, 0, 0, 0, 0, 9, 0x80, ACK, 1, 0, 0, 0, 0, 0]);
        packet.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    } else {
        packet.extend_from_slice(&[0; 4]);
    }
    packet.extend_from_slice(payload);
    finished(packet)
}

/// The packet with lengths and checksums that fit it.
fn finished(mut packet: Vec<u8>) -> Vec<u8> {
    let (total, at) = (packet.len(), ip_len(&packet));
    if at == 40 {
        put16(&mut packet, 4, total - 40);
    } else {
        put16(&mut packet, 2, total);
    }
    if packet[if at == 40 { 6 } else { 9 }] == UDP {
        put16(&mut packet, at + 4, total - at);
    }
    finish_v4(&mut packet);
    if let Some(found) = plain(&packet) {
        finish(&mut packet, &found);
    }
    packet
}

fn ip_len(packet: &[u8]) -> usize {
    if packet[0] >> 4 == 6 { 40 } else { usize::from(packet[0] & 15) * 4 }
}

/// The packet that follows on another: the next sequence number, or the next identification.
fn next(packet: &[u8], payload: &[u8]) -> Vec<u8> {
    let found = plain(packet).expect("a plain packet");
    let mut next = [&packet[..found.header_len], payload].concat();
    if found.protocol == TCP {
        let sequence = be32(&next, found.at + 4).wrapping_add((packet.len() - found.header_len) as u32);
        put32(&mut next, found.at + 4, sequence);
    }
    if found.at == 20 {
        let id = be16(&next, 4) + 1;
        put16(&mut next, 4, id);
    }
    finished(next)
}

fn with(packet: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut packet = packet.to_vec();
    change(&mut packet);
    finished(packet)
}

/// How many packets each write held; every write is one that the kernel takes.
fn writes(packets: &[Vec<u8>], is_unfilled: bool, offload: TunOffload) -> Vec<usize> {
    let mut packets = packets.to_vec();
    let mut writes = Vec::new();
    let mut write = |slices: &[IoSlice<'_>]| writes.push(kernel(slices).len());
    let mut gather = Gather::new(offload);
    for packet in &mut packets {
        gather.push(packet, is_unfilled, &mut write).expect("a sound packet");
    }
    gather.flush(&mut write);
    writes
}

fn together(first: &[u8], second: &[u8]) -> bool {
    let packets = [first.to_vec(), second.to_vec()];
    let (unfilled, finished) = (writes(&packets, true, ALL), writes(&packets, false, ALL));
    assert_eq!(unfilled, finished, "the same, whether checksums are filled in or not");
    unfilled == [2]
}

#[test]
fn packets_that_follow_on_each_other_are_written_together() {
    for (version, protocol) in [(4, TCP), (6, TCP), (4, UDP), (6, UDP)] {
        let first = packet(version, protocol, &[1; 100]);
        let second = next(&first, &[2; 100]);
        let third = next(&second, &[3; 60]);
        let fourth = next(&third, &[4; 60]);
        assert_eq!(writes(&[first, second, third, fourth], true, ALL), [3, 1], "a shorter one is the last");
    }
}

#[test]
fn a_larger_payload_begins_anew() {
    let first = packet(6, TCP, &[1; 100]);
    assert!(!together(&first, &next(&first, &[2; 101])));
}

#[test]
fn a_push_is_the_last_and_stays() {
    let first = packet(6, TCP, &[1; 100]);
    let pushed = with(&next(&first, &[2; 100]), |packet| packet[53] |= PSH);
    let third = next(&pushed, &[3; 100]);
    assert_eq!(writes(&[first, pushed.clone(), third], true, ALL), [2, 1]);
    assert!(!together(&pushed, &next(&pushed, &[3; 100])), "nothing follows on a push");
}

#[test]
fn tcp_headers_differ_in_sequence_only() {
    for version in [4, 6] {
        let first = packet(version, TCP, &[1; 100]);
        let (second, at) = (next(&first, &[2; 100]), ip_len(&first));
        assert!(together(&first, &second));
        let places = [("sequence", 7), ("acknowledgement", 11), ("window", 15), ("urgent", 19), ("timestamp", 27)];
        for (name, place) in places {
            assert!(!together(&first, &with(&second, |packet| packet[at + place] ^= 1)), "{name}");
        }
        for flag in [FIN, 2, 4, 32, ECE, CWR] {
            assert!(!together(&first, &with(&second, |packet| packet[at + 13] |= flag)), "flag {flag}");
            let flagged = with(&first, |packet| packet[at + 13] |= flag);
            assert!(!together(&flagged, &with(&second, |packet| packet[at + 13] |= flag)), "flag {flag} on both");
        }
        assert!(!together(&first, &with(&second, |packet| packet[at + 13] = 0)), "no ACK");
        assert!(!together(&first, &with(&second, |packet| packet[at + 12] |= 1)), "reserved bits");
    }
}

#[test]
fn ip_headers_are_the_same() {
    let first = packet(6, TCP, &[1; 100]);
    for (name, place) in [("class", 0), ("flow label", 3), ("hop limit", 7)] {
        let second = with(&next(&first, &[2; 100]), |packet| packet[place] ^= 1);
        assert!(!together(&first, &second), "{name}");
    }
    let first = packet(4, TCP, &[1; 100]);
    for (name, place) in [("class", 1), ("TTL", 8)] {
        let second = with(&next(&first, &[2; 100]), |packet| packet[place] ^= 1);
        assert!(!together(&first, &second), "{name}");
    }
}

#[test]
fn identifications_count_where_fragments_are_allowed() {
    let first = packet(4, TCP, &[1; 100]);
    let far = with(&next(&first, &[2; 100]), |packet| packet[5] = 77);
    assert!(together(&first, &far), "with DF set it says nothing (RFC 6864)");
    let allowed = |packet: &[u8]| with(packet, |packet| packet[6] = 0);
    assert!(!together(&first, &allowed(&next(&first, &[2; 100]))), "DF differs");
    assert!(together(&allowed(&first), &allowed(&next(&first, &[2; 100]))));
    assert!(!together(&allowed(&first), &allowed(&far)));
}

#[test]
fn what_is_not_plain_goes_alone() {
    let fragment = with(&packet(4, UDP, &[1; 100]), |packet| packet[6] = 0x20);
    let options = with(&packet(4, TCP, &[1; 100]), |packet| {
        packet.splice(20..20, [1; 4]);
        packet[0] = 0x46;
    });
    let extension = with(&packet(6, UDP, &[1; 100]), |packet| {
        packet.splice(40..40, [UDP, 0, 1, 4, 0, 0, 0, 0]);
        packet[6] = 60;
    });
    let empty = packet(6, TCP, &[]);
    let icmp = with(&packet(6, UDP, &[1; 100]), |packet| packet[6] = 58);
    for alone in [fragment, options, extension, empty, icmp] {
        assert_eq!(writes(&[alone.clone(), alone], false, ALL), [1, 1]);
    }
}

#[test]
fn a_lone_packet_between_keeps_its_place_in_the_flow() {
    let first = packet(6, TCP, &[1; 100]);
    let acknowledgement = next(&first, &[]);
    let third = next(&acknowledgement, &[3; 100]);
    assert_eq!(writes(&[first.clone(), acknowledgement, third], true, ALL), [1, 1, 1]);
    let (second, icmp) = (next(&first, &[2; 100]), with(&packet(6, UDP, &[1; 100]), |packet| packet[6] = 58));
    assert_eq!(writes(&[first.clone(), icmp, second.clone()], false, ALL), [1, 1, 1], "its flow is not known");
    let other = with(&packet(6, TCP, &[]), |packet| packet[40] = 1);
    assert_eq!(writes(&[first, other, second], false, ALL), [1, 2], "another flow's goes past");
}

#[test]
fn interleaved_flows_are_gathered_and_the_oldest_gives_way() {
    let flow = |number: u8| with(&packet(6, TCP, &[number; 100]), |packet| packet[40] = number);
    let firsts: Vec<_> = (0..8).map(flow).collect();
    let seconds: Vec<_> = firsts.iter().map(|first| next(first, &[2; 100])).collect();
    assert_eq!(writes(&[firsts.clone(), seconds.clone()].concat(), true, ALL), [2; 8]);
    let nine = [firsts, vec![flow(8)], seconds].concat();
    let mut writes = writes(&nine, true, ALL);
    assert_eq!(writes.iter().sum::<usize>(), 17);
    assert_eq!(writes.remove(0), 1, "the first flow's");
}

#[test]
fn a_group_holds_64_payloads_and_65535_bytes() {
    let chain = |first: Vec<u8>, len: usize, count: usize| {
        let follow = |last: &Vec<u8>| Some(next(last, &vec![5; len]));
        std::iter::successors(Some(first), follow).take(count).collect::<Vec<_>>()
    };
    assert_eq!(writes(&chain(packet(6, UDP, &[5; 9]), 9, 130), true, ALL), [64, 64, 2]);
    let fits = (65_535 - 72) / 1336;
    assert_eq!(writes(&chain(packet(6, TCP, &[5; 1336]), 1336, fits + 3), true, ALL), [fits, 3]);
    let halves = packet(4, TCP, &[5; 32_742]);
    let exactly = [halves.clone(), next(&halves, &[5; 32_741])];
    assert_eq!(writes(&exactly, true, ALL), [2], "65,535 bytes");
    let beyond = [halves.clone(), next(&halves, &[5; 32_742])];
    assert_eq!(writes(&beyond, true, ALL), [1, 1], "65,536 bytes");
}

#[test]
fn what_the_interface_does_not_take_is_not_made() {
    let (tcp, udp) = (packet(6, TCP, &[1; 100]), packet(6, UDP, &[1; 100]));
    let packets = [tcp.clone(), next(&tcp, &[2; 100]), udp.clone(), next(&udp, &[2; 100])];
    assert_eq!(writes(&packets, true, TunOffload { uso: false, ..ALL }), [1, 1, 2]);
    assert_eq!(writes(&packets, true, TunOffload { tso: false, ..ALL }), [1, 1, 2]);
    let mut plain = packets.clone();
    for packet in &mut plain {
        let at = ip_len(packet) + if packet[6] == TCP { 16 } else { 6 };
        put16(packet, at, 0x1234);
    }
    let mut written = Vec::new();
    let mut gather = Gather::new(TunOffload { virtio: false, tso: true, uso: true });
    for packet in &mut plain {
        let write = &mut |slices: &[IoSlice<'_>]| written.push(slices.concat_bytes());
        gather.push(packet, true, write).expect("sound packets");
    }
    assert_eq!(written, packets, "one by one, with their checksums filled in");
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for [IoSlice<'_>] {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|slice| slice.iter().copied()).collect()
    }
}

#[test]
fn a_damaged_packet_goes_on_as_it_came() {
    for version in [4, 6] {
        let first = packet(version, TCP, &[1; 100]);
        let mut damaged = next(&first, &[2; 100]);
        *damaged.last_mut().expect("bytes") ^= 1;
        let mut packets = [first.clone(), damaged.clone(), next(&damaged, &[3; 100])];
        let mut written = Vec::new();
        let mut write = |slices: &[IoSlice<'_>]| written.push(slices.concat_bytes());
        let mut gather = Gather::new(ALL);
        for packet in &mut packets {
            gather.push(packet, false, &mut write).expect("a TCP packet");
        }
        gather.flush(&mut write);
        assert_eq!(written.len(), 3);
        assert_eq!(written[1], [[0; 10].as_slice(), &damaged].concat(), "untouched, for the local stack to judge");
    }
    let first = packet(4, TCP, &[1; 100]);
    let mut header = next(&first, &[2; 100]);
    header[10] ^= 1;
    assert_eq!(writes(&[first, header], true, ALL), [1, 1], "an IPv4 header that does not hold is not made to");
}

#[test]
fn a_datagram_without_a_checksum_is_not_given_one() {
    let mut first = packet(4, UDP, &[1; 100]);
    put16(&mut first, 26, 0);
    let mut second = next(&first, &[2; 100]);
    put16(&mut second, 26, 0);
    assert_eq!(writes(&[first, second], false, ALL), [1, 1]);
}

#[test]
fn an_open_checksum_needs_a_header_that_has_one() {
    let icmp = with(&packet(6, UDP, &[1; 100]), |packet| packet[6] = 58);
    let extension = with(&packet(6, UDP, &[1; 100]), |packet| {
        packet.splice(40..40, [UDP, 0, 1, 4, 0, 0, 0, 0]);
        packet[6] = 43;
    });
    let fragment = with(&packet(4, TCP, &[1; 100]), |packet| packet[7] = 1);
    for lie in [icmp, extension, fragment, vec![], vec![0x45]] {
        for virtio in [true, false] {
            let mut packet = lie.clone();
            let mut gather = Gather::new(TunOffload { virtio, ..ALL });
            let result = gather.push(&mut packet, true, &mut |_| panic!("nothing is written"));
            assert_eq!(result, Err(DropReason::InnerPacket));
        }
        assert_eq!(complete_checksum(&mut lie.clone()), Err(DropReason::InnerPacket));
    }
}

/// The virtio header of a packet whose checksum is open; `kind` and `size` where it stands for many.
fn virtio(packet: &[u8], kind: u8, size: u16) -> VirtioHeader {
    let found = plain(packet).expect("a plain packet");
    let offset = found.checksum_at() - found.at;
    let [low, high] = size.to_le_bytes();
    VirtioHeader::decode(&[1, kind, 0, 0, low, high, found.at as u8, 0, offset as u8, 0]).expect("a header")
}

fn lengths(packet: &[u8], virtio: Option<VirtioHeader>, limit: usize) -> Option<Vec<usize>> {
    let mut packet = packet.to_vec();
    let mut pieces = LocalPacket::parse(virtio.as_ref(), &mut packet).expect("sound").cut(limit).ok()?;
    let mut lengths = Vec::new();
    while let Some(piece) = pieces.next() {
        lengths.push(piece.packet.len());
    }
    Some(lengths)
}

#[test]
fn tcp_is_cut_at_its_own_size_or_below() {
    let tcp = packet(6, TCP, &[1; 1000]);
    let many = Some(virtio(&tcp, 4, 400));
    assert_eq!(lengths(&tcp, many, 9000), Some(vec![472, 472, 272]), "never larger than the receiver announced");
    assert_eq!(lengths(&tcp, many, 372), Some(vec![372, 372, 372, 172]));
    assert_eq!(lengths(&tcp, many, 73).map(|pieces| pieces.len()), Some(1000));
    assert_eq!(lengths(&tcp, many, 72), None);
}

#[test]
fn a_long_tcp_packet_is_cut_where_its_checksum_is_ours() {
    let tcp = packet(6, TCP, &[1; 1000]);
    assert_eq!(lengths(&tcp, Some(virtio(&tcp, 0, 0)), 572), Some(vec![572, 572]));
    assert_eq!(lengths(&tcp, Some(virtio(&tcp, 0, 0)), 1072), Some(vec![1072]));
    assert_eq!(lengths(&tcp, None, 572), None, "its checksum came from elsewhere");
    let syn = with(&tcp, |packet| packet[53] |= 2);
    assert_eq!(lengths(&syn, Some(virtio(&syn, 0, 0)), 572), None);
}

#[test]
fn datagrams_keep_their_boundaries() {
    let udp = packet(6, UDP, &[1; 1000]);
    let many = Some(virtio(&udp, 5, 400));
    assert_eq!(lengths(&udp, many, 448), Some(vec![448, 448, 248]));
    assert_eq!(lengths(&udp, many, 447), None);
    assert_eq!(lengths(&udp, Some(virtio(&udp, 0, 0)), 1047), None);
    let mut bytes = udp.clone();
    let parsed = LocalPacket::parse(many.as_ref(), &mut bytes).expect("sound");
    let Err(too_big) = parsed.cut(447) else { panic!("a datagram is longer") };
    assert_eq!(too_big.packet.bytes(), udp);
    let pieces = too_big.packet.cut(65_535).ok().expect("datagrams can be had to be fragmented");
    assert_eq!(pieces.count(), 3);
}

#[test]
fn an_inner_checksum_of_a_tunnel_is_filled_in() {
    let inner = packet(4, UDP, &[7; 60]);
    let mut outer = packet(6, UDP, &inner);
    let (start, end) = (48 + 20, outer.len());
    let pseudo = crate::reference::pseudo_sum(&inner, &plain(&inner).expect("a plain packet"));
    put16(&mut outer, start + 6, pseudo.into());
    let virtio = VirtioHeader::decode(&[1, 0, 0, 0, 0, 0, start as u8, 0, 6, 0]).expect("a header");
    let parsed = LocalPacket::parse(Some(&virtio), &mut outer).expect("sound");
    let mut pieces = parsed.cut(9000).ok().expect("it fits");
    let piece = pieces.next().expect("one");
    assert!(!piece.is_unfilled);
    assert_eq!(piece.packet[48..end], inner);
}

#[test]
fn virtio_headers_that_contradict_their_packet_are_refused() {
    let (tcp, udp) = (packet(6, TCP, &[1; 1000]), packet(6, UDP, &[1; 1000]));
    let refused = |packet: &[u8], header: [u8; 10]| {
        let virtio = VirtioHeader::decode(&header).expect("a header");
        LocalPacket::parse(Some(&virtio), &mut packet.to_vec()).err() == Some(DropReason::InnerPacket)
    };
    assert!(!refused(&tcp, [1, 4, 0, 0, 100, 0, 40, 0, 16, 0]));
    assert!(!refused(&tcp, [1, 0x84, 0, 0, 100, 0, 40, 0, 16, 0]), "ECN");
    assert!(refused(&tcp, [0, 4, 0, 0, 100, 0, 40, 0, 16, 0]), "no checksum to fill in");
    assert!(refused(&tcp, [1, 1, 0, 0, 100, 0, 40, 0, 16, 0]), "another version");
    assert!(refused(&tcp, [1, 5, 0, 0, 100, 0, 40, 0, 16, 0]), "another transport");
    assert!(refused(&udp, [1, 4, 0, 0, 100, 0, 40, 0, 6, 0]), "another transport");
    assert!(refused(&tcp, [1, 4, 0, 0, 0, 0, 40, 0, 16, 0]), "segments of nothing");
    assert!(refused(&tcp, [1, 4, 0, 0, 7, 0, 40, 0, 16, 0]), "segments that no one sends");
    assert!(refused(&udp, [1, 5, 0, 0, 7, 0, 40, 0, 6, 0]), "143 datagrams");
    assert!(refused(&tcp, [1, 4, 0, 0, 100, 0, 44, 0, 16, 0]), "a checksum elsewhere");
    assert!(refused(&tcp, [1, 4, 0, 0, 100, 0, 40, 0, 6, 0]), "a checksum elsewhere");
    assert!(refused(&tcp, [1, 0, 0, 0, 0, 0, 255, 255, 16, 0]), "beyond the end");
    assert!(refused(&packet(6, TCP, &[]), [1, 4, 0, 0, 100, 0, 40, 0, 16, 0]), "no payload");
    for header in [[4, 0], [8, 0], [0, 2], [0, 3], [0, 6]] {
        let bytes = [header.as_slice(), &[0; 8]].concat();
        assert_eq!(VirtioHeader::decode(&bytes), Err(DropReason::InnerPacket), "{header:?}");
    }
    assert_eq!(VirtioHeader::decode(&[0; 9]), Err(DropReason::InnerPacket));
}
