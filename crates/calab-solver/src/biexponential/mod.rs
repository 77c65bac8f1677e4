//! Two time constants from a sampled kernel: bounded least squares.
//!
//! ```text
//! h(t) ≈ β T(τ_rise, τ_decay) + β_fast T(τ_rise_fast, τ_decay_fast),    T(a, b) = exp(-t/b) - exp(-t/a)
//! ```
//!
//! For given time constants the amplitudes are solved exactly (variable projection: Golub & Pereyra
//! 1973, <https://doi.org/10.1137/0710036>); a Levenberg-Marquardt search over the logarithms of the
//! time constants starts from the valleys of a grid. [`fit_metric`] fits the slow part to traces
//! and spikes instead, by way of their normal equations.

mod fast;
mod grid;
mod metric;
mod search;
mod slow;

pub use metric::{MetricFit, fit_metric};

use crate::error::{SolverError, check_finite, check_positive};

/// Fastest rise that is looked for, in samples: what lies below differs from it in no sample.
pub const LEAST_RISE: f64 = 0.02;

/// Fastest decay that is looked for, in samples.
pub const LEAST_DECAY: f64 = 0.5;

/// Slowest decay in seconds, or in samples where a sample is long.
pub const MOST_DECAY: (f64, f64) = (5.0, 20.0);

/// Most of the decay that the rise may take.
pub const MOST_RISE: f64 = 0.99;

/// Residual, relative to the kernel, that is the rounding of single precision and no second
/// component.
const ROUNDING: f64 = 1e-6;

/// What a fit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitMode {
    /// There was nothing to fit.
    Empty,
    /// No amplitude above zero fits; the time constants mean nothing.
    Degenerate,
    /// One component.
    SlowOnly,
    /// A slow and a fast component.
    TwoComponent,
}

impl FitMode {
    /// The documented name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Degenerate => "Degenerate",
            Self::SlowOnly => "SlowOnly",
            Self::TwoComponent => "TwoComponent",
        }
    }
}

/// Amplitude and time constants (seconds) of one component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Component {
    /// Time constant of the rise.
    pub tau_rise: f64,
    /// Time constant of the decay.
    pub tau_decay: f64,
    /// Amplitude β of the difference of exponentials, which is not normalised.
    pub beta: f64,
}

/// One or two components and their misfit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Biexponential {
    /// The slow component.
    pub slow: Component,
    /// The fast component, if there is one.
    pub fast: Option<Component>,
    /// Sum of the squared residuals over all samples.
    pub residual: f64,
    /// What was found.
    pub mode: FitMode,
}

impl Biexponential {
    fn none(mode: FitMode, residual: f64) -> Self {
        let slow = Component { tau_rise: 0.02, tau_decay: 0.4, beta: 0.0 };
        Self { slow, fast: None, residual, mode }
    }
}

/// How a kernel is to be fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FitOptions {
    /// Whether a fast component is tried beside the slow one.
    pub two_components: bool,
    /// Leading samples that do not count.
    pub skip: usize,
    /// Components to start from, beside the grid.
    pub warm: Option<(Component, Option<Component>)>,
}

/// Fits the model to a kernel sampled at `fs` hertz.
///
/// # Errors
///
/// [`SolverError::Parameter`] for a rate that is none, samples that are not finite or whose squares
/// are not, and a start whose time constants make no kernel.
pub fn fit_biexponential(
    kernel: &[f64],
    fs: f64,
    options: &FitOptions,
) -> Result<Biexponential, SolverError> {
    check_positive("fs", fs)?;
    if let Some((index, h)) = kernel.iter().enumerate().find(|(_, h)| !h.is_finite()) {
        let got = format!("{h} at index {index}");
        return Err(SolverError::parameter("h_free", "finite samples", &got));
    }
    check_finite("h_free", "finite squares", power(kernel))?;
    if let Some((slow, fast)) = options.warm {
        crate::kernel::check_kernel(slow.tau_rise, slow.tau_decay, fs)?;
        if let Some(fast) = fast {
            crate::kernel::check_kernel(fast.tau_rise, fast.tau_decay, fs)?;
        }
    }
    if kernel.len() <= options.skip {
        return Ok(Biexponential::none(FitMode::Empty, f64::INFINITY));
    }
    // In units of its largest sample, so that no square is lost.
    let unit = kernel.iter().fold(0.0, |m: f64, h| m.max(h.abs()));
    if unit == 0.0 {
        return Ok(Biexponential::none(FitMode::Degenerate, 0.0));
    }
    let samples: Vec<f64> = kernel.iter().map(|h| h / unit).collect();
    let mut fit = fit_scaled(&samples, fs, options);
    fit.slow.beta *= unit;
    if let Some(fast) = &mut fit.fast {
        fast.beta *= unit;
    }
    fit.residual *= unit * unit;
    Ok(fit)
}

fn fit_scaled(samples: &[f64], fs: f64, options: &FitOptions) -> Biexponential {
    let counted = &samples[options.skip..];
    let warm = options.warm.map(|(slow, _)| slow);
    let Some((slow, misfit)) = slow::fit(counted, options.skip, fs, warm) else {
        return Biexponential::none(FitMode::Degenerate, power(samples));
    };
    let mut best = (slow, None);
    // A perfect kernel in single precision has one component.
    if options.two_components && misfit > ROUNDING * ROUNDING * power(counted) {
        let found = fast::fit(counted, options.skip, fs, options.warm);
        if let Some((slow, fast, both)) = found
            && earns_its_place(counted.len(), misfit, both)
        {
            best = (slow, Some(fast));
        }
    }
    let (slow, fast) = best;
    let mode = if fast.is_some() { FitMode::TwoComponent } else { FitMode::SlowOnly };
    Biexponential { slow, fast, residual: residual(samples, fs, slow, fast), mode }
}

/// Whether three more parameters lower the Bayesian information criterion.
fn earns_its_place(n: usize, one: f64, two: f64) -> bool {
    let n = n as f64;
    n * libm::log(one / two.max(f64::MIN_POSITIVE)) > 3.0 * libm::log(n)
}

fn residual(samples: &[f64], fs: f64, slow: Component, fast: Option<Component>) -> f64 {
    let value =
        |c: Component, t: f64| c.beta * slow::template(t, c.tau_rise * fs, c.tau_decay * fs);
    let square = |(i, h): (usize, &f64)| {
        let t = i as f64;
        let r = h - value(slow, t) - fast.map_or(0.0, |fast| value(fast, t));
        r * r
    };
    samples.iter().enumerate().map(square).sum()
}

fn power(samples: &[f64]) -> f64 {
    samples.iter().map(|h| h * h).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(rise: f64, decay: f64, fs: f64) -> Vec<f64> {
        let length = (8.0 * decay * fs) as usize + 10;
        (0..length).map(|i| 3.0 * slow::template(i as f64, rise * fs, decay * fs)).collect()
    }

    #[test]
    fn perfect_kernels_are_recovered_however_fast() {
        for fs in [7.0, 30.0, 150.0] {
            for (rise, decay) in [(0.1, 0.6), (0.02, 0.4), (0.005, 0.3), (0.4, 1.8), (0.1, 0.101)] {
                if rise * fs < 0.15 {
                    continue;
                }
                let options = FitOptions { two_components: true, ..FitOptions::default() };
                let fit = fit_biexponential(&kernel(rise, decay, fs), fs, &options).unwrap();
                let Component { tau_rise, tau_decay, .. } = fit.slow;
                assert!(fit.mode == FitMode::SlowOnly, "{fit:?}");
                assert!((tau_rise / rise - 1.0).abs() < 1e-2, "{tau_rise} for {rise} at {fs}");
                assert!((tau_decay / decay - 1.0).abs() < 1e-2, "{tau_decay} for {decay} at {fs}");
            }
        }
    }
}
