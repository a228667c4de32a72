//! Wheel, codec, index and turn, each through the public verbs of what holds it.

use std::hint::black_box;
use std::time::Duration;

use benches::planning::Planning;
use benches::triggering::{Triggering, placements};
use benches::turning::Turning;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use schemas::{BucketRecord, Registration};

const BATCH: u32 = 1_000;

fn registrations(from: u64) -> Vec<Bytes> {
    let one = |number: u64| {
        let due = benches::START + 60_000;
        format!(
            "{{\"tenant\":\"load\",\"id\":\"t-{number}\",\"schedule\":{{\"at\":{due}}},\
             \"call\":{{\"url\":\"http://127.0.0.1:9/\"}},\"payload\":{{\"n\":{number}}}}}"
        )
        .into()
    };
    (from..from + u64::from(BATCH)).map(one).collect()
}

fn wheel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wheel");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let records = placements(BATCH);
    group.bench_function("1000 placements to fires", |bencher| {
        bencher.iter_batched(
            || (Triggering::new(), records.clone()),
            |(mut core, records)| assert_eq!(core.fire(records), BATCH as usize),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Elements(1));
    let json = registrations(0).remove(0);
    group.bench_function("a registration parsed", |bencher| {
        bencher.iter(|| Registration::parse(black_box(&json)));
    });
    let value = placements(1).remove(0).value.unwrap_or_default();
    group.bench_function("a placement decoded and encoded", |bencher| {
        bencher.iter(|| BucketRecord::decode(black_box(&value)).map(|record| record.encode()));
    });
    group.finish();
}

fn index(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("index");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let (mut planning, mut next) = (Planning::new(), 0);
    group.bench_function("1000 registrations planted", |bencher| {
        bencher.iter_batched(
            || {
                next += u64::from(BATCH);
                registrations(next)
            },
            |values| assert!(planning.register(&values) >= values.len()),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn turn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    let mut turning = Turning::new().expect("a log in memory");
    group.bench_function("1000 records copied by the driver", |bencher| {
        bencher.iter(|| assert_eq!(turning.copy(BATCH).ok(), Some(BATCH as usize)));
    });
    group.finish();
}

fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
}

criterion_group! {
    name = organs;
    config = short();
    targets = wheel, codec, index, turn
}
criterion_main!(organs);
