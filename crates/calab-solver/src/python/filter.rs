use numpy::{IntoPyArray, PyArray2, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::cells::{by_cell, each_cell};
use crate::filter::{Bandpass, FilterWorkspace};

#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the arguments of the Python function")]
pub(super) fn bandpass_filter<'py>(
    py: Python<'py>,
    traces: PyReadonlyArray2<'py, f64>,
    tau_rise: f64,
    tau_decay: f64,
    fs: f64,
    segments: Vec<usize>,
    high_pass: bool,
    low_pass: bool,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let [n_cells, n_frames] = [traces.shape()[0], traces.shape()[1]];
    let band = Bandpass::new(tau_rise, tau_decay, fs, high_pass, low_pass)?;
    let (data, mut out) = (traces.as_slice()?, vec![0.0; n_cells * n_frames]);
    each_cell(py, n_cells, n_frames, |cell, workspace: &mut FilterWorkspace| {
        let frames = cell * n_frames..(cell + 1) * n_frames;
        band.apply(&data[frames.clone()], &segments, &mut out[frames], workspace)
    })?;
    Ok(by_cell(out, n_cells, n_frames)?.into_pyarray(py))
}
