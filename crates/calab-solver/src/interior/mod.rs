//! Exact deconvolution: a primal-dual interior-point method, eight cells side by side.
//!
//! ```text
//! min over s in [0, ∞) or [0, 1], and b >= floor, of   ½ Σ w (y - b - K s)² + lam G Σ s
//! ```
//!
//! The sources are determined by the calcium, `q = G c` with `G` of bandwidth two, so that a Newton
//! system costs one sweep over the frames (`factor`). Mehrotra's predictor and corrector make the
//! steps (Nocedal & Wright, Numerical Optimization, 2006, ch. 16.6), a duality gap tells when to stop
//! and [`crate::certificate`] proves the answer. Each lane has its own step length, sparsity and end, and
//! all operations are element-wise: a cell's bits do not depend on the cells beside it, nor on the
//! instruction set. The lanes may also be windows of one trace (`join`).

#![expect(
    clippy::inline_always,
    reason = "the passes must be compiled with the instruction set they are dispatched to"
)]

mod factor;
mod grid;
mod join;
mod lane;
mod problem;
mod start;
mod steps;

use std::ops::Range;

use fearless_simd::{Level, Simd, dispatch};

pub use grid::LANES;
pub(crate) use join::{Join, Window};
pub use problem::{Outcome, Recursion, Rule, Settings, Sparsity, Task};

use factor::factor;
use grid::{Frame, Grid, Row, Scalars, Shape, Upper};
use lane::Lane;
use start::{Traces, highest_price, spread, survey};
use steps::{correct, predict, substitute};

use crate::error::SolverError;

#[derive(Clone, Copy)]
struct Kind<const GAPS: bool, const OFFSET: bool, const BOX: bool, const JOINED: bool>;

impl<const GAPS: bool, const OFFSET: bool, const BOX: bool, const JOINED: bool> Shape
    for Kind<GAPS, OFFSET, BOX, JOINED>
{
    const GAPS: bool = GAPS;
    const OFFSET: bool = OFFSET;
    const BOX: bool = BOX;
    const JOINED: bool = JOINED;
}

/// Workspace for up to [`LANES`] cells; keeps its memory from one call to the next.
#[derive(Default)]
pub struct Block {
    frames: Vec<Frame>,
    weights: Vec<Row>,
    uppers: Vec<Upper>,
    feed_offset: Vec<Row>,
    counted: Vec<Row>,
}

impl Block {
    /// Solves up to [`LANES`] tasks of equal length.
    ///
    /// `interrupted` is asked once an iteration.
    ///
    /// # Errors
    ///
    /// [`SolverError::Interrupted`] when `interrupted` says so.
    ///
    /// # Panics
    ///
    /// If there are no tasks, more than [`LANES`], or their traces differ in length.
    pub fn solve(
        &mut self,
        level: Level,
        settings: &Settings,
        tasks: &[Task<'_>],
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<Outcome>, SolverError> {
        assert!((1..=LANES).contains(&tasks.len()), "a block takes 1 to {LANES} cells");
        self.run(level, settings, tasks, None, interrupted)
    }

    /// Solves one trace whose windows are the tasks: [`LANES`] of equal length, with one offset and
    /// one sparsity.
    ///
    /// # Errors
    ///
    /// As [`Self::solve`].
    ///
    /// # Panics
    ///
    /// If there are not as many tasks, or their traces differ in length.
    pub(crate) fn solve_joined(
        &mut self,
        level: Level,
        settings: &Settings,
        tasks: &[Task<'_>; LANES],
        join: &Join,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Outcome, SolverError> {
        let outcomes = self.run(level, settings, tasks, Some(join), interrupted)?;
        Ok(outcomes[0])
    }

    fn run(
        &mut self,
        level: Level,
        settings: &Settings,
        tasks: &[Task<'_>],
        join: Option<&Join>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<Outcome>, SolverError> {
        let length = tasks[0].trace.len();
        assert!(tasks.iter().all(|task| task.trace.len() == length), "traces differ in length");
        let gaps = tasks.iter().any(|task| task.trace.iter().any(|y| y.is_nan()));
        self.frames.resize(length, Frame::ZERO);
        let needed = |part: bool| if part { length } else { 0 };
        self.weights.resize(needed(gaps), Row::splat(1.0));
        self.uppers.resize(needed(settings.boxed), Upper::ZERO);
        self.feed_offset.resize(needed(settings.offset), Row::splat(0.0));
        self.counted.clear();
        if let Some(join) = join {
            join.count(length, &mut self.counted);
        }
        let mut run = Run {
            settings,
            tasks,
            join,
            interrupted,
            grid: Grid {
                recursion: Recursion::new(&settings.ar2),
                segments: &settings.segments,
                frames: &mut self.frames,
                weights: &mut self.weights,
                uppers: &mut self.uppers,
                feed_offset: &mut self.feed_offset,
                counted: &self.counted,
            },
        };
        macro_rules! shaped {
            ($gaps:literal, $offset:literal, $boxed:literal, $joined:literal) => {
                dispatch!(level, simd => run.solve(simd, Kind::<$gaps, $offset, $boxed, $joined>))
            };
        }
        match (gaps, settings.offset, settings.boxed, join.is_some()) {
            (false, false, false, _) => shaped!(false, false, false, false),
            (false, false, true, _) => shaped!(false, false, true, false),
            (false, true, false, false) => shaped!(false, true, false, false),
            (false, true, true, false) => shaped!(false, true, true, false),
            (true, false, false, _) => shaped!(true, false, false, false),
            (true, false, true, _) => shaped!(true, false, true, false),
            (true, true, false, false) => shaped!(true, true, false, false),
            (true, true, true, false) => shaped!(true, true, true, false),
            (false, true, false, true) => shaped!(false, true, false, true),
            (false, true, true, true) => shaped!(false, true, true, true),
            (true, true, false, true) => shaped!(true, true, false, true),
            (true, true, true, true) => shaped!(true, true, true, true),
        }
    }

    /// Copies `frames` of one lane out: the source that reaches each, and what a unit of it is worth,
    /// which is its weight less the multipliers of its bounds.
    pub fn read(
        &self,
        lane: usize,
        outcome: &Outcome,
        frames: Range<usize>,
        sources: &mut [f64],
        prices: &mut [f64],
    ) {
        let (scale, weight) = (outcome.scale, outcome.weight);
        let parts = sources.iter_mut().zip(&mut *prices);
        for ((q, price), frame) in parts.zip(&self.frames[frames.clone()]) {
            *q = frame.source.0[lane] * scale;
            *price = (weight - frame.multiplier.0[lane]) * scale;
        }
        if !self.uppers.is_empty() {
            for (price, upper) in prices.iter_mut().zip(&self.uppers[frames]) {
                *price += upper.multiplier.0[lane] * scale;
            }
        }
    }
}

struct Run<'a> {
    settings: &'a Settings,
    tasks: &'a [Task<'a>],
    /// How the tasks are windows of one trace, if they are.
    join: Option<&'a Join>,
    interrupted: &'a dyn Fn() -> bool,
    grid: Grid<'a>,
}

impl Run<'_> {
    #[inline(always)]
    fn solve<S: Simd, K: Shape>(&mut self, simd: S, shape: K) -> Result<Vec<Outcome>, SolverError> {
        let traces =
            Traces(std::array::from_fn(|l| self.tasks.get(l).unwrap_or(&self.tasks[0]).trace));
        let grid = &mut self.grid;
        let sums = simd.vectorize(
            #[inline(always)]
            || survey(simd, shape, grid, &traces),
        );
        let sums = if K::JOINED { sums.joined() } else { sums };
        let own = self.settings.segments.iter().map(|(start, end)| end - start - 1).sum();
        let sources = self.join.map_or(own, Join::sources);
        let mut lanes: Vec<Lane> = (0..LANES)
            .map(|l| Lane::new(self.settings, self.tasks.get(l), &sums, sources, l))
            .collect();
        let mut scalars = Scalars::default();
        scalars.update(&lanes);
        let highest = simd.vectorize(
            #[inline(always)]
            || highest_price(simd, shape, grid, &scalars),
        );
        let highest = if K::JOINED { highest.largest() } else { highest };
        for (l, lane) in lanes.iter_mut().enumerate() {
            lane.begin(highest.0[l], grid.recursion.drift());
        }
        scalars.update(&lanes);
        simd.vectorize(
            #[inline(always)]
            || spread(simd, shape, grid, &scalars),
        );
        if let Some(join) = self.join {
            join.share_residual(grid);
        }
        self.iterate(simd, shape, &mut lanes, &mut scalars)?;
        Ok(lanes.iter().take(self.tasks.len()).map(Lane::outcome).collect())
    }

    /// Iterates until no lane is active.
    #[inline(always)]
    fn iterate<S: Simd, K: Shape>(
        &mut self,
        simd: S,
        shape: K,
        lanes: &mut [Lane],
        scalars: &mut Scalars,
    ) -> Result<(), SolverError> {
        let (grid, join) = (&mut self.grid, self.join);
        loop {
            let sums = simd.vectorize(
                #[inline(always)]
                || factor(simd, shape, grid, scalars),
            );
            let sums = if K::JOINED { sums.joined() } else { sums };
            for (l, lane) in lanes.iter_mut().enumerate() {
                lane.assess(&sums, l);
            }
            scalars.update(lanes);
            if !lanes.iter().any(Lane::active) {
                return Ok(());
            }
            if (self.interrupted)() {
                return Err(SolverError::Interrupted);
            }
            let affine = simd.vectorize(
                #[inline(always)]
                || predict(simd, shape, grid, scalars),
            );
            let affine = if K::JOINED { affine.joined() } else { affine };
            for (l, lane) in lanes.iter_mut().enumerate() {
                lane.predict(&affine, l);
            }
            scalars.update(lanes);
            let slope = simd.vectorize(
                #[inline(always)]
                || substitute(simd, shape, grid, scalars),
            );
            let slope = if K::JOINED { slope.total() } else { slope };
            for (l, lane) in lanes.iter_mut().enumerate() {
                lane.aim(slope.0[l]);
            }
            scalars.update(lanes);
            let steepest = simd.vectorize(
                #[inline(always)]
                || correct(simd, shape, grid, scalars),
            );
            let steepest = if K::JOINED { steepest.largest() } else { steepest };
            if let Some(join) = join {
                join.share_steps(grid);
            }
            for (l, lane) in lanes.iter_mut().enumerate() {
                lane.step(steepest.0[l]);
            }
            scalars.update(lanes);
        }
    }
}
