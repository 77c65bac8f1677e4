//! Exact deconvolution of a few cells: windows of time in lanes, stitched and proved.
//!
//! The sources of two moments far apart do not know of each other, so a trace is cut into windows
//! that overlap by a halo of several decay times. The windows of one cell, or of several, fill the
//! lanes of a block that stays in the cache; their cores are put together, and the certificate of the
//! whole trace, which does not ask where an answer comes from, tells whether that was right. Where
//! it was not, the trace is solved in one piece. Where one number couples all frames (an offset, a
//! sparsity that is to be found), the lanes of a block hold the windows of one cell. The cut depends
//! on the number of frames and the kernel only, so that a cell's answer does not depend on the cells or threads beside it.

use fearless_simd::Level;

use crate::ar2::Ar2;
use crate::certificate::{Certificate, Problem, certify, clean};
use crate::error::SolverError;
use crate::interior::{
    Block, Join, LANES, Outcome, Recursion, Rule, Settings, Sparsity, Task, Window,
};

/// Halo of a window on either side, in decay times: the halves of a trace then agree to about
/// `exp(-HALO)` of a spike, and the gap that this leaves is of second order.
const HALO: f64 = 10.0;
/// Rise times that are added to it where one number couples all windows.
const RISE_HALO: f64 = 3.0;
/// Windows are at most about this long; eight of them side by side stay in the cache.
const WINDOW: usize = 4096;
/// The core of a window is at least this many halos long.
const CORE: usize = 6;
/// Share of the tolerance that the iterations use up; seams and rounding may use the rest.
const SHARE: f64 = 0.5;
/// With gaps, `lam = 0` means the limit from above: this share of the least `lam` without activity.
const LEAST_SPARSITY: f64 = 1e-6;

/// One cell to solve.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// The trace without its baseline; NaN where no frame was recorded.
    pub trace: &'a [f64],
    /// Weight of the sum of sources.
    pub sparsity: Sparsity,
    /// The offset is estimated with this lower bound, or is 0.
    pub offset_floor: Option<f64>,
}

/// The answer for one cell.
#[derive(Clone, Debug)]
pub struct Solution {
    /// `q[t] = s[t-1] / p`: the source that reaches each frame.
    pub sources: Vec<f64>,
    /// `K s`.
    pub calcium: Vec<f64>,
    /// The constant offset.
    pub offset: f64,
    /// The `lam` that was used.
    pub lam: f64,
    /// What decided it.
    pub rule: Rule,
    /// Interior-point iterations; where a trace was cut, of the window that took most.
    pub iterations: usize,
    /// The proof.
    pub certificate: Certificate,
    /// Whether the proof meets the tolerance.
    pub converged: bool,
    prices: Vec<f64>,
}

/// Where a trace is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    halo: usize,
    count: usize,
}

impl Cut {
    /// Cuts `frames` so that the windows of one cell, or of 2, 4 or 8 cells, fill the lanes.
    fn new(frames: usize, halo: usize) -> Self {
        let halo = halo.clamp(2, frames.max(2));
        let fits = |count: usize| frames >= count * CORE * halo;
        let wanted = frames.div_ceil(WINDOW).next_multiple_of(LANES);
        let count = if fits(wanted) {
            wanted
        } else {
            [LANES, LANES / 2, LANES / 4].into_iter().find(|&count| fits(count)).unwrap_or(1)
        };
        Self { halo, count }
    }

    /// Core and window number `k` of `frames`; all windows have one length.
    fn window(&self, frames: usize, k: usize) -> (Range, Range) {
        let core = (k * frames / self.count, (k + 1) * frames / self.count);
        let length = (frames.div_ceil(self.count) + 2 * self.halo).min(frames);
        let start = core.0.saturating_sub(self.halo).min(frames - length);
        (core, (start, start + length))
    }
}

type Range = (usize, usize);

/// Solver and workspace of one thread.
pub struct Exact {
    settings: Settings,
    level: Level,
    block: Block,
    solutions: Vec<Solution>,
}

impl Exact {
    /// A solver for calls that share `settings`.
    #[must_use]
    pub fn new(settings: Settings, level: Level) -> Self {
        Self { settings, level, block: Block::default(), solutions: Vec::new() }
    }

    /// How many cells of `frames` frames are best solved together.
    #[must_use]
    pub fn cells_together(settings: &Settings) -> usize {
        if settings.offset {
            return if joined(settings).is_some() { 1 } else { LANES };
        }
        let windows: usize = settings
            .segments
            .iter()
            .map(|(start, end)| Cut::new(end - start, halo(&settings.ar2)).count)
            .sum();
        (LANES / windows.max(1)).max(1)
    }

    /// Solves `cells`, all of one length, and hands each answer with its index to `sink`.
    ///
    /// # Errors
    ///
    /// [`SolverError::Interrupted`] when `interrupted`, asked once an iteration, says so.
    pub fn solve(
        &mut self,
        cells: &[Cell<'_>],
        interrupted: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(usize, &Solution),
    ) -> Result<(), SolverError> {
        let cells: Vec<Cell<'_>> = cells.iter().map(|cell| self.settle(cell)).collect();
        let mut open: Vec<usize> = (0..cells.len()).collect();
        if !self.settings.offset {
            open = self.solve_windows(&cells, interrupted, sink)?;
        } else if let Some(cut) = joined(&self.settings) {
            open = self.solve_joined(&cells, &cut, interrupted, sink)?;
        }
        let tol = SHARE * self.settings.tol;
        open = self.solve_whole(&cells, &open, tol, false, interrupted, sink)?;
        let stricter = 1e-2 * self.settings.tol;
        self.solve_whole(&cells, &open, stricter, true, interrupted, sink)?;
        Ok(())
    }

    /// With gaps, replaces `lam = 0` by the smallest weight that can be told from it.
    #[must_use]
    pub(crate) fn settle<'a>(&self, cell: &Cell<'a>) -> Cell<'a> {
        let zero = match cell.sparsity {
            Sparsity::Given(lam) => lam == 0.0,
            Sparsity::Residual { high, .. } => high == 0.0,
        };
        if !zero || self.settings.boxed || !cell.trace.iter().any(|y| y.is_nan()) {
            return *cell;
        }
        let observed: Vec<f64> =
            cell.trace.iter().map(|y| if y.is_nan() { 0.0 } else { *y }).collect();
        let mut price = vec![0.0; observed.len()];
        for &(start, end) in &self.settings.segments {
            self.settings.ar2.adjoint(&observed[start..end], &mut price[start..end]);
        }
        let highest = price.iter().copied().fold(0.0, f64::max);
        let lam = LEAST_SPARSITY * highest / self.settings.ar2.dc_gain;
        let sparsity = match cell.sparsity {
            Sparsity::Given(_) => Sparsity::Given(lam),
            Sparsity::Residual { target, .. } => Sparsity::Residual { target, low: lam, high: lam },
        };
        Cell { sparsity, ..*cell }
    }

    /// Solves window by window; returns the cells whose stitched answer is not proved.
    fn solve_windows(
        &mut self,
        cells: &[Cell<'_>],
        interrupted: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(usize, &Solution),
    ) -> Result<Vec<usize>, SolverError> {
        let mut solutions = std::mem::take(&mut self.solutions);
        solutions.resize_with(cells.len(), Solution::default);
        for (cell, solution) in cells.iter().zip(&mut solutions) {
            solution.reset(cell.trace.len());
        }
        for segment in self.settings.segments.clone() {
            self.solve_segment(segment, cells, &mut solutions, interrupted)?;
        }
        let mut open = Vec::new();
        for (i, (cell, solution)) in cells.iter().zip(&mut solutions).enumerate() {
            solution.prove(cell, &self.settings);
            if solution.converged || solution.iterations >= self.settings.max_iters {
                sink(i, solution);
            } else {
                open.push(i);
            }
        }
        self.solutions = solutions;
        Ok(open)
    }

    /// Solves each cell in windows that have an offset and a sparsity in common; returns the cells
    /// whose stitched answer is not proved.
    fn solve_joined(
        &mut self,
        cells: &[Cell<'_>],
        cut: &Cut,
        interrupted: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(usize, &Solution),
    ) -> Result<Vec<usize>, SolverError> {
        let (start, end) = self.settings.segments[0];
        let windows: [Window; LANES] = std::array::from_fn(|k| {
            let (core, window) = cut.window(end - start, k);
            Window {
                frames: start + window.0..start + window.1,
                core: start + core.0..start + core.1,
            }
        });
        let join = Join::new(&windows);
        let mut settings = Settings { tol: SHARE * self.settings.tol, ..self.settings.clone() };
        settings.segments = vec![(0, windows[0].frames.len())];
        let mut solution = self.solutions.pop().unwrap_or_default();
        let mut open = Vec::new();
        for (i, cell) in cells.iter().enumerate() {
            let tasks = windows.each_ref().map(|window| Task {
                trace: &cell.trace[window.frames.clone()],
                sparsity: cell.sparsity,
                offset_floor: cell.offset_floor,
            });
            let outcome =
                self.block.solve_joined(self.level, &settings, &tasks, &join, interrupted)?;
            solution.reset(cell.trace.len());
            for (lane, Window { frames, core }) in windows.iter().enumerate() {
                let into = (core.start, core.end);
                solution.take(&self.block, lane, &outcome, core.start - frames.start, into);
            }
            solution.prove(cell, &self.settings);
            if solution.converged || solution.iterations >= self.settings.max_iters {
                sink(i, &solution);
            } else {
                open.push(i);
            }
        }
        self.solutions.push(solution);
        Ok(open)
    }

    /// Fills the lanes with the windows of one segment of all cells.
    fn solve_segment(
        &mut self,
        (start, end): Range,
        cells: &[Cell<'_>],
        solutions: &mut [Solution],
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), SolverError> {
        let mut settings = Settings { tol: SHARE * self.settings.tol, ..self.settings.clone() };
        let frames = end - start;
        let cut = Cut::new(frames, halo(&settings.ar2));
        let jobs: Vec<(usize, usize)> =
            (0..cells.len()).flat_map(|i| (0..cut.count).map(move |k| (i, k))).collect();
        for jobs in jobs.chunks(LANES) {
            let windows: Vec<(Range, Range)> =
                jobs.iter().map(|&(_, k)| cut.window(frames, k)).collect();
            let tasks: Vec<Task<'_>> = jobs
                .iter()
                .zip(&windows)
                .map(|(&(i, _), (_, window))| Task {
                    trace: &cells[i].trace[start + window.0..start + window.1],
                    sparsity: cells[i].sparsity,
                    offset_floor: None,
                })
                .collect();
            settings.segments = vec![(0, tasks[0].trace.len())];
            let outcomes = self.block.solve(self.level, &settings, &tasks, interrupted)?;
            for (lane, outcome) in outcomes.iter().enumerate() {
                let ((i, _), (core, window)) = (jobs[lane], windows[lane]);
                let into = (start + core.0, start + core.1);
                solutions[i].take(&self.block, lane, outcome, core.0 - window.0, into);
            }
        }
        Ok(())
    }

    /// Solves the cells in `open`, whole traces in lanes, to estimated gaps of `tol`; returns those
    /// whose proof then is not within the settings' tolerance, unless this is the `last` attempt.
    fn solve_whole(
        &mut self,
        cells: &[Cell<'_>],
        open: &[usize],
        tol: f64,
        last: bool,
        interrupted: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(usize, &Solution),
    ) -> Result<Vec<usize>, SolverError> {
        let settings = Settings { tol, ..self.settings.clone() };
        let mut solution = self.solutions.pop().unwrap_or_default();
        let mut unproved = Vec::new();
        for open in open.chunks(LANES) {
            let tasks: Vec<Task<'_>> = open
                .iter()
                .map(|&i| Task {
                    trace: cells[i].trace,
                    sparsity: cells[i].sparsity,
                    offset_floor: cells[i].offset_floor,
                })
                .collect();
            let outcomes = self.block.solve(self.level, &settings, &tasks, interrupted)?;
            for (lane, (outcome, &i)) in outcomes.iter().zip(open).enumerate() {
                let frames = cells[i].trace.len();
                solution.reset(frames);
                solution.take(&self.block, lane, outcome, 0, (0, frames));
                solution.prove(&cells[i], &self.settings);
                let exhausted = last || solution.iterations >= settings.max_iters;
                if solution.converged || exhausted {
                    sink(i, &solution);
                } else {
                    unproved.push(i);
                }
            }
        }
        self.solutions.push(solution);
        Ok(unproved)
    }
}

/// The windows of a trace whose offset and sparsity couple all of its frames, where it is one
/// segment that is long enough.
fn joined(settings: &Settings) -> Option<Cut> {
    let &[(start, end)] = settings.segments.as_slice() else { return None };
    // Where the roots nearly agree, a transient is more than its slower exponential.
    let rise = (RISE_HALO / -libm::log(settings.ar2.rise_root)).ceil() as usize;
    let halo = halo(&settings.ar2).saturating_add(rise).max(2);
    (end - start >= (LANES * CORE).saturating_mul(halo)).then_some(Cut { halo, count: LANES })
}

fn halo(ar2: &Ar2) -> usize {
    (HALO / -libm::log(ar2.decay_root)).ceil() as usize
}

/// Zeroes the sources that no later frame of their segment observes.
fn forget(trace: &[f64], segments: &[(usize, usize)], sources: &mut [f64]) {
    for &(start, end) in segments {
        let unseen = trace[start..end].iter().rev().take_while(|y| y.is_nan()).count();
        sources[end - unseen..end].fill(0.0);
    }
}

impl Default for Solution {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            calcium: Vec::new(),
            offset: 0.0,
            lam: 0.0,
            rule: Rule::Given,
            iterations: 0,
            certificate: Certificate { gap: 0.0, objective: 0.0, power: 0.0 },
            converged: false,
            prices: Vec::new(),
        }
    }
}

impl Solution {
    fn reset(&mut self, frames: usize) {
        self.iterations = 0;
        self.converged = false;
        self.sources.resize(frames, 0.0);
        self.calcium.resize(frames, 0.0);
        self.prices.resize(frames, 0.0);
    }

    fn take(&mut self, block: &Block, lane: usize, outcome: &Outcome, from: usize, into: Range) {
        let range = into.0..into.1;
        let (sources, prices) = (&mut self.sources[range.clone()], &mut self.prices[range.clone()]);
        block.read(lane, outcome, from..from + range.len(), sources, prices);
        self.iterations = self.iterations.max(outcome.iterations);
        self.rule = outcome.rule;
        (self.lam, self.offset) = (outcome.lam, outcome.offset);
    }

    fn prove(&mut self, cell: &Cell<'_>, settings: &Settings) {
        let recursion = Recursion::new(&settings.ar2);
        forget(cell.trace, &settings.segments, &mut self.sources);
        let problem = Problem {
            trace: cell.trace,
            recursion,
            segments: &settings.segments,
            m: self.lam / recursion.drift(),
            bound: if settings.boxed { 1.0 / settings.ar2.peak } else { f64::INFINITY },
            offset: self.offset,
            floor: cell.offset_floor,
        };
        clean(&problem, &mut self.sources, &self.prices);
        let certificate = certify(&problem, &self.sources, &self.prices, &mut self.calcium);
        // `max_iters = 0` asks for nothing, so nothing is claimed.
        self.converged = settings.max_iters > 0 && certificate.holds(settings.tol);
        self.certificate = certificate;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_tile_a_segment_and_windows_surround_them() {
        for halo in [0, 1, 180, 7000, usize::MAX] {
            for frames in [1, 2, 3, 900, 2200, 4400, 8700, 40_001] {
                let cut = Cut::new(frames, halo);
                let mut last = 0;
                for k in 0..cut.count {
                    let (core, window) = cut.window(frames, k);
                    assert_eq!(core.0, last, "{frames} frames, halo {halo}");
                    assert!(window.0 <= core.0 && core.1 <= window.1 && window.1 <= frames);
                    // The first source of a window is fixed, so that no core may start there.
                    assert!(core.0 == 0 || core.0 - window.0 >= cut.halo, "{cut:?} {k}");
                    assert!(core.1 == frames || window.1 - core.1 >= cut.halo, "{cut:?} {k}");
                    last = core.1;
                }
                assert_eq!(last, frames);
                assert!(cut.count == 1 || cut.halo >= 2);
            }
        }
    }

    #[test]
    fn only_what_nobody_sees_is_forgotten() {
        let (gap, mut sources) = (f64::NAN, [1.0; 7]);
        forget(&[gap, 1.0, gap, 1.0, gap, gap, gap], &[(0, 3), (3, 6), (6, 7)], &mut sources);
        let kept: Vec<usize> = (0..7).filter(|&t| sources[t] > 0.0).collect();
        assert_eq!(kept, [0, 1, 3]);
    }
}
