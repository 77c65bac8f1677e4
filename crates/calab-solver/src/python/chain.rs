use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

use super::monitor::watched;
use super::spikes::Batch;
use crate::chain::{self, ChainOptions, Stretches};

/// Rise and decay; both after every sweep; whether they rested; events, their mean amplitudes,
/// excess, autocorrelation.
type Sampled<'py> =
    ((f64, f64), Bound<'py, PyArray2<f64>>, bool, usize, Bound<'py, PyArray1<f64>>, f64, f64);

#[pyfunction]
#[pyo3(signature = (batch, baselines, noise, *, sweeps, least, burn_in, spread, seed))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword-only options, gathered at once into one struct"
)]
pub(super) fn sample_kernel<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    baselines: PyReadonlyArray2<'py, f64>,
    noise: PyReadonlyArray1<'py, f64>,
    sweeps: usize,
    least: usize,
    burn_in: usize,
    spread: f64,
    seed: u64,
) -> PyResult<Sampled<'py>> {
    let (grid, taus) = batch.only()?;
    let options = ChainOptions { burn_in, sweeps, least, spread, seed };
    let (traces, baselines) = (batch.traces.as_array(), baselines.as_array());
    let stretches = Stretches { traces, baselines, noise: noise.as_slice()? };
    let found = watched(py, batch.progress.as_ref(), burn_in + sweeps, |monitor| {
        chain::sample_kernel(stretches, grid, taus, &options, batch.n_threads, monitor)
    })?;
    let history: Vec<Vec<f64>> = found.history.iter().map(|taus| taus.to_vec()).collect();
    Ok((
        found.taus.into(),
        PyArray2::from_vec2(py, &history)?,
        found.rested,
        found.n_events,
        found.amplitudes.into_pyarray(py),
        found.excess,
        found.autocorrelation,
    ))
}
