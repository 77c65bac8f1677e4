use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::biexponential::{self, Component, FitOptions};

/// Rise, decay and amplitude of one component.
type Triple = (f64, f64, f64);

/// The fields of the documented tuple.
type Answer = (f64, f64, f64, f64, f64, f64, f64, &'static str);

#[pyfunction]
#[pyo3(signature = (kernel, fs, *, two_components, skip, warm))]
pub(super) fn fit_biexponential(
    py: Python<'_>,
    kernel: PyReadonlyArray1<'_, f64>,
    fs: f64,
    two_components: bool,
    skip: usize,
    warm: Option<(Triple, Option<Triple>)>,
) -> PyResult<Answer> {
    let component = |(tau_rise, tau_decay, beta): Triple| Component { tau_rise, tau_decay, beta };
    let warm = warm.map(|(slow, fast)| (component(slow), fast.map(component)));
    let options = FitOptions { two_components, skip, warm };
    let kernel = kernel.as_slice()?;
    let fit = py.detach(|| biexponential::fit_biexponential(kernel, fs, &options))?;
    let slow = fit.slow;
    let none = Component { tau_rise: 0.0, tau_decay: 0.0, beta: 0.0 };
    let fast = fit.fast.unwrap_or(none);
    Ok((
        slow.tau_rise,
        slow.tau_decay,
        slow.beta,
        fit.residual,
        fast.tau_rise,
        fast.tau_decay,
        fast.beta,
        fit.mode.name(),
    ))
}
