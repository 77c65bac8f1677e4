//! Events one by one: taken out, put where they fit best nearby, with the amplitude that fits.
//!
//! What the other events make of the states at a frame is two pairs of numbers, one carried along
//! from earlier events and one from later ones, so that a sweep looks at frames near events only.

use libm::sqrt;

use super::bins::{Best, Candidate, Measure, Ruler};
use super::field::{Event, Field, States};
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
    states: States,
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
            states: States::zeros(0),
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
        best.consider(frame, self.states.at(frame - low));
        for i in (low..frame).rev().chain(frame + 1..low + self.states.decay.len()) {
            best.consider(i, self.states.at(i - low));
        }
        let own = self.field.at(self.ruler, event.spot, self.states.at(frame - low));
        (best.found(own), own)
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
        let later = match events.get(behind).filter(|event| event.spot.frame < segment.end) {
            Some(next) => field.powers.discount(self.behind[behind], next.spot.frame - high - 1),
            None => [0.0; 2],
        };
        self.states.copy_from(&field.plain, low..high + 1);
        let mut around = Around { field, low, states: &mut self.states };
        around.take_off_behind(low, self.carried);
        around.take_off_before(high + 1, later);
        for event in self.recent.iter().chain(near) {
            around.take_off(*event);
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

/// States of the frames from `low` on, off which is taken what events make of them.
struct Around<'a> {
    field: &'a Field<'a>,
    low: usize,
    states: &'a mut States,
}

impl Around<'_> {
    fn take_off(&mut self, event: Event) {
        let (frame, own) = (event.spot.frame, self.field.exponentials(event));
        let split = frame.min(self.low + self.states.decay.len());
        let at_split = self.field.powers.discount(self.field.response(frame, own), frame - split);
        self.take_off_before(split, at_split);
        self.take_off_behind(frame, own);
    }

    /// Takes off the frames before this one what stands at `[x, z]` in it.
    fn take_off_before(&mut self, frame: usize, [mut x, mut z]: [f64; 2]) {
        let count = frame - self.low;
        let decay = self.states.decay[..count].iter_mut().rev();
        for (d, r) in decay.zip(self.states.rise[..count].iter_mut().rev()) {
            (x, z) = (x * self.field.shape.decay_root, z * self.field.shape.rise_root);
            (*d, *r) = (*d - x, *r - z);
        }
    }

    /// Takes off this frame and those behind it what a transient makes of them that stands at
    /// `[x, z]` in it.
    fn take_off_behind(&mut self, frame: usize, [mut x, mut z]: [f64; 2]) {
        let end = self.low + self.states.decay.len();
        if frame >= end {
            return;
        }
        let decay = self.states.decay[frame - self.low..].iter_mut();
        let states = decay.zip(&mut self.states.rise[frame - self.low..]);
        let [dd, dr, rr] = self.field.seen_over(frame..end);
        for (((d, r), dd), (dr, rr)) in states.zip(dd).zip(dr.iter().zip(rr)) {
            (*d, *r) = (*d - (x * dd - z * dr), *r - (x * dr - z * rr));
            (x, z) = (x * self.field.shape.decay_root, z * self.field.shape.rise_root);
        }
    }
}

fn plus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}
