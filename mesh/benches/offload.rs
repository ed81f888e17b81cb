//! What cutting a super-packet and gathering its pieces again cost.

use std::hint::black_box;
use std::io::IoSlice;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use holloway_mesh::{Bundle, Gather, LocalPacket, TunOffload, VirtioHeader, bundled, packet_too_big};

/// Inner packets of the default overlay MTU.
const LIMIT: usize = 1408;

/// Segments in one datagram train over an underlay MTU of 1500 (dataplane.md §7).
const SEGMENTS: usize = 45;

const TCP_HEADER_LEN: usize = 40 + 32;

/// A TCP super-packet over IPv6 with timestamps, and its virtio header.
fn super_packet(len: usize, is_super: bool) -> (VirtioHeader, Vec<u8>) {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&u16::try_from(len - 40).expect("below 64 KiB").to_be_bytes());
    packet.extend_from_slice(&[6, 64]);
    packet.extend_from_slice(&[0xfd; 32]);
    packet.extend_from_slice(&[0x13, 0x88, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 0x10, 1, 0, 0, 0, 0, 0]);
    packet.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet.resize(len, 0x42);
    let segment = u16::try_from(LIMIT - TCP_HEADER_LEN).expect("small").to_le_bytes();
    let (kind, [low, high]) = if is_super { (4, segment) } else { (0, [0, 0]) };
    let virtio = [1, kind, 72, 0, low, high, 40, 0, 16, 0];
    (VirtioHeader::decode(&virtio).expect("a virtio header"), packet)
}

fn cut(c: &mut Criterion) {
    let mut group = c.benchmark_group("cut");
    for (name, len) in [("64 KiB super-packet", 65_535), ("one packet", LIMIT), ("one acknowledgement", TCP_HEADER_LEN)]
    {
        let (virtio, packet) = super_packet(len, len > LIMIT);
        let mut buffer = packet.clone();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                // Cutting spoils the header and what lies before each payload: only the header has to be as before.
                buffer[..TCP_HEADER_LEN].copy_from_slice(&packet[..TCP_HEADER_LEN]);
                let local = LocalPacket::parse(Some(&virtio), &mut buffer).expect("a sound packet");
                let Ok(mut pieces) = local.cut(LIMIT) else { unreachable!("TCP can be cut") };
                while let Some(piece) = pieces.next() {
                    black_box(piece.packet.len());
                }
            });
        });
    }
    group.finish();
}

/// The pieces of a super-packet in one buffer, as one receive brings them.
fn received(count: usize) -> Vec<Vec<u8>> {
    let (virtio, mut packet) = super_packet(TCP_HEADER_LEN + count * (LIMIT - TCP_HEADER_LEN), true);
    let local = LocalPacket::parse(Some(&virtio), &mut packet).expect("a sound packet");
    let Ok(mut pieces) = local.cut(LIMIT) else { unreachable!("TCP can be cut") };
    let mut received = Vec::new();
    while let Some(piece) = pieces.next() {
        received.push(piece.packet.to_vec());
    }
    received
}

fn gather(c: &mut Criterion) {
    let mut group = c.benchmark_group("gather");
    let all = TunOffload { virtio: true, tso: true, uso: true };
    for (name, is_unfilled) in [("unfilled", true), ("verified", false)] {
        for count in [1, SEGMENTS] {
            let mut packets = received(count);
            for packet in packets.iter_mut().filter(|_| !is_unfilled) {
                holloway_mesh::complete_checksum(packet).expect("a TCP packet");
            }
            let first = packets[0][..TCP_HEADER_LEN].to_vec();
            group.throughput(Throughput::Elements(count as u64));
            group.bench_function(BenchmarkId::new(name, count), |b| {
                b.iter(|| {
                    packets[0][..TCP_HEADER_LEN].copy_from_slice(&first);
                    let mut write = |slices: &[IoSlice<'_>]| {
                        black_box(slices.len());
                    };
                    let mut gather = Gather::new(all);
                    for packet in &mut packets {
                        gather.push(packet, is_unfilled, &mut write).expect("a TCP packet");
                    }
                    gather.flush(&mut write);
                });
            });
        }
    }
    group.finish();
}

fn bundle(c: &mut Criterion) {
    let mut group = c.benchmark_group("bundle");
    let packet = [0x42; 240];
    group.throughput(Throughput::Elements(5));
    let mut bundle = Bundle::new(LIMIT);
    group.bench_function("fill", |b| {
        b.iter(|| {
            bundle.clear();
            while bundle.try_push(black_box(&packet), true) {}
        });
    });
    let content = bundle.content().to_vec();
    group.bench_function("read", |b| {
        b.iter_batched_ref(
            || content.clone(),
            |content| bundled(content).expect("a bundle").map(|(packet, _)| packet.len()).sum::<usize>(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn too_big(c: &mut Criterion) {
    let (_, packet) = super_packet(LIMIT, false);
    c.bench_function("packet too big", |b| b.iter(|| packet_too_big(black_box(&packet), 1280)));
}

criterion_group!(benches, cut, gather, bundle, too_big);
criterion_main!(benches);
