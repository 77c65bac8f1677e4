//! Spike trains of a neuron that switches between a silent and an active state.
//!
//! Time runs in steps, several to a frame. At every step the state may switch, then a spike may
//! occur, with a probability that depends on the state; the neuron starts silent. Both are drawn as
//! geometric waiting times, which is the same process with far fewer draws: a few per spike instead
//! of two per step. A neuron that never switches fires as a (Bernoulli) Poisson process.

use crate::draws::{Draws, WaitingTime};

/// Probabilities of the two-state process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// Per frame.
    pub(super) silent_to_active: f64,
    /// Per frame.
    pub(super) active_to_silent: f64,
    /// Per step.
    pub(super) spike_when_active: f64,
    /// Per step.
    pub(super) spike_when_silent: f64,
}

/// The steps at which one neuron fires, in ascending order.
pub(super) struct Train {
    draws: Draws,
    /// Waiting times by state, silent first.
    switching: [WaitingTime; 2],
    firing: [WaitingTime; 2],
    state: usize,
    next_step: u64,
    next_switch: u64,
    n_steps: u64,
}

impl Train {
    pub(super) fn new(rates: &Rates, steps_per_frame: usize, n_steps: u64, draws: Draws) -> Self {
        let per_frame = |p| WaitingTime::new(p, steps_per_frame);
        let per_step = |p| WaitingTime::new(p, 1);
        let mut train = Self {
            draws,
            switching: [rates.silent_to_active, rates.active_to_silent].map(per_frame),
            firing: [rates.spike_when_silent, rates.spike_when_active].map(per_step),
            state: 0,
            next_step: 0,
            next_switch: 0,
            n_steps,
        };
        train.next_switch = train.switching[0].draw(&mut train.draws);
        train
    }
}

impl Iterator for Train {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            let wait = self.firing[self.state].draw(&mut self.draws);
            let spike = self.next_step.saturating_add(wait);
            let end = self.next_switch.min(self.n_steps);
            if spike < end {
                self.next_step = spike + 1;
                return Some(spike);
            }
            // Waiting times have no memory: the one cut short by the switch is simply forgotten.
            self.next_step = end;
            if end == self.n_steps {
                return None;
            }
            self.state = 1 - self.state;
            let stay = self.switching[self.state].draw(&mut self.draws);
            self.next_switch = (end + 1).saturating_add(stay);
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values compared are exact")]
mod tests {
    use super::*;
    use crate::draws::Stage;

    const BURSTY: Rates = Rates {
        silent_to_active: 0.05,
        active_to_silent: 0.3,
        spike_when_active: 0.5,
        spike_when_silent: 0.002,
    };

    fn train(rates: &Rates, steps: usize, n_steps: u64) -> Train {
        Train::new(rates, steps, n_steps, Draws::new(3, 0, Stage::Spikes))
    }

    /// The same process, one draw per switch and one per spike at every step.
    fn step_by_step(rates: &Rates, steps: usize, n_steps: u64) -> Vec<u64> {
        let mut draws = Draws::new(4, 0, Stage::Spikes);
        let per_step = |p: f64| 1.0 - (1.0 - p).powf(1.0 / steps as f64);
        let switching = [per_step(rates.silent_to_active), per_step(rates.active_to_silent)];
        let firing = [rates.spike_when_silent, rates.spike_when_active];
        let mut state = 0;
        let mut fires = |_: &u64| {
            if draws.uniform() < switching[state] {
                state = 1 - state;
            }
            draws.uniform() < firing[state]
        };
        (0..n_steps).filter(|step| fires(step)).collect()
    }

    /// Mean interval, its standard deviation, and the share of intervals of a single step.
    fn interval_statistics(spikes: &[u64]) -> [f64; 3] {
        let intervals: Vec<f64> = spikes.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let n = intervals.len() as f64;
        let mean = intervals.iter().sum::<f64>() / n;
        let variance = intervals.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let bursts = intervals.iter().filter(|&&x| x == 1.0).count() as f64 / n;
        [mean, variance.sqrt(), bursts]
    }

    #[test]
    fn waiting_times_give_the_process_that_single_steps_give() {
        let n_steps = 2_000_000;
        let quick: Vec<u64> = train(&BURSTY, 10, n_steps).collect();
        let slow = step_by_step(&BURSTY, 10, n_steps);
        let pairs = interval_statistics(&quick).into_iter().zip(interval_statistics(&slow));
        for (found, expected) in pairs {
            // About 10,000 bursts: 5 % is more than three standard errors of each statistic.
            assert!((found / expected - 1.0).abs() < 0.05, "{found} for {expected}");
        }
    }

    #[test]
    fn spikes_ascend_within_the_recording() {
        let spikes: Vec<u64> = train(&BURSTY, 10, 50_000).collect();
        assert!(spikes.windows(2).all(|w| w[0] < w[1]));
        assert!(spikes.iter().all(|&step| step < 50_000));
    }

    #[test]
    fn extreme_probabilities_are_exact() {
        let rates = |to_active, to_silent, active, silent| Rates {
            silent_to_active: to_active,
            active_to_silent: to_silent,
            spike_when_active: active,
            spike_when_silent: silent,
        };
        assert_eq!(train(&rates(0.0, 0.0, 1.0, 0.0), 10, 100).count(), 0);
        assert_eq!(train(&rates(0.0, 0.0, 0.0, 1.0), 10, 100).count(), 100);
        assert_eq!(train(&rates(1.0, 0.0, 1.0, 0.0), 10, 100).count(), 100);
        // Switching at every step, the first included: active at the even steps.
        let alternating: Vec<u64> = train(&rates(1.0, 1.0, 1.0, 0.0), 1, 6).collect();
        assert_eq!(alternating, [0, 2, 4]);
    }
}
