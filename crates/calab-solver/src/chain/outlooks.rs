//! How much of a transient each frame will see, which is the same for most frames.
//!
//! It differs near the end of a stretch and before frames that were not recorded.

use super::odds::{Given, Prior};
use super::transient::Transient;
use crate::spikes::Spot;

/// Which outlook every frame has, and what each is.
pub(super) struct Outlooks {
    of_frames: Vec<u32>,
    seen: Vec<[f64; 3]>,
    /// By outlook and phase.
    given: Vec<Given>,
    phases: usize,
}

impl Outlooks {
    pub(super) fn new(n: usize) -> Self {
        Self { of_frames: vec![0; n], seen: Vec::new(), given: Vec::new(), phases: 0 }
    }

    /// Counts the recorded frames and finds what the prior makes of the bins.
    pub(super) fn measure(&mut self, recorded: &[bool], prior: Prior, transient: &Transient) {
        let (d, r) = (transient.shape.decay_root, transient.shape.rise_root);
        self.phases = transient.shape.upsample();
        self.seen.clear();
        self.given.clear();
        self.add([0.0; 3], prior, transient);
        let mut start = recorded.len();
        for run in recorded.chunk_by(|a, b| a == b).rev() {
            let end = start;
            start -= run.len();
            let known = f64::from(u8::from(run[0]));
            for frame in (start..end).rev() {
                let [dd, dr, rr] = self.seen[self.seen.len() - 1];
                let more = [known + d * d * dd, known + d * r * dr, known + r * r * rr];
                // Far from its end nothing changes any more in a run of frames.
                let same = more.map(f64::to_bits) == [dd, dr, rr].map(f64::to_bits);
                if !same {
                    self.add(more, prior, transient);
                }
                let from = if same { start } else { frame };
                self.of_frames[from..=frame].fill(self.seen.len() as u32 - 1);
                if same {
                    break;
                }
            }
        }
    }

    fn add(&mut self, sums: [f64; 3], prior: Prior, transient: &Transient) {
        let given = |phase| prior.given(transient.shape.energy(&sums, phase));
        self.given.extend((0..self.phases).map(given));
        self.seen.push(sums);
    }

    /// Recorded frames from one on, discounted by decay², decay times rise, and rise².
    pub(super) fn seen(&self, frame: usize) -> &[f64; 3] {
        &self.seen[self.of_frames[frame] as usize]
    }

    /// What the prior made of a bin.
    pub(super) fn given(&self, Spot { frame, phase }: Spot) -> Given {
        self.given[self.of_frames[frame] as usize * self.phases + phase]
    }
}

#[cfg(test)]
mod tests {
    use libm::exp;

    use super::*;

    #[test]
    fn frames_see_what_is_recorded_after_them() {
        let (rise, decay) = (1.5, 6.0);
        let transient = Transient::new([rise, decay], 2).unwrap();
        let gaps = |t: usize| t < 3 || (40..44).contains(&t) || t == 60 || t == 399;
        let recorded: Vec<bool> = (0..400).map(|t| !gaps(t)).collect();
        let mut outlooks = Outlooks::new(400);
        // Twice, for what a window had before must not stay.
        for _ in 0..2 {
            outlooks.measure(&recorded, Prior::new(1.0, 0.4), &transient);
        }
        for frame in 0..400 {
            let sum = |rate: f64| -> f64 {
                let later = recorded[frame..].iter().enumerate().filter(|(_, known)| **known);
                later.map(|(k, _)| exp(-rate * k as f64)).sum()
            };
            let direct = [2.0 / decay, 1.0 / decay + 1.0 / rise, 2.0 / rise].map(sum);
            for (found, expected) in outlooks.seen(frame).iter().zip(direct) {
                assert!((found - expected).abs() < 1e-12, "{frame}");
            }
        }
        assert!(outlooks.seen.len() < 300);
    }
}
