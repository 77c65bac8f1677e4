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
    options.check()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: f64 = 0.1;

    /// A transient every two decays on 200 frames, a ripple that stands for noise, and a constant.
    fn busy(constant: f64) -> (Shape, Vec<f64>) {
        let shape = Shape::new(0.05, 0.6, 30.0, 1).unwrap();
        let transient = |t: f64| {
            if t < 0.0 { 0.0 } else { libm::exp(-t / 0.6) - libm::exp(-t / 0.05) }
        };
        let value = |i: usize| {
            let spikes = (0..6).map(|k| transient((i as f64 - 36.0 * f64::from(k)) / 30.0));
            let ripple = if i.is_multiple_of(2) { NOISE } else { -NOISE };
            constant + 1.3 * spikes.sum::<f64>() + ripple
        };
        let trace = (0..200).map(value).collect();
        (shape, trace)
    }

    fn foot_of(trace: &[f64], shape: &Shape, segments: &[usize], width: usize) -> Vec<f64> {
        let mut foot = vec![7.0; trace.len()];
        let options = EventOptions::default();
        find_foot(trace, NOISE, shape, segments, width, &options, &mut foot, &|| false).unwrap();
        foot
    }

    #[test]
    fn finds_a_constant_below_activity() {
        for constant in [-0.4, 0.0, 0.3] {
            let (shape, trace) = busy(constant);
            let foot = foot_of(&trace, &shape, &[], 0);
            assert!((foot[0] - constant).abs() < NOISE, "{} for {constant}", foot[0]);
            assert!(foot.iter().all(|level| level.to_bits() == foot[0].to_bits()));
        }
    }

    #[test]
    fn every_segment_is_alone() {
        let (shape, mut trace) = busy(0.3);
        let alone = foot_of(&trace, &shape, &[], 60);
        trace.extend(busy(-0.4).1);
        let both = foot_of(&trace, &shape, &[200], 60);
        assert_eq!(both[..200], alone);
        assert!((both[300] + 0.4).abs() < 2.0 * NOISE);
    }

    #[test]
    fn is_nothing_where_nothing_was_recorded() {
        let (shape, _) = busy(0.0);
        for width in [0, 30] {
            assert_eq!(foot_of(&[f64::NAN; 50], &shape, &[], width), [0.0; 50]);
        }
    }

    #[test]
    fn refuses_options_out_of_range_and_other_lengths() {
        let (shape, trace) = busy(0.0);
        let wrong = EventOptions { detection: 0.0, ..EventOptions::default() };
        let mut foot = vec![0.0; trace.len()];
        let go = |options: &EventOptions, foot: &mut [f64]| {
            find_foot(&trace, NOISE, &shape, &[], 0, options, foot, &|| false)
        };
        assert!(go(&wrong, &mut foot).is_err());
        assert!(go(&EventOptions::default(), &mut foot[1..]).is_err());
    }
}
