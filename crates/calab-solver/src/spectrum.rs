//! White-noise power in the upper half of the spectrum of short windows.
//!
//! ```text
//! P = mean over k = n/4 ..= n/2 of |X_k|² / Σ w²,    X the DFT of the Hann-windowed samples w x
//! ```
//!
//! The transform is our own rather than a library's, because those choose their order of
//! arithmetic by processor, and the automatic sparsity weight must not depend on the machine.

use std::f64::consts::TAU;

use libm::{cos, sin};

/// Windows transformed side by side; the results of each do not depend on the others.
pub(crate) const LANES: usize = 4;

type Lanes = [f64; LANES];

/// Tables and memory for windows of one length.
#[derive(Debug)]
pub(crate) struct UpperBand {
    hann: Vec<f64>,
    /// `exp(-2πi k / n)` for `k = 0 ..= n/2`.
    roots: Vec<(f64, f64)>,
    /// The even and odd samples as real and imaginary part of a transform of half the length.
    re: Vec<Lanes>,
    im: Vec<Lanes>,
}

impl UpperBand {
    /// Prepares windows of `length` samples, a power of two and at least 8.
    pub(crate) fn new(length: usize) -> Self {
        debug_assert!(length.is_power_of_two() && length >= 8);
        let angle = |k: usize| TAU * k as f64 / length as f64;
        let half = length / 2;
        Self {
            hann: (0..length).map(|t| 0.5 - 0.5 * cos(angle(t))).collect(),
            roots: (0..=half).map(|k| (cos(angle(k)), -sin(angle(k)))).collect(),
            re: vec![[0.0; LANES]; half],
            im: vec![[0.0; LANES]; half],
        }
    }

    pub(crate) fn length(&self) -> usize {
        self.hann.len()
    }

    /// The power of each of up to [`LANES`] windows, which begin at `starts`, of `scale * trace`.
    pub(crate) fn power(&mut self, trace: &[f64], starts: &[usize], scale: f64) -> Lanes {
        for (lane, &start) in starts.iter().enumerate().take(LANES) {
            self.load(&trace[start..start + self.length()], lane, scale);
        }
        self.transform();
        self.band_power()
    }

    /// Puts a window without its mean into a lane, in the bit-reversed order of the transform.
    fn load(&mut self, samples: &[f64], lane: usize, scale: f64) {
        let mean = samples.iter().map(|x| x * scale).sum::<f64>() / samples.len() as f64;
        let shift = usize::BITS - self.re.len().trailing_zeros();
        for (t, (x, w)) in samples.chunks_exact(2).zip(self.hann.chunks_exact(2)).enumerate() {
            let place = t.reverse_bits() >> shift;
            self.re[place][lane] = (x[0] * scale - mean) * w[0];
            self.im[place][lane] = (x[1] * scale - mean) * w[1];
        }
    }

    /// The radix-2 transform, in place, of all lanes.
    fn transform(&mut self) {
        let size = self.re.len();
        let mut half = 1;
        while half < size {
            let stride = self.hann.len() / (2 * half);
            for block in (0..size).step_by(2 * half) {
                for k in 0..half {
                    self.butterfly(block + k, block + k + half, self.roots[k * stride]);
                }
            }
            half *= 2;
        }
    }

    fn butterfly(&mut self, upper: usize, lower: usize, (cos, sin): (f64, f64)) {
        let (a_re, a_im) = (self.re[upper], self.im[upper]);
        let (b_re, b_im) = (self.re[lower], self.im[lower]);
        for lane in 0..LANES {
            let re = b_re[lane] * cos - b_im[lane] * sin;
            let im = b_re[lane] * sin + b_im[lane] * cos;
            self.re[upper][lane] = a_re[lane] + re;
            self.im[upper][lane] = a_im[lane] + im;
            self.re[lower][lane] = a_re[lane] - re;
            self.im[lower][lane] = a_im[lane] - im;
        }
    }

    /// Separates the spectra of the even and odd samples and averages the upper half of their sum.
    fn band_power(&self) -> Lanes {
        let half = self.re.len();
        let mut power = [0.0; LANES];
        for k in half / 2..=half {
            let (a_re, a_im) = (self.re[k % half], self.im[k % half]);
            let (b_re, b_im) = (self.re[half - k], self.im[half - k]);
            let (cos, sin) = self.roots[k];
            for lane in 0..LANES {
                let (even_re, even_im) = (a_re[lane] + b_re[lane], a_im[lane] - b_im[lane]);
                let (odd_re, odd_im) = (a_im[lane] + b_im[lane], b_re[lane] - a_re[lane]);
                let re = even_re + odd_re * cos - odd_im * sin;
                let im = even_im + odd_re * sin + odd_im * cos;
                power[lane] += (re * re + im * im) / 4.0;
            }
        }
        let energy: f64 = self.hann.iter().map(|w| w * w).sum();
        power.map(|sum| sum / (half - half / 2 + 1) as f64 / energy)
    }

    /// Squared coefficient of variation of the power of one window of white noise.
    ///
    /// The spectrum of a Hann window correlates by 2/3 with the neighbouring bin and by 1/6 with
    /// the next; bins mirrored at the Nyquist frequency correlate alike.
    pub(crate) fn variation(&self) -> f64 {
        let half = self.re.len();
        let squared = |lag: usize| match lag {
            0 => 1.0,
            1 => 4.0 / 9.0,
            2 => 1.0 / 36.0,
            _ => 0.0,
        };
        let bins = half / 2..=half;
        let count = (half - half / 2 + 1) as f64;
        let pairs = bins.clone().flat_map(|j| bins.clone().map(move |k| (j, k)));
        pairs.map(|(j, k)| squared(j.abs_diff(k)) + squared(2 * half - j - k)).sum::<f64>()
            / (count * count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct_power(samples: &[f64]) -> f64 {
        let n = samples.len();
        let mean = samples.iter().sum::<f64>() / n as f64;
        let hann: Vec<f64> = (0..n).map(|t| 0.5 - 0.5 * cos(TAU * t as f64 / n as f64)).collect();
        let bin = |k: usize| {
            let terms = samples.iter().zip(&hann).enumerate().map(|(t, (x, w))| {
                let angle = TAU * (k * t % n) as f64 / n as f64;
                ((x - mean) * w * cos(angle), (x - mean) * w * sin(angle))
            });
            let (re, im) = terms.fold((0.0, 0.0), |sum, term| (sum.0 + term.0, sum.1 + term.1));
            re * re + im * im
        };
        let bins = (n / 4..=n / 2).map(bin).sum::<f64>() / (n / 2 - n / 4 + 1) as f64;
        bins / hann.iter().map(|w| w * w).sum::<f64>()
    }

    #[test]
    fn power_equals_the_direct_transform() {
        for length in [8, 16, 64, 256] {
            let trace: Vec<f64> = (0..length + 5).map(|t| sin(f64::from(t * t) * 0.7)).collect();
            let mut band = UpperBand::new(length as usize);
            let power = band.power(&trace, &[0, 3, 5], 1.0);
            for (power, start) in power.iter().zip([0, 3, 5]) {
                let direct = direct_power(&trace[start..start + length as usize]);
                // Two orders of summing a few hundred terms.
                assert!((power - direct).abs() < 1e-12 * direct, "{length}: {power} {direct}");
            }
        }
    }

    #[test]
    fn lanes_do_not_see_each_other() {
        let trace: Vec<f64> = (0..100_u32).map(|t| sin(f64::from(t * t))).collect();
        let mut band = UpperBand::new(16);
        let alone = band.power(&trace, &[7], 1.0)[0];
        let beside = band.power(&trace, &[50, 7, 80, 1], 1.0)[1];
        assert_eq!(alone.to_bits(), beside.to_bits());
    }
}
