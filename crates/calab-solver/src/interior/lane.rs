//! What one lane decides between the passes: step length, centring, sparsity, when to stop.

use super::factor::FactorSums;
use super::grid::{Row, Scalars};
use super::problem::{Outcome, Recursion, Rule, Settings, Sparsity, Task};
use super::start::Survey;
use super::steps::AffineSums;

/// Share of the way to the boundary that a step may go.
const DAMPING: f64 = 0.99;
/// First sources, in units of what holds calcium at the trace's scale; first multipliers, in units of
/// the highest price and of a given sparsity. Of the values tried these took the fewest iterations.
const FIRST_SOURCE: f64 = 2.0;
const FIRST_MULTIPLIER: f64 = 0.01;
const FIRST_SPARSITY: f64 = 0.3;
/// Multipliers do not start from a lower price than this share of what constant residuals would pay:
/// from too near a corner there is no way on.
const LEAST_PRICE: f64 = 1e-3;
/// Per frame, how many products that of the offset counts for: in proportion, so that a recording and
/// several copies of it take the same steps.
const OFFSET_SHARE: f64 = 3e-3;
/// After a step shorter than this, at least this share of the products is kept: an iterate that has
/// come too near a corner must go back to the middle before it can go on.
const SHORT: f64 = 0.1;
const RECENTRE: f64 = 0.3;
/// Mehrotra's steps may go round in a circle (Cartis 2009, doi:10.1007/s10589-008-9192-3): after so many
/// iterations without a gap smaller by `PROGRESS`, the second-order products are left out for good.
const CIRCLE: usize = 5;
const PROGRESS: f64 = 0.9;
/// The sparsity is frozen once it would move by less than this share.
const FREEZE: f64 = 0.005;
/// Relative gap below which a prediction of the residual is worth following.
const TRUST: f64 = 0.5;
/// Iterations after which the sparsity is frozen where it stands.
const PATIENCE: usize = 60;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Active,
    /// The gap is closed, or no step of useful length is left or allowed.
    Done,
}

/// The scalars of one lane; sources and multipliers live in the frames.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    state: State,
    tol: f64,
    max_iters: usize,
    scale: f64,
    /// `m / lam` in the units of the solver.
    weight: f64,
    sparsity: Sparsity,
    m: f64,
    frozen: bool,
    rule: Rule,
    bound: f64,
    frames: f64,
    pairs: f64,
    /// Half the squared trace, and half its distance from the best constant.
    power: f64,
    constant_power: f64,
    floor: Option<f64>,
    /// The floor in the units of the trace.
    least_offset: f64,
    offset: f64,
    /// How many products the one of the offset counts for.
    offset_share: f64,
    offset_multiplier: f64,
    step_offset: f64,
    step_multiplier: f64,
    offset_product: f64,
    curvature: f64,
    sensitivity: f64,
    products: f64,
    squares: f64,
    centre: f64,
    length: f64,
    /// Length of the step before.
    last: f64,
    /// Weight of the second-order products.
    correction: f64,
    /// The smallest gap, and the iterations since it was found.
    best: (f64, usize),
    start: (f64, f64),
    iterations: usize,
    gap: f64,
    objective: f64,
}

impl Lane {
    /// A lane for `task` of so many sources, or an idle one.
    pub(super) fn new(
        settings: &Settings,
        task: Option<&Task<'_>>,
        survey: &Survey,
        sources: usize,
        l: usize,
    ) -> Self {
        let recursion = Recursion::new(&settings.ar2);
        let (frames, total, squares) = (survey.frames.0[l], survey.total.0[l], survey.squares.0[l]);
        let scale = (squares / frames.max(1.0)).sqrt();
        let usable = task.is_some() && scale > 0.0 && scale.is_finite();
        let scale = if usable { scale } else { 1.0 };
        let floor = task.and_then(|task| task.offset_floor).map(|floor| floor / scale);
        let mean = total / frames.max(1.0) / scale;
        let offset = floor.map_or(0.0, |floor| mean.max(floor));
        let power = 0.5 * squares / (scale * scale);
        let constant_power = power + 0.5 * frames * offset * (offset - 2.0 * mean);
        let per_source = if settings.boxed { 2.0 } else { 1.0 };
        let offset_share = if floor.is_some() { OFFSET_SHARE * frames } else { 0.0 };
        let pairs = per_source * sources as f64 + offset_share;
        Self {
            state: if usable && sources > 0 { State::Active } else { State::Done },
            tol: settings.tol,
            max_iters: settings.max_iters,
            scale,
            weight: 1.0 / (recursion.drift() * scale),
            sparsity: task.map_or(Sparsity::Given(0.0), |task| task.sparsity),
            m: 0.0,
            frozen: true,
            rule: Rule::Given,
            bound: if settings.boxed { 1.0 / (settings.ar2.peak * scale) } else { f64::INFINITY },
            frames,
            pairs,
            power,
            constant_power,
            floor,
            least_offset: task.and_then(|task| task.offset_floor).unwrap_or(0.0),
            offset,
            offset_share,
            offset_multiplier: 0.0,
            step_offset: 0.0,
            step_multiplier: 0.0,
            offset_product: 0.0,
            curvature: 1.0,
            sensitivity: 0.0,
            products: 0.0,
            squares: 0.0,
            centre: 0.0,
            length: 0.0,
            last: 1.0,
            correction: 1.0,
            best: (f64::INFINITY, 0),
            start: (0.0, 0.0),
            iterations: 0,
            gap: 0.0,
            objective: 0.0,
        }
    }

    /// Chooses the sparsity and the first iterate; `price` is the largest `K'w(y - b)`.
    pub(super) fn begin(&mut self, price: f64, drift: f64) {
        let price = price.max(0.0);
        match self.sparsity {
            Sparsity::Given(lam) => self.m = lam * self.weight,
            Sparsity::Residual { target, low, high } => {
                let (low, high) = (low * self.weight, high * self.weight);
                self.frozen = false;
                self.rule = Rule::Target;
                self.m = high.min(price).max(low);
                if low >= high {
                    self.frozen = true;
                    self.rule = Rule::Clamp;
                }
                let target = target / (self.scale * self.scale);
                // What rounding leaves of a flat trace is no event.
                let rounding = self.frames * f64::EPSILON * self.power;
                if 2.0 * self.constant_power <= target.max(rounding) {
                    self.m = high.max(price);
                    self.rule = Rule::NoEvents;
                }
            }
        }
        if self.bound.is_finite() {
            self.m = 0.0;
        }
        // Prices are sums of residuals of order 1; what rounding leaves of them buys nothing.
        if self.state == State::Active && price <= self.m + f64::EPSILON / drift {
            self.state = State::Done;
            if self.rule != Rule::Given {
                self.rule = Rule::NoEvents;
            }
        }
        if self.state == State::Active && self.max_iters == 0 {
            self.state = State::Done;
            self.rule = if self.frozen { self.rule } else { Rule::Clamp };
        }
        if self.state == State::Done {
            return;
        }
        let source = if self.bound.is_finite() { 0.5 * self.bound } else { FIRST_SOURCE * drift };
        let sparsity = if self.frozen { FIRST_SPARSITY * self.m } else { self.m };
        self.start = (source, (FIRST_MULTIPLIER * price.max(LEAST_PRICE / drift)).max(sparsity));
        if let Some(floor) = self.floor {
            self.offset = self.offset.max(floor + 0.1);
            self.offset_multiplier = self.offset_share * self.start.1;
        }
    }

    /// Whether the lane takes steps.
    pub(super) fn active(&self) -> bool {
        self.state == State::Active
    }

    fn room(&self) -> f64 {
        self.floor.map_or(f64::INFINITY, |floor| self.offset - floor)
    }

    fn tolerance(&self, objective: f64) -> f64 {
        (self.tol * objective).max(self.tol * self.tol * self.power)
    }

    /// Judges the iterate that the factorisation saw, and solves for the affine change of the offset.
    pub(super) fn assess(&mut self, sums: &FactorSums, l: usize) {
        self.length = 0.0;
        if self.state != State::Active {
            return;
        }
        self.squares = sums.squares.0[l];
        self.products = sums.products.0[l];
        let mut unsettled = 0.0;
        self.curvature = 1.0;
        self.sensitivity = sums.cross[0].0[l];
        self.step_offset = 0.0;
        if self.floor.is_some() {
            let room = self.room();
            self.products += self.offset_multiplier * room;
            // The proof charges the room for the prices' sum, which so far is off the multiplier.
            let sum = sums.residual.0[l] - sums.imbalance.0[l];
            unsettled = (sum - self.offset_multiplier).abs() * (room + 1.0);
            self.curvature = sums.curvature.0[l] + self.offset_multiplier / room;
            self.sensitivity -= sums.cross[1].0[l] * sums.cross[2].0[l] / self.curvature;
            self.step_offset = -sums.slope.0[l] / self.curvature;
            self.step_multiplier = -self.offset_multiplier * (1.0 + self.step_offset / room);
        }
        self.objective = 0.5 * self.squares + self.m * sums.source.0[l];
        self.gap = self.products + 0.5 * sums.infeasibility.0[l] + unsettled;
        self.best = if self.gap < PROGRESS * self.best.0 {
            (self.gap, 0)
        } else {
            (self.best.0, self.best.1 + 1)
        };
        if self.best.1 >= CIRCLE {
            self.correction = 0.0;
        }
        let closed = self.frozen && self.gap <= self.tolerance(self.objective);
        if closed || !self.gap.is_finite() || self.iterations >= self.max_iters {
            self.state = State::Done;
            if !self.frozen {
                self.rule = Rule::Clamp;
            }
        }
    }

    /// Chooses the centring, and the sparsity while it is free, from the affine step.
    pub(super) fn predict(&mut self, affine: &AffineSums, l: usize) {
        if self.state != State::Active {
            return;
        }
        let mut steepest = affine.steepest.0[l].max(1.0);
        let mut second = affine.products.0[l];
        self.offset_product = 0.0;
        if self.floor.is_some() {
            let relative = self.step_offset / self.room();
            steepest = steepest.max(-relative).max(1.0 + relative);
            self.offset_product = self.step_offset * self.step_multiplier;
            second += self.offset_product;
        }
        let length = 1.0 / steepest;
        let left = ((1.0 - length) + length * length * second / self.products).max(0.0);
        // Mehrotra's third power leaves more to centre than these well-scaled problems need.
        let careful = self.last < SHORT || self.correction < 1.0;
        let share = if careful { left.powi(4).max(RECENTRE) } else { left.powi(4) };
        self.centre = share * self.products / self.pairs;
        if !self.frozen {
            self.retarget(affine.squares.0[l]);
        }
    }

    /// Moves the sparsity towards the residual it is to leave.
    fn retarget(&mut self, squares: f64) {
        let Sparsity::Residual { target, low, high } = self.sparsity else { return };
        if self.iterations >= PATIENCE {
            self.frozen = true;
            self.rule = Rule::Clamp;
            return;
        }
        if self.gap > TRUST * self.objective {
            return;
        }
        let (low, high) = (low * self.weight, high * self.weight);
        let target = target / (self.scale * self.scale);
        let wanted = self.m + (target - squares) / (2.0 * self.sensitivity).max(f64::MIN_POSITIVE);
        let next = wanted.clamp(0.5 * self.m, 2.0 * self.m).clamp(low, high);
        let moved = (next - self.m).abs();
        self.frozen = moved <= FREEZE * self.m && self.gap <= 0.01 * self.objective;
        self.m = next;
        if self.frozen && (next <= low || next >= high) {
            self.rule = Rule::Clamp;
        }
    }

    /// Solves for the corrected change of the offset.
    pub(super) fn aim(&mut self, slope: f64) {
        if self.state != State::Active || self.floor.is_none() {
            return;
        }
        let (room, wanted) = (self.room(), self.centre - self.correction * self.offset_product);
        self.step_offset = -(slope - wanted / room) / self.curvature;
        self.step_multiplier =
            (wanted - self.offset_multiplier * self.step_offset) / room - self.offset_multiplier;
    }

    /// Takes the step as far as the boundary allows.
    pub(super) fn step(&mut self, steepest: f64) {
        if self.state != State::Active {
            return;
        }
        let mut steepest = steepest;
        if self.floor.is_some() {
            steepest = steepest
                .max(-self.step_offset / self.room())
                .max(-self.step_multiplier / self.offset_multiplier);
        }
        self.length = (DAMPING / steepest).min(1.0);
        self.last = self.length;
        self.iterations += 1;
        if !self.length.is_finite() || self.length < 1e-10 {
            self.length = 0.0;
            self.state = State::Done;
            return;
        }
        self.offset += self.length * self.step_offset;
        self.offset_multiplier += self.length * self.step_multiplier;
    }

    /// The answer in the units of the trace.
    pub(super) fn outcome(&self) -> Outcome {
        let lam = match self.sparsity {
            _ if self.bound.is_finite() => 0.0,
            Sparsity::Given(lam) => lam,
            Sparsity::Residual { .. } => self.m / self.weight,
        };
        Outcome {
            lam,
            rule: self.rule,
            // Scaling there and back rounds.
            offset: (self.offset * self.scale).max(self.least_offset),
            weight: if self.start.0 > 0.0 { self.m } else { 0.0 },
            scale: self.scale,
            iterations: self.iterations,
        }
    }
}

impl Scalars {
    /// Gathers what the passes read.
    pub(super) fn update(&mut self, lanes: &[Lane]) {
        for (l, lane) in lanes.iter().enumerate() {
            self.inverse_scale.0[l] = 1.0 / lane.scale;
            self.sparsity.0[l] = lane.m;
            self.bound.0[l] = lane.bound;
            self.length.0[l] = lane.length;
            self.step_offset.0[l] = lane.step_offset;
            self.centre.0[l] = lane.centre;
            self.correction.0[l] = lane.correction;
            self.offset.0[l] = lane.offset;
            self.start_source.0[l] = lane.start.0;
            self.start_multiplier.0[l] = lane.start.1;
        }
    }
}

impl Default for Scalars {
    fn default() -> Self {
        let row = Row::splat(0.0);
        Self {
            inverse_scale: row,
            sparsity: row,
            bound: row,
            length: row,
            step_offset: row,
            centre: row,
            correction: row,
            offset: row,
            start_source: row,
            start_multiplier: row,
        }
    }
}
