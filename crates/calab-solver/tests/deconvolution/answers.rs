//! Traces whose answer is known, limits of iterations, and gaps.

use calab_solver::ar2::Ar2;
use calab_solver::interior::{Rule, Settings};

use crate::data::{settings, solve, trace, usual};

#[test]
fn nothing_asked_nothing_claimed() {
    let ar2 = usual();
    let trace = trace(&ar2, 400, 0.1, 1);
    for (offset, boxed) in [(false, false), (true, false), (false, true), (true, true)] {
        let settings = Settings { max_iters: 0, offset, boxed, ..settings(ar2, 400) };
        let solution = solve(&settings, &trace, 0.1, -0.1);
        assert!(!solution.converged && solution.iterations == 0);
        assert!(solution.sources.iter().all(|q| q.abs() < f64::MIN_POSITIVE));
        let proof = solution.certificate;
        assert!(proof.gap > 1e-3 * proof.objective && proof.gap.is_finite(), "{proof:?}");
    }
}

#[test]
fn an_early_end_is_told() {
    let ar2 = usual();
    let trace = trace(&ar2, 9000, 0.1, 2);
    for offset in [false, true] {
        for max_iters in [1, 3] {
            let settings = Settings { max_iters, offset, ..settings(ar2, 9000) };
            let solution = solve(&settings, &trace, 0.1, -0.1);
            assert_eq!((solution.converged, solution.iterations), (false, max_iters));
            assert!(solution.sources.iter().all(|q| *q >= 0.0 && q.is_finite()));
            let enough = solve(&Settings { max_iters: 100, ..settings }, &trace, 0.1, -0.1);
            let lower = enough.certificate.objective - enough.certificate.gap;
            assert!(solution.certificate.objective - solution.certificate.gap <= lower + 1e-6);
        }
    }
}

#[test]
fn flat_traces_have_no_activity() {
    let ar2 = usual();
    for frames in [0, 1, 2, 3, 10, 500] {
        for level in [0.0, -3.0, 5.0] {
            let trace = vec![level; frames];
            let plain = solve(&settings(ar2, frames), &trace, 0.1, 0.0);
            assert!(plain.converged, "{frames} {level}");
            if level <= 0.0 {
                assert!(plain.sources.iter().all(|q| q.abs() < f64::MIN_POSITIVE));
                assert_eq!(plain.iterations, 0);
            }
            let offset = Settings { offset: true, ..settings(ar2, frames) };
            let offset = solve(&offset, &trace, 0.1, -10.0);
            assert!(offset.converged, "{frames} {level}");
            assert!(offset.sources.iter().all(|q| q.abs() < 1e-9), "{frames} {level}");
            assert!(frames == 0 || (offset.offset - level).abs() < 1e-9, "{}", offset.offset);
        }
    }
}

#[test]
fn one_to_ten_frames() {
    let ar2 = usual();
    for frames in 1..=10 {
        for seed in 0..20 {
            let trace = trace(&ar2, frames, 1.0, 100 + seed);
            for lam in [0.0, 0.01] {
                let solution = solve(&settings(ar2, frames), &trace, lam, 0.0);
                assert!(solution.converged, "{trace:?} {lam}: {:?}", solution.certificate);
                assert_eq!(solution.lam.to_bits(), lam.to_bits());
                assert_eq!(solution.rule, Rule::Given);
            }
        }
    }
}

#[test]
fn an_unrecorded_trace_has_no_activity() {
    let ar2 = usual();
    for (offset, boxed) in [(false, false), (true, false), (false, true)] {
        let settings = Settings { offset, boxed, ..settings(ar2, 50) };
        let solution = solve(&settings, &[f64::NAN; 50], 0.0, -1.0);
        assert!(solution.sources.iter().all(|q| q.abs() < f64::MIN_POSITIVE));
        assert!(solution.certificate.gap.abs() < f64::MIN_POSITIVE);
    }
}

#[test]
fn nobody_sees_the_end() {
    let ar2 = usual();
    let mut trace = trace(&ar2, 2000, 0.1, 7);
    trace[..30].fill(f64::NAN);
    trace[900..940].fill(f64::NAN);
    trace[1700..].fill(f64::NAN);
    let mut settings = settings(ar2, 2000);
    settings.segments = vec![(0, 920), (920, 1800), (1800, 2000)];
    for boxed in [false, true] {
        for lam in [0.0, 0.05] {
            let settings = Settings { boxed, ..settings.clone() };
            let solution = solve(&settings, &trace, lam, 0.0);
            assert!(solution.converged, "{boxed} {lam}: {:?}", solution.certificate);
            for unseen in [900..920, 1700..1800, 1800..2000] {
                let silent = solution.sources[unseen.clone()].iter().all(|q| *q == 0.0);
                assert!(silent, "{unseen:?} {boxed} {lam}");
            }
            assert!(solution.sources.iter().any(|q| *q > 0.01));
        }
    }
}

#[test]
fn gaps_with_no_weight_are_the_limit_from_above() {
    let ar2 = usual();
    let mut source = vec![0.0; 600];
    source[50] = 1.0;
    source[300] = 2.0;
    let mut trace = vec![0.0; 600];
    ar2.forward(&source, &mut trace);
    trace[100..250].fill(f64::NAN);
    for offset in [false, true] {
        let settings = Settings { offset, ..settings(ar2, 600) };
        let solution = solve(&settings, &trace, 0.0, 0.0);
        let total = solution.sources.iter().sum::<f64>() * ar2.peak;
        // Not the most smeared of many optima: nothing is invented inside the gap.
        assert!(solution.converged, "{:?}", solution.certificate);
        assert!((total - 3.0).abs() < 0.05, "{total}");
        assert!(solution.lam > 0.0 && solution.lam < 1e-4, "{}", solution.lam);
    }
}

#[test]
fn steps_do_not_go_round_in_a_circle() {
    // Without a safeguard the iterates of this problem repeat every four iterations.
    let ar2 = Ar2::new(1.5, 4.0, 1.0).unwrap();
    let settings = Settings { boxed: true, ..settings(ar2, 3) };
    let solution = solve(&settings, &[0.0, 1.454_738_9, -0.433_134_7], 0.0, 0.0);
    assert!(solution.converged, "{:?}", solution.certificate);
    assert!(solution.iterations < 60, "{}", solution.iterations);
}
