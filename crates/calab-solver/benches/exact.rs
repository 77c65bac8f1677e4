//! Time of one block of cells, single-threaded, for every shape of problem.

use std::hint::black_box;

use calab_solver::ar2::Ar2;
use calab_solver::exact::{Cell, Exact};
use calab_solver::interior::{LANES, Recursion, Settings, Sparsity};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fearless_simd::Level;

const NOISE: f64 = 0.1;

/// Reproducible traces: noise on the response to one spike in thirty frames.
fn traces(ar2: &Ar2, n_frames: usize) -> Vec<Vec<f64>> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut one = || {
        let source: Vec<f64> = (0..n_frames).map(|_| f64::from(uniform() < 0.03)).collect();
        let mut trace = vec![0.0; n_frames];
        ar2.forward(&source, &mut trace);
        for y in &mut trace {
            *y += NOISE * ((0..12).map(|_| uniform()).sum::<f64>() - 6.0);
        }
        trace
    };
    (0..LANES).map(|_| one()).collect()
}

/// The automatic weight for a known noise.
fn automatic(ar2: &Ar2, n_frames: usize) -> Sparsity {
    let n = n_frames as f64;
    let norm = Recursion::new(ar2).energy().sqrt() / ar2.peak;
    let high = NOISE * norm * (2.0 * n.ln()).sqrt() / ar2.dc_gain;
    let target = NOISE * NOISE * (n + 2.0 * (2.0 * n).sqrt());
    Sparsity::Residual { target, low: 0.1 * high, high }
}

fn solve(criterion: &mut Criterion) {
    let ar2 = Ar2::new(0.1, 0.6, 30.0).unwrap();
    let mut group = criterion.benchmark_group("exact");
    for n_frames in [1000, 27_000, 200_000] {
        group.throughput(Throughput::Elements((LANES * n_frames) as u64));
        let whole = traces(&ar2, n_frames);
        let mut gaps = whole.clone();
        for trace in &mut gaps {
            trace[n_frames / 3..n_frames / 3 + n_frames / 20].fill(f64::NAN);
        }
        let (given, auto) = (Sparsity::Given(0.5), automatic(&ar2, n_frames));
        for (name, traces, sparsity, boxed, offset) in [
            ("plain", &whole, given, false, false),
            ("gaps", &gaps, given, false, false),
            ("box", &whole, given, true, false),
            ("offset", &whole, given, false, true),
            ("auto", &whole, auto, false, true),
        ] {
            let segments = vec![(0, n_frames)];
            let settings = Settings { ar2, segments, boxed, offset, tol: 1e-6, max_iters: 2000 };
            let cells: Vec<Cell<'_>> = traces
                .iter()
                .map(|trace| Cell { trace, sparsity, offset_floor: offset.then_some(-NOISE) })
                .collect();
            let together = Exact::cells_together(&settings);
            let mut exact = Exact::new(settings, Level::new());
            group.bench_function(BenchmarkId::new(name, n_frames), |bencher| {
                bencher.iter(|| {
                    for cells in black_box(&cells).chunks(together) {
                        let mut sink = |_, solution: &_| {
                            black_box(solution);
                        };
                        exact.solve(cells, &|| false, &mut sink).unwrap();
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = solve
}
criterion_main!(benches);
