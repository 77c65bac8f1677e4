//! The foot of a trace: what stands below its activity, where a quantile cannot see it.
//!
//! ```text
//! foot[i] = x + median over the window around i of (y - x - fit),
//! x = argmin over constants of |y - x - fit(x)|² / σ² + penalty × events(x)
//! ```
//!
//! A cell that is seldom silent never shows its baseline, and a quantile of such a trace lies above
//! it; the decay of its transients still points at it. A foot too high leaves the troughs below
//! zero, which no event explains; one too low has to be held up by events all the time. The
//! penalised error counts both.

use libm::fmax;

use super::{EventOptions, Field, Shape, found, named};
use crate::baseline::{BASELINE_QUANTILE, BaselineWorkspace, Window, quantile, rolling_quantile};
use crate::error::{SolverError, check_length};
use crate::segments::segment_ranges;

/// First step of the search for the constant, in standard deviations of the noise.
const FIRST_STEP: f64 = 0.5;

/// Least unit of the search as a share of the largest sample, for traces without noise.
const LEAST_UNIT: f64 = 1e-3;

/// Most doublings of the step, far beyond any trace, and halvings once the constant is bracketed.
const DOUBLINGS: usize = 20;
const HALVINGS: usize = 2;

/// Writes the foot of `trace` into `foot`; `width` is the window of the median in frames, 0 for no
/// median.
///
/// Every segment has a constant of its own. Frames that were not recorded take the foot beside
/// them; where a segment has no recorded frame the foot is 0.
///
/// # Errors
///
/// As [`super::find_events`], for a `foot` of another length than the trace.
#[expect(clippy::too_many_arguments, reason = "a trace, its noise and its transient, and how")]
pub fn find_foot(
    trace: &[f64],
    noise: f64,
    shape: &Shape,
    segments: &[usize],
    width: usize,
    options: &EventOptions,
    foot: &mut [f64],
    interrupted: &dyn Fn() -> bool,
) -> Result<(), SolverError> {
    options.check()?;
    check_length("foot", trace.len(), foot.len())?;
    let mut workspace = BaselineWorkspace::default();
    for frames in segment_ranges(segments, trace.len()) {
        let (trace, foot) = (&trace[frames.clone()], &mut foot[frames]);
        let search = Search { trace, noise, shape, options, interrupted };
        let constant = search.constant()?;
        if width == 0 {
            foot.fill(constant);
            continue;
        }
        let residual = search.residual(constant)?;
        rolling_quantile(&residual, Window::Centered, width, 0.5, &[], foot, &mut workspace)?;
        for level in foot {
            *level = if level.is_nan() { 0.0 } else { *level + constant };
        }
    }
    Ok(())
}

/// One segment and the objective of a constant below it.
struct Search<'a> {
    trace: &'a [f64],
    noise: f64,
    shape: &'a Shape,
    options: &'a EventOptions,
    interrupted: &'a dyn Fn() -> bool,
}

impl Search<'_> {
    /// The constant of the least objective: doubling steps downhill, then halved ones around it.
    fn constant(&self) -> Result<f64, SolverError> {
        let largest = self.trace.iter().fold(0.0_f64, |largest, y| fmax(largest, y.abs()));
        let unit = fmax(self.noise, LEAST_UNIT * largest);
        if unit <= 0.0 {
            return Ok(0.0);
        }
        let mut step = FIRST_STEP * unit;
        let low = quantile(self.trace, BASELINE_QUANTILE, &mut Vec::new())?;
        let mut best = (0.0, self.objective(0.0)?);
        // A trace whose quantile was not taken off may lie anywhere.
        if low.abs() > step {
            let objective = self.objective(low)?;
            if objective < best.1 {
                best = (low, objective);
            }
        }
        let (high, low) = (best.0 + step, best.0 - step);
        let (above, below) = ((high, self.objective(high)?), (low, self.objective(low)?));
        let first = if above.1 < below.1 { above } else { below };
        if first.1 < best.1 {
            let direction = (first.0 - best.0).signum();
            best = first;
            for _ in 0..DOUBLINGS {
                step *= 2.0;
                let next = best.0 + direction * step;
                let objective = self.objective(next)?;
                if objective >= best.1 {
                    break;
                }
                best = (next, objective);
            }
        }
        step = fmax(0.5 * step, 0.5 * FIRST_STEP * unit);
        for _ in 0..HALVINGS {
            for next in [best.0 - step, best.0 + step] {
                let objective = self.objective(next)?;
                if objective < best.1 {
                    best = (next, objective);
                }
            }
            step *= 0.5;
        }
        Ok(best.0)
    }

    fn objective(&self, constant: f64) -> Result<f64, SolverError> {
        let shifted = self.above(constant);
        let mut field = Field::new(self.shape, &shifted, self.noise, &[], &self.options.field)?;
        let events = found(&mut field, self.options, self.interrupted)?;
        Ok(named(&field, &events, self.options).objective)
    }

    /// What the events above the constant leave of the trace; NaN where nothing was recorded.
    fn residual(&self, constant: f64) -> Result<Vec<f64>, SolverError> {
        let mut shifted = self.above(constant);
        let mut field = Field::new(self.shape, &shifted, self.noise, &[], &self.options.field)?;
        found(&mut field, self.options, self.interrupted)?;
        let fit: Vec<f64> = field.calcium().iter().map(|c| c * field.unit).collect();
        shifted.iter_mut().zip(fit).for_each(|(y, c)| *y -= c);
        Ok(shifted)
    }

    fn above(&self, constant: f64) -> Vec<f64> {
        self.trace.iter().map(|y| y - constant).collect()
    }
}
