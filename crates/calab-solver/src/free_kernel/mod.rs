//! The free-form kernel: what one spike leaves in the traces, without a formula for its shape.
//!
//! ```text
//! min over h >= 0 of  1/2 Σ_j |S_j h - (y_j - b_j)/α_j|² + λ Σ_i |h[i+1] - h[i]|
//! ```
//!
//! `S_j` is the causal convolution with the spikes of trace `j`, which never reaches into another
//! trace. [`NormalEquations`] gathers all that the traces say about `h`; [`NormalEquations::solve`]
//! finds the optimum and bounds the distance to it.

mod cholesky;
mod conjugate;
mod interior;
mod normal;
mod polish;
mod solve;

pub use normal::{LEAST_ALPHA, MAX_UNKNOWNS, NormalEquations};
pub use solve::{FreeKernel, SolveOptions};

use crate::error::{SolverError, check_length};
use crate::kernel::MAX_KERNEL_LENGTH;

/// Many traces end to end, with their spikes.
#[derive(Debug, Clone, Copy)]
pub struct FlatTraces<'a> {
    /// All frames of all traces; NaN marks what was not recorded.
    pub traces: &'a [f64],
    /// Spikes, `upsample` bins for each frame.
    pub spikes: &'a [f64],
    /// Frames of each trace.
    pub lengths: &'a [usize],
    /// Amplitude of one spike in each trace.
    pub alphas: &'a [f64],
    /// Constant under each trace.
    pub baselines: &'a [f64],
    /// Bins per frame.
    pub upsample: usize,
}

impl FlatTraces<'_> {
    /// Gathers the normal equations of a kernel; `interrupted` is asked once per trace.
    ///
    /// Lags that no frame of any trace can reach are no unknowns: the equations may be shorter
    /// than `kernel_length`.
    ///
    /// # Errors
    ///
    /// [`SolverError::Length`] where the arrays do not belong together,
    /// [`SolverError::Parameter`] for values out of range, [`SolverError::Interrupted`].
    pub fn normal_equations(
        &self,
        kernel_length: usize,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<NormalEquations, SolverError> {
        self.check(kernel_length)?;
        let longest = self.lengths.iter().max().map_or(0, |n| n.saturating_sub(1));
        let reachable = kernel_length.min(longest * self.upsample + 1);
        let mut equations = NormalEquations::new(reachable, self.upsample)?;
        let (mut traces, mut trains) = (self.traces, self.spikes);
        let mut spikes = Vec::new();
        let amplitudes = self.alphas.iter().zip(self.baselines);
        for (&length, (&alpha, &baseline)) in self.lengths.iter().zip(amplitudes) {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            let (trace, train);
            (trace, traces) = traces.split_at(length);
            (train, trains) = trains.split_at(length * self.upsample);
            spikes.clear();
            spikes.extend(train.iter().copied().enumerate().filter(|&(_, weight)| weight != 0.0));
            equations.add(trace, &spikes, alpha, baseline)?;
        }
        Ok(equations)
    }

    fn check(&self, kernel_length: usize) -> Result<(), SolverError> {
        if !(1..=MAX_KERNEL_LENGTH).contains(&kernel_length) {
            let expected = "1 to 1048576 samples";
            return Err(SolverError::parameter("kernel_length", expected, &kernel_length));
        }
        let frames = self.lengths.iter().try_fold(0_usize, |sum, &n| sum.checked_add(n));
        let bins = frames.and_then(|n| n.checked_mul(self.upsample));
        check_length("traces_flat", frames.unwrap_or(usize::MAX), self.traces.len())?;
        check_length("spikes_flat", bins.unwrap_or(usize::MAX), self.spikes.len())?;
        check_length("alphas", self.lengths.len(), self.alphas.len())?;
        check_length("baselines", self.lengths.len(), self.baselines.len())
    }
}
