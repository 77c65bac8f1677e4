//! Conjugate gradients for `G + T` with a tridiagonal `T`, which cost the square of the size.
//!
//! Each step of the interior point makes another `T = M/H + DᵀWD`, whose entries grow without bound.
//! With `I + T` as preconditioner, which is solved at once, all eigenvalues of the system lie between
//! the least and the largest of those of `G` and 1, whatever `T` is: the number of products does not
//! grow on the way to the optimum. Hestenes & Stiefel (1952), <https://doi.org/10.6028/jres.049.044>.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use fearless_simd::{Level, Simd, dispatch, f64x8, prelude::*};

use crate::dot::dot;
use crate::error::SolverError;

/// Decrease of the residual, in the norm of the preconditioner, at which a solution is one.
const DECREASE: f64 = 1e-11;

/// Most products; a Gram matrix that asks for more is all but singular.
const MOST_PRODUCTS: usize = 300;

const LANES: usize = 8;

/// `G + R + DᵀWD` with positive diagonals `R` and `W`, where `D` takes differences.
pub(super) struct System<'a> {
    pub(super) gram: &'a [f64],
    pub(super) diagonal: &'a [f64],
    /// One fewer, or none.
    pub(super) ties: &'a [f64],
}

impl System<'_> {
    /// Solves the system in place; false, and no answer, where that takes too many products.
    pub(super) fn solve(
        &self,
        b: &mut [f64],
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool, SolverError> {
        let (level, chain) = (Level::new(), Chain::new(self.diagonal, self.ties));
        let mut x = vec![0.0; b.len()];
        let mut z = chain.solve(b);
        let mut direction = z.clone();
        let mut height = dot(b, &z);
        let enough = DECREASE * DECREASE * height;
        for _ in 0..MOST_PRODUCTS {
            if height <= enough {
                b.copy_from_slice(&x);
                return Ok(true);
            }
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            let product = self.times(level, &direction);
            let length = height / dot(&direction, &product);
            for (((x, r), d), product) in x.iter_mut().zip(&mut *b).zip(&direction).zip(product) {
                *x += length * d;
                *r -= length * product;
            }
            z = chain.solve(b);
            let before = std::mem::replace(&mut height, dot(b, &z));
            if !height.is_finite() {
                break;
            }
            direction.iter_mut().zip(&z).for_each(|(d, z)| *d = z + height / before * *d);
        }
        Ok(false)
    }

    fn times(&self, level: Level, x: &[f64]) -> Vec<f64> {
        let mut product: Vec<f64> = x.iter().zip(self.diagonal).map(|(x, d)| x * d).collect();
        for (i, tie) in self.ties.iter().enumerate() {
            // Differences first: the ties of equal neighbours are large.
            let pull = tie * (x[i + 1] - x[i]);
            product[i] -= pull;
            product[i + 1] += pull;
        }
        for (i, row) in self.gram.chunks_exact(x.len()).enumerate() {
            let (row, here) = row.split_at(i);
            let (before, rest) = product.split_at_mut(i);
            let sum = dispatch!(level, simd => row_times(simd, row, &x[..i], x[i], before));
            rest[0] += sum + here[0] * x[i];
        }
        product
    }
}

/// What a row left of the diagonal makes of `x`; adds what the same column makes of `x` at the row.
#[inline(always)]
fn row_times<S: Simd>(simd: S, row: &[f64], x: &[f64], at: f64, product: &mut [f64]) -> f64 {
    let (rows, row_rest) = row.as_chunks::<LANES>();
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (products, product_rest) = product.as_chunks_mut::<LANES>();
    let (mut sum, here) = (f64x8::splat(simd, 0.0), f64x8::splat(simd, at));
    for ((row, x), product) in rows.iter().zip(xs).zip(products) {
        let row = f64x8::load_array_ref(simd, row);
        sum += row * f64x8::load_array_ref(simd, x);
        (f64x8::load_array_ref(simd, product) + row * here).store_array(product);
    }
    let mut lanes = [0.0; LANES];
    sum.store_array(&mut lanes);
    let mut total: f64 = lanes.iter().sum();
    for ((row, x), product) in row_rest.iter().zip(x_rest).zip(product_rest) {
        total += row * x;
        *product += row * at;
    }
    total
}

/// The factor of `I + R + DᵀWD`, found without a difference of large numbers: what an entry is more
/// than its ties goes on to the next one as through two resistors in series.
struct Chain<'a> {
    ties: &'a [f64],
    pivots: Vec<f64>,
}

impl<'a> Chain<'a> {
    fn new(diagonal: &[f64], ties: &'a [f64]) -> Self {
        let mut passed = 0.0;
        let pivot = |(i, diagonal): (usize, &f64)| {
            let more = 1.0 + diagonal + passed;
            let Some(tie) = ties.get(i) else {
                passed = 0.0;
                return more;
            };
            passed = tie * (more / (more + tie));
            more + tie
        };
        Self { ties, pivots: diagonal.iter().enumerate().map(pivot).collect() }
    }

    fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        for (i, tie) in self.ties.iter().enumerate() {
            x[i + 1] += tie / self.pivots[i] * x[i];
        }
        for i in (0..x.len()).rev() {
            let behind = self.ties.get(i).map_or(0.0, |tie| tie * x[i + 1]);
            x[i] = (x[i] + behind) / self.pivots[i];
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Gram matrix whose diagonal is 1, and weights from nothing to beyond all digits.
    fn system(n: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let gram =
            (0..n * n).map(|k: usize| libm::exp(-((k / n).abs_diff(k % n) as f64) / 2.0)).collect();
        let weight = |i: usize| [1e-9, 0.3, 1e15, 2.0, 1e6][i % 5];
        (gram, (0..n).map(|i| weight(3 * i + 1)).collect(), (1..n).map(weight).collect())
    }

    #[test]
    fn solves_systems_whatever_their_weights() {
        for n in [1, 2, 8, 37] {
            let (gram, diagonal, ties) = system(n);
            for ties in [&ties[..], &[]] {
                let system = System { gram: &gram, diagonal: &diagonal, ties };
                let pull: Vec<f64> = (0..n).map(|i| (i as f64 - 7.0) / 3.0).collect();
                let mut x = pull.clone();
                assert_eq!(system.solve(&mut x, &mut || false), Ok(true));
                let left = system.times(Level::new(), &x);
                let off = left.iter().zip(&pull).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                // Products of 1e15 with what is left of 16 digits.
                assert!(off < 1e-5, "{off} of {n}");
            }
        }
    }

    #[test]
    fn products_are_the_same_on_every_instruction_set() {
        let (gram, diagonal, ties) = system(43);
        let system = System { gram: &gram, diagonal: &diagonal, ties: &ties };
        let x: Vec<f64> = (0..43).map(|i| libm::sin(f64::from(i))).collect();
        assert_eq!(system.times(Level::new(), &x), system.times(Level::baseline(), &x));
    }

    #[test]
    fn gives_up_and_stops() {
        // Equal rows: the condition number is that of rounding.
        let n = 400;
        let gram: Vec<f64> = (0..n * n)
            .map(|k: usize| libm::exp(-libm::pow((k / n).abs_diff(k % n) as f64 / 30.0, 2.0)))
            .collect();
        let diagonal = vec![1e-15; n];
        let system = System { gram: &gram, diagonal: &diagonal, ties: &[] };
        let mut b: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 7 == 3))).collect();
        assert_eq!(system.solve(&mut b.clone(), &mut || false), Ok(false));
        assert_eq!(system.solve(&mut b, &mut || true), Err(SolverError::Interrupted));
    }
}
