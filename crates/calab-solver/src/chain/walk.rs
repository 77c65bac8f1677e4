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
    means: Vec<f64>,
    variances: Vec<f64>,
}

impl Walk {
    pub(super) fn new(n: usize) -> Self {
        Self {
            values: vec![0.0; n],
            step: FIRST_STEP,
            means: vec![0.0; n],
            variances: vec![0.0; n],
        }
    }

    /// Draws the step and then the walk, given `left`, the trace without its events.
    pub(super) fn draw(&mut self, left: &[f64], recorded: &[bool], draws: &mut Draws) {
        let proposal = self.step * exp(STRIDE * draws.normal());
        let chance = log(draws.uniform());
        if proposal <= MOST_STEP {
            let other = self.filter(left, recorded, proposal);
            let gain = other - self.filter(left, recorded, self.step) + log(proposal / self.step)
                - (proposal - self.step) / MEAN_STEP;
            if chance < gain {
                self.step = proposal;
            }
        }
        self.filter(left, recorded, self.step);
        self.smooth(draws);
    }

    /// Kalman filter; the log likelihood of the step.
    fn filter(&mut self, left: &[f64], recorded: &[bool], step: f64) -> f64 {
        let (mut mean, mut variance, mut error) = (0.0, FLAT, 0.0);
        // A product of a few dozen variances stays within range, and needs one logarithm.
        let (mut product, mut logs) = (1.0, 0.0);
        for (t, (&z, &known)) in left.iter().zip(recorded).enumerate() {
            if known {
                let spread = variance + 1.0;
                let surprise = z - mean;
                error += surprise * surprise / spread;
                product *= spread;
                if product > 1e200 {
                    logs += log(product);
                    product = 1.0;
                }
                mean += variance / spread * surprise;
                variance /= spread;
            }
            (self.means[t], self.variances[t]) = (mean, variance);
            variance += step * step;
        }
        -0.5 * (error + logs + log(product))
    }

    /// Draws the walk backwards from what the filter left.
    fn smooth(&mut self, draws: &mut Draws) {
        let power = self.step * self.step;
        let mut later: Option<f64> = None;
        for t in (0..self.values.len()).rev() {
            let (mean, variance) = (self.means[t], self.variances[t]);
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
