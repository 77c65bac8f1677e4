//! Whole batches: rows that cannot be solved beside rows that can, threads, and what is reported.

use calab_solver::deconvolve::{
    Baseline, Lam, Method, Options, Output, Sample, Summary, deconvolve,
};
use calab_solver::error::SolverError;
use calab_solver::fista::Convolution;
use calab_solver::interior::Rule;
use fearless_simd::Level;
use ndarray::{Array2, s};

use crate::data::{trace, usual};

fn options(lam: Lam, baseline: Baseline) -> Options {
    Options {
        fs: 30.0,
        tau_rise: 0.1,
        tau_decay: 0.6,
        lam,
        method: Method::Exact,
        boxed: false,
        baseline,
        segments: vec![],
        tol: 1e-6,
        max_iters: 2000,
    }
}

struct Answer<O> {
    activity: Array2<O>,
    fit: Array2<f64>,
    removed: Array2<f64>,
    summaries: Vec<Summary>,
}

fn run<I: Sample, O: Sample + Default>(
    traces: &Array2<I>,
    options: &Options,
    n_threads: usize,
) -> Result<Answer<O>, SolverError> {
    let shape = traces.dim();
    let mut answer = Answer {
        activity: Array2::default(shape),
        fit: Array2::zeros(shape),
        removed: Array2::zeros(shape),
        summaries: vec![Summary::default(); shape.0],
    };
    let output = Output {
        activity: answer.activity.view_mut(),
        fit: Some((answer.fit.view_mut(), answer.removed.view_mut())),
        summaries: &mut answer.summaries,
    };
    deconvolve(&traces.view(), options, output, Some(n_threads), Level::new(), &mut |_| true)?;
    Ok(answer)
}

fn solved(traces: &Array2<f64>, options: &Options) -> Answer<f64> {
    run(traces, options, 2).unwrap()
}

fn recording(cells: usize, frames: usize, noise: f64) -> Array2<f64> {
    let rows: Vec<f64> =
        (0..cells).flat_map(|k| trace(&usual(), frames, noise, 70 + k as u64)).collect();
    Array2::from_shape_vec((cells, frames), rows).unwrap()
}

const BASELINES: [Baseline; 4] =
    [Baseline::Causal, Baseline::Centered, Baseline::Constant, Baseline::None];

#[test]
fn unrecorded_rows_leave_the_others_alone() {
    let mut traces = recording(10, 600, 0.1);
    for baseline in BASELINES {
        for lam in [Lam::Given(0.1), Lam::Auto] {
            let options = options(lam, baseline);
            let before = solved(&traces, &options);
            let kept = traces.row(3).to_owned();
            traces.row_mut(3).fill(f64::NAN);
            let after = solved(&traces, &options);
            traces.row_mut(3).assign(&kept);
            for i in (0..10).filter(|&i| i != 3) {
                assert_eq!(before.activity.row(i), after.activity.row(i), "{baseline:?} {lam:?}");
            }
            let silent = after.summaries[3];
            assert!(after.activity.row(3).iter().all(|s| s.abs() < f64::MIN_POSITIVE));
            assert!(after.fit.row(3).iter().all(|c| c.is_nan()) && silent.baseline.is_nan());
            assert!(!silent.converged && (silent.masked - 1.0).abs() < f64::EPSILON);
        }
    }
}

#[test]
fn threads_and_neighbours_change_nothing() {
    let traces = recording(19, 500, 0.1);
    for lam in [Lam::Given(0.1), Lam::Auto] {
        let options = options(lam, Baseline::Centered);
        let one = run::<f64, f64>(&traces, &options, 1).unwrap();
        for n_threads in [2, 3, 8] {
            let many = run::<f64, f64>(&traces, &options, n_threads).unwrap();
            assert_eq!(one.activity, many.activity, "{n_threads}");
            assert_eq!(one.fit, many.fit, "{n_threads}");
        }
        let some = run::<f64, f64>(&traces.slice(s![7..9, ..]).to_owned(), &options, 1).unwrap();
        assert_eq!(one.activity.slice(s![7..9, ..]), some.activity);
    }
}

#[test]
fn the_fit_is_in_the_frame_of_the_input() {
    let mut traces = recording(3, 900, 0.05);
    traces += 100.0;
    for baseline in BASELINES {
        let lam = if baseline == Baseline::None { Lam::Auto } else { Lam::Given(0.05) };
        let answer = solved(&traces, &options(lam, baseline));
        for (i, summary) in answer.summaries.iter().enumerate() {
            let rest = &traces.row(i) - &answer.fit.row(i);
            // White noise of 0.05 and what the weight takes off the peaks.
            assert!(rest.mapv(|r| r * r).mean().unwrap().sqrt() < 0.2, "{baseline:?}");
            assert!(rest.mean().unwrap().abs() < 0.02, "{baseline:?} {}", rest.mean().unwrap());
            assert!((summary.baseline - 100.0).abs() < 1.5, "{baseline:?} {}", summary.baseline);
            assert!(summary.converged);
        }
    }
}

#[test]
fn segments_are_trials() {
    let one = recording(1, 900, 0.1);
    let five = ndarray::concatenate(ndarray::Axis(1), &[one.view(); 5]).unwrap();
    for lam in [Lam::Given(0.1), Lam::Auto] {
        for baseline in [Baseline::Causal, Baseline::Centered] {
            let alone = solved(&one, &options(lam, baseline));
            let segments = vec![900, 1800, 2700, 3600];
            let joined = solved(&five, &Options { segments, ..options(lam, baseline) });
            let (a, b) = (alone.summaries[0], joined.summaries[0]);
            // The weight is frozen within half a per cent of its own search.
            assert!((a.lam - b.lam).abs() <= 0.02 * a.lam, "{} {}", a.lam, b.lam);
            let highest = alone.activity.iter().copied().fold(0.0, f64::max);
            for (t, s) in joined.activity.row(0).iter().enumerate() {
                let distance = (s - alone.activity[(0, t % 900)]).abs();
                assert!(distance < 0.05 * highest, "{lam:?} {baseline:?} frame {t}: {distance}");
            }
        }
    }
}

#[test]
fn the_automatic_weight_of_silence() {
    let flat = Array2::from_elem((2, 400), 7.0);
    for baseline in BASELINES {
        let answer = solved(&flat, &options(Lam::Auto, baseline));
        for summary in &answer.summaries {
            assert_eq!(summary.rule, Rule::NoEvents, "{baseline:?}");
            assert!(summary.converged && summary.iterations < 10, "{baseline:?} {summary:?}");
            assert!((summary.baseline - 7.0).abs() < 1e-9, "{baseline:?} {}", summary.baseline);
        }
        assert!(answer.activity.iter().all(|s| s.abs() < f64::MIN_POSITIVE), "{baseline:?}");
    }
}

#[test]
fn fista_takes_the_weight_that_exact_finds() {
    let traces = recording(3, 400, 0.1);
    let auto = options(Lam::Auto, Baseline::Centered);
    let exact = solved(&traces, &auto);
    for convolution in [Convolution::Banded, Convolution::Fft] {
        let method = Method::Fista(convolution);
        let options = Options { method, tol: 1e-4, max_iters: 20_000, ..auto.clone() };
        let fista = solved(&traces, &options);
        for (a, b) in exact.summaries.iter().zip(&fista.summaries) {
            // The looser tolerance moves where the search for the weight stops.
            assert!((a.lam - b.lam).abs() <= 0.02 * a.lam && a.rule == b.rule, "{a:?} {b:?}");
            assert!(b.converged, "{b:?}");
        }
    }
}

#[test]
fn boxes_hold_to_the_last_digit() {
    let traces = recording(2, 500, 0.1) * 3.0;
    for method in [Method::Exact, Method::Fista(Convolution::Banded)] {
        let given = options(Lam::Given(0.5), Baseline::Causal);
        let options = Options { method, boxed: true, tol: 1e-4, max_iters: 20_000, ..given };
        let answer = solved(&traces, &options);
        assert!(answer.activity.iter().all(|s| (0.0..=1.0).contains(s)));
        assert!(answer.activity.iter().any(|s| *s > 0.99), "the bound is active");
        assert!(answer.summaries.iter().all(|cell| cell.converged && cell.lam == 0.0));
    }
}

#[test]
fn empty_batches_are_answered() {
    for shape in [(0, 0), (0, 10), (3, 0)] {
        for lam in [Lam::Given(0.1), Lam::Auto] {
            for baseline in BASELINES {
                let answer = solved(&Array2::zeros(shape), &options(lam, baseline));
                assert_eq!(answer.activity.dim(), shape);
                assert!(answer.summaries.iter().all(|cell| !cell.converged));
            }
        }
    }
}

#[test]
fn short_rows_are_answered() {
    for frames in 1..=10 {
        for lam in [Lam::Given(0.1), Lam::Given(0.0), Lam::Auto] {
            for baseline in BASELINES {
                let answer = solved(&recording(2, frames, 1.0), &options(lam, baseline));
                let known = answer.summaries.iter().all(|cell| cell.converged);
                assert!(known, "{frames} {lam:?} {baseline:?} {:?}", answer.summaries);
                assert!(answer.fit.iter().all(|c| c.is_finite()), "{frames} {lam:?} {baseline:?}");
            }
        }
    }
}

#[test]
fn single_precision_is_the_rounded_double() {
    let traces = recording(2, 300, 0.1).mapv(|y| y as f32);
    let options = options(Lam::Given(0.1), Baseline::Causal);
    let wide = run::<f64, f64>(&traces.mapv(f64::from), &options, 1).unwrap();
    let single = run::<f32, f32>(&traces, &options, 1).unwrap();
    assert_eq!(wide.activity.mapv(|s| s as f32), single.activity);
}

#[test]
fn bad_input_is_named() {
    let mut traces = recording(12, 50, 0.1);
    traces[(9, 31)] = f64::INFINITY;
    let good = options(Lam::Given(0.1), Baseline::None);
    let message = |result: Result<Answer<f64>, SolverError>| result.err().unwrap().to_string();
    let refused = message(run(&traces, &good, 2));
    assert!(refused.contains("cell 9, frame 31") && refused.contains("inf"), "{refused}");
    traces[(9, 31)] = 0.0;
    for (bad, name) in [
        (Options { lam: Lam::Given(-1.0), ..good.clone() }, "lam"),
        (Options { lam: Lam::Given(f64::NAN), ..good.clone() }, "lam"),
        (Options { tol: 0.0, ..good.clone() }, "tol"),
        (Options { fs: -1.0, ..good.clone() }, "fs"),
        (Options { tau_rise: 0.6, ..good.clone() }, "tau_rise"),
        (Options { segments: vec![50], ..good.clone() }, "segments"),
    ] {
        let refused = message(run(&traces, &bad, 2));
        assert!(refused.starts_with(name), "{refused}");
    }
    let mut activity = Array2::<f64>::zeros((12, 49));
    let mut summaries = vec![Summary::default(); 12];
    let output = Output { activity: activity.view_mut(), fit: None, summaries: &mut summaries };
    let result = deconvolve(&traces.view(), &good, output, None, Level::new(), &mut |_| true);
    let expected = SolverError::Length { name: "activity", expected: 50, got: 49 };
    assert_eq!(result, Err(expected));
}

#[test]
fn a_monitor_sees_progress_and_stops() {
    let traces = recording(16, 400, 0.1);
    let options = options(Lam::Given(0.1), Baseline::Causal);
    let mut activity = Array2::<f64>::zeros(traces.dim());
    let mut summaries = vec![Summary::default(); 16];
    let mut seen = 0;
    let output = Output { activity: activity.view_mut(), fit: None, summaries: &mut summaries };
    let mut monitor = |done: usize| {
        assert!(done >= seen && done <= 16);
        seen = done;
        true
    };
    deconvolve(&traces.view(), &options, output, Some(2), Level::new(), &mut monitor).unwrap();
    assert_eq!(seen, 16, "the last call tells that all is done");
}
