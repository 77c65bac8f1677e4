use numpy::PyReadwriteArray2;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::simulate::{self, Outputs, Parameters};

#[pyfunction]
pub(super) fn simulate_cells(
    py: Python<'_>,
    parameters: &Bound<'_, PyDict>,
    mut traces: PyReadwriteArray2<'_, f32>,
    mut spikes: PyReadwriteArray2<'_, f32>,
    mut clean_calcium: PyReadwriteArray2<'_, f32>,
    mut properties: PyReadwriteArray2<'_, f64>,
    n_threads: usize,
) -> PyResult<()> {
    let parameters = read(parameters)?;
    let n_frames = traces.as_array().ncols();
    let outputs = Outputs {
        traces: traces.as_slice_mut()?,
        spikes: spikes.as_slice_mut()?,
        clean_calcium: clean_calcium.as_slice_mut()?,
        properties: properties.as_slice_mut()?.as_chunks_mut().0,
    };
    py.detach(|| simulate::simulate_cells(&parameters, n_frames, outputs, n_threads))?;
    Ok(())
}

fn read(given: &Bound<'_, PyDict>) -> PyResult<Parameters> {
    Ok(Parameters {
        seed: item(given, "seed")?,
        fs: item(given, "fs")?,
        steps_per_frame: item(given, "steps_per_frame")?,
        tau_rise: item(given, "tau_rise")?,
        tau_decay: item(given, "tau_decay")?,
        tau_rise_cv: item(given, "tau_rise_cv")?,
        tau_decay_cv: item(given, "tau_decay_cv")?,
        p_silent_to_active: item(given, "p_silent_to_active")?,
        p_active_to_silent: item(given, "p_active_to_silent")?,
        p_spike_when_active: item(given, "p_spike_when_active")?,
        p_spike_when_silent: item(given, "p_spike_when_silent")?,
        p_silent_to_active_cv: item(given, "p_silent_to_active_cv")?,
        alpha_mean: item(given, "alpha_mean")?,
        alpha_cv: item(given, "alpha_cv")?,
        k_d: item(given, "k_d")?,
        k_d_cv: item(given, "k_d_cv")?,
        hill_coefficient: item(given, "hill_coefficient")?,
        walk_step: item(given, "walk_step")?,
        walk_reversion: item(given, "walk_reversion")?,
        sine_amplitude: item(given, "sine_amplitude")?,
        sine_cycles_min: item(given, "sine_cycles_min")?,
        sine_cycles_max: item(given, "sine_cycles_max")?,
        drift_cv: item(given, "drift_cv")?,
        bleach_amplitude: item(given, "bleach_amplitude")?,
        bleach_amplitude_cv: item(given, "bleach_amplitude_cv")?,
        bleach_tau: item(given, "bleach_tau")?,
        snr: item(given, "snr")?,
        snr_spread: item(given, "snr_spread")?,
        shot_fraction: item(given, "shot_fraction")?,
    })
}

fn item<'py, T: FromPyObjectOwned<'py>>(given: &Bound<'py, PyDict>, name: &str) -> PyResult<T> {
    given.as_any().get_item(name)?.extract::<T>().map_err(|error| {
        let error: PyErr = error.into();
        let message = format!("{name}: {}", error.value(given.py()));
        if error.is_instance_of::<PyTypeError>(given.py()) {
            PyTypeError::new_err(message)
        } else {
            PyValueError::new_err(message)
        }
    })
}
