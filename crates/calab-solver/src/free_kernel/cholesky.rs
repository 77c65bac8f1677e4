//! Factor of a dense symmetric positive definite matrix.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use fearless_simd::{Level, Simd, dispatch, f64x8, prelude::*};

use crate::dot::dot;

use crate::error::SolverError;

/// Multiplications between two looks at an interruption: some hundredths of a second.
const POLL: usize = 1 << 26;

const LANES: usize = 8;

/// Sums side by side in each lane, for one addition is not done before the next could begin.
const SUMS: usize = 4;

/// The lower factor `L` of `A = L Lᵀ`, row by row.
#[derive(Debug)]
pub(super) struct Cholesky {
    size: usize,
    level: Level,
    rows: Vec<f64>,
    /// Eight rows column by column: what is done to one is done to all, and an earlier row is read
    /// once for them.
    panel: Vec<[f64; LANES]>,
}

impl Cholesky {
    pub(super) fn new(size: usize) -> Self {
        let (rows, panel) = (vec![0.0; size * size], vec![[0.0; LANES]; size]);
        Self { size, level: Level::new(), rows, panel }
    }

    /// Factors the matrix whose lower half `fill` writes; false if it is not positive definite.
    pub(super) fn factor(
        &mut self,
        fill: impl Fn(usize, &mut [f64]),
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool, SolverError> {
        let (n, level, mut work) = (self.size, self.level, 0);
        for first in (0..n).step_by(LANES) {
            work += LANES * first * first / 2;
            if work > POLL {
                work = 0;
                if interrupted() {
                    return Err(SolverError::Interrupted);
                }
            }
            let (above, rest) = self.rows.split_at_mut(first * n);
            let count = LANES.min(n - first);
            for (lane, row) in rest.chunks_exact_mut(n).take(count).enumerate() {
                fill(first + lane, &mut row[..=first + lane]);
                for (column, value) in self.panel.iter_mut().zip(&row[..first]) {
                    column[lane] = *value;
                }
            }
            let panel = &mut self.panel[..first];
            dispatch!(level, simd => eliminate(simd, above, n, panel));
            for (lane, row) in rest.chunks_exact_mut(n).take(count).enumerate() {
                for (value, column) in row.iter_mut().zip(&self.panel[..first]) {
                    *value = column[lane];
                }
            }
            if !corner(rest, n, first, count) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Solves `A x = b` in place.
    pub(super) fn solve(&self, b: &mut [f64]) {
        let n = self.size;
        for i in 0..n {
            let row = &self.rows[i * n..][..=i];
            b[i] = (b[i] - dot(&row[..i], &b[..i])) / row[i];
        }
        for i in (0..n).rev() {
            let row = &self.rows[i * n..][..=i];
            b[i] /= row[i];
            let x = b[i];
            b[..i].iter_mut().zip(row).for_each(|(b, l)| *b -= l * x);
        }
    }
}

/// Makes rows of the factor of eight rows of the matrix, as far as the rows above reach.
#[inline(always)]
fn eliminate<S: Simd>(simd: S, above: &[f64], n: usize, panel: &mut [[f64; LANES]]) {
    for (j, row) in above.chunks_exact(n).enumerate() {
        let mut sums = [f64x8::splat(simd, 0.0); SUMS];
        let (columns, factors) = (panel[..j].as_chunks::<SUMS>(), row[..j].as_chunks::<SUMS>());
        for (columns, factors) in columns.0.iter().zip(factors.0) {
            for lane in 0..SUMS {
                let column = f64x8::load_array_ref(simd, &columns[lane]);
                sums[lane] += column * f64x8::splat(simd, factors[lane]);
            }
        }
        for (column, factor) in columns.1.iter().zip(factors.1) {
            sums[0] += f64x8::load_array_ref(simd, column) * f64x8::splat(simd, *factor);
        }
        let sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        let left = f64x8::load_array_ref(simd, &panel[j]) - sum;
        (left / f64x8::splat(simd, row[j])).store_array(&mut panel[j]);
    }
}

/// Finishes rows from the column `first` on, where they meet each other; false without a pivot.
fn corner(rows: &mut [f64], n: usize, first: usize, count: usize) -> bool {
    for i in 0..count {
        let (above, rest) = rows.split_at_mut(i * n);
        let row = &mut rest[..=first + i];
        for (j, other) in (first..).zip(above.chunks_exact(n)) {
            row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
        }
        let (row, last) = row.split_at_mut(first + i);
        let pivot = last[0] - dot(row, row);
        if pivot <= 0.0 || !pivot.is_finite() {
            return false;
        }
        last[0] = pivot.sqrt();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_factored() {
        for n in [1, 7, 8, 19, 41] {
            solves(n);
        }
    }

    fn solves(n: usize) {
        let entry = |i: usize, j: usize| 1.0 / (i + j + 1) as f64 + if i == j { 0.5 } else { 0.0 };
        let x: Vec<f64> = (0..n).map(|i| (i as f64 - 7.0) / 3.0).collect();
        let row = |i: usize| (0..n).map(|j| entry(i, j) * x[j]).sum::<f64>();
        let mut b: Vec<f64> = (0..n).map(row).collect();
        let mut cholesky = Cholesky::new(n);
        let fill = |i: usize, row: &mut [f64]| {
            row.iter_mut().enumerate().for_each(|(j, a)| *a = entry(i, j));
        };
        assert_eq!(cholesky.factor(fill, &mut || false), Ok(true));
        cholesky.solve(&mut b);
        // Condition number about 10.
        assert!(x.iter().zip(&b).all(|(x, b)| (x - b).abs() < 1e-13));
    }

    #[test]
    fn is_the_same_on_every_instruction_set() {
        let fill = |i: usize, row: &mut [f64]| {
            row.iter_mut().enumerate().for_each(|(j, a)| *a = 1.0 / (i + j + 1) as f64);
            row[i] += 0.5;
        };
        let mut best = Cholesky::new(21);
        let mut least = Cholesky { level: Level::baseline(), ..Cholesky::new(21) };
        assert_eq!(best.factor(fill, &mut || false), Ok(true));
        assert_eq!(least.factor(fill, &mut || false), Ok(true));
        assert_eq!(best.rows, least.rows);
    }

    #[test]
    fn tells_an_indefinite_matrix_and_an_interruption() {
        let indefinite = |i: usize, row: &mut [f64]| row.fill(if i == 0 { 1.0 } else { 2.0 });
        assert_eq!(Cholesky::new(2).factor(indefinite, &mut || false), Ok(false));
        let unit = |i: usize, row: &mut [f64]| row[i] = 1.0;
        let stopped = Cholesky::new(1000).factor(unit, &mut || true);
        assert_eq!(stopped, Err(SolverError::Interrupted));
    }
}
