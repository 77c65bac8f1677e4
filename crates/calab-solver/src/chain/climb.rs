//! The way of the kernel up the likelihood: how far it goes after each sweep, and when it rests.
//!
//! Newton's step holds the events, so it is too short: where transients overlap, events give way to
//! nearly every change of the kernel, and the step is a hundredth or less of what is needed. It is
//! lengthened apart for log rise at a given decay, where events give way little, and for log decay
//! with the rise that goes with it, where they give way most.

use libm::{exp, log, sqrt};

use super::tally::Step;

/// What is left in the mean direction of the one before.
const MEMORY: f64 = 0.8;
/// Factors of the gain where the mean direction stays the same, or turns.
const LENGTHEN: f64 = 1.4;
const SHORTEN: f64 = 0.5;
/// Least gain, and a gain that is always allowed.
const LEAST_GAIN: f64 = 0.5;
const FREE_GAIN: f64 = 4.0;
/// Beyond it a gain may carry the noise of one step so far, in logarithms of rise and decay.
const NOISES: [f64; 2] = [0.02, 0.06];
/// Farthest that one step goes in log seconds.
const MOST_STEP: f64 = 0.15;
/// Parts of the later half of the way, and the deviation of their means from one another with which
/// log rise and log decay rest.
const PARTS: usize = 4;
const RESTS: [f64; 2] = [0.02, 0.01];
/// Least ratio of decay to rise, and bounds of both in frames.
const LEAST_RATIO: f64 = 1.05;
const BOUNDS: (f64, f64) = (0.02, 10_000.0);

/// Logarithms of rise and decay in frames, and how they came there.
pub(super) struct Climb {
    pub(super) logs: [f64; 2],
    direction: [f64; 2],
    gains: [f64; 2],
    /// Places after each step.
    pub(super) path: Vec<[f64; 2]>,
}

impl Climb {
    pub(super) fn new(logs: [f64; 2]) -> Self {
        Self { logs: bounded(logs), direction: [0.0; 2], gains: [1.0; 2], path: Vec::new() }
    }

    pub(super) fn taus(&self) -> [f64; 2] {
        self.logs.map(exp)
    }

    /// Moves the kernel, the farther the longer steps have pointed the same way on average.
    ///
    /// Where the signs alternate, they are noise (Kesten 1958, doi:10.1214/aoms/1177706705).
    pub(super) fn advance(&mut self, step: &Step) {
        let newton = [step.rise, step.decay];
        let moves: [f64; 2] = std::array::from_fn(|by| {
            let before = self.direction[by];
            let mean = MEMORY * before + (1.0 - MEMORY) * newton[by];
            let factor = if mean * before > 0.0 { LENGTHEN } else { SHORTEN };
            let most = (NOISES[by] / step.noise[by]).max(FREE_GAIN);
            self.gains[by] = (self.gains[by] * factor).clamp(LEAST_GAIN, most);
            self.direction[by] = mean;
            (self.gains[by] * mean).clamp(-MOST_STEP, MOST_STEP)
        });
        let [rise, decay] = self.logs;
        self.logs = bounded([rise + moves[0] + step.follow * moves[1], decay + moves[1]]);
        self.path.push(self.logs);
    }

    /// Mean over the later half of the way.
    pub(super) fn mean(&self) -> [f64; 2] {
        mean(self.later()).unwrap_or(self.logs)
    }

    /// Whether the parts of the later half of the way lie where the others do.
    pub(super) fn rests(&self) -> bool {
        let later = self.later();
        let parts: Vec<[f64; 2]> =
            later.chunks_exact((later.len() / PARTS).max(1)).filter_map(mean).collect();
        let Some(centre) = mean(&parts) else { return false };
        parts.len() >= PARTS
            && (0..2).all(|by| {
                let squares: f64 = parts.iter().map(|part| (part[by] - centre[by]).powi(2)).sum();
                sqrt(squares / (parts.len() - 1) as f64) < RESTS[by]
            })
    }

    fn later(&self) -> &[[f64; 2]] {
        &self.path[self.path.len() / 2..]
    }
}

fn mean(places: &[[f64; 2]]) -> Option<[f64; 2]> {
    let count = places.len() as f64;
    let sum = |by: usize| places.iter().map(|place| place[by]).sum::<f64>();
    (!places.is_empty()).then(|| [sum(0) / count, sum(1) / count])
}

fn bounded([rise, decay]: [f64; 2]) -> [f64; 2] {
    let (least, most) = (log(BOUNDS.0), log(BOUNDS.1));
    let decay = decay.clamp(least + log(LEAST_RATIO), most);
    [rise.clamp(least, decay - log(LEAST_RATIO)), decay]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::{Draws, Stage};

    /// Steps that fall short by factors of 3 and 200 around a truth, with the noise of a sweep.
    fn climb(start: [f64; 2], noise: [f64; 2]) -> Climb {
        let (truth, follow, mut draws) = ([1.0, 3.0], -0.9, Draws::new(1, 0, Stage::Chain));
        let mut climb = Climb::new(start);
        while climb.path.len() < 60 || (!climb.rests() && climb.path.len() < 1000) {
            let decay = truth[1] - climb.logs[1];
            let rise = truth[0] - climb.logs[0] + follow * decay;
            climb.advance(&Step {
                rise: rise / 3.0 + noise[0] * draws.normal(),
                decay: decay / 200.0 + noise[1] * draws.normal(),
                follow,
                noise,
            });
        }
        climb
    }

    #[test]
    fn steps_that_are_much_too_short_reach_the_top() {
        for start in [[1.5, 2.3], [0.6, 3.5]] {
            let climb = climb(start, [5e-3, 3e-4]);
            assert!(climb.path.len() < 400, "{}", climb.path.len());
            // Deviations of the means of the parts, 0.01 and 0.02, allow for twice their half.
            let [rise, decay] = climb.mean();
            assert!((rise - 1.0).abs() < 0.03 && (decay - 3.0).abs() < 0.03, "{rise} {decay}");
        }
    }

    #[test]
    fn what_wanders_does_not_rest() {
        let mut climb = Climb::new([0.0, 2.0]);
        climb.path = (0..200).map(|k| [0.0, 2.0 + 0.002 * f64::from(k)]).collect();
        assert!(!climb.rests());
        climb.path = vec![[0.0, 2.0]; 3];
        assert!(!climb.rests());
        climb.path = vec![[0.0, 2.0]; 8];
        assert!(climb.rests());
    }

    #[test]
    fn places_stay_within_bounds() {
        let mut climb = Climb::new([0.0, 0.0]);
        assert!(climb.logs[1] - climb.logs[0] > log(1.04));
        for _ in 0..1000 {
            climb.advance(&Step { rise: -1.0, decay: 1.0, follow: 0.0, noise: [1.0; 2] });
        }
        assert_eq!(climb.logs, [log(BOUNDS.0), log(BOUNDS.1)]);
    }
}
