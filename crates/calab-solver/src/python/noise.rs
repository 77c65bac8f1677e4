use numpy::{IntoPyArray, PyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::cells::each_cell;
use crate::noise::{self, NoiseWorkspace};

#[pyfunction]
pub(super) fn noise_level<'py>(
    py: Python<'py>,
    traces: PyReadonlyArray2<'py, f64>,
    fs: f64,
    segments: Vec<usize>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let [n_cells, n_frames] = [traces.shape()[0], traces.shape()[1]];
    let (data, mut out) = (traces.as_slice()?, vec![0.0; n_cells]);
    crate::error::check_positive("fs", fs)?;
    each_cell(py, n_cells, n_frames, |cell, workspace: &mut NoiseWorkspace| {
        let trace = &data[cell * n_frames..(cell + 1) * n_frames];
        out[cell] = noise::noise_level(trace, fs, &segments, workspace)?;
        Ok(())
    })?;
    Ok(out.into_pyarray(py))
}
