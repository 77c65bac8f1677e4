//! What holds for every input, checked on generated ones.

use calab_solver::ar2::Ar2;
use calab_solver::baseline::{BaselineWorkspace, Window, quantile, rolling_quantile};
use calab_solver::filter::{Bandpass, FilterWorkspace};
use calab_solver::noise::{NoiseWorkspace, noise_level};
use calab_solver::segments::segment_ranges;
use proptest::prelude::*;

/// Few distinct values, many gaps: ties and empty windows are common.
fn gappy_trace(most: usize) -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![
        3 => -1e3..1e3_f64,
        3 => (-4..4_i32).prop_map(f64::from),
        1 => -1e-300..1e300_f64,
        2 => Just(f64::NAN),
    ];
    prop::collection::vec(value, 0..most)
}

fn starts(n_frames: usize) -> impl Strategy<Value = Vec<usize>> {
    let n_frames = n_frames.max(1);
    prop::collection::btree_set(0..n_frames, 0..4).prop_map(|set| set.into_iter().collect())
}

fn trace_and_starts(most: usize) -> impl Strategy<Value = (Vec<f64>, Vec<usize>)> {
    gappy_trace(most).prop_flat_map(|trace| {
        let starts = starts(trace.len());
        (Just(trace), starts)
    })
}

/// Sorts every window afresh.
fn sorted_windows(trace: &[f64], window: Window, width: usize, starts: &[usize]) -> Vec<f64> {
    let mut scratch = Vec::new();
    let mut baseline = Vec::new();
    for range in segment_ranges(starts, trace.len()) {
        let segment = &trace[range];
        let before = if window == Window::Causal { width - 1 } else { width / 2 };
        let mut levels: Vec<f64> = (0..segment.len())
            .map(|t| {
                let end = (t + width - before).min(segment.len());
                quantile(&segment[t.saturating_sub(before)..end], 0.2, &mut scratch).unwrap()
            })
            .collect();
        hold(&mut levels);
        baseline.extend(levels);
    }
    hold(&mut baseline);
    baseline
}

fn hold(levels: &mut [f64]) {
    for t in 1..levels.len() {
        if levels[t].is_nan() {
            levels[t] = levels[t - 1];
        }
    }
    for t in (1..levels.len()).rev() {
        if levels[t - 1].is_nan() {
            levels[t - 1] = levels[t];
        }
    }
}

fn same(a: &[f64], b: &[f64]) -> bool {
    let same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    a.len() == b.len() && a.iter().zip(b).all(same)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sliding_quantile_equals_sorting_every_window(
        (trace, starts) in trace_and_starts(300),
        width in 1..400_usize,
        causal in any::<bool>(),
    ) {
        let window = if causal { Window::Causal } else { Window::Centered };
        let mut out = vec![0.0; trace.len()];
        let mut workspace = BaselineWorkspace::default();
        rolling_quantile(&trace, window, width, 0.2, &starts, &mut out, &mut workspace).unwrap();
        prop_assert!(same(&out, &sorted_windows(&trace, window, width, &starts)));
    }

    #[test]
    fn noise_follows_scale_and_ignores_offset(
        (trace, starts) in trace_and_starts(600),
        factor in 1e-6..1e6_f64,
    ) {
        let mut workspace = NoiseWorkspace::default();
        let noise = noise_level(&trace, 30.0, &starts, &mut workspace).unwrap();
        let scaled: Vec<f64> = trace.iter().map(|x| factor * x).collect();
        let of_scaled = noise_level(&scaled, 30.0, &starts, &mut workspace).unwrap();
        prop_assert!(noise.is_finite() && noise >= 0.0);
        // Every sample is rounded once; a median of windows without noise is rounding alone.
        let largest = trace.iter().fold(0.0_f64, |a, x| a.max(x.abs()));
        prop_assert!((of_scaled - factor * noise).abs() <= 1e-12 * factor * largest);
    }

    #[test]
    fn adjoint_is_the_transpose(
        pairs in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 1..200),
        rise in 1e-3..1.0_f64,
        ratio in 1.0001..20.0_f64,
    ) {
        let ar2 = Ar2::new(rise, rise * ratio, 30.0).unwrap();
        let (s, x): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let (mut calcium, mut source) = (vec![0.0; s.len()], vec![0.0; s.len()]);
        ar2.forward(&s, &mut calcium);
        ar2.adjoint(&x, &mut source);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        // Both sides sum at most 200 x 200 products of at most 1, in another order.
        prop_assert!((dot(&calcium, &x) - dot(&s, &source)).abs() < 1e-8);
    }

    #[test]
    fn filter_is_linear(
        pairs in prop::collection::vec((-1.0..1.0_f64, -1.0..1.0_f64), 8..300),
        starts in starts(8),
    ) {
        let band = Bandpass::new(0.1, 0.6, 30.0, true, true).unwrap();
        let mut workspace = FilterWorkspace::default();
        let mut run = |trace: Vec<f64>| {
            let mut out = vec![0.0; trace.len()];
            band.apply(&trace, &starts, &mut out, &mut workspace).unwrap();
            out
        };
        let x = run(pairs.iter().map(|(x, _)| *x).collect());
        let y = run(pairs.iter().map(|(_, y)| *y).collect());
        let sum = run(pairs.iter().map(|(x, y)| 2.0 * x - y).collect());
        for ((x, y), sum) in x.iter().zip(&y).zip(sum) {
            prop_assert!((2.0 * x - y - sum).abs() < 1e-12);
        }
    }
}

#[test]
fn sliding_quantile_agrees_over_several_chunks() {
    // Longer than one table of ranks, with a drift that moves the cursor all the way.
    let trace: Vec<f64> = (0..40_000_u32)
        .map(|t| f64::from(t.wrapping_mul(2_654_435_761) >> 16) + f64::from(t) * 3.0)
        .collect();
    for (window, width) in [(Window::Causal, 77), (Window::Centered, 300)] {
        let mut out = vec![0.0; trace.len()];
        let mut workspace = BaselineWorkspace::default();
        rolling_quantile(&trace, window, width, 0.2, &[], &mut out, &mut workspace).unwrap();
        assert!(same(&out, &sorted_windows(&trace, window, width, &[])));
    }
}
