//! The standard deviation of the white noise in a trace.
//!
//! ```text
//! σ² = median over windows of P / (1 - v/9)³,    v = var(P) / mean(P)²  for white noise
//! ```
//!
//! `P` is the mean power between fs/4 and fs/2 of a Hann window without gaps, half of it shared
//! with the next. Calcium is slow and hardly reaches there; the median passes over the windows
//! that hold something else. A mean of squares is close to gamma-distributed with shape `1/v`,
//! whose median lies below its mean by the cube (Wilson & Hilferty 1931,
//! <https://doi.org/10.1073/pnas.17.12.684>).
//!
//! Welch (1967), <https://doi.org/10.1109/TAU.1967.1161901>.

use std::ops::Range;

use libm::{frexp, ldexp, log2, round, sqrt};

use crate::error::{SolverError, check_positive};
use crate::segments::{check_segments, segment_ranges};
use crate::spectrum::{LANES, UpperBand};

/// Aimed length of a window in seconds, and its limits in frames.
const WINDOW_SECONDS: f64 = 8.0;
const WINDOW_FRAMES: (usize, usize) = (64, 1024);

/// Shortest window that still has an upper half of its spectrum.
const MIN_WINDOW: usize = 8;

/// Memory and tables that [`noise_level`] reuses from trace to trace.
#[derive(Debug, Default)]
pub struct NoiseWorkspace {
    runs: Vec<Range<usize>>,
    starts: Vec<usize>,
    powers: Vec<f64>,
    bands: Vec<UpperBand>,
}

impl NoiseWorkspace {
    fn band(&mut self, length: usize) -> Option<&mut UpperBand> {
        if !self.bands.iter().any(|band| band.length() == length) {
            self.bands.push(UpperBand::new(length));
        }
        self.bands.iter_mut().find(|band| band.length() == length)
    }
}

/// The standard deviation of the white noise in `trace`; NaN samples count as gaps.
///
/// Windows are halved, down to 8 frames, until those without a gap hold half of the observed
/// samples. Where there is none at all, the differences of successive samples decide, and fewer
/// than two samples have no noise: 0.
///
/// # Errors
///
/// [`SolverError::Parameter`] for an `fs` that is not finite and above zero and for start frames
/// that [`check_segments`] refuses.
pub fn noise_level(
    trace: &[f64],
    fs: f64,
    segments: &[usize],
    workspace: &mut NoiseWorkspace,
) -> Result<f64, SolverError> {
    check_positive("fs", fs)?;
    check_segments(segments, trace.len())?;
    let largest = trace.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
    // A power of two changes no digit and keeps the squares in range.
    let exponent = frexp(largest).1.clamp(-1000, 1000);
    let scale = ldexp(1.0, -exponent);
    observed_runs(trace, segments, &mut workspace.runs);
    let variance = match fitting_window(&workspace.runs, fs) {
        Some(length) => spectral_variance(trace, length, scale, workspace),
        None => difference_variance(trace, segments, scale),
    };
    Ok(sqrt(variance) / scale)
}

/// The stretches without a gap.
fn observed_runs(trace: &[f64], segments: &[usize], runs: &mut Vec<Range<usize>>) {
    runs.clear();
    for segment in segment_ranges(segments, trace.len()) {
        let mut start = segment.start;
        for part in trace[segment].split_inclusive(|x| x.is_nan()) {
            let gap = usize::from(part.last().is_some_and(|x| x.is_nan()));
            runs.push(start..start + part.len() - gap);
            start += part.len();
        }
    }
}

/// The longest window, of those allowed at `fs`, whose copies hold half of the observed samples.
fn fitting_window(runs: &[Range<usize>], fs: f64) -> Option<usize> {
    let (shortest, longest) = WINDOW_FRAMES;
    let aimed = ldexp(1.0, round(log2(WINDOW_SECONDS * fs)).clamp(0.0, 20.0) as i32) as usize;
    let aimed = aimed.clamp(shortest, longest);
    let lengths =
        || std::iter::successors(Some(aimed), |n| Some(n / 2)).take_while(|&n| n >= MIN_WINDOW);
    let observed: usize = runs.iter().map(ExactSizeIterator::len).sum();
    let held = |window: usize| runs.iter().map(|run| covered(run.len(), window)).sum::<usize>();
    lengths()
        .find(|&window| held(window) > 0 && 2 * held(window) >= observed)
        .or_else(|| lengths().filter(|&window| held(window) > 0).last())
}

/// How many samples of a run lie in some window.
fn covered(run: usize, window: usize) -> usize {
    let hop = window / 2;
    if run < window { 0 } else { window + (run - window) / hop * hop }
}

fn spectral_variance(
    trace: &[f64],
    length: usize,
    scale: f64,
    workspace: &mut NoiseWorkspace,
) -> f64 {
    let mut starts = std::mem::take(&mut workspace.starts);
    let mut powers = std::mem::take(&mut workspace.powers);
    starts.clear();
    powers.clear();
    for run in &workspace.runs {
        let last = (run.end + 1).saturating_sub(length);
        starts.extend((run.start..last.max(run.start)).step_by(length / 2));
    }
    let mut correction = 1.0;
    if let Some(band) = workspace.band(length) {
        for group in starts.chunks(LANES) {
            powers.extend_from_slice(&band.power(trace, group, scale)[..group.len()]);
        }
        let root = 1.0 - band.variation() / 9.0;
        correction = root * root * root;
    }
    let median = median(&mut powers);
    (workspace.starts, workspace.powers) = (starts, powers);
    median / correction
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().fold(0.0, f64::max);
    if even { f64::midpoint(lower, upper) } else { upper }
}

/// Half of the mean squared difference between successive observed samples of a segment.
fn difference_variance(trace: &[f64], segments: &[usize], scale: f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0_usize);
    for segment in segment_ranges(segments, trace.len()) {
        let observed = || trace[segment.clone()].iter().filter(|x| !x.is_nan());
        for (x, y) in observed().zip(observed().skip(1)) {
            let difference = (y - x) * scale;
            sum += difference * difference;
            count += 1;
        }
    }
    if count == 0 { 0.0 } else { sum / (2 * count) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reproducible, close to Gaussian (12 uniforms), unit variance.
    fn white(n_frames: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        (0..n_frames).map(|_| (0..12).map(|_| uniform() - 0.5).sum()).collect()
    }

    fn level(trace: &[f64], segments: &[usize]) -> f64 {
        noise_level(trace, 30.0, segments, &mut NoiseWorkspace::default()).unwrap()
    }

    #[test]
    fn white_noise_has_its_own_level() {
        // 27,000 frames: 210 windows of about 66 effective squares, so 1 % of scatter in sigma.
        assert!((level(&white(27_000, 1), &[]) - 1.0).abs() < 0.02);
    }

    #[test]
    fn median_is_unbiased_for_every_window_length() {
        for gap in [300, 130, 70, 40, 20, 10] {
            let mut trace = white(100_000, 2);
            trace.iter_mut().step_by(gap).for_each(|x| *x = f64::NAN);
            let found = level(&trace, &[]);
            // Up to 11,000 windows of a few squares each: 1 %; the gamma shape is an approximation.
            assert!((found - 1.0).abs() < 0.02, "{gap}: {found}");
        }
    }

    #[test]
    fn slow_calcium_and_offsets_do_not_count() {
        let mut trace = white(27_000, 3);
        for (t, x) in trace.iter_mut().enumerate() {
            *x = 1e3 + *x + 20.0 * libm::exp(-((t % 500) as f64) / 18.0);
        }
        assert!((level(&trace, &[]) - 1.0).abs() < 0.1);
    }

    #[test]
    fn scaling_by_powers_of_two_scales_every_bit() {
        let trace = white(500, 4);
        for exponent in [-900, -3, 40, 900] {
            let scale = ldexp(1.0, exponent);
            let scaled: Vec<f64> = trace.iter().map(|x| x * scale).collect();
            assert_eq!(level(&scaled, &[]).to_bits(), (level(&trace, &[]) * scale).to_bits());
        }
    }

    #[test]
    fn joined_copies_have_the_level_of_one() {
        let trace = white(1800, 5);
        let starts: Vec<usize> = (0..5).map(|copy| copy * trace.len()).collect();
        assert_eq!(level(&trace.repeat(5), &starts).to_bits(), level(&trace, &[]).to_bits());
    }

    #[test]
    fn little_data_falls_back_to_differences() {
        let nan = f64::NAN;
        for silent in [&[][..], &[5.0], &[nan; 20], &[7.0; 100]] {
            assert_eq!(level(silent, &[]).to_bits(), 0.0_f64.to_bits());
        }
        assert!((level(&[1.0, 3.0, 1.0], &[]) - 2.0_f64.sqrt()).abs() < 1e-15);
        assert!((level(&[1.0, nan, 3.0], &[]) - 2.0_f64.sqrt()).abs() < 1e-15);
    }
}
