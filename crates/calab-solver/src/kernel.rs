//! The peak-normalised biexponential kernel and its second-order autoregressive form.
//!
//! ```text
//! h(t) = (exp(-t/τ_decay) - exp(-t/τ_rise)) / max,    sampled at t = 0, 1/fs, 2/fs, ...
//! ```
//!
//! Convolution with `h` equals the recursion
//! `c[t] = g1 c[t-1] + g2 c[t-2] + s[t-1] / p` with `g1 = d + r`, `g2 = -d r`,
//! `d = exp(-1/(fs τ_decay))`, `r = exp(-1/(fs τ_rise))` and `p` the largest value of the
//! unscaled impulse response `(d^k - r^k) / (d - r)`.

use libm::{ceil, exp, expm1, log};

use crate::ar2::rate_difference;
use crate::error::{SolverError, check_positive};

/// Least value of a Lipschitz constant, so that its inverse stays a usable step length.
pub const LIPSCHITZ_FLOOR: f64 = 1e-10;

/// Most samples a sampled kernel may have.
pub const MAX_KERNEL_LENGTH: usize = 1 << 20;

/// Refuses time constants that make no kernel.
///
/// # Errors
///
/// [`SolverError::Parameter`] unless `0 < tau_rise < tau_decay`, `fs > 0`, all finite.
pub fn check_kernel(tau_rise: f64, tau_decay: f64, fs: f64) -> Result<(), SolverError> {
    check_positive("fs", fs)?;
    check_positive("tau_rise", tau_rise)?;
    check_positive("tau_decay", tau_decay)?;
    if tau_rise < tau_decay {
        return Ok(());
    }
    let got = format!("tau_rise={tau_rise} and tau_decay={tau_decay}");
    Err(SolverError::parameter("tau_rise", "less than tau_decay", &got))
}

/// Samples the kernel until it has fallen to a millionth, and scales its largest sample to 1.
///
/// # Errors
///
/// [`SolverError::Parameter`] for time constants that make no kernel ([`check_kernel`]), or one
/// longer than [`MAX_KERNEL_LENGTH`] samples.
pub fn build_kernel(tau_rise: f64, tau_decay: f64, fs: f64) -> Result<Vec<f64>, SolverError> {
    check_kernel(tau_rise, tau_decay, fs)?;
    let length = ceil(-log(1e-6) * tau_decay * fs).max(2.0);
    if length > MAX_KERNEL_LENGTH as f64 {
        let expected = "a kernel of at most 1048576 samples (13.8 tau_decay fs)";
        return Err(SolverError::parameter("tau_decay", expected, &format!("{length} samples")));
    }
    let delta = rate_difference(tau_rise, tau_decay, fs);
    // Relative to the decay of one sample, which may be too small for a number of its own; exact
    // when the two time constants nearly agree.
    let sample = |i: f64| -exp(-(i - 1.0) / (fs * tau_decay)) * expm1(-delta * i);
    let mut kernel = vec![0.0; length as usize];
    for (i, h) in kernel.iter_mut().enumerate().skip(1) {
        *h = sample(i as f64);
    }
    let peak = kernel.iter().copied().fold(0.0, f64::max);
    for h in &mut kernel {
        *h /= peak;
    }
    Ok(kernel)
}
