//! The data path allocates nothing per packet, and what strangers can make it keep is bounded.
#![expect(unsafe_code, reason = "a global allocator that counts can only be written with it")]

mod counting;

use std::io::IoSlice;

use counting::{calls, live};
use holloway_mesh::{Bundle, Gather, LocalPacket, Reassembly, TunOffload, VirtioHeader, bundled, fragments};
use holloway_wire::Instant;

/// A TCP super-packet over IPv6, and its virtio header.
fn super_packet(len: usize, segment: u16) -> (VirtioHeader, Vec<u8>) {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&u16::try_from(len - 40).expect("below 64 KiB").to_be_bytes());
    packet.extend_from_slice(&[6, 64]);
    packet.extend_from_slice(&[0xfd; 32]);
    packet.extend_from_slice(&[0x13, 0x88, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    packet.resize(len, 0x42);
    let [low, high] = segment.to_le_bytes();
    (VirtioHeader::decode(&[1, 4, 60, 0, low, high, 40, 0, 16, 0]).expect("a virtio header"), packet)
}

#[test]
fn cutting_and_gathering_allocate_once_per_receive() {
    let (virtio, mut packet) = super_packet(60_060, 1348);
    let mut received = vec![[0; 1408]; 45];
    let mut lengths = [0; 45];
    let cut = calls(|| {
        let local = LocalPacket::parse(Some(&virtio), &mut packet).expect("sound");
        let Ok(mut pieces) = local.cut(1408) else { panic!("TCP can be cut") };
        for (buffer, len) in received.iter_mut().zip(&mut lengths) {
            let piece = pieces.next().expect("45 pieces");
            buffer[..piece.packet.len()].copy_from_slice(piece.packet);
            *len = piece.packet.len();
        }
        assert_eq!(pieces.count(), 0);
    });
    assert_eq!(cut, 0);
    let mut writes = 0;
    let gathered = calls(|| {
        let mut gather = Gather::new(TunOffload { virtio: true, tso: true, uso: true });
        let mut write = |_: &[IoSlice<'_>]| writes += 1;
        for (buffer, len) in received.iter_mut().zip(lengths) {
            gather.push(&mut buffer[..len], true, &mut write).expect("sound");
        }
        gather.flush(&mut write);
    });
    assert_eq!((gathered, writes), (1, 1));
}

#[test]
fn a_packet_alone_allocates_nothing() {
    let (_, mut packet) = super_packet(1000, 1348);
    let alone = calls(|| {
        let mut gather = Gather::new(TunOffload { virtio: true, tso: true, uso: true });
        gather.push(&mut packet, true, &mut |_| {}).expect("sound");
        gather.flush(&mut |_| {});
    });
    assert_eq!(alone, 0);
}

#[test]
fn bundles_and_fragments_are_made_and_read_in_place() {
    let mut bundle = Bundle::new(1400);
    let packet = vec![7; 65_000];
    let mut copy = vec![0; 1400];
    let made = calls(|| {
        while bundle.try_push(&packet[..200], true) {}
        copy[..bundle.content().len()].copy_from_slice(bundle.content());
        assert_eq!(bundled(&mut copy[..bundle.content().len()]).map(Iterator::count), Ok(6));
        assert_eq!(fragments(&packet, 1000, 1, false).count(), 66);
        bundle.clear();
    });
    assert_eq!(made, 0);
}

#[test]
fn no_fragments_make_a_reassembly_keep_more_than_two_packets() {
    let before = live();
    let mut reassembly = Reassembly::default();
    let mut content = [0; 9];
    let mut most = 0;
    for number in 0..200_000_u32 {
        // Far ends, holes of one byte and ever new packets.
        let offset = (number.wrapping_mul(40_503) % 65_535) as u16;
        content[..4].copy_from_slice(&(number / 100 % 5).to_le_bytes());
        content[4..6].copy_from_slice(&offset.to_le_bytes());
        let _ = reassembly.push(&content, Instant::from_nanos(u64::from(number)));
        most = most.max(live() - before);
    }
    assert!(most > 65_000, "it was tried");
    assert!(most <= 2 * 65_535 + 4096 + 65_535, "{most} bytes, of which the last is a buffer while it grows");
    reassembly.expire(Instant::from_nanos(u64::MAX));
    assert!(live() - before <= 1024, "nothing is left but the place of two packets");
}
