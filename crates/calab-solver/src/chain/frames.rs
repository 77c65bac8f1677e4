//! Sums and products over frames, compiled for every instruction set.
//!
//! Products and sums one by one, in one order and never fused, are the same on all of them.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use fearless_simd::{Level, Simd, dispatch};

/// Adds `factor` times values to sums, over the shorter of both.
pub(super) fn add(level: Level, sums: &mut [f64], values: &[f64], factor: f64) {
    let n = sums.len().min(values.len());
    dispatch!(level, simd => add_with(simd, &mut sums[..n], &values[..n], factor));
}

#[inline(always)]
fn add_with<S: Simd>(_: S, sums: &mut [f64], values: &[f64], factor: f64) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// Sum of products over the shorter of two lists.
pub(super) fn dot(level: Level, a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len());
    dispatch!(level, _ => crate::dot::dot(&a[..n], &b[..n]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spikes::tests::levels;

    #[test]
    fn every_instruction_set_gives_the_same() {
        let values = |seed: usize| -> Vec<f64> {
            (0..203).map(|i| (i * seed % 101) as f64 / 7.0 - 5.0).collect()
        };
        let (a, b) = (values(7919), values(104_729));
        let go = |level: Level| {
            let mut sums = a.clone();
            add(level, &mut sums[..150], &b, 0.3);
            sums.push(dot(level, &a, &b[..187]));
            sums.into_iter().map(f64::to_bits).collect::<Vec<_>>()
        };
        let plain: f64 = a.iter().zip(&b[..187]).map(|(a, b)| a * b).sum();
        assert!((dot(Level::new(), &a, &b[..187]) - plain).abs() < 1e-9);
        for level in levels() {
            assert_eq!(go(level), go(Level::new()));
        }
    }
}
