//! The four fused passes over time of one interior-point iteration, eight cells in lanes.
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

use super::problem::Recursion;

/// Cells side by side.
pub const LANES: usize = 8;

/// One value per lane.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Row(pub [f64; LANES]);

impl Row {
    /// The same value in every lane.
    pub const fn splat(value: f64) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    pub(super) fn of<S: Simd>(value: f64x8<S>) -> Self {
        Self(value.into())
    }

    #[inline(always)]
    pub(super) fn get<S: Simd>(&self, simd: S) -> f64x8<S> {
        f64x8::load_array_ref(simd, &self.0)
    }

    #[inline(always)]
    pub(super) fn set<S: Simd>(&mut self, value: f64x8<S>) {
        value.store_array(&mut self.0);
    }
}

/// What the solver keeps of one frame; a cache line each.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Frame {
    /// Model minus trace.
    pub residual: Row,
    /// The source `q` that reaches this frame.
    pub source: Row,
    /// The multiplier `z` of `q >= 0`.
    pub multiplier: Row,
    /// Change of `residual`.
    pub step_residual: Row,
    /// Change of `source`.
    pub step_source: Row,
    /// Change of `multiplier`; between the passes the product of the affine changes, then the
    /// multiplier that it and the centring ask for.
    pub step_multiplier: Row,
    gain1: Row,
    gain2: Row,
    pivot: Row,
    feed: Row,
}

/// What only some problems need of a frame: gaps, an upper bound, a joint offset.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Extra {
    /// 1 where the frame was recorded, 0 where it was not.
    pub weight: Row,
    /// The multiplier of `q <= bound`.
    pub upper: Row,
    /// Change of `upper`, used like `step_multiplier`.
    pub step_upper: Row,
    feed_offset: Row,
}

impl Frame {
    /// A frame of zeros.
    pub const ZERO: Self = {
        let row = Row::splat(0.0);
        Self {
            residual: row,
            source: row,
            multiplier: row,
            step_residual: row,
            step_source: row,
            step_multiplier: row,
            gain1: row,
            gain2: row,
            pivot: row,
            feed: row,
        }
    };
}

impl Extra {
    /// A recorded frame with no multiplier.
    pub const RECORDED: Self = {
        let zero = Row::splat(0.0);
        Self { weight: Row::splat(1.0), upper: zero, step_upper: zero, feed_offset: zero }
    };
}

/// Which parts of [`Extra`] a pass reads.
pub trait Shape: Copy {
    /// Frames may be unrecorded.
    const GAPS: bool;
    /// A constant offset is estimated jointly.
    const OFFSET: bool;
    /// Sources have an upper bound.
    const BOX: bool;
}

/// The per-lane numbers that a pass reads.
#[derive(Clone, Debug)]
pub struct Scalars {
    /// Brings a trace to a root mean square of 1.
    pub inverse_scale: Row,
    /// Weight of the sum of sources.
    pub sparsity: Row,
    /// Upper bound of a source.
    pub bound: Row,
    /// Length of the step to apply; 0 in a lane that is done.
    pub length: Row,
    /// Change of the offset along the step.
    pub step_offset: Row,
    /// Target of the complementarity products.
    pub centre: Row,
    /// The offset.
    pub offset: Row,
    /// Source of the first iterate.
    pub start_source: Row,
    /// Multiplier of the first iterate.
    pub start_multiplier: Row,
}

/// The state of all frames of a block, and the time axis they share.
pub struct Grid<'a> {
    /// Recursion coefficients, the same for every lane.
    pub recursion: Recursion,
    /// Half-open ranges of frames over which calcium runs through.
    pub segments: &'a [(usize, usize)],
    /// One entry a frame.
    pub frames: &'a mut [Frame],
    /// One entry a frame where the shape needs it, else empty.
    pub extras: &'a mut [Extra],
}

/// Sums that the backward factorisation leaves behind.
#[derive(Clone, Debug)]
pub struct FactorSums {
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
    /// Curvature of the minimised cost along the offset.
    pub curvature: Row,
    /// Slope of the minimised cost along the offset.
    pub slope: Row,
    /// Cross terms of the minimised cost: residual and sparsity, offset and sparsity, residual and offset.
    pub cross: [Row; 3],
}

/// Applies the pending step, then factorises and substitutes the affine right-hand side.
#[inline(always)]
pub fn factor<S: Simd, K: Shape>(
    simd: S,
    _: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> FactorSums {
    let zero = f64x8::splat(simd, 0.0);
    let one = f64x8::splat(simd, 1.0);
    let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (m, bound, length) =
        (lanes.sparsity.get(simd), lanes.bound.get(simd), lanes.length.get(simd));
    let moving = length.simd_gt(zero);
    let advance = |row: &mut Row, step: f64x8<S>| {
        let old = row.get(simd);
        let new = moving.select(old + length * step, old);
        row.set(new);
        new
    };
    let (mut squares, mut residual_sum, mut source_sum) = (zero, zero, zero);
    let (mut products, mut infeasibility) = (zero, zero);
    let (mut curvature, mut slope) = (zero, zero);
    // Cross terms for the sensitivity: residual with sparsity, offset with sparsity, and with residual.
    let (mut cross_rm, mut cross_bm, mut cross_rb) = (zero, zero, zero);
    for &(start, end) in grid.segments.iter().rev() {
        let (mut p11, mut p12, mut p22, mut det) = (zero, zero, zero, zero);
        let (mut p1, mut p2, mut v1, mut v2) = (zero, zero, zero, zero);
        let (mut b1, mut b2) = (zero, zero);
        let (mut r1, mut r2, mut m1, mut m2) = (zero, zero, zero, zero);
        for t in (start + 1..end).rev() {
            let frame = &mut grid.frames[t];
            let mut r = advance(&mut frame.residual, frame.step_residual.get(simd));
            let q = advance(&mut frame.source, frame.step_source.get(simd));
            let z = advance(&mut frame.multiplier, frame.step_multiplier.get(simd));
            // The stiffness `z / q` enters as a fraction, so that one division serves the frame.
            let (mut numerator, mut denominator) = (z, q);
            let mut price = m - z;
            products += q * z;
            if K::BOX {
                let extra = &mut grid.extras[t];
                let upper = advance(&mut extra.upper, extra.step_upper.get(simd));
                let room = bound - q;
                (numerator, denominator) = (z * room + upper * q, q * room);
                price += upper;
                products += room * upper;
            }
            let mut weight = one;
            if K::GAPS {
                weight = grid.extras[t].weight.get(simd);
                r *= weight;
            }
            squares += r * r;
            source_sum += q;
            let dual = r + (price - g1 * v1 - g2 * v2);
            infeasibility += dual * dual;
            (v2, v1) = (v1, price);

            let h = weight + p11;
            let a = h * g1 + p12;
            let inverse = one / (h * denominator + numerator);
            let (pivot, share) = (denominator * inverse, numerator * inverse);
            let (gain1, gain2) = (-(a * pivot), -(h * g2 * pivot));
            let lean = r + p1;
            let force = lean + m;
            if K::OFFSET {
                residual_sum += r;
                let offset_force = h * drift + b1;
                let feed_offset = -(offset_force * pivot);
                grid.extras[t].feed_offset.set(feed_offset);
                curvature += drift * (h * drift + b1 + b1) + offset_force * feed_offset;
                slope += lean * drift + force * feed_offset;
                let lean_r = r + r1;
                let sparse_force = m1 + one;
                cross_rb += lean_r * drift + lean_r * feed_offset;
                cross_bm += m1 * drift + sparse_force * feed_offset;
                cross_rm -= lean_r * pivot * sparse_force;
                (b1, b2) = (
                    g1 * offset_force + p12 * drift + b2 + gain1 * offset_force,
                    g2 * offset_force + gain2 * offset_force,
                );
                (r1, r2) = (g1 * lean_r + r2 + gain1 * lean_r, g2 * lean_r + gain2 * lean_r);
                (m1, m2) = (g1 * m1 + m2 + gain1 * sparse_force, g2 * m1 + gain2 * sparse_force);
            }
            frame.gain1.set(gain1);
            frame.gain2.set(gain2);
            frame.pivot.set(pivot);
            frame.feed.set(-(force * pivot));
            (p1, p2) = (g1 * lean + p2 + gain1 * force, g2 * lean + gain2 * force);
            let minor = det + weight * p22;
            (p11, p12, p22, det) = (
                share * (g1 * (a + p12) + p22) + pivot * minor,
                g2 * share * a,
                g2 * g2 * share * h,
                g2 * g2 * share * minor,
            );
        }
        let frame = &mut grid.frames[start];
        let mut r = advance(&mut frame.residual, frame.step_residual.get(simd));
        let mut weight = one;
        if K::GAPS {
            weight = grid.extras[start].weight.get(simd);
            r *= weight;
        }
        squares += r * r;
        if K::OFFSET {
            residual_sum += r;
            curvature += weight + p11 + p12 + p12 + p22 + (b1 + b2) + (b1 + b2);
            slope += r + p1 + p2;
            cross_rb += r + r1 + r2;
            cross_bm += m1 + m2;
        }
    }
    FactorSums {
        squares: Row::of(squares),
        residual: Row::of(residual_sum),
        source: Row::of(source_sum),
        products: Row::of(products),
        infeasibility: Row::of(infeasibility),
        curvature: Row::of(curvature),
        slope: Row::of(slope),
        cross: [cross_rm, cross_bm, cross_rb].map(Row::of),
    }
}

/// What the affine forward pass leaves behind.
#[derive(Clone, Debug)]
pub struct AffineSums {
    /// Largest relative decrease of a bounded quantity; the step to the boundary is its inverse.
    pub steepest: Row,
    /// `Σ dq dz`, upper bounds included.
    pub products: Row,
    /// `Σ w (r + dr)²`.
    pub squares: Row,
}

/// Plays the affine step out and leaves the second-order products for the corrector.
#[inline(always)]
pub fn predict<S: Simd, K: Shape>(
    simd: S,
    _: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> AffineSums {
    let zero = f64x8::splat(simd, 0.0);
    let one = f64x8::splat(simd, 1.0);
    let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (bound, db) = (lanes.bound.get(simd), lanes.step_offset.get(simd));
    let (mut steepest, mut products, mut squares) = (zero, zero, zero);
    for &(start, end) in grid.segments {
        let (mut d1, mut d2) = if K::OFFSET { (db, db) } else { (zero, zero) };
        if K::OFFSET {
            let mut r = grid.frames[start].residual.get(simd) + db;
            if K::GAPS {
                r *= grid.extras[start].weight.get(simd);
            }
            squares += r * r;
        }
        for t in start + 1..end {
            let frame = &mut grid.frames[t];
            let (q, z) = (frame.source.get(simd), frame.multiplier.get(simd));
            let mut dq =
                frame.gain1.get(simd) * d1 + (frame.gain2.get(simd) * d2 + frame.feed.get(simd));
            if K::OFFSET {
                dq += grid.extras[t].feed_offset.get(simd) * db;
            }
            let mut dr = g1 * d1 + (g2 * d2 + dq);
            if K::OFFSET {
                dr += drift * db;
                let mut r = frame.residual.get(simd) + dr;
                if K::GAPS {
                    r *= grid.extras[t].weight.get(simd);
                }
                squares += r * r;
            }
            (d2, d1) = (d1, dr);
            let relative = dq / q;
            let product = -(dq * z * (one + relative));
            frame.step_multiplier.set(product);
            products += product;
            steepest = steepest.max(-relative).max(one + relative);
            if K::BOX {
                let extra = &mut grid.extras[t];
                let relative = dq / (bound - q);
                let product = dq * extra.upper.get(simd) * (one - relative);
                extra.step_upper.set(product);
                products += product;
                steepest = steepest.max(relative).max(one - relative);
            }
        }
    }
    AffineSums {
        steepest: Row::of(steepest),
        products: Row::of(products),
        squares: Row::of(squares),
    }
}

/// Substitutes the corrected right-hand side; returns the slope along the offset.
#[inline(always)]
pub fn substitute<S: Simd, K: Shape>(simd: S, _: K, grid: &mut Grid<'_>, lanes: &Scalars) -> Row {
    let zero = f64x8::splat(simd, 0.0);
    let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (m, bound, centre) =
        (lanes.sparsity.get(simd), lanes.bound.get(simd), lanes.centre.get(simd));
    let mut slope = zero;
    for &(start, end) in grid.segments.iter().rev() {
        let (mut p1, mut p2) = (zero, zero);
        for t in (start + 1..end).rev() {
            let frame = &mut grid.frames[t];
            let q = frame.source.get(simd);
            let mut r = frame.residual.get(simd);
            if K::GAPS {
                r *= grid.extras[t].weight.get(simd);
            }
            let lower = (centre - frame.step_multiplier.get(simd)) / q;
            frame.step_multiplier.set(lower);
            let mut price = m - lower;
            if K::BOX {
                let extra = &mut grid.extras[t];
                let upper = (centre - extra.step_upper.get(simd)) / (bound - q);
                extra.step_upper.set(upper);
                price += upper;
            }
            let lean = r + p1;
            let force = lean + price;
            if K::OFFSET {
                slope += lean * drift + force * grid.extras[t].feed_offset.get(simd);
            }
            frame.feed.set(-(force * frame.pivot.get(simd)));
            (p1, p2) = (
                g1 * lean + p2 + frame.gain1.get(simd) * force,
                g2 * lean + frame.gain2.get(simd) * force,
            );
        }
        if K::OFFSET {
            let mut r = grid.frames[start].residual.get(simd);
            if K::GAPS {
                r *= grid.extras[start].weight.get(simd);
            }
            slope += r + p1 + p2;
        }
    }
    Row::of(slope)
}

/// Plays the corrected step out; returns the largest relative decrease of a bounded quantity.
#[inline(always)]
pub fn correct<S: Simd, K: Shape>(simd: S, _: K, grid: &mut Grid<'_>, lanes: &Scalars) -> Row {
    let zero = f64x8::splat(simd, 0.0);
    let one = f64x8::splat(simd, 1.0);
    let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (bound, db) = (lanes.bound.get(simd), lanes.step_offset.get(simd));
    let mut steepest = zero;
    for &(start, end) in grid.segments {
        let (mut d1, mut d2) = if K::OFFSET { (db, db) } else { (zero, zero) };
        grid.frames[start].step_residual.set(d1);
        for t in start + 1..end {
            let frame = &mut grid.frames[t];
            let (q, z) = (frame.source.get(simd), frame.multiplier.get(simd));
            let mut dq =
                frame.gain1.get(simd) * d1 + (frame.gain2.get(simd) * d2 + frame.feed.get(simd));
            if K::OFFSET {
                dq += grid.extras[t].feed_offset.get(simd) * db;
            }
            let mut dr = g1 * d1 + (g2 * d2 + dq);
            if K::OFFSET {
                dr += drift * db;
            }
            (d2, d1) = (d1, dr);
            let inverse = one / (q * z);
            let relative = dq * (z * inverse);
            let dz = frame.step_multiplier.get(simd) - z * (one + relative);
            frame.step_residual.set(dr);
            frame.step_source.set(dq);
            frame.step_multiplier.set(dz);
            steepest = steepest.max(-relative).max(-(dz * (q * inverse)));
            if K::BOX {
                let extra = &mut grid.extras[t];
                let (room, upper) = (bound - q, extra.upper.get(simd));
                let relative = dq / room;
                let du = extra.step_upper.get(simd) - upper * (one - relative);
                extra.step_upper.set(du);
                steepest = steepest.max(relative).max(-(du / upper));
            }
        }
    }
    Row::of(steepest)
}
