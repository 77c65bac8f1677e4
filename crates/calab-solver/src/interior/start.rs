//! The passes before the first iteration: sums of the traces, largest price, first iterate.

use fearless_simd::{Simd, f64x8, prelude::*};

use super::grid::{Grid, LANES, Row, Scalars, Shape};

/// The traces of a block, one per lane; NaN where no frame was recorded.
#[derive(Clone, Copy)]
pub(super) struct Traces<'a>(pub [&'a [f64]; LANES]);

impl Traces<'_> {
    /// Frame `t` of every trace.
    #[inline(always)]
    pub(super) fn frame(&self, t: usize) -> Row {
        Row(self.0.map(|row| row[t]))
    }
}

/// Sums over the recorded frames of each trace.
#[derive(Clone, Debug)]
pub(super) struct Survey {
    /// Recorded frames.
    pub frames: Row,
    /// `Σ y`.
    pub total: Row,
    /// `Σ y²`.
    pub squares: Row,
}

impl Survey {
    /// The sums over the windows of one trace, in every lane.
    pub(super) fn joined(&self) -> Self {
        let Self { frames, total, squares } = self;
        Self { frames: frames.total(), total: total.total(), squares: squares.total() }
    }
}

/// Lays the traces side by side into `residual`, marks the gaps, and sums.
#[inline(always)]
pub(super) fn survey<S: Simd, K: Shape>(
    simd: S,
    _: K,
    grid: &mut Grid<'_>,
    traces: &Traces<'_>,
) -> Survey {
    let zero = f64x8::splat(simd, 0.0);
    let one = f64x8::splat(simd, 1.0);
    let (mut frames, mut total, mut squares) = (zero, zero, zero);
    for t in 0..grid.frames.len() {
        let mut y = traces.frame(t).get(simd);
        let mut weight = one;
        if K::GAPS {
            let recorded = y.simd_eq(y);
            weight = recorded.select(one, zero);
            y = recorded.select(y, zero);
            grid.weights[t].set(weight);
        }
        grid.frames[t].residual.set(y);
        frames += K::counted(simd, grid.counted, t, weight);
        total += K::counted(simd, grid.counted, t, y);
        squares += K::counted(simd, grid.counted, t, y * y);
    }
    Survey { frames: Row::of(frames), total: Row::of(total), squares: Row::of(squares) }
}

/// The largest entry of `K'w(y - b)`: the least weight at which no source is worth its price.
///
/// Leaves the entries in `multiplier`.
#[inline(always)]
pub(super) fn highest_price<S: Simd, K: Shape>(
    simd: S,
    _: K,
    grid: &mut Grid<'_>,
    lanes: &Scalars,
) -> Row {
    let zero = f64x8::splat(simd, 0.0);
    let [g1, g2, _] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (scale, offset) = (lanes.inverse_scale.get(simd), lanes.offset.get(simd));
    let mut highest = zero;
    for &(start, end) in grid.segments {
        let (mut k1, mut k2) = (zero, zero);
        for t in (start + 1..end).rev() {
            let mut u = grid.frames[t].residual.get(simd) * scale - offset;
            if K::GAPS {
                u *= grid.weights[t].get(simd);
            }
            let price = u + (g1 * k1 + g2 * k2);
            (k2, k1) = (k1, price);
            grid.frames[t].multiplier.set(price);
            highest = highest.max(K::counted(simd, grid.counted, t, price));
        }
    }
    Row::of(highest)
}

/// Sets the first iterate: constant sources and multipliers, and the residual they leave.
///
/// A lane whose first source is 0 takes no step and keeps its prices, with the other sign.
#[inline(always)]
pub(super) fn spread<S: Simd, K: Shape>(simd: S, _: K, grid: &mut Grid<'_>, lanes: &Scalars) {
    let zero = f64x8::splat(simd, 0.0);
    let [g1, g2, _] = grid.recursion.rows().map(|g| f64x8::splat(simd, g));
    let (scale, offset) = (lanes.inverse_scale.get(simd), lanes.offset.get(simd));
    let (source, first) = (lanes.start_source.get(simd), lanes.start_multiplier.get(simd));
    let solved = source.simd_eq(zero);
    for &(start, end) in grid.segments {
        let (mut c1, mut c2) = (zero, zero);
        for t in start..end {
            let q = if t == start { zero } else { source };
            let c = g1 * c1 + (g2 * c2 + q);
            (c2, c1) = (c1, c);
            let frame = &mut grid.frames[t];
            let y = frame.residual.get(simd) * scale;
            frame.residual.set(c + (offset - y));
            frame.source.set(q);
            frame.multiplier.set(solved.select(zero - frame.multiplier.get(simd), first));
            frame.step_residual.set(zero);
            frame.step_source.set(zero);
            frame.step_multiplier.set(zero);
            if K::BOX {
                grid.uppers[t].multiplier.set(solved.select(zero, first));
                grid.uppers[t].step.set(zero);
            }
        }
    }
}
