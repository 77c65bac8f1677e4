//! Calcium of a spike train, averaged over each frame.
//!
//! On the grid of steps the calcium is the train convolved with the biexponential kernel
//!
//! ```text
//! h[i] = (d^i - r^i) / max,    d = exp(-1/(f τ_decay)),  r = exp(-1/(f τ_rise)),
//! ```
//!
//! `f` steps a second, scaled to a largest sample of 1. A frame reports the mean of its steps. Two
//! numbers carry all that earlier spikes contribute: the level `c` of the calcium and the sum `p` of
//! `d^age` over the spikes. They move on by `n` steps as
//!
//! ```text
//! c <- r^n c + h[n] p,    p <- d^n p,
//! ```
//!
//! so that a frame costs the same whatever the number of steps in it, and nothing is truncated.

use libm::{exp, expm1, floor, log1p};

/// The kernel on the grid of steps, scaled to a largest sample of 1.
struct Kernel {
    decay: f64,
    rise: f64,
    /// `rise - decay`, free of cancellation.
    excess: f64,
    peak: f64,
}

impl Kernel {
    fn new(tau_rise: f64, tau_decay: f64, step_rate: f64) -> Self {
        let excess = (tau_decay - tau_rise) / tau_decay / tau_rise / step_rate;
        let (decay, rise) = (1.0 / (step_rate * tau_decay), 1.0 / (step_rate * tau_rise));
        let before = floor(log1p((tau_decay - tau_rise) / tau_rise) / excess).max(1.0);
        let mut kernel = Self { decay, rise, excess, peak: before };
        if kernel.at(before + 1.0) > 1.0 {
            kernel.peak = before + 1.0;
        }
        kernel
    }

    /// Sample `i`: relative to the peak, which neither underflows nor cancels for any time constants.
    fn at(&self, i: f64) -> f64 {
        if i == 0.0 {
            return 0.0;
        }
        let ratio = expm1(-self.excess * i) / expm1(-self.excess * self.peak);
        exp(-self.decay * (i - self.peak)) * ratio
    }
}

/// What a spike adds to its own frame and to the state after it, by its distance to the frame's end.
pub(super) struct FrameResponse {
    /// `h[n]`.
    kernel: Vec<f64>,
    /// Sum of `h[i]` over `i < n`, divided by the steps of a frame.
    mean: Vec<f64>,
    /// `d^n`.
    decay: Vec<f64>,
    /// `r^n` for a whole frame, and the mean of `r^i` over it.
    rise: f64,
    mean_rise: f64,
}

impl FrameResponse {
    pub(super) fn new(tau_rise: f64, tau_decay: f64, fs: f64, steps: usize) -> Self {
        let n = steps as f64;
        let kernel = Kernel::new(tau_rise, tau_decay, fs * n);
        let samples: Vec<f64> = (0..=steps).map(|i| kernel.at(i as f64)).collect();
        let mean = samples.iter().scan(0.0, |sum, h| {
            let before = *sum / n;
            *sum += h;
            Some(before)
        });
        let mean = mean.collect();
        Self {
            kernel: samples,
            mean,
            decay: (0..=steps).map(|i| exp(-kernel.decay * i as f64)).collect(),
            rise: exp(-kernel.rise * n),
            mean_rise: (0..steps).map(|i| exp(-kernel.rise * i as f64)).sum::<f64>() / n,
        }
    }

    /// Writes the frame means of the calcium and the number of spikes per frame.
    pub(super) fn trace(
        &self,
        train: impl Iterator<Item = u64>,
        calcium: &mut [f64],
        spikes: &mut [f32],
    ) {
        let steps = self.kernel.len() - 1;
        spikes.fill(0.0);
        let (mut state, mut frame) = (State::default(), 0);
        for step in train {
            let (firing, left) = (step as usize / steps, steps - step as usize % steps);
            let until = frame.max(firing + 1);
            state = self.advance(state, &mut calcium[frame..until]);
            frame = until;
            calcium[firing] += self.mean[left];
            spikes[firing] += 1.0;
            state.level += self.kernel[left];
            state.sources += self.decay[left];
        }
        self.advance(state, &mut calcium[frame..]);
    }

    /// Writes the frame means that `state` gives without further spikes, and returns what is left.
    fn advance(&self, state: State, calcium: &mut [f64]) -> State {
        let steps = self.kernel.len() - 1;
        let (frame_kernel, frame_mean) = (self.kernel[steps], self.mean[steps]);
        let frame_decay = self.decay[steps];
        let State { mut level, mut sources } = state;
        for mean in calcium {
            *mean = level * self.mean_rise + sources * frame_mean;
            level = flush(level * self.rise + sources * frame_kernel);
            sources = flush(sources * frame_decay);
        }
        State { level, sources }
    }
}

/// What earlier spikes leave: the calcium, and the sum of `d^age`.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    level: f64,
    sources: f64,
}

/// Subnormal numbers would slow a long silence down a hundredfold.
fn flush(x: f64) -> f64 {
    if x < f64::MIN_POSITIVE { 0.0 } else { x }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values compared are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::build_kernel;

    /// Convolution on the grid of steps with the sampled kernel, then the mean over each frame.
    fn direct(spikes: &[u64], kernel: &[f64], steps: usize, n_frames: usize) -> Vec<f64> {
        let mut fine = vec![0.0; steps * n_frames];
        for &spike in spikes {
            for (c, h) in fine[spike as usize..].iter_mut().zip(kernel) {
                *c += h;
            }
        }
        fine.chunks(steps).map(|frame| frame.iter().sum::<f64>() / steps as f64).collect()
    }

    fn frame_means(response: &FrameResponse, spikes: &[u64], n: usize) -> (Vec<f64>, Vec<f32>) {
        let (mut calcium, mut counts) = (vec![0.0; n], vec![0.0; n]);
        response.trace(spikes.iter().copied(), &mut calcium, &mut counts);
        (calcium, counts)
    }

    proptest! {
        #[test]
        fn frame_means_equal_direct_convolution(
            tau_decay in 0.02..2.0_f64,
            ratio in 0.01..0.999_f64,
            fs in 5.0..60.0_f64,
            steps in 1_usize..20,
            spikes in prop::collection::btree_set(0_u64..2000, 1..50),
        ) {
            let n_frames = 2000 / steps + 1;
            let spikes: Vec<u64> = spikes.into_iter().collect();
            let kernel = build_kernel(ratio * tau_decay, tau_decay, fs * steps as f64).unwrap();
            let expected = direct(&spikes, &kernel, steps, n_frames);
            let response = FrameResponse::new(ratio * tau_decay, tau_decay, fs, steps);
            let (calcium, counts) = frame_means(&response, &spikes, n_frames);
            // The sampled kernel ends where the decay has fallen to a millionth; relative to a peak
            // that is low when the time constants nearly agree, that is up to 4e-5 per spike.
            for (found, expected) in calcium.iter().zip(&expected) {
                prop_assert!((found - expected).abs() < 4e-5 * spikes.len() as f64);
            }
            prop_assert_eq!(counts.iter().sum::<f32>(), spikes.len() as f32);
        }
    }

    #[test]
    fn one_step_per_frame_is_the_sampled_kernel() {
        let kernel = build_kernel(0.1, 0.6, 30.0).unwrap();
        let response = FrameResponse::new(0.1, 0.6, 30.0, 1);
        let (calcium, counts) = frame_means(&response, &[0], kernel.len());
        for (found, expected) in calcium.iter().zip(&kernel) {
            assert!((found - expected).abs() < 1e-13, "{found} for {expected}");
        }
        assert_eq!(counts[0], 1.0);
    }

    #[test]
    fn extreme_time_constants_stay_finite() {
        for (tau_rise, tau_decay) in
            [(1e-300, 1e-290), (1e-9, 1e9), (0.6, 0.6 + 1e-15), (1e40, 1e45), (1e-9, 0.5)]
        {
            let response = FrameResponse::new(tau_rise, tau_decay, 30.0, 10);
            let (calcium, _) = frame_means(&response, &[5, 17], 100);
            let sound = |&c: &f64| c.is_finite() && (0.0..=2.0 + 1e-12).contains(&c);
            assert!(calcium.iter().all(sound), "tau {tau_rise} and {tau_decay}: {calcium:?}");
        }
    }

    #[test]
    fn a_kernel_shorter_than_a_step_has_one_sample() {
        let response = FrameResponse::new(1e-9, 1e-8, 30.0, 10);
        let (calcium, _) = frame_means(&response, &[3, 9], 3);
        // One step of ten carries the peak; the spike in the last step lands in the next frame.
        assert_eq!(calcium, [0.1, 0.1, 0.0]);
    }

    #[test]
    fn a_long_silence_ends_in_exact_zeros() {
        let (calcium, _) = frame_means(&FrameResponse::new(0.1, 0.6, 30.0, 10), &[0], 20_000);
        assert_eq!(calcium[19_999], 0.0);
        assert!(calcium.iter().all(|c| *c == 0.0 || *c > 1e-310));
    }
}
