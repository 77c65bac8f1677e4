//! The residual of a trace as spikes see it: correlations, energies, and what a spike changes.
//!
//! ```text
//! D[i] = m[i] r[i] + d D[i+1],    R[i] = m[i] r[i] + ρ R[i+1]        0 behind a segment's end
//! q = exp(-δ/τ_decay)/p D[i] - exp(-δ/τ_rise)/p R[i]                 correlation with a spike
//! ```
//!
//! with the residual `r`, the mask `m` of recorded frames and the roots `d`, `ρ` of the transient;
//! its energy over recorded frames follows from three such recursions over the mask, so that gaps,
//! borders and ends are exact. Values are held in a power of two that fits the trace.

use std::ops::Range;

use libm::{frexp, ldexp};

use super::shape::{Shape, Spot};
use crate::error::{SolverError, check_positive};
use crate::segments::{check_segments, segment_ranges};

/// What is smaller than this, beside samples of about 1, is taken for 0: such numbers are slow.
const NOTHING: f64 = 1e-200;

/// How exactly a field is kept, and which bins it offers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldOptions {
    /// Least noise, as a share of the largest sample.
    pub least_noise: f64,
    /// A transient is cut off where it is below this share of the noise.
    pub tail: f64,
    /// Bins of which a smaller share of the energy was recorded hold no spikes.
    pub least_energy: f64,
}

impl Default for FieldOptions {
    fn default() -> Self {
        Self { least_noise: 1e-6, tail: 0.01, least_energy: 0.05 }
    }
}

/// A spike, or an event of several, with its amplitude in the unit of the field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) spot: Spot,
    pub(super) amplitude: f64,
}

/// A bin, how well it scored, and its correlation and energy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) spot: Spot,
    pub(super) score: f64,
    pub(super) correlation: f64,
    pub(super) energy: f64,
}

impl Candidate {
    /// The amplitude that fits best.
    pub(super) fn amplitude(&self) -> f64 {
        self.correlation / self.energy
    }
}

pub(super) struct Field<'a> {
    pub(super) shape: &'a Shape,
    segments: Vec<Range<usize>>,
    /// 1 for recorded frames, 0 for others.
    mask: Vec<f64>,
    /// The trace, 0 where it was not recorded.
    trace: Vec<f64>,
    calcium: Vec<f64>,
    /// `D` and `R`.
    states: Vec<[f64; 2]>,
    /// Discounted numbers of recorded frames: decay², decay times rise, rise².
    seen: Vec<[f64; 3]>,
    /// Least energy of a candidate, by phase.
    least: Vec<f64>,
    reach: usize,
    /// Number of recorded frames.
    pub(super) recorded: usize,
    /// What 1 in the field is in the trace.
    pub(super) unit: f64,
    /// Standard deviation of the noise.
    pub(super) sigma: f64,
}

impl<'a> Field<'a> {
    /// The field of a trace without any spike.
    pub(super) fn new(
        shape: &'a Shape,
        trace: &[f64],
        noise: f64,
        starts: &[usize],
        options: &FieldOptions,
    ) -> Result<Self, SolverError> {
        check_segments(starts, trace.len())?;
        check_options(options)?;
        if let Some(t) = trace.iter().position(|y| y.is_infinite()) {
            let got = format!("{} at frame {t}", trace[t]);
            return Err(SolverError::parameter("traces", "finite values, or NaN for gaps", &got));
        }
        let recorded = trace.iter().filter(|y| !y.is_nan()).count();
        if recorded > 0 && !(noise.is_finite() && noise >= 0.0) {
            return Err(SolverError::parameter("noise", "a finite number, at least 0", &noise));
        }
        let largest = trace.iter().fold(0.0_f64, |largest, y| largest.max(y.abs()));
        let exponent = frexp(largest).1.clamp(-1000, 1000);
        let scale = ldexp(1.0, -exponent);
        let segments: Vec<_> = segment_ranges(starts, trace.len()).collect();
        let longest = segments.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let energies = shape.energies(longest);
        let sigma = (noise * scale).max(options.least_noise * largest * scale);
        let mut field = Self {
            shape,
            segments,
            mask: trace.iter().map(|y| f64::from(u8::from(!y.is_nan()))).collect(),
            trace: trace.iter().map(|y| if y.is_nan() { 0.0 } else { y * scale }).collect(),
            calcium: vec![0.0; trace.len()],
            states: vec![[0.0; 2]; trace.len()],
            seen: vec![[0.0; 3]; trace.len()],
            least: energies.iter().map(|energy| options.least_energy * energy).collect(),
            // Amplitudes are about as large as the largest sample, which is about 1.
            reach: shape.reach(options.tail * sigma.min(1.0)),
            recorded,
            unit: 1.0 / scale,
            sigma,
        };
        field.count_seen();
        field.refresh(&[]);
        Ok(field)
    }

    pub(super) fn n_frames(&self) -> usize {
        self.trace.len()
    }

    /// Whether there is anything to explain.
    pub(super) fn is_silent(&self) -> bool {
        // The noise has a floor in proportion to the largest sample.
        self.recorded == 0 || self.trace.iter().all(|&y| y == 0.0)
    }

    pub(super) fn segment(&self, frame: usize) -> Range<usize> {
        let k = self.segments.partition_point(|segment| segment.end <= frame);
        self.segments[k].clone()
    }

    pub(super) fn calcium(&self) -> &[f64] {
        &self.calcium
    }

    /// The trace over recorded frames, and its residual.
    pub(super) fn samples(&self) -> impl Iterator<Item = (f64, f64)> {
        let parts = self.trace.iter().zip(&self.calcium).zip(&self.mask);
        parts.filter(|(_, m)| **m > 0.0).map(|((y, c), _)| (*y, y - c))
    }

    /// Sum of the squared residual over recorded frames.
    pub(super) fn squared_error(&self) -> f64 {
        self.samples().map(|(_, r)| r * r).sum()
    }

    /// Makes the inverted residual the trace.
    pub(super) fn invert(&mut self) {
        for ((y, c), m) in self.trace.iter_mut().zip(&self.calcium).zip(&self.mask) {
            *y = m * (c - *y);
        }
        self.refresh(&[]);
    }

    /// Takes the mean residual of every segment off its trace; events ascend.
    pub(super) fn level(&mut self, events: &[Event]) {
        for segment in &self.segments {
            let frames = || segment.clone().filter(|&i| self.mask[i] > 0.0);
            let sum: f64 = frames().map(|i| self.trace[i] - self.calcium[i]).sum();
            let mean = sum / frames().count().max(1) as f64;
            for i in segment.clone() {
                self.trace[i] -= self.mask[i] * mean;
            }
        }
        self.refresh(events);
    }

    fn count_seen(&mut self) {
        let (d, r) = (self.shape.decay_root, self.shape.rise_root);
        for segment in &self.segments {
            let mut sums = [0.0; 3];
            for i in segment.clone().rev() {
                for (sum, root) in sums.iter_mut().zip([d * d, d * r, r * r]) {
                    *sum = flushed(*sum * root) + self.mask[i];
                }
                self.seen[i] = sums;
            }
        }
    }

    /// Computes calcium and states anew, without cutting any transient off; events ascend.
    pub(super) fn refresh(&mut self, events: &[Event]) {
        self.synthesise(events);
        for k in 0..self.segments.len() {
            let Range { start, end } = self.segments[k];
            self.look_back(start, end, [0.0; 2]);
        }
    }

    fn synthesise(&mut self, events: &[Event]) {
        let mut events = events.iter().peekable();
        for segment in &self.segments {
            let (mut d, mut r) = (0.0, 0.0);
            for i in segment.clone() {
                d = flushed(d * self.shape.decay_root);
                r = flushed(r * self.shape.rise_root);
                while let Some(event) = events.next_if(|event| event.spot.frame <= i) {
                    d += event.amplitude * self.shape.decay[event.spot.phase];
                    r += event.amplitude * self.shape.rise[event.spot.phase];
                }
                self.calcium[i] = d - r;
            }
        }
    }

    /// States from `end` back to `start`, from what follows them.
    fn look_back(&mut self, start: usize, end: usize, [mut d, mut r]: [f64; 2]) {
        let (decay, rise) = (self.shape.decay_root, self.shape.rise_root);
        let samples = self.trace[start..end].iter().zip(&self.calcium[start..end]);
        let samples = samples.zip(&self.mask[start..end]);
        for (state, ((y, c), m)) in self.states[start..end].iter_mut().zip(samples).rev() {
            let residual = m * (y - c);
            d = residual + flushed(decay * d);
            r = residual + flushed(rise * r);
            *state = [d, r];
        }
    }

    /// Adds a spike of this amplitude; returns the frames whose states changed.
    pub(super) fn add(&mut self, event: Event) -> Range<usize> {
        let segment = self.segment(event.spot.frame);
        let end = self.respond(event, segment.end);
        self.settle(event.spot.frame, end, &segment)
    }

    /// Exchanges an event for another one of the same segment; returns as `add`.
    pub(super) fn exchange(&mut self, old: Event, new: Event) -> Range<usize> {
        let segment = self.segment(old.spot.frame);
        let left = Event { amplitude: -old.amplitude, ..old };
        let end = self.respond(left, segment.end).max(self.respond(new, segment.end));
        self.settle(old.spot.frame.min(new.spot.frame), end, &segment)
    }

    fn respond(&mut self, event: Event, segment_end: usize) -> usize {
        let Event { spot: Spot { frame, phase }, amplitude } = event;
        let (decay, rise) = (self.shape.decay_root, self.shape.rise_root);
        let (mut d, mut r) =
            (amplitude * self.shape.decay[phase], amplitude * self.shape.rise[phase]);
        let end = frame.saturating_add(self.reach).min(segment_end);
        for c in &mut self.calcium[frame..end] {
            *c += d - r;
            d *= decay;
            r = flushed(r * rise);
        }
        end
    }

    fn settle(&mut self, frame: usize, end: usize, segment: &Range<usize>) -> Range<usize> {
        let start = frame.saturating_sub(self.reach).max(segment.start);
        let next = if end < segment.end { self.states[end] } else { [0.0; 2] };
        self.look_back(start, end, next);
        start..end
    }

    /// The best bin of a frame: the highest score of correlation and energy.
    pub(super) fn best(&self, frame: usize, score: impl Fn(f64, f64) -> f64) -> Option<Candidate> {
        // Only the first frame of a segment has no bins before it.
        let first = frame == 0 || self.segments.binary_search_by_key(&frame, |s| s.start).is_ok();
        self.best_of(
            frame,
            self.states[frame],
            if first { 1 } else { self.shape.upsample() },
            score,
        )
    }

    #[inline]
    fn best_of(
        &self,
        frame: usize,
        [d, r]: [f64; 2],
        phases: usize,
        score: impl Fn(f64, f64) -> f64,
    ) -> Option<Candidate> {
        let (seen, mut best) = (&self.seen[frame], None::<Candidate>);
        let tables = self.shape.decay.iter().zip(&self.shape.rise).zip(&self.least).take(phases);
        for (phase, ((decay, rise), least)) in tables.enumerate() {
            let energy =
                decay * decay * seen[0] - 2.0 * decay * rise * seen[1] + rise * rise * seen[2];
            let correlation = decay * d - rise * r;
            // A kernel far shorter than a frame leaves nothing to see in some phases.
            if energy < *least || energy <= NOTHING {
                continue;
            }
            let score = score(correlation, energy);
            if best.is_none_or(|best| score > best.score) {
                best = Some(Candidate { spot: Spot { frame, phase }, score, correlation, energy });
            }
        }
        best
    }

    /// The best bin within `window` frames of an event that is taken out, and the event's own bin.
    pub(super) fn best_without(
        &self,
        event: Event,
        window: usize,
        score: impl Fn(f64, f64) -> f64 + Copy,
    ) -> (Option<Candidate>, Candidate) {
        let Event { spot, amplitude } = event;
        let segment = self.segment(spot.frame);
        let phases = |frame| if frame == segment.start { 1 } else { self.shape.upsample() };
        let states = |frame: usize, [d, r]: [f64; 2]| {
            let [now_d, now_r] = self.states[frame];
            [now_d + amplitude * d, now_r + amplitude * r]
        };
        let (decay, rise) = (self.shape.decay_root, self.shape.rise_root);
        let own = self.response(spot, [self.shape.decay[spot.phase], self.shape.rise[spot.phase]]);
        let mut best = None::<Candidate>;
        let mut consider = |frame: usize, response: [f64; 2]| {
            let found = self.best_of(frame, states(frame, response), phases(frame), score);
            best = match (best, found) {
                (Some(a), Some(b)) if b.score <= a.score => Some(a),
                (a, b) => b.or(a),
            };
        };
        // Before the event its response is only discounted, behind it fewer of its frames are seen.
        consider(spot.frame, own);
        let mut before = own;
        for frame in (segment.start..spot.frame).rev().take(window) {
            before = [before[0] * decay, before[1] * rise];
            consider(frame, before);
        }
        let (mut d, mut r) = (self.shape.decay[spot.phase], self.shape.rise[spot.phase]);
        for frame in (spot.frame + 1..segment.end).take(window) {
            (d, r) = (d * decay, r * rise);
            consider(frame, self.response(Spot { frame, ..spot }, [d, r]));
        }
        (best, self.at(spot, states(spot.frame, own), score))
    }

    /// The states that a transient, which stands at these two exponentials, gives at a frame.
    fn response(&self, spot: Spot, [d, r]: [f64; 2]) -> [f64; 2] {
        let [dd, dr, rr] = self.seen[spot.frame];
        [d * dd - r * dr, d * dr - r * rr]
    }

    fn at(&self, spot: Spot, [d, r]: [f64; 2], score: impl Fn(f64, f64) -> f64) -> Candidate {
        let energy = self.shape.energy(&self.seen[spot.frame], spot.phase);
        let correlation = self.shape.decay[spot.phase] * d - self.shape.rise[spot.phase] * r;
        Candidate { spot, score: score(correlation, energy), correlation, energy }
    }

    /// Whether enough of a spike's energy was recorded.
    pub(super) fn is_observable(&self, spot: Spot) -> bool {
        spot.frame < self.n_frames()
            && (spot.phase == 0 || self.segment(spot.frame).start < spot.frame)
            && self.shape.energy(&self.seen[spot.frame], spot.phase)
                >= self.least[spot.phase].max(NOTHING)
    }
}

fn flushed(value: f64) -> f64 {
    if value.abs() < NOTHING { 0.0 } else { value }
}

fn check_options(options: &FieldOptions) -> Result<(), SolverError> {
    check_positive("least_noise", options.least_noise)?;
    check_positive("tail", options.tail)?;
    check_positive("least_energy", options.least_energy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_takes_off_each_segments_mean_over_recorded_frames() {
        let shape = Shape::new(0.05, 0.6, 30.0, 1).unwrap();
        let trace = [1.0, 3.0, f64::NAN, 2.0, -4.0, f64::NAN, -6.0, -5.0];
        let mut field = Field::new(&shape, &trace, 0.1, &[4], &FieldOptions::default()).unwrap();
        field.level(&[]);
        let left: Vec<f64> = field.samples().map(|(y, _)| y * field.unit).collect();
        assert_eq!(left, [-1.0, 1.0, 0.0, 1.0, -1.0, 0.0]);
        // Once is enough.
        field.level(&[]);
        assert!((field.squared_error() * field.unit * field.unit - 4.0).abs() < 1e-12);
    }
}
