//! Small problems of every shape against every active set.

use calab_solver::ar2::Ar2;
use calab_solver::interior::{Recursion, Settings};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::data::{settings, solve};
use crate::dense::{Dense, power};

const TAUS: (f64, f64) = (1.5, 4.0);

/// Most frames: with a box, eight sources and an offset have 3^8 · 2 active sets.
const FRAMES: usize = 8;

fn check(settings: &Settings, trace: &[f64], lam: f64, floor: f64) -> Result<(), TestCaseError> {
    let solution = solve(settings, trace, lam, floor);
    let ar2 = settings.ar2;
    let m = solution.lam / Recursion::new(&ar2).drift();
    let bound = if settings.boxed { 1.0 / ar2.peak } else { f64::INFINITY };
    let floor = settings.offset.then_some(floor);
    let dense = Dense::new(TAUS, trace, &settings.segments, m, bound, floor);
    let sources: Vec<f64> = dense.frames.iter().map(|&t| solution.sources[t]).collect();
    let objective = dense.objective(&sources, solution.offset);
    // Rounding of sums of squares; what the solver proves is coarser by far.
    let rounding = 1e-12 * (objective + power(trace));
    let proof = solution.certificate;
    prop_assert!(solution.converged, "{proof:?} after {}", solution.iterations);
    prop_assert!(sources.iter().all(|&q| (0.0..=bound).contains(&q)), "{sources:?}");
    prop_assert!(solution.offset >= floor.unwrap_or(0.0));
    prop_assert!((proof.objective - objective).abs() <= rounding);
    let distance = objective - dense.optimum();
    prop_assert!(distance <= proof.gap + rounding, "gap {} distance {distance}", proof.gap);
    prop_assert!(distance >= -1e-9 * (objective + power(trace)), "better than every active set");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn small_problems_are_solved(
        mut trace in vec(-1.0..3.0_f64, 1..=FRAMES),
        gaps in vec(prop::bool::weighted(0.25), FRAMES),
        masked: bool,
        boxed: bool,
        floor in prop::option::of(-1.0..1.0),
        lam in prop_oneof![Just(0.0), 1e-6..1.0, Just(1e3), Just(1e6)],
        cut in 0..FRAMES,
    ) {
        if masked {
            trace.iter_mut().zip(&gaps).filter(|(_, gap)| **gap).for_each(|(y, _)| *y = f64::NAN);
        }
        let mut settings = settings(Ar2::new(TAUS.0, TAUS.1, 1.0).unwrap(), trace.len());
        if 0 < cut && cut < trace.len() {
            settings.segments = vec![(0, cut), (cut, trace.len())];
        }
        settings.boxed = boxed;
        settings.offset = floor.is_some();
        check(&settings, &trace, lam, floor.unwrap_or(0.0))?;
    }

    #[test]
    fn segments_of_one_and_two_frames(
        trace in vec(-1.0..3.0_f64, 8),
        floor in prop::option::of(-1.0..1.0),
        boxed: bool,
    ) {
        let mut settings = settings(Ar2::new(TAUS.0, TAUS.1, 1.0).unwrap(), 8);
        settings.segments = vec![(0, 1), (1, 3), (3, 4), (4, 7), (7, 8)];
        settings.boxed = boxed;
        settings.offset = floor.is_some();
        check(&settings, &trace, 0.05, floor.unwrap_or(0.0))?;
    }

    #[test]
    fn every_tolerance_is_met(trace in vec(-1.0..3.0_f64, 7), exponent in 3..10_i32) {
        let mut settings = settings(Ar2::new(TAUS.0, TAUS.1, 1.0).unwrap(), 7);
        settings.tol = 10.0_f64.powi(-exponent);
        check(&settings, &trace, 0.1, 0.0)?;
    }
}
