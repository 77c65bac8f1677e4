//! Spikes of a trace: events of free amplitude, the amplitude of one spike, spikes in whole numbers.
//!
//! ```text
//! y[i] = sum over events of a h(i/fs - t) + noise,    t on a grid of u bins a frame
//! ```
//!
//! `y` is a trace without its baseline, NaN where nothing was recorded, and [`Shape`] the transient
//! `h` of one spike. [`find_events`] is a greedy pursuit with a polish; [`event_scale`] asks which
//! amplitude of one spike makes the events whole numbers of spikes; [`place_spikes`] searches for
//! the spikes of that amplitude. Nothing crosses from one segment to the next.

mod bins;
mod cells;
mod field;
mod foot;
mod mixture;
mod placement;
mod polish;
mod powers;
mod pursuit;
mod scale;
mod shape;
mod spread;
mod stretches;
mod tournament;

pub use cells::{
    Cells, Stretch, event_costs_of_cells, find_events_of_cells, find_foot_of_cells,
    place_spikes_of_cells, score_kernels,
};
pub use field::FieldOptions;
pub use foot::{FootOptions, find_foot};
pub use placement::{Placement, PlacementOptions, Start, place_spikes};
pub use scale::{Scale, ScaleOptions, event_scale};
pub use shape::Shape;
pub(crate) use shape::Spot;

use field::{Event, Field};
use polish::{Polish, polish};
use pursuit::{Rule, merged, pursue};

use crate::error::{SolverError, check_finite, check_positive};
use crate::segments::{check_segments, segment_ranges};

/// How events are found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EventOptions {
    /// Least decrease of the squared error by an event: the square of so many times the noise.
    pub detection: f64,
    /// Least amplitude of an event as a share of the calcium just before.
    pub ratio: f64,
    /// Most rounds of pursuit and polish; the last one is that which finds nothing new.
    pub rounds: usize,
    /// Sweeps of the polish in a round.
    pub sweeps: usize,
    /// Whether a constant below the trace is fitted with the events.
    pub level: bool,
    /// Standard deviation of the model's own error as a share of the calcium, in the objective.
    pub mismatch: f64,
    /// Cost of an event within the objective.
    pub penalty: f64,
    /// As `detection`, for the inverted residual.
    pub null_detection: f64,
    /// Null level in root mean squares of the amplitudes found there.
    pub null_factor: f64,
    /// Null level of a trace without any, in multiples of the noise over the transient's norm.
    pub null_fallback: f64,
    /// How exactly the residual is kept.
    pub field: FieldOptions,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            detection: 4.0,
            ratio: 0.0,
            rounds: 8,
            sweeps: 3,
            level: false,
            mismatch: 0.0,
            penalty: 16.0,
            null_detection: 2.0,
            null_factor: 1.5,
            null_fallback: 3.0,
            field: FieldOptions::default(),
        }
    }
}

impl EventOptions {
    /// Refuses what lies outside its range.
    fn check(&self) -> Result<(), SolverError> {
        check_positive("detection", self.detection)?;
        check_positive("null_detection", self.null_detection)?;
        check_positive("null_fallback", self.null_fallback)?;
        check_finite("ratio", "a finite number", self.ratio)?;
        check_finite("penalty", "a finite number", self.penalty)?;
        check_finite("mismatch", "a finite number", self.mismatch)?;
        check_positive("null_factor", self.null_factor)
    }
}

/// Events of a trace, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Events {
    /// Bins of the fine grid, ascending.
    pub bins: Vec<usize>,
    /// Amplitudes in the unit of the trace.
    pub amplitudes: Vec<f64>,
    /// Squared residual over the noise's variance, plus the penalty of the events.
    pub objective: f64,
    /// Mean squared residual over recorded frames; NaN without any.
    pub residual_power: f64,
}

/// Finds the events of a trace whose white noise has the standard deviation `noise`.
///
/// # Errors
///
/// [`SolverError`] for options, start frames, samples or a noise out of range, and an interruption.
pub fn find_events(
    trace: &[f64],
    noise: f64,
    shape: &Shape,
    segments: &[usize],
    options: &EventOptions,
    interrupted: &dyn Fn() -> bool,
) -> Result<Events, SolverError> {
    options.check()?;
    let mut field = Field::new(shape, trace, noise, segments, &options.field)?;
    let events = found(&mut field, options, interrupted)?;
    Ok(named(&field, &events, options))
}

/// What it costs to explain a trace by events: the objective of [`find_events`]. Of long segments that
/// of some stretches stands for all, so that costs compare with those of the same frames only.
///
/// # Errors
///
/// As [`find_events`].
pub fn event_cost(
    trace: &[f64],
    noise: f64,
    shape: &Shape,
    segments: &[usize],
    options: &EventOptions,
    interrupted: &dyn Fn() -> bool,
) -> Result<f64, SolverError> {
    check_segments(segments, trace.len())?;
    field::check_samples(trace)?;
    let of_segment = |frames| {
        let segment = &trace[frames];
        let found = match stretches::stretches(segment, shape) {
            Some((part, starts)) => find_events(&part, noise, shape, &starts, options, interrupted),
            None => find_events(segment, noise, shape, &[], options, interrupted),
        };
        Ok(found?.objective)
    };
    segment_ranges(segments, trace.len()).map(of_segment).sum()
}

/// [`find_events`], and the null level of the trace.
///
/// The null level is in proportion to the root mean square of the amplitudes of events in the inverted residual. These cannot
/// be spikes, so they tell how large an event structured noise and a kernel that does not fit make.
/// It is NaN where nothing was recorded.
///
/// # Errors
///
/// As [`find_events`].
pub fn find_events_and_null(
    trace: &[f64],
    noise: f64,
    shape: &Shape,
    segments: &[usize],
    options: &EventOptions,
    interrupted: &dyn Fn() -> bool,
) -> Result<(Events, f64), SolverError> {
    options.check()?;
    let mut field = Field::new(shape, trace, noise, segments, &options.field)?;
    let events = found(&mut field, options, interrupted)?;
    let events = named(&field, &events, options);
    let null = null_level(&mut field, options, interrupted)?;
    Ok((events, null))
}

fn found(
    field: &mut Field<'_>,
    options: &EventOptions,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<Event>, SolverError> {
    let how = Polish { sweeps: options.sweeps, least: 0.0 };
    searched(field, Vec::new(), options, how, interrupted)
}

/// Goes on from events that the field has.
fn searched(
    field: &mut Field<'_>,
    mut events: Vec<Event>,
    options: &EventOptions,
    how: Polish,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<Event>, SolverError> {
    if field.is_silent() {
        return Ok(Vec::new());
    }
    let rule = rule(field, options.detection, options.ratio);
    for _ in 0..options.rounds {
        let more = pursue(field, rule, interrupted)?;
        if more.is_empty() {
            break;
        }
        events.extend(more);
        events = merged(field, events);
        events = polish(field, events, how, interrupted)?;
        if options.level {
            field.level();
        }
    }
    Ok(events)
}

fn rule(field: &Field<'_>, detection: f64, ratio: f64) -> Rule {
    Rule { least: detection * field.sigma, ratio }
}

fn named(field: &Field<'_>, events: &[Event], options: &EventOptions) -> Events {
    let (error, count) = (field.squared_error(), events.len() as f64);
    let misfit = if field.is_silent() { 0.0 } else { misfit(field, options.mismatch) };
    Events {
        bins: events.iter().map(|event| field.shape.bin(event.spot)).collect(),
        amplitudes: events.iter().map(|event| event.amplitude * field.unit).collect(),
        objective: misfit + options.penalty * count,
        residual_power: error / field.recorded as f64 * field.unit * field.unit,
    }
}

/// Minus twice the logarithm of the likelihood, of which the noise alone has the constant 0.
///
/// A transient varies from spike to spike and no kernel is exact, so that the residual grows with
/// the calcium; without that a few large bursts would decide everything.
fn misfit(field: &Field<'_>, mismatch: f64) -> f64 {
    let noise = field.sigma * field.sigma;
    if mismatch <= 0.0 {
        return field.squared_error() / noise;
    }
    let share = mismatch * mismatch / noise;
    let term = |(y, r): (f64, f64)| {
        let spread = 1.0 + share * (y - r) * (y - r);
        r * r / (noise * spread) + libm::log(spread)
    };
    field.samples().map(term).sum()
}

fn null_level(
    field: &mut Field<'_>,
    options: &EventOptions,
    interrupted: &dyn Fn() -> bool,
) -> Result<f64, SolverError> {
    if field.recorded == 0 {
        return Ok(f64::NAN);
    }
    field.invert();
    let mut amplitudes = Vec::new();
    if !field.is_silent() {
        let rule = rule(field, options.null_detection, 0.0);
        amplitudes.extend(pursue(field, rule, interrupted)?.iter().map(|event| event.amplitude));
    }
    let fallback = options.null_fallback * field.sigma / field.shape.norm();
    let level = root_mean_square(&amplitudes).map_or(fallback, |rms| options.null_factor * rms);
    Ok(level * field.unit)
}

/// Root of the mean square; none of nothing.
fn root_mean_square(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value * value).sum();
    (!values.is_empty()).then(|| libm::sqrt(sum / values.len() as f64))
}

#[cfg(test)]
pub(crate) mod tests;
