//! The fluorescence without activity: a quantile over a sliding window.
//!
//! ```text
//! w = 5 max(1, ceil(5 τ_decay fs)),    baseline[t] = x_(k) of the m observed samples in the window
//! k = round((m - 1) 0.2), counted from 0, halves away from zero
//! ```
//!
//! The causal window is `t-w+1 ..= t`, the centred one `t-w/2 .. t-w/2+w`; both are cut at the
//! ends of the segment. The windows slide over the ranks of the samples: a bit per rank says
//! whether its sample lies in the window, and a cursor follows the wanted one from set bit to
//! set bit.

use libm::{ceil, round};

use crate::error::{SolverError, check_length, check_positive};
use crate::ranks::{RankWindow, Ranks};
use crate::segments::{check_segments, segment_ranges};

/// The quantile that stands for the baseline.
pub const BASELINE_QUANTILE: f64 = 0.2;

/// How far the 20 % quantile of Gaussian noise lies below its mean, in standard deviations.
pub const QUANTILE_BIAS: f64 = 0.841_621_233_572_914_2;

/// Longest window in frames, so that ranks fit the tables.
const MAX_WIDTH: f64 = (1_u32 << 28) as f64;

/// Fewest samples ranked together: small enough for tables in the cache, and large enough for
/// the samples shared with the previous chunk to cost little.
const MIN_CHUNK: usize = 8192;

/// Where the window lies around its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The frame and those before it.
    Causal,
    /// As many frames before as after, which delays nothing.
    Centered,
}

impl Window {
    /// How many frames before and after its own a window of `width` frames reaches.
    fn reach(self, width: usize) -> (usize, usize) {
        match self {
            Self::Causal => (width - 1, 0),
            Self::Centered => (width / 2, width - 1 - width / 2),
        }
    }
}

/// The window of the baseline in frames, `5 max(1, ceil(5 tau_decay fs))`.
///
/// # Errors
///
/// [`SolverError::Parameter`] unless both are finite and above zero and the window has at most
/// 2^28 frames.
pub fn baseline_width(tau_decay: f64, fs: f64) -> Result<usize, SolverError> {
    check_positive("tau_decay", tau_decay)?;
    check_positive("fs", fs)?;
    let width = 5.0 * ceil(5.0 * tau_decay * fs).max(1.0);
    if width <= MAX_WIDTH {
        return Ok(width as usize);
    }
    let got = format!("{width} frames");
    Err(SolverError::parameter("tau_decay", "a baseline window of at most 2^28 frames", &got))
}

/// Memory that [`rolling_quantile`] reuses from trace to trace.
#[derive(Debug, Default)]
pub struct BaselineWorkspace {
    ranks: Ranks,
    present: Vec<u64>,
}

/// Writes the quantile of the window around every frame; NaN samples are in no window.
///
/// Windows do not reach over the start of a segment. A frame whose window holds no observed
/// sample takes the value before it in its segment, else the one after it; a segment without any
/// observed sample does the same among the segments; NaN is left only if nothing was observed.
///
/// # Errors
///
/// [`SolverError`] for a width of 0, a quantile outside `[0, 1]`, an `out` that differs from
/// `trace` in length, and start frames that [`check_segments`] refuses.
pub fn rolling_quantile(
    trace: &[f64],
    window: Window,
    width: usize,
    quantile: f64,
    segments: &[usize],
    out: &mut [f64],
    workspace: &mut BaselineWorkspace,
) -> Result<(), SolverError> {
    check_quantile(quantile)?;
    check_segments(segments, trace.len())?;
    check_length("out", trace.len(), out.len())?;
    if width == 0 {
        return Err(SolverError::parameter("width", "at least 1 frame", &width));
    }
    let reach = window.reach(width);
    for frames in segment_ranges(segments, trace.len()) {
        let (trace, out) = (&trace[frames.clone()], &mut out[frames]);
        slide(trace, reach, quantile, out, workspace);
        fill(out);
    }
    fill(out);
    Ok(())
}

/// Writes the baseline under `trace`: the 20 % quantile of the window, raised by what noise of
/// standard deviation `noise` lowers it where the window is centred.
///
/// The causal baseline is the documented one and carries no correction.
///
/// # Errors
///
/// Those of [`rolling_quantile`].
pub fn rolling_baseline(
    trace: &[f64],
    window: Window,
    width: usize,
    noise: f64,
    segments: &[usize],
    out: &mut [f64],
    workspace: &mut BaselineWorkspace,
) -> Result<(), SolverError> {
    rolling_quantile(trace, window, width, BASELINE_QUANTILE, segments, out, workspace)?;
    if window == Window::Centered {
        for level in out {
            *level += QUANTILE_BIAS * noise;
        }
    }
    Ok(())
}

/// The order statistic of rank `round((m - 1) quantile)` among the `m` values that are not NaN;
/// NaN if there is none. `scratch` is memory to reuse.
///
/// # Errors
///
/// [`SolverError::Parameter`] for a quantile outside `[0, 1]`.
pub fn quantile(values: &[f64], quantile: f64, scratch: &mut Vec<f64>) -> Result<f64, SolverError> {
    check_quantile(quantile)?;
    scratch.clear();
    scratch.extend(values.iter().filter(|value| !value.is_nan()));
    let rank = wanted_rank(scratch.len(), quantile);
    if scratch.is_empty() {
        return Ok(f64::NAN);
    }
    Ok(*scratch.select_nth_unstable_by(rank, f64::total_cmp).1)
}

fn check_quantile(quantile: f64) -> Result<(), SolverError> {
    if (0.0..=1.0).contains(&quantile) {
        return Ok(());
    }
    Err(SolverError::parameter("quantile", "a number from 0 to 1", &quantile))
}

fn wanted_rank(count: usize, quantile: f64) -> usize {
    round(count.saturating_sub(1) as f64 * quantile) as usize
}

/// One segment, chunk by chunk; frames with an empty window become NaN.
fn slide(
    trace: &[f64],
    (before, after): (usize, usize),
    quantile: f64,
    out: &mut [f64],
    workspace: &mut BaselineWorkspace,
) {
    let step = MIN_CHUNK.max(before.saturating_add(after).saturating_mul(3));
    for (chunk, out) in out.chunks_mut(step).enumerate() {
        let first = chunk * step;
        let table = first.saturating_sub(before);
        let end = (first + out.len()).saturating_add(after).min(trace.len());
        workspace.ranks.rank(&trace[table..end]);
        let ranks = &workspace.ranks;
        let mut window = RankWindow::new(&mut workspace.present, ranks.count());
        let (mut start, mut stop) = (0, 0);
        let mut wanted = (0, 0);
        for (frame, out) in (first..).zip(out) {
            let enters = frame.saturating_add(after + 1).min(end) - table;
            let leaves = frame.saturating_sub(before).max(table) - table;
            ranks.of()[stop..enters].iter().for_each(|&rank| window.insert(rank));
            ranks.of()[start..leaves].iter().for_each(|&rank| window.remove(rank));
            (start, stop) = (leaves, enters);
            if wanted.0 != window.count() {
                wanted = (window.count(), wanted_rank(window.count(), quantile));
            }
            let level = window.select(wanted.1).map(|rank| trace[table + ranks.index(rank)]);
            *out = level.unwrap_or(f64::NAN);
        }
    }
}

/// Gives undefined frames the value before them, and those at the beginning the first one.
fn fill(baseline: &mut [f64]) {
    let Some(first) = baseline.iter().position(|value| !value.is_nan()) else { return };
    let mut last = baseline[first];
    for value in baseline {
        if value.is_nan() {
            *value = last;
        }
        last = *value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rolling(trace: &[f64], window: Window, width: usize, segments: &[usize]) -> Vec<f64> {
        let mut out = vec![0.0; trace.len()];
        let mut workspace = BaselineWorkspace::default();
        let quantile = BASELINE_QUANTILE;
        rolling_quantile(trace, window, width, quantile, segments, &mut out, &mut workspace)
            .unwrap();
        out
    }

    #[test]
    fn width_is_five_times_the_whole_frames_of_five_decays() {
        assert_eq!(baseline_width(0.4, 30.0).unwrap(), 300);
        assert_eq!(baseline_width(0.01, 1.0).unwrap(), 5);
        assert!(baseline_width(1e9, 30.0).is_err());
    }

    #[test]
    fn causal_window_takes_the_rounded_rank_of_what_it_has_seen() {
        let trace = [5.0, 4.0, 3.0, 2.0, 1.0, 9.0, 9.0, 9.0, 9.0, 9.0];
        let expected = [5.0, 4.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 9.0, 9.0];
        assert_eq!(rolling(&trace, Window::Causal, 5, &[]), expected);
    }

    #[test]
    fn centered_window_is_symmetric_under_time_reversal() {
        let trace: Vec<f64> = (0..50_u32).map(|i| f64::from(i * 7 % 31)).collect();
        let reversed: Vec<f64> = trace.iter().rev().copied().collect();
        let mut back = rolling(&reversed, Window::Centered, 5, &[]);
        back.reverse();
        assert_eq!(rolling(&trace, Window::Centered, 5, &[]), back);
    }

    #[test]
    fn unobserved_frames_take_a_neighbouring_value_of_their_segment() {
        let nan = f64::NAN;
        let trace = [nan, nan, 7.0, nan, nan, nan, 3.0, nan];
        assert_eq!(
            rolling(&trace, Window::Causal, 1, &[]),
            [7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 3.0, 3.0]
        );
        assert_eq!(
            rolling(&trace, Window::Causal, 1, &[4]),
            [7.0, 7.0, 7.0, 7.0, 3.0, 3.0, 3.0, 3.0]
        );
        assert_eq!(
            rolling(&trace, Window::Causal, 1, &[2, 3, 4]),
            [7.0, 7.0, 7.0, 7.0, 3.0, 3.0, 3.0, 3.0]
        );
        assert!(rolling(&[nan; 4], Window::Centered, 3, &[]).iter().all(|value| value.is_nan()));
    }

    #[test]
    fn constant_quantile_skips_unobserved_samples() {
        let mut scratch = Vec::new();
        let values = [3.0, f64::NAN, 1.0, 2.0, 5.0, 4.0, 0.0];
        assert_eq!(quantile(&values, 0.2, &mut scratch), Ok(1.0));
        assert!(quantile(&[f64::NAN], 0.2, &mut scratch).unwrap().is_nan());
        assert!(quantile(&values, 1.5, &mut scratch).is_err());
    }
}
