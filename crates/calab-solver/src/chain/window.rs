//! One stretch of a trace and its present explanation: events, baseline, and what they leave.

use std::ops::RangeInclusive;

use libm::{exp, log, sqrt};

use super::odds::Prior;
use super::rate::Rate;
use super::transient::Transient;
use super::walk::Walk;
use crate::draws::{Draws, Stage};
use crate::spikes::{Shape, Spot};

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

/// A stretch, in units of its noise.
pub(super) struct Window {
    /// 0 where nothing was recorded.
    trace: Vec<f64>,
    pub(super) recorded: Vec<bool>,
    /// The trace without baseline and events; 0 where nothing was recorded.
    pub(super) left: Vec<f64>,
    pub(super) walk: Walk,
    pub(super) events: Vec<Event>,
    /// Place among the events by bin, counted from 1; 0 for none.
    places: Vec<u32>,
    /// Energy over recorded frames of an event of amplitude 1, by bin.
    pub(super) energies: Vec<f64>,
    pub(super) prior: Prior,
    spread: f64,
    pub(super) rate: Rate,
    pub(super) draws: Draws,
    /// Logarithms of the odds of the bins that were looked at last, and from which bin on.
    profile: Vec<f64>,
    first: usize,
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
            recorded,
            walk: Walk::new(n),
            events: Vec::new(),
            places: vec![0; bins],
            energies: vec![0.0; bins],
            prior: Prior::new(mean, spread),
            spread,
            rate: Rate::new(n, 0.0),
            draws: Draws::new(seed, index, Stage::Chain),
            profile: Vec::new(),
            first: 0,
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
        self.measure(transient);
    }

    /// Takes baseline and events out of the trace.
    fn explain(&mut self, transient: &Transient) {
        for (t, left) in self.left.iter_mut().enumerate() {
            *left = if self.recorded[t] { self.trace[t] - self.walk.values[t] } else { 0.0 };
        }
        for k in 0..self.events.len() {
            let Event { bin, amplitude } = self.events[k];
            self.take(transient, bin, amplitude);
        }
    }

    /// Finds the energy of every bin by discounted counts of recorded frames.
    fn measure(&mut self, transient: &Transient) {
        let Shape { decay_root: d, rise_root: r, .. } = transient.shape;
        let bins = transient.shape.upsample();
        let mut sums = [0.0; 3];
        for frame in (0..self.recorded.len()).rev() {
            let known = f64::from(u8::from(self.recorded[frame]));
            for (sum, root) in sums.iter_mut().zip([d * d, d * r, r * r]) {
                *sum = known + root * *sum;
            }
            for phase in 0..bins.min(frame * bins + 1) {
                self.energies[frame * bins - phase] = transient.shape.energy(&sums, phase);
            }
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

    /// Logarithm of the prior odds of an event in a bin.
    pub(super) fn log_odds(&self, transient: &Transient, bin: usize) -> f64 {
        self.rate.log_odds(transient.shape.spot(bin).frame)
    }

    /// Takes an event of some amplitude out of what is left of the trace.
    pub(super) fn take(&mut self, transient: &Transient, bin: usize, amplitude: f64) {
        let Spot { frame, phase } = transient.shape.spot(bin);
        let (left, recorded) = (&mut self.left[frame..], &self.recorded[frame..]);
        for ((left, &known), height) in left.iter_mut().zip(recorded).zip(transient.heights(phase))
        {
            *left -= if known { amplitude * height } else { 0.0 };
        }
    }

    pub(super) fn insert(&mut self, transient: &Transient, event: Event) {
        self.take(transient, event.bin, event.amplitude);
        self.enter(event);
    }

    pub(super) fn remove(&mut self, transient: &Transient, place: usize) -> Event {
        let event = self.leave(place);
        self.take(transient, event.bin, -event.amplitude);
        event
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

    /// Correlation of what is left with an event in a bin.
    pub(super) fn correlation(&self, transient: &Transient, bin: usize) -> f64 {
        let Spot { frame, phase } = transient.shape.spot(bin);
        transient.correlation(transient.sums(&self.left[frame..]), phase)
    }

    /// Looks at the odds of an event in each of some bins; the logarithm of their sum.
    ///
    /// Bins that hold an event have none.
    pub(super) fn look(&mut self, transient: &Transient, bins: RangeInclusive<usize>) -> f64 {
        let (first, last) = bins.into_inner();
        self.first = first;
        self.profile.clear();
        self.profile.resize(last - first + 1, f64::NEG_INFINITY);
        let mut frame = transient.shape.spot(last).frame;
        let mut sums = transient.sums(&self.left[frame..]);
        let mut most = f64::NEG_INFINITY;
        for bin in (first..=last).rev() {
            let spot = transient.shape.spot(bin);
            if spot.frame < frame {
                frame = spot.frame;
                sums = transient.earlier(sums, self.left[frame]);
            }
            if self.places[bin] == 0 {
                let correlation = transient.correlation(sums, spot.phase);
                let odds = self.rate.log_odds(spot.frame)
                    + self.prior.log_odds(correlation, self.energies[bin]);
                self.profile[bin - first] = odds;
                most = most.max(odds);
            }
        }
        let sum: f64 = self.profile.iter().map(|&odds| exp(odds - most)).sum();
        most + log(sum)
    }

    /// Draws one of the bins that were looked at, given the logarithm of the sum of their odds.
    pub(super) fn pick(&mut self, total: f64) -> usize {
        let mut chance = self.draws.uniform();
        let mut chosen = 0;
        for (k, &odds) in self.profile.iter().enumerate() {
            if odds > f64::NEG_INFINITY {
                chosen = k;
                chance -= exp(odds - total);
                if chance < 0.0 {
                    break;
                }
            }
        }
        self.first + chosen
    }

    /// Draws the amplitude of an event in a free bin.
    pub(super) fn amplitude(&mut self, transient: &Transient, bin: usize) -> f64 {
        let correlation = self.correlation(transient, bin);
        self.prior.amplitude(correlation, self.energies[bin], &mut self.draws)
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
    pub(super) fn gauge(&mut self, transient: &Transient) {
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
        self.walk.values.iter_mut().for_each(|value| *value += level);
        self.events.iter_mut().for_each(|event| event.amplitude *= 1.0 + gain);
        self.prior = Prior::new(self.prior.mean * (1.0 + gain), self.spread);
        self.explain(transient);
    }

    /// What the events make of a frame.
    pub(super) fn calcium(&self, frame: usize) -> f64 {
        self.trace[frame] - self.walk.values[frame] - self.left[frame]
    }
}
