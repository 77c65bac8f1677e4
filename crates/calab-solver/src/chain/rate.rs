//! How often events come: at one of two rates, between which a cell switches.
//!
//! ```text
//! s[i+1] = s[i] but with probability q_s,    an event in a bin of frame i with probability p_s
//! ```
//!
//! Under one rate for all frames a burst would be unlikely, and so rather few large events under a
//! transient that rises slowly.

use std::ops::Range;

use libm::{exp, log};

use crate::draws::Draws;

/// Rates of the two states at first, silent and active, in the rate of all.
const FIRST: [f64; 2] = [0.5, 4.0];
/// Frames by which a state's rate is drawn to the first one.
const FRAMES: f64 = 1.0;
/// Probability of a switch at first, silent and active; each weighs as much as one switch. Where
/// bursts are too small to be seen spike by spike, their length is hardly determined, and a prior of
/// long ones makes the transient rise too early.
const SWITCH: [f64; 2] = [0.01, 0.2];
/// Bounds of the probability of an event in a bin.
const SHARES: (f64, f64) = (1e-6, 0.9);

/// Logarithm of the largest ratio of a frame's likelihoods.
const MOST_RATIO: f64 = 200.0;
/// Sums of the states' weights that need no scaling.
const SCALES: Range<f64> = 1e-100..1e100;

/// The state of every frame, and what it means.
pub(super) struct Rate {
    states: Vec<u8>,
    log_odds: [f64; 2],
    switches: [f64; 2],
    /// Probability of the active state given the past.
    active: Vec<f64>,
}

impl Rate {
    /// The same odds everywhere.
    pub(super) fn new(n: usize, log_odds: f64) -> Self {
        Self { states: vec![0; n], log_odds: [log_odds; 2], switches: SWITCH, active: vec![0.0; n] }
    }

    /// Logarithm of the prior odds of an event in a bin of a frame.
    pub(super) fn log_odds(&self, frame: usize) -> f64 {
        self.log_odds[usize::from(self.states[frame])]
    }

    /// Begins with two states beside the rate that events have in all.
    pub(super) fn begin(&mut self, n_events: usize, upsample: usize) {
        let bins = (self.states.len() * upsample) as f64;
        let share = (n_events as f64 + 0.5) / (bins + 1.0);
        self.log_odds = FIRST.map(|factor| odds(factor * share));
    }

    /// Draws the states given the number of events in each frame, then fits what the states mean.
    pub(super) fn draw(&mut self, counts: &[u16], upsample: usize, draws: &mut Draws) {
        self.filter(counts, upsample);
        self.smooth(draws);
        self.fit(counts, upsample);
    }

    fn filter(&mut self, counts: &[u16], upsample: usize) {
        // Only the ratio of the two likelihoods matters, and it depends on the count alone.
        let [silent, active] = self.log_odds;
        let empty = log((1.0 + exp(silent)) / (1.0 + exp(active))) * upsample as f64;
        let [leaving, returning] = self.switches;
        let ways = |count: usize| {
            // Frames full of events on a very fine grid stay within range.
            let ratio = exp((empty + count as f64 * (active - silent)).min(MOST_RATIO));
            [(1.0 - returning) * ratio, leaving * ratio]
        };
        let to_active: Vec<[f64; 2]> = (0..=upsample).map(ways).collect();
        // Weights, not probabilities, so that no division waits for the one before it.
        let (mut silent, mut active) = (returning, leaving);
        for (share, &count) in self.active.iter_mut().zip(counts) {
            let [stay, enter] = to_active[usize::from(count)];
            (silent, active) =
                (silent * (1.0 - leaving) + active * returning, silent * enter + active * stay);
            let sum = silent + active;
            *share = active / sum;
            if !SCALES.contains(&sum) {
                (silent, active) = (silent / sum, active / sum);
            }
        }
    }

    fn smooth(&mut self, draws: &mut Draws) {
        let [leaving, returning] = self.switches;
        let mut later = None;
        for (state, &active) in self.states.iter_mut().zip(&self.active).rev() {
            let chance = later.map_or(active, |later| {
                let [to_active, to_silent] = match later {
                    1 => [1.0 - returning, leaving],
                    _ => [returning, 1.0 - leaving],
                };
                active * to_active / (active * to_active + (1.0 - active) * to_silent)
            });
            *state = u8::from(draws.uniform() < chance);
            later = Some(*state);
        }
    }

    fn fit(&mut self, counts: &[u16], upsample: usize) {
        let (mut frames, mut events, mut switches) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for (t, (&state, &count)) in self.states.iter().zip(counts).enumerate() {
            let state = usize::from(state);
            frames[state] += 1.0;
            events[state] += f64::from(count);
            if self.states.get(t + 1).is_some_and(|&next| usize::from(next) != state) {
                switches[state] += 1.0;
            }
        }
        let share = (events[0] + events[1] + 0.5) / (counts.len() * upsample + 1) as f64;
        for state in 0..2 {
            let guess = FIRST[state] * share;
            let bins = upsample as f64;
            self.log_odds[state] =
                odds((events[state] + FRAMES * bins * guess) / (bins * (frames[state] + FRAMES)));
            self.switches[state] = (switches[state] + 1.0) / (frames[state] + 1.0 / SWITCH[state]);
        }
    }
}

fn odds(share: f64) -> f64 {
    let share = share.clamp(SHARES.0, SHARES.1);
    log(share / (1.0 - share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Stage;

    #[test]
    fn bursts_and_silence_are_told_apart() {
        let mut draws = Draws::new(2, 0, Stage::Chain);
        let (n, upsample) = (5000, 2);
        let busy = |t: usize| t % 500 >= 450;
        let counts: Vec<u16> = (0..n)
            .map(|t| {
                let share = if busy(t) { 0.3 } else { 0.004 };
                (0..upsample).map(|_| u16::from(draws.uniform() < share)).sum()
            })
            .collect();
        let mut rate = Rate::new(n, 0.0);
        rate.begin(counts.iter().map(|&count| usize::from(count)).sum(), upsample);
        let (mut right, mut odds) = (0.0, [0.0; 2]);
        for round in 0..60 {
            rate.draw(&counts, upsample, &mut draws);
            if round >= 20 {
                let found = |t: &usize| (rate.states[*t] == 1) == busy(*t);
                right += (0..n).filter(found).count() as f64 / n as f64 / 40.0;
                (0..2).for_each(|state| odds[state] += rate.log_odds[state] / 40.0);
            }
        }
        assert!(right > 0.97, "{right}");
        // 36 events in silence and 300 in bursts know a rate to 17 and 6 %.
        for (state, share) in [(0, 0.004), (1, 0.3)] {
            let expected = log(share / (1.0 - share));
            assert!((odds[state] - expected).abs() < 0.5, "{odds:?}");
        }
    }

    #[test]
    fn weights_are_the_probabilities_of_the_recursion() {
        let mut rate = Rate::new(3000, 0.0);
        rate.log_odds = [-9.0, 2.0];
        let counts: Vec<u16> = (0..3000).map(|t| if t % 700 > 640 { 3 } else { 0 }).collect();
        rate.filter(&counts, 4);
        let [leaving, returning] = rate.switches;
        let likelihood = |log_odds: f64, count: u16| {
            exp(log_odds * f64::from(count)) / (1.0 + exp(log_odds)).powi(4)
        };
        let mut active = leaving / (leaving + returning);
        for (found, &count) in rate.active.iter().zip(&counts) {
            let predicted = active * (1.0 - returning) + (1.0 - active) * leaving;
            let [off, on] = rate.log_odds.map(|log_odds| likelihood(log_odds, count));
            active = predicted * on / (predicted * on + (1.0 - predicted) * off);
            assert!((found - active).abs() < 1e-12);
        }
    }
}
