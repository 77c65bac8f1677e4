//! The foot of a trace: what stands below its activity, where a quantile cannot see it.
//!
//! ```text
//! foot[i] = x + median over the window around i of (y - x - fit),
//! x = argmin over constants of |y - x - fit(x)|² / σ² + penalty × events(x)
//! ```
//!
//! Of a long trace some stretches stand for the whole in the second line.
//!
//! A cell that is seldom silent never shows its baseline, and a quantile of such a trace lies above
//! it; the decay of its transients still points at it. A foot too high leaves the troughs below
//! zero, which no event explains; one too low has to be held up by events all the time. The
//! penalised error counts both.

use libm::fmax;

use super::field::{Event, Field, Unlowered, check_samples};
use super::polish::{Polish, polish};
use super::stretches::stretches;
use super::{EventOptions, Shape, named, searched};
use crate::baseline::{BASELINE_QUANTILE, BaselineWorkspace, Window, quantile, rolling_quantile};
use crate::batch::pair;
use crate::error::{SolverError, check_length};
use crate::segments::segment_ranges;

/// Least unit of the search's steps as a share of the largest sample; else it is the noise.
const LEAST_UNIT: f64 = 1e-3;

/// First step of the search for the constant, and its last one, in units.
const FIRST_STEP: f64 = 0.5;
const LAST_STEP: f64 = 0.25;

/// Rounds of events above a constant that was found on stretches, of which the median is taken of what
/// they leave of the whole: events of later rounds are few and small. In dense firing two rounds leave it
/// too high.
const ROUNDS_OF_MEDIAN: usize = 3;

/// Fewest frames for which a second thread is started.
const LEAST_SHARED: usize = 4096;

/// Most pairs of doubled steps, far beyond any trace.
const DOUBLINGS: usize = 10;

/// How the foot is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FootOptions {
    /// Window of the median in frames; 0 for no median.
    pub width: usize,
    /// Threads that try constants, of which two can be of use; they change nothing else.
    pub n_threads: usize,
    /// How events are found.
    pub events: EventOptions,
}

/// Writes the foot of `trace` into `foot`.
///
/// Every segment has a constant of its own. Frames that were not recorded take the foot beside
/// them; where a segment has no recorded frame the foot is 0.
///
/// # Errors
///
/// As [`super::find_events`], for a `foot` of another length than the trace.
pub fn find_foot(
    trace: &[f64],
    noise: f64,
    shape: &Shape,
    segments: &[usize],
    options: &FootOptions,
    foot: &mut [f64],
    interrupted: &(dyn Fn() -> bool + Sync),
) -> Result<(), SolverError> {
    options.events.check()?;
    // Of a long trace not every frame is searched.
    check_samples(trace)?;
    check_length("foot", trace.len(), foot.len())?;
    let mut workspace = BaselineWorkspace::default();
    let rounds = options.events.rounds.min(ROUNDS_OF_MEDIAN);
    let rough = EventOptions { rounds, ..options.events };
    for frames in segment_ranges(segments, trace.len()) {
        let (trace, foot) = (&trace[frames.clone()], &mut foot[frames]);
        let whole =
            Segment { trace, starts: &[], noise, shape, options: &options.events, interrupted };
        // A thread takes longer to start than a short segment takes.
        let n_threads = if trace.len() < LEAST_SHARED { 1 } else { options.n_threads };
        let part = stretches(trace, shape);
        let of_part = |(trace, starts)| Segment { trace, starts, ..whole };
        let searched = part.as_ref().map_or(whole, |(trace, starts)| of_part((trace, starts)));
        let mut search = Search::new(searched, n_threads)?;
        let mut best = search.constant()?;
        if options.width == 0 {
            foot.fill(best.constant);
            continue;
        }
        if part.is_some() {
            search = Search::new(Segment { options: &rough, ..whole }, 1)?;
            best = search.one.first(best.constant)?;
        }
        let (window, width) = (Window::Centered, options.width);
        let residual = search.one.residual(&best);
        rolling_quantile(&residual, window, width, 0.5, &[], foot, &mut workspace)?;
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

/// Of one segment, what all trials share.
#[derive(Clone, Copy)]
struct Segment<'a> {
    trace: &'a [f64],
    /// Where stretches of it start that nothing connects.
    starts: &'a [usize],
    noise: f64,
    shape: &'a Shape,
    options: &'a EventOptions,
    interrupted: &'a (dyn Fn() -> bool + Sync),
}

/// The search for the constant of a segment. It goes on from two trials at a time, whether they are
/// made side by side or one after the other.
struct Search<'a> {
    segment: Segment<'a>,
    one: Trials<'a>,
    /// Makes the second trial of a pair on another thread.
    other: Option<Trials<'a>>,
}

impl<'a> Search<'a> {
    fn new(segment: Segment<'a>, n_threads: usize) -> Result<Self, SolverError> {
        let (one, other) = pair(
            n_threads,
            || Trials::new(segment),
            || (n_threads > 1).then(|| Trials::new(segment)).transpose(),
        );
        Ok(Self { segment, one: one?, other: other? })
    }

    /// The constant of the least objective: doubling steps downhill, then halved ones around it.
    fn constant(&mut self) -> Result<Tried, SolverError> {
        let Segment { trace, noise, .. } = self.segment;
        let largest = trace.iter().fold(0.0_f64, |largest, y| fmax(largest, y.abs()));
        let unit = fmax(noise, LEAST_UNIT * largest);
        if unit <= 0.0 {
            return Ok(Tried::default());
        }
        let mut step = FIRST_STEP * unit;
        let low = quantile(trace, BASELINE_QUANTILE, &mut Vec::new())?;
        // A trace whose quantile was not taken off may lie anywhere, and from below dense activity is
        // told better.
        let mut best = if low.abs() > step {
            let (one, other) = self.both(|trials| trials.first(0.0), |trials| trials.first(low));
            lesser(one?, other?)
        } else {
            self.one.first(0.0)?
        };
        // Once more from what was found, as for the constants beside it, which would gain by that.
        best = self.one.beside(&best, 0.0)?;
        let first = self.beside(&best, step)?;
        if first.objective < best.objective {
            let downhill = (first.constant - best.constant).signum();
            best = first;
            step = self.descend(&mut best, downhill * step)?;
        }
        while step > LAST_STEP * unit {
            step *= 0.5;
            best = lesser(best.clone(), self.beside(&best, step)?);
        }
        Ok(best)
    }

    /// Goes downhill in steps that double from this one on; returns the length of the last one.
    fn descend(&mut self, best: &mut Tried, mut step: f64) -> Result<f64, SolverError> {
        for _ in 0..DOUBLINGS {
            let (near, far) = self.onwards(best, step)?;
            let Some(far) = far else { return Ok(2.0 * step.abs()) };
            step *= 4.0;
            if far.objective >= near.objective {
                *best = near;
                break;
            }
            *best = far;
        }
        Ok(step.abs())
    }

    /// Goes on by a doubled step and by one that is doubled again, which is of use only where the
    /// first one is better.
    fn onwards(&mut self, from: &Tried, step: f64) -> Result<(Tried, Option<Tried>), SolverError> {
        let near = |trials: &mut Trials<'a>| trials.beside(from, 2.0 * step);
        let far = |trials: &mut Trials<'a>| trials.beside(from, 6.0 * step);
        let better = |near: &Tried| near.objective < from.objective;
        if let Some(other) = &mut self.other {
            let (near, far) = pair(2, || near(&mut self.one), || far(other));
            let near = near?;
            let far = better(&near).then_some(far).transpose()?;
            return Ok((near, far));
        }
        let near = near(&mut self.one)?;
        let far = better(&near).then(|| far(&mut self.one)).transpose()?;
        Ok((near, far))
    }

    /// The better one of the constants a step below and above.
    fn beside(&mut self, from: &Tried, step: f64) -> Result<Tried, SolverError> {
        let (below, above) =
            self.both(|trials| trials.beside(from, -step), |trials| trials.beside(from, step));
        Ok(lesser(below?, above?))
    }

    fn both<A: Send>(
        &mut self,
        one: impl FnOnce(&mut Trials<'a>) -> A + Send,
        other: impl FnOnce(&mut Trials<'a>) -> A + Send,
    ) -> (A, A) {
        match &mut self.other {
            Some(beside) => pair(2, || one(&mut self.one), || other(beside)),
            None => (one(&mut self.one), other(&mut self.one)),
        }
    }
}

/// The objective of constants below a segment.
struct Trials<'a> {
    segment: Segment<'a>,
    field: Field<'a>,
    unlowered: Unlowered,
}

impl<'a> Trials<'a> {
    fn new(segment: Segment<'a>) -> Result<Self, SolverError> {
        let Segment { trace, starts, noise, shape, options, .. } = segment;
        let field = Field::new(shape, trace, noise, starts, &options.field)?;
        let unlowered = field.unlowered();
        Ok(Self { segment, field, unlowered })
    }

    /// The events above a constant, looked for from nothing.
    fn first(&mut self, constant: f64) -> Result<Tried, SolverError> {
        self.tried(constant, Vec::new())
    }

    /// Goes on from the events above a constant near by.
    fn beside(&mut self, from: &Tried, step: f64) -> Result<Tried, SolverError> {
        self.tried(from.constant + step, from.events.clone())
    }

    fn tried(&mut self, constant: f64, events: Vec<Event>) -> Result<Tried, SolverError> {
        let (field, Segment { options, interrupted, .. }) = (&mut self.field, self.segment);
        field.restart_below(&self.unlowered, constant / field.unit);
        let EventOptions { sweeps, detection, .. } = *options;
        let how = Polish { sweeps, least: detection * field.sigma };
        let events = if field.is_silent() {
            field.refresh(&[]);
            Vec::new()
        } else {
            let events = polish(field, events, how, interrupted)?;
            searched(field, events, options, how, interrupted)?
        };
        let objective = named(field, &events, options).objective;
        Ok(Tried { constant, objective, events })
    }

    /// What the events above the constant leave of the trace; NaN where nothing was recorded.
    fn residual(&mut self, best: &Tried) -> Vec<f64> {
        self.field.refresh(&best.events);
        let left = self.segment.trace.iter().zip(self.field.calcium());
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
        let options = |n_threads| FootOptions { width, n_threads, events: EventOptions::default() };
        find_foot(trace, NOISE, shape, segments, &options(1), &mut foot, &|| false).unwrap();
        let mut side_by_side = vec![7.0; trace.len()];
        let both = &mut side_by_side;
        find_foot(trace, NOISE, shape, segments, &options(2), both, &|| false).unwrap();
        assert_eq!(foot, side_by_side);
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

    /// Long enough for stretches, and so for a second thread.
    fn long() -> (Shape, Vec<f64>) {
        let (shape, part) = busy(0.3);
        (shape, part.into_iter().cycle().take(10_000).collect())
    }

    #[test]
    fn stretches_of_a_long_trace_are_enough() {
        let (shape, trace) = long();
        let (part, starts) = stretches(&trace, &shape).unwrap();
        assert!(part.len() < trace.len() / 2 && starts.len() == 7);
        for width in [0, 60] {
            let foot = foot_of(&trace, &shape, &[], width);
            assert!((foot[5000] - 0.3).abs() < NOISE, "{}", foot[5000]);
        }
    }

    #[test]
    fn stretches_that_begin_in_large_slow_transients_do_not_raise_the_foot() {
        let shape = Shape::new(0.4, 1.8, 30.0, 1).unwrap();
        let (mut decay, mut rise) = (0.0, 0.0);
        let value = |i: usize| {
            let spike = if i % 97 < 8 { 4.0 } else { 0.0 };
            decay = decay * libm::exp(-1.0 / 54.0) + spike;
            rise = rise * libm::exp(-1.0 / 12.0) + spike;
            decay - rise + if i.is_multiple_of(2) { NOISE } else { -NOISE }
        };
        let trace: Vec<f64> = (0..40_000).map(value).skip(400).collect();
        assert!(stretches(&trace, &shape).is_some());
        // A trace that never rests says no more exactly; were the starts in sight it would be 0.33.
        let foot = foot_of(&trace, &shape, &[], 0);
        assert!(foot[0].abs() < 2.0 * NOISE, "{}", foot[0]);
    }

    #[test]
    fn a_rise_much_shorter_than_a_frame_does_no_harm_to_stretches() {
        let shape = Shape::new(0.002, 0.6, 30.0, 1).unwrap();
        let mut calcium = 0.0;
        let value = |i: usize| {
            calcium =
                calcium * libm::exp(-1.0 / 18.0) + if i.is_multiple_of(31) { 1.3 } else { 0.0 };
            0.3 + calcium + if i.is_multiple_of(2) { NOISE } else { -NOISE }
        };
        let trace: Vec<f64> = (0..10_000).map(value).collect();
        assert!(stretches(&trace, &shape).is_some());
        let foot = foot_of(&trace, &shape, &[], 0);
        assert!((foot[0] - 0.3).abs() < NOISE, "{}", foot[0]);
    }

    #[test]
    fn the_whole_is_searched_where_stretches_are_hardly_recorded() {
        let (shape, mut trace) = long();
        trace[..7000].fill(f64::NAN);
        assert!(stretches(&trace, &shape).is_none());
        let foot = foot_of(&trace, &shape, &[], 0);
        assert!((foot[0] - 0.3).abs() < NOISE, "{}", foot[0]);
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
        let go = |events: &EventOptions, foot: &mut [f64]| {
            let options = FootOptions { width: 0, n_threads: 1, events: *events };
            find_foot(&trace, NOISE, &shape, &[], &options, foot, &|| false)
        };
        assert!(go(&wrong, &mut foot).is_err());
        let mut infinite = vec![0.0; 10_000];
        infinite[9_999] = f64::INFINITY;
        let options = FootOptions { width: 0, n_threads: 1, events: EventOptions::default() };
        let found = &mut vec![0.0; 10_000];
        assert!(find_foot(&infinite, NOISE, &shape, &[], &options, found, &|| false).is_err());
        assert!(go(&EventOptions::default(), &mut foot[1..]).is_err());
    }
}
