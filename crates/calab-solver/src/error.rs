//! The one error type of the crate: what was expected, and what came.

/// Why an input was refused or a computation ended early.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolverError {
    /// A parameter lies outside its range.
    #[error("{name}: expected {expected}, got {got}")]
    Parameter {
        /// The parameter's name as the caller knows it.
        name: &'static str,
        /// What would have been accepted.
        expected: &'static str,
        /// What came, as text.
        got: String,
    },
    /// Two arrays that belong together differ in size.
    #[error("{name}: expected length {expected}, got {got}")]
    Length {
        /// The array's name as the caller knows it.
        name: &'static str,
        /// The length that the other arguments imply.
        expected: usize,
        /// The length that came.
        got: usize,
    },
    /// The caller asked for the computation to stop.
    #[error("the computation was interrupted")]
    Interrupted,
}

impl SolverError {
    /// Refuses `value` for the parameter `name`.
    pub fn parameter(name: &'static str, expected: &'static str, got: &impl ToString) -> Self {
        Self::Parameter { name, expected, got: got.to_string() }
    }
}

/// Accepts a finite number above zero.
///
/// # Errors
///
/// [`SolverError::Parameter`] for zero, negative, infinite and NaN values.
pub fn check_positive(name: &'static str, value: f64) -> Result<(), SolverError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(SolverError::parameter(name, "a finite number above 0", &value))
}

/// Accepts a finite number.
///
/// # Errors
///
/// [`SolverError::Parameter`] for infinite and NaN values.
pub fn check_finite(
    name: &'static str,
    expected: &'static str,
    value: f64,
) -> Result<(), SolverError> {
    if value.is_finite() {
        return Ok(());
    }
    Err(SolverError::parameter(name, expected, &value))
}
