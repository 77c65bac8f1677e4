//! One stretch of a trace and its present explanation: events, baseline, and what they leave.

use libm::sqrt;

use super::frames;
use super::odds::{Given, Prior};
use super::outlooks::Outlooks;
use super::rate::Rate;
use super::transient::Transient;
use super::walk::Walk;
use crate::draws::{Draws, Stage};
use crate::spikes::Spot;

/// Events of no amplitude that are counted with the others. In bursts of spikes too small to be seen
/// singly the mean amplitude is hardly determined: without them it stays where rather few large events
/// make the transient rise too slowly, with many it falls until the bursts are smeared.
const UNSEEN: f64 = 2.0;
/// Least factor by which all events of a window change at once.
const LEAST_GAIN: f64 = 0.5;

#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) bin: usize,
    pub(super) amplitude: f64,
}

impl Event {
    /// What takes it back out of where it was put.
    pub(super) fn inverse(self) -> Self {
        Self { amplitude: -self.amplitude, ..self }
    }
}

/// A stretch, in units of its noise.
pub(super) struct Window {
    /// 0 where nothing was recorded.
    trace: Vec<f64>,
    pub(super) recorded: Vec<bool>,
    /// Frame from which on every one was recorded.
    complete_from: usize,
    /// The trace without baseline and events; 0 where nothing was recorded.
    pub(super) left: Vec<f64>,
    pub(super) walk: Walk,
    pub(super) events: Vec<Event>,
    /// Place among the events by bin, counted from 1; 0 for none.
    places: Vec<u32>,
    outlooks: Outlooks,
    pub(super) prior: Prior,
    spread: f64,
    pub(super) rate: Rate,
    /// Splits or merges that are tried in a sweep: as many whatever events there are, else more or
    /// fewer events would be tried the more often.
    pub(super) tries: usize,
    pub(super) draws: Draws,
}

impl Window {
    /// A stretch without events; NaN marks frames that were not recorded.
    pub(super) fn new(
        trace: &[f64],
        upsample: usize,
        (mean, spread): (f64, f64),
        (seed, index): (u64, usize),
    ) -> Self {
        let n = trace.len();
        let bins = n.saturating_sub(1) * upsample + 1;
        let recorded: Vec<bool> = trace.iter().map(|y| y.is_finite()).collect();
        let trace: Vec<f64> = trace.iter().map(|&y| if y.is_finite() { y } else { 0.0 }).collect();
        Self {
            left: trace.clone(),
            trace,
            complete_from: recorded.iter().rposition(|known| !known).map_or(0, |last| last + 1),
            recorded,
            walk: Walk::new(n),
            events: Vec::new(),
            places: vec![0; bins],
            outlooks: Outlooks::new(n),
            prior: Prior::new(mean, spread),
            spread,
            rate: Rate::new(n, 0.0),
            tries: 0,
            draws: Draws::new(seed, index, Stage::Chain),
        }
    }

    pub(super) fn bins(&self) -> usize {
        self.places.len()
    }

    pub(super) fn event_at(&self, bin: usize) -> Option<usize> {
        (self.places[bin] as usize).checked_sub(1)
    }

    /// Explains the trace anew under another transient by the same events.
    pub(super) fn settle(&mut self, transient: &Transient) {
        self.explain(transient);
        self.outlooks.measure(&self.recorded, self.prior, transient);
    }

    /// Takes baseline and events out of the trace.
    fn explain(&mut self, transient: &Transient) {
        for (t, left) in self.left.iter_mut().enumerate() {
            *left = if self.recorded[t] { self.trace[t] - self.walk.values[t] } else { 0.0 };
        }
        for k in 0..self.events.len() {
            self.take(transient, self.events[k]);
        }
    }

    /// Amplitudes' mean and the events' rates follow the events.
    pub(super) fn adapt(&mut self, transient: &Transient) {
        if !self.events.is_empty() {
            let sum: f64 = self.events.iter().map(|event| event.amplitude).sum();
            self.prior = Prior::new(sum / (self.events.len() as f64 + UNSEEN), self.spread);
        }
        let mut counts = vec![0; self.left.len()];
        for event in &self.events {
            counts[transient.shape.spot(event.bin).frame] += 1;
        }
        self.rate.draw(&counts, transient.shape.upsample(), &mut self.draws);
    }

    /// Takes an event of some amplitude out of what is left of the trace.
    pub(super) fn take(&mut self, transient: &Transient, event: Event) {
        let Spot { frame, phase } = transient.shape.spot(event.bin);
        let heights = transient.heights(phase);
        let left = &mut self.left[frame..];
        frames::add(transient.level, left, heights, -event.amplitude);
        if frame < self.complete_from {
            let recorded = &self.recorded[frame..];
            for (left, &known) in left.iter_mut().zip(recorded).take(heights.len()) {
                *left = if known { *left } else { 0.0 };
            }
        }
    }

    /// Recorded frames from one on, discounted by decay², decay times rise, and rise².
    pub(super) fn seen(&self, frame: usize) -> &[f64; 3] {
        self.outlooks.seen(frame)
    }

    /// What the prior made of a bin when the window was settled.
    pub(super) fn given(&self, spot: Spot) -> Given {
        self.outlooks.given(spot)
    }

    /// Logarithm of the prior odds of an event in a bin.
    pub(super) fn log_odds(&self, transient: &Transient, bin: usize) -> f64 {
        self.rate.log_odds(transient.shape.spot(bin).frame)
    }

    /// Puts an event onto the list, without taking it out of the trace.
    pub(super) fn enter(&mut self, event: Event) {
        self.events.push(event);
        self.places[event.bin] = self.events.len() as u32;
    }

    /// Takes an event off the list, without putting it back into the trace.
    pub(super) fn leave(&mut self, place: usize) -> Event {
        let event = self.events.swap_remove(place);
        if let Some(moved) = self.events.get(place) {
            self.places[moved.bin] = place as u32 + 1;
        }
        self.places[event.bin] = 0;
        event
    }

    /// Declares a bin free; its event must be [`Self::place`]d anew.
    pub(super) fn free(&mut self, bin: usize) {
        self.places[bin] = 0;
    }

    pub(super) fn place(&mut self, place: usize, event: Event) {
        self.events[place] = event;
        self.places[event.bin] = place as u32 + 1;
    }

    /// Draws the baseline.
    pub(super) fn wander(&mut self) {
        for (t, left) in self.left.iter_mut().enumerate() {
            *left += if self.recorded[t] { self.walk.values[t] } else { 0.0 };
        }
        self.walk.draw(&self.left, &self.recorded, &mut self.draws);
        for (t, left) in self.left.iter_mut().enumerate() {
            *left -= if self.recorded[t] { self.walk.values[t] } else { 0.0 };
        }
    }

    /// Draws the level of the baseline and the size of all events together, times being held.
    ///
    /// One at a time they would creep where the trace is seldom silent. The amplitudes' prior grows
    /// with the events, so that the likelihood alone decides: a regression on 1 and the calcium.
    pub(super) fn gauge(&mut self) {
        let mut sums = [0.0; 5];
        for t in (0..self.left.len()).filter(|&t| self.recorded[t]) {
            let (c, r) = (self.calcium(t), self.left[t]);
            for (sum, term) in sums.iter_mut().zip([1.0, c, c * c, r, r * c]) {
                *sum += term;
            }
        }
        let [n, c, cc, r, rc] = sums;
        let spread = n * cc - c * c;
        if spread <= 1e-9 * n * cc {
            return;
        }
        // Cholesky from below: the gain first, then the level given the gain.
        let gain = (n * rc - c * r) / spread + sqrt(n / spread) * self.draws.normal();
        let level = (r - gain * c) / n + self.draws.normal() / sqrt(n);
        if !(LEAST_GAIN..=1.0 / LEAST_GAIN).contains(&(1.0 + gain)) {
            return;
        }
        for t in (0..self.left.len()).filter(|&t| self.recorded[t]) {
            self.left[t] -= level + gain * self.calcium(t);
        }
        self.walk.values.iter_mut().for_each(|value| *value += level);
        self.events.iter_mut().for_each(|event| event.amplitude *= 1.0 + gain);
        self.prior = Prior::new(self.prior.mean * (1.0 + gain), self.spread);
    }

    /// What the events make of a frame.
    pub(super) fn calcium(&self, frame: usize) -> f64 {
        self.trace[frame] - self.walk.values[frame] - self.left[frame]
    }
}
