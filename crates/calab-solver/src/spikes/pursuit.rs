//! Greedy events: the bin that lowers the squared error most, again and again.
//!
//! Mallat & Zhang (1993), <https://doi.org/10.1109/78.258082>.

use super::field::{Candidate, Event, Field};
use super::tournament::Tournament;
use crate::error::SolverError;

/// What makes a bin an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Least gain, in squares of the field's unit.
    pub(super) least_gain: f64,
    /// Least amplitude as a share of the calcium just before.
    pub(super) ratio: f64,
}

/// Adds events to the field until none is left that the rule allows.
///
/// An event takes what one spike of free amplitude explains best; each lowers the squared error by
/// at least the rule's gain, and no more are taken than frames were recorded.
pub(super) fn pursue(
    field: &mut Field<'_>,
    rule: Rule,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<Event>, SolverError> {
    let mut refused = vec![false; field.n_frames()];
    let gains = (0..field.n_frames()).map(|frame| gain(best(field, frame))).collect();
    let mut tournament = Tournament::new(gains);
    let mut events = Vec::new();
    while let Some((frame, largest)) = tournament.best() {
        if interrupted() {
            return Err(SolverError::Interrupted);
        }
        if largest < rule.least_gain || events.len() >= field.recorded {
            break;
        }
        let found = best(field, frame).filter(|found| stands_out(field, found, rule.ratio));
        let changed = if let Some(found) = found {
            let event = Event { spot: found.spot, amplitude: found.amplitude() };
            events.push(event);
            field.add(event)
        } else {
            refused[frame] = true;
            frame..frame + 1
        };
        for frame in changed.clone() {
            let open = !refused[frame];
            tournament.gains[frame] = if open { gain(best(field, frame)) } else { 0.0 };
        }
        tournament.update(&changed);
    }
    Ok(merged(field, events))
}

/// The decrease of the squared error by the best non-negative amplitude.
pub(super) fn decrease(correlation: f64, energy: f64) -> f64 {
    let positive = correlation.max(0.0);
    positive * positive / energy
}

fn best(field: &Field<'_>, frame: usize) -> Option<Candidate> {
    field.best(frame, decrease)
}

fn gain(found: Option<Candidate>) -> f64 {
    found.map_or(0.0, |found| found.score)
}

/// Misfits of large transients are small beside the calcium in which they lie.
fn stands_out(field: &Field<'_>, found: &Candidate, ratio: f64) -> bool {
    let frame = found.spot.frame;
    let before = if frame > field.segment(frame).start { field.calcium()[frame - 1] } else { 0.0 };
    found.amplitude() >= ratio * before
}

/// The events in order of time, those of the same bin as one.
pub(super) fn merged(field: &Field<'_>, mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| field.shape.bin(event.spot));
    events.dedup_by(|later, earlier| {
        let same = later.spot == earlier.spot;
        if same {
            earlier.amplitude += later.amplitude;
        }
        same
    });
    events
}
