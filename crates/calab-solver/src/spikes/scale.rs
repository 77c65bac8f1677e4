//! The amplitude of one spike, from the amplitudes of events that hold whole numbers of them.
//!
//! ```text
//! a ~ sum over n >= 1 of (1 - w) w^(n-1) N(n α, s² + n (cv α)² + (c n α)²),    a > threshold
//! ```
//!
//! with the null level as measure of what is no spike: `s` and the threshold are in proportion to it,
//! and `log(α / null)` has a prior that is normal below its mean. The weight `w` and the spread `cv` are averaged over grids.
//!
//! What is not there speaks as well: events in the gap just below the threshold may be no spikes, so
//! that any number of them is allowed, but if they are fewer than an amplitude lets expect, it is
//! less likely, by the ratio of binomial likelihoods.

use fearless_simd::Level;
use libm::{erfc, exp, log, sqrt};

use super::mixture::{FACTORS, Part, Product, REACH, SQRT_TWO_PI, Shares, log_mixtures};
use crate::error::{SolverError, check_positive};

/// Standard deviations of the logarithm of amplitudes that are no whole multiples.
const SMOOTH: [f64; 4] = [0.4, 0.56, 0.8, 1.12];

/// Least threshold: smaller amplitudes have densities of which a product is no number.
const LEAST_EDGE: f64 = 1e-20;

/// How the amplitude of one spike is found.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleOptions {
    /// Least amplitude of an event that counts, in null levels.
    pub threshold: f64,
    /// Lower edge of the gap below the threshold, in null levels; no gap from the threshold on.
    pub gap: f64,
    /// Standard deviation of the noise of an amplitude, as the null level over this.
    pub noise_divisor: f64,
    /// Variation from spike to spike; averaged over if several.
    pub variations: Vec<f64>,
    /// Variation in common to the spikes of an event.
    pub common_variation: f64,
    /// Most spikes of an event.
    pub most_spikes: usize,
    /// Least and largest weight `w`, and how many.
    pub weights: (f64, f64, usize),
    /// Shares of the events that hold any number of spikes, such as bursts; averaged over.
    pub outliers: Vec<f64>,
    /// Strength of the prior of `w`.
    pub weight_strength: f64,
    /// Mean of the prior of `w`.
    pub weight_mean: f64,
    /// Mean of the prior of `log(α / null)`.
    pub prior_mean: f64,
    /// Standard deviation of the prior of `log(α / null)`.
    pub prior_sd: f64,
    /// Steepest descent of the logarithm of the prior above its mean.
    pub prior_slope: f64,
    /// Least and largest `log(α / null)`, and the step; larger events extend it.
    pub grid: (f64, f64, f64),
    /// More events than these are represented by as many of their quantiles.
    pub most_events: usize,
}

impl Default for ScaleOptions {
    fn default() -> Self {
        Self {
            threshold: 3.75,
            gap: 2.25,
            noise_divisor: 1.6,
            variations: vec![0.05, 0.1, 0.2, 0.3, 0.4],
            common_variation: 0.1,
            most_spikes: 40,
            weights: (0.05, 0.95, 10),
            outliers: vec![0.02],
            weight_strength: 10.0,
            weight_mean: 0.45,
            prior_mean: 1.1,
            prior_sd: 0.7,
            prior_slope: 0.9,
            grid: (-1.5, 4.0, 0.05),
            most_events: 200,
        }
    }
}

impl ScaleOptions {
    fn check(&self) -> Result<(), SolverError> {
        for (name, edge) in [("threshold", self.threshold), ("gap", self.gap)] {
            check_positive(name, edge)?;
            if edge < LEAST_EDGE {
                return Err(SolverError::parameter(name, "at least 1e-20 null levels", &edge));
            }
        }
        check_positive("noise_divisor", self.noise_divisor)?;
        check_positive("prior_sd", self.prior_sd)?;
        let (least, largest, count) = self.weights;
        if !(0.0 < least && least <= largest && largest < 1.0 && count > 0) {
            let (expected, got) = ("weights between 0 and 1", format!("{:?}", self.weights));
            return Err(SolverError::parameter("weights", expected, &got));
        }
        let (least, largest, step) = self.grid;
        if !(least < largest && (largest - least).is_finite() && step > 0.0) {
            let (expected, got) = ("an interval and a step", format!("{:?}", self.grid));
            return Err(SolverError::parameter("grid", expected, &got));
        }
        if self.variations.is_empty() || self.variations.iter().any(|cv| cv.is_nan() || *cv < 0.0) {
            let got = format!("{:?}", self.variations);
            return Err(SolverError::parameter("variations", "numbers of at least 0", &got));
        }
        if self.outliers.is_empty() || self.outliers.iter().any(|o| !(0.0..1.0).contains(o)) {
            let got = format!("{:?}", self.outliers);
            return Err(SolverError::parameter("outliers", "shares from 0 to below 1", &got));
        }
        if self.most_spikes == 0 || self.most_events == 0 {
            return Err(SolverError::parameter("most_spikes", "at least 1", &0));
        }
        Ok(())
    }
}

/// What the events of a cell say of the amplitude of one spike.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Grid of the logarithm of the amplitude.
    pub log_alpha: Vec<f64>,
    /// Logarithm of the likelihood, averaged over weights, variations and shares of outliers.
    pub log_likelihood: Vec<f64>,
    /// The same plus the logarithm of the prior, which adds up to 1 over the grid.
    pub log_posterior: Vec<f64>,
    /// Posterior mean of the logarithm.
    pub mean: f64,
    /// Posterior standard deviation of the logarithm.
    pub sd: f64,
    /// Logarithm of the odds of whole multiples of an amplitude against a smooth distribution.
    pub log_odds: f64,
    /// Events above the threshold.
    pub n_events: usize,
}

/// The posterior of the logarithm of the amplitude of one spike.
///
/// # Errors
///
/// [`SolverError::Parameter`] for a null level that is not above zero and for options out of range.
pub fn event_scale(
    amplitudes: &[f64],
    null: f64,
    options: &ScaleOptions,
) -> Result<Scale, SolverError> {
    check_positive("null_level", null)?;
    options.check()?;
    // In null levels everything below is a number of about 1.
    let mut events: Vec<f64> = amplitudes
        .iter()
        .map(|a| a / null)
        .filter(|a| *a > options.threshold.min(options.gap))
        .collect();
    events.sort_unstable_by(f64::total_cmp);
    let in_gap = events.partition_point(|a| *a <= options.threshold);
    let events = events.split_off(in_gap);
    let n_events = events.len();
    let gap = Gap { above: n_events as f64, inside: in_gap as f64 };
    let (events, share) = quantiles(events, options.most_events);
    let grid = grid(events.last().copied(), options);
    let weights = weight_priors(options);
    let log_likelihood: Vec<f64> = grid
        .iter()
        .map(|x| log_likelihood(&events, share, gap, exp(*x), &weights, options))
        .collect();
    let log_prior = log_priors(&grid, options);
    let log_posterior: Vec<f64> =
        log_likelihood.iter().zip(&log_prior).map(|(l, prior)| l + prior).collect();
    let (mean, sd) = moments(&grid, &log_posterior);
    // Between two points of the grid nothing is known.
    let sd = sd.max(options.grid.2 / sqrt(12.0));
    let log_odds = log_sum(&log_posterior) - log_smooth(&events, share, gap, options);
    let offset = log(null);
    let log_alpha = grid.iter().map(|x| x + offset).collect();
    let mean = mean + offset;
    Ok(Scale { log_alpha, log_likelihood, log_posterior, mean, sd, log_odds, n_events })
}

/// Numbers of events above the threshold, and in the gap below it.
#[derive(Clone, Copy)]
struct Gap {
    above: f64,
    inside: f64,
}

impl Gap {
    /// Logarithm of the likelihood of the numbers, where a share of `expected` lies in the gap, over
    /// the largest that there is; 0 if there are at least as many inside.
    fn log_ratio(self, expected: f64) -> f64 {
        let total = self.above + self.inside;
        if expected * total <= self.inside {
            return 0.0;
        }
        let term = |count: f64, share: f64| {
            if count > 0.0 { count * log(share * total / count) } else { 0.0 }
        };
        term(self.inside, expected) + term(self.above, (1.0 - expected).max(1e-12))
    }
}

/// The grid of `log(α / null)`, which reaches a little beyond the largest event.
fn grid(largest: Option<f64>, options: &ScaleOptions) -> Vec<f64> {
    let (low, high, step) = options.grid;
    let high = largest.map_or(high, |event| high.max(log(event) + 4.0 * step));
    let count = libm::ceil((high - low) / step) as usize + 1;
    (0..count).map(|k| low + k as f64 * step).collect()
}

/// The logarithm of the prior at every point of the grid, over which it adds up to 1.
fn log_priors(grid: &[f64], options: &ScaleOptions) -> Vec<f64> {
    let logs: Vec<f64> = grid.iter().map(|x| log_prior(*x, options)).collect();
    let total = log_sum(&logs);
    logs.iter().map(|log| log - total).collect()
}

/// Normal, but above its mean no steeper than the slope: in a trace with little noise a spike may
/// be any number of null levels, and halving it must not pay for a second spike in every event.
fn log_prior(x: f64, options: &ScaleOptions) -> f64 {
    let z = (x - options.prior_mean) / options.prior_sd;
    let bend = options.prior_slope * options.prior_sd;
    if z <= bend { -0.5 * z * z } else { bend * (0.5 * bend - z) }
}

/// At most `most` of the sorted values, and how many values one of them stands for.
fn quantiles(values: Vec<f64>, most: usize) -> (Vec<f64>, f64) {
    if values.len() <= most {
        return (values, 1.0);
    }
    let share = values.len() as f64 / most as f64;
    ((0..most).map(|k| values[((k as f64 + 0.5) * share) as usize]).collect(), share)
}

fn spaced(low: f64, high: f64, count: usize) -> Vec<f64> {
    let step = (high - low) / count.saturating_sub(1).max(1) as f64;
    (0..count).map(|k| low + k as f64 * step).collect()
}

/// Averaged over weights, variations and shares of outliers.
fn log_likelihood(
    events: &[f64],
    share: f64,
    gap: Gap,
    alpha: f64,
    weights: &[(f64, f64)],
    options: &ScaleOptions,
) -> f64 {
    let of = |&variation: &f64| {
        let parts = parts(events.last().copied(), alpha, variation, options);
        let shares = Shares::new(&parts, weights);
        let fits = log_mixtures(Level::new(), events, &parts, &shares, &options.outliers);
        let beside: Vec<f64> =
            shares.in_gap().zip(weights).map(|(p, (_, prior))| gap.log_ratio(p) + prior).collect();
        let logs = fits.iter().zip(beside.iter().cycle()).map(|(fit, rest)| share * fit + rest);
        log_sum(&logs.collect::<Vec<_>>()) - log(options.outliers.len() as f64)
    };
    log_mean(&options.variations.iter().map(of).collect::<Vec<_>>())
}

/// The weights `w` and the logarithms of their prior, which add up to 1.
fn weight_priors(options: &ScaleOptions) -> Vec<(f64, f64)> {
    let (low, high, count) = options.weights;
    let mean = options.weight_mean;
    let weights = spaced(low, high, count);
    let log_prior =
        |w: f64| options.weight_strength * (mean * log(w) + (1.0 - mean) * log(1.0 - w));
    let logs: Vec<f64> = weights.iter().map(|w| log_prior(*w)).collect();
    let total = log_sum(&logs);
    weights.into_iter().zip(logs).map(|(w, log)| (w, log - total)).collect()
}

/// Events of one, two, three ... spikes, as many as the largest event may hold.
fn parts(largest: Option<f64>, alpha: f64, variation: f64, options: &ScaleOptions) -> Vec<Part> {
    let noise = 1.0 / options.noise_divisor;
    let part = |n: usize| {
        let n = n as f64;
        let (spread, common) = (variation * alpha, options.common_variation * n * alpha);
        let sd = sqrt(noise * noise + n * spread * spread + common * common);
        let mean = n * alpha;
        let beyond = |edge: f64| 0.5 * erfc((edge - mean) / (sd * std::f64::consts::SQRT_2));
        let above = beyond(options.threshold);
        Part { mean, sd, above, gap: (beyond(options.gap) - above).max(0.0) }
    };
    let reached = |part: &Part| largest.is_some_and(|x| part.mean - REACH * part.sd < x);
    let parts = (1..=options.most_spikes).map(part);
    parts
        .enumerate()
        .take_while(|(k, part)| *k == 0 || reached(part))
        .map(|(_, part)| part)
        .collect()
}

/// Logarithm of the likelihood of events that hold no whole numbers of anything: log-normal, as wide
/// as amplitudes are that vary with bursts and with the spot of the cell.
fn log_smooth(events: &[f64], share: f64, gap: Gap, options: &ScaleOptions) -> f64 {
    let mut logs = Vec::new();
    let largest = events.last().map_or(4.0, |event| log(*event).max(4.0));
    let event_logs: Vec<f64> = events.iter().map(|x| log(*x)).collect();
    let mut densities = vec![0.0; events.len()];
    for mean in spaced(-0.5, largest, 2 * libm::ceil(2.0 * largest) as usize + 3) {
        for sd in SMOOTH {
            let beyond =
                |edge: f64| 0.5 * erfc((log(edge) - mean) / (sd * std::f64::consts::SQRT_2));
            let above = beyond(options.threshold).max(1e-12);
            let inside = (beyond(options.gap) - above).max(0.0);
            let beside = gap.log_ratio(inside / (inside + above));
            for ((density, x), log_x) in densities.iter_mut().zip(events).zip(&event_logs) {
                let z = (log_x - mean) / sd;
                *density = exp(-0.5 * z * z) / (SQRT_TWO_PI * sd * x * above);
            }
            for outliers in &options.outliers {
                let mixed = |(density, x): (&f64, &f64)| {
                    (1.0 - outliers) * density + outliers / (5.0 * x) + 1e-30
                };
                let mut product = Product::ONE;
                for (densities, events) in densities.chunks(FACTORS).zip(events.chunks(FACTORS)) {
                    product.multiply(densities.iter().zip(events).map(mixed).product());
                }
                logs.push(share * product.log() + beside);
            }
        }
    }
    log_mean(&logs)
}

fn log_mean(logs: &[f64]) -> f64 {
    log_sum(logs) - log(logs.len() as f64)
}

fn log_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + log(logs.iter().map(|x| exp(x - largest)).sum::<f64>())
}

fn moments(grid: &[f64], log_density: &[f64]) -> (f64, f64) {
    let largest = log_density.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_density.iter().map(|x| exp(x - largest)).collect();
    let total: f64 = weights.iter().sum();
    let mean = weights.iter().zip(grid).map(|(w, x)| w * x).sum::<f64>() / total;
    let variance = weights.iter().zip(grid).map(|(w, x)| w * (x - mean) * (x - mean)).sum::<f64>();
    (mean, sqrt(variance / total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_tell_the_amplitude() {
        // Counts 1 to 4 in falling numbers, each spread by 15 %, of an amplitude of 6 null levels.
        let mut amplitudes = Vec::new();
        for (n, count) in [(1, 80), (2, 40), (3, 20), (4, 10)] {
            for k in 0..count {
                let spread = (f64::from(k) + 0.5) / f64::from(count) - 0.5;
                amplitudes.push(0.6 * f64::from(n) * (1.0 + 0.5 * spread / sqrt(f64::from(n))));
            }
        }
        let scale = event_scale(&amplitudes, 0.1, &ScaleOptions::default()).unwrap();
        assert_eq!(scale.n_events, 150);
        assert!((scale.mean - log(0.6)).abs() < 0.1, "{}", exp(scale.mean));
        assert!(scale.sd < 0.1);
    }

    #[test]
    fn without_events_the_prior_decides() {
        let options = ScaleOptions::default();
        for amplitudes in [&[][..], &[0.2, f64::NAN]] {
            let scale = event_scale(amplitudes, 0.1, &options).unwrap();
            // Normal below its mean of 1.1, with a heavier tail above it.
            assert!((scale.mean - log(0.1) - 1.3).abs() < 0.3 && (0.7..1.2).contains(&scale.sd));
            assert_eq!(scale.n_events, 0);
        }
    }

    #[test]
    fn scaling_scales() {
        let amplitudes = [1.0, 1.1, 0.9, 2.1, 1.9, 3.2];
        let one = event_scale(&amplitudes, 0.1, &ScaleOptions::default()).unwrap();
        let scaled =
            event_scale(&amplitudes.map(|a| a * 8.0), 0.8, &ScaleOptions::default()).unwrap();
        assert_eq!(one.log_posterior, scaled.log_posterior);
        assert!((scaled.mean - one.mean - log(8.0)).abs() < 1e-12);
    }

    #[test]
    fn many_events_are_their_quantiles() {
        let events: Vec<f64> = (0..3000).map(|k| 1.0 + f64::from(k % 100) * 0.002).collect();
        let all = ScaleOptions { most_events: 3000, ..ScaleOptions::default() };
        let exact = event_scale(&events, 0.1, &all).unwrap();
        let thinned = event_scale(&events, 0.1, &ScaleOptions::default()).unwrap();
        assert!((exact.mean - thinned.mean).abs() < 1e-3 && (exact.sd - thinned.sd).abs() < 1e-3);
    }

    #[test]
    fn refuses_a_null_level_of_nothing() {
        for null in [0.0, -1.0, f64::NAN] {
            assert!(event_scale(&[1.0], null, &ScaleOptions::default()).is_err());
        }
    }
}
