//! Windows of one trace in the lanes, with one offset and one sparsity between them.
//!
//! The windows overlap by a halo. Each frame belongs to the core of one window, which alone counts it
//! in sums and largest values; the others keep copies, which go the way of the original. What a
//! window does not know beyond its halo is discounted over the whole of it.

use std::ops::Range;

use super::grid::{Grid, LANES, Row};

/// Frames of a trace that a lane holds, and those among them that are its own.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) frames: Range<usize>,
    pub(crate) core: Range<usize>,
}

/// A frame of a lane, and the one that it is a copy of.
#[derive(Clone, Copy)]
struct Copied {
    lane: usize,
    frame: usize,
    from: (usize, usize),
}

/// How [`LANES`] windows make a trace.
pub(crate) struct Join {
    cores: Vec<Range<usize>>,
    copies: Vec<Copied>,
    sources: usize,
}

impl Join {
    /// The cores of the windows tile a trace in order, and no halo is longer than a core.
    pub(crate) fn new(windows: &[Window; LANES]) -> Self {
        let mut copies = Vec::new();
        for (lane, window) in windows.iter().enumerate() {
            for t in window.frames.clone().filter(|t| !window.core.contains(t)) {
                let Some(owner) = windows.iter().position(|w| w.core.contains(&t)) else {
                    continue;
                };
                let from = (owner, t - windows[owner].frames.start);
                copies.push(Copied { lane, frame: t - window.frames.start, from });
            }
        }
        let local = |w: &Window| w.core.start - w.frames.start..w.core.end - w.frames.start;
        let sources = windows[LANES - 1].core.end - windows[0].core.start - 1;
        Self { cores: windows.iter().map(local).collect(), copies, sources }
    }

    /// Sources of the whole trace.
    pub(super) fn sources(&self) -> usize {
        self.sources
    }

    /// Marks which of the `length` frames of each window are its own.
    pub(super) fn count(&self, length: usize, counted: &mut Vec<Row>) {
        let own = |t: usize, core: &Range<usize>| f64::from(u8::from(core.contains(&t)));
        counted.extend((0..length).map(|t| Row(std::array::from_fn(|l| own(t, &self.cores[l])))));
    }

    /// Brings the residuals of copies in line.
    pub(super) fn share_residual(&self, grid: &mut Grid<'_>) {
        for copy in &self.copies {
            let (lane, frame) = copy.from;
            grid.frames[copy.frame].residual.0[copy.lane] = grid.frames[frame].residual.0[lane];
        }
    }

    /// Brings the steps of copies in line.
    pub(super) fn share_steps(&self, grid: &mut Grid<'_>) {
        for copy in &self.copies {
            let (lane, from) = (copy.from.0, grid.frames[copy.from.1]);
            let to = &mut grid.frames[copy.frame];
            to.step_residual.0[copy.lane] = from.step_residual.0[lane];
            to.step_source.0[copy.lane] = from.step_source.0[lane];
            to.step_multiplier.0[copy.lane] = from.step_multiplier.0[lane];
            if !grid.uppers.is_empty() {
                grid.uppers[copy.frame].step.0[copy.lane] = grid.uppers[copy.from.1].step.0[lane];
            }
        }
    }
}
