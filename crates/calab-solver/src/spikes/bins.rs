//! Which bin of a frame, or of some frames, a spike fits best.
//!
//! Over the phases of one frame the correlation is `A D - B R`, linear in the two states. Where the
//! whole transient was recorded, its energy is the same everywhere, so that a table of the phases
//! ranks all of them without a division.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use std::ops::Range;

use fearless_simd::{Simd, dispatch, f64x8, prelude::*};

use super::field::{Event, Field};
use super::powers::NOTHING;
use super::shape::Spot;

/// Frames that are looked at side by side.
pub(super) const SIDE: usize = 8;

/// Row of a phase that holds no spikes.
const UNSEEN: [f64; 3] = [0.0, 0.0, f64::INFINITY];

/// Phases that are looked at without asking first whether any may matter.
const FEW: usize = 4;

/// Far above what the sums of three products are off by, as a share.
const ROUNDING: f64 = 1e-12;

/// What is compared between bins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Measure {
    /// Correlation over the root of the energy: its square is the decrease by a free amplitude.
    Free,
    /// Correlation less this amplitude times the energy: with half of an amplitude, the decrease by
    /// it over twice the amplitude.
    Above(f64),
}

impl Measure {
    fn of(self, correlation: f64, energy: f64) -> f64 {
        match self {
            Self::Free => correlation / energy.sqrt(),
            Self::Above(amplitude) => correlation - amplitude * energy,
        }
    }

    /// Something that orders as the measure does, without a root.
    fn rank(self, correlation: f64, energy: f64) -> f64 {
        match self {
            Self::Free => correlation * correlation.abs() / energy,
            Self::Above(_) => self.of(correlation, energy),
        }
    }
}

/// A measure, and its table for the phases of a complete transient: `A D - B R - C`.
pub(super) struct Ruler {
    measure: Measure,
    table: Vec<[f64; 3]>,
    /// How far the rows are from the line between the first and the last one: no phase lies further
    /// above the better of these two.
    slack: [f64; 3],
    /// Whether phases hold no spikes, so that there is no such line.
    hides: bool,
}

/// A bin, its measure, correlation and energy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) spot: Spot,
    pub(super) value: f64,
    pub(super) correlation: f64,
    pub(super) energy: f64,
}

impl Candidate {
    /// The amplitude that fits best.
    pub(super) fn amplitude(&self) -> f64 {
        self.correlation / self.energy
    }
}

impl Ruler {
    /// The largest measure of a frame of these states, and its phase.
    fn best(&self, [d, r]: [f64; 2]) -> (f64, usize) {
        let mut best = (f64::NEG_INFINITY, 0);
        for (phase, [a, b, c]) in self.table.iter().enumerate() {
            let value = a * d - b * r - c;
            if value > best.0 {
                best = (value, phase);
            }
        }
        best
    }

    /// The lane of the largest measure among the first `count`, and its phase; of several the one at
    /// `lane`, or else the first.
    #[inline(always)]
    pub(super) fn best_lane<S: Simd>(
        &self,
        simd: S,
        (d, r): (f64x8<S>, f64x8<S>),
        count: usize,
        mut lane: usize,
    ) -> (usize, usize) {
        let mut best = f64x8::splat(simd, f64::NEG_INFINITY);
        let mut phase = f64x8::splat(simd, 0.0);
        let mut index = 0.0;
        for [a, b, c] in &self.table {
            let [a, b, c] = [a, b, c].map(|x| f64x8::splat(simd, *x));
            let value = a * d - b * r - c;
            let larger = value.simd_gt(best);
            best = larger.select(value, best);
            phase = larger.select(f64x8::splat(simd, index), phase);
            index += 1.0;
        }
        let (mut values, mut phases) = ([0.0; SIDE], [0.0; SIDE]);
        best.store_array(&mut values);
        phase.store_array(&mut phases);
        for (k, value) in values[..count].iter().enumerate() {
            lane = if *value > values[lane] { k } else { lane };
        }
        (lane, phases[lane] as usize)
    }

    fn new(measure: Measure, table: Vec<[f64; 3]>) -> Self {
        let (first, last) = (table[0], table[table.len() - 1]);
        let steps = (table.len() - 1).max(1) as f64;
        let mut slack = [0.0_f64; 3];
        for (phase, row) in table.iter().enumerate() {
            let share = phase as f64 / steps;
            for (k, slack) in slack.iter_mut().enumerate() {
                let line = first[k] + share * (last[k] - first[k]);
                // What rounding makes of the line and of a measure is far below that.
                *slack = slack.max((row[k] - line).abs() + ROUNDING * row[k].abs());
            }
        }
        let hides = table.contains(&UNSEEN);
        Self { measure, table, slack, hides }
    }

    /// Whether some of the frames may have a measure from `least` on.
    #[inline(always)]
    fn may_reach(&self, least: f64, d: &[f64; SIDE], r: &[f64; SIDE]) -> bool {
        if self.table.len() <= FEW || self.hides {
            return true;
        }
        let mut highest = [f64::NEG_INFINITY; SIDE];
        for k in 0..SIDE {
            highest[k] = self.bound([d[k], r[k]]);
        }
        highest.iter().any(|&value| value >= least)
    }

    /// No phase of a frame of these states has a larger measure.
    #[inline(always)]
    fn bound(&self, [d, r]: [f64; 2]) -> f64 {
        let [first, last] = [self.table[0], self.table[self.table.len() - 1]];
        let [a, b, c] = self.slack;
        let early = first[0] * d - first[1] * r - first[2];
        let late = last[0] * d - last[1] * r - last[2];
        let ends = if early > late { early } else { late };
        ends + (a * d.abs() + b * r.abs() + c)
    }

    #[inline(always)]
    fn side(&self, d: &[f64; SIDE], r: &[f64; SIDE], out: &mut [f64]) {
        let mut best = [f64::NEG_INFINITY; SIDE];
        for [a, b, c] in &self.table {
            for k in 0..SIDE {
                let value = a * d[k] - b * r[k] - c;
                best[k] = if value > best[k] { value } else { best[k] };
            }
        }
        out.copy_from_slice(&best);
    }
}

impl Field<'_> {
    pub(super) fn ruler(&self, measure: Measure) -> Ruler {
        let phases = self.shape.decay.iter().zip(&self.shape.rise).zip(&self.energies);
        let row = |(((a, b), energy), least): (((&f64, &f64), &f64), &f64)| match measure {
            _ if energy < least => UNSEEN,
            Measure::Free => {
                let root = energy.sqrt();
                [a / root, b / root, 0.0]
            }
            Measure::Above(amplitude) => [*a, *b, amplitude * energy],
        };
        Ruler::new(measure, phases.zip(&self.least).map(row).collect())
    }

    /// Writes the largest measure of each of some frames; minus infinity where there are no bins, and
    /// perhaps where it is below `least`.
    pub(super) fn survey(&self, ruler: &Ruler, least: f64, frames: Range<usize>, out: &mut [f64]) {
        dispatch!(self.level, simd => self.survey_with(simd, ruler, least, frames.start, out));
    }

    #[inline(always)]
    fn survey_with<S: Simd>(&self, _: S, ruler: &Ruler, least: f64, start: usize, out: &mut [f64]) {
        for (block, out) in out.chunks_mut(SIDE).enumerate() {
            let first = start + block * SIDE;
            let (d, r) = (&self.states.decay[first..], &self.states.rise[first..]);
            let complete = self.complete[first..first + out.len()].iter().all(|&whole| whole);
            match (d.first_chunk(), r.first_chunk()) {
                (Some(d), Some(r)) if complete && out.len() == SIDE => {
                    if ruler.may_reach(least, d, r) {
                        ruler.side(d, r, out);
                    } else {
                        out.fill(f64::NEG_INFINITY);
                    }
                }
                (Some(d), Some(r)) if out.len() == SIDE && self.is_within(first) => {
                    if self.cut_may_reach(ruler, least, first, (d, r)) {
                        self.cut_side(ruler, first, (d, r), out);
                    } else {
                        out.fill(f64::NEG_INFINITY);
                    }
                }
                _ => {
                    for (k, out) in out.iter_mut().enumerate() {
                        let found = self.best(ruler, first + k);
                        *out = found.map_or(f64::NEG_INFINITY, |found| found.value);
                    }
                }
            }
        }
    }

    /// Whether all phases of a side of frames from this one on lie in one segment.
    fn is_within(&self, first: usize) -> bool {
        let segment = self.segment(first);
        segment.start < first && first + SIDE <= segment.end
    }

    /// As [`Ruler::may_reach`], where transients were not recorded to their ends: without the roots and
    /// quotients of the measure itself.
    #[inline(always)]
    fn cut_may_reach(
        &self,
        ruler: &Ruler,
        least: f64,
        first: usize,
        (d, r): (&[f64; SIDE], &[f64; SIDE]),
    ) -> bool {
        if ruler.measure != Measure::Free || least <= 0.0 {
            return true;
        }
        let [dd, dr, rr] = self.seen.each_ref().map(|seen| &seen[first..first + SIDE]);
        let square = least * least * (1.0 - ROUNDING);
        let mut reached = [false; SIDE];
        for (&a, &b) in self.shape.decay.iter().zip(&self.shape.rise) {
            for k in 0..SIDE {
                let energy = a * a * dd[k] - 2.0 * a * b * dr[k] + b * b * rr[k];
                let correlation = a * d[k] - b * r[k];
                reached[k] |= correlation > 0.0 && correlation * correlation >= square * energy;
            }
        }
        reached.contains(&true)
    }

    /// As [`Ruler::side`], where transients were not recorded to their ends.
    #[inline(always)]
    fn cut_side(
        &self,
        ruler: &Ruler,
        first: usize,
        (d, r): (&[f64; SIDE], &[f64; SIDE]),
        out: &mut [f64],
    ) {
        let [dd, dr, rr] = self.seen.each_ref().map(|seen| &seen[first..first + SIDE]);
        let mut best = [f64::NEG_INFINITY; SIDE];
        for (phase, &least) in self.least.iter().enumerate() {
            let (a, b) = (self.shape.decay[phase], self.shape.rise[phase]);
            for k in 0..SIDE {
                let energy = self.shape.energy(&[dd[k], dr[k], rr[k]], phase);
                let value = ruler.measure.of(a * d[k] - b * r[k], energy);
                let counts = energy >= least && energy > NOTHING && value > best[k];
                best[k] = if counts { value } else { best[k] };
            }
        }
        out.copy_from_slice(&best);
    }

    /// The best bin of a frame.
    pub(super) fn best(&self, ruler: &Ruler, frame: usize) -> Option<Candidate> {
        self.best_of(ruler, frame, self.states.at(frame))
    }

    /// The best bin of a frame that had these states.
    pub(super) fn best_of(
        &self,
        ruler: &Ruler,
        frame: usize,
        states: [f64; 2],
    ) -> Option<Candidate> {
        if self.complete[frame] {
            let (_, phase) = ruler.best(states);
            return Some(self.at(ruler, Spot { frame, phase }, states));
        }
        let phases = if self.is_first(frame) { 1 } else { self.shape.upsample() };
        let (seen, mut best) = (self.seen(frame), None::<(f64, usize)>);
        for phase in 0..phases {
            let energy = self.shape.energy(&seen, phase);
            // A kernel far shorter than a frame leaves nothing to see in some phases.
            if energy < self.least[phase] || energy <= NOTHING {
                continue;
            }
            let rank = ruler.measure.rank(self.correlation(phase, states), energy);
            if best.is_none_or(|(highest, _)| rank > highest) {
                best = Some((rank, phase));
            }
        }
        best.map(|(_, phase)| self.at(ruler, Spot { frame, phase }, states))
    }

    /// The best bin of a frame among those that are allowed.
    pub(super) fn best_where(
        &self,
        ruler: &Ruler,
        frame: usize,
        allowed: impl Fn(&Candidate) -> bool,
    ) -> Option<Candidate> {
        let states = self.states.at(frame);
        let phases = if self.is_first(frame) { 1 } else { self.shape.upsample() };
        let spots = (0..phases).map(|phase| Spot { frame, phase });
        let bins = spots.filter(|&spot| self.is_observable(spot));
        let found = bins.map(|spot| self.at(ruler, spot, states)).filter(allowed);
        found.reduce(|a, b| if b.value > a.value { b } else { a })
    }

    /// The best bin within `window` frames of an event that is taken out, and the event's own bin.
    pub(super) fn best_without(
        &self,
        ruler: &Ruler,
        event: Event,
        window: usize,
        around: &mut Around,
    ) -> (Option<Candidate>, Candidate) {
        let (spot, segment) = (event.spot, self.segment(event.spot.frame));
        let low = spot.frame.saturating_sub(window).max(segment.start);
        let high = spot.frame.saturating_add(window).min(segment.end - 1);
        dispatch!(self.level, simd => around.look(simd, self, low..high + 1, event));
        let own = self.at(ruler, spot, around.at(spot.frame));
        if self.complete[low..=high].iter().all(|&complete| complete) {
            let place = dispatch!(self.level, simd => around.best(simd, ruler, spot.frame));
            let (_, phase) = ruler.best(around.at(place));
            let best = Spot { frame: place, phase };
            let found = if best == spot { own } else { self.at(ruler, best, around.at(place)) };
            return (Some(found), own);
        }
        (self.best_one_by_one(ruler, own, low..high + 1, |frame| around.at(frame)), own)
    }

    /// The best bin of frames around an event, of which some are not complete; `own` in a draw.
    pub(super) fn best_one_by_one(
        &self,
        ruler: &Ruler,
        own: Candidate,
        frames: Range<usize>,
        states: impl Fn(usize) -> [f64; 2],
    ) -> Option<Candidate> {
        let (mut best, frame) = (Best::new(self, ruler), own.spot.frame);
        best.consider(frame, states(frame));
        for i in (frames.start..frame).rev().chain(frame + 1..frames.end) {
            best.consider(i, states(i));
        }
        best.found(own)
    }

    #[inline(always)]
    pub(super) fn at(&self, ruler: &Ruler, spot: Spot, states: [f64; 2]) -> Candidate {
        let energy = self.shape.energy(&self.seen(spot.frame), spot.phase);
        let correlation = self.correlation(spot.phase, states);
        Candidate { spot, value: ruler.measure.of(correlation, energy), correlation, energy }
    }

    fn correlation(&self, phase: usize, [d, r]: [f64; 2]) -> f64 {
        self.shape.decay[phase] * d - self.shape.rise[phase] * r
    }

    /// Whether enough of a spike's energy was recorded.
    pub(super) fn is_observable(&self, spot: Spot) -> bool {
        spot.frame < self.n_frames()
            && (spot.phase == 0 || self.segment(spot.frame).start < spot.frame)
            && self.shape.energy(&self.seen(spot.frame), spot.phase)
                >= self.least[spot.phase].max(NOTHING)
    }
}

/// The states of some frames without an event that is among them.
#[derive(Default)]
pub(super) struct Around {
    low: usize,
    count: usize,
    /// As many as fill all sides.
    decay: Vec<f64>,
    rise: Vec<f64>,
    values: Vec<f64>,
}

impl Around {
    fn at(&self, frame: usize) -> [f64; 2] {
        [self.decay[frame - self.low], self.rise[frame - self.low]]
    }

    #[inline(always)]
    fn look<S: Simd>(&mut self, _: S, field: &Field<'_>, frames: Range<usize>, event: Event) {
        (self.low, self.count) = (frames.start, frames.len());
        let sides = self.count.next_multiple_of(SIDE);
        for (states, all) in
            [(&mut self.decay, &field.states.decay), (&mut self.rise, &field.states.rise)]
        {
            states.clear();
            states.extend_from_slice(&all[frames.clone()]);
            states.resize(sides, 0.0);
        }
        self.values.resize(sides, 0.0);
        let [x, z] = field.exponentials(event);
        let own = event.spot.frame;
        // Before the event its response is only discounted, behind it fewer of its frames are seen.
        let before = field.response(own, [x, z]);
        let split = own - self.low;
        // Far beyond its reach there is nothing to give back.
        let (reach, behind) = (split.min(field.powers.most()), self.count - split);
        let (decay, rise) = field.powers.down(reach);
        let states = self.decay[split - reach..].iter_mut().zip(&mut self.rise[split - reach..]);
        for ((d, r), (decay, rise)) in states.zip(decay.iter().zip(rise)) {
            *d += before[0] * decay;
            *r += before[1] * rise;
        }
        let (decay, rise) = field.powers.up(behind.min(field.powers.most()));
        let [dd, dr, rr] = field.seen_all().map(|seen| &seen[own..frames.end]);
        let states = self.decay[split..].iter_mut().zip(&mut self.rise[split..]);
        for (k, ((d, r), (decay, rise))) in states.zip(decay.iter().zip(rise)).enumerate() {
            let (x, z) = (x * decay, z * rise);
            *d += x * dd[k] - z * dr[k];
            *r += x * dr[k] - z * rr[k];
        }
    }

    /// The frame of the largest measure; of several `frame`, or else the first.
    #[inline(always)]
    fn best<S: Simd>(&mut self, _: S, ruler: &Ruler, frame: usize) -> usize {
        let sides = self.decay.as_chunks().0.iter().zip(self.rise.as_chunks().0);
        for ((d, r), values) in sides.zip(self.values.chunks_exact_mut(SIDE)) {
            ruler.side(d, r, values);
        }
        let mut best = frame - self.low;
        for (k, value) in self.values[..self.count].iter().enumerate() {
            best = if *value > self.values[best] { k } else { best };
        }
        self.low + best
    }
}

/// The best bin among frames that are considered one by one.
struct Best<'a> {
    field: &'a Field<'a>,
    ruler: &'a Ruler,
    value: f64,
    spot: Option<(Spot, [f64; 2])>,
}

impl<'a> Best<'a> {
    fn new(field: &'a Field<'a>, ruler: &'a Ruler) -> Self {
        Self { field, ruler, value: f64::NEG_INFINITY, spot: None }
    }

    fn consider(&mut self, frame: usize, states: [f64; 2]) {
        let (value, phase) = if self.field.complete[frame] {
            if self.ruler.bound(states) <= self.value {
                return;
            }
            self.ruler.best(states)
        } else {
            match self.field.best_of(self.ruler, frame, states) {
                Some(found) => (found.value, found.spot.phase),
                None => return,
            }
        };
        if value > self.value {
            (self.value, self.spot) = (value, Some((Spot { frame, phase }, states)));
        }
    }

    /// The best bin; `own` if it is that one, in the same states.
    fn found(&self, own: Candidate) -> Option<Candidate> {
        let found = |(spot, states)| {
            if spot == own.spot { own } else { self.field.at(self.ruler, spot, states) }
        };
        self.spot.map(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::{COMPLETE, FieldOptions};
    use super::super::shape::Shape;
    use super::*;

    #[test]
    fn no_phase_lies_above_the_bound_of_its_frame() {
        for (rise, decay, upsample) in [(0.1, 0.6, 10), (0.01, 0.2, 30), (0.001, 3.0, 7)] {
            let shape = Shape::new(rise, decay, 10.0, upsample).unwrap();
            let height = |i: i32| if (400..420).contains(&i) { 1.0 } else { 0.01 };
            let value = |i: i32| height(i) * (f64::from(i * 7919 % 101) - 50.0);
            let trace: Vec<f64> = (0..900).map(value).collect();
            let field = Field::new(&shape, &trace, 1.0, &[], &FieldOptions::default()).unwrap();
            for measure in [Measure::Free, Measure::Above(0.7)] {
                let ruler = field.ruler(measure);
                let mut all = vec![0.0; 900];
                field.survey(&ruler, f64::NEG_INFINITY, 0..900, &mut all);
                let least = 0.5 * all.iter().copied().fold(0.0, f64::max);
                let mut some = vec![0.0; 900];
                field.survey(&ruler, least, 0..900, &mut some);
                let mut passed_over = 0;
                for (frame, (all, some)) in all.iter().zip(&some).enumerate() {
                    assert!(*all <= ruler.bound(field.states.at(frame)) || !field.complete[frame]);
                    passed_over += usize::from(some < all);
                    assert!(some.to_bits() == all.to_bits() || *all < least);
                }
                assert!(passed_over > 0 || upsample <= FEW);
            }
        }
    }

    #[test]
    fn sides_of_frames_are_what_each_frame_alone_is() {
        for (rise, decay, upsample) in [(0.1, 0.6, 10), (0.001, 1.0, 2)] {
            let shape = Shape::new(rise, decay, 10.0, upsample).unwrap();
            let gaps = |i: i32| (290..330).contains(&i) || (700..703).contains(&i);
            let value = |i: i32| f64::from(i * 7919 % 101) - 50.0;
            let value = |i| if gaps(i) { f64::NAN } else { value(i) };
            let trace: Vec<f64> = (0..1001).map(value).collect();
            let field = Field::new(&shape, &trace, 1.0, &[401], &FieldOptions::default()).unwrap();
            assert!(field.complete.contains(&true) && field.complete.contains(&false));
            for measure in [Measure::Free, Measure::Above(0.7)] {
                let ruler = field.ruler(measure);
                let mut all = vec![0.0; 1001];
                field.survey(&ruler, f64::NEG_INFINITY, 0..1001, &mut all);
                let least = 0.7 * all.iter().copied().fold(0.0, f64::max);
                let mut some = vec![0.0; 1001];
                field.survey(&ruler, least, 0..1001, &mut some);
                let kept =
                    |(all, some): (&f64, &f64)| some.to_bits() == all.to_bits() || *all < least;
                assert!(all.iter().zip(&some).all(kept));
                let cut = |frame: &usize| !field.complete[*frame] && some[*frame] < all[*frame];
                assert_eq!((0..1001).any(|frame| cut(&frame)), measure == Measure::Free);
                for (frame, found) in all.into_iter().enumerate() {
                    let best = field.best(&ruler, frame);
                    let expected = best.map_or(f64::NEG_INFINITY, |best| best.value);
                    // Complete frames have one energy each, which may be that much off.
                    let least = best.map_or(0.0, |best| COMPLETE * (expected.abs() + best.energy));
                    let close = (found - expected).abs() <= least;
                    assert!(close || found.to_bits() == expected.to_bits(), "{frame}");
                }
            }
        }
    }
}
