//! Where to start: the valleys of the misfit over a grid of time constants.
//!
//! A template is the difference of two exponentials, so the inner products of the exponentials
//! give those of all templates.

use libm::{exp, log};

use super::{LEAST_DECAY, LEAST_RISE, MOST_DECAY};

/// Ratio of neighbouring time constants.
const RATIO: f64 = 1.3;

/// Most valleys from which the search starts.
const MOST_STARTS: usize = 6;

/// Longest decay in samples.
pub(super) fn most_decay(rate: f64) -> f64 {
    let (seconds, samples) = MOST_DECAY;
    (seconds * rate).max(samples)
}

/// Time constants in samples, in even steps of their logarithm.
pub(super) fn time_constants(rate: f64) -> Vec<f64> {
    let (least, most) = (log(LEAST_RISE), log(most_decay(rate)));
    let steps = libm::ceil((most - least) / log(RATIO));
    (0..=steps as usize).map(|k| exp(least + (most - least) * k as f64 / steps)).collect()
}

/// Inner products of exponentials with each other and with the data.
pub(super) struct Products {
    pub(super) taus: Vec<f64>,
    pub(super) gram: Vec<f64>,
    pub(super) cross: Vec<f64>,
}

impl Products {
    /// `<T, T'>` of two templates given by the indices of rise and decay.
    pub(super) fn inner(&self, (a, b): (usize, usize), (c, d): (usize, usize)) -> f64 {
        let gram = |i: usize, j: usize| self.gram[i * self.taus.len() + j];
        gram(b, d) - gram(a, d) - gram(b, c) + gram(a, c)
    }

    /// `<h, T>`.
    pub(super) fn data(&self, (a, b): (usize, usize)) -> f64 {
        self.cross[b] - self.cross[a]
    }

    /// What the template takes off half the squared misfit.
    fn gain(&self, pair: (usize, usize)) -> f64 {
        let (data, norm) = (self.data(pair).max(0.0), self.inner(pair, pair));
        if norm > 0.0 { 0.5 * data * data / norm } else { 0.0 }
    }

    /// The rises and decays (samples) of the best valleys, best first, and the best decay with
    /// rises around one sample: where all rises below a sample look alike, only a descent from
    /// above tells them apart.
    pub(super) fn starts(&self) -> Vec<(f64, f64)> {
        let n = self.taus.len();
        let first = self.taus.partition_point(|&tau| tau < LEAST_DECAY);
        let gain = |a: usize, b: usize| {
            if a < b && (first..n).contains(&b) { self.gain((a, b)) } else { f64::NEG_INFINITY }
        };
        let valley = |a: usize, b: usize| {
            let near = |x: usize| x.saturating_sub(1)..=x + 1;
            let here = gain(a, b);
            here > 0.0 && near(a).all(|c| near(b).all(|d| d >= n || gain(c, d) <= here))
        };
        let pairs = (first..n).flat_map(|b| (0..b).map(move |a| (a, b)));
        let mut found: Vec<(f64, usize, usize)> =
            pairs.filter(|&(a, b)| valley(a, b)).map(|(a, b)| (gain(a, b), a, b)).collect();
        found.sort_by(|x, y| y.0.total_cmp(&x.0));
        found.truncate(MOST_STARTS);
        let decay = found.first().map(|&(_, _, b)| self.taus[b]);
        let valleys = found.iter().map(|&(_, a, b)| (self.taus[a], self.taus[b]));
        let above =
            decay.into_iter().flat_map(|tau| [0.25, 1.0].map(|rise| (rise * tau.min(1.0), tau)));
        valleys.chain(above).collect()
    }
}

/// Inner products over samples `first..first + samples.len()`.
pub(super) fn sampled(samples: &[f64], first: usize, taus: Vec<f64>) -> Products {
    let column = |tau: &f64| -> Vec<f64> {
        (0..samples.len()).map(|i| exp(-((first + i) as f64) / tau)).collect()
    };
    let columns: Vec<Vec<f64>> = taus.iter().map(column).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let gram = columns.iter().flat_map(|a| columns.iter().map(move |b| dot(a, b))).collect();
    let cross = columns.iter().map(|a| dot(a, samples)).collect();
    Products { taus, gram, cross }
}
