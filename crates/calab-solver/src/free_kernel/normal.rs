//! Gram matrix and cross product of the convolution with sparse spike trains.
//!
//! Frame `i` lies at bin `i u` and sees the spike of bin `k` at lag `i u - k`, so the row of frame
//! `i` is `S_i[a] = s[i u - a]`. Shifting both lags by a whole frame gives, over the recorded
//! frames `p..q` of a run,
//!
//! ```text
//! G[a+u][b+u] = G[a][b] + S_{p-1}[a] S_{p-1}[b] - S_{q-1}[a] S_{q-1}[b]
//! ```
//!
//! exactly: only the first `u` rows need the pairs of spikes, each of which falls on one entry.

use crate::error::{SolverError, check_finite};

/// A trace whose spikes are smaller than this says nothing about their shape and is left out.
pub const LEAST_ALPHA: f64 = 1e-20;

/// Most lags of a kernel; the Gram matrix then takes 128 MiB and its factor as much.
pub const MAX_UNKNOWNS: usize = 4096;

/// All that traces and their spikes say about a kernel of given length; additive over traces.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalEquations {
    length: usize,
    upsample: usize,
    /// Rows `0..upsample` of the Gram matrix, from the diagonal on.
    head: Vec<f64>,
    /// What the next frame's shift loses at the ends of runs, less what it gains at their starts.
    edge: Vec<f64>,
    cross: Vec<f64>,
    power: f64,
    n_samples: usize,
}

impl NormalEquations {
    /// No traces yet; a kernel of `kernel_length` bins, `upsample` of them per frame.
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] for a kernel without or with more than [`MAX_UNKNOWNS`] bins, or
    /// an `upsample` of 0.
    pub fn new(kernel_length: usize, upsample: usize) -> Result<Self, SolverError> {
        if !(1..=MAX_UNKNOWNS).contains(&kernel_length) {
            let expected = "1 to 4096 samples that the traces can reach";
            return Err(SolverError::parameter("kernel_length", expected, &kernel_length));
        }
        if upsample == 0 {
            return Err(SolverError::parameter("upsample_factor", "at least 1", &upsample));
        }
        Ok(Self {
            length: kernel_length,
            upsample,
            head: vec![0.0; upsample.min(kernel_length) * kernel_length],
            edge: vec![0.0; kernel_length * kernel_length],
            cross: vec![0.0; kernel_length],
            power: 0.0,
            n_samples: 0,
        })
    }

    /// Bins of the kernel.
    #[must_use]
    pub fn kernel_length(&self) -> usize {
        self.length
    }

    /// Bins per frame.
    #[must_use]
    pub fn upsample(&self) -> usize {
        self.upsample
    }

    /// `Σ Sᵀ y` over the traces, by lag.
    #[must_use]
    pub fn cross(&self) -> &[f64] {
        &self.cross
    }

    /// Sum of the squared targets `(y - b)/α`.
    #[must_use]
    pub fn power(&self) -> f64 {
        self.power
    }

    /// Recorded frames of the traces that count.
    #[must_use]
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Adds one trace with its spikes as ascending bins (`upsample` per frame) and weights.
    ///
    /// A trace with `|alpha|` below [`LEAST_ALPHA`] adds nothing; frames that are NaN are left out.
    ///
    /// # Errors
    ///
    /// [`SolverError::Parameter`] for infinite samples, spikes out of order, outside the trace,
    /// negative or not finite, or a target whose square is not finite; nothing is added then.
    pub fn add(
        &mut self,
        trace: &[f64],
        spikes: &[(usize, f64)],
        alpha: f64,
        baseline: f64,
    ) -> Result<(), SolverError> {
        check_finite("alphas", "finite values", alpha)?;
        check_finite("baselines", "finite values", baseline)?;
        check_spikes(spikes, trace.len() * self.upsample)?;
        if let Some((frame, y)) = trace.iter().enumerate().find(|(_, y)| y.is_infinite()) {
            let got = format!("{y} at frame {frame}");
            return Err(SolverError::parameter("traces_flat", "finite values or NaN", &got));
        }
        if alpha.abs() < LEAST_ALPHA {
            return Ok(());
        }
        let target: Vec<f64> = trace.iter().map(|y| (y - baseline) / alpha).collect();
        let power = target.iter().filter(|y| !y.is_nan()).map(|y| y * y).sum::<f64>();
        check_finite("alphas", "traces whose squares are finite in units of it", power)?;
        self.power += power;
        self.n_samples += target.iter().filter(|y| !y.is_nan()).count();
        self.add_cross(&target, spikes);
        self.add_pairs(&target, spikes);
        self.add_edges(&target, spikes);
        Ok(())
    }

    /// Adds what other traces said about the same kernel.
    ///
    /// # Errors
    ///
    /// [`SolverError::Length`] if the kernels differ in length or bins per frame.
    pub fn merge(&mut self, other: &Self) -> Result<(), SolverError> {
        crate::error::check_length("kernel_length", self.length, other.length)?;
        crate::error::check_length("upsample_factor", self.upsample, other.upsample)?;
        let pairs = [
            (&mut self.head, &other.head),
            (&mut self.edge, &other.edge),
            (&mut self.cross, &other.cross),
        ];
        for (mine, theirs) in pairs {
            mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
        }
        self.power += other.power;
        self.n_samples += other.n_samples;
        Ok(())
    }

    /// The Gram matrix `Σ SᵀS`, row by row.
    #[must_use]
    pub fn gram(&self) -> Vec<f64> {
        let (n, u) = (self.length, self.upsample);
        let mut gram = vec![0.0; n * n];
        for a in 0..n {
            for b in a..n {
                let value = if a < u {
                    self.head[a * n + b]
                } else {
                    let before = (a - u) * n + b - u;
                    gram[before] - self.edge[before]
                };
                gram[a * n + b] = value;
                gram[b * n + a] = value;
            }
        }
        gram
    }

    fn add_cross(&mut self, target: &[f64], spikes: &[(usize, f64)]) {
        // A frame that was not recorded adds 0 to every sum.
        let seen: Vec<f64> = target.iter().map(|y| if y.is_nan() { 0.0 } else { *y }).collect();
        for &(bin, weight) in spikes {
            let frame = bin.div_ceil(self.upsample);
            let first = frame * self.upsample - bin;
            let Some(later) = seen.get(frame..) else { continue };
            if self.upsample == 1 {
                self.cross.iter_mut().zip(later).for_each(|(c, y)| *c += weight * y);
            } else {
                let lags = self.cross.iter_mut().skip(first).step_by(self.upsample);
                lags.zip(later).for_each(|(c, y)| *c += weight * y);
            }
        }
    }

    /// Adds the pairs at the first frame that sees the later spike of each.
    fn add_pairs(&mut self, target: &[f64], spikes: &[(usize, f64)]) {
        let mut oldest = 0;
        for (index, &(bin, weight)) in spikes.iter().enumerate() {
            let frame = bin.div_ceil(self.upsample);
            let now = frame * self.upsample;
            if now - bin >= self.length || target.get(frame).is_none_or(|y| y.is_nan()) {
                continue;
            }
            while now - spikes[oldest].0 >= self.length {
                oldest += 1;
            }
            let row = &mut self.head[(now - bin) * self.length..][..self.length];
            for &(other, factor) in &spikes[oldest..=index] {
                row[now - other] += weight * factor;
            }
        }
    }

    fn add_edges(&mut self, target: &[f64], spikes: &[(usize, f64)]) {
        let mut recorded = false;
        for (frame, y) in target.iter().enumerate() {
            if y.is_nan() == recorded {
                // A run ends or starts here, and the frame before is what the shift misses.
                self.add_edge(frame, spikes, if recorded { 1.0 } else { -1.0 });
                recorded = !recorded;
            }
        }
        if recorded {
            self.add_edge(target.len(), spikes, 1.0);
        }
    }

    fn add_edge(&mut self, end: usize, spikes: &[(usize, f64)], sign: f64) {
        let Some(frame) = end.checked_sub(1) else { return };
        let now = frame * self.upsample;
        let newest = spikes.partition_point(|&(bin, _)| bin <= now);
        let oldest = spikes.partition_point(|&(bin, _)| bin + self.length <= now);
        let seen = &spikes[oldest..newest];
        for (index, &(bin, weight)) in seen.iter().enumerate() {
            let row = &mut self.edge[(now - bin) * self.length..][..self.length];
            for &(other, factor) in &seen[..=index] {
                row[now - other] += sign * weight * factor;
            }
        }
    }
}

fn check_spikes(spikes: &[(usize, f64)], n_bins: usize) -> Result<(), SolverError> {
    const NAME: &str = "spikes_flat";
    if let Some((bin, weight)) = spikes.iter().find(|(_, w)| !(w.is_finite() && *w >= 0.0)) {
        let got = format!("{weight} at bin {bin}");
        return Err(SolverError::parameter(NAME, "finite values of at least 0", &got));
    }
    if let Some(pair) = spikes.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
        let got = format!("{} after {}", pair[1].0, pair[0].0);
        return Err(SolverError::parameter(NAME, "ascending bins", &got));
    }
    match spikes.last() {
        Some(&(bin, _)) if bin >= n_bins => {
            let got = format!("{bin} for {n_bins} bins");
            Err(SolverError::parameter(NAME, "bins inside the trace", &got))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of the recorded frames, written down from their definition.
    fn dense(trace: &[f64], spikes: &[(usize, f64)], length: usize, u: usize) -> Vec<Vec<f64>> {
        let row = |frame: usize| {
            let mut row = vec![0.0; length];
            for &(bin, weight) in spikes {
                if bin <= frame * u && frame * u - bin < length {
                    row[frame * u - bin] += weight;
                }
            }
            row
        };
        (0..trace.len()).filter(|&i| !trace[i].is_nan()).map(row).collect()
    }

    fn assert_exact(trace: &[f64], spikes: &[(usize, f64)], length: usize, u: usize) {
        let mut equations = NormalEquations::new(length, u).unwrap();
        equations.add(trace, spikes, 2.0, 1.0).unwrap();
        let (rows, gram) = (dense(trace, spikes, length, u), equations.gram());
        let seen: Vec<f64> =
            trace.iter().filter(|y| !y.is_nan()).map(|y| (y - 1.0) / 2.0).collect();
        for a in 0..length {
            for b in 0..length {
                let expected: f64 = rows.iter().map(|row| row[a] * row[b]).sum();
                // Sums of multiples of a quarter: no rounding.
                let got = gram[a * length + b];
                assert!((got - expected).abs() < 1e-12, "entry {a}, {b} of {length}, {u}");
            }
            let expected: f64 = rows.iter().zip(&seen).map(|(row, y)| row[a] * y).sum();
            assert!((equations.cross()[a] - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn shifted_sums_equal_the_definition_with_gaps_and_borders() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for u in [1, 2, 3, 7] {
            for length in [1, 2, 5, 16, 40] {
                let trace: Vec<f64> = (0..25)
                    .map(|_| if draw(5) == 0 { f64::NAN } else { draw(64) as f64 })
                    .collect();
                let spikes: Vec<(usize, f64)> = (0..25 * u)
                    .map(|bin| (bin, (draw(9) / 3) as f64 / 2.0))
                    .filter(|spike| spike.1 > 0.0)
                    .collect();
                assert_exact(&trace, &spikes, length, u);
                assert_exact(&trace[..1], &[], length, u);
            }
        }
    }

    #[test]
    fn merging_equals_adding_and_traces_do_not_touch() {
        let (first, second) = ([1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0]);
        let mut both = NormalEquations::new(3, 1).unwrap();
        both.add(&first, &[(3, 2.0)], 1.0, 0.0).unwrap();
        let mut other = NormalEquations::new(3, 1).unwrap();
        other.add(&second, &[(0, 1.0)], 1.0, 0.0).unwrap();
        both.add(&second, &[(0, 1.0)], 1.0, 0.0).unwrap();
        let mut merged = NormalEquations::new(3, 1).unwrap();
        merged.add(&first, &[(3, 2.0)], 1.0, 0.0).unwrap();
        merged.merge(&other).unwrap();
        assert_eq!(merged, both);
        // The spike of the last frame of the first trace is seen there only, at lag 0.
        assert_eq!(both.gram(), [5.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
        assert!(merged.merge(&NormalEquations::new(4, 1).unwrap()).is_err());
    }

    #[test]
    fn traces_without_amplitude_add_nothing_and_bad_ones_are_refused() {
        let empty = NormalEquations::new(3, 2).unwrap();
        let mut equations = empty.clone();
        equations.add(&[1.0, 2.0], &[(1, 1.0)], 1e-21, 0.0).unwrap();
        for spikes in [&[(4, 1.0)][..], &[(1, 1.0), (1, 1.0)], &[(0, -1.0)], &[(0, f64::NAN)]] {
            assert!(equations.add(&[1.0, 2.0], spikes, 1.0, 0.0).is_err());
        }
        assert!(equations.add(&[f64::INFINITY], &[], 1.0, 0.0).is_err());
        assert!(equations.add(&[1e200], &[], 1e-19, 0.0).is_err());
        assert_eq!(equations, empty);
    }
}
