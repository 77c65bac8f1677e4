//! Greedy events: the bin that lowers the squared error most, again and again.
//!
//! Mallat & Zhang (1993), <https://doi.org/10.1109/78.258082>.

use std::collections::BTreeSet;
use std::ops::Range;

use super::bins::{Candidate, Measure, SIDE};
use super::field::{Event, Field};
use crate::error::SolverError;

/// What makes a bin an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Least decrease of the squared error: the square of this, in the field's unit.
    pub(super) least: f64,
    /// Least amplitude as a share of the calcium just before.
    pub(super) ratio: f64,
}

/// Adds events to the field until none is left that the rule allows.
///
/// An event takes what one spike of free amplitude explains best; each lowers the squared error by
/// at least what the rule asks for, and no more are taken than frames were recorded.
pub(super) fn pursue(
    field: &mut Field<'_>,
    rule: Rule,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<Event>, SolverError> {
    let ruler = field.ruler(Measure::Free);
    // Memory that is asked for once is faster than as often as events are looked for.
    let mut tournament = std::mem::take(&mut field.tournament);
    let n = field.n_frames();
    tournament.start(n, |gains| field.survey(&ruler, rule.least, 0..n, gains));
    let (mut events, mut refused) = (Vec::new(), BTreeSet::new());
    while let Some((frame, largest)) = tournament.best() {
        if interrupted() {
            return Err(SolverError::Interrupted);
        }
        if largest < rule.least || events.len() >= field.recorded {
            break;
        }
        let found = field.best(&ruler, frame).filter(|found| stands_out(field, found, rule.ratio));
        let changed = if let Some(found) = found {
            let event = Event { spot: found.spot, amplitude: found.amplitude() };
            events.push(event);
            let changed = whole_sides(field.add(event), n);
            let gains = &mut tournament.gains[changed.clone()];
            field.survey(&ruler, rule.least, changed.clone(), gains);
            changed
        } else {
            refused.insert(frame);
            frame..frame + 1
        };
        refused.range(changed.clone()).for_each(|&frame| tournament.gains[frame] = 0.0);
        tournament.update(&changed);
    }
    field.tournament = tournament;
    Ok(merged(field, events))
}

/// Frames are looked at side by side, so that some more cost less than a few one by one.
fn whole_sides(frames: Range<usize>, n: usize) -> Range<usize> {
    frames.start..n.min(frames.start + frames.len().next_multiple_of(SIDE))
}

/// Misfits of large transients are small beside the calcium in which they lie.
fn stands_out(field: &Field<'_>, found: &Candidate, ratio: f64) -> bool {
    let frame = found.spot.frame;
    let before = if field.is_first(frame) { 0.0 } else { field.calcium()[frame - 1] };
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
