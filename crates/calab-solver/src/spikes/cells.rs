//! Many cells at a time: each looks at nothing but itself.

use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::{
    EventOptions, Events, FootOptions, Placement, PlacementOptions, Shape, Start, event_cost,
    find_events, find_events_and_null, find_foot, place_spikes,
};
use crate::batch;
use crate::error::{SolverError, check_length};
use crate::segments::check_segments;

/// Traces of many cells, and how their work is shared and watched.
pub struct Cells<'a> {
    /// Cells x frames, without baselines; NaN where nothing was recorded.
    pub traces: ArrayView2<'a, f64>,
    /// Frames at which joined recordings start.
    pub segments: &'a [usize],
    /// Threads; as many as the process may use by default.
    pub n_threads: Option<usize>,
    /// Gets how much was done, and stops the work by `false`.
    pub monitor: &'a mut dyn FnMut(usize) -> bool,
}

/// A stretch of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Row of the traces.
    pub cell: usize,
    /// First frame.
    pub first: usize,
    /// Frame behind the last one.
    pub end: usize,
}

impl Cells<'_> {
    /// Runs one job per place of an answer.
    fn run<A: Send>(
        self,
        answers: &mut [A],
        job: impl Fn(usize, &mut A, &(dyn Fn() -> bool + Sync)) -> Result<(), SolverError> + Sync,
    ) -> Result<(), SolverError> {
        let threads = batch::threads(self.n_threads, answers.len());
        let work = |(): &mut (), (k, answer): (usize, &mut A), stop: &AtomicBool| {
            job(k, answer, &|| stop.load(Ordering::Relaxed))?;
            Ok(1)
        };
        batch::run(answers.iter_mut().enumerate(), threads, || Ok(()), work, self.monitor)
    }

    fn check(&self, names: &[(&'static str, usize)]) -> Result<(), SolverError> {
        check_segments(self.segments, self.traces.ncols())?;
        names.iter().try_for_each(|&(name, got)| check_length(name, self.traces.nrows(), got))
    }
}

/// Finds the events and the null level of every cell, whose transients are `shapes`, in each of some
/// ways: ways x cells.
///
/// # Errors
///
/// As [`find_events_and_null`], and for lists that do not match.
pub fn find_events_of_cells(
    cells: Cells<'_>,
    noise: &[f64],
    shapes: &[Shape],
    ways: &[EventOptions],
    answers: &mut [(Events, f64)],
) -> Result<(), SolverError> {
    let n_cells = cells.traces.nrows();
    cells.check(&[("noise", noise.len()), ("tau_decay", shapes.len())])?;
    check_length("answers", ways.len() * n_cells, answers.len())?;
    let (traces, segments) = (cells.traces, cells.segments);
    cells.run(answers, |k, answer, stop| {
        let (way, k) = (&ways[k / n_cells], k % n_cells);
        let (trace, shape) = (traces.row(k).to_vec(), &shapes[k]);
        *answer = find_events_and_null(&trace, noise[k], shape, segments, way, stop)?;
        Ok(())
    })
}

/// Finds what it costs to explain every cell by events.
///
/// # Errors
///
/// As [`event_cost`], and for lists that do not have an entry per cell.
pub fn event_costs_of_cells(
    cells: Cells<'_>,
    noise: &[f64],
    shapes: &[Shape],
    options: &EventOptions,
    costs: &mut [f64],
) -> Result<(), SolverError> {
    let names = [("noise", noise.len()), ("tau_decay", shapes.len()), ("costs", costs.len())];
    cells.check(&names)?;
    let (traces, segments) = (cells.traces, cells.segments);
    cells.run(costs, |k, cost, stop| {
        let (trace, shape) = (traces.row(k).to_vec(), &shapes[k]);
        *cost = event_cost(&trace, noise[k], shape, segments, options, stop)?;
        Ok(())
    })
}

/// Writes the foot of every cell into `feet`, cells x frames; `width` is in frames.
///
/// # Errors
///
/// As [`find_foot`], and for lists that do not have an entry per cell.
pub fn find_foot_of_cells(
    cells: Cells<'_>,
    noise: &[f64],
    shapes: &[Shape],
    width: usize,
    options: &EventOptions,
    mut feet: ArrayViewMut2<'_, f64>,
) -> Result<(), SolverError> {
    cells.check(&[("noise", noise.len()), ("tau_decay", shapes.len()), ("feet", feet.nrows())])?;
    let (traces, segments) = (cells.traces, cells.segments);
    // Threads that have no cell help another one.
    let n_threads = batch::threads(cells.n_threads, usize::MAX) / traces.nrows().max(1);
    let options = FootOptions { width, n_threads, events: *options };
    let mut answers: Vec<_> = feet.axis_iter_mut(Axis(0)).collect();
    cells.run(&mut answers, |k, row, stop| {
        let (trace, shape) = (traces.row(k).to_vec(), &shapes[k]);
        let mut foot = vec![0.0; trace.len()];
        find_foot(&trace, noise[k], shape, segments, &options, &mut foot, stop)?;
        row.iter_mut().zip(foot).for_each(|(out, level)| *out = level);
        Ok(())
    })
}

/// Finds the events of every stretch under every transient: stretches x transients.
///
/// # Errors
///
/// As [`find_events`], and for stretches outside the traces and lists that do not match.
pub fn score_kernels(
    cells: Cells<'_>,
    noise: &[f64],
    shapes: &[Shape],
    stretches: &[Stretch],
    options: &EventOptions,
    answers: &mut [Events],
) -> Result<(), SolverError> {
    cells.check(&[("noise", noise.len())])?;
    check_length("answers", stretches.len() * shapes.len(), answers.len())?;
    let (traces, segments) = (cells.traces, cells.segments);
    let inside =
        |s: &Stretch| s.cell < traces.nrows() && s.first < s.end && s.end <= traces.ncols();
    if let Some(stretch) = stretches.iter().find(|stretch| !inside(stretch)) {
        let Stretch { cell, first, end } = stretch;
        let got = format!("cell {cell}, frames {first} to {end}");
        return Err(SolverError::parameter("windows", "frames of a cell of the traces", &got));
    }
    cells.run(answers, |k, answer, stop| {
        let (Stretch { cell, first, end }, shape) =
            (stretches[k / shapes.len()], &shapes[k % shapes.len()]);
        let trace: Vec<f64> =
            traces.row(cell).iter().skip(first).take(end - first).copied().collect();
        let inner = segments.iter().filter(|&&start| first < start && start < end);
        let starts: Vec<usize> = inner.map(|start| start - first).collect();
        *answer = find_events(&trace, noise[cell], shape, &starts, options, stop)?;
        Ok(())
    })
}

/// Places whole spikes in every cell and writes what they make into `fit`, cells x frames.
///
/// # Errors
///
/// As [`place_spikes`], and for lists that do not have an entry per cell.
pub fn place_spikes_of_cells(
    cells: Cells<'_>,
    shapes: &[Shape],
    starts: &[Start<'_>],
    options: &PlacementOptions,
    mut fit: ArrayViewMut2<'_, f32>,
) -> Result<Vec<Placement>, SolverError> {
    cells.check(&[("tau_decay", shapes.len()), ("events", starts.len()), ("fit", fit.nrows())])?;
    let (traces, segments) = (cells.traces, cells.segments);
    let rows = fit.axis_iter_mut(Axis(0));
    let mut answers: Vec<_> = rows.map(|row| (row, Placement::default())).collect();
    cells.run(&mut answers, |k, (row, placement), stop| {
        let (trace, shape, row) = (traces.row(k).to_vec(), &shapes[k], row.view_mut());
        *placement = place_spikes(&trace, shape, segments, &starts[k], options, row, stop)?;
        Ok(())
    })?;
    Ok(answers.into_iter().map(|(_, placement)| placement).collect())
}
