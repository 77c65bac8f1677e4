//! The kernel by averaging over all explanations of the traces, not by the best one.
//!
//! ```text
//! y[i] = b[i] + sum over events of a h(i/fs - t; τ) + noise,    t on a grid of u bins a frame
//! ```
//!
//! An event in a bin has prior odds (`rate`), its amplitude is normal and positive (`odds`), the
//! baseline `b` is a random walk (`walk`). The single best explanation puts one event where two
//! spikes lie near each other, under a transient that rises more slowly than the true one; the
//! average over explanations has no such bias. So explanations are drawn by a Markov chain (`moves`),
//! and after every sweep the kernel takes a step up the likelihood of the traces given them
//! (`tally`): stochastic approximation of expectation maximisation, Delyon et al. (1999),
//! doi:10.1214/aos/1018031103. The chain of events follows Pnevmatikakis et al. (2013),
//! doi:10.1109/ACSSC.2013.6810519.

mod climb;
mod frames;
mod moves;
mod odds;
mod outlooks;
mod rate;
mod survey;
mod tally;
mod transient;
mod walk;
mod window;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use libm::{exp, log, round};
use ndarray::{ArrayView1, ArrayView2};

use crate::batch;
use crate::error::{SolverError, check_finite, check_length, check_positive};
use crate::spikes::{EventOptions, Events, Shape, find_events};
use climb::Climb;
use tally::Tally;
use transient::Transient;
use window::{Event, Window};

/// Decays before a window, in which events may lie that reach into it.
const BEFORE: f64 = 4.0;
/// Reach of moves in rises, and its bounds in bins.
const REACH: f64 = 0.75;
const REACHES: (f64, f64) = (3.0, 20.0);
/// Splits or merges that are tried in a sweep, per event that was found at first.
const TRIES: usize = 4;
/// Mean amplitude where no event was found, in noises over the transient's norm.
const FALLBACK: f64 = 5.0;
/// Least noise in the largest sample.
const LEAST_NOISE: f64 = 1e-6;

/// How the kernel is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainOptions {
    /// Sweeps before the kernel moves.
    pub burn_in: usize,
    /// Sweeps after each of which the kernel moves, at most; their later half is averaged. The
    /// chain ends at once where the kernel is lost.
    pub sweeps: usize,
    /// Sweeps from which on it ends where the kernel rests.
    pub least: usize,
    /// Standard deviation of amplitudes in their mean.
    pub spread: f64,
    /// Names the random numbers.
    pub seed: u64,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { burn_in: 10, sweeps: 120, least: 30, spread: 0.4, seed: 0 }
    }
}

/// A kernel, and how well the model holds under it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampledKernel {
    /// Rise and decay in seconds.
    pub taus: [f64; 2],
    /// Rise and decay after every sweep that moved the kernel.
    pub history: Vec<[f64; 2]>,
    /// Whether the kernel came to rest before the sweeps ran out.
    pub rested: bool,
    /// Events of all windows after the last sweep.
    pub n_events: usize,
    /// Mean amplitude of an event per window after the last sweep, in units of the traces.
    pub amplitudes: Vec<f64>,
    /// Deviation of the residual in the tenth of the frames with most calcium over that in the
    /// half with least: 1 where the model holds.
    pub excess: f64,
    /// Correlation of residuals one frame apart: 0 where the model holds.
    pub autocorrelation: f64,
}

/// Stretches of traces, which nothing connects.
#[derive(Clone, Copy, Debug)]
pub struct Stretches<'a> {
    /// Stretches x frames; NaN marks frames that were not recorded.
    pub traces: ArrayView2<'a, f64>,
    /// What is thought to stand below them at first.
    pub baselines: ArrayView2<'a, f64>,
    /// Standard deviation of the white noise of each.
    pub noise: &'a [f64],
}

impl Stretches<'_> {
    /// The noise of each, at least a small share of its largest sample.
    fn levels(&self) -> Result<Vec<f64>, SolverError> {
        check_length("noise", self.traces.nrows(), self.noise.len())?;
        check_length("baselines", self.traces.len(), self.baselines.len())?;
        let level = |(row, &noise): (ArrayView1<'_, f64>, &f64)| {
            check_finite("noise", "a finite number", noise)?;
            let known = row.iter().filter(|y| y.is_finite());
            let noise = noise.max(LEAST_NOISE * known.fold(0.0, |most: f64, y| most.max(y.abs())));
            Ok(if noise > 0.0 { noise } else { 1.0 })
        };
        self.traces.rows().into_iter().zip(self.noise).map(level).collect()
    }
}

/// Samples the kernel that stretches share, from the time constants `taus` in seconds.
///
/// `monitor` gets the number of sweeps done.
///
/// # Errors
///
/// [`SolverError`] for values out of range, lists that do not match, and an interruption.
pub fn sample_kernel(
    stretches: Stretches<'_>,
    (fs, upsample): (f64, usize),
    taus: [f64; 2],
    options: &ChainOptions,
    n_threads: Option<usize>,
    monitor: &mut dyn FnMut(usize) -> bool,
) -> Result<SampledKernel, SolverError> {
    let start = Shape::new(taus[0], taus[1], fs, upsample)?;
    check_positive("spread", options.spread)?;
    let noise = stretches.levels()?;
    let threads = batch::threads(n_threads, noise.len());
    let mut chain = Chain::new(taus.map(|tau| log(tau * fs)), upsample, options)?;
    chain.prepare(Stretches { noise: &noise, ..stretches }, &start, threads, monitor)?;
    for sweep in 0..options.burn_in {
        chain.sweep(threads, &mut |_| monitor(sweep))?;
    }
    for sweep in 0..options.sweeps {
        let tally = chain.sweep(threads, &mut |_| monitor(options.burn_in + sweep))?;
        chain.advance(tally)?;
        let enough = sweep + 1 >= options.least;
        if chain.climb.is_lost() || enough && chain.climb.rests() {
            break;
        }
    }
    monitor(options.burn_in + options.sweeps);
    Ok(chain.answer(&noise, fs))
}

struct Chain<'a> {
    options: &'a ChainOptions,
    upsample: usize,
    climb: Climb,
    transient: Transient,
    windows: Vec<(Window, Tally)>,
    /// What each sweep that moved the kernel found.
    tallies: Vec<Tally>,
}

impl<'a> Chain<'a> {
    fn new(
        logs: [f64; 2],
        upsample: usize,
        options: &'a ChainOptions,
    ) -> Result<Self, SolverError> {
        let climb = Climb::new(logs);
        Ok(Self {
            options,
            upsample,
            transient: Transient::new(climb.taus(), upsample)?,
            climb,
            windows: Vec::new(),
            tallies: Vec::new(),
        })
    }

    /// Finds the events with which the chain of every window begins.
    fn prepare(
        &mut self,
        stretches: Stretches<'_>,
        start: &Shape,
        threads: usize,
        monitor: &mut dyn FnMut(usize) -> bool,
    ) -> Result<(), SolverError> {
        let mut made: Vec<Option<Window>> = stretches.noise.iter().map(|_| None).collect();
        let before = round(BEFORE * self.climb.taus()[1]).max(1.0) as usize;
        let work = |(): &mut (), (k, window): (usize, &mut Option<Window>), stop: &AtomicBool| {
            let scaled = |rows: ArrayView2<'_, f64>| -> Vec<f64> {
                rows.row(k).iter().map(|y| y / stretches.noise[k]).collect()
            };
            let (trace, below) = (scaled(stretches.traces), scaled(stretches.baselines));
            let known = recorded(&trace);
            let (trace, below) = (&trace[known.clone()], &below[known]);
            let stop = || stop.load(Ordering::Relaxed);
            *window = Some(self.first(k, trace, below, before, start, &stop)?);
            Ok(1)
        };
        batch::run(made.iter_mut().enumerate(), threads, || Ok(()), work, &mut |_| monitor(0))?;
        self.windows = made.into_iter().flatten().map(|own| (own, Tally::default())).collect();
        Ok(())
    }

    /// The `k`-th window, with `before` frames before it and the events that a search finds.
    fn first(
        &self,
        k: usize,
        trace: &[f64],
        below: &[f64],
        before: usize,
        start: &Shape,
        stop: &dyn Fn() -> bool,
    ) -> Result<Window, SolverError> {
        let above: Vec<f64> = trace.iter().zip(below).map(|(y, b)| y - b).collect();
        let rules = EventOptions { level: true, ..EventOptions::default() };
        let found = match above.as_slice() {
            [] => Events::default(),
            above => find_events(above, 1.0, start, &[], &rules, stop)?,
        };
        let count = found.amplitudes.len() as f64;
        let mean = found.amplitudes.iter().sum::<f64>() / count;
        let mean = if count > 0.0 { mean } else { FALLBACK / start.norm() };
        let mut padded = vec![f64::NAN; before];
        padded.extend_from_slice(trace);
        let prior = (mean, self.options.spread);
        let mut window = Window::new(&padded, self.upsample, prior, (self.options.seed, k));
        window.walk.values[before..].copy_from_slice(below);
        for (bin, amplitude) in found.bins.into_iter().zip(found.amplitudes) {
            window.enter(Event { bin: bin + before * self.upsample, amplitude });
        }
        window.rate.begin(window.events.len(), self.upsample);
        window.tries = TRIES * window.events.len().max(1);
        Ok(window)
    }

    /// One sweep of every window; what they say together of the kernel.
    fn sweep(
        &mut self,
        threads: usize,
        monitor: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Tally, SolverError> {
        let bins = REACH * self.climb.taus()[0] * self.upsample as f64;
        let reach = round(bins).clamp(REACHES.0, REACHES.1) as usize;
        let transient = &self.transient;
        let work = |(): &mut (), (window, tally): &mut (Window, Tally), _: &AtomicBool| {
            window.settle(transient);
            // Where nothing was recorded, nothing would hold the rate of events.
            if window.recorded.contains(&true) {
                moves::sweep(window, transient, reach);
            }
            *tally = Tally::of(window, transient);
            Ok(1)
        };
        batch::run(self.windows.iter_mut(), threads, || Ok(()), work, monitor)?;
        let mut sum = Tally::default();
        self.windows.iter().for_each(|(_, tally)| sum.add(tally));
        Ok(sum)
    }

    /// Moves the kernel by what a sweep found.
    fn advance(&mut self, tally: Tally) -> Result<(), SolverError> {
        self.climb.advance(tally.step().as_ref());
        self.transient = Transient::new(self.climb.taus(), self.upsample)?;
        self.tallies.push(tally);
        Ok(())
    }

    fn answer(&self, noise: &[f64], fs: f64) -> SampledKernel {
        let seconds = |logs: [f64; 2]| logs.map(|log| exp(log) / fs);
        let mut sum = Tally::default();
        for tally in &self.tallies[self.tallies.len() / 2..] {
            sum.add(tally);
        }
        SampledKernel {
            taus: seconds(self.climb.mean()),
            history: self.climb.path.iter().copied().map(seconds).collect(),
            rested: self.climb.rests(),
            n_events: self.windows.iter().map(|(window, _)| window.events.len()).sum(),
            amplitudes: self
                .windows
                .iter()
                .zip(noise)
                .map(|((w, _), s)| w.prior.mean * s)
                .collect(),
            excess: sum.excess(),
            autocorrelation: sum.autocorrelation(),
        }
    }
}

/// Frames of a trace without what was not recorded at its ends.
fn recorded(trace: &[f64]) -> Range<usize> {
    let known = |y: &f64| y.is_finite();
    let first = trace.iter().position(known).unwrap_or(trace.len());
    let end = trace.iter().rposition(known).map_or(first, |last| last + 1);
    first..end
}
