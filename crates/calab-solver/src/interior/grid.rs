//! How a block of cells lies in memory: one row of eight lanes per quantity and frame.

use fearless_simd::{Simd, f64x8, prelude::*};

use super::problem::Recursion;

/// Cells side by side.
pub const LANES: usize = 8;

/// One value per lane.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Row(pub [f64; LANES]);

impl Row {
    /// The same value in every lane.
    pub(super) const fn splat(value: f64) -> Self {
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

impl Row {
    /// The sum of all lanes in each.
    pub(super) fn total(&self) -> Self {
        Self::splat(self.0.iter().sum())
    }

    /// The largest of all lanes in each.
    pub(super) fn largest(&self) -> Self {
        Self::splat(self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }
}

/// What the solver keeps of one frame; a cache line each.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Frame {
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
    /// Feedback of the source on the last frame's change.
    pub gain1: Row,
    /// Feedback on the change of the frame before.
    pub gain2: Row,
    /// Inverse of the curvature along the source.
    pub pivot: Row,
    /// What the source does without any feedback.
    pub feed: Row,
}

/// The upper bound of a source; only problems with a box keep it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Upper {
    /// The multiplier of `q <= bound`.
    pub multiplier: Row,
    /// Its change, used like `step_multiplier`.
    pub step: Row,
}

impl Upper {
    /// No multiplier.
    pub(super) const ZERO: Self = Self { multiplier: Row::splat(0.0), step: Row::splat(0.0) };
}

impl Frame {
    /// A frame of zeros.
    pub(super) const ZERO: Self = {
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

/// Which parts of a [`Grid`] a pass reads.
pub(super) trait Shape: Copy {
    /// Frames may be unrecorded.
    const GAPS: bool;
    /// A constant offset is estimated jointly.
    const OFFSET: bool;
    /// Sources have an upper bound.
    const BOX: bool;
    /// The lanes are windows of one trace.
    const JOINED: bool;

    /// What a frame adds to a sum: of the windows of one trace only one counts it.
    #[inline(always)]
    fn counted<S: Simd>(simd: S, counted: &[Row], t: usize, value: f64x8<S>) -> f64x8<S> {
        if Self::JOINED { value * counted[t].get(simd) } else { value }
    }
}

/// The per-lane numbers that a pass reads.
#[derive(Clone, Debug)]
pub(super) struct Scalars {
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
    /// Weight of the second-order products of the affine step.
    pub correction: Row,
    /// The offset.
    pub offset: Row,
    /// Source of the first iterate.
    pub start_source: Row,
    /// Multiplier of the first iterate.
    pub start_multiplier: Row,
}

/// The state of all frames of a block, and the time axis they share.
pub(super) struct Grid<'a> {
    /// Recursion coefficients, the same for every lane.
    pub recursion: Recursion,
    /// Half-open ranges of frames over which calcium runs through.
    pub segments: &'a [(usize, usize)],
    /// One entry a frame.
    pub frames: &'a mut [Frame],
    /// 1 where a frame was recorded, 0 where it was not; empty without gaps.
    pub weights: &'a mut [Row],
    /// Empty without an upper bound.
    pub uppers: &'a mut [Upper],
    /// Feedback of the sources on the offset; empty without one.
    pub feed_offset: &'a mut [Row],
    /// 1 where a window's frame counts, 0 where it is another window's; empty unless joined.
    pub counted: &'a [Row],
}
