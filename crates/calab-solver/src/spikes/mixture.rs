//! The likelihood of events under mixtures of normal distributions, eight events side by side.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use fearless_simd::{Level, Simd, dispatch, f64x8, prelude::*};
use libm::{frexp, log};
use std::f64::consts::LN_2;

/// Standard deviations beyond which a normal density is nothing beside that of outliers: less than a
/// hundredth.
pub(super) const REACH: f64 = 5.0;
pub(super) const SQRT_TWO_PI: f64 = 2.506_628_274_631_000_2;

/// Events side by side.
const LANES: usize = 8;
/// Factors of at least 1e-30 after which a product is parted into mantissa and exponent.
pub(super) const FACTORS: usize = 8;
/// Coefficients of the exponential, the highest power first.
const INVERSE_FACTORIALS: [f64; 10] = [
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    1.0 / 2.0,
    1.0,
    1.0,
];
/// Squarings of the exponential of so small a part that the sum above is enough.
const SQUARINGS: i32 = 6;

/// Events that hold `n` spikes: mean, standard deviation, and the shares above the threshold and in
/// the gap below it.
pub(super) struct Part {
    pub(super) mean: f64,
    pub(super) sd: f64,
    pub(super) above: f64,
    pub(super) gap: f64,
}

/// How many spikes events hold under every weight.
pub(super) struct Shares {
    /// Of every number of spikes; numbers in rows, weights in columns.
    of: Vec<f64>,
    /// Of all events above the threshold, by weight.
    above: Vec<f64>,
    /// Of all events in the gap, by weight.
    gap: Vec<f64>,
}

impl Shares {
    /// Those of parts under weights.
    pub(super) fn new(parts: &[Part], weights: &[(f64, f64)]) -> Self {
        let mut powers: Vec<f64> = weights.iter().map(|(w, _)| 1.0 - w).collect();
        let mut of = Vec::with_capacity(parts.len() * weights.len());
        let (mut above, mut gap) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
        for part in parts {
            for (k, (w, _)) in weights.iter().enumerate() {
                above[k] += powers[k] * part.above;
                gap[k] += powers[k] * part.gap;
                of.push(powers[k]);
                powers[k] *= w;
            }
        }
        // Larger numbers than those of the parts lie above the threshold as a whole.
        for ((sum, power), (w, _)) in above.iter_mut().zip(&powers).zip(weights) {
            *sum = (*sum + power / (1.0 - w)).max(1e-12);
        }
        Self { of, above, gap }
    }

    /// Share of the events above the gap's lower edge that lie in it, by weight.
    pub(super) fn in_gap(&self) -> impl Iterator<Item = f64> {
        self.gap.iter().zip(&self.above).map(|(gap, above)| gap / (gap + above))
    }
}

/// Logarithms of the density of all events, which ascend, under every weight, for one share of
/// outliers after the other; outliers have the density `1 / 5x`.
pub(super) fn log_mixtures(
    level: Level,
    events: &[f64],
    parts: &[Part],
    shares: &Shares,
    outliers: &[f64],
) -> Vec<f64> {
    dispatch!(level, simd => log_products(simd, events, parts, shares, outliers))
}

#[inline(always)]
fn log_products<S: Simd>(
    simd: S,
    events: &[f64],
    parts: &[Part],
    Shares { of, above, .. }: &Shares,
    outliers: &[f64],
) -> Vec<f64> {
    let (zero, one) = (f64x8::splat(simd, 0.0), f64x8::splat(simd, 1.0));
    let mut densities = vec![zero; above.len()];
    let ratios = outliers.iter().flat_map(|&share| above.iter().map(move |a| (1.0 - share) / a));
    let ratios: Vec<f64> = ratios.collect();
    let mut products = vec![one; ratios.len()];
    let mut totals = vec![Product::ONE; products.len()];
    let last = events.len().div_ceil(LANES).saturating_sub(1);
    for (k, block) in events.chunks(LANES).enumerate() {
        // Lanes without an event repeat the last one, and count as a factor of 1.
        let mut row = [block[block.len() - 1]; LANES];
        row[..block.len()].copy_from_slice(block);
        let x = f64x8::load_array_ref(simd, &row);
        densities.fill(zero);
        for (part, shares) in parts.iter().zip(of.chunks_exact(above.len())) {
            let reach = REACH * part.sd;
            if row[LANES - 1] > part.mean - reach && row[0] < part.mean + reach {
                let density = density(simd, x, part);
                for (sum, share) in densities.iter_mut().zip(shares) {
                    *sum += density * f64x8::splat(simd, *share);
                }
            }
        }
        let spread = one / (x * f64x8::splat(simd, 5.0));
        let of_outliers =
            products.chunks_exact_mut(above.len()).zip(ratios.chunks_exact(above.len()));
        for ((products, ratios), &share) in of_outliers.zip(outliers) {
            let outlier = spread * f64x8::splat(simd, share) + f64x8::splat(simd, 1e-30);
            let factors = densities.iter().zip(ratios);
            let factors =
                factors.map(|(density, ratio)| *density * f64x8::splat(simd, *ratio) + outlier);
            if block.len() == LANES {
                products.iter_mut().zip(factors).for_each(|(product, factor)| *product *= factor);
            } else {
                let mut counted = [0.0; LANES];
                counted[..block.len()].fill(1.0);
                let counted = f64x8::load_array_ref(simd, &counted).simd_gt(zero);
                let counted = |factor| counted.select(factor, one);
                products
                    .iter_mut()
                    .zip(factors)
                    .for_each(|(product, factor)| *product *= counted(factor));
            }
        }
        if k % FACTORS == FACTORS - 1 || k == last {
            for (total, product) in totals.iter_mut().zip(&mut products) {
                let mut lanes = [0.0; LANES];
                product.store_array(&mut lanes);
                for lane in lanes {
                    total.multiply(lane);
                }
                *product = one;
            }
        }
    }
    totals.iter().map(Product::log).collect()
}

/// A product of many numbers, which may be far below the least one that there is.
#[derive(Clone)]
pub(super) struct Product {
    mantissa: f64,
    exponent: i32,
}

impl Product {
    pub(super) const ONE: Self = Self { mantissa: 1.0, exponent: 0 };

    #[inline(always)]
    pub(super) fn multiply(&mut self, factor: f64) {
        let (mantissa, exponent) = frexp(self.mantissa * factor);
        self.mantissa = mantissa;
        self.exponent += exponent;
    }

    pub(super) fn log(&self) -> f64 {
        log(self.mantissa) + f64::from(self.exponent) * LN_2
    }
}

/// The normal density of a part; 0 beyond its reach.
#[inline(always)]
fn density<S: Simd>(simd: S, x: f64x8<S>, part: &Part) -> f64x8<S> {
    let z = (x - f64x8::splat(simd, part.mean)) * f64x8::splat(simd, 1.0 / part.sd);
    let square = z * z;
    let height = f64x8::splat(simd, 1.0 / (SQRT_TWO_PI * part.sd));
    let found = exponential(simd, square * f64x8::splat(simd, -0.5)) * height;
    let near = square.simd_lt(f64x8::splat(simd, REACH * REACH));
    near.select(found, f64x8::splat(simd, 0.0))
}

/// `exp(x)` for `-12.5 <= x <= 0` to a relative error of 2e-12: a Taylor sum at a 64th of it, squared
/// six times. Sums and products alone are the same on every machine.
#[inline(always)]
fn exponential<S: Simd>(simd: S, x: f64x8<S>) -> f64x8<S> {
    let part = x * f64x8::splat(simd, 0.5_f64.powi(SQUARINGS));
    let mut sum = f64x8::splat(simd, INVERSE_FACTORIALS[0]);
    for coefficient in &INVERSE_FACTORIALS[1..] {
        sum = sum * part + f64x8::splat(simd, *coefficient);
    }
    for _ in 0..SQUARINGS {
        sum = sum * sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::tests::levels;
    use super::*;

    fn example() -> (Vec<f64>, Vec<Part>, Vec<(f64, f64)>) {
        let events = (0..77).map(|k| 4.0 + 0.02 * f64::from(k * k)).collect();
        let part = |n: u32| Part {
            mean: 5.0 * f64::from(n),
            sd: 0.6 + 0.2 * f64::from(n),
            above: 1.0 - 0.1 / f64::from(n),
            gap: 0.08 / f64::from(n),
        };
        (events, (1..=12).map(part).collect(), vec![(0.1, 0.0), (0.5, 0.0), (0.9, 0.0)])
    }

    /// Share of events of so many spikes.
    fn geometric(k: i32, w: f64) -> f64 {
        (1.0 - w) * w.powi(k)
    }

    /// Sum over parts, and the share of larger numbers.
    fn total(parts: &[Part], w: f64, of: impl Fn(&Part) -> f64) -> (f64, f64) {
        let sum = (0..).zip(parts).map(|(k, part)| geometric(k, w) * of(part)).sum();
        (sum, parts.iter().map(|_| w).product())
    }

    #[test]
    fn is_the_sum_of_logarithms_of_the_mixture() {
        let (events, parts, weights) = example();
        let outliers = [0.02, 0.2];
        let mut expected = Vec::new();
        for outlier in outliers {
            for (w, _) in &weights {
                let (seen, larger) = total(&parts, *w, |part| part.above);
                let one = |x: &f64| {
                    let near = |part: &Part| {
                        let z = (x - part.mean) / part.sd;
                        let near = if z.abs() < REACH { libm::exp(-0.5 * z * z) } else { 0.0 };
                        near / (SQRT_TWO_PI * part.sd)
                    };
                    let mixed = total(&parts, *w, near).0;
                    log((1.0 - outlier) * mixed / (seen + larger) + outlier / (5.0 * x) + 1e-30)
                };
                expected.push(events.iter().map(one).sum::<f64>());
            }
        }
        let shares = Shares::new(&parts, &weights);
        let found = log_mixtures(Level::new(), &events, &parts, &shares, &outliers);
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-9 * b.abs(), "{a} for {b}");
        }
    }

    #[test]
    fn a_product_far_below_any_number_has_a_logarithm() {
        let mut product = Product::ONE;
        (0..500).for_each(|_| product.multiply(1e-30));
        (0..100).for_each(|_| product.multiply(7e96));
        let expected = 500.0 * log(1e-30) + 100.0 * log(7e96);
        assert!((product.log() - expected).abs() < 1e-10 * expected.abs());
    }

    #[test]
    fn every_instruction_set_gives_the_same() {
        let (events, parts, weights) = example();
        let shares = Shares::new(&parts, &weights);
        let go = |level| log_mixtures(level, &events, &parts, &shares, &[0.02]);
        for level in levels() {
            assert_eq!(go(level), go(Level::new()));
        }
    }

    #[test]
    fn the_share_in_the_gap_is_that_of_its_parts() {
        let (_, parts, weights) = example();
        let found: Vec<f64> = Shares::new(&parts, &weights).in_gap().collect();
        for ((w, _), found) in weights.iter().zip(found) {
            let ((gap, _), (above, larger)) =
                (total(&parts, *w, |part| part.gap), total(&parts, *w, |part| part.above));
            assert!((found - gap / (gap + above + larger)).abs() < 1e-14);
        }
    }

    #[test]
    fn no_events_have_the_density_1() {
        let (_, parts, weights) = example();
        let shares = Shares::new(&parts, &weights);
        assert_eq!(log_mixtures(Level::new(), &[], &parts, &shares, &[0.02]), [0.0; 3]);
    }
}
