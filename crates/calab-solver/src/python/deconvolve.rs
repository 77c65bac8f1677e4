use fearless_simd::Level;
use ndarray::ArrayView2;
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::monitor::watched;
use crate::deconvolve::{
    Baseline, Lam, Method, Options, Output, Sample, Summary, deconvolve as solve,
};
use crate::error::SolverError;
use crate::fista::Convolution;
use crate::interior::Rule;

/// Traces as they come: single or double precision, any strides.
#[derive(FromPyObject)]
pub(super) enum Traces<'py> {
    Double(PyReadonlyArray2<'py, f64>),
    Single(PyReadonlyArray2<'py, f32>),
}

/// Per-cell numbers as columns, in the order of `Summary`.
type Columns<'py> = (
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<bool>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
    Vec<&'static str>,
    Bound<'py, PyArray1<f64>>,
    Bound<'py, PyArray1<f64>>,
);

/// Activity, then the fit and what was removed where asked for, then the columns.
type Answer<'py> = (
    Bound<'py, PyAny>,
    Option<(Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>)>,
    Columns<'py>,
);

#[pyfunction]
#[pyo3(signature = (traces, fs, tau_rise, tau_decay, lam, *, method, boxed, baseline, segments, tol, max_iters, single, full, n_threads, level, progress))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword-only options, gathered at once into one struct"
)]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands extracted arguments over")]
pub(super) fn deconvolve<'py>(
    py: Python<'py>,
    traces: Traces<'py>,
    fs: f64,
    tau_rise: f64,
    tau_decay: f64,
    lam: Option<f64>,
    method: &str,
    boxed: bool,
    baseline: &str,
    segments: Vec<usize>,
    tol: f64,
    max_iters: usize,
    single: bool,
    full: bool,
    n_threads: Option<usize>,
    level: Option<&str>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Answer<'py>> {
    let options = Options {
        fs,
        tau_rise,
        tau_decay,
        lam: lam.map_or(Lam::Auto, Lam::Given),
        method: parse_method(method)?,
        boxed,
        baseline: parse_baseline(baseline)?,
        segments,
        tol,
        max_iters,
    };
    let call = Call { options, full, n_threads, level: parse_level(level)?, progress };
    match (&traces, single) {
        (Traces::Double(traces), false) => call.run::<f64, f64>(py, traces),
        (Traces::Double(traces), true) => call.run::<f64, f32>(py, traces),
        (Traces::Single(traces), false) => call.run::<f32, f64>(py, traces),
        (Traces::Single(traces), true) => call.run::<f32, f32>(py, traces),
    }
}

struct Call {
    options: Options,
    full: bool,
    n_threads: Option<usize>,
    level: Level,
    progress: Option<Py<PyAny>>,
}

impl Call {
    fn run<'py, I: Sample + Element, O: Sample + Element>(
        &self,
        py: Python<'py>,
        traces: &PyReadonlyArray2<'py, I>,
    ) -> PyResult<Answer<'py>> {
        let shape = [traces.shape()[0], traces.shape()[1]];
        let activity = PyArray2::<O>::zeros(py, shape, false);
        let fit = self.full.then(|| {
            (PyArray2::<f64>::zeros(py, shape, false), PyArray2::<f64>::zeros(py, shape, false))
        });
        let mut summaries = vec![Summary::default(); shape[0]];
        {
            let mut activity = activity.try_readwrite()?;
            let mut rows = match &fit {
                Some((a, b)) => Some((a.try_readwrite()?, b.try_readwrite()?)),
                None => None,
            };
            let output = Output {
                activity: activity.as_array_mut(),
                fit: rows.as_mut().map(|(a, b)| (a.as_array_mut(), b.as_array_mut())),
                summaries: &mut summaries,
            };
            self.solve(py, &traces.as_array(), output)?;
        }
        Ok((activity.into_any(), fit, columns(py, &summaries)))
    }

    /// Solves without the interpreter, which is asked for signals and shown progress in between.
    fn solve<I: Sample, O: Sample>(
        &self,
        py: Python<'_>,
        traces: &ArrayView2<'_, I>,
        output: Output<'_, O>,
    ) -> PyResult<()> {
        let (options, n_threads, level) = (&self.options, self.n_threads, self.level);
        watched(py, self.progress.as_ref(), traces.nrows(), |monitor| {
            solve(traces, options, output, n_threads, level, monitor)
        })
    }
}

fn columns<'py>(py: Python<'py>, cells: &[Summary]) -> Columns<'py> {
    let real = |value: fn(&Summary) -> f64| PyArray1::from_iter(py, cells.iter().map(value));
    (
        real(|cell| cell.baseline),
        real(|cell| cell.offset),
        PyArray1::from_iter(py, cells.iter().map(|cell| cell.iterations.cast_signed() as i64)),
        PyArray1::from_iter(py, cells.iter().map(|cell| cell.converged)),
        real(|cell| cell.gap),
        real(|cell| cell.objective),
        real(|cell| cell.lam),
        cells.iter().map(|cell| rule_name(cell.rule)).collect(),
        real(|cell| cell.noise),
        real(|cell| cell.masked),
    )
}

fn rule_name(rule: Rule) -> &'static str {
    match rule {
        Rule::Given => "given",
        Rule::Target => "target",
        Rule::Clamp => "clamp",
        Rule::NoEvents => "no events",
    }
}

fn parse_method(name: &str) -> Result<Method, SolverError> {
    match name {
        "exact" => Ok(Method::Exact),
        "fft" => Ok(Method::Fista(Convolution::Fft)),
        "banded" => Ok(Method::Fista(Convolution::Banded)),
        _ => Err(SolverError::parameter("method", "'exact', 'fft' or 'banded'", &name)),
    }
}

fn parse_baseline(name: &str) -> Result<Baseline, SolverError> {
    match name {
        "causal" => Ok(Baseline::Causal),
        "centered" => Ok(Baseline::Centered),
        "constant" => Ok(Baseline::Constant),
        "none" => Ok(Baseline::None),
        _ => {
            let expected = "'causal', 'centered', 'constant' or 'none'";
            Err(SolverError::parameter("baseline_mode", expected, &name))
        }
    }
}

/// The instruction set: the best of the processor, or a named one, for tests.
fn parse_level(name: Option<&str>) -> Result<Level, SolverError> {
    let best = Level::new();
    let Some(name) = name else { return Ok(best) };
    let refused = || SolverError::parameter("level", "an instruction set of this processor", &name);
    levels(best).into_iter().find(|(known, _)| *known == name).map(|(_, l)| l).ok_or_else(refused)
}

/// The names of the instruction sets that this processor has.
#[pyfunction]
pub(super) fn instruction_sets() -> Vec<&'static str> {
    levels(Level::new()).into_iter().map(|(name, _)| name).collect()
}

#[cfg(target_arch = "x86_64")]
fn levels(best: Level) -> Vec<(&'static str, Level)> {
    let known = [
        ("sse2", best.as_sse2().map(Level::Sse2)),
        ("sse4.2", best.as_sse4_2().map(Level::Sse4_2)),
        ("avx2", best.as_avx2().map(Level::Avx2)),
        ("avx512", best.as_avx512().map(Level::Avx512)),
    ];
    known.into_iter().filter_map(|(name, level)| level.map(|level| (name, level))).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn levels(best: Level) -> Vec<(&'static str, Level)> {
    vec![("native", best)]
}
