//! The three passes that play a Newton step out and correct it; [`super::factor`] says how.

use fearless_simd::{Simd, f64x8, prelude::*};

use super::grid::{Grid, Row, Scalars, Shape};

/// What the affine forward pass leaves behind.
#[derive(Clone, Debug)]
pub(super) struct AffineSums {
    /// Largest relative decrease of a bounded quantity; the step to the boundary is its inverse.
    pub steepest: Row,
    /// `Σ dq dz`, upper bounds included.
    pub products: Row,
    /// `Σ w (r + dr)²`.
    pub squares: Row,
}

impl AffineSums {
    /// The sums over the windows of one trace, in every lane.
    pub(super) fn joined(&self) -> Self {
        Self {
            steepest: self.steepest.largest(),
            products: self.products.total(),
            squares: self.squares.total(),
        }
    }
}

/// Plays the affine step out and leaves the second-order products for the corrector.
#[inline(always)]
pub(super) fn predict<S: Simd, K: Shape>(
    simd: S,
    shape: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> AffineSums {
    let zero = f64x8::splat(simd, 0.0);
    let one = f64x8::splat(simd, 1.0);
    let (bound, db) = (lanes.bound.get(simd), lanes.step_offset.get(simd));
    let (mut steepest, mut products, mut squares) = (zero, zero, zero);
    for &(start, end) in grid.segments {
        let (mut d1, mut d2) = if K::OFFSET { (db, db) } else { (zero, zero) };
        if K::OFFSET {
            let mut r = grid.frames[start].residual.get(simd) + db;
            if K::GAPS {
                r *= grid.weights[start].get(simd);
            }
            squares += K::counted(simd, grid.counted, start, r * r);
        }
        for t in start + 1..end {
            let (dq, dr) = play(simd, shape, grid, t, (d1, d2), db);
            let frame = &mut grid.frames[t];
            let (q, z) = (frame.source.get(simd), frame.multiplier.get(simd));
            if K::OFFSET {
                let mut r = frame.residual.get(simd) + dr;
                if K::GAPS {
                    r *= grid.weights[t].get(simd);
                }
                squares += K::counted(simd, grid.counted, t, r * r);
            }
            (d2, d1) = (d1, dr);
            let relative = dq / q;
            let product = -(dq * z * (one + relative));
            frame.step_multiplier.set(product);
            products += K::counted(simd, grid.counted, t, product);
            let steep = (-relative).max(one + relative);
            steepest = steepest.max(K::counted(simd, grid.counted, t, steep));
            if K::BOX {
                let upper = &mut grid.uppers[t];
                let relative = dq / (bound - q);
                let product = dq * upper.multiplier.get(simd) * (one - relative);
                upper.step.set(product);
                products += K::counted(simd, grid.counted, t, product);
                let steep = relative.max(one - relative);
                steepest = steepest.max(K::counted(simd, grid.counted, t, steep));
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
pub(super) fn substitute<S: Simd, K: Shape>(
    simd: S,
    _: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> Row {
    let zero = f64x8::splat(simd, 0.0);
    let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (m, bound, centre) =
        (lanes.sparsity.get(simd), lanes.bound.get(simd), lanes.centre.get(simd));
    let correction = lanes.correction.get(simd);
    let mut slope = zero;
    for &(start, end) in grid.segments.iter().rev() {
        let (mut p1, mut p2) = (zero, zero);
        for t in (start + 1..end).rev() {
            let frame = &mut grid.frames[t];
            let q = frame.source.get(simd);
            let mut r = frame.residual.get(simd);
            if K::GAPS {
                r *= grid.weights[t].get(simd);
            }
            let lower = (centre - correction * frame.step_multiplier.get(simd)) / q;
            frame.step_multiplier.set(lower);
            let mut price = m - lower;
            if K::BOX {
                let upper = &mut grid.uppers[t];
                let wanted = (centre - correction * upper.step.get(simd)) / (bound - q);
                upper.step.set(wanted);
                price += wanted;
            }
            let lean = r + p1;
            let force = lean + price;
            frame.feed.set(-(force * frame.pivot.get(simd)));
            (p1, p2) = (
                g1 * lean + p2 + frame.gain1.get(simd) * force,
                g2 * lean + frame.gain2.get(simd) * force,
            );
            if K::OFFSET {
                let part = lean * drift + force * grid.feed_offset[t].get(simd);
                slope += K::counted(simd, grid.counted, t, part);
            }
        }
        if K::OFFSET {
            let mut r = grid.frames[start].residual.get(simd);
            if K::GAPS {
                r *= grid.weights[start].get(simd);
            }
            slope += K::counted(simd, grid.counted, start, r + p1 + p2);
        }
    }
    Row::of(slope)
}

/// Plays the corrected step out; returns the largest relative decrease of a bounded quantity.
#[inline(always)]
pub(super) fn correct<S: Simd, K: Shape>(
    simd: S,
    shape: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> Row {
    let zero = f64x8::splat(simd, 0.0);
    let one = f64x8::splat(simd, 1.0);
    let (bound, db) = (lanes.bound.get(simd), lanes.step_offset.get(simd));
    let mut steepest = zero;
    for &(start, end) in grid.segments {
        let (mut d1, mut d2) = if K::OFFSET { (db, db) } else { (zero, zero) };
        grid.frames[start].step_residual.set(d1);
        for t in start + 1..end {
            let (dq, dr) = play(simd, shape, grid, t, (d1, d2), db);
            let frame = &mut grid.frames[t];
            let (q, z) = (frame.source.get(simd), frame.multiplier.get(simd));
            (d2, d1) = (d1, dr);
            let inverse = one / (q * z);
            let relative = dq * (z * inverse);
            let dz = frame.step_multiplier.get(simd) - z * (one + relative);
            frame.step_residual.set(dr);
            frame.step_source.set(dq);
            frame.step_multiplier.set(dz);
            let steep = (-relative).max(-(dz * (q * inverse)));
            steepest = steepest.max(K::counted(simd, grid.counted, t, steep));
            if K::BOX {
                let upper = &mut grid.uppers[t];
                let multiplier = upper.multiplier.get(simd);
                let relative = dq / (bound - q);
                let change = upper.step.get(simd) - multiplier * (one - relative);
                upper.step.set(change);
                let steep = relative.max(-(change / multiplier));
                steepest = steepest.max(K::counted(simd, grid.counted, t, steep));
            }
        }
    }
    Row::of(steepest)
}

/// Plays the feedback out at frame `t`: the change of its source, and that of its residual.
///
/// `before` are the changes of the residual one and two frames earlier.
#[inline(always)]
fn play<S: Simd, K: Shape>(
    simd: S,
    _: K,
    grid: &Grid<'_>,
    t: usize,
    before: (f64x8<S>, f64x8<S>),
    db: f64x8<S>,
) -> (f64x8<S>, f64x8<S>) {
    let [g1, g2, drift] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (frame, (d1, d2)) = (&grid.frames[t], before);
    let mut dq = frame.gain1.get(simd) * d1 + (frame.gain2.get(simd) * d2 + frame.feed.get(simd));
    if K::OFFSET {
        dq += grid.feed_offset[t].get(simd) * db;
    }
    let mut dr = g1 * d1 + (g2 * d2 + dq);
    if K::OFFSET {
        dr += drift * db;
    }
    (dq, dr)
}
