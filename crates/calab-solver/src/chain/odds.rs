//! An event in one bin, its amplitude integrated out.
//!
//! With the correlation `S` of the residual with the transient, whose energy is `H`, and the prior
//! `a ~ N(m, v)` for `a > 0`, the likelihood of an event over that of none is
//!
//! ```text
//! Z = Φ(t)/Φ(m/√v) exp(t²/2 - m²/(2v)) / √(vP),    P = H + 1/v,   t = (S + m/v)/√P
//! ```
//!
//! and its amplitude is normal with mean `t/√P` and variance `1/P`, cut at 0. The noise is 1. `Z` is
//! the product of an exponential and of a factor between 0 and 1, which falls no faster than `1/|t|`.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

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
            constant: -0.5 * height * height - log(factor(height)),
        }
    }

    /// An amplitude from the prior.
    pub(super) fn draw(self, draws: &mut Draws) -> f64 {
        positive(self.mean * sqrt(self.precision), draws) / sqrt(self.precision)
    }

    /// What the bins of transients of some energy have in common.
    pub(super) fn given(self, energy: f64) -> Given {
        let total = energy + self.precision;
        Given {
            deviation: 1.0 / sqrt(total),
            pull: self.mean * self.precision,
            height: self.constant - 0.5 * log(total / self.precision),
        }
    }
}

/// What a prior makes of a bin, whatever the residual is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    /// Deviation of the amplitude of an event that is there.
    deviation: f64,
    /// `m/v`, which the prior adds to the correlation.
    pull: f64,
    /// Exponent of `Z` for `t` of 0.
    height: f64,
}

impl Given {
    /// `t`, the mean amplitude in its deviations.
    pub(super) fn standing(self, correlation: f64) -> f64 {
        (correlation + self.pull) * self.deviation
    }

    /// Exponent of `Z`: with the logarithm of the [`factor`] it is the logarithm of `Z`.
    pub(super) fn exponent(self, t: f64) -> f64 {
        let above = t.max(0.0);
        self.height + 0.5 * above * above
    }

    /// The amplitude of an event that is there.
    pub(super) fn amplitude(self, t: f64, draws: &mut Draws) -> f64 {
        positive(t, draws) * self.deviation
    }
}

/// What is left of `Z` beside its exponential: `Φ(t)`, below 0 times `exp(t²/2)`.
pub(super) fn factor(t: f64) -> f64 {
    if t > FAR {
        1.0
    } else if t >= 0.0 {
        0.5 * erfc(-t * FRAC_1_SQRT_2)
    } else if t > -FAR {
        0.5 * erfc(-t * FRAC_1_SQRT_2) * exp(0.5 * t * t)
    } else {
        let q = 1.0 / (t * t);
        (1.0 - q * (1.0 - q * (3.0 - 15.0 * q))) / (-t * sqrt(TAU))
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
            let given = known.given(energy);
            let t = given.standing(correlation);
            let found = exp(given.exponent(t)) * factor(t);
            assert!((found / odds - 1.0).abs() < 1e-3, "{found} {odds}");
            let n = 20_000;
            let sample: Vec<f64> = (0..n).map(|_| given.amplitude(t, &mut draws)).collect();
            let average = sample.iter().sum::<f64>() / f64::from(n);
            let error = sqrt((square - mean * mean) / f64::from(n));
            assert!((average - mean).abs() < 5.0 * error + 1e-3, "{average} {mean}");
        }
    }

    #[test]
    fn the_forms_of_the_factor_meet() {
        for (border, tolerance) in [(FAR, 1e-11), (0.0, 1e-9), (-FAR, 1e-4)] {
            let (above, below) = (factor(border + 1e-10), factor(border - 1e-10));
            assert!((above / below - 1.0).abs() < tolerance, "{border}: {above} {below}");
        }
        assert!((-400..400).all(|k| (0.0..=1.0).contains(&factor(f64::from(k)))));
    }
}
