//! The same problems as dense matrices, solved by trying every active set.

use calab_solver::ar2::Ar2;

/// `½ Σ w (y - b - K q)² + m Σ q` over `0 <= q <= bound`, `b >= floor`, by the kernel's formula.
#[derive(Clone, Debug)]
pub(crate) struct Dense {
    /// One column per source, and one for the offset if there is a floor; gaps have zero rows.
    columns: Vec<Vec<f64>>,
    /// The frame that each source reaches first.
    pub(crate) frames: Vec<usize>,
    observed: Vec<f64>,
    m: f64,
    bound: f64,
    floor: Option<f64>,
}

impl Dense {
    /// The problem of `trace` for time constants in frames.
    pub(crate) fn new(
        (rise, decay): (f64, f64),
        trace: &[f64],
        segments: &[(usize, usize)],
        m: f64,
        bound: f64,
        floor: Option<f64>,
    ) -> Self {
        let (d, r) = ((-1.0 / decay).exp(), (-1.0 / rise).exp());
        let seen = |t: usize, value: f64| if trace[t].is_nan() { 0.0 } else { value };
        let mut columns = Vec::new();
        let mut frames = Vec::new();
        for &(start, end) in segments {
            for first in start + 1..end {
                frames.push(first);
                columns.push(
                    (0..trace.len())
                        .map(|t| {
                            if t < first || t >= end {
                                return 0.0;
                            }
                            let k = (t - first + 1) as f64;
                            seen(t, (d.powf(k) - r.powf(k)) / (d - r))
                        })
                        .collect(),
                );
            }
        }
        if floor.is_some() {
            columns.push((0..trace.len()).map(|t| seen(t, 1.0)).collect());
        }
        let observed = (0..trace.len()).map(|t| seen(t, trace[t])).collect();
        Self { columns, frames, observed, m, bound, floor }
    }

    /// The objective of sources (one per entry of `frames`) and an offset.
    pub(crate) fn objective(&self, sources: &[f64], offset: f64) -> f64 {
        let mut x = sources.to_vec();
        if self.floor.is_some() {
            x.push(offset);
        }
        let residual = self.residual(&x);
        0.5 * residual.iter().map(|r| r * r).sum::<f64>() + self.m * sources.iter().sum::<f64>()
    }

    fn residual(&self, x: &[f64]) -> Vec<f64> {
        let mut residual: Vec<f64> = self.observed.iter().map(|y| -y).collect();
        for (column, x) in self.columns.iter().zip(x) {
            residual.iter_mut().zip(column).for_each(|(r, k)| *r += k * x);
        }
        residual
    }

    /// The least objective: every variable is tried at each of its bounds and free.
    pub(crate) fn optimum(&self) -> f64 {
        let n = self.columns.len();
        let states = if self.bound.is_finite() { 3 } else { 2_usize };
        let count = states.pow(n as u32);
        (0..count).filter_map(|code| self.candidate(code, states)).fold(f64::INFINITY, f64::min)
    }

    /// The objective of the stationary point of one active set, moved into the bounds.
    fn candidate(&self, mut code: usize, states: usize) -> Option<f64> {
        let n = self.columns.len();
        let sources = self.frames.len();
        let mut x = vec![0.0; n];
        let mut free = Vec::new();
        for (i, x) in x.iter_mut().enumerate() {
            match code % states {
                0 => free.push(i),
                1 => *x = if i == sources { self.floor? } else { 0.0 },
                _ => *x = if i == sources { return None } else { self.bound },
            }
            code /= states;
        }
        let residual = self.residual(&x);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut matrix: Vec<Vec<f64>> = free
            .iter()
            .map(|&i| {
                let slope =
                    dot(&self.columns[i], &residual) + if i < sources { self.m } else { 0.0 };
                free.iter()
                    .map(|&j| dot(&self.columns[i], &self.columns[j]))
                    .chain([-slope])
                    .collect()
            })
            .collect();
        for (&i, value) in free.iter().zip(eliminate(&mut matrix)?) {
            let (low, high) =
                if i < sources { (0.0, self.bound) } else { (self.floor?, f64::INFINITY) };
            x[i] = value.clamp(low, high);
        }
        Some(self.objective(&x[..sources], x.last().copied().unwrap_or(0.0)))
    }
}

/// Solves a symmetric positive definite system; none if it is singular.
fn eliminate(rows: &mut [Vec<f64>]) -> Option<Vec<f64>> {
    let n = rows.len();
    for i in 0..n {
        let (head, tail) = rows.split_at_mut(i + 1);
        let pivot = &head[i];
        if pivot[i] <= 1e-12 {
            return None;
        }
        for row in tail {
            let factor = row[i] / pivot[i];
            row.iter_mut().zip(pivot).for_each(|(a, b)| *a -= factor * b);
        }
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| rows[i][j] * x[j]).sum();
        x[i] = (rows[i][n] - known) / rows[i][i];
    }
    Some(x)
}

/// `½ Σ w y²` of a trace.
pub(crate) fn power(trace: &[f64]) -> f64 {
    0.5 * trace.iter().filter(|y| !y.is_nan()).map(|y| y * y).sum::<f64>()
}

#[test]
fn columns_are_the_recursion() {
    let ar2 = Ar2::new(1.5, 4.0, 1.0).unwrap();
    let dense = Dense::new((1.5, 4.0), &[0.0; 7], &[(0, 7)], 0.0, f64::INFINITY, None);
    for (column, &frame) in dense.columns.iter().zip(&dense.frames) {
        let (mut source, mut calcium) = ([0.0; 7], [0.0; 7]);
        source[frame - 1] = ar2.peak;
        ar2.forward(&source, &mut calcium);
        let near = column.iter().zip(&calcium).all(|(a, b)| (a - b).abs() < 1e-14);
        assert!(near, "{column:?} {calcium:?}");
    }
}
