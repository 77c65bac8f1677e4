use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
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

#[pyfunction]
pub(super) fn compute_lipschitz(
    py: Python<'_>,
    kernel: PyReadonlyArray1<'_, f64>,
) -> PyResult<f64> {
    let kernel = kernel.as_slice()?;
    Ok(py.detach(|| kernel::compute_lipschitz(kernel))?)
}

#[pyfunction]
pub(super) fn compute_upsample_factor(fs: f64, target_fs: f64) -> PyResult<u32> {
    Ok(kernel::compute_upsample_factor(fs, target_fs)?)
}
