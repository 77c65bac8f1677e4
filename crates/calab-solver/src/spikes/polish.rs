//! Events one by one: taken out, put where they fit best nearby, with the amplitude that fits.
//!
//! What the other events make of the states at a frame is two pairs of numbers, one carried along
//! from earlier events and one from later ones, so that a sweep looks at frames near events only, and
//! at all frames around an event side by side.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use fearless_simd::{Simd, dispatch, f64x8, prelude::*};

use super::bins::{Candidate, Measure, Ruler};
use super::field::{Event, Field, plus};
use super::powers::flushed;
use super::pursuit::merged;
use super::shape::Spot;
use crate::error::SolverError;

/// Changes of an event below this share of the noise are not made.
const NEGLIGIBLE: f64 = 1e-3;

/// Frames by which a sweep may move an event.
const WINDOW: usize = 2;

/// Frames side by side: those that an event may move to, and some that do not matter.
const LANES: usize = 8;
const _: () = assert!(2 * WINDOW < LANES);

/// How events are polished.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polish {
    /// Most sweeps.
    pub(super) sweeps: usize,
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
        let sweep = Sweep::new(field, &ruler, &events, how.least);
        let moved = dispatch!(field.level, simd => sweep.run(simd, &mut events, interrupted))?;
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
    least: f64,
    powers: LanePowers,
    /// What each event and those behind it make of the states of its frame.
    behind: Vec<[f64; 2]>,
    /// Frame up to which visited events are summed up in `carried`, their exponentials there.
    at: usize,
    carried: [f64; 2],
    /// Visited events later than that.
    recent: Vec<Event>,
}

impl<'a> Sweep<'a> {
    fn new(field: &'a Field<'a>, ruler: &'a Ruler, events: &[Event], least: f64) -> Self {
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
        let powers = LanePowers::new([field.shape.decay_root, field.shape.rise_root]);
        let (at, carried, recent) = (0, [0.0; 2], Vec::new());
        Self { field, ruler, least, powers, behind, at, carried, recent }
    }

    /// Visits all events; whether any moved.
    #[inline(always)]
    fn run<S: Simd>(
        mut self,
        simd: S,
        events: &mut [Event],
        interrupted: &dyn Fn() -> bool,
    ) -> Result<bool, SolverError> {
        let mut moved = false;
        for k in 0..events.len() {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            moved |= self.visit(simd, events, k);
        }
        Ok(moved)
    }

    /// Puts one event where it lowers the squared error most; an amplitude of 0 if nowhere.
    #[inline(always)]
    fn visit<S: Simd>(&mut self, simd: S, events: &mut [Event], k: usize) -> bool {
        let event = events[k];
        let around = self.look_around(simd, events, k);
        let (best, own) = self.best(simd, event, &around);
        let mut new = Event { amplitude: 0.0, ..event };
        let mut energy = own.energy;
        if let Some(best) = best.filter(|best| best.correlation > 0.0) {
            // A draw leaves the event where it is.
            let chosen = if best.value > own.value * (1.0 + 1e-9) { best } else { own };
            if chosen.value >= self.least {
                new = Event { spot: chosen.spot, amplitude: chosen.amplitude() };
                energy = chosen.energy;
            }
        }
        let difference = (new.amplitude - event.amplitude).abs() * energy.sqrt();
        let negligible = difference < NEGLIGIBLE * self.field.sigma;
        let stays = new.spot == event.spot && negligible && new.amplitude > 0.0;
        if stays {
            self.recent.push(event);
            return false;
        }
        events[k] = new;
        self.recent.push(new);
        true
    }

    /// The best bin for an event, and its own.
    #[inline(always)]
    fn best<S: Simd>(
        &self,
        simd: S,
        event: Event,
        around: &Nearby<S>,
    ) -> (Option<Candidate>, Candidate) {
        let (field, low, frame) = (self.field, around.low, event.spot.frame);
        let (mut d, mut r) = ([0.0; LANES], [0.0; LANES]);
        around.decay.store_array(&mut d);
        around.rise.store_array(&mut r);
        let states = |frame: usize| [d[frame - low], r[frame - low]];
        let own = field.at(self.ruler, event.spot, states(frame));
        let frames = low..low + around.count;
        if field.complete[frames.clone()].iter().all(|&complete| complete) {
            let lanes = (around.decay, around.rise);
            let (lane, phase) = self.ruler.best_lane(simd, lanes, around.count, frame - low);
            let spot = Spot { frame: low + lane, phase };
            let at = |spot: Spot| field.at(self.ruler, spot, states(spot.frame));
            return (Some(if spot == own.spot { own } else { at(spot) }), own);
        }
        (field.best_one_by_one(self.ruler, own, frames, states), own)
    }

    /// Finds the states within the window of an event from all other ones.
    #[inline(always)]
    fn look_around<S: Simd>(&mut self, simd: S, events: &[Event], k: usize) -> Nearby<S> {
        let (field, frame) = (self.field, events[k].spot.frame);
        let segment = field.segment(frame);
        let low = frame.saturating_sub(WINDOW).max(segment.start);
        let high = frame.saturating_add(WINDOW).min(segment.end - 1);
        self.advance(low, segment.start);
        let mut around = Nearby::new(simd, field, low, high + 1 - low);
        around.take_off_behind(simd, &self.powers, 0, self.carried);
        let near = events[k + 1..].iter().take_while(|event| event.spot.frame <= high);
        let mut behind = k + 1;
        for event in self.recent.iter().chain(near.inspect(|_| behind += 1)) {
            around.take_off(simd, field, &self.powers, *event);
        }
        if let Some(next) = events.get(behind).filter(|event| event.spot.frame < segment.end) {
            let states = field.powers.discount(self.behind[behind], next.spot.frame - high - 1);
            around.take_off_before(simd, &self.powers, around.count, states);
        }
        around
    }

    /// Sums up what was visited up to a frame.
    #[inline(always)]
    fn advance(&mut self, low: usize, start: usize) {
        let powers = &self.field.powers;
        if self.at < start {
            (self.at, self.carried) = (start, [0.0; 2]);
            self.recent.clear();
        }
        let mut carried = powers.discount(self.carried, low - self.at);
        let mut later = 0;
        for k in 0..self.recent.len() {
            let event = self.recent[k];
            if event.spot.frame <= low {
                let own = self.field.exponentials(event);
                carried = plus(carried, powers.discount(own, low - event.spot.frame));
            } else {
                self.recent[later] = event;
                later += 1;
            }
        }
        self.recent.truncate(later);
        (self.at, self.carried) = (low, carried);
    }
}

/// The states of the frames from `low` on, of which the first `count` matter.
struct Nearby<S: Simd> {
    low: usize,
    count: usize,
    decay: f64x8<S>,
    rise: f64x8<S>,
    seen: [f64x8<S>; 3],
}

impl<S: Simd> Nearby<S> {
    #[inline(always)]
    fn new(simd: S, field: &Field<'_>, low: usize, count: usize) -> Self {
        let load = |values: &[f64]| {
            if let Some(row) = values[low..].first_chunk() {
                return f64x8::load_array_ref(simd, row);
            }
            let mut row = [0.0; LANES];
            row[..values.len() - low].copy_from_slice(&values[low..]);
            f64x8::load_array_ref(simd, &row)
        };
        let seen = field.seen_all().map(load);
        let (decay, rise) = (load(&field.plain.decay), load(&field.plain.rise));
        Self { low, count, decay, rise, seen }
    }

    /// Takes off what an event makes of them.
    #[inline(always)]
    fn take_off(&mut self, simd: S, field: &Field<'_>, powers: &LanePowers, event: Event) {
        let (frame, own) = (event.spot.frame, field.exponentials(event));
        let place = frame - self.low;
        debug_assert!(place < self.count, "an event farther away is summed up with others");
        self.take_off_before(simd, powers, place, field.response(frame, own));
        self.take_off_behind(simd, powers, place, own);
    }

    /// Takes off the frames before this place what stands at `[x, z]` there.
    #[inline(always)]
    fn take_off_before(&mut self, simd: S, powers: &LanePowers, place: usize, [x, z]: [f64; 2]) {
        let [decay, rise] = powers.before(simd, place);
        self.decay -= f64x8::splat(simd, x) * decay;
        self.rise -= f64x8::splat(simd, z) * rise;
    }

    /// Takes off this place and those behind it what a transient makes of them that stands at
    /// `[x, z]` there.
    #[inline(always)]
    fn take_off_behind(&mut self, simd: S, powers: &LanePowers, place: usize, [x, z]: [f64; 2]) {
        let [decay, rise] = powers.behind(simd, place);
        let (x, z) = (f64x8::splat(simd, x) * decay, f64x8::splat(simd, z) * rise);
        let [dd, dr, rr] = self.seen;
        self.decay -= x * dd - z * dr;
        self.rise -= x * dr - z * rr;
    }
}

/// Powers of both roots with nothing on either side: up from 0, and down to 1.
struct LanePowers {
    up: [[f64; 2 * LANES]; 2],
    down: [[f64; 2 * LANES]; 2],
}

impl LanePowers {
    fn new(roots: [f64; 2]) -> Self {
        let (mut up, mut down) = ([[0.0; 2 * LANES]; 2], [[0.0; 2 * LANES]; 2]);
        for ((up, down), root) in up.iter_mut().zip(&mut down).zip(roots) {
            let mut power = 1.0;
            for k in 0..LANES {
                up[LANES + k] = power;
                power = flushed(power * root);
                down[LANES - 1 - k] = power;
            }
        }
        Self { up, down }
    }

    /// Powers from the place on as many frames behind it; 0 before it.
    #[inline(always)]
    fn behind<S: Simd>(&self, simd: S, place: usize) -> [f64x8<S>; 2] {
        self.up.each_ref().map(|powers| load(simd, powers, LANES - place))
    }

    /// Powers up to the place as many frames before it; 0 from it on.
    #[inline(always)]
    fn before<S: Simd>(&self, simd: S, place: usize) -> [f64x8<S>; 2] {
        self.down.each_ref().map(|powers| load(simd, powers, LANES - place))
    }
}

#[inline(always)]
fn load<S: Simd>(simd: S, powers: &[f64; 2 * LANES], first: usize) -> f64x8<S> {
    f64x8::from_slice(simd, &powers[first..first + LANES])
}
