//! Random variates whose bits are equal on every machine.
//!
//! The generator is `ChaCha8`, keyed by the seed, with one stream per cell (or stretch of one) and a place
//! of its own in that stream for every stage: no stage, and no cell, can shift what another one draws. All
//! transcendental functions come from `libm`, because those of the standard library differ in
//! their last bit from one platform to the next.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::sync::LazyLock;

use libm::{erfc, exp, floor, lgamma, log, log1p, sqrt};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What draws: the parts of a cell's simulation, and the chain of its explanations.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stage {
    Properties,
    Spikes,
    Drift,
    Noise,
    Chain,
}

/// A source of variates for one stage of one cell.
pub(crate) struct Draws {
    rng: ChaCha8Rng,
    /// Words drawn in advance: taking them one by one from the generator costs twice the time.
    words: [[u8; 8]; N_WORDS],
    next: usize,
    layers: &'static Layers,
}

const N_WORDS: usize = 64;

impl Draws {
    pub(crate) fn new(seed: u64, cell: usize, stage: Stage) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(cell as u64);
        // A stream holds 2^68 words, so that every stage has 2^64 of them to itself.
        rng.set_word_pos((stage as u128) << 64);
        Self { rng, words: [[0; 8]; N_WORDS], next: N_WORDS, layers: &LAYERS }
    }

    fn word(&mut self) -> u64 {
        if self.next == N_WORDS {
            self.rng.fill_bytes(self.words.as_flattened_mut());
            self.next = 0;
        }
        let word = u64::from_le_bytes(self.words[self.next]);
        self.next += 1;
        word
    }

    /// Uniform on (0, 1), both ends excluded.
    pub(crate) fn uniform(&mut self) -> f64 {
        open_unit(self.word())
    }

    /// Standard normal, by the ziggurat of Marsaglia & Tsang (2000), doi:10.18637/jss.v005.i08.
    #[inline]
    pub(crate) fn normal(&mut self) -> f64 {
        loop {
            let bits = self.word();
            // The layer uses the lowest 8 bits, the abscissa the highest 52: they are independent.
            let layer = (bits & 0xff) as usize;
            let u = 2.0 * open_unit(bits) - 1.0;
            let x = u * self.layers.x[layer];
            if x.abs() < self.layers.x[layer + 1] {
                return x;
            }
            if let Some(x) = self.normal_at_edge(layer, x) {
                return x;
            }
        }
    }

    /// The rare cases of the ziggurat: the tail beyond its base, and the corners of its layers.
    #[cold]
    fn normal_at_edge(&mut self, layer: usize, x: f64) -> Option<f64> {
        if layer == 0 {
            loop {
                let beyond = -log(self.uniform()) / TAIL;
                if -2.0 * log(self.uniform()) >= beyond * beyond {
                    return Some((TAIL + beyond).copysign(x));
                }
            }
        }
        let (low, high) = (self.layers.f[layer], self.layers.f[layer + 1]);
        (low + self.uniform() * (high - low) < bell(x)).then_some(x)
    }

    /// Poisson variate of a `mean` up to a billion, beyond which the logarithm of the gamma function
    /// runs out of digits: by inversion for a small mean, else by the transformed rejection PTRS of
    /// Hörmann (1993), doi:10.1016/0167-6687(93)90997-4.
    pub(crate) fn poisson(&mut self, mean: f64) -> f64 {
        if mean < 10.0 { self.poisson_by_inversion(mean) } else { self.poisson_by_rejection(mean) }
    }

    fn poisson_by_inversion(&mut self, mean: f64) -> f64 {
        let (mut count, mut term) = (0.0, exp(-mean));
        let mut left = self.uniform() - term;
        // 10 + 100 is beyond the last count that a 52-bit uniform variate can reach.
        while left > 0.0 && count < 110.0 {
            count += 1.0;
            term *= mean / count;
            left -= term;
        }
        count
    }

    fn poisson_by_rejection(&mut self, mean: f64) -> f64 {
        let b = 0.931 + 2.53 * sqrt(mean);
        let a = -0.059 + 0.02483 * b;
        let log_scale = log(1.1239 + 1.1328 / (b - 3.4));
        let squeeze = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let (u, v) = (self.uniform() - 0.5, self.uniform());
            let edge = 0.5 - u.abs();
            let count = floor((2.0 * a / edge + b) * u + mean + 0.43);
            if edge >= 0.07 && v <= squeeze {
                return count;
            }
            if count < 0.0 || (edge < 0.013 && v > edge) {
                continue;
            }
            let density = count * log(mean) - mean - lgamma(count + 1.0);
            if log(v) + log_scale - log(a / (edge * edge) + b) <= density {
                return count;
            }
        }
    }
}

/// How long to wait for an event that happens at every step with the same probability.
///
/// Drawing the geometric waiting time gives the same process as one draw per step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitingTime {
    /// 1 / ln(1 - p): minus infinity for an event that never happens, 0 for one that always does.
    scale: f64,
}

impl WaitingTime {
    /// `probability` of the event per `steps` steps, that is 1 - (1 - p)^(1/steps) per step.
    pub(crate) fn new(probability: f64, steps: usize) -> Self {
        Self { scale: steps as f64 / log1p(-probability) }
    }

    /// Number of steps without the event before the first step with it.
    pub(crate) fn draw(self, draws: &mut Draws) -> u64 {
        (log(draws.uniform()) * self.scale) as u64
    }
}

/// Maps the 52 highest bits to the middles of 2^52 equal parts of (0, 1).
fn open_unit(bits: u64) -> f64 {
    const PART: f64 = 1.0 / (1_u64 << 52) as f64;
    ((bits >> 12) as f64 + 0.5) * PART
}

fn bell(x: f64) -> f64 {
    exp(-0.5 * x * x)
}

/// Where the base layer ends so that 256 layers of equal area close exactly at the summit.
const TAIL: f64 = 3.654_152_885_361_009;
const N_LAYERS: usize = 256;

/// Right edges of the ziggurat's layers from the base upward, and the bell's height there.
struct Layers {
    x: [f64; N_LAYERS + 1],
    f: [f64; N_LAYERS + 1],
}

static LAYERS: LazyLock<Layers> = LazyLock::new(|| {
    let area = TAIL * bell(TAIL) + sqrt(PI / 2.0) * erfc(TAIL * FRAC_1_SQRT_2);
    let mut x = [0.0; N_LAYERS + 1];
    (x[0], x[1]) = (area / bell(TAIL), TAIL);
    for i in 2..N_LAYERS {
        x[i] = sqrt(-2.0 * log(area / x[i - 1] + bell(x[i - 1])));
    }
    Layers { x, f: x.map(bell) }
});

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> Draws {
        Draws::new(1, 0, Stage::Noise)
    }

    fn moments(sample: &[f64]) -> [f64; 4] {
        let n = sample.len() as f64;
        let mean = sample.iter().sum::<f64>() / n;
        let central = |k: i32| sample.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n;
        let variance = central(2);
        [mean, variance, central(3) / variance.powf(1.5), central(4) / variance.powi(2)]
    }

    #[test]
    fn the_ziggurat_closes_at_the_summit() {
        let last = LAYERS.x[N_LAYERS - 1];
        let area = LAYERS.x[0] * bell(TAIL);
        assert!((area / last + bell(last) - 1.0).abs() < 1e-13);
    }

    #[test]
    fn normal_moments_and_tail_are_right() {
        let mut draws = draws();
        let n = 1_000_000;
        let sample: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
        let [mean, variance, skewness, kurtosis] = moments(&sample);
        // Five standard errors: 1, √2, √6 and √24 over √n.
        assert!(mean.abs() < 0.005 && (variance - 1.0).abs() < 0.0071);
        assert!(skewness.abs() < 0.0123 && (kurtosis - 3.0).abs() < 0.0245);
        for edge in [0.5, 1.0, 2.0, 3.0, TAIL, 4.0] {
            let expected = 0.5 * erfc(edge * FRAC_1_SQRT_2) * f64::from(n);
            for sign in [1.0, -1.0] {
                let found = sample.iter().filter(|&&x| sign * x > edge).count() as f64;
                assert!((found - expected).abs() < 5.0 * expected.sqrt(), "beyond {edge}: {found}");
            }
        }
    }

    #[test]
    fn poisson_moments_are_right_in_every_branch() {
        for mean in [0.3, 9.9, 10.1, 200.0, 1e5, 9e8] {
            let mut draws = draws();
            let n = 100_000.0;
            let sample: Vec<f64> = (0..100_000).map(|_| draws.poisson(mean)).collect();
            let [found, variance, ..] = moments(&sample);
            assert!((found - mean).abs() < 5.0 * (mean / n).sqrt(), "{mean}: {found}");
            let error = mean * ((2.0 + 1.0 / mean) / n).sqrt();
            assert!((variance - mean).abs() < 5.0 * error, "{mean}: {variance}");
            assert!(sample.iter().all(|&k| k >= 0.0 && k.fract() == 0.0));
        }
        assert!((0..1000).all(|_| draws().poisson(0.0) == 0.0));
    }

    #[test]
    fn waiting_times_are_geometric() {
        let (p, steps, n) = (0.3, 10, 200_000);
        let waiting = WaitingTime::new(p, steps);
        let mut draws = draws();
        let mean = (0..n).map(|_| waiting.draw(&mut draws) as f64).sum::<f64>() / f64::from(n);
        let per_step = 1.0 - (1.0_f64 - p).powf(0.1);
        let expected = (1.0 - per_step) / per_step;
        let error = (1.0 - per_step).sqrt() / per_step / f64::from(n).sqrt();
        assert!((mean - expected).abs() < 5.0 * error, "{mean} for {expected}");
    }

    #[test]
    fn certain_and_impossible_events_wait_for_nothing_and_for_ever() {
        assert_eq!(WaitingTime::new(1.0, 10).draw(&mut draws()), 0);
        assert_eq!(WaitingTime::new(0.0, 10).draw(&mut draws()), u64::MAX);
    }

    #[test]
    fn cells_and_stages_draw_different_numbers() {
        let first = |cell, stage| Draws::new(7, cell, stage).uniform().to_bits();
        let all = [
            first(0, Stage::Properties),
            first(0, Stage::Spikes),
            first(0, Stage::Drift),
            first(0, Stage::Noise),
            first(1, Stage::Properties),
        ];
        let distinct: std::collections::HashSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
