//! Primal-dual interior point for `min over h >= 0 of 1/2 hᵀGh - cᵀh + λ |Dh|₁`.
//!
//! With `Dh = v⁺ - v⁻` and the multiplier `|p| <= λ` of that equation the optimum satisfies
//!
//! ```text
//! G h - c + Dᵀp = μ >= 0,   h μ = 0,   v⁺ (λ - p) = 0,   v⁻ (λ + p) = 0
//! ```
//!
//! Eliminating all but `h` leaves one dense system per step, `G + M/H + DᵀWD`, for the predictor and
//! for the corrector: Mehrotra (1992), <https://doi.org/10.1137/0802028>.

use super::cholesky::Cholesky;
use super::conjugate::System;
use crate::dot::dot;
use crate::error::SolverError;

/// Least share of the largest diagonal entry that keeps a singular Gram matrix factorable.
const RIDGE: f64 = 1e-15;

/// From this size on products with the Gram matrix are fewer than a factor is worth.
const LARGE: usize = 500;

/// The problem in units in which the largest diagonal entry and the largest `|c|` are 1.
pub(super) struct Problem<'a> {
    pub(super) gram: &'a [f64],
    pub(super) cross: &'a [f64],
    pub(super) lambda: f64,
    /// No optimal `h` lies above these.
    pub(super) limits: &'a [f64],
}

impl Problem<'_> {
    pub(super) fn gram_times(&self, h: &[f64]) -> Vec<f64> {
        self.gram.chunks_exact(h.len()).map(|row| dot(row, h)).collect()
    }

    /// An upper bound on the objective of `h` less the optimum, from any `|p| <= λ`.
    ///
    /// For `m = Gh - c + Dᵀp` and any `x >= 0`, convexity gives
    /// `f(h) - f(x) <= mᵀh - mᵀx + λ|Dh| - pᵀDh`, and the optimal `x` is at most `limits`.
    pub(super) fn gap(&self, h: &[f64], gram_h: &[f64], p: &[f64]) -> f64 {
        let slack = p.iter().enumerate().map(|(i, p)| {
            let d = h[i + 1] - h[i];
            self.lambda * d.abs() - p * d
        });
        let multiplier = (0..h.len()).map(|i| {
            let m = gram_h[i] - self.cross[i] + transposed(p, i);
            m * h[i] + (-m).max(0.0) * self.limits[i]
        });
        multiplier.sum::<f64>() + slack.sum::<f64>()
    }
}

/// Entry `i` of `Dᵀp`; 0 without smoothness, when `p` is empty.
fn transposed(p: &[f64], i: usize) -> f64 {
    let before = i.checked_sub(1).and_then(|j| p.get(j)).copied().unwrap_or(0.0);
    before - p.get(i).copied().unwrap_or(0.0)
}

/// Where the iteration stands. `above = λ - p` and `below = λ + p` are kept apart, because each
/// goes to 0 where `p` meets its bound.
pub(super) struct Point {
    pub(super) h: Vec<f64>,
    pub(super) mu: Vec<f64>,
    plus: Vec<f64>,
    minus: Vec<f64>,
    above: Vec<f64>,
    below: Vec<f64>,
}

/// A direction; `plus`, `minus` and `p` are empty without smoothness.
struct Step {
    h: Vec<f64>,
    mu: Vec<f64>,
    plus: Vec<f64>,
    minus: Vec<f64>,
    p: Vec<f64>,
}

/// What the complementarity products are to become, less what they are.
struct Wanted {
    h: Vec<f64>,
    plus: Vec<f64>,
    minus: Vec<f64>,
}

impl Point {
    pub(super) fn start(problem: &Problem) -> Self {
        let n = problem.cross.len();
        let ties = if problem.lambda > 0.0 { n - 1 } else { 0 };
        Self {
            h: vec![1.0; n],
            mu: vec![1.0; n],
            plus: vec![1.0; ties],
            minus: vec![1.0; ties],
            above: vec![problem.lambda; ties],
            below: vec![problem.lambda; ties],
        }
    }

    /// The multiplier, from whichever of its distances to the bounds is exact.
    pub(super) fn multiplier(&self, lambda: f64) -> Vec<f64> {
        let one = |(a, b): (&f64, &f64)| if a < b { lambda - a } else { b - lambda };
        self.above.iter().zip(&self.below).map(one).collect()
    }

    /// Where neighbours differ the bound that their multiplier has met, and none where they agree.
    pub(super) fn signs(&self, lambda: f64) -> Vec<Option<f64>> {
        let one = |i: usize| {
            if self.plus[i] > self.above[i] {
                Some(lambda)
            } else {
                (self.minus[i] > self.below[i]).then_some(-lambda)
            }
        };
        (0..self.plus.len()).map(one).collect()
    }

    /// Goes one step; false when nothing more can be gained in this arithmetic.
    pub(super) fn advance(
        &mut self,
        problem: &Problem,
        gram_h: &[f64],
        systems: &mut Systems,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool, SolverError> {
        let (ratio, ties) = self.weights();
        let diagonal: Vec<f64> = ratio.iter().map(|ratio| ratio + RIDGE).collect();
        systems.begin();
        let mut solve = |pull: &mut [f64]| {
            let system = System { gram: problem.gram, diagonal: &diagonal, ties: &ties };
            systems.solve(&system, pull, interrupted)
        };
        let mean = self.complementarity(None, 0.0);
        let wanted = self.wanted(0.0, None);
        let Some(predictor) = self.step(problem, gram_h, &ties, &wanted, &mut solve)? else {
            return Ok(false);
        };
        let left = self.complementarity(Some(&predictor), self.longest(&predictor));
        let share = left / mean;
        let sigma = (share * share * share).clamp(1e-8, 1.0);
        let wanted = self.wanted(sigma * mean, Some(&predictor));
        let Some(step) = self.step(problem, gram_h, &ties, &wanted, &mut solve)? else {
            return Ok(false);
        };
        let length = (0.995 * self.longest(&step)).min(1.0);
        self.go(&step, length);
        Ok(length > 1e-10 && length.is_finite())
    }

    /// `μ/h`, and the weights `W` of the differences.
    fn weights(&self) -> (Vec<f64>, Vec<f64>) {
        let ratio = self.mu.iter().zip(&self.h).map(|(m, h)| m / h).collect();
        let tie = |i: usize| 1.0 / (self.plus[i] / self.above[i] + self.minus[i] / self.below[i]);
        (ratio, (0..self.plus.len()).map(tie).collect())
    }

    /// The mean product, here or `length` along a step.
    fn complementarity(&self, step: Option<&Step>, length: f64) -> f64 {
        let moved = |x: &[f64], d: Option<&[f64]>, sign: f64, i: usize| {
            x[i] + sign * length * d.map_or(0.0, |d| d[i])
        };
        let mut sum = 0.0;
        for i in 0..self.h.len() {
            sum += moved(&self.h, step.map(|s| &s.h[..]), 1.0, i)
                * moved(&self.mu, step.map(|s| &s.mu[..]), 1.0, i);
        }
        for i in 0..self.plus.len() {
            sum += moved(&self.plus, step.map(|s| &s.plus[..]), 1.0, i)
                * moved(&self.above, step.map(|s| &s.p[..]), -1.0, i);
            sum += moved(&self.minus, step.map(|s| &s.minus[..]), 1.0, i)
                * moved(&self.below, step.map(|s| &s.p[..]), 1.0, i);
        }
        sum / (self.h.len() + 2 * self.plus.len()) as f64
    }

    fn wanted(&self, target: f64, predictor: Option<&Step>) -> Wanted {
        let second = |a: fn(&Step) -> &Vec<f64>, b: fn(&Step) -> &Vec<f64>, i: usize| {
            predictor.map_or(0.0, |s| a(s)[i] * b(s)[i])
        };
        let ties = 0..self.plus.len();
        Wanted {
            h: (0..self.h.len())
                .map(|i| target - self.h[i] * self.mu[i] - second(|s| &s.h, |s| &s.mu, i))
                .collect(),
            plus: ties
                .clone()
                .map(|i| target - self.plus[i] * self.above[i] + second(|s| &s.plus, |s| &s.p, i))
                .collect(),
            minus: ties
                .map(|i| target - self.minus[i] * self.below[i] - second(|s| &s.minus, |s| &s.p, i))
                .collect(),
        }
    }

    fn step(
        &self,
        problem: &Problem,
        gram_h: &[f64],
        weights: &[f64],
        wanted: &Wanted,
        solve: &mut dyn FnMut(&mut [f64]) -> Result<bool, SolverError>,
    ) -> Result<Option<Step>, SolverError> {
        let p = self.multiplier(problem.lambda);
        // What D dh lacks for the step of p.
        let lack: Vec<f64> = (0..p.len())
            .map(|i| {
                let residual = self.h[i + 1] - self.h[i] - self.plus[i] + self.minus[i];
                let goal = wanted.plus[i] / self.above[i] - wanted.minus[i] / self.below[i];
                weights[i] * (residual - goal)
            })
            .collect();
        let mut h: Vec<f64> = (0..self.h.len())
            .map(|i| {
                let dual = gram_h[i] - problem.cross[i] + transposed(&p, i) - self.mu[i];
                wanted.h[i] / self.h[i] - dual - transposed(&lack, i)
            })
            .collect();
        if !solve(&mut h)? {
            return Ok(None);
        }
        let change = |i: usize| weights[i] * (h[i + 1] - h[i]) + lack[i];
        let p: Vec<f64> = (0..p.len()).map(change).collect();
        let mu = (0..h.len()).map(|i| (wanted.h[i] - self.mu[i] * h[i]) / self.h[i]).collect();
        let plus = |i: usize| (wanted.plus[i] + self.plus[i] * p[i]) / self.above[i];
        let minus = |i: usize| (wanted.minus[i] - self.minus[i] * p[i]) / self.below[i];
        let (plus, minus) = ((0..p.len()).map(plus).collect(), (0..p.len()).map(minus).collect());
        Ok(Some(Step { h, mu, plus, minus, p }))
    }

    /// The step length at which the first variable would reach 0.
    fn longest(&self, step: &Step) -> f64 {
        let limit = |x: &[f64], d: &[f64], sign: f64| {
            let ends = x.iter().zip(d).filter(|(_, d)| sign * *d < 0.0).map(|(x, d)| x / d.abs());
            ends.fold(f64::INFINITY, f64::min)
        };
        limit(&self.h, &step.h, 1.0)
            .min(limit(&self.mu, &step.mu, 1.0))
            .min(limit(&self.plus, &step.plus, 1.0))
            .min(limit(&self.minus, &step.minus, 1.0))
            .min(limit(&self.above, &step.p, -1.0))
            .min(limit(&self.below, &step.p, 1.0))
            .min(1.0 / 0.995)
    }

    fn go(&mut self, step: &Step, length: f64) {
        let add = |x: &mut Vec<f64>, d: &[f64], length: f64| {
            // Rounding must not put a variable onto its bound.
            x.iter_mut().zip(d).for_each(|(x, d)| *x = (*x + length * d).max(1e-3 * *x));
        };
        add(&mut self.h, &step.h, length);
        add(&mut self.mu, &step.mu, length);
        add(&mut self.plus, &step.plus, length);
        add(&mut self.minus, &step.minus, length);
        add(&mut self.above, &step.p, -length);
        add(&mut self.below, &step.p, length);
    }
}

/// How the systems of the steps are solved.
pub(super) struct Systems {
    cholesky: Option<Cholesky>,
    /// Whether this step's system is factored, and whether to ask for products still.
    factored: bool,
    iterative: bool,
}

impl Systems {
    pub(super) fn new(size: usize) -> Self {
        Self { cholesky: None, factored: false, iterative: size >= LARGE }
    }

    /// Another system follows.
    fn begin(&mut self) {
        self.factored = false;
    }

    /// Solves a system in place; false where it is singular in this arithmetic.
    fn solve(
        &mut self,
        system: &System<'_>,
        pull: &mut [f64],
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool, SolverError> {
        if self.iterative {
            let given = pull.to_vec();
            if system.solve(pull, interrupted)? {
                return Ok(true);
            }
            pull.copy_from_slice(&given);
            // The same Gram matrix would ask for as many in the next step.
            self.iterative = false;
        }
        let cholesky = self.cholesky.get_or_insert_with(|| Cholesky::new(pull.len()));
        let mut ridge = 0.0;
        for _ in 0..8 {
            if self.factored {
                break;
            }
            self.factored = cholesky.factor(|i, row| fill(system, ridge, i, row), interrupted)?;
            ridge = 100.0 * ridge.max(RIDGE);
        }
        if self.factored {
            cholesky.solve(pull);
        }
        Ok(self.factored)
    }
}

/// Row `i` of the lower half of a system.
fn fill(system: &System<'_>, ridge: f64, i: usize, row: &mut [f64]) {
    row.copy_from_slice(&system.gram[i * system.diagonal.len()..][..=i]);
    let tie = |j: Option<usize>| j.and_then(|j| system.ties.get(j)).copied().unwrap_or(0.0);
    let (before, after) = (tie(i.checked_sub(1)), tie(Some(i)));
    row[i] += system.diagonal[i] + before + after + ridge;
    if i > 0 {
        row[i - 1] -= before;
    }
}
