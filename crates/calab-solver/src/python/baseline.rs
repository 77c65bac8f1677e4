use numpy::{IntoPyArray, PyArray2, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::cells::{by_cell, each_cell};
use crate::baseline::{self, BaselineWorkspace, Window, baseline_width};
use crate::noise::{NoiseWorkspace, noise_level};

#[pyfunction]
pub(super) fn rolling_baseline<'py>(
    py: Python<'py>,
    traces: PyReadonlyArray2<'py, f64>,
    fs: f64,
    tau_decay: f64,
    centered: bool,
    segments: Vec<usize>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let [n_cells, n_frames] = [traces.shape()[0], traces.shape()[1]];
    let width = baseline_width(tau_decay, fs)?;
    let window = if centered { Window::Centered } else { Window::Causal };
    let (data, mut out) = (traces.as_slice()?, vec![0.0; n_cells * n_frames]);
    each_cell(py, n_cells, n_frames, |cell, work: &mut (BaselineWorkspace, NoiseWorkspace)| {
        let frames = cell * n_frames..(cell + 1) * n_frames;
        let trace = &data[frames.clone()];
        let noise = if centered { noise_level(trace, fs, &segments, &mut work.1)? } else { 0.0 };
        let out = &mut out[frames];
        baseline::rolling_baseline(trace, window, width, noise, &segments, out, &mut work.0)
    })?;
    Ok(by_cell(out, n_cells, n_frames)?.into_pyarray(py))
}
