use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

use crate::error::SolverError;

impl From<SolverError> for PyErr {
    fn from(error: SolverError) -> Self {
        let message = error.to_string();
        match error {
            SolverError::Parameter { .. } | SolverError::Length { .. } => {
                PyValueError::new_err(message)
            }
            SolverError::Interrupted => PyKeyboardInterrupt::new_err(message),
        }
    }
}
