//! The proof that an answer is near the optimum: a duality gap, from the trace itself.
//!
//! Every `z >= 0` gives a dual point `u = G'(m - z)`, and for sources `q >= 0`
//!
//! ```text
//! primal - dual = Σ q z + ½ Σ (r + u)²,    r = K q + b - y
//! ```
//!
//! holds exactly, without a difference of large numbers, whoever found `q` and `z`. Where frames were
//! not recorded `u` must vanish; the price `K'u` is then computed anew and `u` scaled until it is at
//! most `m`. An offset `b >= floor` asks for `Σ u <= 0` and adds `(b - floor) (-Σ u)`; an upper bound
//! splits `m - K'u` into its positive and its negative part.
//!
//! Derivation: `docs/explanation/model.md`.

use crate::interior::Recursion;

/// The problem whose answer is judged.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// The trace without its baseline; NaN where no frame was recorded.
    pub trace: &'a [f64],
    /// Calcium dynamics.
    pub recursion: Recursion,
    /// Half-open ranges of frames over which calcium runs through.
    pub segments: &'a [(usize, usize)],
    /// Weight of `Σ q`.
    pub m: f64,
    /// Upper bound of `q`; infinite where there is none.
    pub bound: f64,
    /// The constant offset.
    pub offset: f64,
    /// Least offset, where it was estimated.
    pub floor: Option<f64>,
}

/// Gap and objective, in squared units of the trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Certificate {
    /// Upper bound on `objective` minus the optimum.
    pub gap: f64,
    /// `½ Σ w r² + m Σ q`.
    pub objective: f64,
    /// `½ Σ w y²`.
    pub power: f64,
}

impl Certificate {
    /// Whether the gap is at most `max(tol P, tol² P(0))`.
    ///
    /// Near a perfect fit no relative gap can be reached, hence the second bound.
    #[must_use]
    pub fn holds(&self, tol: f64) -> bool {
        self.gap.is_finite() && self.gap <= (tol * self.objective).max(tol * tol * self.power)
    }
}

/// Zeroes the sources whose removal lowers the objective; that makes the answer sparse.
///
/// Without `q` the objective changes by `-(m - price) q + ½ |k|² q²`, with `k` the calcium of one unit
/// of source.
pub fn clean(problem: &Problem<'_>, sources: &mut [f64], prices: &[f64]) {
    let energy = problem.recursion.energy();
    for (q, price) in sources.iter_mut().zip(prices) {
        if problem.m - price > energy * *q {
            *q = 0.0;
        }
    }
}

/// Judges `sources`, given a price `K'u` of each; what exceeds `m` is cut unless there is an upper bound.
///
/// `sources[t]` reaches frame `t`; the first entry of a segment is ignored. `calcium` receives `K q`.
#[must_use]
pub fn certify(
    problem: &Problem<'_>,
    sources: &[f64],
    prices: &[f64],
    calcium: &mut [f64],
) -> Certificate {
    let primal = evaluate(problem, sources, calcium);
    let dual = bound(problem, sources, prices, calcium);
    let shrink = if problem.bound.is_finite() || dual.highest <= problem.m {
        0.0
    } else {
        1.0 - problem.m / dual.highest
    };
    let distance = dual.distance - 2.0 * shrink * dual.projection + shrink * shrink * dual.norm;
    // Before a segment's first source `u` is free and takes the value that costs nothing.
    let total = (1.0 - shrink) * dual.total - primal.starts;
    let objective = 0.5 * primal.squares + problem.m * primal.sources;
    let gap = dual.slack + shrink * dual.value + 0.5 * distance + primal.offset_gap(problem, total);
    // No objective is below 0, so that of 0 is optimal, whatever rounding leaves of the gap.
    Certificate { gap: gap.min(objective), objective, power: primal.power }
}

#[derive(Default)]
struct Primal {
    squares: f64,
    sources: f64,
    residual: f64,
    starts: f64,
    calcium: f64,
    frames: f64,
    power: f64,
}

impl Primal {
    /// What the offset adds: its complementarity, or the cost of moving `u` until `Σ u <= 0`.
    fn offset_gap(&self, problem: &Problem<'_>, total: f64) -> f64 {
        let Some(floor) = problem.floor else { return 0.0 };
        if total <= 0.0 || self.frames == 0.0 {
            return -total * (problem.offset - floor);
        }
        let shift = total / self.frames;
        shift * (self.calcium - self.residual - total) + 0.5 * shift * total
    }
}

fn evaluate(problem: &Problem<'_>, sources: &[f64], calcium: &mut [f64]) -> Primal {
    let [g1, g2, _] = problem.recursion.rows();
    let mut primal = Primal::default();
    for &(start, end) in problem.segments {
        let (mut c1, mut c2) = (0.0, 0.0);
        for t in start..end {
            let q = if t == start { 0.0 } else { sources[t] };
            let c = g1 * c1 + (g2 * c2 + q);
            (c2, c1) = (c1, c);
            calcium[t] = c;
            primal.sources += q;
            let y = problem.trace[t];
            if !y.is_nan() {
                let r = c + problem.offset - y;
                primal.squares += r * r;
                primal.residual += r;
                primal.calcium += c;
                primal.frames += 1.0;
                primal.power += 0.5 * y * y;
                primal.starts += if t == start { r } else { 0.0 };
            }
        }
    }
    primal
}

#[derive(Default)]
struct Dual {
    slack: f64,
    value: f64,
    distance: f64,
    projection: f64,
    norm: f64,
    total: f64,
    highest: f64,
}

fn bound(problem: &Problem<'_>, sources: &[f64], prices: &[f64], calcium: &[f64]) -> Dual {
    let [g1, g2, _] = problem.recursion.rows();
    let boxed = problem.bound.is_finite();
    let gaps = problem.trace.iter().any(|y| y.is_nan());
    let mut dual = Dual::default();
    for &(start, end) in problem.segments {
        let (mut v1, mut v2, mut k1, mut k2) = (0.0, 0.0, 0.0, 0.0);
        for t in (start + 1..end).rev() {
            let wanted = if boxed { prices[t] } else { prices[t].min(problem.m) };
            let (mut price, mut u) = (wanted, wanted - g1 * v1 - g2 * v2);
            (v2, v1) = (v1, wanted);
            let y = problem.trace[t];
            let mut r = calcium[t] + problem.offset - y;
            if gaps {
                if y.is_nan() {
                    (r, u) = (0.0, 0.0);
                }
                price = u + g1 * k1 + g2 * k2;
                (k2, k1) = (k1, price);
            }
            let (q, slack) = (sources[t], problem.m - price);
            if boxed {
                dual.slack += q * slack.max(0.0) + (problem.bound - q) * (-slack).max(0.0);
            } else {
                dual.slack += q * slack;
                dual.value += q * price;
            }
            dual.distance += (r + u) * (r + u);
            dual.projection += (r + u) * u;
            dual.norm += u * u;
            dual.total += u;
            dual.highest = dual.highest.max(price);
        }
    }
    dual
}
