//! What a session costs: sealing, opening, and a whole handshake between two nodes.

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::Net;
use holloway_mesh::{CipherChoice, Sealer, Settings};
use holloway_wire::{RECORD_OVERHEAD, RecordFlags, RecordHeader, RecordKind};

/// A full inner packet of 1420 bytes and a small one (dataplane.md §3).
const LENGTHS: [usize; 2] = [1420, 240];

/// Where counters begin. The hard stop is for lanes to obey; a benchmark seals more.
const FIRST: u64 = 1 << 20;

fn records(c: &mut Criterion) {
    let suites = [("chacha20-poly1305", CipherChoice::ChaCha20Poly1305), ("aes-256-gcm", CipherChoice::VectorAes)];
    for (name, cipher) in suites {
        let settings = Settings { cipher, ..Settings::default() };
        let (sealer, _) = Net::connected_pair(1, settings.clone()).halves(0, 1);
        let mut group = c.benchmark_group(name);
        for len in LENGTHS {
            group.throughput(Throughput::Bytes(len as u64));
            seal(&mut group, &sealer, len);
            open(&mut group, &settings, len);
        }
        group.finish();
    }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn seal(group: &mut Group<'_>, sealer: &Sealer, len: usize) {
    let flags = RecordFlags::new(RecordKind::Ip);
    let content = vec![0x42; len];
    let mut record = Vec::with_capacity(2048);
    group.bench_function(BenchmarkId::new("seal in place", len), |b| {
        let mut counter = FIRST;
        b.iter(|| {
            record.clear();
            sealer.seal_reserved(counter, flags, black_box(&content), &mut record);
            counter += 1;
        });
    });
    let mut out = vec![0; len + RECORD_OVERHEAD];
    group.bench_function(BenchmarkId::new("seal out of place", len), |b| {
        let mut counter = FIRST;
        b.iter(|| {
            sealer.seal_into(counter, flags, black_box(&content), &mut out);
            counter += 1;
        });
    });
}

/// Opens trains of 45 records, as a lane does.
fn open(group: &mut Group<'_>, settings: &Settings, len: usize) {
    const TRAIN: u64 = 45;
    /// A new session is made before the hard stop of the last.
    const LAST: u64 = (1 << 25) - TRAIN;
    let flags = RecordFlags::new(RecordKind::Ip);
    let content = vec![0x42; len];
    let session = || {
        let net = Net::connected_pair(1, settings.clone());
        (net.halves(0, 1).0, net.halves(1, 0).1)
    };
    let ((mut sealer, mut opener), mut counter) = (session(), FIRST);
    let mut train = || {
        counter += TRAIN;
        if counter > LAST {
            ((sealer, opener), counter) = (session(), FIRST);
        }
        let seal = |number| {
            let mut record = vec![0; len + RECORD_OVERHEAD];
            sealer.seal_into(counter + number, flags, &content, &mut record);
            record
        };
        (opener.clone(), (0..TRAIN).map(seal).collect::<Vec<_>>())
    };
    group.throughput(Throughput::Bytes(len as u64 * TRAIN));
    group.bench_function(BenchmarkId::new("open 45", len), |b| {
        b.iter_batched_ref(
            &mut train,
            |(opener, train)| {
                for record in train {
                    let header = RecordHeader::decode(record).expect("a record");
                    black_box(opener.open(&header, record).map(|opened| opened.content.len()).expect("it is fresh"));
                }
            },
            BatchSize::SmallInput,
        );
    });
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
