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

use super::field::{Event, Field};
use super::polish::{Polish, polish};
use super::{EventOptions, Shape, named, searched};
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
        let mut search = Search::new(trace, noise, shape, options, interrupted)?;
        let best = search.constant()?;
        if width == 0 {
            foot.fill(best.constant);
            continue;
        }
        let residual = search.residual(&best);
        rolling_quantile(&residual, Window::Centered, width, 0.5, &[], foot, &mut workspace)?;
        for level in foot {
            *level = if level.is_nan() { 0.0 } else { *level + best.constant };
        }
    }
    Ok(())
}

/// A constant, what it costs, and the events above it.
#[derive(Clone, Default)]
struct Tried {
    constant: f64,
    objective: f64,
    events: Vec<Event>,
}

/// One segment and the objective of a constant below it.
struct Search<'a> {
    trace: &'a [f64],
    noise: f64,
    field: Field<'a>,
    /// What was taken off the field's trace, in units of the trace.
    lowered: f64,
    options: &'a EventOptions,
    interrupted: &'a dyn Fn() -> bool,
}

impl<'a> Search<'a> {
    fn new(
        trace: &'a [f64],
        noise: f64,
        shape: &'a Shape,
        options: &'a EventOptions,
        interrupted: &'a dyn Fn() -> bool,
    ) -> Result<Self, SolverError> {
        let field = Field::new(shape, trace, noise, &[], &options.field)?;
        Ok(Self { trace, noise, field, lowered: 0.0, options, interrupted })
    }

    /// The constant of the least objective: doubling steps downhill, then halved ones around it.
    fn constant(&mut self) -> Result<Tried, SolverError> {
        let largest = self.trace.iter().fold(0.0_f64, |largest, y| fmax(largest, y.abs()));
        let unit = fmax(self.noise, LEAST_UNIT * largest);
        if unit <= 0.0 {
            return Ok(Tried::default());
        }
        let mut step = FIRST_STEP * unit;
        let low = quantile(self.trace, BASELINE_QUANTILE, &mut Vec::new())?;
        let mut best = self.first(0.0)?;
        // A trace whose quantile was not taken off may lie anywhere.
        if low.abs() > step {
            best = lesser(best, self.first(low)?);
        }
        let above = self.beside(&best, step)?;
        let first = lesser(above, self.beside(&best, -step)?);
        if first.objective < best.objective {
            let direction = (first.constant - best.constant).signum();
            best = first;
            for _ in 0..DOUBLINGS {
                step *= 2.0;
                let next = self.beside(&best, direction * step)?;
                if next.objective >= best.objective {
                    break;
                }
                best = next;
            }
        }
        step = fmax(0.5 * step, 0.5 * FIRST_STEP * unit);
        for _ in 0..HALVINGS {
            for side in [-step, step] {
                let next = self.beside(&best, side)?;
                best = lesser(best, next);
            }
            step *= 0.5;
        }
        Ok(best)
    }

    /// The events above a constant, looked for from nothing.
    ///
    /// Once more from what was found, as for the constants beside it, which would gain by that.
    fn first(&mut self, constant: f64) -> Result<Tried, SolverError> {
        let found = self.tried(constant, Vec::new())?;
        self.tried(constant, found.events)
    }

    /// Goes on from the events above a constant near by.
    fn beside(&mut self, from: &Tried, step: f64) -> Result<Tried, SolverError> {
        self.tried(from.constant + step, from.events.clone())
    }

    fn tried(&mut self, constant: f64, events: Vec<Event>) -> Result<Tried, SolverError> {
        self.lower(constant);
        let field = &mut self.field;
        let EventOptions { sweeps, window, detection, .. } = *self.options;
        let how = Polish { sweeps, window, least: detection * field.sigma };
        let events = if field.is_silent() {
            field.refresh(&[]);
            Vec::new()
        } else {
            let events = polish(field, events, how, self.interrupted)?;
            searched(field, events, self.options, how, self.interrupted)?
        };
        let objective = named(field, &events, self.options).objective;
        Ok(Tried { constant, objective, events })
    }

    fn lower(&mut self, constant: f64) {
        if !self.trace.is_empty() {
            self.field.lower(0, (constant - self.lowered) / self.field.unit);
        }
        self.lowered = constant;
    }

    /// What the events above the constant leave of the trace; NaN where nothing was recorded.
    fn residual(&mut self, best: &Tried) -> Vec<f64> {
        self.field.refresh(&best.events);
        let left = self.trace.iter().zip(self.field.calcium());
        left.map(|(y, c)| y - best.constant - c * self.field.unit).collect()
    }
}

fn lesser(a: Tried, b: Tried) -> Tried {
    if b.objective < a.objective { b } else { a }
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
