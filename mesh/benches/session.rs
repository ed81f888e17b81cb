//! What a session costs: sealing, opening, and a whole handshake between two nodes.

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use harness::Net;
use holloway_mesh::{CipherChoice, Settings};
use holloway_wire::{RECORD_HEADER_LEN, RecordFlags, RecordHeader, RecordKind};

/// A full inner packet.
const CONTENT: [u8; 1400] = [0x42; 1400];

fn records(c: &mut Criterion) {
    let suites = [("chacha20-poly1305", CipherChoice::ChaCha20Poly1305), ("aes-256-gcm", CipherChoice::VectorAes)];
    for (name, cipher) in suites {
        let net = Net::connected_pair(1, Settings { cipher, ..Settings::default() });
        let (sealer, _) = net.halves(0, 1);
        let (_, opener) = net.halves(1, 0);
        let flags = RecordFlags::new(RecordKind::Ip);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(CONTENT.len() as u64));
        let mut record = Vec::with_capacity(2048);
        group.bench_function("seal", |b| {
            // The hard stop is for lanes to obey; a benchmark seals more.
            let mut counter = 1 << 20;
            b.iter(|| {
                record.clear();
                sealer.seal_reserved(counter, flags, black_box(&CONTENT), &mut record);
                counter += 1;
            });
        });
        let mut counter = 1 << 20;
        group.bench_function("open", |b| {
            b.iter_batched(
                || {
                    counter += 1;
                    let mut record = Vec::with_capacity(2048);
                    sealer.seal_reserved(counter % (1 << 25), flags, &CONTENT, &mut record);
                    record
                },
                |mut record| {
                    let header = RecordHeader::decode(&record).expect("a record");
                    black_box(
                        opener.open(&header, &mut record).map(|opened| opened.content.len()).expect("it is fresh"),
                    );
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
        assert!(record.len() > RECORD_HEADER_LEN);
    }
}

fn handshake(c: &mut Criterion) {
    c.bench_function("handshake", |b| {
        b.iter_batched(
            || Net::pair(2),
            |mut net| {
                net.send(0, 1, b"hello");
                net.run();
                assert_eq!(net.take(1).len(), 1);
                net
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, records, handshake);
criterion_main!(benches);
