use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::kernel;

#[pyfunction]
pub(super) fn build_kernel(
    py: Python<'_>,
    tau_rise: f64,
    tau_decay: f64,
    fs: f64,
) -> PyResult<Bound<'_, PyArray1<f64>>> {
    Ok(kernel::build_kernel(tau_rise, tau_decay, fs)?.into_pyarray(py))
}
