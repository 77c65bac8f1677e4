//! The peak-normalised biexponential kernel and its second-order autoregressive form.
//!
//! ```text
//! h(t) = (exp(-t/τ_decay) - exp(-t/τ_rise)) / max,    sampled at t = 0, 1/fs, 2/fs, ...
//! ```
//!
//! Convolution with `h` equals the recursion
//! `c[t] = g1 c[t-1] + g2 c[t-2] + s[t-1] / p` with `g1 = d + r`, `g2 = -d r`,
//! `d = exp(-1/(fs τ_decay))`, `r = exp(-1/(fs τ_rise))` and `p` the largest value of the
//! unscaled impulse response `(d^k - r^k) / (d - r)`: [`crate::ar2`].

use libm::{ceil, exp, expm1, log, round};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use crate::ar2::rate_difference;
use crate::error::{SolverError, check_finite, check_positive};

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

/// The Lipschitz constant of the gradient of `1/2 |y - h * s|²`, at least 1e-10: the largest
/// `|DFT(h)|²` over the frequencies of the next power of two from twice the kernel's length.
///
/// # Errors
///
/// [`SolverError::Parameter`] for a kernel that is empty, longer than [`MAX_KERNEL_LENGTH`] or
/// holds values that are not finite, or whose sum is not.
pub fn compute_lipschitz(kernel: &[f64]) -> Result<f64, SolverError> {
    const NAME: &str = "kernel";
    if kernel.is_empty() || kernel.len() > MAX_KERNEL_LENGTH {
        let got = kernel.len();
        return Err(SolverError::parameter(NAME, "1 to 1048576 samples", &got));
    }
    if let Some((index, h)) = kernel.iter().enumerate().find(|(_, h)| !h.is_finite()) {
        let got = format!("{h} at index {index}");
        return Err(SolverError::parameter(NAME, "finite samples", &got));
    }
    let largest = if kernel.iter().all(|&h| h >= 0.0) {
        // No frequency exceeds the sum of the magnitudes, which frequency 0 reaches.
        let sum: f64 = kernel.iter().sum();
        sum * sum
    } else {
        largest_power(kernel)?
    };
    check_finite(NAME, "a sum whose square is finite", largest)?;
    Ok(largest.max(LIPSCHITZ_FLOOR))
}

fn largest_power(kernel: &[f64]) -> Result<f64, SolverError> {
    let forward = RealFftPlanner::new().plan_fft_forward((2 * kernel.len()).next_power_of_two());
    let (mut padded, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
    padded[..kernel.len()].copy_from_slice(kernel);
    let length = padded.len();
    forward.process(&mut padded, &mut spectrum).map_err(|_| SolverError::Length {
        name: "kernel",
        expected: length,
        got: kernel.len(),
    })?;
    // f64::max would drop the NaN of an overflow.
    let larger = |a: f64, b: f64| if a.is_nan() || a > b { a } else { b };
    Ok(spectrum.iter().map(Complex::norm_sqr).fold(0.0, larger))
}

/// The whole factor, at least 1, that takes the rate `fs` nearest to `target_fs`; halves go up.
///
/// # Errors
///
/// [`SolverError::Parameter`] unless both rates are finite and above zero and the factor is below
/// 2^32.
pub fn compute_upsample_factor(fs: f64, target_fs: f64) -> Result<u32, SolverError> {
    check_positive("fs", fs)?;
    check_positive("target_fs", target_fs)?;
    let factor = round(target_fs / fs).max(1.0);
    if factor <= f64::from(u32::MAX) {
        return Ok(factor as u32);
    }
    let got = format!("target_fs={target_fs} and fs={fs}");
    Err(SolverError::parameter("target_fs", "less than 2^32 times fs", &got))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_starts_at_zero_and_peaks_at_one() {
        let kernel = build_kernel(0.02, 0.4, 30.0).unwrap();
        assert_eq!(kernel.len(), 166);
        assert!((kernel[1] - 0.901_78).abs() < 5e-6 && (kernel[3] - 0.952_21).abs() < 5e-6);
    }

    #[test]
    fn kernel_stays_finite_when_it_ends_within_a_frame() {
        assert_eq!(build_kernel(1e-6, 1e-5, 1.0).unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn lipschitz_is_the_largest_squared_gain() {
        assert_eq!(compute_lipschitz(&[1.0, 2.0]), Ok(9.0));
        assert_eq!(compute_lipschitz(&[0.0]), Ok(LIPSCHITZ_FLOOR));
        // An alternating kernel has its largest gain at half the sampling rate.
        let alternating = compute_lipschitz(&[1.0, -1.0, 1.0, -1.0]).unwrap();
        assert!((alternating - 16.0).abs() < 1e-12);
        for kernel in [&[][..], &[1.0, f64::NAN], &[1e200], &[1e200, -1e200]] {
            assert!(compute_lipschitz(kernel).is_err());
        }
    }

    #[test]
    fn upsample_factor_rounds_halves_up() {
        let factors = [(30.0, 300.0), (40.0, 100.0), (300.0, 30.0)]
            .map(|(fs, target)| compute_upsample_factor(fs, target).unwrap());
        assert_eq!(factors, [10, 3, 1]);
        assert!(compute_upsample_factor(0.0, 1.0).is_err());
        assert!(compute_upsample_factor(1e-9, 1e9).is_err());
    }
}
