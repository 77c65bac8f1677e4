//! From calcium to what a microscope would record: saturation, bleaching, drift and noise.
//!
//! Every function changes one cell's row in place. `reference` is the level that drift and noise
//! refer to: the cell's largest clean value, or the peak of a single spike if that is larger.

use libm::{exp, pow, sin, sqrt};

use crate::draws::Draws;

/// Hill saturation `c^n / (c^n + K^n)` of a level `c >= 0` in units of a single spike's peak.
#[expect(clippy::float_cmp, reason = "only the exact 1 may skip the power")]
pub(super) fn saturated(c: f64, k_d: f64, hill: f64) -> f64 {
    // The ratio K / c is infinite at c = 0, which gives 0 as it should.
    let ratio = k_d / c;
    1.0 / (1.0 + if hill == 1.0 { ratio } else { pow(ratio, hill) })
}

/// Largest value, or 0 if none is above it.
pub(super) fn largest(row: &[f64]) -> f64 {
    // Eight maxima at a time: a single one waits for itself at every sample.
    let (blocks, rest) = row.as_chunks::<8>();
    let greater = |a: f64, b: f64| if b > a { b } else { a };
    let mut lanes = [0.0; 8];
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = greater(*lane, *x);
        }
    }
    lanes.iter().chain(rest).copied().fold(0.0, greater)
}

/// Multiplies by `1 - amplitude (1 - exp(-t/τ))`, with `tau` in frames.
pub(super) fn bleach(row: &mut [f64], amplitude: f64, tau: f64) {
    for (i, x) in row.iter_mut().enumerate() {
        *x *= 1.0 - amplitude * (1.0 - exp(-(i as f64) / tau));
    }
}

/// Adds the walk `d <- (1 - reversion) d + step N(0, 1)`, which starts from 0.
pub(super) fn add_random_walk(row: &mut [f64], step: f64, reversion: f64, draws: &mut Draws) {
    let (keep, mut drift) = (1.0 - reversion, 0.0);
    with_normals(row, draws, |x, normal| {
        drift = drift * keep + step * normal;
        *x += drift;
    });
}

/// Adds `cycles` periods of a sine over the recording.
pub(super) fn add_sine(row: &mut [f64], amplitude: f64, cycles: f64) {
    let turn = 2.0 * std::f64::consts::PI * cycles / row.len() as f64;
    for (i, x) in row.iter_mut().enumerate() {
        *x += amplitude * sin(turn * i as f64);
    }
}

/// Adds noise of standard deviation `sigma` at the level `reference`.
///
/// The share `shot` of the variance is photon noise: `x / q` photons are expected at the level `x`,
/// each worth the quantum `q = shot sigma² / reference`, so that its variance `q x` grows with the
/// signal. The rest is Gaussian and the same everywhere.
pub(super) fn add_noise(row: &mut [f64], sigma: f64, reference: f64, shot: f64, draws: &mut Draws) {
    let quantum = shot * sigma * sigma / reference;
    if quantum > 0.0 {
        for x in &mut *row {
            *x += photon_noise(x.abs(), quantum, draws);
        }
    }
    let gaussian = sigma * sqrt(1.0 - shot);
    with_normals(row, draws, |x, normal| *x += gaussian * normal);
}

/// Deviation of a Poisson count of quanta from its mean, the `level`.
fn photon_noise(level: f64, quantum: f64, draws: &mut Draws) -> f64 {
    let photons = level / quantum;
    if photons < 1e9 {
        return quantum * (draws.poisson(photons) - photons);
    }
    // So many photons are Gaussian: their skewness is below 4e-5.
    sqrt(quantum * level) * draws.normal()
}

/// Pairs each sample with a standard normal variate. They are drawn in blocks, because a call in
/// the loop would force the sums of a recursion through memory.
fn with_normals(row: &mut [f64], draws: &mut Draws, mut each: impl FnMut(&mut f64, f64)) {
    let mut normals = [0.0; 256];
    for block in row.chunks_mut(normals.len()) {
        let normals = &mut normals[..block.len()];
        normals.fill_with(|| draws.normal());
        for (x, normal) in block.iter_mut().zip(normals) {
            each(x, *normal);
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the values compared are exact")]
mod tests {
    use super::*;
    use crate::draws::Stage;

    fn draws() -> Draws {
        Draws::new(5, 0, Stage::Noise)
    }

    fn mean_and_variance(row: &[f64]) -> (f64, f64) {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        (mean, row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
    }

    #[test]
    fn saturation_is_half_at_the_dissociation_constant() {
        for hill in [1.0, 1.8, 4.0] {
            assert_eq!(saturated(0.0, 5.0, hill), 0.0);
            assert_eq!(saturated(5.0, 5.0, hill), 0.5);
            assert!(saturated(1e9, 5.0, hill) > 0.999);
            let (c, k): (f64, f64) = (2.0, 5.0);
            let expected = c.powf(hill) / (c.powf(hill) + k.powf(hill));
            assert!((saturated(c, k, hill) - expected).abs() < 1e-15);
        }
    }

    #[test]
    fn the_largest_value_is_found_anywhere() {
        for n in [1, 7, 8, 9, 30] {
            for at in 0..n {
                let row: Vec<f64> = (0..n).map(|i| if i == at { 2.0 } else { 1.0 }).collect();
                assert_eq!(largest(&row), 2.0);
            }
        }
        assert_eq!(largest(&[-1.0]), 0.0);
    }

    #[test]
    fn bleaching_loses_the_amplitude_in_the_end() {
        let mut row = vec![2.0; 10_000];
        bleach(&mut row, 0.25, 100.0);
        assert_eq!(row[0], 2.0);
        assert!((row[100] - 2.0 * (1.0 - 0.25 * (1.0 - (-1.0_f64).exp()))).abs() < 1e-12);
        assert!((row[9_999] - 1.5).abs() < 1e-12);
    }

    #[test]
    fn the_walk_has_the_variance_and_memory_of_its_recursion() {
        let (step, reversion, n) = (0.3, 0.05, 400_000);
        let mut row = vec![0.0; n];
        add_random_walk(&mut row, step, reversion, &mut draws());
        let (mean, variance) = mean_and_variance(&row);
        let keep: f64 = 1.0 - reversion;
        let expected = step * step / (1.0 - keep * keep);
        // About n reversion / 2 = 10,000 independent samples: 5 % is five standard errors.
        assert!((variance / expected - 1.0).abs() < 0.05, "{variance} for {expected}");
        for lag in [1_usize, 10, 30] {
            let products = row.iter().zip(&row[lag..]).map(|(a, b)| (a - mean) * (b - mean));
            let correlation = products.sum::<f64>() / (n - lag) as f64 / variance;
            assert!((correlation - keep.powf(lag as f64)).abs() < 0.05, "lag {lag}: {correlation}");
        }
    }

    #[test]
    fn the_sine_has_its_amplitude_and_its_cycles() {
        let mut row = vec![0.0; 4000];
        add_sine(&mut row, 0.5, 2.0);
        assert!((row[500] - 0.5).abs() < 1e-12 && (row[1500] + 0.5).abs() < 1e-12);
        assert!(row[2000].abs() < 1e-12);
    }

    #[test]
    fn gaussian_noise_does_not_depend_on_the_signal() {
        for level in [0.0, 4.0] {
            let mut row = vec![level; 200_000];
            add_noise(&mut row, 0.5, 4.0, 0.0, &mut draws());
            let (mean, variance) = mean_and_variance(&row);
            // Five standard errors of mean and variance.
            assert!((mean - level).abs() < 0.0056 && (variance / 0.25 - 1.0).abs() < 0.016);
        }
    }

    #[test]
    fn shot_noise_grows_with_the_signal_and_adds_up_at_the_reference() {
        let (sigma, reference, shot) = (0.5, 4.0, 0.6);
        for level in [0.0, 1.0, 4.0, -1.0, 40.0] {
            let mut row = vec![level; 200_000];
            add_noise(&mut row, sigma, reference, shot, &mut draws());
            let (mean, variance) = mean_and_variance(&row);
            let expected = sigma * sigma * (1.0 - shot + shot * f64::abs(level) / reference);
            assert!((mean - level).abs() < 5.0 * (expected / 2e5).sqrt());
            assert!((variance / expected - 1.0).abs() < 0.02, "{level}: {variance} for {expected}");
        }
    }

    #[test]
    fn countless_photons_are_gaussian() {
        for shot in [1e-9, 1e-320] {
            let mut draws = draws();
            let noise: Vec<f64> =
                (0..200_000).map(|_| photon_noise(4.0, shot, &mut draws)).collect();
            let (mean, variance) = mean_and_variance(&noise);
            let expected = 4.0 * shot;
            assert!(mean.abs() < 5.0 * expected.sqrt() / 2e5_f64.sqrt(), "{mean}");
            assert!(
                variance.is_finite() && (variance - expected).abs() <= 0.02 * expected + 1e-300
            );
        }
    }

    #[test]
    fn pure_shot_noise_comes_in_quanta() {
        let (sigma, reference) = (0.5, 4.0);
        let mut row = vec![4.0; 1000];
        add_noise(&mut row, sigma, reference, 1.0, &mut draws());
        let quantum = sigma * sigma / reference;
        assert!(row.iter().all(|x| (x / quantum - (x / quantum).round()).abs() < 1e-9));
        assert!(row.iter().any(|x| *x != row[0]));
    }
}
