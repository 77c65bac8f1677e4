//! A fast component beside the slow one: four logarithms are searched.
//!
//! The fast part is an overshoot of the onset, so it may neither outweigh the slow one nor exceed
//! twice the amplitude that fits what the slow one alone leaves.

use libm::{exp, log};

use super::grid::{Products, most_decay, sampled, time_constants};
use super::search::{Local, Objective, descend};
use super::slow::{dot, template};
use super::{Component, LEAST_DECAY, LEAST_RISE, MOST_RISE};

/// Bounds of the fast decay and rise, in samples, and of the decay as a share of the slow one.
const MOST_FAST_DECAY: f64 = 8.0;
const MOST_SHARE: f64 = 0.15;
const MOST_FAST_RISE: f64 = 2.0;

/// Starts that are descended from: the best points of different fast decays.
const MOST_STARTS: usize = 4;

/// Step of the numerical derivatives, whose error is its square.
const DELTA: f64 = 1e-5;

/// Inner products of the two templates with each other and with the data.
#[derive(Debug, Clone, Copy)]
struct Inner {
    slow: f64,
    fast: f64,
    mixed: f64,
    data_slow: f64,
    data_fast: f64,
}

impl Inner {
    /// The amplitudes of the least squares that the rule allows.
    fn amplitudes(&self) -> (f64, f64) {
        let Self { slow: a, fast: b, mixed: c, data_slow: p, data_fast: q } = *self;
        let alone = (p / a).max(0.0);
        let ceiling = 2.0 * ((q - alone * c) / b).max(0.0);
        let determinant = a * b - c * c;
        let joint = ((p * b - q * c) / determinant, (q * a - p * c) / determinant);
        let pinned = (((p - ceiling * c) / a).max(0.0), ceiling);
        let allowed = |&(slow, fast): &(f64, f64)| slow >= fast && fast >= 0.0 && fast <= ceiling;
        let candidates = [joint, pinned, (alone, 0.0)];
        let least = candidates.into_iter().filter(allowed);
        least.min_by(|x, y| self.excess(*x).total_cmp(&self.excess(*y))).unwrap_or((0.0, 0.0))
    }

    /// The squared misfit less that of no kernel at all.
    fn excess(&self, (slow, fast): (f64, f64)) -> f64 {
        slow * (slow * self.slow + 2.0 * fast * self.mixed - 2.0 * self.data_slow)
            + fast * (fast * self.fast - 2.0 * self.data_fast)
    }
}

/// Variables: `log decay`, `log(rise/decay)` of the slow part; the log of the fast decay relative
/// to its greatest, and `log(rise/decay)` of the fast part.
struct Shape<'a> {
    samples: &'a [f64],
    first: usize,
    rate: f64,
}

fn greatest_fast_decay(decay: f64) -> f64 {
    MOST_FAST_DECAY.min(MOST_SHARE * decay)
}

/// Rise and decay of the slow and the fast part, in samples.
fn time_constants_of(&[x, y, z, w]: &[f64; 4]) -> [f64; 4] {
    let fast = greatest_fast_decay(exp(x)) * exp(z);
    [exp(x + y), exp(x), fast * exp(w), fast]
}

fn variables_of([rise, decay, fast_rise, fast_decay]: [f64; 4]) -> [f64; 4] {
    let share = fast_decay / greatest_fast_decay(decay);
    [log(decay), log(rise / decay), log(share), log(fast_rise / fast_decay)]
}

impl Shape<'_> {
    fn residual(&self, point: &[f64; 4]) -> (Vec<f64>, (f64, f64)) {
        let [rise, decay, fast_rise, fast_decay] = time_constants_of(point);
        let column = |rise: f64, decay: f64| -> Vec<f64> {
            let times = self.first..self.first + self.samples.len();
            times.map(|i| template(i as f64, rise, decay)).collect()
        };
        let (slow, fast) = (column(rise, decay), column(fast_rise, fast_decay));
        let inner = Inner {
            slow: dot(&slow, &slow),
            fast: dot(&fast, &fast),
            mixed: dot(&slow, &fast),
            data_slow: dot(&slow, self.samples),
            data_fast: dot(&fast, self.samples),
        };
        let (beta, beta_fast) = inner.amplitudes();
        let columns = slow.iter().zip(&fast).zip(self.samples);
        (columns.map(|((s, f), h)| h - beta * s - beta_fast * f).collect(), (beta, beta_fast))
    }
}

impl Objective<4> for Shape<'_> {
    fn local(&self, point: &[f64; 4]) -> Option<Local<4>> {
        let (residual, (beta, _)) = self.residual(point);
        if !(beta > 0.0 && beta.is_finite()) {
            return None;
        }
        let jacobian: [Vec<f64>; 4] = std::array::from_fn(|i| {
            let moved = |sign: f64| {
                let mut point = *point;
                point[i] += sign * DELTA;
                self.residual(&point).0
            };
            let (above, below) = (moved(1.0), moved(-1.0));
            above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * DELTA)).collect()
        });
        Some(Local {
            objective: 0.5 * dot(&residual, &residual),
            gradient: std::array::from_fn(|i| dot(&residual, &jacobian[i])),
            curvature: std::array::from_fn(|i| {
                std::array::from_fn(|j| dot(&jacobian[i], &jacobian[j]))
            }),
        })
    }

    fn bounds(&self, point: &[f64; 4], i: usize) -> (f64, f64) {
        let [_, decay, _, fast] = time_constants_of(point);
        match i {
            0 => (log(LEAST_DECAY / MOST_SHARE), log(most_decay(self.rate))),
            1 => (log(LEAST_RISE / decay), log(MOST_RISE)),
            2 => (log(LEAST_DECAY / greatest_fast_decay(decay)), 0.0),
            _ => (log(LEAST_RISE / fast), log(MOST_RISE.min(MOST_FAST_RISE / fast))),
        }
    }
}

/// The best pair of components and its squared misfit; none if no fast part has an amplitude.
pub(super) fn fit(
    samples: &[f64],
    first: usize,
    fs: f64,
    warm: Option<(Component, Option<Component>)>,
) -> Option<(Component, Component, f64)> {
    let problem = Shape { samples, first, rate: fs };
    let mut starts = grid_starts(samples, first, fs);
    if let Some((slow, Some(fast))) = warm {
        starts.push([slow.tau_rise, slow.tau_decay, fast.tau_rise, fast.tau_decay].map(|x| x * fs));
    }
    let found = starts.into_iter().filter_map(|start| descend(&problem, variables_of(start)));
    let (point, local) = found.min_by(|a, b| a.1.objective.total_cmp(&b.1.objective))?;
    let (_, (beta, beta_fast)) = problem.residual(&point);
    let [rise, decay, fast_rise, fast_decay] = time_constants_of(&point).map(|x| x / fs);
    let slow = Component { tau_rise: rise, tau_decay: decay, beta };
    let fast = Component { tau_rise: fast_rise, tau_decay: fast_decay, beta: beta_fast };
    (beta_fast > 0.0).then_some((slow, fast, 2.0 * local.objective))
}

/// The best points of the grid, one for each fast decay, best first.
fn grid_starts(samples: &[f64], first: usize, fs: f64) -> Vec<[f64; 4]> {
    let mut taus = time_constants(fs);
    let n_slow = taus.len();
    taus.extend([0.25, 0.6875, 1.125, 1.5625, 2.0]);
    let n_rise = taus.len();
    let ratio = log(MOST_FAST_DECAY / LEAST_DECAY);
    taus.extend((0..8).map(|k| LEAST_DECAY * exp(ratio * f64::from(k) / 7.0)));
    let products = sampled(samples, first, taus);
    let best = |decay: usize| best_with(&products, n_slow, n_slow..n_rise, decay);
    let mut found: Vec<(f64, [f64; 4])> = (n_rise..products.taus.len()).filter_map(best).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().take(MOST_STARTS).map(|(_, start)| start).collect()
}

fn best_with(
    products: &Products,
    n_slow: usize,
    rises: std::ops::Range<usize>,
    fast_decay: usize,
) -> Option<(f64, [f64; 4])> {
    let taus = &products.taus;
    let mut best: Option<(f64, [f64; 4])> = None;
    for fast_rise in rises.filter(|&rise| taus[rise] < taus[fast_decay]) {
        let fast = (fast_rise, fast_decay);
        let (norm, data) = (products.inner(fast, fast), products.data(fast));
        for decay in (0..n_slow).filter(|&decay| taus[fast_decay] <= MOST_SHARE * taus[decay]) {
            for rise in 0..decay {
                let slow = (rise, decay);
                let inner = Inner {
                    slow: products.inner(slow, slow),
                    fast: norm,
                    mixed: products.inner(slow, fast),
                    data_slow: products.data(slow),
                    data_fast: data,
                };
                let (beta, beta_fast) = inner.amplitudes();
                let excess = inner.excess((beta, beta_fast));
                if beta_fast > 0.0 && best.is_none_or(|(least, _)| excess < least) {
                    let start = [rise, decay, fast_rise, fast_decay].map(|i| taus[i]);
                    best = Some((excess, start));
                }
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amplitudes_keep_to_the_rule() {
        let inner = Inner { slow: 1.0, fast: 1.0, mixed: 0.0, data_slow: 3.0, data_fast: 2.0 };
        assert_eq!(inner.amplitudes(), (3.0, 2.0));
        // A fast part that would outweigh the slow one is not taken.
        assert_eq!(Inner { data_fast: 4.0, ..inner }.amplitudes(), (3.0, 0.0));
        // Nearly the same shape: the joint solution lies above the ceiling 2 (0.5 - 0.4) = 0.2.
        let alike = Inner { mixed: 0.8, data_slow: 0.5, data_fast: 0.5, ..inner };
        let (slow, fast) = alike.amplitudes();
        assert!((slow - 0.34).abs() < 1e-12 && (fast - 0.2).abs() < 1e-12);
    }
}
