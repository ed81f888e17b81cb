//! Bytes that no kernel and no honest peer sends.

use std::io::IoSlice;

use holloway_mesh::{DropReason, Gather, LocalPacket, Reassembly, TunOffload, VirtioHeader, bundled};
use holloway_wire::Instant;

use crate::prove;
use crate::stream::{Rng, Stream, pool};

/// A virtio header whose fields are random, but often near what they should be.
fn virtio(rng: &mut Rng, sound: [u8; 10]) -> [u8; 10] {
    let mut virtio = sound;
    for _ in 0..1 + rng.below(3) {
        match rng.below(7) {
            0 => virtio = rng.bytes(10).try_into().expect("ten"),
            1 => virtio[0] = rng.below(4) as u8,
            2 => virtio[1] = [0, 1, 3, 4, 5, 0x81, 0x84, 0x85][rng.below(8)],
            field => {
                let at = 2 * (field - 2);
                virtio[at] = rng.next() as u8;
                virtio[at + 1] = if rng.one_in(2) { 0 } else { rng.next() as u8 };
            }
        }
    }
    virtio
}

#[test]
fn whatever_a_virtio_header_says_pieces_keep_to_the_limit() {
    let pool = pool();
    prove("malformed virtio headers", |seed| {
        let rng = &mut Rng(seed ^ 0xa5a5_0000_0000);
        let stream = Stream::random(rng, 0, &pool);
        let is_super = rng.one_in(2);
        let (sound, mut packet) = stream.local(&pool, is_super);
        if rng.one_in(4) {
            let at = rng.below(packet.len().min(120));
            packet[at] = rng.next() as u8;
        }
        let (virtio, limit, before) = (virtio(rng, sound), rng.magnitude(0, 70_000), packet.len());
        let Ok(virtio) = VirtioHeader::decode(&virtio) else {
            return;
        };
        let Ok(local) = LocalPacket::parse(Some(&virtio), &mut packet) else {
            return;
        };
        let Ok(mut pieces) = local.cut(limit) else {
            return;
        };
        let (mut left, mut total) = (pieces.count(), 0);
        assert!(left <= 65_535);
        while let Some(mut piece) = pieces.next() {
            assert!(piece.packet.len() <= limit);
            total += piece.packet.len();
            piece.complete_checksum();
            left -= 1;
        }
        assert!(left == 0 && total >= before, "{left} are missing, {total} of {before} bytes");
    });
}

#[test]
fn whatever_is_gathered_comes_out_once() {
    prove("gather noise", |seed| {
        let rng = &mut Rng(seed ^ 0x3c3c_0000_0000);
        let count = rng.below(5);
        let mut packet = |_| {
            let len = rng.magnitude(0, 200);
            rng.bytes(len)
        };
        let mut noise: Vec<Vec<u8>> = (0..count).map(&mut packet).collect();
        for packet in noise.iter_mut().filter(|packet| !packet.is_empty()) {
            packet[0] = [0x45, 0x60, 0x46, 0x00][rng.below(4)];
        }
        let (mut given, mut got) = (0, 0);
        let mut write = |slices: &[IoSlice<'_>]| got += slices.iter().map(|slice| slice.len()).sum::<usize>() - 10;
        let mut gather = Gather::new(TunOffload { virtio: true, tso: true, uso: true });
        for packet in &mut noise {
            let len = packet.len();
            match gather.push(packet, rng.one_in(2), &mut write) {
                Ok(()) => given += len,
                Err(reason) => assert_eq!(reason, DropReason::InnerPacket),
            }
        }
        gather.flush(&mut write);
        assert_eq!(given, got, "noise continues nothing");
    });
}

#[test]
fn a_bundle_is_taken_whole_or_not_at_all() {
    prove("malformed bundles", |seed| {
        let rng = &mut Rng(seed ^ 0x7e7e_0000_0000);
        let mut content = Vec::new();
        for _ in 0..rng.below(6) {
            let len = rng.magnitude(0, 40);
            content.extend_from_slice(&[len as u8, 0, rng.below(2) as u8, 0]);
            content.extend(rng.bytes(len));
        }
        if !content.is_empty() && rng.one_in(2) {
            let at = rng.below(content.len());
            content[at] = rng.below(4) as u8;
        }
        let len = content.len();
        match bundled(&mut content) {
            Err(reason) => assert_eq!(reason, DropReason::Malformed),
            Ok(packets) => {
                let lengths: Vec<usize> = packets.map(|(packet, _)| packet.len()).collect();
                assert!(lengths.len() >= 2 && lengths.iter().all(|length| *length > 0));
                assert_eq!(lengths.iter().map(|length| length + 4).sum::<usize>(), len, "nothing is left over");
            }
        }
    });
}

#[test]
fn whatever_fragments_come_only_whole_packets_leave() {
    prove("malformed fragments", |seed| {
        let rng = &mut Rng(seed ^ 0x1234_0000_0000);
        let mut reassembly = Reassembly::default();
        let mut now = 0;
        for _ in 0..rng.below(40) {
            now += rng.magnitude(0, 500_000_000) as u64;
            let mut content = vec![rng.below(3) as u8, 0, 0, 0];
            content.extend_from_slice(&(8 * rng.magnitude(0, 8191) as u16).to_le_bytes());
            content.extend_from_slice(&[rng.below(5) as u8, u8::from(rng.one_in(20))]);
            let len = 8 * rng.magnitude(0, 200);
            content.resize(8 + len, 7);
            if let Ok(Some((packet, _))) = reassembly.push(&content, Instant::from_nanos(now)) {
                assert!(!packet.is_empty() && packet.len() <= 65_535);
            }
        }
        reassembly.expire(Instant::from_nanos(now + 1_000_000_000));
        assert!(reassembly.is_empty());
    });
}
