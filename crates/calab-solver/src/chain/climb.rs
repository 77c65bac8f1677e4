//! The way of the kernel up the likelihood: how far it goes after each sweep, and when it rests.
//!
//! Newton's step holds the events, so it is too short: where transients overlap, events give way to
//! nearly every change of the kernel, and the step is a tiny part of what is needed. It is lengthened
//! apart for log rise at a given decay, where events give way little, and for log decay with the rise
//! that goes with it, where they give way most.

use libm::{exp, log, sqrt};

use super::tally::Step;

/// What is left in the mean direction of the one before.
const MEMORY: f64 = 0.8;
/// Factors of the pace after each step, and where a step turns against the mean direction by so many
/// deviations of its noise: the mean would take sweeps to follow.
const LENGTHEN: f64 = 1.25;
const SHORTEN: f64 = 0.5;
const TURN: f64 = 2.5;
/// Least pace, and a pace that is always allowed.
const LEAST_PACE: f64 = 0.5;
const FREE_PACE: f64 = 4.0;
/// Beyond it a pace may carry the noise of one step so far, in logarithms of rise and decay.
const NOISES: [f64; 2] = [0.02, 0.06];
/// Farthest that one step goes in logarithms, by each way and for the rise in all: explanations need
/// sweeps to follow.
const MOST_STEP: f64 = 0.05;
const MOST_RISE: f64 = 0.15;
/// The kernel rests where the means over so many parts of the later half of its way deviate so little
/// from one another in log rise and log decay, and the mean of its steps is noise: in deviations of
/// such a mean, had every sweep its own noise.
const PARTS: usize = 4;
const RESTS: [f64; 2] = [0.02, 0.01];
const PULL: f64 = 1.0;
/// Factor by which the decay has left its start where the kernel is lost: nothing holds it.
const LOST: f64 = 5.0;
/// Least ratio of decay to rise, and bounds of both in frames.
const LEAST_RATIO: f64 = 1.05;
const BOUNDS: (f64, f64) = (0.02, 10_000.0);

/// Logarithms of rise and decay in frames, and how they came there.
pub(super) struct Climb {
    pub(super) logs: [f64; 2],
    start: [f64; 2],
    direction: [f64; 2],
    paces: [f64; 2],
    /// Places after each step.
    pub(super) path: Vec<[f64; 2]>,
    /// Newton's steps in their noise.
    pulls: Vec<[f64; 2]>,
}

impl Climb {
    pub(super) fn new(logs: [f64; 2]) -> Self {
        let logs = bounded(logs);
        Self {
            logs,
            start: logs,
            direction: [0.0; 2],
            paces: [1.0; 2],
            path: Vec::new(),
            pulls: Vec::new(),
        }
    }

    pub(super) fn taus(&self) -> [f64; 2] {
        self.logs.map(exp)
    }

    /// Moves the kernel, the farther the longer steps have not turned; not at all without a step.
    pub(super) fn advance(&mut self, step: Option<&Step>) {
        let (moves, pull) = match step {
            Some(step) => {
                (self.moves(step), [step.rise / step.noise[0], step.decay / step.noise[1]])
            }
            None => ([0.0; 2], [f64::INFINITY; 2]),
        };
        self.logs = bounded([self.logs[0] + moves[0], self.logs[1] + moves[1]]);
        self.path.push(self.logs);
        self.pulls.push(pull);
    }

    fn moves(&mut self, step: &Step) -> [f64; 2] {
        let newton = [step.rise, step.decay];
        let [alone, decay]: [f64; 2] = std::array::from_fn(|by| {
            let (before, now, noise) = (self.direction[by], newton[by], step.noise[by]);
            let turned = now * before < 0.0 && now.abs() > TURN * noise;
            let (memory, factor) = if turned { (0.0, SHORTEN) } else { (MEMORY, LENGTHEN) };
            self.direction[by] = memory * before + (1.0 - memory) * now;
            let most = (NOISES[by] / noise).max(FREE_PACE);
            self.paces[by] = (self.paces[by] * factor).clamp(LEAST_PACE, most);
            (self.paces[by] * self.direction[by]).clamp(-MOST_STEP, MOST_STEP)
        });
        let rise = alone + step.follow * decay;
        let share = (MOST_RISE / rise.abs()).min(1.0);
        [share * rise, share * decay]
    }

    /// Mean over the later half of the way, or where it ended if that is nowhere.
    pub(super) fn mean(&self) -> [f64; 2] {
        let mean = mean(later(&self.path)).unwrap_or(self.logs);
        if self.is_lost() { self.logs } else { mean }
    }

    /// Whether the way leads to where no events are that the kernel could be held by.
    pub(super) fn is_lost(&self) -> bool {
        (self.logs[1] - self.start[1]).abs() > log(LOST)
    }

    /// Whether the later half of the way leads nowhere.
    pub(super) fn rests(&self) -> bool {
        let pulls = later(&self.pulls);
        let still = |pull: f64| pull.abs() * sqrt(pulls.len() as f64) < PULL;
        mean(pulls).is_some_and(|pull| pull.into_iter().all(still)) && self.stays()
    }

    /// Whether the parts of the later half lie where the others do.
    fn stays(&self) -> bool {
        let later = later(&self.path);
        let border = |part: usize| part * later.len() / PARTS;
        let parts: Vec<[f64; 2]> =
            (0..PARTS).filter_map(|part| mean(&later[border(part)..border(part + 1)])).collect();
        if parts.len() < PARTS {
            return false;
        }
        mean(&parts).is_some_and(|centre| {
            (0..2).all(|by| {
                let squares: f64 = parts.iter().map(|part| (part[by] - centre[by]).powi(2)).sum();
                sqrt(squares / (PARTS - 1) as f64) < RESTS[by]
            })
        })
    }
}

fn later<T>(all: &[T]) -> &[T] {
    &all[all.len() / 2..]
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

    const TRUTH: [f64; 2] = [1.0, 3.0];
    const FOLLOW: f64 = -0.9;

    /// Steps that fall short by factors of 3 and 200 around a truth, with the noise of a sweep.
    ///
    /// At another decay another rise is best: along the ridge the one follows the other.
    fn climbed(start: [f64; 2], noise: [f64; 2], seed: u64) -> Climb {
        let mut draws = Draws::new(seed, 0, Stage::Chain);
        let mut climb = Climb::new(start);
        while climb.path.len() < 60 || (!climb.rests() && climb.path.len() < 2000) {
            let decay = TRUTH[1] - climb.logs[1];
            climb.advance(Some(&Step {
                rise: off_ridge(climb.logs) / -3.0 + noise[0] * draws.normal(),
                decay: decay / 200.0 + noise[1] * draws.normal(),
                follow: FOLLOW,
                noise,
            }));
        }
        climb
    }

    /// How far the rise is from the best one at its decay.
    fn off_ridge([rise, decay]: [f64; 2]) -> f64 {
        rise - TRUTH[0] - FOLLOW * (decay - TRUTH[1])
    }

    #[test]
    fn steps_that_are_much_too_short_reach_the_top() {
        for seed in 0..5 {
            for start in [[1.5, 2.3], [0.6, 3.5]] {
                let climb = climbed(start, [5e-3, 3e-4], seed);
                assert!(climb.rests() && climb.path.len() < 1000, "{}", climb.path.len());
                // Four parts that deviate by 0.02 and 0.01 leave half of it in their mean; this is four
                // times as much.
                let [rise, decay] = climb.mean();
                assert!((rise - TRUTH[0]).abs() < 0.04, "{rise}");
                assert!((decay - TRUTH[1]).abs() < 0.02, "{decay}");
            }
        }
    }

    #[test]
    fn the_rise_follows_the_decay() {
        let mut climb = Climb::new(TRUTH);
        climb.advance(Some(&Step { rise: 0.0, decay: 0.01, follow: FOLLOW, noise: [0.01; 2] }));
        let [rise, decay] = climb.logs;
        assert!(decay - TRUTH[1] > 1e-3);
        assert!(off_ridge([rise, decay]).abs() < 1e-12);
    }

    #[test]
    fn without_a_step_the_kernel_stays_and_does_not_rest() {
        let mut climb = Climb::new([0.0, 2.0]);
        (0..40).for_each(|_| climb.advance(None));
        assert!(!climb.rests() && climb.path.len() == 40);
        assert!((climb.logs[1] - 2.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_lost_is_where_it_ended() {
        let mut climb = Climb::new([0.0, 2.0]);
        while !climb.is_lost() {
            climb.advance(Some(&Step { rise: 0.0, decay: 1.0, follow: 0.0, noise: [1.0; 2] }));
        }
        assert!(climb.mean()[1] - 2.0 > log(LOST));
    }

    #[test]
    fn no_step_goes_far() {
        let mut climb = Climb::new([0.0, 4.0]);
        for _ in 0..20 {
            let [rise, decay] = climb.logs;
            climb.advance(Some(&Step { rise: 3.0, decay: 3.0, follow: -50.0, noise: [1e-3; 2] }));
            assert!((climb.logs[0] - rise).abs() < MOST_RISE + 1e-12);
            assert!((climb.logs[1] - decay).abs() < MOST_STEP + 1e-12);
        }
    }

    #[test]
    fn what_wanders_or_is_pulled_does_not_rest() {
        let rests = |path: Vec<[f64; 2]>, pull: f64| {
            let mut climb = Climb::new([0.0, 2.0]);
            climb.pulls = vec![[0.0, pull]; path.len()];
            climb.path = path;
            climb.rests()
        };
        assert!(rests(vec![[0.0, 2.0]; 80], 0.0));
        assert!(!rests((0..80).map(|k| [0.0, 2.0 + 0.002 * f64::from(k)]).collect(), 0.0));
        // A sixth of the noise is nothing in one sweep, and more than a deviation in forty.
        assert!(!rests(vec![[0.0, 2.0]; 80], 0.17));
        assert!(!rests(vec![[0.0, 2.0]; 3], 0.0) && !rests(Vec::new(), 0.0));
    }

    #[test]
    fn places_stay_within_bounds() {
        let mut climb = Climb::new([0.0, 0.0]);
        assert!(climb.logs[1] - climb.logs[0] > log(1.04));
        for _ in 0..1000 {
            climb.advance(Some(&Step { rise: -1.0, decay: 1.0, follow: 0.0, noise: [1.0; 2] }));
        }
        assert!(
            climb.logs.iter().zip([BOUNDS.0, BOUNDS.1]).all(|(a, b)| (a - log(b)).abs() < 1e-12)
        );
    }
}
