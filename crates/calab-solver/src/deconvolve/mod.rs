//! From traces to activity: baseline, sparsity, solver, and the fit in the frame of the input.
//!
//! A cell passes through four steps, none of which looks at another cell: its baseline is removed,
//! the weight of its sum of sources is settled, the problem is solved ([`crate::exact`] or
//! [`crate::fista`]), and what was removed is added to the fit again.

mod job;
mod options;
mod output;
mod plan;
mod worker;

use fearless_simd::Level;
use ndarray::ArrayView2;

pub use options::{Baseline, Lam, Method, Options};
pub use output::{Output, Sample, Summary};

use job::Job;
use plan::Plan;
use worker::Worker;

use crate::batch;
use crate::error::{SolverError, check_length};

/// Deconvolves every row of `traces`; the arrays of `output` have their shape.
///
/// NaN samples are gaps. `monitor` gets the number of cells done and stops the batch by `false`.
///
/// # Errors
///
/// [`SolverError`] for options out of range, arrays of another shape, infinite samples, and an
/// interruption.
pub fn deconvolve<I: Sample, O: Sample>(
    traces: &ArrayView2<'_, I>,
    options: &Options,
    mut output: Output<'_, O>,
    n_threads: Option<usize>,
    level: Level,
    monitor: &mut dyn FnMut(usize) -> bool,
) -> Result<(), SolverError> {
    let (cells, frames) = traces.dim();
    check_output(&output, cells, frames)?;
    let plan = Plan::new(options, frames, output.fit.is_some(), level)?;
    let together = plan.cells_together();
    batch::run(
        Job::split(traces, &mut output, together),
        batch::threads(n_threads, cells.div_ceil(together)),
        || Worker::new(&plan),
        |worker, job, stop| worker.work(job, stop),
        monitor,
    )
}

fn check_output<O>(output: &Output<'_, O>, cells: usize, frames: usize) -> Result<(), SolverError> {
    check_length("activity", cells, output.activity.nrows())?;
    check_length("activity", frames, output.activity.ncols())?;
    check_length("summaries", cells, output.summaries.len())?;
    let (fit, removed) = match &output.fit {
        Some((fit, removed)) => (fit.dim(), removed.dim()),
        None => return Ok(()),
    };
    for (name, (rows, columns)) in [("fit", fit), ("removed", removed)] {
        check_length(name, cells, rows)?;
        check_length(name, frames, columns)?;
    }
    Ok(())
}
