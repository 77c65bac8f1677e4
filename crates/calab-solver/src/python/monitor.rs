//! Work without the interpreter, which is asked for signals and shown progress in between.

use pyo3::prelude::*;

use crate::error::SolverError;

/// Runs `work` detached and hands it a monitor, which calls `progress(done, total)`.
pub(super) fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    total: usize,
    work: impl FnOnce(&mut dyn FnMut(usize) -> bool) -> Result<T, SolverError> + Send,
) -> PyResult<T> {
    let (mut shown, mut raised) = (0, None);
    let mut monitor = |done: usize| {
        // Threads that are still leaving must not clear what was raised.
        if raised.is_some() {
            return false;
        }
        let told = Python::attach(|py| {
            py.check_signals()?;
            if let Some(progress) = progress
                && done != shown
            {
                progress.call1(py, (done, total))?;
            }
            Ok(())
        });
        shown = done;
        raised = told.err();
        raised.is_none()
    };
    let result = py.detach(|| work(&mut monitor));
    raised.map_or_else(|| result.map_err(PyErr::from), Err)
}
