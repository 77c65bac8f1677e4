//! The biexponential kernel as a second-order autoregressive recursion.
//!
//! ```text
//! c[0] = 0,    c[t] = g1 c[t-1] + g2 c[t-2] + s[t-1] / p,    g1 = d + r,    g2 = -d r
//! d = exp(-1/(fs τ_decay)),    r = exp(-1/(fs τ_rise)),    p = max over k of (d^k - r^k) / (d - r)
//! ```
//!
//! A source of one frame gives the peak-normalised kernel, one frame later: `c = K s` is the
//! convolution with [`crate::kernel::build_kernel`], not cut off.
//!
//! Friedrich, Zhou & Paninski (2017), <https://doi.org/10.1371/journal.pcbi.1005423>.

use libm::{exp, expm1, floor, log1p};

use crate::error::{SolverError, check_finite};
use crate::kernel::{LIPSCHITZ_FLOOR, check_kernel};

/// Coefficients of the recursion and the constants that follow from them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ar2 {
    /// Weight of the last frame, `d + r`.
    pub g1: f64,
    /// Weight of the frame before, `-d r`.
    pub g2: f64,
    /// Decay per frame, `d`.
    pub decay_root: f64,
    /// Decay per frame of the rising part, `r`.
    pub rise_root: f64,
    /// Largest value `p` of the unscaled impulse response, at least 1.
    pub peak: f64,
    /// Sum of the peak-normalised kernel over all frames, `1 / (p (1 - d) (1 - r))`.
    pub dc_gain: f64,
}

impl Ar2 {
    /// Derives the recursion from the time constants (seconds) and the sampling rate (hertz).
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] unless `0 < tau_rise < tau_decay` and `fs > 0`, all finite, with
    /// decay times short enough for the sum of the kernel to be a finite number.
    pub fn new(tau_rise: f64, tau_decay: f64, fs: f64) -> Result<Self, SolverError> {
        check_kernel(tau_rise, tau_decay, fs)?;
        let (decay, rise) = (1.0 / (fs * tau_decay), 1.0 / (fs * tau_rise));
        let (d, r) = (exp(-decay), exp(-rise));
        let peak = peak_response(tau_rise, tau_decay, fs);
        // 1 - g1 - g2 loses every digit for slow kernels; expm1 keeps them.
        let dc_gain = 1.0 / (peak * expm1(-decay) * expm1(-rise));
        check_finite("tau_decay", "a kernel whose sum is finite", dc_gain)?;
        Ok(Self { g1: d + r, g2: -d * r, decay_root: d, rise_root: r, peak, dc_gain })
    }

    /// The Lipschitz constant of the gradient of `1/2 |y - K s|²`, at least 1e-10.
    ///
    /// It is the largest squared gain `1 / (p |1 - g1 exp(-jω) - g2 exp(-2jω)|)²`. Both roots are
    /// positive, so the largest lies at ω = 0 and is the square of the DC gain.
    #[must_use]
    pub fn lipschitz(&self) -> f64 {
        (self.dc_gain * self.dc_gain).max(LIPSCHITZ_FLOOR)
    }

    /// Writes `K source` into `calcium`; both hold the same number of frames.
    pub fn forward(&self, source: &[f64], calcium: &mut [f64]) {
        debug_assert_eq!(source.len(), calcium.len());
        let (mut last, mut before, mut drive) = (0.0, 0.0, 0.0);
        for (c, s) in calcium.iter_mut().zip(source) {
            *c = self.g1 * last + self.g2 * before + drive;
            (before, last, drive) = (last, *c, s / self.peak);
        }
    }

    /// Writes the transpose `K' residual` into `source`; both hold the same number of frames.
    pub fn adjoint(&self, residual: &[f64], source: &mut [f64]) {
        debug_assert_eq!(residual.len(), source.len());
        let (mut next, mut after) = (0.0, 0.0);
        for (z, x) in source.iter_mut().zip(residual).rev() {
            // The sum over later frames only: the source acts one frame later.
            *z = next;
            (after, next) = (next, x / self.peak + self.g1 * next + self.g2 * after);
        }
    }
}

/// The largest `(d^k - r^k) / (d - r)` over the frames `k >= 1`.
///
/// With `δ = (1/τ_rise - 1/τ_decay) / fs` that is `d^(k-1) (1 - exp(-k δ)) / (1 - exp(-δ))`, which
/// neither cancels when the time constants nearly agree nor divides by a rise root of zero.
fn peak_response(tau_rise: f64, tau_decay: f64, fs: f64) -> f64 {
    let delta = rate_difference(tau_rise, tau_decay, fs);
    let response =
        |k: f64| exp(-(k - 1.0) / (fs * tau_decay)) * (expm1(-k * delta) / expm1(-delta));
    // The continuous response has one maximum, so the largest frame is one of its neighbours.
    let summit = floor(log1p((tau_decay - tau_rise) / tau_rise) / delta);
    (-1..=2).map(|step| response((summit + f64::from(step)).max(1.0))).fold(1.0, f64::max)
}

/// `(1/τ_rise - 1/τ_decay) / fs` without cancellation.
pub(crate) fn rate_difference(tau_rise: f64, tau_decay: f64, fs: f64) -> f64 {
    (tau_decay - tau_rise) / tau_decay / tau_rise / fs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::build_kernel;

    const TAUS: [(f64, f64, f64); 7] = [
        (0.02, 0.4, 30.0),
        (0.1, 0.6, 30.0),
        (1e-4, 0.6, 30.0),
        (0.599_999, 0.6, 30.0),
        (2.9, 3.0, 300.0),
        (0.001, 0.002, 1.0),
        (0.6 * (1.0 - 1e-15), 0.6, 30.0),
    ];

    #[test]
    fn one_source_gives_the_kernel() {
        for (rise, decay, fs) in TAUS {
            let (ar2, kernel) =
                (Ar2::new(rise, decay, fs).unwrap(), build_kernel(rise, decay, fs).unwrap());
            let (mut source, mut calcium) = (vec![0.0; kernel.len()], vec![0.0; kernel.len()]);
            source[0] = 1.0;
            ar2.forward(&source, &mut calcium);
            for (c, h) in calcium.iter().zip(&kernel) {
                // One rounding of g1 moves the response by about eps / ((1 - d)(1 - r)).
                assert!((c - h).abs() < 1e-9, "{rise} {decay} {fs}: {c} {h}");
            }
        }
    }

    #[test]
    fn peak_is_one_when_the_rise_is_below_a_frame() {
        for (rise, decay) in [(1e-4, 0.6), (1e-9, 2e-9)] {
            let peak = Ar2::new(rise, decay, 30.0).unwrap().peak;
            assert_eq!(peak.to_bits(), 1.0_f64.to_bits());
        }
    }

    #[test]
    fn dc_gain_is_the_sum_of_the_kernel() {
        for (rise, decay, fs) in TAUS {
            let gain = Ar2::new(rise, decay, fs).unwrap().dc_gain;
            let sum: f64 = build_kernel(rise, decay, fs).unwrap().iter().sum();
            // The sampled kernel ends at a millionth of its decay (later in k exp(-k) for equal
            // time constants) and always lacks what a kernel of two samples has beyond.
            assert!((gain / sum - 1.0).abs() < 5e-5 || decay * fs < 0.1, "{gain} {sum}");
        }
    }

    #[test]
    fn lipschitz_is_the_largest_gain_on_the_frequency_grid() {
        for (rise, decay, fs) in TAUS {
            let ar2 = Ar2::new(rise, decay, fs).unwrap();
            let gain = |k: u32| {
                let (sin, cos) = libm::sincos(std::f64::consts::PI * f64::from(k) / 4096.0);
                // |1 - a e^(-jω)|² = (1 - a)² + 2 a (1 - cos ω), factor by factor.
                let factor = |a: f64, one_minus: f64| {
                    one_minus * one_minus + 2.0 * a * (sin * sin + (1.0 - cos) * (1.0 - cos)) / 2.0
                };
                let decay = factor(ar2.decay_root, -expm1(-1.0 / (fs * decay)));
                let rise = factor(ar2.rise_root, -expm1(-1.0 / (fs * rise)));
                1.0 / (decay * rise * ar2.peak * ar2.peak)
            };
            let grid = (0..=4096).map(gain).fold(0.0, f64::max);
            assert!((ar2.lipschitz() / grid - 1.0).abs() < 1e-12, "{} {grid}", ar2.lipschitz());
        }
    }

    #[test]
    fn refuses_time_constants_that_make_no_kernel() {
        assert!(Ar2::new(0.6, 0.6, 30.0).is_err());
        assert!(Ar2::new(0.1, f64::INFINITY, 30.0).is_err());
        assert!(Ar2::new(1e300, 2e300, 1e10).is_err());
    }
}
