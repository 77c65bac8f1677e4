//! What follows from the options for every cell of a call.

use fearless_simd::Level;

use super::{Baseline, Lam, Method, Options};
use crate::ar2::Ar2;
use crate::baseline::baseline_width;
use crate::error::{SolverError, check_positive};
use crate::exact::Exact;
use crate::interior::{Recursion, Settings, Sparsity};
use crate::segments::{check_segments, segment_ranges};

/// `lam = "auto"` may go down to this share of the level at which white noise gives nothing.
const LEAST_SHARE: f64 = 0.1;

/// What follows from the options for every cell.
pub(super) struct Plan<'a> {
    pub(super) options: &'a Options,
    pub(super) settings: Settings,
    pub(super) level: Level,
    pub(super) width: usize,
    full: bool,
    /// `lam` per unit of noise at which white noise alone is expected to give nothing.
    silence: f64,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        options: &'a Options,
        frames: usize,
        full: bool,
        level: Level,
    ) -> Result<Self, SolverError> {
        let ar2 = Ar2::new(options.tau_rise, options.tau_decay, options.fs)?;
        check_segments(&options.segments, frames)?;
        check_positive("tol", options.tol)?;
        if let Lam::Given(lam) = options.lam
            && !(lam.is_finite() && lam >= 0.0)
        {
            return Err(SolverError::parameter("lam", "a finite number, at least 0", &lam));
        }
        let segments: Vec<(usize, usize)> =
            segment_ranges(&options.segments, frames).map(|r| (r.start, r.end)).collect();
        let longest = segments.iter().map(|(start, end)| end - start).max().unwrap_or(0);
        let recursion = Recursion::new(&ar2);
        let norm = recursion.energy().sqrt() / ar2.peak;
        let silence = norm * (2.0 * libm::log(longest.max(2) as f64)).sqrt() / ar2.dc_gain;
        let settings = Settings {
            ar2,
            segments,
            boxed: options.boxed,
            offset: options.baseline == Baseline::Constant || options.lam == Lam::Auto,
            tol: options.tol,
            max_iters: options.max_iters,
        };
        let width = baseline_width(options.tau_decay, options.fs)?;
        Ok(Self { options, settings, level, width, full, silence })
    }

    pub(super) fn cells_together(&self) -> usize {
        match self.options.method {
            Method::Fista(_) if self.options.lam != Lam::Auto => 1,
            _ => Exact::cells_together(&self.settings),
        }
    }

    pub(super) fn needs_noise(&self) -> bool {
        let baseline = matches!(self.options.baseline, Baseline::Centered | Baseline::Constant);
        self.full || baseline || self.options.lam == Lam::Auto
    }

    /// How `lam` is found for a cell with this noise.
    pub(super) fn sparsity(&self, trace: &[f64], noise: f64) -> Sparsity {
        let lam = match self.options.lam {
            Lam::Given(lam) => return Sparsity::Given(lam),
            Lam::Auto => noise * self.silence,
        };
        let frames = self.settings.segments.iter().map(|&(start, end)| {
            let n = trace[start..end].iter().filter(|y| !y.is_nan()).count() as f64;
            n + 2.0 * (2.0 * n).sqrt()
        });
        let target = noise * noise * frames.sum::<f64>();
        Sparsity::Residual { target, low: LEAST_SHARE * lam, high: lam }
    }
}
