//! The optimum on the face that the interior point has identified.
//!
//! Where the kernel is flat the weights of the differences grow without bound, and the last digits
//! of the steps drown in them. The samples that are tied, those that are 0 and the signs of the
//! steps are then known, and what remains is one small linear system for the levels.

use super::cholesky::Cholesky;
use super::interior::{Point, Problem};
use crate::dot::dot;
use crate::error::SolverError;

/// Share of the largest diagonal entry that keeps the system of open levels factorable.
const RIDGE: f64 = 1e-13;

/// Corrections of the levels; the second takes back what the ridge holds.
const CORRECTIONS: usize = 2;

/// A kernel, and a multiplier of its differences.
type Certified = (Vec<f64>, Vec<f64>);

/// The kernel on the face, and a multiplier of the differences that certifies it; none where the
/// face is not the optimal one or does not determine the levels.
///
/// The levels are corrections of the iterate's, so that those which the data leave open stay.
pub(super) fn polish(
    problem: &Problem,
    point: &Point,
    interrupted: &mut dyn FnMut() -> bool,
) -> Result<Option<Certified>, SolverError> {
    let face = Face::new(problem, point);
    let Some(levels) = face.levels(problem, point, interrupted)? else { return Ok(None) };
    let level = |group: Option<usize>| group.map_or(0.0, |g| levels[g]);
    let h: Vec<f64> = face.group.iter().map(|&g| level(g)).collect();
    let p = face.multiplier(problem, point, &problem.gram_times(&h));
    Ok(Some((h, p)))
}

struct Face {
    /// The level that a sample shares with its neighbours; none for 0.
    group: Vec<Option<usize>>,
    n_groups: usize,
    /// The multiplier where neighbours differ; none where they are tied.
    bounds: Vec<Option<f64>>,
}

impl Face {
    fn new(problem: &Problem, point: &Point) -> Self {
        let bounds: Vec<Option<f64>> = point.signs(problem.lambda);
        let n = point.h.len();
        let mut group = vec![None; n];
        let (mut n_groups, mut start) = (0, 0);
        for end in 1..=n {
            if end < n && bounds.get(end - 1).is_some_and(Option::is_none) {
                continue;
            }
            let sum = |values: &[f64]| values[start..end].iter().sum::<f64>();
            if sum(&point.h) > sum(&point.mu) {
                group[start..end].fill(Some(n_groups));
                n_groups += 1;
            }
            start = end;
        }
        Self { group, n_groups, bounds }
    }

    /// Solves the optimality conditions of the levels; none unless all are positive.
    fn levels(
        &self,
        problem: &Problem,
        point: &Point,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Vec<f64>>, SolverError> {
        let (n, size) = (self.group.len(), self.n_groups);
        let (mut gram, mut pull) = (vec![0.0; size * size], vec![0.0; size]);
        let mut levels = vec![0.0; size];
        let bound =
            |i: Option<usize>| i.and_then(|i| self.bounds.get(i)).copied().flatten().unwrap_or(0.0);
        for a in 0..n {
            let Some(g) = self.group[a] else { continue };
            levels[g] = point.h[a];
            pull[g] += problem.cross[a] - bound(a.checked_sub(1)) + bound(Some(a));
            for (other, value) in self.group.iter().zip(&problem.gram[a * n..][..n]) {
                if let Some(other) = *other {
                    gram[g * size + other] += value;
                }
            }
        }
        let mut cholesky = Cholesky::new(size);
        let ridge = RIDGE * (0..size).map(|g| gram[g * size + g]).fold(0.0, f64::max);
        let fill = |i: usize, row: &mut [f64]| {
            row.copy_from_slice(&gram[i * size..][..=i]);
            row[i] += ridge;
        };
        if size == 0 || !cholesky.factor(fill, interrupted)? {
            return Ok(None);
        }
        for _ in 0..CORRECTIONS {
            let rows = gram.chunks_exact(size).zip(&pull);
            let mut change: Vec<f64> = rows.map(|(row, c)| c - dot(row, &levels)).collect();
            cholesky.solve(&mut change);
            levels.iter_mut().zip(change).for_each(|(x, d)| *x += d);
        }
        Ok(levels.iter().all(|&x| x > 0.0).then_some(levels))
    }

    fn multiplier(&self, problem: &Problem, point: &Point, gram_h: &[f64]) -> Vec<f64> {
        let mut p = 0.0;
        let next = |(i, bound): (usize, &Option<f64>)| {
            let slack = if self.group[i].is_some() { 0.0 } else { point.mu[i] };
            p += gram_h[i] - problem.cross[i] - slack;
            p = bound.unwrap_or(p.clamp(-problem.lambda, problem.lambda));
            p
        };
        self.bounds.iter().enumerate().map(next).collect()
    }
}
