//! The transient of one event on the frames, by phase, and how it changes with what is unknown.

use fearless_simd::Level;
use libm::{ceil, exp, log};

use super::frames::dot;
use crate::error::SolverError;
use crate::spikes::{Shape, Spot};

/// Decays and rises after which a transient counts as over: less than 0.5 % of its peak is left.
const REACH: f64 = 6.0;
/// Least frames of the tables: events as far from each other are looked at together.
const LEAST_LENGTH: usize = 41;
/// Rises after which a sum discounted by the rise counts as complete, to twelve digits.
const RISE_REACH: f64 = 28.0;

/// Tables of `h(t) = (exp(-t/τ_decay) - exp(-t/τ_rise)) / p`, phases one after the other.
pub(super) struct Transient {
    pub(super) shape: Shape,
    pub(super) level: Level,
    /// Frames of a transient.
    length: usize,
    heights: Vec<f64>,
    /// By the logarithms of rise and decay, and by time.
    slopes: [Vec<f64>; 3],
    /// What is left of the two exponentials after each frame, the rise until it has come to nothing.
    decay_powers: Vec<f64>,
    rise_powers: Vec<f64>,
}

impl Transient {
    /// The transient with these time constants in frames.
    ///
    /// # Errors
    ///
    /// As [`Shape::new`].
    pub(super) fn new(
        [tau_rise, tau_decay]: [f64; 2],
        upsample: usize,
    ) -> Result<Self, SolverError> {
        let shape = Shape::new(tau_rise, tau_decay, 1.0, upsample)?;
        let length = (ceil(REACH * (tau_decay + tau_rise)) as usize + 1).max(LEAST_LENGTH);
        let summit = log(tau_decay / tau_rise) * tau_rise * tau_decay / (tau_decay - tau_rise);
        let (fall, climb) = (exp(-summit / tau_decay), exp(-summit / tau_rise));
        // How the peak grows with each time constant: its place does not matter at the summit.
        let growth = [-climb * summit / tau_rise, fall * summit / tau_decay]
            .map(|change| change / (fall - climb));
        let powers = |tau: f64, count: usize| -> Vec<f64> {
            (0..count).map(|k| exp(-(k as f64) / tau)).collect()
        };
        let (falls, climbs) = (powers(tau_decay, length), powers(tau_rise, length));
        let mut heights = Vec::with_capacity(upsample * length);
        let mut slopes = [const { Vec::new() }; 3];
        for phase in 0..upsample {
            for (frame, (fall, climb)) in falls.iter().zip(&climbs).enumerate() {
                let t = frame as f64 + phase as f64 / upsample as f64;
                let (d, r) = (shape.decay[phase] * fall, shape.rise[phase] * climb);
                let height = d - r;
                heights.push(height);
                slopes[0].push(-r * t / tau_rise - height * growth[0]);
                slopes[1].push(d * t / tau_decay - height * growth[1]);
                slopes[2].push(r / tau_rise - d / tau_decay);
            }
        }
        let mut rise_powers = climbs;
        rise_powers.truncate(ceil(RISE_REACH * tau_rise) as usize + 1);
        let level = Level::new();
        Ok(Self { shape, level, length, heights, slopes, decay_powers: falls, rise_powers })
    }

    /// Heights from the first frame on.
    pub(super) fn heights(&self, phase: usize) -> &[f64] {
        &self.heights[phase * self.length..][..self.length]
    }

    /// As [`Self::heights`], the slope by the log rise (0), log decay (1) or time (2).
    pub(super) fn slope(&self, by: usize, phase: usize) -> &[f64] {
        &self.slopes[by][phase * self.length..][..self.length]
    }

    /// Sums of what is left of a trace from a frame on, discounted by the two exponentials.
    pub(super) fn sums(&self, left: &[f64]) -> [f64; 2] {
        [&self.decay_powers, &self.rise_powers].map(|powers| dot(self.level, left, powers))
    }

    /// The same sums one frame earlier, where `left` is left of the trace.
    pub(super) fn earlier(&self, [decay, rise]: [f64; 2], left: f64) -> [f64; 2] {
        [left + self.shape.decay_root * decay, left + self.shape.rise_root * rise]
    }

    /// Correlation with the transient from the discounted sums that start at its first frame.
    pub(super) fn correlation(&self, [decay, rise]: [f64; 2], phase: usize) -> f64 {
        self.shape.decay[phase] * decay - self.shape.rise[phase] * rise
    }

    /// What the transient of an event of amplitude 1 in `spot` makes of the sums at a frame.
    ///
    /// `seen` is of the later of both frames: how many frames from there on were recorded, discounted
    /// by decay², decay times rise, and rise².
    pub(super) fn reaching(&self, spot: Spot, frame: usize, seen: &[f64; 3]) -> [f64; 2] {
        let gap = frame.abs_diff(spot.frame);
        let left = [&self.decay_powers, &self.rise_powers]
            .map(|powers| powers.get(gap).copied().unwrap_or(0.0));
        let own = [self.shape.decay[spot.phase], self.shape.rise[spot.phase]];
        let sums = |[d, r]: [f64; 2]| {
            let [dd, dr, rr] = *seen;
            [d * dd - r * dr, d * dr - r * rr]
        };
        let times = |a: [f64; 2], b: [f64; 2]| [a[0] * b[0], a[1] * b[1]];
        if frame > spot.frame { sums(times(left, own)) } else { times(left, sums(own)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_differences_of_heights() {
        let (rise, decay, step) = (1.5, 9.0, 1e-5);
        let made = |taus| Transient::new(taus, 3).unwrap();
        let shape = made([rise, decay]);
        let (up, down) = (exp(step), exp(-step));
        let moved = [
            [made([rise * up, decay]), made([rise * down, decay])],
            [made([rise, decay * up]), made([rise, decay * down])],
        ];
        for phase in 0..3 {
            for k in 0..40 {
                for (by, [more, less]) in moved.iter().enumerate() {
                    let slope = (more.heights(phase)[k] - less.heights(phase)[k]) / (2.0 * step);
                    // Central differences are right to the square of the step.
                    assert!((shape.slope(by, phase)[k] - slope).abs() < 1e-8, "{by} {phase} {k}");
                }
            }
        }
        let third = (shape.heights(2)[4] - shape.heights(1)[4]) * 3.0;
        let mean = 0.5 * (shape.slope(2, 1)[4] + shape.slope(2, 2)[4]);
        assert!((third - mean).abs() < 1e-3);
    }

    #[test]
    fn sums_follow_from_those_of_the_next_frame() {
        let shape = Transient::new([1.0, 8.0], 4).unwrap();
        let left: Vec<f64> = (0..60).map(|k| f64::from(k * 37 % 11) - 5.0).collect();
        let (now, next) = (shape.sums(&left), shape.earlier(shape.sums(&left[1..]), left[0]));
        // Sums stop where 0.25 % of the decay is left, of at most five.
        assert!((now[0] - next[0]).abs() < 0.0125 && (now[1] - next[1]).abs() < 1e-10);
        let direct: f64 = left.iter().zip(shape.heights(3)).map(|(a, b)| a * b).sum();
        assert!((shape.correlation(now, 3) - direct).abs() < 1e-10);
    }
}
