//! Cut into windows or whole, alone or beside others, on any instruction set: one answer.

use calab_solver::exact::{Cell, Exact};
use calab_solver::interior::{Settings, Sparsity};
use fearless_simd::Level;

use crate::data::{bits, levels, settings, solve, solve_all, trace, usual};

/// The decay of 18 frames asks for halos of 180 frames and cores of at least 1080.
const LENGTHS: [usize; 6] = [900, 2200, 4400, 8700, 34_000, 40_001];

fn given(trace: &[f64], lam: f64) -> Cell<'_> {
    Cell { trace, sparsity: Sparsity::Given(lam), offset_floor: None }
}

#[test]
fn long_traces_are_cut_and_proved() {
    let ar2 = usual();
    let mut together = Vec::new();
    for frames in LENGTHS {
        let settings = settings(ar2, frames);
        together.push(Exact::cells_together(&settings));
        let trace = trace(&ar2, frames, 0.1, frames as u64);
        for lam in [0.3, 0.01] {
            let solution = solve(&settings, &trace, lam, 0.0);
            assert!(solution.converged, "{frames} {lam}: {:?}", solution.certificate);
        }
    }
    assert_eq!(together, [8, 4, 2, 1, 1, 1]);
}

#[test]
fn windows_agree_with_the_whole() {
    let ar2 = usual();
    let frames = 8700;
    let trace = trace(&ar2, frames, 0.1, 11);
    let cut = settings(ar2, frames);
    // An offset is never cut.
    let whole = Settings { offset: true, ..cut.clone() };
    let stitched = solve(&cut, &trace, 0.3, 0.0);
    let raised: Vec<f64> = trace.iter().map(|y| y - 10.0).collect();
    let whole = solve(&whole, &raised, 0.3, -10.0);
    assert!(stitched.converged && whole.converged);
    let (a, b) = (stitched.certificate, whole.certificate);
    // With the floor at -10 the offset may rise above it, so the whole may only be better.
    assert!(b.objective <= a.objective + a.gap + b.gap);
    let distance: f64 = stitched
        .calcium
        .iter()
        .zip(&whole.calcium)
        .map(|(a, b)| (a - b - whole.offset - 10.0) * (a - b - whole.offset - 10.0))
        .sum();
    let allowed = 2.0 * (a.objective - b.objective + a.gap + b.gap);
    assert!(distance <= 4.0 * allowed + 1e-9, "{distance} {allowed}");
}

#[test]
fn a_cell_does_not_depend_on_its_neighbours() {
    let ar2 = usual();
    for (frames, offset) in [(300, false), (2200, false), (300, true)] {
        let settings = Settings { offset, ..settings(ar2, frames) };
        let mut traces: Vec<Vec<f64>> =
            (0..11).map(|k| trace(&ar2, frames, 0.05 * k as f64, 20 + k)).collect();
        traces[4][40..90].fill(f64::NAN);
        traces[5].fill(0.0);
        traces[6].fill(f64::NAN);
        traces[7].iter_mut().for_each(|y| *y *= 1e8);
        let floor = offset.then_some(-0.2);
        let cells: Vec<Cell<'_>> =
            traces.iter().map(|trace| Cell { offset_floor: floor, ..given(trace, 0.02) }).collect();
        let together = solve_all(&settings, &cells, Level::new());
        for (i, cell) in cells.iter().enumerate() {
            let alone = solve_all(&settings, &[*cell], Level::new()).remove(0);
            assert_eq!(bits(&alone), bits(&together[i]), "cell {i} of {frames} frames");
        }
    }
}

#[test]
fn a_cell_does_not_depend_on_what_the_workspace_held() {
    let ar2 = usual();
    let settings = settings(ar2, 700);
    let (mut first, second) = (trace(&ar2, 700, 0.1, 31), trace(&ar2, 700, 0.1, 32));
    first[650..].fill(f64::NAN);
    let mut exact = Exact::new(settings.clone(), Level::new());
    exact.solve(&[given(&first, 0.0)], &|| false, &mut |_, _| ()).unwrap();
    let mut used = Vec::new();
    exact.solve(&[given(&second, 0.1)], &|| false, &mut |_, s| used = bits(s)).unwrap();
    assert_eq!(used, bits(&solve(&settings, &second, 0.1, 0.0)));
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let ar2 = usual();
    for (gaps, offset, boxed) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
    {
        let settings = Settings { offset, boxed, ..settings(ar2, 1300) };
        let traces: Vec<Vec<f64>> = (0..3)
            .map(|k| {
                let mut trace = trace(&ar2, 1300, 0.1, 40 + k);
                if gaps {
                    trace[500..560].fill(f64::NAN);
                }
                trace
            })
            .collect();
        let cells: Vec<Cell<'_>> = traces
            .iter()
            .map(|trace| Cell { offset_floor: offset.then_some(-0.1), ..given(trace, 0.05) })
            .collect();
        let answers: Vec<Vec<Vec<u64>>> = levels()
            .into_iter()
            .map(|level| solve_all(&settings, &cells, level).iter().map(bits).collect())
            .collect();
        assert!(answers.len() >= 2, "this processor has a choice");
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{gaps} {offset} {boxed}");
    }
}

#[test]
fn an_interruption_comes_back() {
    let ar2 = usual();
    let settings = settings(ar2, 300);
    let trace = trace(&ar2, 300, 0.1, 1);
    let mut exact = Exact::new(settings, Level::new());
    let result = exact.solve(&[given(&trace, 0.1)], &|| true, &mut |_, _| ());
    assert_eq!(result, Err(calab_solver::error::SolverError::Interrupted));
}
