//! Some stretches of a long trace, which stand for all of it where one number is asked for.

use libm::ceil;

use super::shape::Shape;

/// How many stretches, each of so many frames and decays at least: a frame near the foot says where it
/// is to about a noise deviation, so that some hundred are enough.
const STRETCHES: usize = 8;
const LEAST_STRETCH: usize = 512;
const STRETCH_DECAYS: f64 = 32.0;

/// Rises at the start of a stretch that are hidden, so that events there explain the calcium that
/// stands there already: transients that begin in sight would make the foot too high.
const HIDDEN_RISES: f64 = 5.0;

/// Stretches of a trace, evenly spaced, one after the other, and where all but the first one start;
/// none where the trace is not much longer or they are hardly recorded.
pub(super) fn stretches(trace: &[f64], shape: &Shape) -> Option<(Vec<f64>, Vec<usize>)> {
    let [rise, decay] = shape.frames();
    let length = (STRETCH_DECAYS * decay).max(LEAST_STRETCH as f64) as usize;
    let share = trace.len() / STRETCHES;
    if share / 2 < length {
        return None;
    }
    let hidden = ceil(HIDDEN_RISES * rise) as usize;
    let mut part = Vec::with_capacity(STRETCHES * length);
    for k in 0..STRETCHES {
        let first = k * share + (share - length) / 2;
        part.extend_from_slice(&trace[first..first + length]);
        part[k * length..][..hidden].fill(f64::NAN);
    }
    let recorded = part.iter().filter(|y| y.is_finite()).count();
    (2 * recorded >= part.len()).then(|| (part, (1..STRETCHES).map(|k| k * length).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_evenly_spaced_and_start_hidden() {
        let shape = Shape::new(0.05, 0.6, 30.0, 1).unwrap();
        let trace: Vec<f64> = (0..20_000).map(f64::from).collect();
        let (part, starts) = stretches(&trace, &shape).unwrap();
        let length = part.len() / STRETCHES;
        assert_eq!(starts, (1..STRETCHES).map(|k| k * length).collect::<Vec<_>>());
        for (k, stretch) in part.chunks(length).enumerate() {
            // Five rises are 7.5 frames.
            assert!(stretch[..8].iter().all(|y| y.is_nan()));
            let first = stretch[8] as usize - 8;
            assert_eq!(first, k * 2500 + (2500 - length) / 2);
            assert_eq!(stretch[8..], trace[first + 8..first + length]);
        }
    }

    #[test]
    fn what_is_not_much_longer_or_hardly_recorded_has_none() {
        let shape = Shape::new(0.05, 0.6, 30.0, 1).unwrap();
        let silent = |n: usize| vec![0.0; n];
        assert!(stretches(&silent(9_215), &shape).is_none());
        assert!(stretches(&silent(9_216), &shape).is_some());
        let mut trace = silent(20_000);
        trace[..12_000].fill(f64::NAN);
        assert!(stretches(&trace, &shape).is_none());
        // As long as any decay that a shape may have.
        let long = Shape::new(0.1, 1e18, 1.0, 1).unwrap();
        assert!(stretches(&silent(100_000), &long).is_none());
    }
}
