//! Where the answers go, and what is said of a cell.

use ndarray::ArrayViewMut2;

use crate::interior::Rule;

/// What is said of one cell beside its activity.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Mean of what was removed, plus the offset of the fit.
    pub baseline: f64,
    /// Offset of the fit from what was removed.
    pub offset: f64,
    /// Iterations.
    pub iterations: usize,
    /// Whether the gap meets the tolerance.
    pub converged: bool,
    /// Certified distance to the optimum.
    pub gap: f64,
    /// Objective of the activity.
    pub objective: f64,
    /// The `lam` that was used.
    pub lam: f64,
    /// What decided it.
    pub rule: Rule,
    /// Standard deviation of the white noise; NaN if nobody asked.
    pub noise: f64,
    /// Share of frames that were not recorded.
    pub masked: f64,
}

impl Summary {
    /// What is known of a cell without any recorded frame.
    pub(super) const UNRECORDED: Self = Self {
        baseline: f64::NAN,
        offset: f64::NAN,
        iterations: 0,
        converged: false,
        gap: f64::NAN,
        objective: f64::NAN,
        lam: f64::NAN,
        rule: Rule::NoEvents,
        noise: f64::NAN,
        masked: 1.0,
    };
}

impl Default for Summary {
    fn default() -> Self {
        Self::UNRECORDED
    }
}

/// A sample of a trace or of an activity.
pub trait Sample: Copy + Send + Sync {
    /// Widens, exactly.
    fn widen(self) -> f64;
    /// Rounds to the nearest sample.
    fn narrow(value: f64) -> Self;
}

impl Sample for f64 {
    fn widen(self) -> f64 {
        self
    }
    fn narrow(value: f64) -> Self {
        value
    }
}

impl Sample for f32 {
    fn widen(self) -> f64 {
        f64::from(self)
    }
    fn narrow(value: f64) -> Self {
        value as Self
    }
}

/// Where the answers go; all arrays are cells x frames.
pub struct Output<'a, O> {
    /// The activity.
    pub activity: ArrayViewMut2<'a, O>,
    /// The fit to the traces, and what was removed from them, if wanted.
    pub fit: Option<(ArrayViewMut2<'a, f64>, ArrayViewMut2<'a, f64>)>,
    /// One entry a cell.
    pub summaries: &'a mut [Summary],
}
