//! Some neighbouring cells, and how their answers are written.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::plan::Plan;
use super::{Output, Sample, Summary};
use crate::certificate::Certificate;
use crate::exact::Solution;
use crate::fista::{Fista, FistaOutcome};
use crate::interior::Rule;

/// Some neighbouring cells and where their answers go.
pub(super) struct Job<'a, I, O> {
    /// Number of the first cell within the batch.
    pub(super) first: usize,
    pub(super) traces: ArrayView2<'a, I>,
    pub(super) activity: ArrayViewMut2<'a, O>,
    pub(super) fit: Option<(ArrayViewMut2<'a, f64>, ArrayViewMut2<'a, f64>)>,
    pub(super) summaries: &'a mut [Summary],
}

impl<'a, I: Sample, O: Sample> Job<'a, I, O> {
    /// Cuts a batch into jobs of `together` cells, one after the other.
    pub(super) fn split(
        traces: &'a ArrayView2<'_, I>,
        output: &'a mut Output<'_, O>,
        together: usize,
    ) -> impl Iterator<Item = Self> {
        let rows = Axis(0);
        let activities = output.activity.axis_chunks_iter_mut(rows, together);
        let mut fits = output.fit.as_mut().map(|(fit, removed)| {
            let fits = fit.axis_chunks_iter_mut(rows, together);
            fits.zip(removed.axis_chunks_iter_mut(rows, together))
        });
        let summaries = output.summaries.chunks_mut(together);
        let jobs = traces.axis_chunks_iter(rows, together).zip(activities).zip(summaries);
        jobs.enumerate().map(move |(k, ((traces, activity), summaries))| {
            let fit = fits.as_mut().and_then(Iterator::next);
            Self { first: k * together, traces, activity, fit, summaries }
        })
    }
}

/// What the preparation of a cell leaves for its answer.
#[derive(Clone, Copy)]
pub(super) struct Prepared {
    pub(super) noise: f64,
    pub(super) floor: f64,
    pub(super) recorded: usize,
    pub(super) mean_removed: f64,
}

/// What a solver says of one cell.
pub(super) struct Answer<'a> {
    calcium: &'a [f64],
    offset: f64,
    lam: f64,
    rule: Rule,
    iterations: usize,
    certificate: Certificate,
    converged: bool,
}

impl<'a> Answer<'a> {
    /// An answer of the exact method.
    pub(super) fn exact(solution: &'a Solution) -> Self {
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

    /// An answer of the proximal gradient method, for the `lam` that it was given.
    pub(super) fn fista(
        fista: &'a Fista,
        outcome: &FistaOutcome,
        (lam, rule): (f64, Rule),
    ) -> Self {
        Self {
            calcium: &fista.calcium,
            offset: outcome.offset,
            lam,
            rule,
            iterations: outcome.iterations,
            certificate: outcome.certificate,
            converged: outcome.converged,
        }
    }
}

impl<I: Sample, O: Sample> Job<'_, I, O> {
    /// Writes the answer for cell `i`, in the frame of its input.
    pub(super) fn write(
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
            Summary { lam: answer.lam, rule: answer.rule, ..Summary::UNRECORDED }
        };
    }
}
