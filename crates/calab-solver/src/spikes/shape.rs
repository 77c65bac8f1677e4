//! One spike's transient, sampled at every delay that the fine grid allows.
//!
//! ```text
//! h(t) = (exp(-t/τ_decay) - exp(-t/τ_rise)) / p,    p = the largest value over continuous time
//! ```
//!
//! A spike in bin `k` of the fine grid acts from frame `i = ceil(k/u)` on, with the delay
//! `(i u - k) / (fs u)`: the phase `i u - k` is one of `u`, so that tables replace all exponentials.

use libm::{ceil, exp, expm1, log, log1p, sqrt};

use crate::error::{SolverError, check_finite, check_positive};
use crate::kernel::check_kernel;

/// Least relative distance of the two time constants. Nearer ones are pulled apart, which changes
/// the kernel by less than that, while the difference of the exponentials keeps ten digits.
const LEAST_DISTANCE: f64 = 1e-6;

/// Fewest time constants after which a transient counts as over.
const LEAST_REACH: f64 = 6.0;

/// Longest reach in frames that is told from an endless one.
const MOST_FRAMES: f64 = 1e12;

/// Most bins of a frame.
const MAX_UPSAMPLE: usize = 1 << 16;

/// A bin of the fine grid: the first frame that it acts on, and by how many bins it precedes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) frame: usize,
    pub(crate) phase: usize,
}

/// A spike's transient on the frames of a recording, for every phase of the fine grid.
#[derive(Clone, Debug)]
pub struct Shape {
    fs: f64,
    upsample: usize,
    /// Rates of the two exponentials per frame.
    rates: [f64; 2],
    /// What is left of the two exponentials after one frame.
    pub(crate) decay_root: f64,
    pub(crate) rise_root: f64,
    /// The two exponentials at the first frame, by phase, over the peak.
    pub(crate) decay: Vec<f64>,
    pub(crate) rise: Vec<f64>,
    norm: f64,
}

impl Shape {
    /// The transient with these time constants (seconds) at `fs` frames a second of `upsample` bins.
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] for time constants that make no kernel ([`check_kernel`]) or one
    /// whose energy is no finite number, and for an upsampling factor of 0 or above 65,536.
    pub fn new(
        tau_rise: f64,
        tau_decay: f64,
        fs: f64,
        upsample: usize,
    ) -> Result<Self, SolverError> {
        check_kernel(tau_rise, tau_decay, fs)?;
        if !(1..=MAX_UPSAMPLE).contains(&upsample) {
            let expected = "between 1 and 65536";
            return Err(SolverError::parameter("upsample_factor", expected, &upsample));
        }
        let tau_rise = tau_rise.min(tau_decay * (1.0 - LEAST_DISTANCE));
        let (decay, rise) = (1.0 / (fs * tau_decay), 1.0 / (fs * tau_rise));
        check_positive("tau_decay * fs", 1.0 / decay)?;
        let difference = (tau_decay - tau_rise) / tau_decay / tau_rise / fs;
        let summit = log1p((tau_decay - tau_rise) / tau_rise) / difference;
        let peak = -exp(-summit * decay) * expm1(-summit * difference);
        let energy = (0.5 / decay - 2.0 / (decay + rise) + 0.5 / rise) / (peak * peak);
        check_finite("tau_decay", "a kernel whose energy is finite", energy)?;
        let phases =
            |rate: f64| (0..upsample).map(move |j| exp(-rate * j as f64 / upsample as f64) / peak);
        Ok(Self {
            fs,
            upsample,
            rates: [decay, rise],
            decay_root: exp(-decay),
            rise_root: exp(-rise),
            decay: phases(decay).collect(),
            rise: phases(rise).collect(),
            norm: sqrt(energy),
        })
    }

    /// Frames per second.
    #[must_use]
    pub fn fs(&self) -> f64 {
        self.fs
    }

    /// Bins per frame.
    #[must_use]
    pub fn upsample(&self) -> usize {
        self.upsample
    }

    /// Root of the transient's energy over frames, `sqrt(fs ∫ h²)`, averaged over all delays.
    #[must_use]
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// Rise and decay in frames.
    pub(crate) fn frames(&self) -> [f64; 2] {
        [1.0 / self.rates[1], 1.0 / self.rates[0]]
    }

    pub(crate) fn spot(&self, bin: usize) -> Spot {
        let frame = bin.div_ceil(self.upsample);
        Spot { frame, phase: frame * self.upsample - bin }
    }

    pub(crate) fn bin(&self, spot: Spot) -> usize {
        spot.frame * self.upsample - spot.phase
    }

    /// Frames after which a transient has fallen to less than a share `tail` of its height.
    pub(crate) fn reach(&self, tail: f64) -> usize {
        let constants = (-log(tail)).max(LEAST_REACH);
        let frames = ceil(constants * (1.0 / self.rates[0] + 1.0 / self.rates[1])) + 2.0;
        frames.min(MOST_FRAMES) as usize
    }

    /// Energy of a spike by phase where all of the `n` frames that it acts on were recorded.
    pub(crate) fn energies(&self, n: usize) -> Vec<f64> {
        let [decay, rise] = self.rates;
        let sum = |rate: f64| match expm1(-rate) {
            0.0 => n as f64,
            step => expm1(-rate * n as f64) / step,
        };
        let sums = [sum(2.0 * decay), sum(decay + rise), sum(2.0 * rise)];
        (0..self.upsample).map(|phase| self.energy(&sums, phase)).collect()
    }

    /// Energy from the discounted numbers of recorded frames: decay², decay times rise, rise².
    pub(crate) fn energy(&self, sums: &[f64; 3], phase: usize) -> f64 {
        let (d, r) = (self.decay[phase], self.rise[phase]);
        d * d * sums[0] - 2.0 * d * r * sums[1] + r * r * sums[2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_and_spots_are_the_same() {
        let shape = Shape::new(0.02, 0.4, 30.0, 5).unwrap();
        assert_eq!(shape.spot(0), Spot { frame: 0, phase: 0 });
        assert_eq!(shape.spot(6), Spot { frame: 2, phase: 4 });
        assert!((0..40).all(|bin| shape.bin(shape.spot(bin)) == bin));
    }

    #[test]
    fn the_peak_is_one_over_continuous_time() {
        for (rise, decay) in [(0.02, 0.4), (0.3, 0.31), (0.6 * (1.0 - 1e-15), 0.6), (1e-6, 0.5)] {
            let shape = Shape::new(rise, decay, 1.0, 20_000).unwrap();
            let first = shape.decay.iter().zip(&shape.rise).map(|(d, r)| d - r);
            // The fine grid is at most 1/20,000 s off the summit.
            assert!((first.fold(0.0, f64::max) - 1.0).abs() < 1e-4, "{rise} {decay}");
        }
    }

    #[test]
    fn energies_are_sums_of_squares() {
        let shape = Shape::new(0.05, 0.3, 20.0, 4).unwrap();
        for (phase, energy) in shape.energies(50).into_iter().enumerate() {
            let (mut d, mut r, mut sum) = (shape.decay[phase], shape.rise[phase], 0.0);
            for _ in 0..50 {
                sum += (d - r) * (d - r);
                d *= shape.decay_root;
                r *= shape.rise_root;
            }
            assert!((energy - sum).abs() < 1e-12 * sum.max(1.0), "{energy} {sum}");
        }
        let mean = shape.energies(10_000).iter().sum::<f64>() / 4.0;
        assert!((sqrt(mean) / shape.norm() - 1.0).abs() < 0.01);
    }

    #[test]
    fn refuses_what_makes_no_transient() {
        assert!(Shape::new(0.4, 0.4, 30.0, 1).is_err());
        assert!(Shape::new(0.1, 0.4, 30.0, 0).is_err());
        assert!(Shape::new(0.1, f64::MAX, f64::MAX, 1).is_err());
        assert!(Shape::new(0.1, 1e12, 1.0, 1).is_ok());
    }
}
