//! Events one by one: taken out, put where they fit best nearby, with the amplitude that fits.

use libm::sqrt;

use super::field::{Event, Field};
use super::pursuit::{decrease, merged};
use crate::error::SolverError;

/// Changes of an event below this share of the noise are not made.
const NEGLIGIBLE: f64 = 1e-3;

/// Sweeps over the events of a field, which are part of its calcium; events ascend.
pub(super) fn polish(
    field: &mut Field<'_>,
    mut events: Vec<Event>,
    sweeps: usize,
    window: usize,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<Event>, SolverError> {
    for _ in 0..sweeps {
        field.refresh(&events);
        let mut moved = false;
        for event in &mut events {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            moved |= place(field, event, window);
        }
        events.retain(|event| event.amplitude > 0.0);
        events = merged(field, events);
        if !moved {
            break;
        }
    }
    field.refresh(&events);
    Ok(events)
}

/// Puts one event where it lowers the squared error most; an amplitude of 0 if nowhere.
fn place(field: &mut Field<'_>, event: &mut Event, window: usize) -> bool {
    let (best, own) = field.best_without(*event, window, decrease);
    let mut new = Event { amplitude: 0.0, ..*event };
    let mut energy = own.energy;
    if let Some(best) = best.filter(|best| best.correlation > 0.0) {
        // A draw leaves the event where it is.
        let better = best.score > own.score * (1.0 + 1e-9);
        let chosen = if better { best } else { own };
        new = Event { spot: chosen.spot, amplitude: chosen.amplitude() };
        energy = chosen.energy;
    }
    let difference = (new.amplitude - event.amplitude).abs() * sqrt(energy);
    if new.spot == event.spot && difference < NEGLIGIBLE * field.sigma && new.amplitude > 0.0 {
        return false;
    }
    let _changed = field.exchange(*event, new);
    *event = new;
    true
}
