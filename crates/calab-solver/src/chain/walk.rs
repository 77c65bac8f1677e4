//! The baseline as a random walk, drawn given what the events leave.

use libm::{exp, log, sqrt};

use crate::draws::Draws;

/// Variance of the first value: flat beside the noise, which is 1.
const FLAT: f64 = 1e4;
/// Mean of the exponential prior of the step, and the largest step, in noises a frame.
const MEAN_STEP: f64 = 0.01;
const MOST_STEP: f64 = 0.1;
/// First step, and how far a proposal goes from the last in logarithms.
const FIRST_STEP: f64 = 0.01;
const STRIDE: f64 = 0.5;

/// A random walk and the standard deviation of its steps.
pub(super) struct Walk {
    pub(super) values: Vec<f64>,
    step: f64,
    /// What the filter knows of each frame, under two steps side by side.
    means: Vec<[f64; 2]>,
    variances: Vec<[f64; 2]>,
}

impl Walk {
    pub(super) fn new(n: usize) -> Self {
        Self {
            values: vec![0.0; n],
            step: FIRST_STEP,
            means: vec![[0.0; 2]; n],
            variances: vec![[0.0; 2]; n],
        }
    }

    /// Draws the step and then the walk, given `left`, the trace without its events.
    pub(super) fn draw(&mut self, left: &[f64], recorded: &[bool], draws: &mut Draws) {
        let proposal = self.step * exp(STRIDE * draws.normal());
        let chance = log(draws.uniform());
        let steps = [self.step, proposal.min(MOST_STEP)];
        let [now, then] = self.filter(left, recorded, steps);
        let gain = then - now + log(proposal / self.step) - (proposal - self.step) / MEAN_STEP;
        let accepted = usize::from(proposal <= MOST_STEP && chance < gain);
        self.step = steps[accepted];
        self.smooth(accepted, draws);
    }

    /// Kalman filter under two steps, whose divisions need not wait for each other; the logarithms of
    /// their likelihoods.
    fn filter(&mut self, left: &[f64], recorded: &[bool], steps: [f64; 2]) -> [f64; 2] {
        let powers = steps.map(|step| step * step);
        let (mut means, mut variances, mut errors) = ([0.0; 2], [FLAT; 2], [0.0; 2]);
        // A product of a few dozen variances stays within range, and needs one logarithm.
        let (mut products, mut logs) = ([1.0; 2], [0.0; 2]);
        for (t, (&z, &known)) in left.iter().zip(recorded).enumerate() {
            if known {
                for by in 0..2 {
                    let (spread, surprise) = (variances[by] + 1.0, z - means[by]);
                    // With noise of variance 1 the gain is the variance that is left.
                    variances[by] /= spread;
                    means[by] += variances[by] * surprise;
                    errors[by] += surprise * surprise * (1.0 - variances[by]);
                    products[by] *= spread;
                }
                if products[0].max(products[1]) > 1e200 {
                    (0..2).for_each(|by| logs[by] += log(products[by]));
                    products = [1.0; 2];
                }
            }
            (self.means[t], self.variances[t]) = (means, variances);
            (0..2).for_each(|by| variances[by] += powers[by]);
        }
        std::array::from_fn(|by| -0.5 * (errors[by] + logs[by] + log(products[by])))
    }

    /// Draws the walk backwards from what the filter left under one of the steps.
    fn smooth(&mut self, by: usize, draws: &mut Draws) {
        let power = self.step * self.step;
        let mut later: Option<f64> = None;
        for t in (0..self.values.len()).rev() {
            let (mean, variance) = (self.means[t][by], self.variances[t][by]);
            let (mean, variance) = later.map_or((mean, variance), |later| {
                let gain = variance / (variance + power);
                (mean + gain * (later - mean), gain * power)
            });
            let value = mean + sqrt(variance) * draws.normal();
            self.values[t] = value;
            later = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Stage;

    #[test]
    fn a_walk_follows_the_trace_and_its_step_is_found() {
        let mut draws = Draws::new(3, 0, Stage::Noise);
        let (n, step) = (6000, 0.03);
        let mut level = 5.0;
        let walk: Vec<f64> = (0..n)
            .map(|_| {
                level += step * draws.normal();
                level
            })
            .collect();
        let left: Vec<f64> = walk.iter().map(|b| b + draws.normal()).collect();
        let recorded: Vec<bool> = (0..n).map(|t| !(2000..2200).contains(&t)).collect();
        let mut found = Walk::new(n);
        let (mut steps, mut squares) = (0.0, 0.0);
        for round in 0..60 {
            found.draw(&left, &recorded, &mut draws);
            if round >= 20 {
                steps += found.step / 40.0;
                let error = |t: usize| (found.values[t] - walk[t]).powi(2);
                squares += (0..n).filter(|&t| recorded[t]).map(error).sum::<f64>();
            }
        }
        // The likelihood of 6,000 frames knows the step to about a tenth.
        assert!((steps / step - 1.0).abs() < 0.3, "{steps}");
        // A draw is off by twice the posterior variance, about half a step each on both sides.
        let mean = squares / 40.0 / 5800.0;
        assert!((0.5 * step..2.0 * step).contains(&mean), "{mean}");
    }
}
