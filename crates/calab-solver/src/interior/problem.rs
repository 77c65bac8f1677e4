//! What the interior-point solver is asked, and what it answers, per cell.

use crate::ar2::Ar2;

/// The recursion `c[t] = g1 c[t-1] + g2 c[t-2] + q[t]` in the units of the solver.
///
/// `q[t] = s[t-1] / p` is the source that reaches frame `t`; a constant `q` of `drift` holds `c` at 1.
#[derive(Clone, Copy, Debug)]
pub struct Recursion {
    g1: f64,
    g2: f64,
    drift: f64,
    energy: f64,
}

impl Recursion {
    /// The recursion of a kernel.
    #[must_use]
    pub fn new(ar2: &Ar2) -> Self {
        let (d, r) = (ar2.decay_root, ar2.rise_root);
        let drift = 1.0 / (ar2.peak * ar2.dc_gain);
        let energy = (1.0 + d * r) / ((1.0 - d * r) * drift * (1.0 + d) * (1.0 + r));
        Self { g1: ar2.g1, g2: ar2.g2, drift, energy }
    }

    /// `g1`, `g2` and `drift`.
    #[must_use]
    pub fn rows(self) -> [f64; 3] {
        [self.g1, self.g2, self.drift]
    }

    /// Squared norm of the calcium of one unit of source, `Σ ((d^k - r^k) / (d - r))²`.
    #[must_use]
    pub fn energy(self) -> f64 {
        self.energy
    }

    /// The source per frame that holds calcium at 1.
    #[must_use]
    pub fn drift(self) -> f64 {
        self.drift
    }
}

/// How the weight of the sum of sources is chosen.
#[derive(Clone, Copy, Debug)]
pub enum Sparsity {
    /// This `lam`, in the documented units.
    Given(f64),
    /// The largest `lam` in `low..=high` whose squared residual stays within `target`.
    Residual {
        /// Bound on `Σ w (y - b - c)²`.
        target: f64,
        /// Least `lam`.
        low: f64,
        /// Largest `lam`.
        high: f64,
    },
}

/// One cell.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// The trace without its baseline; NaN where no frame was recorded.
    pub trace: &'a [f64],
    /// Weight of the sum of sources.
    pub sparsity: Sparsity,
    /// The offset is estimated with this lower bound, or is 0.
    pub offset_floor: Option<f64>,
}

/// What all cells of a call share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Calcium dynamics.
    pub ar2: Ar2,
    /// Half-open ranges of frames over which calcium runs through.
    pub segments: Vec<(usize, usize)>,
    /// Sources lie in `[0, 1]` instead of `[0, ∞)`.
    pub boxed: bool,
    /// A constant offset is estimated; every task then has a floor.
    pub offset: bool,
    /// Certified means `gap <= max(tol P, tol² P(0))`.
    pub tol: f64,
    /// Most iterations.
    pub max_iters: usize,
}

/// What decided `lam`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The caller.
    Given,
    /// The residual reached its target.
    Target,
    /// The target lies beyond the range of `lam`, or was not reached.
    Clamp,
    /// A constant explains the trace.
    NoEvents,
}

/// What was decided for one cell; its sources and multipliers stay in the block.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The `lam` that was used.
    pub lam: f64,
    /// What decided it.
    pub rule: Rule,
    /// The constant offset `b`.
    pub offset: f64,
    /// What the lane's multipliers are subtracted from to give prices.
    pub weight: f64,
    /// What the sources and multipliers of the lane are multiplied with.
    pub scale: f64,
    /// Interior-point iterations.
    pub iterations: usize,
}
