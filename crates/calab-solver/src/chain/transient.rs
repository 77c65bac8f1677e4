//! The transient of one event on the frames, by phase, and how it changes with what is unknown.

use libm::{ceil, exp, log};

/// Decays after which a transient counts as over: what is left is 0.25 % of its peak.
const REACH: f64 = 6.0;
/// Rises after which a sum discounted by the rise counts as complete, to twelve digits.
const RISE_REACH: f64 = 28.0;

/// A bin of the fine grid: the first frame that it acts on, and by how many bins it precedes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) frame: usize,
    pub(super) phase: usize,
}

/// Tables of `h(t) = (exp(-t/τ_decay) - exp(-t/τ_rise)) / p`, phases one after the other.
pub(super) struct Transient {
    pub(super) upsample: usize,
    /// Frames of a transient.
    pub(super) length: usize,
    heights: Vec<f64>,
    /// By the logarithms of rise and decay, and by time.
    slopes: [Vec<f64>; 3],
    /// What is left of the two exponentials after each frame.
    pub(super) decay_powers: Vec<f64>,
    pub(super) rise_powers: Vec<f64>,
    /// Frames after which the rise has come to nothing.
    pub(super) rise_length: usize,
    /// The two exponentials at the first frame, by phase, over the peak.
    pub(super) decay: Vec<f64>,
    pub(super) rise: Vec<f64>,
}

impl Transient {
    /// The transient with these time constants in frames, the rise the shorter one.
    pub(super) fn new([tau_rise, tau_decay]: [f64; 2], upsample: usize) -> Self {
        let length = ceil(REACH * tau_decay) as usize + 1;
        let summit = log(tau_decay / tau_rise) * tau_rise * tau_decay / (tau_decay - tau_rise);
        let (fall, climb) = (exp(-summit / tau_decay), exp(-summit / tau_rise));
        let peak = fall - climb;
        // How the peak grows with each time constant: its place does not matter at the summit.
        let growth = [-climb * summit / tau_rise / peak, fall * summit / tau_decay / peak];
        let mut heights = Vec::with_capacity(upsample * length);
        let mut slopes = [const { Vec::new() }; 3];
        for phase in 0..upsample {
            for frame in 0..length {
                let t = frame as f64 + phase as f64 / upsample as f64;
                let (d, r) = (exp(-t / tau_decay) / peak, exp(-t / tau_rise) / peak);
                let height = d - r;
                heights.push(height);
                slopes[0].push(-r * t / tau_rise - height * growth[0]);
                slopes[1].push(d * t / tau_decay - height * growth[1]);
                slopes[2].push(r / tau_rise - d / tau_decay);
            }
        }
        let powers = |tau: f64| (0..length).map(move |k| exp(-(k as f64) / tau)).collect();
        let phases = |tau: f64| {
            (0..upsample).map(move |phase| exp(-(phase as f64) / upsample as f64 / tau) / peak)
        };
        Self {
            upsample,
            length,
            heights,
            slopes,
            decay_powers: powers(tau_decay),
            rise_powers: powers(tau_rise),
            rise_length: (ceil(RISE_REACH * tau_rise) as usize + 1).min(length),
            decay: phases(tau_decay).collect(),
            rise: phases(tau_rise).collect(),
        }
    }

    pub(super) fn spot(&self, bin: usize) -> Spot {
        let frame = bin.div_ceil(self.upsample);
        Spot { frame, phase: frame * self.upsample - bin }
    }

    /// Heights from the first frame on.
    pub(super) fn heights(&self, phase: usize) -> &[f64] {
        &self.heights[phase * self.length..][..self.length]
    }

    /// As [`Self::heights`], the slope by the log rise (0), log decay (1) or time (2).
    pub(super) fn slope(&self, by: usize, phase: usize) -> &[f64] {
        &self.slopes[by][phase * self.length..][..self.length]
    }

    /// The discounted sums one frame earlier, where `left` is left of the trace.
    pub(super) fn earlier(&self, [decay, rise]: [f64; 2], left: f64) -> [f64; 2] {
        [left + self.decay_powers[1] * decay, left + self.rise_powers[1] * rise]
    }

    /// Correlation with the transient from the discounted sums that start at its first frame.
    pub(super) fn correlation(&self, [decay, rise]: [f64; 2], phase: usize) -> f64 {
        self.decay[phase] * decay - self.rise[phase] * rise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_differences_of_heights() {
        let (rise, decay, step) = (1.5, 9.0, 1e-5);
        let shape = Transient::new([rise, decay], 3);
        let (up, down) = (exp(step), exp(-step));
        let moved = [
            [Transient::new([rise * up, decay], 3), Transient::new([rise * down, decay], 3)],
            [Transient::new([rise, decay * up], 3), Transient::new([rise, decay * down], 3)],
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
    fn a_bin_acts_from_the_next_frame_on() {
        let shape = Transient::new([1.0, 8.0], 4);
        assert_eq!(shape.spot(8), Spot { frame: 2, phase: 0 });
        assert_eq!(shape.spot(9), Spot { frame: 3, phase: 3 });
        assert!(shape.heights(0)[0].abs() < 1e-15 && shape.heights(3)[0] > 0.0);
    }
}
