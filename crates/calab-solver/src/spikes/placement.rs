//! Whole spikes of one amplitude: a local search over moving, removing and adding.

use std::ops::Range;

use libm::{ceil, rint, sqrt};
use ndarray::ArrayViewMut1;

use super::bins::{Around, Candidate, Measure, Ruler};
use super::field::{Event, Field, FieldOptions};
use super::shape::{Shape, Spot};
use crate::error::{SolverError, check_length, check_positive};

/// A spike moves only for a decrease above this share of what it explains alone.
const LEAST_DECREASE: f64 = 1e-9;

/// Sweeps after which states are computed anew, and spikes sorted. A sweep without a change is repeated
/// in fresh states, with a look at everything, before the search counts as over.
const FRESH_SWEEPS: usize = 8;

/// Where transients are cut off, as a share of `theta`: coarser, and spikes go in circles by a bin.
const TAIL: f64 = 1e-5;

/// Frames that are searched at a time for one that asks for a spike.
const LOOK_AHEAD: usize = 64;

/// How spikes are placed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacementOptions {
    /// Seconds by which a sweep may move a spike.
    pub window: f64,
    /// Seconds within which only the best place takes an additional spike.
    pub spread: f64,
    /// Most sweeps.
    pub sweeps: usize,
    /// Most spikes per recorded frame.
    pub density: usize,
    /// How exactly the residual is kept.
    pub field: FieldOptions,
}

impl Default for PlacementOptions {
    fn default() -> Self {
        let field = FieldOptions { tail: TAIL, ..FieldOptions::default() };
        Self { window: 0.2, spread: 0.1, sweeps: 50, density: 50, field }
    }
}

/// Spikes of one amplitude.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// Bins of the fine grid, ascending, as often as there are spikes.
    pub bins: Vec<usize>,
    /// Share of the variance over recorded frames that the spikes explain.
    pub pve: f64,
    /// Sweeps until nothing changed, or all that were allowed.
    pub sweeps: usize,
    /// Whether the last sweep, which looked at everything once more, changed nothing.
    pub converged: bool,
}

/// Events, as bins and amplitudes, and how they become spikes.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Bins of the fine grid.
    pub bins: &'a [usize],
    /// Amplitudes in the unit of the trace.
    pub amplitudes: &'a [f64],
    /// Amplitude of one spike.
    pub alpha: f64,
    /// Least amplitude of what counts as a spike.
    pub theta: f64,
}

/// Explains a trace by whole spikes and writes what they make into `fit`.
///
/// The search starts from the events' amplitudes in whole numbers. In a sweep each spike moves to
/// where it lowers the squared error most, nearby; from the second sweep on it is removed where the
/// amplitude that fits best is below `theta`; and spikes are added where that of the residual is
/// above `theta` and a spike lowers the squared error.
///
/// # Errors
///
/// [`SolverError`] for options, start frames, samples, bins or amplitudes out of range, arrays that
/// differ in length, and an interruption.
pub fn place_spikes(
    trace: &[f64],
    shape: &Shape,
    segments: &[usize],
    start: &Start<'_>,
    options: &PlacementOptions,
    mut fit: ArrayViewMut1<'_, f32>,
    interrupted: &dyn Fn() -> bool,
) -> Result<Placement, SolverError> {
    check_length("fit", trace.len(), fit.len())?;
    let mut search = Search::new(trace, shape, segments, start, options)?;
    let placement = search.run(interrupted)?;
    let unit = search.field.unit;
    for (out, c) in fit.iter_mut().zip(search.field.calcium()) {
        *out = (c * unit) as f32;
    }
    Ok(placement)
}

/// A spike, and how many changes had been made when it was last looked at.
#[derive(Clone, Copy)]
struct Spike {
    spot: Spot,
    judged: usize,
}

struct Search<'a> {
    field: Field<'a>,
    /// Ranks places of one spike, and tells where the residual's amplitude is above `theta`.
    places: Ruler,
    asking: Ruler,
    around: Around,
    spikes: Vec<Spike>,
    /// Number of changes so far, and which of them was the last to touch each frame.
    changes: usize,
    touched: Vec<usize>,
    /// Changes from this one on came after the frames were last asked for spikes.
    scanned: usize,
    alpha: f64,
    theta: f64,
    window: usize,
    spread: usize,
    sweeps: usize,
    most: usize,
}

impl<'a> Search<'a> {
    fn new(
        trace: &[f64],
        shape: &'a Shape,
        segments: &[usize],
        start: &Start<'_>,
        options: &PlacementOptions,
    ) -> Result<Self, SolverError> {
        check_positive("window", options.window)?;
        check_positive("spread", options.spread)?;
        check_length("amplitudes", start.bins.len(), start.amplitudes.len())?;
        if trace.iter().any(|y| !y.is_nan()) {
            check_positive("alphas", start.alpha)?;
            check_positive("thetas", start.theta)?;
        }
        // What is cut off a transient is to be small beside what counts as a spike.
        let field = Field::new(shape, trace, start.theta, segments, &options.field)?;
        let frames = |seconds: f64| ceil(seconds * shape.fs()).min(1e9) as usize;
        let (alpha, theta) = (start.alpha / field.unit, start.theta / field.unit);
        let most = field.recorded.saturating_mul(options.density);
        let (window, spread) = (frames(options.window), frames(options.spread));
        let sweeps = options.sweeps;
        let mut search = Self {
            places: field.ruler(Measure::Above(0.5 * alpha)),
            asking: field.ruler(Measure::Above(theta)),
            around: Around::default(),
            field,
            spikes: Vec::new(),
            changes: 0,
            touched: vec![0; trace.len()],
            scanned: 0,
            alpha,
            theta,
            window,
            spread,
            sweeps,
            most,
        };
        search.count(start, trace.len() * shape.upsample())?;
        Ok(search)
    }

    /// Rounds events to whole numbers of spikes, at least one where an event counts.
    fn count(&mut self, start: &Start<'_>, n_bins: usize) -> Result<(), SolverError> {
        let mut counts = Vec::with_capacity(start.bins.len());
        for (&bin, &amplitude) in start.bins.iter().zip(start.amplitudes) {
            if bin >= n_bins {
                let got = format!("{bin} for {n_bins} bins");
                return Err(SolverError::parameter("events", "bins inside the trace", &got));
            }
            let spot = self.field.shape.spot(bin);
            if amplitude >= start.theta && self.field.is_observable(spot) {
                counts.push((bin, rint(amplitude / start.alpha).max(1.0)));
            }
        }
        counts.sort_by_key(|&(bin, _)| bin);
        for (bin, count) in counts {
            let room = self.most - self.spikes.len();
            let spike = Spike { spot: self.field.shape.spot(bin), judged: 0 };
            self.spikes.extend(std::iter::repeat_n(spike, (count as usize).min(room)));
        }
        Ok(())
    }

    fn run(&mut self, interrupted: &dyn Fn() -> bool) -> Result<Placement, SolverError> {
        let (mut done, mut converged) = (0, self.field.is_silent());
        // Sweeps since states were fresh, and whether the next one looks at everything once more.
        let (mut stale, mut checking) = (FRESH_SWEEPS, false);
        while done < self.sweeps && !converged {
            if checking || stale == FRESH_SWEEPS {
                self.refresh();
                stale = 0;
            }
            if checking {
                self.unsettle();
            }
            let before = self.changes;
            self.move_all(done > 0, interrupted)?;
            self.add_all(interrupted)?;
            (done, stale) = (done + 1, stale + 1);
            // Before the second sweep nothing was asked to leave.
            let rests = self.changes == before && (done > 1 || self.spikes.is_empty());
            converged = rests && (checking || self.changes == 0);
            checking = rests;
        }
        self.refresh();
        let bins = self.spikes.iter().map(|spike| self.field.shape.bin(spike.spot)).collect();
        Ok(Placement { bins, pve: self.pve(), sweeps: done, converged })
    }

    /// Forgets which spikes and frames need no further look.
    fn unsettle(&mut self) {
        self.spikes.iter_mut().for_each(|spike| spike.judged = 0);
        self.scanned = 0;
    }

    fn event(&self, spot: Spot) -> Event {
        Event { spot, amplitude: self.alpha }
    }

    fn refresh(&mut self) {
        let shape = self.field.shape;
        self.spikes.sort_by_key(|spike| shape.bin(spike.spot));
        let events: Vec<Event> = self.spikes.iter().map(|spike| self.event(spike.spot)).collect();
        self.field.refresh(&events);
    }

    /// Moves every spike, or lets it go, where anything changed since it was last looked at.
    fn move_all(
        &mut self,
        removing: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(), SolverError> {
        for mut spike in std::mem::take(&mut self.spikes) {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            if self.is_settled(spike) {
                self.spikes.push(spike);
                continue;
            }
            let (old, chosen) = (self.event(spike.spot), self.choose(spike.spot));
            if removing && chosen.amplitude() < self.theta {
                let changed = self.field.add(Event { amplitude: -self.alpha, ..old });
                self.touch(changed);
                continue;
            }
            if chosen.spot != spike.spot {
                let changed = self.field.exchange(old, self.event(chosen.spot));
                self.touch(changed);
            }
            // A first sweep that removes nothing settles nothing.
            let judged = if removing { self.changes } else { 0 };
            spike = Spike { spot: chosen.spot, judged };
            self.spikes.push(spike);
        }
        Ok(())
    }

    fn touch(&mut self, frames: Range<usize>) {
        self.changes += 1;
        self.touched[frames].fill(self.changes);
    }

    /// Whether no change since the last look reached the bins that a spike may move to.
    fn is_settled(&self, spike: Spike) -> bool {
        let frame = spike.spot.frame;
        let end = (frame + self.window + 1).min(self.touched.len());
        let near = &self.touched[frame.saturating_sub(self.window)..end];
        spike.judged > 0 && near.iter().all(|&change| change <= spike.judged)
    }

    /// The best place of a spike nearby: its own, unless another one lowers the squared error.
    ///
    /// Nor may a move take a spike nearer to being removed. Then moving, removing and adding all
    /// lower one sum, the squared error plus `α E (2 θ - α)` per spike of energy `E`, and the search
    /// cannot go in circles by more than what is cut off of transients.
    fn choose(&mut self, spot: Spot) -> Candidate {
        let (best, own) =
            self.field.best_without(&self.places, self.event(spot), self.window, &mut self.around);
        let least = own.value + 0.5 * LEAST_DECREASE * self.alpha * own.energy;
        let worth = |place: &Candidate| place.correlation - self.theta * place.energy;
        best.filter(|best| best.value > least && worth(best) >= worth(&own)).unwrap_or(own)
    }

    /// Adds spikes where the residual asks for them.
    fn add_all(&mut self, interrupted: &dyn Fn() -> bool) -> Result<(), SolverError> {
        let (mut frame, changes) = (0, self.changes);
        while self.spikes.len() < self.most {
            let Some(first) = self.next_wanted(frame) else {
                self.scanned = changes + 1;
                break;
            };
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            let end = (first + 1 + self.spread).min(self.field.segment(first).end);
            let wanted = (first..end).filter_map(|frame| self.wanted(frame));
            let best = wanted.reduce(|a, b| if b.value > a.value { b } else { a });
            let Some(best) = best else { break };
            let changed = self.field.add(self.event(best.spot));
            self.touch(changed);
            self.spikes.push(Spike { spot: best.spot, judged: 0 });
            frame = first;
        }
        Ok(())
    }

    /// The first frame from this one on that asks for a spike.
    fn next_wanted(&self, frame: usize) -> Option<usize> {
        let (mut values, n_frames) = ([0.0; LOOK_AHEAD], self.field.n_frames());
        for first in (frame..n_frames).step_by(LOOK_AHEAD) {
            let frames = first..n_frames.min(first + LOOK_AHEAD);
            // Where nothing changed since it was asked last, the answer is no again.
            if self.touched[frames.clone()].iter().all(|&change| change < self.scanned) {
                continue;
            }
            let values = &mut values[..frames.len()];
            self.field.survey(&self.asking, 0.0, frames.clone(), values);
            let asking = frames.zip(&*values).filter(|(_, value)| **value > 0.0);
            if let Some((found, _)) = { asking }.find(|(frame, _)| self.wanted(*frame).is_some()) {
                return Some(found);
            }
        }
        None
    }

    /// The best additional spike of a frame, if it is large enough and lowers the squared error.
    fn wanted(&self, frame: usize) -> Option<Candidate> {
        let field = &self.field;
        let large = |found: &Candidate| found.correlation > self.theta * found.energy;
        let lowers =
            |found: &Candidate| found.value > 0.5 * LEAST_DECREASE * self.alpha * found.energy;
        field.best_where(&self.places, frame, large).filter(lowers)
    }

    fn pve(&self) -> f64 {
        let count = self.field.recorded as f64;
        let mean = self.field.samples().map(|(y, _)| y).sum::<f64>() / count;
        let total: f64 = self.field.samples().map(|(y, _)| (y - mean) * (y - mean)).sum();
        if sqrt(total / count) > 0.0 { 1.0 - self.field.squared_error() / total } else { 0.0 }
    }
}
