//! The residual of a trace as spikes see it: correlations, energies, and what a spike changes.
//!
//! ```text
//! D[i] = m[i] r[i] + d D[i+1],    R[i] = m[i] r[i] + ρ R[i+1]        0 behind a segment's end
//! q = exp(-δ/τ_decay)/p D[i] - exp(-δ/τ_rise)/p R[i]                 correlation with a spike
//! ```
//!
//! with the residual `r`, the mask `m` of recorded frames and the roots `d`, `ρ` of the transient;
//! its energy over recorded frames follows from three such recursions over the mask, so that gaps,
//! borders and ends are exact. The states of the trace alone are found once; what a spike takes off
//! them are powers of the roots. Values are held in a power of two that fits the trace.

use std::ops::Range;

use fearless_simd::Level;
use libm::{frexp, ldexp};

use super::powers::{NOTHING, Powers, flushed};
use super::shape::{Shape, Spot};
use super::spread::{self, Frames};
use super::tournament::Tournament;
use crate::error::{SolverError, check_positive};
use crate::segments::{check_segments, segment_ranges};

/// A transient of which less than this share of the energy was not recorded is complete: bins are ranked
/// as if all of it was.
pub(super) const COMPLETE: f64 = 1e-6;

/// Phases with a smaller share of the energy of the one that is seen best hold no spikes: under a kernel
/// far shorter than a frame these would be of any number.
const LEAST_SEEN: f64 = 0.01;

/// Frames of a recursion after which it is looked at whether it has come to nothing.
const FLUSH: usize = 64;

/// Sums side by side.
const SUMS: usize = 8;

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
        Self { least_noise: 1e-6, tail: 1e-3, least_energy: 0.05 }
    }
}

/// A spike, or an event of several, with its amplitude in the unit of the field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) spot: Spot,
    pub(super) amplitude: f64,
}

/// `D` and `R` of every frame.
#[derive(Clone, Debug)]
pub(super) struct States {
    pub(super) decay: Vec<f64>,
    pub(super) rise: Vec<f64>,
}

impl States {
    fn zeros(n: usize) -> Self {
        Self { decay: vec![0.0; n], rise: vec![0.0; n] }
    }

    pub(super) fn at(&self, frame: usize) -> [f64; 2] {
        [self.decay[frame], self.rise[frame]]
    }

    fn set(&mut self, frame: usize, [decay, rise]: [f64; 2]) {
        (self.decay[frame], self.rise[frame]) = (decay, rise);
    }
}

/// A trace and its states, before a constant is taken off them.
pub(super) struct Unlowered {
    trace: Vec<f64>,
    plain: States,
}

pub(super) struct Field<'a> {
    pub(super) shape: &'a Shape,
    pub(super) segments: Vec<Range<usize>>,
    /// 1 for recorded frames, 0 for others.
    mask: Vec<f64>,
    /// The trace, 0 where it was not recorded.
    trace: Vec<f64>,
    calcium: Vec<f64>,
    /// Of the residual, of the trace, and of 1 in every recorded frame.
    pub(super) states: States,
    pub(super) plain: States,
    ones: States,
    /// Discounted numbers of recorded frames: decay², decay times rise, rise².
    pub(super) seen: [Vec<f64>; 3],
    /// Whether the transient of a spike was recorded to its end, and the energies by phase then.
    pub(super) complete: Vec<bool>,
    pub(super) energies: Vec<f64>,
    /// Least energy of a candidate, by phase.
    pub(super) least: Vec<f64>,
    pub(super) powers: Powers,
    /// Number of recorded frames.
    pub(super) recorded: usize,
    /// What 1 in the field is in the trace.
    pub(super) unit: f64,
    /// Standard deviation of the noise.
    pub(super) sigma: f64,
    /// Calcium that does not matter.
    tail: f64,
    pub(super) level: Level,
    /// Of the frames, while events are looked for.
    pub(super) tournament: Tournament,
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
        check_samples(trace)?;
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
        let most = energies.iter().copied().fold(0.0, f64::max);
        let least = energies.iter().map(|own| (options.least_energy * own).max(LEAST_SEEN * most));
        let least = least.collect();
        let sigma = (noise * scale).max(options.least_noise * largest * scale);
        let n = trace.len();
        // Amplitudes are about as large as the largest sample, which is about 1.
        let tail = options.tail * sigma.min(1.0);
        let reach = shape.reach(tail);
        let mut field = Self {
            shape,
            segments,
            mask: trace.iter().map(|y| f64::from(u8::from(!y.is_nan()))).collect(),
            trace: trace.iter().map(|y| if y.is_nan() { 0.0 } else { y * scale }).collect(),
            calcium: vec![0.0; n],
            states: States::zeros(n),
            plain: States::zeros(n),
            ones: States::zeros(n),
            seen: [vec![0.0; n], vec![0.0; n], vec![0.0; n]],
            complete: vec![false; n],
            least,
            energies: shape.energies(usize::MAX),
            powers: Powers::new(shape, reach.min(longest).max(1)),
            recorded,
            unit: 1.0 / scale,
            sigma,
            tail,
            level: Level::new(),
            tournament: Tournament::default(),
        };
        field.look_back();
        field.find_complete();
        field.states.clone_from(&field.plain);
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

    /// Whether a segment starts here, so that no bins precede the frame.
    pub(super) fn is_first(&self, frame: usize) -> bool {
        frame == 0 || self.segments.binary_search_by_key(&frame, |s| s.start).is_ok()
    }

    pub(super) fn calcium(&self) -> &[f64] {
        &self.calcium
    }

    pub(super) fn seen(&self, frame: usize) -> [f64; 3] {
        [self.seen[0][frame], self.seen[1][frame], self.seen[2][frame]]
    }

    pub(super) fn seen_all(&self) -> [&[f64]; 3] {
        self.seen.each_ref().map(Vec::as_slice)
    }

    /// The trace over recorded frames, and its residual.
    pub(super) fn samples(&self) -> impl Iterator<Item = (f64, f64)> {
        let parts = self.trace.iter().zip(&self.calcium).zip(&self.mask);
        parts.filter(|(_, m)| **m > 0.0).map(|((y, c), _)| (*y, y - c))
    }

    /// Sum of the squared residual over recorded frames.
    pub(super) fn squared_error(&self) -> f64 {
        let mut sums = [0.0; SUMS];
        let blocks = self.trace.chunks(SUMS).zip(self.calcium.chunks(SUMS));
        for ((trace, calcium), mask) in blocks.zip(self.mask.chunks(SUMS)) {
            let parts = sums.iter_mut().zip(trace).zip(calcium).zip(mask);
            parts.for_each(|(((sum, y), c), m)| *sum += m * (y - c) * (y - c));
        }
        sums.iter().sum()
    }

    /// Makes the inverted residual the trace.
    pub(super) fn invert(&mut self) {
        for ((y, c), m) in self.trace.iter_mut().zip(&self.calcium).zip(&self.mask) {
            *y = m * (c - *y);
        }
        self.look_back();
        self.refresh(&[]);
    }

    /// Takes the mean residual of every segment off its trace.
    pub(super) fn level(&mut self) {
        for k in 0..self.segments.len() {
            let segment = self.segments[k].clone();
            let frames = || segment.clone().filter(|&i| self.mask[i] > 0.0);
            let sum: f64 = frames().map(|i| self.trace[i] - self.calcium[i]).sum();
            let mean = sum / frames().count().max(1) as f64;
            self.lower(k, mean);
        }
    }

    /// Takes a constant off a segment of the trace, below whatever spikes there are.
    pub(super) fn lower(&mut self, segment: usize, constant: f64) {
        let frames = self.segments[segment].clone();
        let take = |from: &mut [f64], ones: &[f64]| {
            let parts = from[frames.clone()].iter_mut().zip(&ones[frames.clone()]);
            parts.for_each(|(value, one)| *value -= constant * one);
        };
        take(&mut self.trace, &self.mask);
        for states in [&mut self.states, &mut self.plain] {
            take(&mut states.decay, &self.ones.decay);
            take(&mut states.rise, &self.ones.rise);
        }
    }

    /// Makes the trace what it was less a constant. States and calcium are those of before until they
    /// are found anew.
    pub(super) fn restart_below(&mut self, from: &Unlowered, constant: f64) {
        let lower = |out: &mut [f64], from: &[f64], ones: &[f64]| {
            let parts = out.iter_mut().zip(from).zip(ones);
            parts.for_each(|((out, from), one)| *out = from - constant * one);
        };
        lower(&mut self.trace, &from.trace, &self.mask);
        lower(&mut self.plain.decay, &from.plain.decay, &self.ones.decay);
        lower(&mut self.plain.rise, &from.plain.rise, &self.ones.rise);
    }

    pub(super) fn unlowered(&self) -> Unlowered {
        Unlowered { trace: self.trace.clone(), plain: self.plain.clone() }
    }

    /// Finds the states of the trace and of the mask, from the end of each segment.
    fn look_back(&mut self) {
        let (d, r) = (self.shape.decay_root, self.shape.rise_root);
        let roots = [d, r, d, r, d * d, d * r, r * r];
        for segment in &self.segments {
            let mut sums = [0.0; 7];
            for i in segment.clone().rev() {
                let (y, m) = (self.trace[i], self.mask[i]);
                for ((sum, root), new) in sums.iter_mut().zip(roots).zip([y, y, m, m, m, m, m]) {
                    *sum = *sum * root + new;
                }
                self.plain.set(i, [sums[0], sums[1]]);
                self.ones.set(i, [sums[2], sums[3]]);
                for (seen, sum) in self.seen.iter_mut().zip(&sums[4..]) {
                    seen[i] = *sum;
                }
                if i % FLUSH == 0 {
                    sums = sums.map(flushed);
                }
            }
        }
    }

    fn find_complete(&mut self) {
        let energies = &self.energies;
        let whole = |seen: &[f64; 3], phase: usize| {
            let (energy, whole) = (self.shape.energy(seen, phase), energies[phase]);
            whole > NOTHING && (energy - whole).abs() <= COMPLETE * whole
        };
        let last = energies.len() - 1;
        for segment in &self.segments {
            let mut complete = false;
            for i in segment.clone().rev() {
                let seen = self.seen(i);
                // What was complete one frame later mostly still is; then two phases tell.
                complete = self.mask[i] > 0.0
                    && whole(&seen, 0)
                    && whole(&seen, last)
                    && (complete || (1..last).all(|phase| whole(&seen, phase)));
                self.complete[i] = complete && i > segment.start;
            }
        }
    }

    /// Computes calcium and states anew, without cutting any transient off; events ascend.
    pub(super) fn refresh(&mut self, events: &[Event]) {
        let mut rest = events;
        for segment in self.segments.clone() {
            let count = rest.partition_point(|event| event.spot.frame < segment.end);
            let (inside, later) = rest.split_at(count);
            self.carry_forward(inside, segment.clone());
            self.carry_back(inside, segment.start);
            rest = later;
        }
    }

    /// Makes calcium and states those of the trace, and spreads what events make of the frames from
    /// each one's own on.
    fn carry_forward(&mut self, events: &[Event], segment: Range<usize>) {
        let first = events.first().map_or(segment.end, |event| event.spot.frame);
        let silent = segment.start..first;
        self.calcium[silent.clone()].fill(0.0);
        self.states.decay[silent.clone()].copy_from_slice(&self.plain.decay[silent.clone()]);
        self.states.rise[silent.clone()].copy_from_slice(&self.plain.rise[silent]);
        let mut carried = [0.0; 2];
        for (k, event) in events.iter().enumerate() {
            let [d, r] = self.exponentials(*event);
            carried = [carried[0] + d, carried[1] + r];
            let next = events.get(k + 1).map_or(segment.end, |event| event.spot.frame);
            let mut start = event.spot.frame;
            while start < next {
                let end = next.min(start + self.powers.most());
                self.respond::<true>(start..end, carried);
                carried = self.powers.discount(carried, end - start);
                start = end;
            }
        }
    }

    /// Spreads what events make of the states of earlier frames.
    fn carry_back(&mut self, events: &[Event], start: usize) {
        let mut carried = [0.0; 2];
        for (k, event) in events.iter().enumerate().rev() {
            let [d, r] = self.response(event.spot.frame, self.exponentials(*event));
            carried = [carried[0] + d, carried[1] + r];
            let before = if k > 0 { events[k - 1].spot.frame } else { start };
            let mut end = event.spot.frame;
            while end > before {
                let start = before.max(end.saturating_sub(self.powers.most()));
                self.precede(start..end, carried);
                carried = self.powers.discount(carried, end - start);
                end = start;
            }
        }
    }

    /// What an event stands at in its own frame: its two exponentials.
    pub(super) fn exponentials(&self, event: Event) -> [f64; 2] {
        let Event { spot: Spot { phase, .. }, amplitude } = event;
        [amplitude * self.shape.decay[phase], amplitude * self.shape.rise[phase]]
    }

    /// The states that a transient, which stands at these two exponentials, gives at a frame.
    pub(super) fn response(&self, frame: usize, [d, r]: [f64; 2]) -> [f64; 2] {
        let [dd, dr, rr] = self.seen(frame);
        [d * dd - r * dr, d * dr - r * rr]
    }

    /// Takes off frames what a transient makes of them that stands at `[x, z]` in the first one: off
    /// what they have or, `FRESH`, off what they have without any.
    fn respond<const FRESH: bool>(&mut self, frames: Range<usize>, at: [f64; 2]) {
        let [dd, dr, rr] = &self.seen;
        let part = Frames {
            calcium: &mut self.calcium[frames.clone()],
            decay: &mut self.states.decay[frames.clone()],
            rise: &mut self.states.rise[frames.clone()],
            plain: [&self.plain.decay[frames.clone()], &self.plain.rise[frames.clone()]],
            seen: [&dd[frames.clone()], &dr[frames.clone()], &rr[frames.clone()]],
        };
        spread::respond::<FRESH>(self.level, part, self.powers.up(frames.len()), at);
    }

    /// Takes off frames what states `[x, z]` behind the last one make of theirs.
    fn precede(&mut self, frames: Range<usize>, [x, z]: [f64; 2]) {
        let powers = self.powers.down(frames.len());
        let decay = &mut self.states.decay[frames.clone()];
        let rise = &mut self.states.rise[frames];
        spread::precede(self.level, decay, rise, powers, [x, z]);
    }

    /// Adds a spike of this amplitude; returns the frames whose states changed.
    pub(super) fn add(&mut self, event: Event) -> Range<usize> {
        let (frame, own) = (event.spot.frame, self.exponentials(event));
        let states = self.response(frame, own);
        let (before, behind) = (self.before(frame, states), self.behind(frame, own));
        self.precede(before.clone(), states);
        self.respond::<false>(behind.clone(), own);
        before.start..behind.end
    }

    /// Exchanges an event for another one of the same segment; returns as `add`.
    ///
    /// Outside of the two, where what they make is all but the same, both are changed as one.
    pub(super) fn exchange(&mut self, old: Event, new: Event) -> Range<usize> {
        let old = Event { amplitude: -old.amplitude, ..old };
        let [one, two] = if old.spot.frame <= new.spot.frame { [old, new] } else { [new, old] };
        let (first, second) = (one.spot.frame, two.spot.frame);
        let (early, late) = (self.exponentials(one), self.exponentials(two));
        let after = plus(late, self.powers.discount(early, second - first));
        let later = self.response(second, late);
        let states = plus(self.response(first, early), self.powers.discount(later, second - first));
        let (before, behind) = (self.before(first, states), self.behind(second, after));
        self.precede(before.clone(), states);
        let steps = self.powers.most();
        for start in (first..second).step_by(steps) {
            let between = start..second.min(start + steps);
            self.respond::<false>(between.clone(), self.powers.discount(early, start - first));
            self.precede(between.clone(), self.powers.discount(later, second - between.end));
        }
        self.respond::<false>(behind.clone(), after);
        before.start..behind.end
    }

    /// The frames from this one on that a transient matters to which stands at `[x, z]` there.
    fn behind(&self, frame: usize, at: [f64; 2]) -> Range<usize> {
        let reach = self.powers.until(at, self.tail);
        frame..frame.saturating_add(reach).min(self.segment(frame).end)
    }

    /// The frames before this one that its states matter to.
    fn before(&self, frame: usize, [x, z]: [f64; 2]) -> Range<usize> {
        let (of_decay, of_rise) = (self.shape.decay[0] * x, self.shape.rise[0] * z);
        let least = self.tail * self.shape.norm() * self.shape.norm();
        let reach = self.powers.until([of_decay, of_rise], least);
        frame.saturating_sub(reach).max(self.segment(frame).start)..frame
    }
}

pub(super) fn plus(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [a[0] + b[0], a[1] + b[1]]
}

/// Refuses infinite samples.
pub(super) fn check_samples(trace: &[f64]) -> Result<(), SolverError> {
    let Some(t) = trace.iter().position(|y| y.is_infinite()) else { return Ok(()) };
    let got = format!("{} at frame {t}", trace[t]);
    Err(SolverError::parameter("traces", "finite values, or NaN for gaps", &got))
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
        field.level();
        let left: Vec<f64> = field.samples().map(|(y, _)| y * field.unit).collect();
        assert_eq!(left, [-1.0, 1.0, 0.0, 1.0, -1.0, 0.0]);
        // Once is enough.
        field.level();
        assert!((field.squared_error() * field.unit * field.unit - 4.0).abs() < 1e-12);
    }
}
