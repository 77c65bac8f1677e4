//! Simulated fluorescence with known spikes.
//!
//! ```text
//! spikes -> calcium -> saturation -> x alpha -> bleaching -> + drift -> + noise
//! ```
//!
//! A cell's row depends on the parameters, the seed and the cell's index only: not on how many
//! cells there are, nor on the number of threads. Options that scale with the signal refer to the
//! larger of the cell's largest clean value and the peak of a single spike, so that a cell without
//! spikes has drift and noise like any other.
//!
//! The two-state spike model and the order of the stages follow the published `CaLab` simulator;
//! drift and saturation are those of Deneux et al. (2016), doi:10.1038/ncomms12190, photobleaching
//! that of Charles et al. (2019), doi:10.1101/726174, photon noise that of Rupprecht et al. (2021),
//! doi:10.1038/s41593-021-00895-5.

mod calcium;
mod fluorescence;
mod parameters;
mod spikes;

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::draws::{Draws, Stage};
use crate::error::SolverError;
use calcium::FrameResponse;
use parameters::Cell;
pub use parameters::Parameters;
use spikes::Train;

/// Where a simulation goes: arrays of cells x frames, and one row of four numbers per cell.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// Fluorescence.
    pub traces: &'a mut [f32],
    /// Spike counts per frame.
    pub spikes: &'a mut [f32],
    /// Fluorescence without bleaching, drift and noise.
    pub clean_calcium: &'a mut [f32],
    /// Amplitude, signal-to-noise ratio, rise and decay time constant of each cell.
    pub properties: &'a mut [[f64; 4]],
}

/// One cell's share of [`Outputs`].
struct Row<'a> {
    trace: &'a mut [f32],
    spikes: &'a mut [f32],
    clean_calcium: &'a mut [f32],
    properties: &'a mut [f64; 4],
}

/// Simulates as many cells as `outputs` has room for, `n_frames` frames each.
///
/// ```
/// use calab_solver::simulate::{Outputs, Parameters, simulate_cells};
///
/// let mut parameters = Parameters::new(30.0, 0.1, 0.6);
/// parameters.p_spike_when_silent = 0.01;
/// let (n_cells, n_frames) = (2, 100);
/// let size = n_cells * n_frames;
/// let (mut traces, mut spikes, mut clean) = (vec![0.0; size], vec![0.0; size], vec![0.0; size]);
/// let mut properties = vec![[0.0; 4]; n_cells];
/// let outputs = Outputs {
///     traces: &mut traces,
///     spikes: &mut spikes,
///     clean_calcium: &mut clean,
///     properties: &mut properties,
/// };
/// simulate_cells(&parameters, n_frames, outputs, 2)?;
/// assert!(traces.iter().all(|x| x.is_finite()));
/// # Ok::<(), calab_solver::error::SolverError>(())
/// ```
///
/// # Errors
///
/// [`SolverError::Parameter`] for a parameter outside its range or no frame or thread,
/// [`SolverError::Length`] if the arrays differ in their number of cells.
pub fn simulate_cells(
    parameters: &Parameters,
    n_frames: usize,
    outputs: Outputs<'_>,
    n_threads: usize,
) -> Result<(), SolverError> {
    parameters.check()?;
    check_sizes(n_frames, &outputs, n_threads)?;
    let n_threads = n_threads.min(outputs.properties.len());
    let columns = outputs.spikes.chunks_mut(n_frames);
    let columns = columns.zip(outputs.clean_calcium.chunks_mut(n_frames));
    let rows = outputs.traces.chunks_mut(n_frames).zip(columns).zip(outputs.properties);
    let rows = rows.map(|((trace, (spikes, clean_calcium)), properties)| Row {
        trace,
        spikes,
        clean_calcium,
        properties,
    });
    for_each_row(rows, n_threads, || {
        let mut workspace = vec![0.0; n_frames];
        move |index, row| simulate_cell(parameters, index, row, &mut workspace)
    });
    Ok(())
}

fn check_sizes(n_frames: usize, out: &Outputs<'_>, n_threads: usize) -> Result<(), SolverError> {
    for (name, count) in [("n_frames", n_frames), ("n_threads", n_threads)] {
        if count == 0 {
            return Err(SolverError::parameter(name, "at least 1", &count));
        }
    }
    let expected = out.properties.len().saturating_mul(n_frames);
    let arrays =
        [("traces", &out.traces), ("spikes", &out.spikes), ("clean_calcium", &out.clean_calcium)];
    for (name, array) in arrays {
        if array.len() != expected {
            return Err(SolverError::Length { name, expected, got: array.len() });
        }
    }
    Ok(())
}

/// Hands each row and its index to one of `n_threads` workers, each made by `worker`.
fn for_each_row<T, W>(
    rows: impl Iterator<Item = T> + Send,
    n_threads: usize,
    worker: impl Fn() -> W + Sync,
) where
    W: FnMut(usize, T),
{
    let queue = Mutex::new(rows.enumerate());
    let work = || {
        let mut each = worker();
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((index, row)) = next else { break };
            each(index, row);
        }
    };
    thread::scope(|scope| {
        for _ in 1..n_threads {
            scope.spawn(work);
        }
        work();
    });
}

fn simulate_cell(parameters: &Parameters, index: usize, row: Row<'_>, workspace: &mut [f64]) {
    let draws = |stage| Draws::new(parameters.seed, index, stage);
    let cell = Cell::draw(parameters, &mut draws(Stage::Properties));
    *row.properties = [cell.alpha, cell.snr, cell.tau_rise, cell.tau_decay];

    let steps = parameters.steps_per_frame;
    let n_steps = (workspace.len() * steps) as u64;
    let train = Train::new(&cell.rates, steps, n_steps, draws(Stage::Spikes));
    let response = FrameResponse::new(cell.tau_rise, cell.tau_decay, parameters.fs, steps);
    response.trace(train, workspace, row.spikes);
    cell.fluoresce(workspace);
    for (x, clean) in workspace.iter().zip(row.clean_calcium) {
        *clean = *x as f32;
    }

    let reference = fluorescence::largest(workspace).max(cell.spike_peak());
    if cell.bleach_amplitude > 0.0 {
        let tau = parameters.bleach_tau * parameters.fs;
        fluorescence::bleach(workspace, cell.bleach_amplitude, tau);
    }
    let drift = reference * cell.drift_scale;
    let step = parameters.walk_step * drift;
    if step > 0.0 {
        let mut draws = draws(Stage::Drift);
        fluorescence::add_random_walk(workspace, step, parameters.walk_reversion, &mut draws);
    }
    if parameters.sine_amplitude > 0.0 {
        let amplitude = parameters.sine_amplitude * drift;
        fluorescence::add_sine(workspace, amplitude, cell.sine_cycles);
    }
    let (sigma, shot) = (reference / cell.snr, parameters.shot_fraction);
    fluorescence::add_noise(workspace, sigma, reference, shot, &mut draws(Stage::Noise));
    for (trace, x) in row.trace.iter_mut().zip(workspace) {
        *trace = *x as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Simulated {
        traces: Vec<f32>,
        spikes: Vec<f32>,
        clean_calcium: Vec<f32>,
        properties: Vec<[f64; 4]>,
    }

    fn simulate(p: &Parameters, n_cells: usize, n_frames: usize, n_threads: usize) -> Simulated {
        let zeros = vec![0.0; n_cells * n_frames];
        let mut out = Simulated {
            traces: zeros.clone(),
            spikes: zeros.clone(),
            clean_calcium: zeros,
            properties: vec![[0.0; 4]; n_cells],
        };
        let outputs = Outputs {
            traces: &mut out.traces,
            spikes: &mut out.spikes,
            clean_calcium: &mut out.clean_calcium,
            properties: &mut out.properties,
        };
        simulate_cells(p, n_frames, outputs, n_threads).unwrap();
        out
    }

    fn everything_on() -> Parameters {
        Parameters {
            tau_rise_cv: 0.5,
            tau_decay_cv: 0.5,
            p_silent_to_active: 0.02,
            p_active_to_silent: 0.3,
            p_spike_when_active: 0.5,
            p_spike_when_silent: 0.002,
            p_silent_to_active_cv: 0.2,
            alpha_cv: 0.3,
            k_d: Some(5.0),
            k_d_cv: 0.1,
            hill_coefficient: 1.5,
            walk_step: 0.002,
            walk_reversion: 0.001,
            sine_amplitude: 0.1,
            drift_cv: 0.2,
            bleach_amplitude: 0.2,
            bleach_amplitude_cv: 0.1,
            snr_spread: 2.0,
            shot_fraction: 0.3,
            ..Parameters::new(30.0, 0.1, 0.6)
        }
    }

    #[test]
    fn a_cell_depends_on_seed_and_index_only() {
        let parameters = everything_on();
        let many = simulate(&parameters, 7, 500, 3);
        let few = simulate(&parameters, 3, 500, 1);
        let bits = |x: &[f32]| x.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&many.traces[..1500]), bits(&few.traces));
        assert_eq!(bits(&many.clean_calcium[..1500]), bits(&few.clean_calcium));
        assert_eq!(bits(&many.spikes[..1500]), bits(&few.spikes));
        assert_eq!(many.properties[..3], few.properties);
        let other = simulate(&Parameters { seed: 43, ..parameters }, 3, 500, 1);
        assert_ne!(bits(&few.traces), bits(&other.traces));
        assert_ne!(few.traces[..500], few.traces[500..1000]);
    }

    #[test]
    fn what_happens_after_the_spikes_does_not_change_them() {
        let mut parameters = everything_on();
        let before = simulate(&parameters, 3, 500, 1);
        parameters.snr = 2.0;
        parameters.shot_fraction = 0.0;
        parameters.walk_step = 0.0;
        parameters.k_d = None;
        let after = simulate(&parameters, 3, 500, 1);
        assert_eq!(before.spikes, after.spikes);
        assert_ne!(before.traces, after.traces);
    }

    #[test]
    fn a_silent_cell_has_noise_and_drift_of_one_spike() {
        let mut parameters = Parameters::new(30.0, 0.1, 0.6);
        (parameters.alpha_mean, parameters.snr) = (3.0, 6.0);
        let noise = simulate(&parameters, 1, 100_000, 1);
        assert!(noise.clean_calcium.iter().all(|&x| x == 0.0));
        let power = noise.traces.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e5;
        assert!((power / 0.25 - 1.0).abs() < 0.03, "{power}");
        parameters.sine_amplitude = 10.0;
        let drifting = simulate(&parameters, 1, 100_000, 1);
        let largest = drifting.traces.iter().copied().fold(0.0, f32::max);
        assert!((largest - 30.0).abs() < 2.5, "{largest}");
    }

    #[test]
    fn bleaching_spares_the_drift() {
        let mut parameters = Parameters::new(30.0, 0.1, 0.6);
        (parameters.walk_step, parameters.snr) = (0.1, 1e9);
        let plain = simulate(&parameters, 1, 1000, 1);
        (parameters.bleach_amplitude, parameters.bleach_tau) = (1.0, 1.0);
        let bleached = simulate(&parameters, 1, 1000, 1);
        assert_eq!(plain.traces, bleached.traces);
    }

    #[test]
    fn saturation_keeps_the_amplitude_as_scale() {
        let mut parameters = everything_on();
        let one = simulate(&parameters, 1, 1000, 1);
        parameters.alpha_mean = 4.0;
        let four = simulate(&parameters, 1, 1000, 1);
        for (a, b) in one.clean_calcium.iter().zip(&four.clean_calcium) {
            assert!((4.0 * a - b).abs() <= 1e-6 * b.abs());
        }
    }

    #[test]
    fn sizes_are_checked() {
        let parameters = Parameters::new(30.0, 0.1, 0.6);
        let run = |n_frames, n_threads, length| {
            let (mut a, mut b, mut c) = (vec![0.0; length], vec![0.0; 20], vec![0.0; 20]);
            let mut properties = [[0.0; 4]; 2];
            let outputs = Outputs {
                traces: &mut a,
                spikes: &mut b,
                clean_calcium: &mut c,
                properties: &mut properties,
            };
            simulate_cells(&parameters, n_frames, outputs, n_threads).map_err(|e| e.to_string())
        };
        assert_eq!(run(10, 1, 20), Ok(()));
        assert_eq!(run(10, 1, 19), Err("traces: expected length 20, got 19".into()));
        assert_eq!(run(0, 1, 20), Err("n_frames: expected at least 1, got 0".into()));
        assert_eq!(run(10, 0, 20), Err("n_threads: expected at least 1, got 0".into()));
    }
}
