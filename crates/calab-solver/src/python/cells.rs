//! One cell after the other, without the interpreter but not deaf to Ctrl-C.

use ndarray::Array2;
use pyo3::prelude::*;

use crate::error::SolverError;

/// Samples between two looks at pending signals: a few milliseconds of filtering.
const BLOCK_SAMPLES: usize = 1 << 18;

/// Calls `cell(index, workspace)` for each cell with the interpreter detached.
pub(super) fn each_cell<W: Default + Send>(
    py: Python<'_>,
    n_cells: usize,
    n_frames: usize,
    mut cell: impl FnMut(usize, &mut W) -> Result<(), SolverError> + Send,
) -> PyResult<()> {
    let block = (BLOCK_SAMPLES / n_frames.max(1)).max(1);
    let mut workspace = W::default();
    for first in (0..n_cells).step_by(block) {
        let cells = first..(first + block).min(n_cells);
        py.detach(|| cells.into_iter().try_for_each(|index| cell(index, &mut workspace)))?;
        py.check_signals()?;
    }
    Ok(())
}

/// Gives the values of all cells the shape of the traces.
pub(super) fn by_cell(
    values: Vec<f64>,
    n_cells: usize,
    n_frames: usize,
) -> Result<Array2<f64>, SolverError> {
    let length = values.len();
    Array2::from_shape_vec((n_cells, n_frames), values).map_err(|_| SolverError::Length {
        name: "traces",
        expected: n_cells * n_frames,
        got: length,
    })
}
