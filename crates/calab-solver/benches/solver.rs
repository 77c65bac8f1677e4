//! Time per trace of the steps before the solve, single-threaded.

use std::hint::black_box;

use calab_solver::ar2::Ar2;
use calab_solver::baseline::{BaselineWorkspace, Window, rolling_quantile};
use calab_solver::filter::{Bandpass, FilterWorkspace};
use calab_solver::noise::{NoiseWorkspace, noise_level};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// A reproducible trace: noise on a decaying response to rare events.
fn trace(n_frames: usize) -> Vec<f64> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let source: Vec<f64> = (0..n_frames).map(|_| f64::from(uniform() < 0.01)).collect();
    let mut trace = vec![0.0; n_frames];
    Ar2::new(0.1, 0.6, 30.0).unwrap().forward(&source, &mut trace);
    for value in &mut trace {
        *value += 0.2 * (0..12).map(|_| uniform() - 0.5).sum::<f64>();
    }
    trace
}

fn baseline(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("baseline");
    for (n_frames, width) in [(27_000, 450), (1_000_000, 450), (1_000_000, 100_000)] {
        let (trace, mut out) = (trace(n_frames), vec![0.0; n_frames]);
        let mut workspace = BaselineWorkspace::default();
        for window in [Window::Causal, Window::Centered] {
            let id = BenchmarkId::new(format!("{window:?}"), format!("{n_frames}/{width}"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let trace = black_box(&trace);
                    rolling_quantile(trace, window, width, 0.2, &[], &mut out, &mut workspace)
                });
            });
        }
    }
    group.finish();
}

fn noise(criterion: &mut Criterion) {
    let trace = trace(27_000);
    let mut workspace = NoiseWorkspace::default();
    criterion.bench_function("noise/27000", |bencher| {
        bencher.iter(|| noise_level(black_box(&trace), 30.0, &[], &mut workspace));
    });
}

fn filter(criterion: &mut Criterion) {
    let (trace, mut out) = (trace(27_000), vec![0.0; 27_000]);
    let band = Bandpass::new(0.1, 0.6, 30.0, true, true).unwrap();
    let mut workspace = FilterWorkspace::default();
    criterion.bench_function("filter/27000", |bencher| {
        bencher.iter(|| band.apply(black_box(&trace), &[], &mut out, &mut workspace));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = baseline, noise, filter
}
criterion_main!(benches);
