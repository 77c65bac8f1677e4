//! The proof holds for any answer, however bad, and its formula is primal minus dual.

use calab_solver::ar2::Ar2;
use calab_solver::certificate::{Problem, certify};
use calab_solver::interior::Recursion;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::dense::{Dense, power};

const TAUS: (f64, f64) = (1.5, 4.0);
const FRAMES: usize = 8;

/// A trace, sources and two rows of multipliers, mostly within reach of the optimum.
fn rows() -> impl Strategy<Value = (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>)> {
    let source = prop_oneof![Just(0.0), 0.0..1.0];
    let multiplier = prop_oneof![Just(0.0), 0.0..3.0];
    let row = |value: BoxedStrategy<f64>| vec(value, FRAMES);
    (
        row((-1.0..3.0_f64).boxed()),
        row(source.boxed()),
        row(multiplier.clone().boxed()),
        row(multiplier.boxed()),
    )
}

fn segments(cut: usize) -> Vec<(usize, usize)> {
    if cut == 0 { vec![(0, FRAMES)] } else { vec![(0, cut), (cut, FRAMES)] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_gap_is_never_too_small(
        (mut trace, sources, lower, upper) in rows(),
        gaps in vec(prop::bool::weighted(0.25), FRAMES),
        masked: bool,
        boxed: bool,
        floor in prop::option::of(-1.0..0.5),
        above in 0.0..1.0,
        m in 0.01..2.0,
        cut in 0..FRAMES,
    ) {
        if masked {
            trace.iter_mut().zip(&gaps).filter(|(_, gap)| **gap).for_each(|(y, _)| *y = f64::NAN);
        }
        let (bound, m) = if boxed { (0.8, 0.0) } else { (f64::INFINITY, m) };
        let sources: Vec<f64> = sources.iter().map(|q: &f64| q.min(bound)).collect();
        let (segments, offset) = (segments(cut), floor.map_or(0.0, |floor| floor + above));
        let ar2 = Ar2::new(TAUS.0, TAUS.1, 1.0).unwrap();
        let problem = Problem {
            trace: &trace, recursion: Recursion::new(&ar2), segments: &segments, m, bound, offset, floor,
        };
        let price = |(z, v): (&f64, &f64)| m - z + if boxed { *v } else { 0.0 };
        let prices: Vec<f64> = lower.iter().zip(&upper).map(price).collect();
        let proof = certify(&problem, &sources, &prices, &mut [0.0; FRAMES]);
        let dense = Dense::new(TAUS, &trace, &segments, m, bound, floor);
        let active: Vec<f64> = dense.frames.iter().map(|&t| sources[t]).collect();
        let objective = dense.objective(&active, offset);
        // Rounding of sums of squares of order 1 to 100.
        let rounding = 1e-11 * (1.0 + objective + power(&trace));
        prop_assert!((proof.objective - objective).abs() <= rounding);
        prop_assert!((proof.power - power(&trace)).abs() <= rounding);
        let distance = objective - dense.optimum();
        prop_assert!(proof.gap >= distance - rounding, "gap {} distance {distance}", proof.gap);
    }

    #[test]
    fn the_gap_is_primal_minus_dual((y, q, z, _) in rows(), m in 0.0..2.0) {
        let ar2 = Ar2::new(TAUS.0, TAUS.1, 1.0).unwrap();
        let segments = segments(0);
        let problem = Problem {
            trace: &y,
            recursion: Recursion::new(&ar2),
            segments: &segments,
            m,
            bound: f64::INFINITY,
            offset: 0.0,
            floor: None,
        };
        let prices: Vec<f64> = z.iter().map(|z| m - z).collect();
        let proof = certify(&problem, &q, &prices, &mut [0.0; FRAMES]);
        let price = |t: usize| prices.get(t).copied().unwrap_or(0.0);
        // No source reaches the first frame, where the dual point may be the trace itself.
        let dual: f64 = (0..FRAMES)
            .map(|t| if t == 0 { y[0] } else { price(t) - ar2.g1 * price(t + 1) - ar2.g2 * price(t + 2) })
            .zip(&y)
            .map(|(u, y)| u * y - 0.5 * u * u)
            .sum();
        let dense = Dense::new(TAUS, &y, &segments, m, f64::INFINITY, None);
        let primal = dense.objective(&q[1..], 0.0);
        let (direct, rounding) = (primal - dual, 1e-11 * (1.0 + (primal - dual).abs() + power(&y)));
        // No objective is below 0, which is the better bound where the dual one is negative.
        prop_assert!((proof.gap - direct.min(primal)).abs() <= rounding);
    }
}

#[test]
fn an_offset_without_any_start_frame_is_judged() {
    let trace = [f64::NAN, 1.0, 1.2, f64::NAN, 0.9, 1.1, 1.0];
    let segments = [(0, 3), (3, 7)];
    let ar2 = Ar2::new(TAUS.0, TAUS.1, 1.0).unwrap();
    let recursion = Recursion::new(&ar2);
    for floor in [-1.0_f64, 0.0, 1.05, 2.0] {
        let mut best = f64::INFINITY;
        for offset in [floor, floor.max(1.04), floor + 1.0] {
            let problem = Problem {
                trace: &trace,
                recursion,
                segments: &segments,
                m: 1.0,
                bound: f64::INFINITY,
                offset,
                floor: Some(floor),
            };
            let mut prices = [0.0; 7];
            let rest: Vec<f64> =
                trace.iter().map(|y| if y.is_nan() { 0.0 } else { y - offset }).collect();
            for (start, end) in segments {
                let mut later = vec![0.0; end - start];
                ar2.adjoint(&rest[start..end], &mut later);
                // The source that reaches frame t is the one of frame t - 1.
                for t in start + 1..end {
                    prices[t] = later[t - 1 - start] * ar2.peak;
                }
            }
            let proof = certify(&problem, &[0.0; 7], &prices, &mut [0.0; 7]);
            let dense = Dense::new(TAUS, &trace, &segments, 1.0, f64::INFINITY, Some(floor));
            let distance = proof.objective - dense.optimum();
            assert!(proof.gap >= distance - 1e-12, "{floor} {offset}: {proof:?} {distance}");
            best = best.min(proof.gap);
        }
        // One of the offsets is optimal without any source, and that is recognised.
        assert!(best < 1e-12, "{floor}: {best}");
    }
}
