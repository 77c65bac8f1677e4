use pyo3::prelude::*;

use crate::ar2::Ar2;

#[pyfunction]
pub(super) fn tau_to_ar2(tau_rise: f64, tau_decay: f64, fs: f64) -> PyResult<(f64, f64, f64, f64)> {
    let ar2 = Ar2::new(tau_rise, tau_decay, fs)?;
    Ok((ar2.g1, ar2.g2, ar2.decay_root, ar2.rise_root))
}
