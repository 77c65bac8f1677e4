//! One thread's solvers and memory: a job's cells are prepared, solved and written.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};

use super::job::{Answer, Job, Prepared};
use super::plan::Plan;
use super::{Baseline, Lam, Method, Sample};
use crate::baseline::{
    BASELINE_QUANTILE, BaselineWorkspace, QUANTILE_BIAS, Window, quantile, rolling_quantile,
};
use crate::error::SolverError;
use crate::exact::{Cell, Exact, Solution};
use crate::fista::Fista;
use crate::interior::{Rule, Sparsity};
use crate::noise::{NoiseWorkspace, noise_level};

/// Beyond these the squares that prove an answer would vanish or overflow.
const MAGNITUDES: RangeInclusive<f64> = 1e-140..=1e140;

pub(super) struct Worker<'a> {
    plan: &'a Plan<'a>,
    exact: Exact,
    fista: Option<Fista>,
    baseline: BaselineWorkspace,
    noise: NoiseWorkspace,
    rows: Vec<Vec<f64>>,
    removed: Vec<f64>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(plan: &'a Plan<'a>) -> Result<Self, SolverError> {
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

    /// Does a job; returns its number of cells.
    pub(super) fn work<I: Sample, O: Sample>(
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
        let (plan, offset) = (self.plan, self.plan.settings.offset);
        let cells: Vec<Cell<'_>> = prepared
            .iter()
            .zip(&self.rows)
            .map(|(cell, row)| Cell {
                trace: row,
                sparsity: plan.sparsity(row, cell.noise),
                offset_floor: offset.then_some(cell.floor),
            })
            .collect();
        let interrupted = || stop.load(Ordering::Relaxed);
        let (exact, task) = (&mut self.exact, Task { plan, cells: &cells, prepared: &prepared });
        match &mut self.fista {
            None => task.exact(exact, &mut job, &interrupted)?,
            Some(fista) => task.fista(fista, exact, &mut job, &interrupted)?,
        }
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
        let largest = row.iter().fold(0.0_f64, |largest, y| largest.max(y.abs()));
        if largest > 0.0 && !MAGNITUDES.contains(&largest) {
            let got = format!("at most {largest:e} at cell {}", job.first + i);
            let expected = "samples whose squares are numbers, between 1e-140 and 1e140";
            return Err(SolverError::parameter("traces", expected, &got));
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
                for b in &mut *removed {
                    *b += QUANTILE_BIAS * noise;
                }
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

/// The prepared cells of a job.
struct Task<'a> {
    plan: &'a Plan<'a>,
    cells: &'a [Cell<'a>],
    prepared: &'a [Prepared],
}

impl Task<'_> {
    fn exact<I: Sample, O: Sample>(
        &self,
        exact: &mut Exact,
        job: &mut Job<'_, I, O>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), SolverError> {
        let (peak, boxed) = (self.plan.settings.ar2.peak, self.plan.options.boxed);
        let ends = &self.plan.settings.segments;
        exact.solve(self.cells, interrupted, &mut |i, solution| {
            let answer = Answer::exact(solution);
            let sources = &solution.sources;
            job.write(i, self.cells[i].trace, self.plan, self.prepared[i], &answer, |t| {
                // A source acts one frame later, so that of a segment's last frame acts on none.
                if ends.binary_search_by_key(&(t + 1), |&(_, end)| end).is_ok() {
                    return 0.0;
                }
                let s = sources[t + 1] * peak;
                if boxed { s.min(1.0) } else { s }
            });
        })
    }

    fn fista<I: Sample, O: Sample>(
        &self,
        fista: &mut Fista,
        exact: &mut Exact,
        job: &mut Job<'_, I, O>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), SolverError> {
        let lams = self.lams(exact, interrupted)?;
        for (i, (cell, &(lam, rule))) in self.cells.iter().zip(&lams).enumerate() {
            let outcome = fista.solve(cell.trace, lam, cell.offset_floor, interrupted)?;
            let answer = Answer::fista(fista, &outcome, (lam, rule));
            let activity = &fista.activity;
            job.write(i, cell.trace, self.plan, self.prepared[i], &answer, |t| activity[t]);
        }
        Ok(())
    }

    /// The `lam` of each cell, which the exact method finds where nobody gave it.
    fn lams(
        &self,
        exact: &mut Exact,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Vec<(f64, Rule)>, SolverError> {
        let mut lams = vec![(0.0, Rule::Given); self.cells.len()];
        if self.plan.options.lam == Lam::Auto {
            let note = &mut |i: usize, found: &Solution| lams[i] = (found.lam, found.rule);
            exact.solve(self.cells, interrupted, note)?;
            return Ok(lams);
        }
        for (lam, cell) in lams.iter_mut().zip(self.cells) {
            if let Sparsity::Given(given) = exact.settle(cell).sparsity {
                lam.0 = given;
            }
        }
        Ok(lams)
    }
}
