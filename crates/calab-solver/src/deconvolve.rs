//! From traces to activity: baseline, sparsity, solver, and the fit in the frame of the input.
//!
//! A cell passes through four steps, none of which looks at another cell: its baseline is removed,
//! the weight of its sum of sources is settled, the problem is solved ([`crate::exact`] or
//! [`crate::fista`]), and what was removed is added to the fit again.

use std::sync::atomic::{AtomicBool, Ordering};

use fearless_simd::Level;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use crate::ar2::Ar2;
use crate::baseline::{
    BASELINE_QUANTILE, BaselineWorkspace, QUANTILE_BIAS, Window, baseline_width, quantile,
    rolling_quantile,
};
use crate::batch;
use crate::certificate::Certificate;
use crate::error::{SolverError, check_positive};
use crate::exact::{Cell, Exact, Solution};
use crate::fista::{Convolution, Fista};
use crate::interior::{Recursion, Rule, Settings, Sparsity};
use crate::noise::{NoiseWorkspace, noise_level};
use crate::segments::{check_segments, segment_ranges};

/// `lam = "auto"` may go down to this share of the level at which white noise gives nothing.
const LEAST_SHARE: f64 = 0.1;

/// The weight of the sum of sources.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lam {
    /// This number, in the documented units.
    Given(f64),
    /// Per cell, so that the residual is as large as the noise.
    Auto,
}

/// The method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Interior point.
    Exact,
    /// Accelerated proximal gradient.
    Fista(Convolution),
}

/// What is taken off a trace before its activity is inferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// The causal sliding quantile.
    Causal,
    /// The centred sliding quantile, raised by the bias that noise gives a quantile.
    Centered,
    /// A constant, estimated with the activity.
    Constant,
    /// Nothing.
    None,
}

/// How to deconvolve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sampling rate in hertz.
    pub fs: f64,
    /// Rise time constant in seconds.
    pub tau_rise: f64,
    /// Decay time constant in seconds.
    pub tau_decay: f64,
    /// Weight of the sum of sources.
    pub lam: Lam,
    /// The method.
    pub method: Method,
    /// Sources lie in `[0, 1]` and have no weight.
    pub boxed: bool,
    /// What is taken off first.
    pub baseline: Baseline,
    /// Frames at which joined recordings start.
    pub segments: Vec<usize>,
    /// Certified means `gap <= max(tol P, tol² P(0))`.
    pub tol: f64,
    /// Most iterations.
    pub max_iters: usize,
}

/// What is said of one cell beside its activity.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Mean of what was removed, plus the offset of the fit.
    pub baseline: f64,
    /// Offset of the fit from what was removed.
    pub offset: f64,
    /// Iterations.
    pub iterations: usize,
    /// Whether the gap meets the tolerance.
    pub converged: bool,
    /// Certified distance to the optimum.
    pub gap: f64,
    /// Objective of the activity.
    pub objective: f64,
    /// The `lam` that was used.
    pub lam: f64,
    /// What decided it.
    pub rule: Rule,
    /// Standard deviation of the white noise; NaN if nobody asked.
    pub noise: f64,
    /// Share of frames that were not recorded.
    pub masked: f64,
}

impl Summary {
    /// What is known of a cell without any recorded frame.
    const UNRECORDED: Self = Self {
        baseline: f64::NAN,
        offset: f64::NAN,
        iterations: 0,
        converged: false,
        gap: f64::NAN,
        objective: f64::NAN,
        lam: f64::NAN,
        rule: Rule::NoEvents,
        noise: f64::NAN,
        masked: 1.0,
    };
}

/// A sample of a trace or of an activity.
pub trait Sample: Copy + Send + Sync {
    /// Widens, exactly.
    fn widen(self) -> f64;
    /// Rounds to the nearest sample.
    fn narrow(value: f64) -> Self;
}

impl Sample for f64 {
    fn widen(self) -> f64 {
        self
    }
    fn narrow(value: f64) -> Self {
        value
    }
}

impl Sample for f32 {
    fn widen(self) -> f64 {
        f64::from(self)
    }
    fn narrow(value: f64) -> Self {
        value as Self
    }
}

/// Where the answers go; all arrays are cells x frames.
pub struct Output<'a, O> {
    /// The activity.
    pub activity: ArrayViewMut2<'a, O>,
    /// The fit to the traces, and what was removed from them, if wanted.
    pub fit: Option<(ArrayViewMut2<'a, f64>, ArrayViewMut2<'a, f64>)>,
    /// One entry a cell.
    pub summaries: &'a mut [Summary],
}

impl Default for Summary {
    fn default() -> Self {
        Self::UNRECORDED
    }
}

/// Deconvolves every row of `traces`; the arrays of `output` have their shape.
///
/// NaN samples are gaps. `monitor` gets the number of cells done and stops the batch by `false`.
///
/// # Errors
///
/// [`SolverError`] for options out of range, infinite samples, and an interruption.
pub fn deconvolve<'a, I: Sample, O: Sample>(
    traces: ArrayView2<'a, I>,
    options: &Options,
    output: Output<'a, O>,
    n_threads: Option<usize>,
    level: Level,
    monitor: &mut dyn FnMut(usize) -> bool,
) -> Result<(), SolverError> {
    let frames = traces.ncols();
    let plan = Plan::new(options, frames, output.fit.is_some(), level)?;
    let together = plan.cells_together();
    let jobs = Job::split(traces, output, together);
    let n_jobs = traces.nrows().div_ceil(together);
    batch::run(
        jobs,
        batch::threads(n_threads, n_jobs),
        || Worker::new(&plan),
        |worker, job, stop| worker.work(job, stop),
        monitor,
    )
}

/// What follows from the options for every cell.
struct Plan<'a> {
    options: &'a Options,
    settings: Settings,
    level: Level,
    width: usize,
    full: bool,
    /// `lam` per unit of noise at which white noise alone is expected to give nothing.
    silence: f64,
}

impl<'a> Plan<'a> {
    fn new(
        options: &'a Options,
        frames: usize,
        full: bool,
        level: Level,
    ) -> Result<Self, SolverError> {
        let ar2 = Ar2::new(options.tau_rise, options.tau_decay, options.fs)?;
        check_segments(&options.segments, frames)?;
        check_positive("tol", options.tol)?;
        if let Lam::Given(lam) = options.lam
            && !(lam.is_finite() && lam >= 0.0)
        {
            return Err(SolverError::parameter("lam", "a finite number, at least 0", &lam));
        }
        let segments: Vec<(usize, usize)> =
            segment_ranges(&options.segments, frames).map(|r| (r.start, r.end)).collect();
        let longest = segments.iter().map(|(start, end)| end - start).max().unwrap_or(0);
        let recursion = Recursion::new(&ar2);
        let norm = recursion.energy().sqrt() / ar2.peak;
        let silence = norm * (2.0 * libm::log(longest.max(2) as f64)).sqrt() / ar2.dc_gain;
        let settings = Settings {
            ar2,
            segments,
            boxed: options.boxed,
            offset: options.baseline == Baseline::Constant || options.lam == Lam::Auto,
            tol: options.tol,
            max_iters: options.max_iters,
        };
        let width = baseline_width(options.tau_decay, options.fs)?;
        Ok(Self { options, settings, level, width, full, silence })
    }

    fn cells_together(&self) -> usize {
        match self.options.method {
            Method::Fista(_) if self.options.lam != Lam::Auto => 1,
            _ => Exact::cells_together(&self.settings),
        }
    }

    fn needs_noise(&self) -> bool {
        let baseline = matches!(self.options.baseline, Baseline::Centered | Baseline::Constant);
        self.full || baseline || self.options.lam == Lam::Auto
    }

    /// How `lam` is found for a cell with this noise.
    fn sparsity(&self, trace: &[f64], noise: f64) -> Sparsity {
        let lam = match self.options.lam {
            Lam::Given(lam) => return Sparsity::Given(lam),
            Lam::Auto => noise * self.silence,
        };
        let frames = self.settings.segments.iter().map(|&(start, end)| {
            let n = trace[start..end].iter().filter(|y| !y.is_nan()).count() as f64;
            n + 2.0 * (2.0 * n).sqrt()
        });
        let target = noise * noise * frames.sum::<f64>();
        Sparsity::Residual { target, low: LEAST_SHARE * lam, high: lam }
    }
}

/// Some neighbouring cells and where their answers go.
struct Job<'a, I, O> {
    first: usize,
    traces: ArrayView2<'a, I>,
    activity: ArrayViewMut2<'a, O>,
    fit: Option<(ArrayViewMut2<'a, f64>, ArrayViewMut2<'a, f64>)>,
    summaries: &'a mut [Summary],
}

impl<'a, I: Sample, O: Sample> Job<'a, I, O> {
    /// Cuts a batch into jobs of `together` cells, one after the other.
    fn split(
        mut traces: ArrayView2<'a, I>,
        output: Output<'a, O>,
        together: usize,
    ) -> impl Iterator<Item = Self> {
        let Output { mut activity, mut fit, mut summaries } = output;
        let mut first = 0;
        std::iter::from_fn(move || {
            let n = together.min(traces.nrows());
            if n == 0 {
                return None;
            }
            let job = Self {
                first,
                traces: split_rows(&mut traces, n, |rows, n| rows.split_at(Axis(0), n)),
                activity: take_rows(&mut activity, n),
                fit: fit.as_mut().map(|(a, b)| (take_rows(a, n), take_rows(b, n))),
                summaries: summaries.split_off_mut(..n)?,
            };
            first += n;
            Some(job)
        })
    }
}

fn split_rows<A: Copy>(rows: &mut A, n: usize, split: impl Fn(A, usize) -> (A, A)) -> A {
    let (head, tail) = split(*rows, n);
    *rows = tail;
    head
}

fn take_rows<'a, T>(rows: &mut ArrayViewMut2<'a, T>, n: usize) -> ArrayViewMut2<'a, T> {
    let empty = ArrayViewMut2::from_shape((0, 0), &mut []).expect("no element fits no element");
    let (head, tail) = std::mem::replace(rows, empty).split_at(Axis(0), n);
    *rows = tail;
    head
}

/// One thread's solvers and memory.
struct Worker<'a> {
    plan: &'a Plan<'a>,
    exact: Exact,
    fista: Option<Fista>,
    baseline: BaselineWorkspace,
    noise: NoiseWorkspace,
    rows: Vec<Vec<f64>>,
    removed: Vec<f64>,
}

/// What the preparation of a cell leaves for its answer.
#[derive(Clone, Copy)]
struct Prepared {
    noise: f64,
    floor: f64,
    recorded: usize,
    mean_removed: f64,
}

impl<'a> Worker<'a> {
    fn new(plan: &'a Plan<'a>) -> Result<Self, SolverError> {
        let o = plan.options;
        let fista = match o.method {
            Method::Exact => None,
            Method::Fista(convolution) => {
                let taus = (o.tau_rise, o.tau_decay, o.fs);
                Some(Fista::new(plan.settings.clone(), convolution, taus)?)
            }
        };
        Ok(Self {
            plan,
            exact: Exact::new(plan.settings.clone(), plan.level),
            fista,
            baseline: BaselineWorkspace::default(),
            noise: NoiseWorkspace::default(),
            rows: Vec::new(),
            removed: Vec::new(),
        })
    }

    fn work<I: Sample, O: Sample>(
        &mut self,
        mut job: Job<'_, I, O>,
        stop: &AtomicBool,
    ) -> Result<usize, SolverError> {
        let n_cells = job.traces.nrows();
        let mut prepared = Vec::with_capacity(n_cells);
        self.rows.resize_with(n_cells.max(self.rows.len()), Vec::new);
        for i in 0..n_cells {
            prepared.push(self.prepare(&mut job, i)?);
        }
        let interrupted = || stop.load(Ordering::Relaxed);
        let offset = self.plan.settings.offset;
        let cells: Vec<Cell<'_>> = prepared
            .iter()
            .zip(&self.rows)
            .map(|(cell, row)| Cell {
                trace: row,
                sparsity: self.plan.sparsity(row, cell.noise),
                offset_floor: offset.then_some(cell.floor),
            })
            .collect();
        let ar2 = &self.plan.settings.ar2;
        if let Some(fista) = &mut self.fista {
            let lams = if self.plan.options.lam == Lam::Auto {
                choose_lams(&mut self.exact, &cells, &interrupted)?
            } else {
                cells.iter().map(given).collect()
            };
            for (i, cell) in cells.iter().enumerate() {
                let (lam, rule) = lams[i];
                let floor = cell.offset_floor;
                let outcome = fista.solve(cell.trace, lam, floor, &interrupted)?;
                let answer = Answer {
                    calcium: &fista.calcium,
                    offset: outcome.offset,
                    lam,
                    rule,
                    iterations: outcome.iterations,
                    certificate: outcome.certificate,
                    converged: outcome.converged,
                };
                let activity = &fista.activity;
                job.write(i, cell.trace, self.plan, prepared[i], &answer, |t| activity[t]);
            }
            return Ok(n_cells);
        }
        self.exact.solve(&cells, &interrupted, &mut |i, solution| {
            let answer = Answer::of(solution);
            let sources = &solution.sources;
            let ends = &self.plan.settings.segments;
            job.write(i, cells[i].trace, self.plan, prepared[i], &answer, |t| {
                // A source acts one frame later, so that of a segment's last frame acts on none.
                if t + 1 == sources.len() || ends.iter().any(|&(_, end)| end == t + 1) {
                    return 0.0;
                }
                let s = sources[t + 1] * ar2.peak;
                if self.plan.options.boxed { s.min(1.0) } else { s }
            });
        })?;
        Ok(n_cells)
    }

    /// Loads cell `i`, takes its baseline off, and measures what the solver needs to know.
    fn prepare<I: Sample, O: Sample>(
        &mut self,
        job: &mut Job<'_, I, O>,
        i: usize,
    ) -> Result<Prepared, SolverError> {
        let options = self.plan.options;
        let row = &mut self.rows[i];
        row.clear();
        row.extend(job.traces.row(i).iter().map(|y| y.widen()));
        if let Some(t) = row.iter().position(|y| y.is_infinite()) {
            let got = format!("{} at cell {}, frame {t}", row[t], job.first + i);
            return Err(SolverError::parameter("traces", "finite values, or NaN for gaps", &got));
        }
        let recorded = row.iter().filter(|y| !y.is_nan()).count();
        let mut noise = f64::NAN;
        if self.plan.needs_noise() {
            noise = noise_level(row, options.fs, &options.segments, &mut self.noise)?;
        }
        self.removed.clear();
        self.removed.resize(row.len(), 0.0);
        let (removed, width) = (&mut self.removed, self.plan.width);
        let mut roll = |window| {
            let (segments, workspace) = (&options.segments, &mut self.baseline);
            rolling_quantile(row, window, width, BASELINE_QUANTILE, segments, removed, workspace)
        };
        match options.baseline {
            Baseline::None => {}
            Baseline::Causal => roll(Window::Causal)?,
            Baseline::Centered => {
                roll(Window::Centered)?;
                removed.iter_mut().for_each(|b| *b += QUANTILE_BIAS * noise);
            }
            Baseline::Constant => {
                removed.fill(quantile(row, BASELINE_QUANTILE, &mut Vec::new())?);
            }
        }
        row.iter_mut().zip(&*removed).for_each(|(y, b)| *y -= b);
        let mean_removed = removed.iter().sum::<f64>() / removed.len() as f64;
        if let Some((_, rows)) = &mut job.fit {
            rows.row_mut(i).iter_mut().zip(&*removed).for_each(|(out, b)| *out = *b);
        }
        Ok(Prepared { noise, floor: -noise, recorded, mean_removed })
    }
}

/// The `lam` of each cell that the exact method finds.
fn choose_lams(
    exact: &mut Exact,
    cells: &[Cell<'_>],
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<(f64, Rule)>, SolverError> {
    let mut lams = vec![(0.0, Rule::NoEvents); cells.len()];
    exact.solve(cells, interrupted, &mut |i, solution| lams[i] = (solution.lam, solution.rule))?;
    Ok(lams)
}

fn given(cell: &Cell<'_>) -> (f64, Rule) {
    match cell.sparsity {
        Sparsity::Given(lam) => (lam, Rule::Given),
        Sparsity::Residual { high, .. } => (high, Rule::Clamp),
    }
}

/// What a solver says of one cell.
struct Answer<'a> {
    calcium: &'a [f64],
    offset: f64,
    lam: f64,
    rule: Rule,
    iterations: usize,
    certificate: Certificate,
    converged: bool,
}

impl<'a> Answer<'a> {
    fn of(solution: &'a Solution) -> Self {
        Self {
            calcium: &solution.calcium,
            offset: solution.offset,
            lam: solution.lam,
            rule: solution.rule,
            iterations: solution.iterations,
            certificate: solution.certificate,
            converged: solution.converged,
        }
    }
}

impl<I: Sample, O: Sample> Job<'_, I, O> {
    /// Writes the answer for cell `i`, in the frame of its input.
    fn write(
        &mut self,
        i: usize,
        trace: &[f64],
        plan: &Plan<'_>,
        prepared: Prepared,
        answer: &Answer<'_>,
        source: impl Fn(usize) -> f64,
    ) {
        let recorded = prepared.recorded > 0;
        for (t, out) in self.activity.row_mut(i).iter_mut().enumerate() {
            *out = O::narrow(if recorded { source(t) } else { 0.0 });
        }
        let offset = if plan.settings.offset {
            answer.offset
        } else {
            let parts = trace.iter().zip(answer.calcium).filter(|(y, _)| !y.is_nan());
            parts.map(|(y, c)| y - c).sum::<f64>() / prepared.recorded as f64
        };
        if let Some((fit, removed)) = &mut self.fit {
            let parts = fit.row_mut(i).into_iter().zip(removed.row(i)).zip(answer.calcium);
            parts.for_each(|((out, b), c)| *out = c + b + offset);
            if !recorded {
                fit.row_mut(i).fill(f64::NAN);
            }
        }
        let masked = 1.0 - prepared.recorded as f64 / trace.len() as f64;
        self.summaries[i] = if recorded {
            Summary {
                baseline: prepared.mean_removed + offset,
                offset,
                iterations: answer.iterations,
                converged: answer.converged,
                gap: answer.certificate.gap,
                objective: answer.certificate.objective,
                lam: if plan.options.boxed { 0.0 } else { answer.lam },
                rule: answer.rule,
                noise: prepared.noise,
                masked,
            }
        } else {
            Summary::UNRECORDED
        };
    }
}
