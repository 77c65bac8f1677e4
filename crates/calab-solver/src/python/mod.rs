//! The extension module `calab_solver._native`: the list of what it exports.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod ar2;
mod baseline;
mod biexponential;
mod cells;
mod chain;
mod deconvolve;
mod error;
mod filter;
mod free_kernel;
mod kernel;
mod monitor;
mod noise;
mod simulate;
mod spikes;

use pyo3::prelude::*;

/// Compiled numerics of calab-solver; its functions are documented in the Python modules.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::ar2::tau_to_ar2;
    #[pymodule_export]
    use super::baseline::rolling_baseline;
    #[pymodule_export]
    use super::biexponential::fit_biexponential;
    #[pymodule_export]
    use super::chain::sample_kernel;
    #[pymodule_export]
    use super::deconvolve::{deconvolve, instruction_sets};
    #[pymodule_export]
    use super::filter::bandpass_filter;
    #[pymodule_export]
    use super::free_kernel::estimate_kernel;
    #[pymodule_export]
    use super::kernel::{build_kernel, compute_lipschitz, compute_upsample_factor};
    #[pymodule_export]
    use super::noise::noise_level;
    #[pymodule_export]
    use super::simulate::simulate_cells;
    #[pymodule_export]
    use super::spikes::{
        event_costs, event_scale, find_events, find_foot, place_spikes, score_kernels,
    };
}
