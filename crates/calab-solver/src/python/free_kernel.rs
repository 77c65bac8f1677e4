use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::free_kernel::{FlatTraces, SolveOptions};

/// The kernel, its gap, the steps taken, and whether the gap meets the tolerance.
type Answer<'py> = (Bound<'py, PyArray1<f64>>, f64, usize, bool);

#[pyfunction]
#[pyo3(signature = (traces, spikes, lengths, alphas, baselines, kernel_length, *, upsample, smooth_lambda, tol, max_iters))]
#[expect(clippy::too_many_arguments, reason = "arrays that belong together, then options")]
pub(super) fn estimate_kernel<'py>(
    py: Python<'py>,
    traces: PyReadonlyArray1<'py, f64>,
    spikes: PyReadonlyArray1<'py, f64>,
    lengths: Vec<usize>,
    alphas: PyReadonlyArray1<'py, f64>,
    baselines: PyReadonlyArray1<'py, f64>,
    kernel_length: usize,
    upsample: usize,
    smooth_lambda: f64,
    tol: f64,
    max_iters: usize,
) -> PyResult<Answer<'py>> {
    let data = FlatTraces {
        traces: traces.as_slice()?,
        spikes: spikes.as_slice()?,
        lengths: &lengths,
        alphas: alphas.as_slice()?,
        baselines: baselines.as_slice()?,
        upsample,
    };
    let options = SolveOptions { smooth_lambda, tol, max_iters };
    let mut signal = None;
    let found = py.detach(|| {
        let mut poll = || {
            Python::attach(|py| signal = py.check_signals().err());
            signal.is_some()
        };
        data.normal_equations(kernel_length, &mut poll)?.solve(&options, &mut poll)
    });
    if let Some(signal) = signal {
        return Err(signal);
    }
    let found = found?;
    let mut kernel = found.kernel;
    // With a smoothness weight the lags that no trace reaches follow the last one that is.
    let last = if smooth_lambda > 0.0 { kernel.last().copied().unwrap_or(0.0) } else { 0.0 };
    kernel.resize(kernel_length, last);
    Ok((kernel.into_pyarray(py), found.gap, found.iterations, found.converged))
}
