//! An event in one bin, its amplitude integrated out.
//!
//! With the correlation `S` of the residual with the transient, whose energy is `H`, and the prior
//! `a ~ N(m, v)` for `a > 0`, the likelihood of an event over that of none is
//!
//! ```text
//! Z = Φ(t)/Φ(m/√v) exp(t²/2 - m²/(2v)) / √(vP),    P = H + 1/v,   t = (S + m/v)/√P
//! ```
//!
//! and its amplitude is normal with mean `t/√P` and variance `1/P`, cut at 0. The noise is 1.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use libm::{erfc, exp, log, sqrt};

use crate::draws::Draws;

/// Beyond it the normal distribution function is 1, or its asymptotic series is used.
const FAR: f64 = 7.0;

/// The prior of amplitudes: normal, positive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prior {
    pub(super) mean: f64,
    precision: f64,
    /// Logarithm of what does not depend on the data.
    constant: f64,
}

impl Prior {
    /// With a standard deviation of `spread` means.
    pub(super) fn new(mean: f64, spread: f64) -> Self {
        let deviation = spread * mean;
        let height = mean / deviation;
        Self {
            mean,
            precision: 1.0 / (deviation * deviation),
            constant: -0.5 * height * height - log_normal(height),
        }
    }

    /// An amplitude from the prior.
    pub(super) fn draw(self, draws: &mut Draws) -> f64 {
        positive(self.mean * sqrt(self.precision), draws) / sqrt(self.precision)
    }

    /// Logarithm of `Z`.
    pub(super) fn log_odds(self, correlation: f64, energy: f64) -> f64 {
        let total = energy + self.precision;
        let t = (correlation + self.mean * self.precision) / sqrt(total);
        self.constant + 0.5 * t * t + log_normal(t) - 0.5 * log(total / self.precision)
    }

    /// Above the logarithm of `Z`, without any transcendental function.
    pub(super) fn most(self, correlation: f64, energy: f64) -> f64 {
        let total = energy + self.precision;
        let sum = correlation + self.mean * self.precision;
        self.constant + 0.5 * sum * sum / total
    }

    /// The amplitude of an event that is there.
    pub(super) fn amplitude(self, correlation: f64, energy: f64, draws: &mut Draws) -> f64 {
        let root = sqrt(energy + self.precision);
        positive((correlation + self.mean * self.precision) / root, draws) / root
    }
}

/// Logarithm of the normal distribution function.
fn log_normal(t: f64) -> f64 {
    if t > FAR {
        0.0
    } else if t > -FAR {
        log(0.5 * erfc(-t * FRAC_1_SQRT_2))
    } else {
        let q = 1.0 / (t * t);
        -0.5 * t * t - 0.5 * log(2.0 * PI) - log(-t) + log(1.0 - q * (1.0 - q * (3.0 - 15.0 * q)))
    }
}

/// A normal variate of mean `mean` and variance 1 that is positive.
///
/// Below the bulk by the exponential proposal of Robert (1995), doi:10.1007/BF00143942.
fn positive(mean: f64, draws: &mut Draws) -> f64 {
    if mean > -0.5 {
        loop {
            let x = mean + draws.normal();
            if x > 0.0 {
                return x;
            }
        }
    }
    let rate = 0.5 * (sqrt(mean * mean + 4.0) - mean);
    loop {
        let x = -log(draws.uniform()) / rate;
        let gap = x - mean - rate;
        if draws.uniform() < exp(-0.5 * gap * gap) {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Stage;

    /// `Z`, mean and mean square of the amplitude by a sum over a fine grid.
    fn summed(prior: (f64, f64), correlation: f64, energy: f64) -> [f64; 3] {
        let (mean, spread) = prior;
        let deviation = mean * spread;
        let (mut mass, mut sums) = (0.0, [0.0; 3]);
        let step = 1e-3;
        for k in 0..20_000 {
            let a = (f64::from(k) + 0.5) * step;
            let bell = exp(-0.5 * ((a - mean) / deviation).powi(2));
            mass += bell;
            let weight = bell * exp(a * correlation - 0.5 * a * a * energy);
            (0..3).for_each(|power| sums[power as usize] += weight * a.powi(power));
        }
        [sums[0] / mass, sums[1] / sums[0], sums[2] / sums[0]]
    }

    #[test]
    fn odds_and_amplitudes_are_those_of_the_integral() {
        let mut draws = Draws::new(5, 0, Stage::Chain);
        for (prior, correlation, energy) in
            [((3.0, 0.4), 6.0, 2.0), ((2.0, 0.4), -5.0, 3.0), ((1.0, 1.0), -20.0, 4.0)]
        {
            let [odds, mean, square] = summed(prior, correlation, energy);
            let known = Prior::new(prior.0, prior.1);
            let found = known.log_odds(correlation, energy);
            assert!((found - log(odds)).abs() < 1e-3, "{found} {odds}");
            assert!(known.most(correlation, energy) >= found);
            let n = 20_000;
            let sample: Vec<f64> =
                (0..n).map(|_| known.amplitude(correlation, energy, &mut draws)).collect();
            let average = sample.iter().sum::<f64>() / f64::from(n);
            let error = sqrt((square - mean * mean) / f64::from(n));
            assert!((average - mean).abs() < 5.0 * error + 1e-3, "{average} {mean}");
        }
    }

    #[test]
    fn the_two_forms_of_the_distribution_function_meet() {
        assert!((log_normal(-FAR - 1e-9) - log_normal(-FAR + 1e-9)).abs() < 1e-4);
        assert!(log_normal(FAR - 1e-9).abs() < 1e-11);
    }
}
