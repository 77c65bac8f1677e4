//! Reproducible traces and shorthands for the exact solver.

use calab_solver::ar2::Ar2;
use calab_solver::exact::{Cell, Exact, Solution};
use calab_solver::interior::{Settings, Sparsity};
use fearless_simd::Level;

/// Uniform numbers in 0..1.
pub(crate) struct Uniform(u64);

impl Uniform {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Nearly normal: a sum of twelve.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// Response to one spike in thirty frames, with white noise.
pub(crate) fn trace(ar2: &Ar2, frames: usize, noise: f64, seed: u64) -> Vec<f64> {
    let mut random = Uniform::new(seed);
    let source: Vec<f64> = (0..frames).map(|_| f64::from(random.next() < 0.03)).collect();
    let mut trace = vec![0.0; frames];
    ar2.forward(&source, &mut trace);
    for y in &mut trace {
        *y += noise * random.normal();
    }
    trace
}

/// 0.1 s up and 0.6 s down at 30 Hz.
pub(crate) fn usual() -> Ar2 {
    Ar2::new(0.1, 0.6, 30.0).unwrap()
}

/// One piece, sources above 0, no offset, gaps of 1e-6.
pub(crate) fn settings(ar2: Ar2, frames: usize) -> Settings {
    Settings {
        ar2,
        segments: if frames > 0 { vec![(0, frames)] } else { vec![] },
        boxed: false,
        offset: false,
        tol: 1e-6,
        max_iters: 2000,
    }
}

/// Solves cells side by side.
pub(crate) fn solve_all(settings: &Settings, cells: &[Cell<'_>], level: Level) -> Vec<Solution> {
    let mut solutions = vec![Solution::default(); cells.len()];
    let mut told = vec![0; cells.len()];
    Exact::new(settings.clone(), level)
        .solve(cells, &|| false, &mut |i, solution| {
            solutions[i].clone_from(solution);
            told[i] += 1;
        })
        .unwrap();
    assert!(told.iter().all(|&count| count == 1), "every cell is answered once: {told:?}");
    solutions
}

/// Solves one cell for a given `lam`, with an offset of at least `floor` if the settings have one.
pub(crate) fn solve(settings: &Settings, trace: &[f64], lam: f64, floor: f64) -> Solution {
    let sparsity = Sparsity::Given(lam);
    let cell = Cell { trace, sparsity, offset_floor: settings.offset.then_some(floor) };
    solve_all(settings, &[cell], Level::new()).remove(0)
}

/// The instruction sets of this processor.
pub(crate) fn levels() -> Vec<Level> {
    #[cfg(target_arch = "x86_64")]
    {
        let best = Level::new();
        [
            best.as_sse2().map(Level::Sse2),
            best.as_sse4_2().map(Level::Sse4_2),
            best.as_avx2().map(Level::Avx2),
            best.as_avx512().map(Level::Avx512),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    vec![Level::new(), Level::baseline()]
}

/// The bits of all numbers of an answer.
pub(crate) fn bits(solution: &Solution) -> Vec<u64> {
    let scalars = [
        solution.offset,
        solution.lam,
        solution.certificate.gap,
        solution.certificate.objective,
        solution.iterations as f64,
    ];
    let numbers = solution.sources.iter().chain(&solution.calcium).chain(&scalars);
    numbers.map(|number| number.to_bits()).collect()
}
