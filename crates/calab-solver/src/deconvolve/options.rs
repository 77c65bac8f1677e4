//! How to deconvolve.

use crate::fista::Convolution;

/// The weight of the sum of sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lam {
    /// This number, in the documented units.
    Given(f64),
    /// Per cell, so that the residual is as large as the noise.
    Auto,
}

/// The method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Interior point.
    Exact,
    /// Accelerated proximal gradient.
    Fista(Convolution),
}

/// What is taken off a trace before its activity is inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The causal sliding quantile.
    Causal,
    /// The centred sliding quantile, raised by the bias that noise gives a quantile.
    Centered,
    /// A constant, estimated with the activity.
    Constant,
    /// Nothing.
    None,
}

/// How to deconvolve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sampling rate in hertz.
    pub fs: f64,
    /// Rise time constant in seconds.
    pub tau_rise: f64,
    /// Decay time constant in seconds.
    pub tau_decay: f64,
    /// Weight of the sum of sources.
    pub lam: Lam,
    /// The method.
    pub method: Method,
    /// Sources lie in `[0, 1]` and have no weight.
    pub boxed: bool,
    /// What is taken off first.
    pub baseline: Baseline,
    /// Frames at which joined recordings start.
    pub segments: Vec<usize>,
    /// Certified means `gap <= max(tol P, tol² P(0))`.
    pub tol: f64,
    /// Most iterations.
    pub max_iters: usize,
}
