//! The parameters of a simulation, their ranges, and what each cell draws from them.

use libm::{exp, log1p, sqrt};

use super::fluorescence::saturated;
use super::spikes::Rates;
use crate::draws::Draws;
use crate::error::{SolverError, check_positive};
use crate::kernel::check_kernel;

/// Most simulation steps that a frame may have.
const MAX_STEPS: usize = 1 << 20;

/// What is simulated: times in seconds, amplitudes as fractions of the cell's signal.
///
/// A coefficient of variation (`_cv`) makes the value differ between cells: the nominal value times
/// `exp(cv N(0, 1))`; the amplitude alone keeps its mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Seed of all draws.
    pub seed: u64,
    /// Frames per second.
    pub fs: f64,
    /// Steps per frame on which spikes and calcium are simulated.
    pub steps_per_frame: usize,
    /// Time constant of the rise.
    pub tau_rise: f64,
    /// Time constant of the decay.
    pub tau_decay: f64,
    /// Variation of the rise. Pairs with `tau_rise >= tau_decay` are drawn again.
    pub tau_rise_cv: f64,
    /// Variation of the decay.
    pub tau_decay_cv: f64,
    /// Probability per frame that a silent cell becomes active.
    pub p_silent_to_active: f64,
    /// Probability per frame that an active cell becomes silent.
    pub p_active_to_silent: f64,
    /// Probability per step of a spike in the active state.
    pub p_spike_when_active: f64,
    /// Probability per step of a spike in the silent state.
    pub p_spike_when_silent: f64,
    /// Variation of `p_silent_to_active`, which stays at most 1.
    pub p_silent_to_active_cv: f64,
    /// Mean amplitude: the peak of one spike, or the ceiling where saturation is on.
    pub alpha_mean: f64,
    /// Variation of the amplitude.
    pub alpha_cv: f64,
    /// Calcium at half saturation in units of one spike's peak, or none for a linear indicator.
    pub k_d: Option<f64>,
    /// Variation of `k_d`.
    pub k_d_cv: f64,
    /// Exponent of the saturation.
    pub hill_coefficient: f64,
    /// Standard deviation of one step of the drifting baseline.
    pub walk_step: f64,
    /// Share of its level that the drifting baseline loses per frame.
    pub walk_reversion: f64,
    /// Amplitude of a sinusoidal drift.
    pub sine_amplitude: f64,
    /// Fewest cycles of the sinusoidal drift over the recording.
    pub sine_cycles_min: f64,
    /// Most cycles.
    pub sine_cycles_max: f64,
    /// Variation of either drift.
    pub drift_cv: f64,
    /// Share of the fluorescence that bleaches in the end.
    pub bleach_amplitude: f64,
    /// Variation of `bleach_amplitude`, which stays at most 1.
    pub bleach_amplitude_cv: f64,
    /// Time constant of bleaching.
    pub bleach_tau: f64,
    /// Signal over the noise's standard deviation.
    pub snr: f64,
    /// Half-width of the uniform spread of `snr`, which stays at least 1 (or `snr` if lower).
    pub snr_spread: f64,
    /// Share of the noise's variance that is photon noise.
    pub shot_fraction: f64,
}

impl Parameters {
    /// A silent cell of unit amplitude with little more than its noise: every option is off.
    #[must_use]
    pub fn new(fs: f64, tau_rise: f64, tau_decay: f64) -> Self {
        Self {
            seed: 42,
            fs,
            steps_per_frame: 10,
            tau_rise,
            tau_decay,
            tau_rise_cv: 0.0,
            tau_decay_cv: 0.0,
            p_silent_to_active: 0.0,
            p_active_to_silent: 0.0,
            p_spike_when_active: 0.0,
            p_spike_when_silent: 0.0,
            p_silent_to_active_cv: 0.0,
            alpha_mean: 1.0,
            alpha_cv: 0.0,
            k_d: None,
            k_d_cv: 0.0,
            hill_coefficient: 1.0,
            walk_step: 0.0,
            walk_reversion: 0.0,
            sine_amplitude: 0.0,
            sine_cycles_min: 2.0,
            sine_cycles_max: 4.0,
            drift_cv: 0.0,
            bleach_amplitude: 0.0,
            bleach_amplitude_cv: 0.0,
            bleach_tau: 600.0,
            snr: 8.0,
            snr_spread: 0.0,
            shot_fraction: 0.0,
        }
    }

    /// Refuses what lies outside its range.
    pub(super) fn check(&self) -> Result<(), SolverError> {
        check_kernel(self.tau_rise, self.tau_decay, self.fs)?;
        if !(1..=MAX_STEPS).contains(&self.steps_per_frame) {
            let expected = "between 1 and 1048576";
            return Err(SolverError::parameter("steps_per_frame", expected, &self.steps_per_frame));
        }
        let positive = [
            ("alpha_mean", self.alpha_mean),
            ("hill_coefficient", self.hill_coefficient),
            ("bleach_tau", self.bleach_tau),
            ("snr", self.snr),
            ("k_d", self.k_d.unwrap_or(1.0)),
        ];
        for (name, value) in positive {
            check_positive(name, value)?;
        }
        for (name, value) in self.fractions() {
            check_between(name, value, 1.0, "a number between 0 and 1")?;
        }
        for (name, value) in self.variations() {
            check_between(name, value, 10.0, "a number between 0 and 10")?;
        }
        self.check_drift_and_spread()
    }

    fn fractions(&self) -> [(&'static str, f64); 7] {
        [
            ("p_silent_to_active", self.p_silent_to_active),
            ("p_active_to_silent", self.p_active_to_silent),
            ("p_spike_when_active", self.p_spike_when_active),
            ("p_spike_when_silent", self.p_spike_when_silent),
            ("walk_reversion", self.walk_reversion),
            ("bleach_amplitude", self.bleach_amplitude),
            ("shot_fraction", self.shot_fraction),
        ]
    }

    fn variations(&self) -> [(&'static str, f64); 7] {
        [
            ("tau_rise_cv", self.tau_rise_cv),
            ("tau_decay_cv", self.tau_decay_cv),
            ("p_silent_to_active_cv", self.p_silent_to_active_cv),
            ("alpha_cv", self.alpha_cv),
            ("k_d_cv", self.k_d_cv),
            ("drift_cv", self.drift_cv),
            ("bleach_amplitude_cv", self.bleach_amplitude_cv),
        ]
    }

    fn check_drift_and_spread(&self) -> Result<(), SolverError> {
        let sizes = [
            ("walk_step", self.walk_step),
            ("sine_amplitude", self.sine_amplitude),
            ("snr_spread", self.snr_spread),
            ("sine_cycles_min", self.sine_cycles_min),
        ];
        for (name, value) in sizes {
            check_between(name, value, f64::MAX, "a finite number of at least 0")?;
        }
        let (min, max) = (self.sine_cycles_min, self.sine_cycles_max);
        if max.is_finite() && min <= max {
            return Ok(());
        }
        Err(SolverError::parameter("sine_cycles_max", "at least sine_cycles_min", &max))
    }
}

fn check_between(
    name: &'static str,
    value: f64,
    max: f64,
    expected: &'static str,
) -> Result<(), SolverError> {
    if (0.0..=max).contains(&value) {
        return Ok(());
    }
    Err(SolverError::parameter(name, expected, &value))
}

/// What one cell has drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) alpha: f64,
    pub(super) snr: f64,
    pub(super) tau_rise: f64,
    pub(super) tau_decay: f64,
    pub(super) rates: Rates,
    pub(super) drift_scale: f64,
    pub(super) sine_cycles: f64,
    pub(super) bleach_amplitude: f64,
    k_d: Option<f64>,
    hill: f64,
}

impl Cell {
    /// Draws every property, used or not, so that one option never shifts the draws of another.
    pub(super) fn draw(p: &Parameters, draws: &mut Draws) -> Self {
        let alpha = p.alpha_mean * mean_one(p.alpha_cv, draws);
        let snr = p.snr + (2.0 * draws.uniform() - 1.0) * p.snr_spread;
        let to_active = p.p_silent_to_active * median_one(p.p_silent_to_active_cv, draws);
        let k_d_scale = median_one(p.k_d_cv, draws);
        let drift_scale = median_one(p.drift_cv, draws);
        let bleach_amplitude = p.bleach_amplitude * median_one(p.bleach_amplitude_cv, draws);
        let cycles = p.sine_cycles_max - p.sine_cycles_min;
        let sine_cycles = p.sine_cycles_min + draws.uniform() * cycles;
        // Last, since the number of draws varies.
        let (tau_rise, tau_decay) = draw_time_constants(p, draws);
        Self {
            alpha,
            snr: snr.max(p.snr.min(1.0)),
            tau_rise,
            tau_decay,
            rates: Rates {
                silent_to_active: to_active.min(1.0),
                active_to_silent: p.p_active_to_silent,
                spike_when_active: p.p_spike_when_active,
                spike_when_silent: p.p_spike_when_silent,
            },
            drift_scale,
            sine_cycles,
            bleach_amplitude: bleach_amplitude.min(1.0),
            k_d: p.k_d.map(|k| k * k_d_scale),
            hill: p.hill_coefficient,
        }
    }

    /// Turns calcium in units of one spike's peak into clean fluorescence.
    pub(super) fn fluoresce(&self, row: &mut [f64]) {
        if let Some(k_d) = self.k_d {
            for c in &mut *row {
                *c = saturated(*c, k_d, self.hill);
            }
        }
        for c in row {
            *c *= self.alpha;
        }
    }

    /// Fluorescence at the peak of a single spike.
    pub(super) fn spike_peak(&self) -> f64 {
        let mut peak = [1.0];
        self.fluoresce(&mut peak);
        peak[0]
    }
}

/// Draws pairs until the rise is shorter than the decay: more than half of the pairs are, since the
/// logarithms are normal and their nominal values in this order.
fn draw_time_constants(p: &Parameters, draws: &mut Draws) -> (f64, f64) {
    loop {
        let tau_rise = p.tau_rise * median_one(p.tau_rise_cv, draws);
        let tau_decay = p.tau_decay * median_one(p.tau_decay_cv, draws);
        if 0.0 < tau_rise && tau_rise < tau_decay && tau_decay.is_finite() {
            return (tau_rise, tau_decay);
        }
    }
}

/// Log-normal factor of median 1.
fn median_one(cv: f64, draws: &mut Draws) -> f64 {
    exp(cv * draws.normal())
}

/// Log-normal factor of mean 1 and coefficient of variation `cv`.
fn mean_one(cv: f64, draws: &mut Draws) -> f64 {
    let variance = log1p(cv * cv);
    exp(sqrt(variance) * draws.normal() - 0.5 * variance)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values compared are exact")]
mod tests {
    use super::*;
    use crate::draws::Stage;

    fn cells(p: &Parameters, n: usize) -> Vec<Cell> {
        let draw = |i| Cell::draw(p, &mut Draws::new(1, i, Stage::Properties));
        (0..n).map(draw).collect()
    }

    #[test]
    fn amplitudes_keep_their_mean_and_coefficient_of_variation() {
        let p = Parameters { alpha_mean: 2.0, alpha_cv: 0.5, ..Parameters::new(30.0, 0.1, 0.6) };
        let alphas: Vec<f64> = cells(&p, 20_000).iter().map(|c| c.alpha).collect();
        let mean = alphas.iter().sum::<f64>() / 2e4;
        let variance = alphas.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / 2e4;
        // Five standard errors of the mean (1 / √20,000) and about five of the heavy-tailed spread.
        assert!((mean - 2.0).abs() < 0.036, "{mean}");
        assert!((variance.sqrt() / mean - 0.5).abs() < 0.03, "{variance}");
    }

    #[test]
    fn time_constants_never_cross() {
        let cvs =
            Parameters { tau_rise_cv: 1.0, tau_decay_cv: 1.0, ..Parameters::new(30.0, 0.5, 0.6) };
        let drawn = cells(&cvs, 2000);
        assert!(drawn.iter().all(|c| 0.0 < c.tau_rise && c.tau_rise < c.tau_decay));
        let spread = drawn.iter().filter(|c| c.tau_decay > 0.6).count();
        assert!((900..1700).contains(&spread), "{spread}");
    }

    #[test]
    fn without_variation_every_cell_has_the_nominal_values() {
        let p = Parameters { k_d: Some(5.0), ..Parameters::new(30.0, 0.1, 0.6) };
        for cell in cells(&p, 5) {
            assert_eq!((cell.alpha, cell.snr, cell.drift_scale), (1.0, 8.0, 1.0));
            assert_eq!((cell.tau_rise, cell.tau_decay), (0.1, 0.6));
            assert!((2.0..4.0).contains(&cell.sine_cycles));
            assert_eq!(cell.spike_peak(), 1.0 / 6.0);
        }
    }

    #[test]
    fn one_option_does_not_shift_the_draws_of_another() {
        let p = Parameters { alpha_cv: 0.5, snr_spread: 3.0, ..Parameters::new(30.0, 0.1, 0.6) };
        let before = cells(&p, 10);
        let after = cells(&Parameters { tau_rise_cv: 0.2, drift_cv: 0.2, k_d_cv: 1.0, ..p }, 10);
        for (a, b) in before.iter().zip(&after) {
            assert_eq!((a.alpha, a.snr, a.sine_cycles), (b.alpha, b.snr, b.sine_cycles));
            assert_ne!(a.tau_rise, b.tau_rise);
        }
    }

    #[test]
    fn the_signal_to_noise_ratio_spreads_but_stays_above_its_floor() {
        let p = |snr, snr_spread| Parameters { snr, snr_spread, ..Parameters::new(30.0, 0.1, 0.6) };
        let wide: Vec<f64> = cells(&p(4.0, 8.0), 500).iter().map(|c| c.snr).collect();
        assert!(wide.iter().all(|s| (1.0..12.0).contains(s)) && wide.contains(&1.0));
        assert!(wide.iter().any(|&s| s > 10.0));
        assert!(cells(&p(0.5, 0.4), 500).iter().all(|c| (0.5..0.9).contains(&c.snr)));
    }

    #[test]
    fn each_parameter_outside_its_range_is_named() {
        let refused = |change: fn(&mut Parameters)| {
            let mut p = Parameters::new(30.0, 0.1, 0.6);
            change(&mut p);
            p.check().unwrap_err().to_string()
        };
        assert!(refused(|p| p.tau_rise = 0.6).starts_with("tau_rise: expected less"));
        assert!(refused(|p| p.fs = f64::NAN).starts_with("fs: expected"));
        assert!(refused(|p| p.steps_per_frame = 0).starts_with("steps_per_frame: expected"));
        assert!(refused(|p| p.snr = 0.0).starts_with("snr: expected"));
        assert!(refused(|p| p.k_d = Some(-1.0)).starts_with("k_d: expected"));
        assert!(
            refused(|p| p.p_spike_when_silent = 1.1).starts_with("p_spike_when_silent: expect")
        );
        assert!(refused(|p| p.shot_fraction = f64::NAN).starts_with("shot_fraction: expected"));
        assert!(refused(|p| p.alpha_cv = 11.0).starts_with("alpha_cv: expected"));
        assert!(refused(|p| p.walk_step = -0.1).starts_with("walk_step: expected"));
        assert!(refused(|p| p.sine_cycles_max = 1.0).starts_with("sine_cycles_max: expected"));
    }
}
