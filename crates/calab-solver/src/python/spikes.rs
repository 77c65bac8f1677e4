use ndarray::Array2;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::monitor::watched;
use crate::error::{SolverError, check_length};
use crate::spikes::{
    self, Cells, EventOptions, Events, Placement, PlacementOptions, Scale, ScaleOptions, Shape,
    Start, Stretch,
};

type Reals<'py> = Bound<'py, PyArray1<f64>>;
type Matrix<'py> = Bound<'py, PyArray2<f64>>;
type Whole<'py> = Bound<'py, PyArray1<i64>>;

/// Bins and amplitudes of every cell one after the other, and where each cell's end; then per cell
/// null level, objective, residual power and norm of the transient.
type Found<'py> =
    (Whole<'py>, Reals<'py>, Whole<'py>, Reals<'py>, Reals<'py>, Reals<'py>, Reals<'py>);

/// Bins of every cell and where each cell's end; then the fit, and per cell PVE, sweeps, converged.
type Placed<'py> = (
    Whole<'py>,
    Whole<'py>,
    Bound<'py, PyArray2<f32>>,
    Reals<'py>,
    Whole<'py>,
    Bound<'py, PyArray1<bool>>,
);

/// What all batches share.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Batch<'py> {
    pub(super) traces: PyReadonlyArray2<'py, f64>,
    fs: f64,
    tau_rise: PyReadonlyArray1<'py, f64>,
    tau_decay: PyReadonlyArray1<'py, f64>,
    upsample_factor: usize,
    segments: Vec<usize>,
    pub(super) n_threads: Option<usize>,
    pub(super) progress: Option<Py<PyAny>>,
}

impl Batch<'_> {
    fn shapes(&self) -> PyResult<Vec<Shape>> {
        let (rises, decays) = (self.tau_rise.as_slice()?, self.tau_decay.as_slice()?);
        check_length("tau_rise", decays.len(), rises.len())?;
        let shape = |(&rise, &decay)| Shape::new(rise, decay, self.fs, self.upsample_factor);
        Ok(rises.iter().zip(decays).map(shape).collect::<Result<_, _>>()?)
    }

    /// The sampling rate with the bins of a frame, and the only kernel's rise and decay in seconds.
    pub(super) fn only(&self) -> PyResult<((f64, usize), [f64; 2])> {
        let (rises, decays) = (self.tau_rise.as_slice()?, self.tau_decay.as_slice()?);
        check_length("tau_rise", 1, rises.len())?;
        check_length("tau_decay", 1, decays.len())?;
        Ok(((self.fs, self.upsample_factor), [rises[0], decays[0]]))
    }

    /// Runs `work` on the cells without the interpreter.
    fn run<T: Send>(
        &self,
        py: Python<'_>,
        total: usize,
        work: impl FnOnce(Cells<'_>) -> Result<T, SolverError> + Send,
    ) -> PyResult<T> {
        let traces = self.traces.as_array();
        let (segments, n_threads) = (&self.segments, self.n_threads);
        watched(py, self.progress.as_ref(), total, |monitor| {
            work(Cells { traces, segments, n_threads, monitor })
        })
    }
}

/// How events are found, as Python names it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Rules {
    detection: f64,
    ratio: f64,
    rounds: usize,
    sweeps: usize,
    penalty: f64,
    level: bool,
    mismatch: f64,
    null_detection: f64,
    null_factor: f64,
}

impl Rules {
    fn options(&self) -> EventOptions {
        EventOptions {
            detection: self.detection,
            ratio: self.ratio,
            rounds: self.rounds,
            sweeps: self.sweeps,
            penalty: self.penalty,
            level: self.level,
            mismatch: self.mismatch,
            null_detection: self.null_detection,
            null_factor: self.null_factor,
            ..EventOptions::default()
        }
    }
}

#[pyfunction]
pub(super) fn find_foot<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    noise: PyReadonlyArray1<'py, f64>,
    width: usize,
    rules: Rules,
) -> PyResult<Matrix<'py>> {
    let (shapes, noise) = (batch.shapes()?, noise.as_slice()?);
    let [n_cells, n_frames] = [batch.traces.shape()[0], batch.traces.shape()[1]];
    let feet = PyArray2::<f64>::zeros(py, [n_cells, n_frames], false);
    {
        let mut rows = feet.try_readwrite()?;
        let rows = rows.as_array_mut();
        batch.run(py, n_cells, |cells| {
            spikes::find_foot_of_cells(cells, noise, &shapes, width, &rules.options(), rows)
        })?;
    }
    Ok(feet)
}

#[pyfunction]
pub(super) fn find_events<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    noise: PyReadonlyArray1<'py, f64>,
    ways: Vec<Rules>,
) -> PyResult<Vec<Found<'py>>> {
    let (shapes, noise, n_cells) = (batch.shapes()?, noise.as_slice()?, batch.traces.shape()[0]);
    let ways: Vec<_> = ways.iter().map(Rules::options).collect();
    let mut found = vec![(Events::default(), f64::NAN); ways.len() * n_cells];
    batch.run(py, found.len(), |cells| {
        spikes::find_events_of_cells(cells, noise, &shapes, &ways, &mut found)
    })?;
    let one = |way| {
        let found = &found[way * n_cells..(way + 1) * n_cells];
        let events = || found.iter().map(|(events, _)| events);
        let amplitudes = events().flat_map(|events| events.amplitudes.clone());
        (
            joined(py, events().map(|events| events.bins.as_slice())),
            amplitudes.collect::<Vec<_>>().into_pyarray(py),
            ends(py, events().map(|events| events.bins.len())),
            PyArray1::from_iter(py, found.iter().map(|(_, null)| *null)),
            PyArray1::from_iter(py, events().map(|events| events.objective)),
            PyArray1::from_iter(py, events().map(|events| events.residual_power)),
            PyArray1::from_iter(py, shapes.iter().map(Shape::norm)),
        )
    };
    Ok((0..ways.len()).map(one).collect())
}

#[pyfunction]
pub(super) fn event_costs<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    noise: PyReadonlyArray1<'py, f64>,
    rules: Rules,
) -> PyResult<Reals<'py>> {
    let (shapes, noise) = (batch.shapes()?, noise.as_slice()?);
    let mut costs = vec![0.0; batch.traces.shape()[0]];
    batch.run(py, costs.len(), |cells| {
        spikes::event_costs_of_cells(cells, noise, &shapes, &rules.options(), &mut costs)
    })?;
    Ok(costs.into_pyarray(py))
}

#[pyfunction]
pub(super) fn score_kernels<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    noise: PyReadonlyArray1<'py, f64>,
    windows: PyReadonlyArray2<'py, i64>,
    rules: Rules,
) -> PyResult<(Matrix<'py>, Bound<'py, PyArray2<i64>>, Matrix<'py>)> {
    let (shapes, noise, stretches) = (batch.shapes()?, noise.as_slice()?, stretches(&windows)?);
    let shape = (stretches.len(), shapes.len());
    let mut found = vec![Events::default(); shape.0 * shape.1];
    batch.run(py, found.len(), |cells| {
        spikes::score_kernels(cells, noise, &shapes, &stretches, &rules.options(), &mut found)
    })?;
    let real = |value: fn(&Events) -> f64| table(shape, found.iter().map(value).collect());
    let counts = found.iter().map(|events| events.bins.len().cast_signed() as i64).collect();
    Ok((
        real(|events| events.objective)?.into_pyarray(py),
        table(shape, counts)?.into_pyarray(py),
        real(|events| events.residual_power)?.into_pyarray(py),
    ))
}

#[pyfunction]
#[pyo3(signature = (amplitudes, null_level, *, threshold, gap, variations, outliers, weight_strength, weight_mean, prior_mean, prior_sd))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword-only options, gathered at once into one struct"
)]
pub(super) fn event_scale<'py>(
    py: Python<'py>,
    amplitudes: PyReadonlyArray1<'py, f64>,
    null_level: f64,
    threshold: f64,
    gap: f64,
    variations: Vec<f64>,
    outliers: Vec<f64>,
    weight_strength: f64,
    weight_mean: f64,
    prior_mean: f64,
    prior_sd: f64,
) -> PyResult<(Reals<'py>, Reals<'py>, Reals<'py>, f64, f64, f64, usize)> {
    let options = ScaleOptions {
        threshold,
        gap,
        variations,
        outliers,
        weight_strength,
        weight_mean,
        prior_mean,
        prior_sd,
        ..ScaleOptions::default()
    };
    let amplitudes = amplitudes.as_slice()?;
    let scale = py.detach(|| spikes::event_scale(amplitudes, null_level, &options))?;
    let Scale { log_alpha, log_likelihood, log_posterior, mean, sd, log_odds, n_events } = scale;
    let curves = [log_alpha, log_likelihood, log_posterior].map(|curve| curve.into_pyarray(py));
    let [grid, likelihood, posterior] = curves;
    Ok((grid, likelihood, posterior, mean, sd, log_odds, n_events))
}

#[pyfunction]
#[pyo3(signature = (batch, alphas, thetas, events, *, window, spread, sweeps))]
#[expect(
    clippy::too_many_arguments,
    reason = "keyword-only options, gathered at once into one struct"
)]
pub(super) fn place_spikes<'py>(
    py: Python<'py>,
    batch: Batch<'py>,
    alphas: PyReadonlyArray1<'py, f64>,
    thetas: PyReadonlyArray1<'py, f64>,
    events: Vec<(PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, f64>)>,
    window: f64,
    spread: f64,
    sweeps: usize,
) -> PyResult<Placed<'py>> {
    let (shapes, n_cells) = (batch.shapes()?, batch.traces.shape()[0]);
    let options = PlacementOptions { window, spread, sweeps, ..PlacementOptions::default() };
    let (alphas, thetas) = (alphas.as_slice()?, thetas.as_slice()?);
    check_length("alphas", n_cells, alphas.len())?;
    check_length("thetas", n_cells, thetas.len())?;
    check_length("events", n_cells, events.len())?;
    let bins: Vec<Vec<usize>> =
        events.iter().map(|(bins, _)| as_bins(bins.as_slice()?)).collect::<PyResult<_>>()?;
    let mut starts = Vec::with_capacity(n_cells);
    for (k, (bins, (_, amplitudes))) in bins.iter().zip(&events).enumerate() {
        let amplitudes = amplitudes.as_slice()?;
        starts.push(Start { bins, amplitudes, alpha: alphas[k], theta: thetas[k] });
    }
    let shape = [n_cells, batch.traces.shape()[1]];
    let fit = PyArray2::<f32>::zeros(py, shape, false);
    let placed = {
        let mut rows = fit.try_readwrite()?;
        let rows = rows.as_array_mut();
        batch.run(py, n_cells, |cells| {
            spikes::place_spikes_of_cells(cells, &shapes, &starts, &options, rows)
        })?
    };
    Ok((
        joined(py, placed.iter().map(|cell| cell.bins.as_slice())),
        ends(py, placed.iter().map(|cell| cell.bins.len())),
        fit,
        PyArray1::from_iter(py, placed.iter().map(|cell| cell.pve)),
        PyArray1::from_iter(py, placed.iter().map(|cell: &Placement| signed(cell.sweeps))),
        PyArray1::from_iter(py, placed.iter().map(|cell| cell.converged)),
    ))
}

fn signed(count: usize) -> i64 {
    count.cast_signed() as i64
}

fn joined<'py, 'a>(py: Python<'py>, cells: impl Iterator<Item = &'a [usize]>) -> Whole<'py> {
    cells.flatten().map(|&bin| signed(bin)).collect::<Vec<_>>().into_pyarray(py)
}

fn ends(py: Python<'_>, counts: impl Iterator<Item = usize>) -> Whole<'_> {
    let sums = counts.scan(0, |sum, count| {
        *sum += count;
        Some(signed(*sum))
    });
    sums.collect::<Vec<_>>().into_pyarray(py)
}

fn table<T>(shape: (usize, usize), values: Vec<T>) -> Result<Array2<T>, SolverError> {
    let length = values.len();
    Array2::from_shape_vec(shape, values).map_err(|_| SolverError::Length {
        name: "windows",
        expected: shape.0 * shape.1,
        got: length,
    })
}

fn as_bins(bins: &[i64]) -> PyResult<Vec<usize>> {
    let bin = |&bin: &i64| {
        let refused = |_| SolverError::parameter("events", "bins from 0 on", &bin);
        usize::try_from(bin).map_err(refused)
    };
    Ok(bins.iter().map(bin).collect::<Result<_, _>>()?)
}

fn stretches(windows: &PyReadonlyArray2<'_, i64>) -> PyResult<Vec<Stretch>> {
    let mut stretches = Vec::with_capacity(windows.shape()[0]);
    for row in windows.as_array().rows() {
        let [cell, first, end] = [row[0], row[1], row[2]].map(|value| {
            usize::try_from(value).map_err(|_| {
                SolverError::parameter("windows", "cells and frames from 0 on", &value)
            })
        });
        stretches.push(Stretch { cell: cell?, first: first?, end: end? });
    }
    Ok(stretches)
}
