//! The first of the four fused passes over time of an interior-point iteration.
//!
//! A Newton step minimises, over the change `dq` of the sources and the change `db` of the offset,
//!
//! ```text
//! Σ ½ w (r + dr)² + Σ ½ D dq² + e dq,    dr[t] - db = g1 (dr[t-1] - db) + g2 (dr[t-2] - db) + dq[t]
//! ```
//!
//! with `r` the residual, `w` the 0/1 weight of a frame and `D`, `e` from the barrier. That is a
//! linear-quadratic control problem with a state of two numbers: going backward, the cost to go is a
//! quadratic of the last two values of `dr`, and its minimiser is a feedback
//! `dq[t] = gain1 dr[t-1] + gain2 dr[t-2] + feed[t]`; going forward, the feedback is played out. Nothing
//! cancels where a source is pinned to zero (`D` large), which a banded factorisation of the same
//! system cannot say of itself. The determinant of the quadratic is carried along, so that its
//! entries are sums of positive terms.

use fearless_simd::{Simd, f64x8, prelude::*};

use super::grid::{Grid, Row, Scalars, Shape};

/// Sums that the backward factorisation leaves behind.
#[derive(Clone, Debug)]
pub(super) struct FactorSums {
    /// `Σ w r²`.
    pub squares: Row,
    /// `Σ w r`.
    pub residual: Row,
    /// `Σ q`.
    pub source: Row,
    /// `Σ q z`, upper bounds included.
    pub products: Row,
    /// `Σ (w r + G'(m - z))²`: how far the multipliers are from dual feasibility.
    pub infeasibility: Row,
    /// The sum of what is squared there, with an offset.
    pub imbalance: Row,
    /// Curvature of the minimised cost along the offset.
    pub curvature: Row,
    /// Slope of the minimised cost along the offset.
    pub slope: Row,
    /// Cross terms of the minimised cost: residual and sparsity, offset and sparsity, residual and offset.
    pub cross: [Row; 3],
}

impl FactorSums {
    /// The sums over the windows of one trace, in every lane.
    pub(super) fn joined(&self) -> Self {
        Self {
            squares: self.squares.total(),
            residual: self.residual.total(),
            source: self.source.total(),
            products: self.products.total(),
            infeasibility: self.infeasibility.total(),
            imbalance: self.imbalance.total(),
            curvature: self.curvature.total(),
            slope: self.slope.total(),
            cross: self.cross.each_ref().map(Row::total),
        }
    }
}

/// Applies the pending step, then factorises and substitutes the affine right-hand side.
#[inline(always)]
pub(super) fn factor<S: Simd, K: Shape>(
    simd: S,
    shape: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> FactorSums {
    let zero = f64x8::splat(simd, 0.0);
    let pass = Pass::new(simd, grid, lanes);
    let mut sums = Sums::new(zero);
    let mut border = Border::new(zero);
    for &(start, end) in grid.segments.iter().rev() {
        let mut cost = Cost::new(zero);
        let mut dual = (zero, zero);
        border.restart(zero);
        for t in (start + 1..end).rev() {
            let stage = pass.advance(shape, grid, t, &mut dual, &mut sums);
            let gains = cost.gains(&pass, &stage);
            if K::OFFSET {
                let feed = border.step(shape, grid, t, (&pass, &stage, &gains, &cost));
                grid.feed_offset[t].set(feed);
            }
            let frame = &mut grid.frames[t];
            frame.gain1.set(gains.gain1);
            frame.gain2.set(gains.gain2);
            frame.pivot.set(gains.pivot);
            frame.feed.set(-(gains.force * gains.pivot));
            cost.step(&pass, &stage, &gains);
        }
        let frame = &mut grid.frames[start];
        let mut r = pass.moved(&mut frame.residual, frame.step_residual.get(simd));
        let mut weight = pass.one;
        if K::GAPS {
            weight = grid.weights[start].get(simd);
            r *= weight;
        }
        sums.squares += K::counted(simd, grid.counted, start, r * r);
        if K::OFFSET {
            border.finish(shape, grid, start, (simd, weight, r, &cost));
        }
    }
    FactorSums {
        squares: Row::of(sums.squares),
        residual: Row::of(border.residual),
        source: Row::of(sums.source),
        products: Row::of(sums.products),
        infeasibility: Row::of(sums.infeasibility),
        imbalance: Row::of(sums.imbalance),
        curvature: Row::of(border.curvature),
        slope: Row::of(border.slope),
        cross: [border.cross_rm, border.cross_bm, border.cross_rb].map(Row::of),
    }
}

/// What every frame of the pass uses.
#[derive(Clone, Copy)]
struct Pass<S: Simd> {
    simd: S,
    one: f64x8<S>,
    g1: f64x8<S>,
    g2: f64x8<S>,
    drift: f64x8<S>,
    m: f64x8<S>,
    bound: f64x8<S>,
    length: f64x8<S>,
}

/// Sums over the frames.
struct Sums<S: Simd> {
    squares: f64x8<S>,
    source: f64x8<S>,
    products: f64x8<S>,
    infeasibility: f64x8<S>,
    imbalance: f64x8<S>,
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    fn new(zero: f64x8<S>) -> Self {
        Self { squares: zero, source: zero, products: zero, infeasibility: zero, imbalance: zero }
    }
}

/// One frame after the pending step.
struct Stage<S: Simd> {
    weight: f64x8<S>,
    /// The weighted residual.
    r: f64x8<S>,
    /// The stiffness `z / q` of the source, as a fraction.
    numerator: f64x8<S>,
    denominator: f64x8<S>,
}

impl<S: Simd> Pass<S> {
    #[inline(always)]
    fn new(simd: S, grid: &Grid<'_>, lanes: &Scalars) -> Self {
        let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
        let (m, bound) = (lanes.sparsity.get(simd), lanes.bound.get(simd));
        let (one, length) = (f64x8::splat(simd, 1.0), lanes.length.get(simd));
        Self { simd, one, g1, g2, drift, m, bound, length }
    }

    /// Goes `step` along; a lane that is done keeps its bits whatever its step holds.
    #[inline(always)]
    fn moved(&self, row: &mut Row, step: f64x8<S>) -> f64x8<S> {
        let old = row.get(self.simd);
        let moving = self.length.simd_gt(f64x8::splat(self.simd, 0.0));
        let new = moving.select(old + self.length * step, old);
        row.set(new);
        new
    }

    /// Moves frame `t` and adds it to the sums; `dual` holds the last two values of `m - z`.
    #[inline(always)]
    fn advance<K: Shape>(
        &self,
        _: K,
        grid: &mut Grid<'_>,
        t: usize,
        dual: &mut (f64x8<S>, f64x8<S>),
        sums: &mut Sums<S>,
    ) -> Stage<S> {
        let simd = self.simd;
        let frame = &mut grid.frames[t];
        let mut r = self.moved(&mut frame.residual, frame.step_residual.get(simd));
        let q = self.moved(&mut frame.source, frame.step_source.get(simd));
        let z = self.moved(&mut frame.multiplier, frame.step_multiplier.get(simd));
        // The stiffness enters as a fraction, so that one division serves the frame.
        let (mut numerator, mut denominator) = (z, q);
        let mut price = self.m - z;
        sums.products += K::counted(simd, grid.counted, t, q * z);
        if K::BOX {
            let upper = &mut grid.uppers[t];
            let upper = self.moved(&mut upper.multiplier, upper.step.get(simd));
            let room = self.bound - q;
            (numerator, denominator) = (z * room + upper * q, q * room);
            price += upper;
            sums.products += K::counted(simd, grid.counted, t, room * upper);
        }
        let mut weight = self.one;
        if K::GAPS {
            weight = grid.weights[t].get(simd);
            r *= weight;
        }
        sums.squares += K::counted(simd, grid.counted, t, r * r);
        sums.source += K::counted(simd, grid.counted, t, q);
        let gap = r + (price - self.g1 * dual.0 - self.g2 * dual.1);
        sums.infeasibility += K::counted(simd, grid.counted, t, gap * gap);
        if K::OFFSET {
            sums.imbalance += K::counted(simd, grid.counted, t, gap);
        }
        *dual = (price, dual.0);
        Stage { weight, r, numerator, denominator }
    }
}

/// The cost to go, `½ p11 d1² + p12 d1 d2 + ½ p22 d2² + p1 d1 + p2 d2`, and its determinant.
struct Cost<S: Simd> {
    p11: f64x8<S>,
    p12: f64x8<S>,
    p22: f64x8<S>,
    det: f64x8<S>,
    p1: f64x8<S>,
    p2: f64x8<S>,
}

/// The feedback of one frame's source, and what it is made of.
struct Gains<S: Simd> {
    gain1: f64x8<S>,
    gain2: f64x8<S>,
    pivot: f64x8<S>,
    /// Share of the curvature that is the source's own stiffness.
    share: f64x8<S>,
    h: f64x8<S>,
    a: f64x8<S>,
    lean: f64x8<S>,
    force: f64x8<S>,
}

impl<S: Simd> Cost<S> {
    #[inline(always)]
    fn new(zero: f64x8<S>) -> Self {
        Self { p11: zero, p12: zero, p22: zero, det: zero, p1: zero, p2: zero }
    }

    #[inline(always)]
    fn gains(&self, pass: &Pass<S>, stage: &Stage<S>) -> Gains<S> {
        let h = stage.weight + self.p11;
        let a = h * pass.g1 + self.p12;
        let inverse = pass.one / (h * stage.denominator + stage.numerator);
        let (pivot, share) = (stage.denominator * inverse, stage.numerator * inverse);
        let (gain1, gain2) = (-(a * pivot), -(h * pass.g2 * pivot));
        let lean = stage.r + self.p1;
        Gains { gain1, gain2, pivot, share, h, a, lean, force: lean + pass.m }
    }

    #[inline(always)]
    fn step(&mut self, pass: &Pass<S>, stage: &Stage<S>, gains: &Gains<S>) {
        let (g1, g2) = (pass.g1, pass.g2);
        let Gains { gain1, gain2, pivot, share, h, a, lean, force } = *gains;
        (self.p1, self.p2) = (g1 * lean + self.p2 + gain1 * force, g2 * lean + gain2 * force);
        let minor = self.det + stage.weight * self.p22;
        (self.p11, self.p12, self.p22, self.det) = (
            share * (g1 * (a + self.p12) + self.p22) + pivot * minor,
            g2 * share * a,
            g2 * g2 * share * h,
            g2 * g2 * share * minor,
        );
    }
}

/// The cost to go along the offset, and its cross terms with residual (r) and sparsity (m).
struct Border<S: Simd> {
    residual: f64x8<S>,
    curvature: f64x8<S>,
    slope: f64x8<S>,
    cross_rm: f64x8<S>,
    cross_bm: f64x8<S>,
    cross_rb: f64x8<S>,
    b: (f64x8<S>, f64x8<S>),
    r: (f64x8<S>, f64x8<S>),
    m: (f64x8<S>, f64x8<S>),
}

impl<S: Simd> Border<S> {
    #[inline(always)]
    fn new(zero: f64x8<S>) -> Self {
        Self {
            residual: zero,
            curvature: zero,
            slope: zero,
            cross_rm: zero,
            cross_bm: zero,
            cross_rb: zero,
            b: (zero, zero),
            r: (zero, zero),
            m: (zero, zero),
        }
    }

    #[inline(always)]
    fn restart(&mut self, zero: f64x8<S>) {
        (self.b, self.r, self.m) = ((zero, zero), (zero, zero), (zero, zero));
    }

    /// Adds a frame; returns the feedback of its source on the offset.
    #[inline(always)]
    fn step<K: Shape>(
        &mut self,
        _: K,
        grid: &Grid<'_>,
        t: usize,
        (pass, stage, gains, cost): (&Pass<S>, &Stage<S>, &Gains<S>, &Cost<S>),
    ) -> f64x8<S> {
        let Pass { simd, g1, g2, drift, one, .. } = *pass;
        let add = |sum: &mut f64x8<S>, value| *sum += K::counted(simd, grid.counted, t, value);
        let Gains { gain1, gain2, pivot, h, lean, force, .. } = *gains;
        let ((b1, b2), (r1, r2), (m1, m2)) = (self.b, self.r, self.m);
        add(&mut self.residual, stage.r);
        let offset_force = h * drift + b1;
        let feed = -(offset_force * pivot);
        add(&mut self.curvature, drift * (h * drift + b1 + b1) + offset_force * feed);
        add(&mut self.slope, lean * drift + force * feed);
        let lean_r = stage.r + r1;
        let sparse_force = m1 + one;
        add(&mut self.cross_rb, lean_r * drift + lean_r * feed);
        add(&mut self.cross_bm, m1 * drift + sparse_force * feed);
        add(&mut self.cross_rm, -(lean_r * pivot * sparse_force));
        self.b = (
            g1 * offset_force + cost.p12 * drift + b2 + gain1 * offset_force,
            g2 * offset_force + gain2 * offset_force,
        );
        self.r = (g1 * lean_r + r2 + gain1 * lean_r, g2 * lean_r + gain2 * lean_r);
        self.m = (g1 * m1 + m2 + gain1 * sparse_force, g2 * m1 + gain2 * sparse_force);
        feed
    }

    /// Adds the first frame of a segment, which no source reaches.
    #[inline(always)]
    fn finish<K: Shape>(
        &mut self,
        _: K,
        grid: &Grid<'_>,
        t: usize,
        (simd, weight, r, cost): (S, f64x8<S>, f64x8<S>, &Cost<S>),
    ) {
        let add = |sum: &mut f64x8<S>, value| *sum += K::counted(simd, grid.counted, t, value);
        let ((b1, b2), (r1, r2), (m1, m2)) = (self.b, self.r, self.m);
        add(&mut self.residual, r);
        let curvature = weight + cost.p11 + cost.p12 + cost.p12 + cost.p22 + (b1 + b2) + (b1 + b2);
        add(&mut self.curvature, curvature);
        add(&mut self.slope, r + cost.p1 + cost.p2);
        add(&mut self.cross_rb, r + r1 + r2);
        add(&mut self.cross_bm, m1 + m2);
    }
}
