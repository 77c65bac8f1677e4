//! One component: the amplitude is solved for, two logarithms are searched.

use libm::{exp, expm1, log};

use super::grid::{most_decay, sampled, time_constants};
use super::search::{Local, Objective, descend};
use super::{Component, LEAST_DECAY, LEAST_RISE, MOST_RISE};

/// `exp(-t/decay) - exp(-t/rise)`, exact also where the two nearly agree.
pub(super) fn template(t: f64, rise: f64, decay: f64) -> f64 {
    -exp(-t / decay) * expm1(-t * (1.0 / rise - 1.0 / decay))
}

/// The template and its derivatives by `log decay` at a fixed ratio, and by the log of the ratio.
pub(super) fn columns(times: impl Iterator<Item = f64>, rise: f64, decay: f64) -> [Vec<f64>; 3] {
    let mut columns = [(); 3].map(|()| Vec::new());
    for t in times {
        let (slow, fast) = (exp(-t / decay) * t / decay, exp(-t / rise) * t / rise);
        for (column, value) in
            columns.iter_mut().zip([template(t, rise, decay), slow - fast, -fast])
        {
            column.push(value);
        }
    }
    columns
}

/// Bounds of `log decay` (samples), then of `log(rise/decay)`.
pub(super) fn bounds(log_decay: f64, i: usize, rate: f64, bins: f64) -> (f64, f64) {
    if i == 0 {
        (log(LEAST_DECAY * bins), log(most_decay(rate)))
    } else {
        (log(LEAST_RISE * bins) - log_decay, log(MOST_RISE))
    }
}

struct Shape<'a> {
    samples: &'a [f64],
    first: usize,
    rate: f64,
}

impl Shape<'_> {
    fn projected(&self, &[x, y]: &[f64; 2]) -> Option<(f64, Local<2>)> {
        let times = (self.first..self.first + self.samples.len()).map(|i| i as f64);
        let [t, dx, dy] = columns(times, exp(x + y), exp(x));
        let (norm, data) = (dot(&t, &t), dot(&t, self.samples));
        let beta = data / norm;
        if !(beta > 0.0 && beta.is_finite()) {
            return None;
        }
        let residual: Vec<f64> = self.samples.iter().zip(&t).map(|(h, t)| h - beta * t).collect();
        let free = |d: Vec<f64>| -> Vec<f64> {
            let share = dot(&t, &d) / norm;
            d.iter().zip(&t).map(|(d, t)| beta * (d - share * t)).collect()
        };
        let jacobian = [free(dx), free(dy)];
        let local = Local {
            objective: 0.5 * dot(&residual, &residual),
            gradient: [0, 1].map(|i| -dot(&residual, &jacobian[i])),
            curvature: [0, 1].map(|i| [0, 1].map(|j| dot(&jacobian[i], &jacobian[j]))),
        };
        Some((beta, local))
    }
}

impl Objective<2> for Shape<'_> {
    fn local(&self, point: &[f64; 2]) -> Option<Local<2>> {
        self.projected(point).map(|(_, local)| local)
    }

    fn bounds(&self, point: &[f64; 2], i: usize) -> (f64, f64) {
        bounds(point[0], i, self.rate, 1.0)
    }
}

/// The best component and its squared misfit, over samples that begin at `first`.
pub(super) fn fit(
    samples: &[f64],
    first: usize,
    fs: f64,
    warm: Option<Component>,
) -> Option<(Component, f64)> {
    let problem = Shape { samples, first, rate: fs };
    let mut starts = sampled(samples, first, time_constants(fs)).starts();
    starts.extend(warm.map(|c| (c.tau_rise * fs, c.tau_decay * fs)));
    let search = |(rise, decay): (f64, f64)| descend(&problem, [log(decay), log(rise / decay)]);
    let found = starts.into_iter().filter_map(search);
    let (point, local) = found.min_by(|a, b| a.1.objective.total_cmp(&b.1.objective))?;
    let (beta, _) = problem.projected(&point)?;
    let [x, y] = point;
    let component = Component { tau_rise: exp(x + y) / fs, tau_decay: exp(x) / fs, beta };
    Some((component, 2.0 * local.objective))
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
