//! Time per trace of the steps before the solve, single-threaded, and of free-form kernels.

use std::hint::black_box;

use calab_solver::ar2::Ar2;
use calab_solver::baseline::{BaselineWorkspace, Window, rolling_quantile};
use calab_solver::filter::{Bandpass, FilterWorkspace};
use calab_solver::free_kernel::{FlatTraces, SolveOptions};
use calab_solver::noise::{NoiseWorkspace, noise_level};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

/// Reproducible numbers between 0 and 1.
fn uniform() -> impl FnMut() -> f64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Noise on a response to rare events that decays in so many frames, and the events.
fn response(n_frames: usize, decay: f64, share: f64) -> (Vec<f64>, Vec<f64>) {
    let mut uniform = uniform();
    let source: Vec<f64> = (0..n_frames).map(|_| f64::from(uniform() < share)).collect();
    let mut trace = vec![0.0; n_frames];
    Ar2::new(decay / 6.0, decay, 1.0).unwrap().forward(&source, &mut trace);
    for value in &mut trace {
        *value += 0.2 * (0..12).map(|_| uniform() - 0.5).sum::<f64>();
    }
    (trace, source)
}

fn trace(n_frames: usize) -> Vec<f64> {
    response(n_frames, 18.0, 0.01).0
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

/// From the traces to the certified kernel of a spike in 2 % of the frames; a kernel of twice the
/// length takes some four times as long.
fn free_kernel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("free_kernel/27000");
    for kernel_length in [400, 800, 1600, 3200] {
        let (trace, spikes) = response(27_000, kernel_length as f64 / 6.0, 0.02);
        let traces = FlatTraces {
            traces: &trace,
            spikes: &spikes,
            lengths: &[27_000],
            alphas: &[1.0],
            baselines: &[0.0],
            upsample: 1,
        };
        let options = SolveOptions { smooth_lambda: 0.01, ..SolveOptions::default() };
        group.bench_function(BenchmarkId::from_parameter(kernel_length), |bencher| {
            bencher.iter(|| {
                let equations = black_box(traces).normal_equations(kernel_length, &mut || false);
                let kernel = equations.unwrap().solve(&options, &mut || false).unwrap();
                assert!(kernel.converged);
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = baseline, noise, filter, free_kernel
}
criterion_main!(benches);
