//! The band in which calcium and its noise floor lie, cut out in the frequency domain.
//!
//! ```text
//! f_hp = 1 / (2π 16 τ_decay),    f_lp = 4 / (2π τ_rise)
//! high-pass gain: 0 below f_hp/2,  ½ (1 - cos π (f - f_hp/2) / f_hp),  1 above 3 f_hp/2
//! low-pass gain:  1 below f_lp/2,  ½ (1 + cos π (f - f_lp/2) / f_lp),  0 above 3 f_lp/2
//! ```
//!
//! The gain is real, so nothing is delayed. Each segment is continued by its mirror image, so
//! that its end does not leak into its beginning. A low-pass edge beyond half the sampling rate
//! keeps its place: what lies below passes as the formula says.

use std::f64::consts::{PI, TAU};
use std::sync::Arc;

use libm::{ceil, cos};
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::error::{SolverError, check_length};
use crate::kernel::check_kernel;
use crate::segments::{check_segments, segment_ranges};

/// Segments with fewer frames are left as they are.
const MIN_FRAMES: usize = 8;

/// Periods of the high-pass edge after which its impulse response has faded.
const FADED_PERIODS: f64 = 2.0;

/// Which frequencies pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bandpass {
    fs: f64,
    high_pass: Option<f64>,
    low_pass: Option<f64>,
}

impl Bandpass {
    /// The band of a kernel, with each edge on or off.
    ///
    /// Both are left out where the high-pass edge is not below the low-pass edge or half the
    /// sampling rate.
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] unless `0 < tau_rise < tau_decay` and `fs > 0`, all finite.
    pub fn new(
        tau_rise: f64,
        tau_decay: f64,
        fs: f64,
        high_pass: bool,
        low_pass: bool,
    ) -> Result<Self, SolverError> {
        check_kernel(tau_rise, tau_decay, fs)?;
        let (high, low) = (1.0 / (TAU * 16.0 * tau_decay), 4.0 / (TAU * tau_rise));
        let empty = high_pass && low_pass && high >= low.min(fs / 2.0);
        Ok(Self {
            fs,
            high_pass: (high_pass && !empty).then_some(high),
            low_pass: (low_pass && !empty).then_some(low),
        })
    }

    /// Whether the filter changes nothing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.high_pass.is_none() && self.low_pass.is_none()
    }

    /// Whether slow components, the mean among them, are taken out.
    #[must_use]
    pub fn removes_baseline(&self) -> bool {
        self.high_pass.is_some()
    }

    /// The factor by which a component of `frequency` (hertz) is multiplied.
    #[must_use]
    pub fn gain(&self, frequency: f64) -> f64 {
        let taper = |edge: f64| PI * ((frequency - 0.5 * edge) / edge).clamp(0.0, 1.0);
        let high = self.high_pass.map_or(1.0, |edge| 0.5 * (1.0 - cos(taper(edge))));
        let low = self.low_pass.map_or(1.0, |edge| 0.5 * (1.0 + cos(taper(edge))));
        high * low
    }

    /// Frames over which a mirrored end is felt.
    fn reach(&self) -> f64 {
        let edge = self.high_pass.or(self.low_pass).unwrap_or(self.fs);
        ceil(FADED_PERIODS * self.fs / edge)
    }

    /// Writes the filtered `trace` into `out`.
    ///
    /// Gaps (NaN) are bridged by straight lines for the filter and put back. Segments of fewer
    /// than 8 frames and those without any sample are copied.
    ///
    /// # Errors
    ///
    /// [`SolverError`] for an `out` of another length, start frames that [`check_segments`]
    /// refuses, and values whose sum overflows.
    pub fn apply(
        &self,
        trace: &[f64],
        segments: &[usize],
        out: &mut [f64],
        workspace: &mut FilterWorkspace,
    ) -> Result<(), SolverError> {
        check_segments(segments, trace.len())?;
        check_length("out", trace.len(), out.len())?;
        out.copy_from_slice(trace);
        if self.is_identity() {
            return Ok(());
        }
        for frames in segment_ranges(segments, trace.len()) {
            let (trace, out) = (&trace[frames.clone()], &mut out[frames]);
            if trace.len() < MIN_FRAMES || trace.iter().all(|x| x.is_nan()) {
                continue;
            }
            bridge_gaps(out);
            let plan = workspace.plan(self, trace.len());
            plan.run(out)?;
            for (x, _) in out.iter_mut().zip(trace).filter(|(_, x)| x.is_nan()) {
                *x = f64::NAN;
            }
        }
        Ok(())
    }
}

/// Plans and memory that [`Bandpass::apply`] reuses from trace to trace.
#[derive(Default)]
pub struct FilterWorkspace {
    planner: RealFftPlanner<f64>,
    plan: Option<Plan>,
}

impl std::fmt::Debug for FilterWorkspace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FilterWorkspace").finish_non_exhaustive()
    }
}

impl FilterWorkspace {
    /// The plan for segments of `n_frames`, kept while the next one has the same length.
    fn plan(&mut self, band: &Bandpass, n_frames: usize) -> &mut Plan {
        let kept = self.plan.take().filter(|plan| plan.n_frames == n_frames && plan.band == *band);
        let plan = kept.unwrap_or_else(|| Plan::new(band, n_frames, &mut self.planner));
        self.plan.insert(plan)
    }
}

/// Transforms of one length with the gain at each of their frequencies.
struct Plan {
    band: Bandpass,
    n_frames: usize,
    before: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
    gains: Vec<f64>,
    time: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl Plan {
    fn new(band: &Bandpass, n_frames: usize, planner: &mut RealFftPlanner<f64>) -> Self {
        let (before, size) = mirrored_size(n_frames, band.reach());
        let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let frequency = |bin: usize| bin as f64 * band.fs / size as f64;
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            gains: (0..=size / 2).map(|bin| band.gain(frequency(bin)) / size as f64).collect(),
            time: vec![0.0; size],
            spectrum: forward.make_output_vec(),
            scratch: vec![Complex::default(); scratch],
            band: *band,
            n_frames,
            before,
            forward,
            inverse,
        }
    }

    fn run(&mut self, trace: &mut [f64]) -> Result<(), SolverError> {
        self.mirror(trace);
        let overflow = |_| {
            SolverError::parameter("trace", "values whose sum is finite", &"one that overflows")
        };
        let Self { time, spectrum, scratch, .. } = self;
        self.forward.process_with_scratch(time, spectrum, scratch).map_err(overflow)?;
        for (value, gain) in spectrum.iter_mut().zip(&self.gains) {
            *value *= gain;
        }
        self.inverse.process_with_scratch(spectrum, time, scratch).map_err(overflow)?;
        trace.copy_from_slice(&time[self.before..self.before + trace.len()]);
        Ok(())
    }

    /// Continues the trace by its mirror image, back and forth, without repeating the ends.
    fn mirror(&mut self, trace: &[f64]) {
        let (last, period) = (trace.len() - 1, 2 * (trace.len() - 1));
        let offset = period - self.before % period;
        for (i, value) in self.time.iter_mut().enumerate() {
            let phase = (i + offset) % period;
            *value = trace[last - phase.abs_diff(last)];
        }
    }
}

/// Frames before the trace, and in all.
///
/// Where the filter reaches over the whole trace, a full period of the mirrored trace has no
/// seam at all; otherwise a fast size is chosen that keeps the seam out of reach.
fn mirrored_size(n_frames: usize, reach: f64) -> (usize, usize) {
    if reach >= (n_frames - 1) as f64 {
        return (0, 2 * (n_frames - 1));
    }
    let before = reach as usize;
    (before, 2 * smooth_size((n_frames + 2 * before).div_ceil(2)))
}

/// The smallest number from `least` on without a prime factor above 5.
fn smooth_size(least: usize) -> usize {
    let rest = |n: usize, prime: usize| {
        std::iter::successors(Some(n), |n| (n % prime == 0).then_some(n / prime)).last()
    };
    let is_smooth = |&n: &usize| [2, 3, 5].into_iter().try_fold(n, rest) == Some(1);
    (least..=least.next_power_of_two()).find(is_smooth).unwrap_or(least)
}

/// Replaces gaps by straight lines, and those at the ends by the nearest sample.
fn bridge_gaps(trace: &mut [f64]) {
    let mut last: Option<usize> = None;
    for frame in 0..trace.len() {
        if trace[frame].is_nan() {
            continue;
        }
        let (start, end) = (last.map_or(0, |last| last + 1), frame);
        let right = trace[frame];
        let (left, width) = last.map_or((right, 1), |last| (trace[last], frame - last));
        for (step, value) in trace[start..end].iter_mut().enumerate() {
            *value = left + (right - left) * ((step + 1) as f64 / width as f64);
        }
        last = Some(frame);
    }
    if let Some(last) = last {
        let value = trace[last];
        trace[last + 1..].fill(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(band: &Bandpass, trace: &[f64], segments: &[usize]) -> Vec<f64> {
        let mut out = vec![0.0; trace.len()];
        band.apply(trace, segments, &mut out, &mut FilterWorkspace::default()).unwrap();
        out
    }

    fn band() -> Bandpass {
        Bandpass::new(0.1, 0.6, 30.0, true, true).unwrap()
    }

    #[test]
    fn gain_follows_the_tapers() {
        let (band, f_hp, f_lp) = (band(), 1.0 / (TAU * 9.6), 4.0 / (TAU * 0.1));
        assert!(band.gain(0.4 * f_hp).abs() < 1e-15);
        assert!((band.gain(f_hp) - 0.5).abs() < 1e-12);
        assert!((band.gain(1.0) - 1.0).abs() < 1e-15);
        assert!((band.gain(f_lp) - 0.5).abs() < 1e-12);
        assert!(band.gain(1.6 * f_lp).abs() < 1e-15);
    }

    #[test]
    fn low_pass_edge_beyond_nyquist_keeps_its_place() {
        let band = Bandpass::new(0.02, 0.4, 30.0, false, true).unwrap();
        let edge = 4.0 / (TAU * 0.02);
        let expected = 0.5 * (1.0 + cos(PI * (15.0 - 0.5 * edge).max(0.0) / edge));
        assert!((band.gain(15.0) - expected).abs() < 1e-15);
        assert!((band.gain(15.0) - 1.0).abs() < 1e-15, "half the edge lies at 15.9 Hz");
    }

    #[test]
    fn passes_the_band_without_delay_up_to_the_ends() {
        let tone: Vec<f64> = (0..3001).map(|t| cos(TAU * f64::from(t) * 0.5 / 30.0)).collect();
        for (x, y) in tone.iter().zip(filtered(&band(), &tone, &[])) {
            // The mirrored ends of a cosine continue it, but not to a whole number of periods.
            assert!((x - y).abs() < 2e-3, "{x} {y}");
        }
    }

    #[test]
    fn removes_constants_and_does_not_wrap_around() {
        assert!(filtered(&band(), &[7.0; 500], &[]).iter().all(|x| x.abs() < 1e-12));
        let mut trace = vec![0.0; 27_000];
        trace[26_990] = 1.0;
        assert!(filtered(&band(), &trace, &[])[..100].iter().all(|x| x.abs() < 1e-6));
    }

    #[test]
    fn segments_do_not_see_each_other() {
        let trace: Vec<f64> = (0..900).map(|t| cos(f64::from(t * t) * 0.3)).collect();
        let joined = filtered(&band(), &trace, &[400]);
        assert_eq!(joined[..400], filtered(&band(), &trace[..400], &[]));
        assert_eq!(joined[400..], filtered(&band(), &trace[400..], &[]));
    }

    #[test]
    fn gaps_come_back_and_are_bridged_by_lines() {
        let mut trace: Vec<f64> = (0..100).map(f64::from).collect();
        let whole = filtered(&band(), &trace, &[]);
        trace[40..45].fill(f64::NAN);
        for (frame, (x, y)) in filtered(&band(), &trace, &[]).iter().zip(whole).enumerate() {
            assert!(if (40..45).contains(&frame) { x.is_nan() } else { (x - y).abs() < 1e-9 });
        }
        assert!(filtered(&band(), &[f64::NAN; 20], &[]).iter().all(|x| x.is_nan()));
    }

    #[test]
    fn short_traces_and_empty_bands_are_copied() {
        assert_eq!(filtered(&band(), &[1.0, 2.0, 3.0], &[]), [1.0, 2.0, 3.0]);
        let empty = Bandpass::new(0.001, 0.01, 0.5, true, true).unwrap();
        assert!(empty.is_identity() && !empty.removes_baseline());
    }
}
