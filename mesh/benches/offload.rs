//! What cutting and gathering cost.

use criterion::{Criterion, criterion_group, criterion_main};

fn cut(_c: &mut Criterion) {}

criterion_group!(benches, cut);
criterion_main!(benches);
