//! Recordings joined into one trace: where each begins.
//!
//! A list of start frames, ascending, cuts a trace into segments; frame 0 always starts one and
//! need not be listed.

use std::ops::Range;

use crate::error::SolverError;

/// Refuses start frames that do not ascend or lie outside the trace.
///
/// # Errors
///
/// [`SolverError::Parameter`] with the offending frame.
pub fn check_segments(starts: &[usize], n_frames: usize) -> Result<(), SolverError> {
    const NAME: &str = "segments";
    if let Some((before, start)) = starts.iter().zip(starts.iter().skip(1)).find(|(a, b)| a >= b) {
        let got = format!("{start} after {before}");
        return Err(SolverError::parameter(NAME, "ascending start frames", &got));
    }
    match starts.last() {
        Some(&last) if last >= n_frames.max(1) => {
            let got = format!("{last} for {n_frames} frames");
            Err(SolverError::parameter(NAME, "start frames inside the trace", &got))
        }
        _ => Ok(()),
    }
}

/// The frames of each segment, in order; none for an empty trace.
pub fn segment_ranges(starts: &[usize], n_frames: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = starts.iter().copied().filter(move |&start| 0 < start && start < n_frames);
    let ends = starts.clone().chain((n_frames > 0).then_some(n_frames));
    std::iter::once(0).chain(starts).zip(ends).map(|(start, end)| start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(starts: &[usize], n_frames: usize) -> Vec<Range<usize>> {
        segment_ranges(starts, n_frames).collect()
    }

    #[test]
    fn frame_zero_always_starts_a_segment() {
        assert_eq!(ranges(&[3, 5], 9), [0..3, 3..5, 5..9]);
        assert_eq!(ranges(&[0, 3, 5], 9), [0..3, 3..5, 5..9]);
        assert_eq!(ranges(&[], 4), vec![0..4]);
        assert!(ranges(&[0], 0).is_empty());
    }

    #[test]
    fn refuses_starts_out_of_order_or_range() {
        assert!(check_segments(&[0, 4, 8], 9).is_ok());
        assert!(check_segments(&[0], 0).is_ok());
        assert!(check_segments(&[4, 4], 9).is_err());
        assert!(check_segments(&[9], 9).is_err());
    }
}
