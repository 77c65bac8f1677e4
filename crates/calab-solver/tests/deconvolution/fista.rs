//! The independent method: both ends of its proof enclose the exact answer.

use calab_solver::fista::{Convolution, Fista, FistaOutcome};
use calab_solver::interior::Settings;

use crate::data::{settings, solve, trace, usual};

fn run(
    settings: &Settings,
    convolution: Convolution,
    trace: &[f64],
    lam: f64,
    floor: Option<f64>,
) -> (FistaOutcome, Vec<f64>) {
    let mut fista = Fista::new(settings.clone(), convolution, (0.1, 0.6, 30.0)).unwrap();
    let outcome = fista.solve(trace, lam, floor, &|| false).unwrap();
    (outcome, fista.activity.clone())
}

#[test]
fn it_meets_the_exact_answer() {
    let ar2 = usual();
    for (gaps, offset, boxed) in [
        (false, false, false),
        (true, false, false),
        (false, true, false),
        (false, false, true),
        (true, true, true),
    ] {
        let mut trace = trace(&ar2, 500, 0.1, 60);
        if gaps {
            trace[200..240].fill(f64::NAN);
        }
        let settings =
            Settings { offset, boxed, segments: vec![(0, 310), (310, 500)], ..settings(ar2, 500) };
        let exact = solve(&settings, &trace, 0.1, -0.1);
        // The sampled kernel is cut off, which limits how near to the recursion's optimum it comes.
        for (convolution, tol) in [(Convolution::Banded, 1e-5), (Convolution::Fft, 1e-4)] {
            let loose = Settings { tol, max_iters: 20_000, ..settings.clone() };
            let floor = offset.then_some(-0.1);
            let (outcome, activity) = run(&loose, convolution, &trace, 0.1, floor);
            let (a, b) = (exact.certificate, outcome.certificate);
            assert!(outcome.converged, "{gaps} {offset} {boxed} {convolution:?}: {b:?}");
            // Neither is below the bound that the other proves.
            assert!(b.objective >= a.objective - a.gap && a.objective >= b.objective - b.gap);
            let ceiling = if boxed { 1.0 } else { f64::INFINITY };
            assert!(activity.iter().all(|s| (0.0..=ceiling).contains(s)));
        }
    }
}

#[test]
fn both_convolutions_take_the_same_steps() {
    let ar2 = usual();
    let trace = trace(&ar2, 400, 0.1, 61);
    let settings = Settings { max_iters: 40, tol: 1e-12, ..settings(ar2, 400) };
    let (a, banded) = run(&settings, Convolution::Banded, &trace, 0.1, None);
    let (b, fft) = run(&settings, Convolution::Fft, &trace, 0.1, None);
    assert_eq!((a.iterations, b.iterations), (40, 40));
    // The sampled kernel ends where it has decayed to a small share of its peak; the recursion does not.
    let distance = banded.iter().zip(&fft).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(distance < 1e-2, "{distance}");
}

#[test]
fn its_iterations_are_counted() {
    let ar2 = usual();
    let trace = trace(&ar2, 300, 0.1, 62);
    for max_iters in [0, 1, 7, 25] {
        let settings = Settings { max_iters, tol: 1e-12, ..settings(ar2, 300) };
        let (outcome, activity) = run(&settings, Convolution::Banded, &trace, 0.1, None);
        assert_eq!((outcome.iterations, outcome.converged), (max_iters, false));
        assert_eq!(activity.iter().any(|s| *s > 0.0), max_iters > 0);
    }
}

#[test]
fn easy_ends_are_found() {
    let ar2 = usual();
    for frames in 0..=10 {
        let zeros = vec![0.0; frames];
        let settings = settings(ar2, frames);
        for convolution in [Convolution::Banded, Convolution::Fft] {
            let (outcome, _) = run(&settings, convolution, &zeros, 0.1, None);
            assert_eq!((outcome.iterations, outcome.converged), (0, true));
        }
        let (outcome, activity) = run(&settings, Convolution::Fft, &vec![1.0; frames], 1e6, None);
        assert!(outcome.converged && activity.iter().all(|s| s.abs() < f64::MIN_POSITIVE));
    }
}
