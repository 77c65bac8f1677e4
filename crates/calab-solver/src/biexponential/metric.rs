//! The slow component fitted to traces and spikes, by way of their normal equations.
//!
//! ```text
//! min over τ_rise, τ_decay, β >= 0 of  1/2 hᵀGh - cᵀh,    h = β T(τ_rise, τ_decay)
//! ```
//!
//! is the least-squares problem of the traces themselves: no free-form kernel comes in between, and
//! each lag counts as much as the data say about it.

use libm::{exp, log};

use super::Component;
use super::grid::{Products, time_constants};
use super::search::{Local, Objective, descend};
use super::slow::{bounds, columns, dot};
use crate::error::{SolverError, check_positive};
use crate::free_kernel::NormalEquations;
use crate::kernel::check_kernel;

/// A fit and how sharply the data determine it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricFit {
    /// Time constants and amplitude, the latter in units of `alpha`.
    pub component: Component,
    /// Half the squared residual of the traces in units of `alpha`.
    pub objective: f64,
    /// Gauss-Newton curvature of the objective over `(log tau_rise, log tau_decay)`, the amplitude
    /// free: with white noise of variance σ², σ² times its inverse is their covariance.
    pub curvature: [[f64; 2]; 2],
}

struct Metric<'a> {
    equations: &'a NormalEquations,
    gram: Vec<f64>,
    /// Bins per second.
    rate: f64,
}

/// Fits the slow component to all that the traces say, `fs` being their frames per second.
///
/// The search starts from `starts` (rise and decay in seconds), or from the valleys of a grid if
/// there are none. `None` if no kernel with an amplitude above zero fits better than zero.
///
/// # Errors
///
/// [`SolverError::Parameter`] for a rate that is none or a start that makes no kernel.
pub fn fit_metric(
    equations: &NormalEquations,
    fs: f64,
    starts: &[(f64, f64)],
) -> Result<Option<MetricFit>, SolverError> {
    check_positive("fs", fs)?;
    for &(rise, decay) in starts {
        check_kernel(rise, decay, fs)?;
    }
    let rate = fs * equations.upsample() as f64;
    let metric = Metric { equations, gram: equations.gram(), rate };
    let starts = if starts.is_empty() {
        metric.products().starts()
    } else {
        starts.iter().map(|(rise, decay)| (rise * rate, decay * rate)).collect()
    };
    let search = |(rise, decay): (f64, f64)| descend(&metric, [log(decay), log(rise / decay)]);
    let found = starts.into_iter().filter_map(search);
    let best = found.min_by(|a, b| a.1.objective.total_cmp(&b.1.objective));
    Ok(best.and_then(|(point, _)| metric.describe(&point)))
}

impl Metric<'_> {
    fn gram_times(&self, x: &[f64]) -> Vec<f64> {
        self.gram.chunks_exact(x.len()).map(|row| dot(row, x)).collect()
    }

    /// Inner products of the exponentials of a grid in this metric.
    fn products(&self) -> Products {
        let taus = time_constants(self.rate);
        let lags = 0..self.equations.kernel_length();
        let column = |tau: &f64| lags.clone().map(|i| exp(-(i as f64) / tau)).collect();
        let columns: Vec<Vec<f64>> = taus.iter().map(column).collect();
        let images: Vec<Vec<f64>> = columns.iter().map(|x| self.gram_times(x)).collect();
        let gram = columns.iter().flat_map(|a| images.iter().map(move |b| dot(a, b))).collect();
        let cross = columns.iter().map(|a| dot(a, self.equations.cross())).collect();
        Products { taus, gram, cross }
    }

    fn projected(&self, &[x, y]: &[f64; 2]) -> Option<(f64, Local<2>)> {
        let lags = (0..self.equations.kernel_length()).map(|i| i as f64);
        let [t, dx, dy] = columns(lags, exp(x + y), exp(x));
        let [gram_t, gram_dx, gram_dy] = [&t, &dx, &dy].map(|v| self.gram_times(v));
        let (cross, norm) = (self.equations.cross(), dot(&t, &gram_t));
        let data = dot(&t, cross);
        let beta = data / norm;
        if !(beta > 0.0 && beta.is_finite()) {
            return None;
        }
        let (along, slopes) = ([&dx, &dy], [&gram_dx, &gram_dy]);
        let share = along.map(|d| dot(d, &gram_t));
        let curve = |i: usize, j: usize| {
            beta * beta * (dot(along[i], slopes[j]) - share[i] * share[j] / norm)
        };
        let local = Local {
            objective: 0.5 * (self.equations.power() - beta * data),
            gradient: [0, 1].map(|i| beta * (beta * share[i] - dot(along[i], cross))),
            curvature: [[curve(0, 0), curve(0, 1)], [curve(0, 1), curve(1, 1)]],
        };
        Some((beta, local))
    }

    fn describe(&self, point: &[f64; 2]) -> Option<MetricFit> {
        let (beta, local) = self.projected(point)?;
        let [[xx, xy], [_, yy]] = local.curvature;
        let [decay, rise] = [exp(point[0]), exp(point[0] + point[1])].map(|tau| tau / self.rate);
        Some(MetricFit {
            component: Component { tau_rise: rise, tau_decay: decay, beta },
            objective: local.objective,
            curvature: [[yy, xy - yy], [xy - yy, xx - 2.0 * xy + yy]],
        })
    }
}

impl Objective<2> for Metric<'_> {
    fn local(&self, point: &[f64; 2]) -> Option<Local<2>> {
        self.projected(point).map(|(_, local)| local)
    }

    fn bounds(&self, point: &[f64; 2], i: usize) -> (f64, f64) {
        bounds(point[0], i, self.rate, self.equations.upsample() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::biexponential::slow::template;

    const FS: f64 = 30.0;

    /// Spikes at all places within a frame, and their traces through a kernel.
    fn equations(rise: f64, decay: f64, u: usize, noise: f64) -> NormalEquations {
        let mut equations = NormalEquations::new(60 * u, u).unwrap();
        let mut state = 5_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99_991);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let spikes: Vec<(usize, f64)> =
            (0..2000 * u).map(|k| (k, 1.0)).filter(|_| uniform() < 0.05 / u as f64).collect();
        let (rise, decay) = (rise * FS * u as f64, decay * FS * u as f64);
        let trace: Vec<f64> = (0..2000)
            .map(|i| {
                let lags = spikes.iter().filter_map(|&(k, _)| (i * u).checked_sub(k));
                let near = lags.filter(|&lag| lag < 60 * u);
                near.map(|lag| 1.5 * template(lag as f64, rise, decay)).sum::<f64>()
                    + noise * (uniform() - 0.5)
            })
            .collect();
        equations.add(&trace, &spikes, 1.0, 0.0).unwrap();
        equations
    }

    #[test]
    fn clean_traces_give_the_time_constants_back_also_within_a_frame() {
        for (rise, decay) in [(0.1, 0.6), (0.02, 0.4), (0.005, 0.3), (0.004, 0.04)] {
            let fit = fit_metric(&equations(rise, decay, 10, 0.0), FS, &[]).unwrap().unwrap();
            let Component { tau_rise, tau_decay, beta } = fit.component;
            assert!((tau_rise / rise - 1.0).abs() < 1e-4, "{tau_rise} for {rise}");
            assert!((tau_decay / decay - 1.0).abs() < 1e-4, "{tau_decay} for {decay}");
            assert!((beta - 1.5).abs() < 1e-3 && fit.objective < 1e-6);
        }
    }

    #[test]
    fn curvature_is_that_of_the_objective() {
        let equations = equations(0.05, 0.4, 4, 0.1);
        let metric = Metric { equations: &equations, gram: equations.gram(), rate: 4.0 * FS };
        let fit = fit_metric(&equations, FS, &[(0.1, 0.3)]).unwrap().unwrap();
        let Component { tau_rise, tau_decay, .. } = fit.component;
        let objective = |u: f64, v: f64| {
            let (rise, decay) = (log(tau_rise * 4.0 * FS) + u, log(tau_decay * 4.0 * FS) + v);
            metric.local(&[decay, rise - decay]).unwrap().objective
        };
        let e = 1e-3;
        let bend = |u: f64, v: f64| {
            (objective(u, v) - 2.0 * objective(0.0, 0.0) + objective(-u, -v)) / (e * e)
        };
        let [[rise, mixed], [_, decay]] = fit.curvature;
        // Gauss-Newton leaves out the residual times second derivatives: a few percent here.
        for (got, expected) in
            [(bend(e, 0.0), rise), (bend(0.0, e), decay), (bend(e, e), rise + 2.0 * mixed + decay)]
        {
            assert!((got / expected - 1.0).abs() < 0.05, "{got} for {expected}");
        }
    }

    #[test]
    fn nothing_fits_where_there_is_no_response() {
        let mut equations = NormalEquations::new(20, 1).unwrap();
        assert!(fit_metric(&equations, FS, &[]).unwrap().is_none());
        equations.add(&[0.0, -1.0, -1.0, -0.5], &[(0, 1.0)], 1.0, 0.0).unwrap();
        assert!(fit_metric(&equations, FS, &[]).unwrap().is_none());
        assert!(fit_metric(&equations, 0.0, &[]).is_err());
        assert!(fit_metric(&equations, FS, &[(0.2, 0.1)]).is_err());
    }
}
