//! Factor of a dense symmetric positive definite matrix.

use crate::error::SolverError;

/// Multiplications between two looks at an interruption: some hundredths of a second.
const POLL: usize = 1 << 26;

const LANES: usize = 8;

/// The lower factor `L` of `A = L Lᵀ`, row by row.
#[derive(Debug)]
pub(super) struct Cholesky {
    size: usize,
    rows: Vec<f64>,
}

impl Cholesky {
    pub(super) fn new(size: usize) -> Self {
        Self { size, rows: vec![0.0; size * size] }
    }

    /// Factors the matrix whose lower half `fill` writes; false if it is not positive definite.
    pub(super) fn factor(
        &mut self,
        fill: impl Fn(usize, &mut [f64]),
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<bool, SolverError> {
        let (n, mut work) = (self.size, 0);
        for i in 0..n {
            work += i * i / 2;
            if work > POLL {
                work = 0;
                if interrupted() {
                    return Err(SolverError::Interrupted);
                }
            }
            let (above, rest) = self.rows.split_at_mut(i * n);
            let row = &mut rest[..=i];
            fill(i, row);
            for (j, other) in above.chunks_exact(n).enumerate() {
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if pivot <= 0.0 || !pivot.is_finite() {
                return Ok(false);
            }
            row[i] = pivot.sqrt();
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

/// The inner product, in an order of summation that is fixed and that vectors can follow.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sums;
    ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7)) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_factored() {
        let n = 19;
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
    fn tells_an_indefinite_matrix_and_an_interruption() {
        let indefinite = |i: usize, row: &mut [f64]| row.fill(if i == 0 { 1.0 } else { 2.0 });
        assert_eq!(Cholesky::new(2).factor(indefinite, &mut || false), Ok(false));
        let unit = |i: usize, row: &mut [f64]| row[i] = 1.0;
        let stopped = Cholesky::new(1000).factor(unit, &mut || true);
        assert_eq!(stopped, Err(SolverError::Interrupted));
    }
}
