//! From the normal equations to the kernel: units, trivial cases, and when to stop.

use super::interior::{Point, Problem, Systems};
use super::normal::NormalEquations;
use super::polish::polish;
use crate::dot::dot;
use crate::error::{SolverError, check_finite};

/// Share of the targets' power below which a gap cannot be told from rounding.
const FLOOR: f64 = 1e-14;

/// How a kernel is to be found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SolveOptions {
    /// Weight λ of the total variation.
    pub smooth_lambda: f64,
    /// Relative accuracy of the fit; see [`FreeKernel::gap`].
    pub tol: f64,
    /// Most steps of the interior point, each of which solves two systems.
    pub max_iters: usize,
}

impl Default for SolveOptions {
    fn default() -> Self {
        Self { smooth_lambda: 0.0, tol: 1e-4, max_iters: 200 }
    }
}

/// A kernel and how far it is from the optimum.
#[derive(Debug, Clone, PartialEq)]
pub struct FreeKernel {
    /// The kernel by lag, at least 0.
    pub kernel: Vec<f64>,
    /// Half the squared residual plus the weighted variation.
    pub objective: f64,
    /// Certified upper bound on `objective` less the optimum.
    pub gap: f64,
    /// Steps that were taken.
    pub iterations: usize,
    /// Whether `gap` is at most `max((tol/100)² |S h|², 1e-14 |y|²) / 2`, so that the fit `S h`
    /// lies within a hundredth of `tol` of the optimum's, relative to its own norm.
    pub converged: bool,
}

impl NormalEquations {
    /// Finds the kernel; `interrupted` is asked before each step.
    ///
    /// A lag that no spike reaches is 0, or with a smoothness weight whatever varies least.
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] for a negative or infinite weight or tolerance, and for spikes
    /// whose products are not finite; [`SolverError::Interrupted`].
    pub fn solve(
        &self,
        options: &SolveOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<FreeKernel, SolverError> {
        check_not_negative("smooth_lambda", options.smooth_lambda)?;
        check_not_negative("tol", options.tol)?;
        let gram = self.gram();
        let sums = gram.iter().sum::<f64>() + self.cross().iter().sum::<f64>() + self.power();
        check_finite("spikes_flat", "spikes whose sums of products are finite", sums)?;
        let n = self.kernel_length();
        let lambda = if n > 1 { options.smooth_lambda } else { 0.0 };
        let lags: Vec<usize> = (0..n).filter(|&a| lambda > 0.0 || gram[a * n + a] > 0.0).collect();
        let reduced = Reduced::new(&gram, self.cross(), self.power(), lambda, &lags);
        let solution = match reduced.trivial() {
            Some(h) => Solution { h, gap: 0.0, iterations: 0, converged: true },
            None => reduced.iterate(options, interrupted)?,
        };
        let mut kernel = vec![0.0; n];
        lags.iter().zip(&solution.h).for_each(|(&a, h)| kernel[a] = h * reduced.unit);
        let variation: f64 = kernel.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
        let objective = self.quadratic(&gram, &kernel) + lambda * variation;
        let gap = solution.gap.max(0.0) * reduced.energy;
        let (iterations, converged) = (solution.iterations, solution.converged);
        Ok(FreeKernel { kernel, objective, gap, iterations, converged })
    }

    /// Half the squared residual of a kernel.
    fn quadratic(&self, gram: &[f64], h: &[f64]) -> f64 {
        let gram_h = gram.chunks_exact(h.len()).map(|row| dot(row, h));
        let terms = gram_h.zip(h).zip(self.cross()).map(|((g, h), c)| h * (0.5 * g - c));
        terms.sum::<f64>() + 0.5 * self.power()
    }
}

struct Solution {
    h: Vec<f64>,
    gap: f64,
    iterations: usize,
    converged: bool,
}

/// The problem over the lags that count, in units of its own.
struct Reduced {
    gram: Vec<f64>,
    cross: Vec<f64>,
    limits: Vec<f64>,
    lambda: f64,
    /// Half the power of the targets.
    power: f64,
    /// What 1 is worth in the kernel, and in the objective.
    unit: f64,
    energy: f64,
}

impl Reduced {
    fn new(gram: &[f64], cross: &[f64], power: f64, lambda: f64, lags: &[usize]) -> Self {
        let n = cross.len();
        let largest = |values: &mut dyn Iterator<Item = f64>| {
            Some(values.fold(0.0, f64::max)).filter(|&x| x > 0.0).unwrap_or(1.0)
        };
        let gram_unit = largest(&mut lags.iter().map(|&a| gram[a * n + a]));
        let cross_unit = largest(&mut lags.iter().map(|&a| cross[a].abs()));
        let (unit, energy) = (cross_unit / gram_unit, cross_unit / gram_unit * cross_unit);
        let scaled =
            lags.iter().flat_map(|&a| lags.iter().map(move |&b| gram[a * n + b] / gram_unit));
        let (lambda, half) = (lambda / cross_unit, 0.5 * power / energy);
        let mut reduced = Self {
            gram: scaled.collect(),
            cross: lags.iter().map(|&a| cross[a] / cross_unit).collect(),
            limits: Vec::new(),
            lambda,
            power: half,
            unit,
            energy,
        };
        reduced.limits = reduced.limits();
        reduced
    }

    /// Bounds on any optimal kernel: `|S h| <= |y|` there, and `S` and `h` are not negative, so
    /// `G[a][a] h[a]² <= |y|²`; and the variation costs no more than the zero kernel.
    fn limits(&self) -> Vec<f64> {
        let n = self.cross.len();
        let alone = (0..n).map(|a| (2.0 * self.power / self.gram[a * n + a]).sqrt());
        let alone: Vec<f64> = alone.map(|x| if x.is_nan() { f64::INFINITY } else { x }).collect();
        let least = alone.iter().copied().fold(f64::INFINITY, f64::min);
        let tied = least + if self.lambda > 0.0 { self.power / self.lambda } else { f64::INFINITY };
        alone.into_iter().map(|x| x.min(tied)).collect()
    }

    /// A kernel that is 0 or constant, if that is optimal.
    fn trivial(&self) -> Option<Vec<f64>> {
        let n = self.cross.len();
        let (total, mass): (f64, f64) = (self.cross.iter().sum(), self.gram.iter().sum());
        if self.cross.iter().all(|&c| c <= 0.0) {
            return Some(vec![0.0; n]);
        }
        if self.lambda == 0.0 {
            return None;
        }
        let level = (total / mass).max(0.0);
        // The multiplier of the differences is the running sum of what the level leaves.
        let share = (level * mass - total) / n as f64;
        let mut p = 0.0;
        let bounded = (0..n - 1).all(|a| {
            let pull = level * self.gram[a * n..][..n].iter().sum::<f64>() - self.cross[a];
            p += pull - share;
            f64::abs(p) <= self.lambda
        });
        bounded.then(|| vec![level; n])
    }

    fn iterate(
        &self,
        options: &SolveOptions,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Solution, SolverError> {
        let (gram, cross, limits) = (&self.gram[..], &self.cross[..], &self.limits[..]);
        let problem = Problem { gram, cross, lambda: self.lambda, limits };
        let mut systems = Systems::new(self.cross.len());
        let mut point = Point::start(&problem);
        let zero = vec![0.0; self.cross.len()];
        let mut best = Solution { h: zero, gap: f64::INFINITY, iterations: 0, converged: false };
        loop {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            let gram_h = problem.gram_times(&point.h);
            let multiplier = point.multiplier(self.lambda);
            best.offer(&problem, &point.h, &gram_h, &multiplier, self.target(options.tol));
            if best.converged
                || best.iterations == options.max_iters
                || !point.advance(&problem, &gram_h, &mut systems, interrupted)?
            {
                break;
            }
            best.iterations += 1;
        }
        if let Some((h, multiplier)) = polish(&problem, &point, interrupted)? {
            let gram_h = problem.gram_times(&h);
            best.offer(&problem, &h, &gram_h, &multiplier, self.target(options.tol));
        }
        Ok(best)
    }

    /// The gap that is asked of a kernel with a fit of given squared norm.
    fn target(&self, tol: f64) -> impl Fn(f64) -> f64 {
        let (share, floor) = (0.5e-4 * tol * tol, FLOOR * self.power);
        move |fit| (share * fit).max(floor)
    }
}

impl Solution {
    /// Takes a kernel that is certified to lie nearer to the optimum.
    fn offer(
        &mut self,
        problem: &Problem,
        h: &[f64],
        gram_h: &[f64],
        multiplier: &[f64],
        target: impl Fn(f64) -> f64,
    ) {
        let gap = problem.gap(h, gram_h, multiplier);
        if gap < self.gap {
            self.h = h.to_vec();
            self.gap = gap;
            self.converged = gap <= target(dot(h, gram_h));
        }
    }
}

fn check_not_negative(name: &'static str, value: f64) -> Result<(), SolverError> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(SolverError::parameter(name, "a finite number of at least 0", &value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two spikes of different weight, three frames apart, and what they leave.
    fn equations(kernel: &[f64]) -> NormalEquations {
        let mut equations = NormalEquations::new(kernel.len(), 1).unwrap();
        let mut trace = vec![0.0; 12];
        let spikes = [(1, 1.0), (4, 2.0)];
        for (bin, weight) in spikes {
            trace[bin..].iter_mut().zip(kernel).for_each(|(y, h)| *y += weight * h);
        }
        equations.add(&trace, &spikes, 1.0, 0.0).unwrap();
        equations
    }

    #[test]
    fn clean_data_give_the_kernel_back_with_its_zeros() {
        let truth = [0.5, 1.0, 0.0, 0.25, 0.0];
        let found = equations(&truth).solve(&SolveOptions::default(), &mut || false).unwrap();
        assert!(found.converged && found.gap < 1e-12 && found.objective.abs() < 1e-12);
        assert!(found.kernel.iter().zip(truth).all(|(h, t)| (h - t).abs() < 1e-6));
    }

    #[test]
    fn a_great_weight_makes_the_kernel_constant() {
        let equations = equations(&[0.5, 1.0, 0.0, 0.25, 0.0]);
        let options = SolveOptions { smooth_lambda: 1e9, ..SolveOptions::default() };
        let found = equations.solve(&options, &mut || false).unwrap();
        let level = equations.cross().iter().sum::<f64>() / equations.gram().iter().sum::<f64>();
        assert!(found.converged && found.kernel.iter().all(|h| (h - level).abs() < 1e-12));
    }

    #[test]
    fn long_kernels_are_certified_whether_products_suffice_or_not() {
        let (length, n) = (540, 4000);
        let kernel = |lag: usize| libm::exp(-(lag as f64) / 90.0) - libm::exp(-(lag as f64) / 9.0);
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 58
        };
        let sparse: Vec<usize> = (0..n).filter(|_| draw() < 2).collect();
        // Spikes in every frame: one lag is as good as the next.
        let dense: Vec<usize> = (0..n).collect();
        for bins in [sparse, dense] {
            let spikes: Vec<(usize, f64)> = bins.iter().map(|&bin| (bin, 1.0)).collect();
            let ripple = |i: usize| if (i * 7919 % 101).is_multiple_of(2) { 0.2 } else { -0.2 };
            let mut trace: Vec<f64> = (0..n).map(ripple).collect();
            for bin in bins {
                let later = trace[bin..].iter_mut().take(length).enumerate();
                later.for_each(|(lag, y)| *y += kernel(lag));
            }
            let mut equations = NormalEquations::new(length, 1).unwrap();
            equations.add(&trace, &spikes, 1.0, 0.0).unwrap();
            for smooth_lambda in [0.0, 0.1, 10.0] {
                let options = SolveOptions { smooth_lambda, ..SolveOptions::default() };
                let found = equations.solve(&options, &mut || false).unwrap();
                assert!(found.converged, "{} spikes, {smooth_lambda}", spikes.len());
            }
        }
    }

    #[test]
    fn stops_when_asked_and_refuses_weights_that_are_none() {
        let equations = equations(&[0.5, 1.0, 0.0]);
        let stopped = equations.solve(&SolveOptions::default(), &mut || true);
        assert_eq!(stopped, Err(SolverError::Interrupted));
        for smooth_lambda in [-1.0, f64::NAN] {
            let options = SolveOptions { smooth_lambda, ..SolveOptions::default() };
            assert!(equations.solve(&options, &mut || false).is_err());
        }
    }
}
