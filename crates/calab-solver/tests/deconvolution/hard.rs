//! Scales, time constants and weights far from the usual.

use calab_solver::ar2::Ar2;
use calab_solver::exact::Solution;
use calab_solver::interior::Settings;

use crate::data::{settings, solve, trace, usual};

fn proved(settings: &Settings, trace: &[f64], lam: f64) -> Solution {
    let solution = solve(settings, trace, lam, -0.1);
    let proof = solution.certificate;
    assert!(
        solution.converged && proof.gap >= -1e-12 * proof.power && proof.gap.is_finite(),
        "lam {lam}, {} frames: {proof:?} after {} iterations",
        trace.len(),
        solution.iterations
    );
    assert!(solution.sources.iter().all(|q| q.is_finite() && *q >= 0.0));
    solution
}

#[test]
fn every_scale_gives_the_same_answer() {
    let ar2 = usual();
    let (settings, trace) = (settings(ar2, 600), trace(&ar2, 600, 0.1, 3));
    let plain = proved(&settings, &trace, 0.05);
    for exponent in [-150, -8, -3, 3, 8, 140] {
        let factor = 10.0_f64.powi(exponent);
        let scaled: Vec<f64> = trace.iter().map(|y| y * factor).collect();
        let other = proved(&settings, &scaled, 0.05 * factor);
        assert_eq!(plain.iterations, other.iterations);
        let highest = plain.sources.iter().copied().fold(0.0, f64::max);
        for (a, b) in plain.sources.iter().zip(&other.sources) {
            // Both are the same iterates up to the rounding of the factor.
            assert!((a - b / factor).abs() < 1e-6 * highest, "{a} {b} at {factor}");
        }
    }
}

#[test]
fn a_power_of_two_changes_no_bit() {
    let ar2 = usual();
    let (settings, trace) = (settings(ar2, 600), trace(&ar2, 600, 0.1, 4));
    let scaled: Vec<f64> = trace.iter().map(|y| y * 4.0).collect();
    let (a, b) = (proved(&settings, &trace, 0.25), proved(&settings, &scaled, 1.0));
    assert!(a.sources.iter().zip(&b.sources).all(|(a, b)| (a * 4.0).to_bits() == b.to_bits()));
}

#[test]
fn every_kernel_is_solved() {
    for (rise, decay, fs) in [
        (1e-4, 0.6, 30.0),
        (0.599_999, 0.6, 30.0),
        (0.6 * (1.0 - 1e-12), 0.6, 30.0),
        (2.9, 3.0, 30.0),
        (2.9, 3.0, 300.0),
        (0.001, 0.002, 30.0),
        (1e-5, 2e-5, 1.0),
    ] {
        let ar2 = Ar2::new(rise, decay, fs).unwrap();
        for noise in [0.0, 0.1] {
            let trace = trace(&ar2, 1500, noise, 5);
            for lam in [0.0, 0.005, 0.5] {
                proved(&settings(ar2, 1500), &trace, lam);
                proved(&Settings { offset: true, ..settings(ar2, 1500) }, &trace, lam);
            }
            proved(&Settings { boxed: true, ..settings(ar2, 1500) }, &trace, 0.0);
        }
    }
}

#[test]
fn a_kernel_that_hardly_decays_is_solved_in_one_piece() {
    let ar2 = Ar2::new(0.1, 1e14, 30.0).unwrap();
    let ramp: Vec<f64> = (0..200).map(|t| f64::from(t / 50)).collect();
    let solution = proved(&settings(ar2, 200), &ramp, 0.0);
    // The steps are steeper than the kernel's rise, so that the fit overshoots a little.
    assert!((solution.calcium[180] - 3.0).abs() < 0.1, "{}", solution.calcium[180]);
}

#[test]
fn every_weight_is_solved() {
    let ar2 = usual();
    let trace = trace(&ar2, 3000, 0.1, 6);
    let mut last = f64::INFINITY;
    for lam in [0.0, 1e-9, 1e-6, 1e-3, 0.03, 0.3, 3.0, 1e6] {
        let total: f64 = proved(&settings(ar2, 3000), &trace, lam).sources.iter().sum();
        assert!(total <= last * (1.0 + 1e-4), "more activity at larger weight {lam}");
        last = total;
    }
    assert!(last.abs() < f64::MIN_POSITIVE, "a huge weight leaves nothing");
}

#[test]
fn noise_free_events_come_back() {
    let ar2 = usual();
    for frames in [40, 400, 5000] {
        let mut source = vec![0.0; frames];
        for t in (5..frames).step_by(37) {
            source[t] = 1.0 + (t % 3) as f64;
        }
        let mut trace = vec![0.0; frames];
        ar2.forward(&source, &mut trace);
        let solution = proved(&settings(ar2, frames), &trace, 0.0);
        for (t, s) in source.iter().enumerate().take(frames - 1) {
            let found = solution.sources[t + 1] * ar2.peak;
            // The gap is tol² of the power, so calcium is exact to tol; sources are its differences.
            assert!((found - s).abs() < 1e-3, "frame {t}: {found} for {s}");
        }
    }
}

#[test]
fn steps_and_falls_are_solved() {
    let ar2 = usual();
    let falling: Vec<f64> = (0..500).map(|t| -f64::from(t)).collect();
    let mut late = vec![-1.0; 500];
    late[499] = 1e-12;
    let square: Vec<f64> = (0..500).map(|t| f64::from(t / 100 % 2)).collect();
    let spike: Vec<f64> = (0..500).map(|t| if t == 250 { 1e6 } else { 0.0 }).collect();
    for trace in [falling, late, square, spike] {
        for lam in [0.0, 1e-3, 1.0] {
            proved(&settings(ar2, 500), &trace, lam);
            proved(&Settings { offset: true, ..settings(ar2, 500) }, &trace, lam);
            proved(&Settings { boxed: true, ..settings(ar2, 500) }, &trace, lam);
        }
    }
}
