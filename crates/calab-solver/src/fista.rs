//! The documented accelerated proximal gradient method, one cell at a time.
//!
//! ```text
//! x⁺ = max(0, z - K'w(K z + b - y)/L - lam G/L),    z⁺ = max(0, x⁺ + m (x⁺ - x))
//! ```
//!
//! with `L` the Lipschitz constant, momentum `m` after Nesterov and the gradient restart of O'Donoghue &
//! Candès (2015), <https://doi.org/10.1007/s10208-013-9150-3>; Beck & Teboulle (2009),
//! <https://doi.org/10.1137/080716542>. It shares nothing with [`crate::interior`] but the problem, and
//! ends with the same kind of proof: it is the independent check of the exact method.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::ar2::Ar2;
use crate::certificate::{Certificate, Problem, certify};
use crate::error::SolverError;
use crate::interior::{Recursion, Settings};
use crate::kernel::{LIPSCHITZ_FLOOR, build_kernel};

/// Iterations between two evaluations of the gap.
const CHECK_EVERY: usize = 10;

/// How `K` and its transpose are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convolution {
    /// The sampled kernel, by fast Fourier transforms.
    Fft,
    /// The recursion of second order.
    Banded,
}

/// The iterate and what it takes to improve it.
pub struct Fista {
    settings: Settings,
    operator: Operator,
    residual: Vec<f64>,
    gradient: Vec<f64>,
    extrapolated: Vec<f64>,
    prices: Vec<f64>,
    delayed: Vec<f64>,
    /// The activity `s`.
    pub activity: Vec<f64>,
    /// `K s`.
    pub calcium: Vec<f64>,
}

/// What became of one cell.
#[derive(Clone, Copy, Debug)]
pub struct FistaOutcome {
    /// The proof.
    pub certificate: Certificate,
    /// The constant offset.
    pub offset: f64,
    /// Iterations.
    pub iterations: usize,
    /// Whether the proof meets the tolerance.
    pub converged: bool,
}

impl Fista {
    /// A solver for calls that share `settings`, for the kernel of these time constants.
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] for time constants that make no kernel.
    pub fn new(
        settings: Settings,
        convolution: Convolution,
        (tau_rise, tau_decay, fs): (f64, f64, f64),
    ) -> Result<Self, SolverError> {
        let operator = match convolution {
            Convolution::Banded => Operator::Banded(settings.ar2),
            Convolution::Fft => {
                let longest = settings.segments.iter().map(|(start, end)| end - start).max();
                Operator::fft(&build_kernel(tau_rise, tau_decay, fs)?, longest.unwrap_or(0))
            }
        };
        Ok(Self {
            settings,
            operator,
            residual: Vec::new(),
            gradient: Vec::new(),
            extrapolated: Vec::new(),
            prices: Vec::new(),
            delayed: Vec::new(),
            activity: Vec::new(),
            calcium: Vec::new(),
        })
    }

    /// Solves one cell; the answer is in `activity` and `calcium`.
    ///
    /// # Errors
    ///
    /// [`SolverError::Interrupted`] when `interrupted`, asked once an iteration, says so.
    pub fn solve(
        &mut self,
        trace: &[f64],
        lam: f64,
        floor: Option<f64>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<FistaOutcome, SolverError> {
        self.reset(trace.len());
        let lam = if self.settings.boxed { 0.0 } else { lam };
        let step = 1.0 / self.operator.lipschitz();
        let shift = lam * self.settings.ar2.dc_gain * step;
        let ceiling = if self.settings.boxed { 1.0 } else { f64::INFINITY };
        let mut offset = 0.0;
        let mut pace = 1.0_f64;
        let mut iterations = 0;
        let mut certificate = self.prove(trace, lam, floor, &mut offset);
        // `max_iters = 0` asks for nothing, so nothing is claimed.
        let mut converged = self.settings.max_iters > 0 && certificate.holds(self.settings.tol);
        while !converged && iterations < self.settings.max_iters {
            if interrupted() {
                return Err(SolverError::Interrupted);
            }
            iterations += 1;
            self.descend(trace, floor, &mut offset);
            pace = self.extrapolate(step, shift, ceiling, pace);
            self.forget(trace);
            if iterations % CHECK_EVERY == 0 || iterations == self.settings.max_iters {
                certificate = self.prove(trace, lam, floor, &mut offset);
                converged = certificate.holds(self.settings.tol);
            }
        }
        Ok(FistaOutcome { certificate, offset, iterations, converged })
    }

    fn reset(&mut self, frames: usize) {
        debug_assert_eq!(self.settings.segments.last().map_or(0, |&(_, end)| end), frames);
        for row in [&mut self.residual, &mut self.gradient, &mut self.prices] {
            row.resize(frames, 0.0);
        }
        for row in
            [&mut self.activity, &mut self.extrapolated, &mut self.calcium, &mut self.delayed]
        {
            row.clear();
            row.resize(frames, 0.0);
        }
    }

    /// The gradient at the extrapolated point.
    fn descend(&mut self, trace: &[f64], floor: Option<f64>, offset: &mut f64) {
        let segments = &self.settings.segments;
        self.operator.forward(&self.extrapolated, segments, &mut self.calcium);
        *offset = best_offset(trace, &self.calcium, floor);
        residual(trace, &self.calcium, *offset, &mut self.residual);
        self.operator.adjoint(&self.residual, segments, &mut self.gradient);
    }

    /// Takes the proximal step and extrapolates; returns the next pace of the momentum.
    fn extrapolate(&mut self, step: f64, shift: f64, ceiling: f64, pace: f64) -> f64 {
        let mut uphill = 0.0;
        let next = f64::midpoint(1.0, (1.0 + 4.0 * pace * pace).sqrt());
        for ((z, g), x) in self.extrapolated.iter().zip(&mut self.gradient).zip(&self.activity) {
            let new = (z - *g * step - shift).clamp(0.0, ceiling);
            uphill += (z - new) * (new - x);
            *g = new;
        }
        let momentum = if uphill > 0.0 { 0.0 } else { (pace - 1.0) / next };
        let rows = self.extrapolated.iter_mut().zip(&self.gradient).zip(&mut self.activity);
        for ((z, new), x) in rows {
            *z = (new + momentum * (new - *x)).clamp(0.0, ceiling);
            *x = *new;
        }
        if uphill > 0.0 { 1.0 } else { next }
    }

    /// Zeroes what no later frame observes: nothing pulls on it but what the transforms round.
    fn forget(&mut self, trace: &[f64]) {
        for &(start, end) in &self.settings.segments {
            let unseen = trace[start..end].iter().rev().take_while(|y| y.is_nan()).count();
            let dead = (end - unseen).saturating_sub(1).max(start)..end;
            self.activity[dead.clone()].fill(0.0);
            self.extrapolated[dead].fill(0.0);
        }
    }

    /// Judges `activity` at the prices that its own residual makes.
    fn prove(
        &mut self,
        trace: &[f64],
        lam: f64,
        floor: Option<f64>,
        offset: &mut f64,
    ) -> Certificate {
        let ar2 = self.settings.ar2;
        let recursion = Recursion::new(&ar2);
        let m = lam / recursion.drift();
        for &(start, end) in &self.settings.segments {
            ar2.forward(&self.activity[start..end], &mut self.calcium[start..end]);
        }
        *offset = best_offset(trace, &self.calcium, floor);
        residual(trace, &self.calcium, *offset, &mut self.residual);
        let [g1, g2, _] = recursion.rows();
        for &(start, end) in &self.settings.segments {
            let (mut p1, mut p2) = (0.0, 0.0);
            for t in (start..end).rev() {
                let price = g1 * p1 + g2 * p2 - self.residual[t];
                (p2, p1) = (p1, price);
                self.prices[t] = price;
                self.delayed[t] = if t == start { 0.0 } else { self.activity[t - 1] / ar2.peak };
            }
        }
        let problem = Problem {
            trace,
            recursion,
            segments: &self.settings.segments,
            m,
            bound: if self.settings.boxed { 1.0 / ar2.peak } else { f64::INFINITY },
            offset: *offset,
            floor,
        };
        certify(&problem, &self.delayed, &self.prices, &mut self.calcium)
    }
}

/// `w (K s + b - y)`, 0 where no frame was recorded.
fn residual(trace: &[f64], calcium: &[f64], offset: f64, residual: &mut [f64]) {
    for ((r, c), y) in residual.iter_mut().zip(calcium).zip(trace) {
        *r = if y.is_nan() { 0.0 } else { c + offset - y };
    }
}

/// The offset that fits best, not below the floor; 0 without one.
fn best_offset(trace: &[f64], calcium: &[f64], floor: Option<f64>) -> f64 {
    let Some(floor) = floor else { return 0.0 };
    let (mut total, mut frames) = (0.0, 0.0);
    for (y, c) in trace.iter().zip(calcium).filter(|(y, _)| !y.is_nan()) {
        total += y - c;
        frames += 1.0;
    }
    if frames > 0.0 { (total / frames).max(floor) } else { floor }
}

enum Operator {
    Banded(Ar2),
    Fft {
        forward: Arc<dyn RealToComplex<f64>>,
        inverse: Arc<dyn ComplexToReal<f64>>,
        spectrum: Vec<Complex<f64>>,
        buffer: Vec<f64>,
        product: Vec<Complex<f64>>,
        scratch: Vec<Complex<f64>>,
        /// Of the kernel as far as the traces reach.
        sum: f64,
    },
}

impl Operator {
    fn fft(kernel: &[f64], frames: usize) -> Self {
        let kernel = &kernel[..kernel.len().min(frames.max(1))];
        let size = (frames + kernel.len()).next_power_of_two();
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        let mut buffer = forward.make_input_vec();
        let mut spectrum = forward.make_output_vec();
        let length = forward.get_scratch_len().max(inverse.get_scratch_len());
        let mut scratch = vec![Complex::default(); length];
        buffer[..kernel.len()].copy_from_slice(kernel);
        transform(&*forward, &mut buffer, &mut spectrum, &mut scratch);
        // One transform forward and one back multiply by the size.
        for bin in &mut spectrum {
            *bin /= size as f64;
        }
        let (product, sum) = (spectrum.clone(), kernel.iter().sum());
        Self::Fft { forward, inverse, spectrum, buffer, product, scratch, sum }
    }

    /// The gain of a non-negative kernel is largest at zero frequency, where it is the kernel's sum.
    fn lipschitz(&self) -> f64 {
        match self {
            Self::Banded(ar2) => ar2.lipschitz(),
            Self::Fft { sum, .. } => (sum * sum).max(LIPSCHITZ_FLOOR),
        }
    }

    fn forward(&mut self, source: &[f64], segments: &[(usize, usize)], calcium: &mut [f64]) {
        for &(start, end) in segments {
            match self {
                Self::Banded(ar2) => ar2.forward(&source[start..end], &mut calcium[start..end]),
                Self::Fft { .. } => {
                    self.convolve(&source[start..end], &mut calcium[start..end], false);
                }
            }
        }
    }

    fn adjoint(&mut self, residual: &[f64], segments: &[(usize, usize)], gradient: &mut [f64]) {
        for &(start, end) in segments {
            match self {
                Self::Banded(ar2) => ar2.adjoint(&residual[start..end], &mut gradient[start..end]),
                Self::Fft { .. } => {
                    self.convolve(&residual[start..end], &mut gradient[start..end], true);
                }
            }
        }
    }

    fn convolve(&mut self, input: &[f64], output: &mut [f64], transpose: bool) {
        let Self::Fft { forward, inverse, spectrum, buffer, product, scratch, .. } = self else {
            return;
        };
        buffer[..input.len()].copy_from_slice(input);
        buffer[input.len()..].fill(0.0);
        transform(&**forward, buffer, product, scratch);
        for (bin, kernel) in product.iter_mut().zip(&*spectrum) {
            *bin *= if transpose { kernel.conj() } else { *kernel };
        }
        // The product of spectra of real signals is real at both ends; rounding may say otherwise.
        let last = product.len() - 1;
        (product[0].im, product[last].im) = (0.0, 0.0);
        let length = inverse.get_scratch_len();
        let done = inverse.process_with_scratch(product, buffer, &mut scratch[..length]);
        debug_assert!(done.is_ok(), "buffers were made for this transform");
        output.copy_from_slice(&buffer[..input.len()]);
    }
}

fn transform(
    plan: &dyn RealToComplex<f64>,
    input: &mut [f64],
    output: &mut [Complex<f64>],
    scratch: &mut [Complex<f64>],
) {
    let length = plan.get_scratch_len();
    let done = plan.process_with_scratch(input, output, &mut scratch[..length]);
    debug_assert!(done.is_ok(), "buffers were made for this transform");
}
