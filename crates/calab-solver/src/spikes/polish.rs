//! Events one by one: taken out, put where they fit best nearby, with the amplitude that fits.
//!
//! What the other events make of the states at a frame is two pairs of numbers, one carried along
//! from earlier events and one from later ones, so that a sweep looks at frames near events only.

use libm::sqrt;

use super::bins::{Best, Candidate, Measure, Ruler};
use super::field::{Event, Field};
use super::pursuit::merged;
use crate::error::SolverError;

/// Changes of an event below this share of the noise are not made.
const NEGLIGIBLE: f64 = 1e-3;

/// How events are polished.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polish {
    /// Most sweeps.
    pub(super) sweeps: usize,
    /// Frames by which a sweep may move an event.
    pub(super) window: usize,
    /// Events that lower the squared error by less than the square of this are given up.
    pub(super) least: f64,
}

/// Sweeps over the events of a field, and makes them its calcium; events ascend.
pub(super) fn polish(
    field: &mut Field<'_>,
    mut events: Vec<Event>,
    how: Polish,
    interrupted: &dyn Fn() -> bool,
) -> Result<Vec<Event>, SolverError> {
    let ruler = field.ruler(Measure::Free);
    for _ in 0..how.sweeps {
        let mut sweep = Sweep::new(field, &ruler, &events, how);
        let mut moved = false;
        for k in 0..events.len() {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            moved |= sweep.visit(&mut events, k);
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

/// A sweep in the order of time.
struct Sweep<'a> {
    field: &'a Field<'a>,
    ruler: &'a Ruler,
    how: Polish,
    /// What each event and those behind it make of the states of its frame.
    behind: Vec<[f64; 2]>,
    /// Frame up to which visited events are summed up in `carried`, their exponentials there.
    at: usize,
    carried: [f64; 2],
    /// Visited events later than that.
    recent: Vec<Event>,
    /// States around an event without it.
    states: Vec<[f64; 2]>,
}

impl<'a> Sweep<'a> {
    fn new(field: &'a Field<'a>, ruler: &'a Ruler, events: &[Event], how: Polish) -> Self {
        let mut behind = vec![[0.0; 2]; events.len()];
        for (k, event) in events.iter().enumerate().rev() {
            let frame = event.spot.frame;
            let own = field.response(frame, field.exponentials(*event));
            let next = events.get(k + 1).filter(|next| next.spot.frame < field.segment(frame).end);
            let later = next.map_or([0.0; 2], |next| {
                field.powers.discount(behind[k + 1], next.spot.frame - frame)
            });
            behind[k] = plus(own, later);
        }
        Self {
            field,
            ruler,
            how,
            behind,
            at: 0,
            carried: [0.0; 2],
            recent: Vec::new(),
            states: Vec::new(),
        }
    }

    /// Puts one event where it lowers the squared error most; an amplitude of 0 if nowhere.
    fn visit(&mut self, events: &mut [Event], k: usize) -> bool {
        let event = events[k];
        self.look_around(events, k);
        let (best, own) = self.best(event);
        let mut new = Event { amplitude: 0.0, ..event };
        let mut energy = own.energy;
        if let Some(best) = best.filter(|best| best.correlation > 0.0) {
            // A draw leaves the event where it is.
            let chosen = if best.value > own.value * (1.0 + 1e-9) { best } else { own };
            if chosen.value >= self.how.least {
                new = Event { spot: chosen.spot, amplitude: chosen.amplitude() };
                energy = chosen.energy;
            }
        }
        let difference = (new.amplitude - event.amplitude).abs() * sqrt(energy);
        let negligible = difference < NEGLIGIBLE * self.field.sigma;
        let stays = new.spot == event.spot && negligible && new.amplitude > 0.0;
        if !stays {
            events[k] = new;
        }
        self.recent.push(events[k]);
        !stays
    }

    /// The best bin for an event, and its own.
    fn best(&self, event: Event) -> (Option<Candidate>, Candidate) {
        let (frame, low) = (event.spot.frame, self.at);
        let mut best = Best::new(self.field, self.ruler);
        best.consider(frame, self.states[frame - low]);
        for i in (low..frame).rev().chain(frame + 1..low + self.states.len()) {
            best.consider(i, self.states[i - low]);
        }
        (best.found(), self.field.at(self.ruler, event.spot, self.states[frame - low]))
    }

    /// Finds the states within the window of an event from all other ones.
    fn look_around(&mut self, events: &[Event], k: usize) {
        let (field, frame) = (self.field, events[k].spot.frame);
        let segment = field.segment(frame);
        let low = frame.saturating_sub(self.how.window).max(segment.start);
        let high = frame.saturating_add(self.how.window).min(segment.end - 1);
        self.advance(low, segment.start);
        let near = events[k + 1..].iter().take_while(|event| event.spot.frame <= high);
        let behind = k + 1 + near.clone().count();
        let mut later = match events.get(behind).filter(|event| event.spot.frame < segment.end) {
            Some(next) => field.powers.discount(self.behind[behind], next.spot.frame - high),
            None => [0.0; 2],
        };
        let [decay, rise] = [field.shape.decay_root, field.shape.rise_root];
        self.states.clear();
        let mut carried = self.carried;
        for i in low..=high {
            self.states.push(minus(field.plain.at(i), field.response(i, carried)));
            carried = [carried[0] * decay, carried[1] * rise];
        }
        for state in self.states.iter_mut().rev() {
            *state = minus(*state, later);
            later = [later[0] * decay, later[1] * rise];
        }
        for event in self.recent.iter().chain(near) {
            take_off(field, &mut self.states, low, *event);
        }
    }

    /// Sums up what was visited up to a frame.
    fn advance(&mut self, low: usize, start: usize) {
        let powers = &self.field.powers;
        if self.at < start {
            (self.at, self.carried) = (start, [0.0; 2]);
            self.recent.clear();
        }
        let mut carried = powers.discount(self.carried, low - self.at);
        self.recent.retain(|event| {
            let frame = event.spot.frame;
            if frame <= low {
                let own = self.field.exponentials(*event);
                carried = plus(carried, powers.discount(own, low - frame));
            }
            frame > low
        });
        (self.at, self.carried) = (low, carried);
    }
}

/// Takes what an event makes of the states off those of the frames from `low` on.
fn take_off(field: &Field<'_>, states: &mut [[f64; 2]], low: usize, event: Event) {
    let [decay, rise] = [field.shape.decay_root, field.shape.rise_root];
    let (frame, mut own) = (event.spot.frame, field.exponentials(event));
    let split = (frame - low).min(states.len());
    let mut before = field.response(frame, own);
    before = field.powers.discount(before, frame - low - split);
    let (earlier, later) = states.split_at_mut(split);
    for state in earlier.iter_mut().rev() {
        before = [before[0] * decay, before[1] * rise];
        *state = minus(*state, before);
    }
    for (i, state) in (frame..).zip(later) {
        *state = minus(*state, field.response(i, own));
        own = [own[0] * decay, own[1] * rise];
    }
}

fn plus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

fn minus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] - b[0], a[1] - b[1]]
}
