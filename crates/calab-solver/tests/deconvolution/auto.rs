//! The automatic weight: it meets its target or says why not.

use calab_solver::exact::{Cell, Solution};
use calab_solver::interior::{Recursion, Rule, Settings, Sparsity};
use fearless_simd::Level;

use crate::data::{Uniform, settings, solve_all, trace, usual};

const FRAMES: usize = 6000;

fn white(noise: f64, seed: u64) -> Vec<f64> {
    let mut random = Uniform::new(seed);
    (0..FRAMES).map(|_| noise * random.normal()).collect()
}

/// The rule of the automatic weight for a known noise: target, and the range of `lam`.
fn rule(noise: f64) -> (f64, f64, f64) {
    let (ar2, n) = (usual(), FRAMES as f64);
    let norm = Recursion::new(&ar2).energy().sqrt() / ar2.peak;
    let high = noise * norm * (2.0 * n.ln()).sqrt() / ar2.dc_gain;
    (noise * noise * (n + 2.0 * (2.0 * n).sqrt()), 0.1 * high, high)
}

fn choose(trace: &[f64], noise: f64, tol: f64) -> Solution {
    let (target, low, high) = rule(noise);
    let cell = Cell {
        trace,
        sparsity: Sparsity::Residual { target, low, high },
        offset_floor: Some(-noise),
    };
    let settings = Settings { offset: true, tol, ..settings(usual(), trace.len()) };
    solve_all(&settings, &[cell], Level::new()).remove(0)
}

fn squares(solution: &Solution, trace: &[f64]) -> f64 {
    let parts = trace.iter().zip(&solution.calcium).filter(|(y, _)| !y.is_nan());
    parts.map(|(y, c)| y - c - solution.offset).map(|r| r * r).sum()
}

#[test]
fn the_target_is_met_or_the_range_ends() {
    let mut seen = Vec::new();
    for (k, noise) in [0.02, 0.1, 0.3, 1.0].into_iter().enumerate() {
        for seed in 0..4 {
            let trace = trace(&usual(), FRAMES, noise, 50 + seed + 10 * k as u64);
            let (target, low, high) = rule(noise);
            let solution = choose(&trace, noise, 1e-6);
            let (left, lam) = (squares(&solution, &trace), solution.lam);
            assert!(solution.converged, "{noise} {seed}: {:?}", solution.certificate);
            match solution.rule {
                // The weight is frozen within half a per cent, and the residual follows it.
                Rule::Target => assert!((left / target - 1.0).abs() < 0.01, "{}", left / target),
                Rule::Clamp if lam > 0.5 * high => {
                    assert!((lam / high - 1.0).abs() < 1e-9 && left <= target * 1.01);
                }
                Rule::Clamp => assert!((lam / low - 1.0).abs() < 1e-9 && left >= target * 0.99),
                other => panic!("{other:?} for a trace with events"),
            }
            assert!(lam >= low * (1.0 - 1e-12) && lam <= high * (1.0 + 1e-12));
            seen.push(solution.rule);
        }
    }
    assert!(seen.contains(&Rule::Target), "{seen:?}");
}

#[test]
fn noise_alone_gives_nothing() {
    for seed in 0..10 {
        let solution = choose(&white(0.1, seed), 0.1, 1e-6);
        assert!(solution.converged);
        assert_eq!(solution.rule, Rule::NoEvents, "seed {seed}");
        assert!(solution.sources.iter().all(|q| q.abs() < f64::MIN_POSITIVE));
    }
}

#[test]
fn no_noise_ends_soon() {
    let ar2 = usual();
    let events = trace(&ar2, FRAMES, 0.0, 8);
    let mut gap = events.clone();
    gap[200..260].fill(f64::NAN);
    for trace in [events, gap] {
        let solution = choose(&trace, 0.0, 1e-6);
        assert!(solution.converged, "{:?} {}", solution.certificate, solution.iterations);
        assert_eq!(solution.rule, Rule::Clamp);
        assert!(solution.iterations < 200, "{}", solution.iterations);
    }
    for level in [0.0, 5.0, -0.1, 1e-9] {
        let solution = choose(&vec![level; FRAMES], 0.0, 1e-6);
        assert_eq!(solution.rule, Rule::NoEvents, "constant {level}");
        assert!(solution.converged && solution.iterations == 0);
        assert!(solution.sources.iter().all(|q| q.abs() < f64::MIN_POSITIVE));
    }
}

#[test]
fn the_units_of_the_data_change_nothing() {
    let trace = trace(&usual(), FRAMES, 0.2, 9);
    let plain = choose(&trace, 0.2, 1e-6);
    for factor in [0.25, 8.0] {
        let scaled: Vec<f64> = trace.iter().map(|y| y * factor).collect();
        let other = choose(&scaled, 0.2 * factor, 1e-6);
        assert_eq!((plain.rule, plain.iterations), (other.rule, other.iterations));
        assert!(
            plain
                .sources
                .iter()
                .zip(&other.sources)
                .all(|(a, b)| (a * factor).to_bits() == b.to_bits())
        );
        assert!((other.lam / plain.lam / factor - 1.0).abs() < 1e-12);
    }
}

#[test]
fn an_end_before_the_target_is_told() {
    let trace = trace(&usual(), FRAMES, 0.2, 10);
    for max_iters in [0, 1, 3] {
        let (target, low, high) = rule(0.2);
        let cell = Cell {
            trace: &trace,
            sparsity: Sparsity::Residual { target, low, high },
            offset_floor: Some(-0.2),
        };
        let settings = Settings { offset: true, max_iters, ..settings(usual(), FRAMES) };
        let solution = solve_all(&settings, &[cell], Level::new()).remove(0);
        assert!(!solution.converged);
        assert_ne!(solution.rule, Rule::Target, "{max_iters}");
    }
}
