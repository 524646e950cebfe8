//! What the decisions cost, and what lies directly around them: `cargo bench --bench core`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that can't be run says why by a panic")]
#![allow(missing_docs, reason = "criterion's macros make a public function")]

mod crowd;

use std::hint::black_box;

use credd::core::{KeyRecord, Record};
use credd::envfile;
use credd::salt::Salt;
use credd::store::Journal;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use crowd::Crowd;
use jiff::Timestamp;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
/// As a user has it.
const ENV_FILE: &[u8] = include_bytes!("../data/envcorpus/012_plain_toolkit_template.env");
const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";

fn steps(criterion: &mut Criterion) {
    let mut edits = criterion.benchmark_group("edit");
    for keys in SIZES {
        let mut crowd = Crowd::started(keys);
        edits.bench_function(BenchmarkId::from_parameter(keys), |bencher| bencher.iter(|| crowd.edit()));
    }
    edits.finish();
    let mut deadlines = criterion.benchmark_group("next_deadline");
    for keys in SIZES {
        let crowd = Crowd::started(keys);
        deadlines.bench_function(BenchmarkId::from_parameter(keys), |bencher| bencher.iter(|| black_box(&crowd).machine.next_deadline()));
    }
    deadlines.finish();
    let mut starts = criterion.benchmark_group("start");
    starts.sample_size(10);
    for keys in SIZES {
        starts.bench_function(BenchmarkId::from_parameter(keys), |bencher| {
            bencher.iter_batched_ref(|| Crowd::new(keys), Crowd::start, BatchSize::LargeInput);
        });
    }
    starts.finish();
}

fn files(criterion: &mut Criterion) {
    criterion.bench_function("env file", |bencher| {
        bencher.iter(|| envfile::read(black_box(ENV_FILE), b"/home/u").variable(VARIABLE));
    });
    let directory = tempfile::tempdir().unwrap();
    let salt = Salt::load_or_create(directory.path()).unwrap();
    let value = [b'x'; 132];
    criterion.bench_function("fingerprint", |bencher| bencher.iter(|| salt.fingerprint(black_box(&value))));
    let (mut journal, ..) = Journal::open(directory.path(), Timestamp::UNIX_EPOCH).unwrap();
    let record = Record::Key("bedrock".into(), KeyRecord::default());
    criterion.bench_function("journal, durable", |bencher| {
        bencher.iter(|| journal.save(std::slice::from_ref(&record), || std::iter::once(record.clone())).unwrap());
    });
}

criterion_group!(benches, steps, files);
criterion_main!(benches);
