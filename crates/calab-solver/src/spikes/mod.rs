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

mod cells;
mod field;
mod placement;
mod polish;
mod pursuit;
mod scale;
mod shape;
mod tournament;

pub use cells::{Cells, Stretch, find_events_of_cells, place_spikes_of_cells, score_kernels};
pub use field::FieldOptions;
pub use placement::{Placement, PlacementOptions, Start, place_spikes};
pub use scale::{Scale, ScaleOptions, event_scale};
pub use shape::Shape;

use field::{Event, Field};
use pursuit::{Rule, merged, pursue};

use crate::error::{SolverError, check_finite, check_positive};

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
    /// Frames by which a sweep may move an event.
    pub window: usize,
    /// Cost of an event within the objective.
    pub penalty: f64,
    /// As `detection`, for the inverted residual.
    pub null_detection: f64,
    /// Quantile of the amplitudes found there.
    pub null_quantile: f64,
    /// Null level of a trace without any, in multiples of the noise over the transient's norm.
    pub null_fallback: f64,
    /// How exactly the residual is kept.
    pub field: FieldOptions,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            detection: 4.0,
            ratio: 0.2,
            rounds: 1,
            sweeps: 2,
            window: 2,
            penalty: 16.0,
            null_detection: 2.0,
            null_quantile: 0.9,
            null_fallback: 2.0,
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
        if (0.0..=1.0).contains(&self.null_quantile) {
            return Ok(());
        }
        let expected = "a number from 0 to 1";
        Err(SolverError::parameter("null_quantile", expected, &self.null_quantile))
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

/// [`find_events`], and the null level of the trace.
///
/// The null level is a quantile of the amplitudes of events in the inverted residual. These cannot
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
    if field.is_silent() {
        return Ok(Vec::new());
    }
    let rule = rule(field, options.detection, options.ratio);
    let mut events = Vec::new();
    for _ in 0..options.rounds {
        let more = pursue(field, rule, interrupted)?;
        if more.is_empty() {
            break;
        }
        events.extend(more);
        events = merged(field, events);
        events = polish::polish(field, events, options.sweeps, options.window, interrupted)?;
    }
    Ok(events)
}

fn rule(field: &Field<'_>, detection: f64, ratio: f64) -> Rule {
    let least = detection * field.sigma;
    Rule { least_gain: least * least, ratio }
}

fn named(field: &Field<'_>, events: &[Event], options: &EventOptions) -> Events {
    let (error, count) = (field.squared_error(), events.len() as f64);
    let misfit = if field.is_silent() { 0.0 } else { error / (field.sigma * field.sigma) };
    Events {
        bins: events.iter().map(|event| field.shape.bin(event.spot)).collect(),
        amplitudes: events.iter().map(|event| event.amplitude * field.unit).collect(),
        objective: misfit + options.penalty * count,
        residual_power: error / field.recorded as f64 * field.unit * field.unit,
    }
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
    Ok(quantile(&mut amplitudes, options.null_quantile).unwrap_or(fallback) * field.unit)
}

/// The quantile, interpolated between order statistics; none of nothing.
fn quantile(values: &mut [f64], quantile: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let place = values.len().checked_sub(1)? as f64 * quantile;
    let below = values[place as usize];
    let above = values[(place as usize + 1).min(values.len() - 1)];
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests;
