//! The extension module `calab_solver._native`: the list of what it exports.

mod deconvolve;
mod error;
mod kernel;
mod simulate;

use pyo3::prelude::*;

/// Compiled numerics of calab-solver; its functions are documented in the Python modules.
#[pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::deconvolve::{deconvolve, instruction_sets};
    #[pymodule_export]
    use super::kernel::build_kernel;
    #[pymodule_export]
    use super::simulate::simulate_cells;
}
