use calab_solver::ar2::Ar2;
use calab_solver::exact::*;
use calab_solver::interior::{Settings, Sparsity};
use fearless_simd::Level;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args[1].parse().unwrap();
    let lam: f64 = args[2].parse().unwrap();
    let noise: f64 = args[3].parse().unwrap();
    let mode = args.get(4).map_or("", |s| s.as_str());
    let (tr, td, fs) = if mode.contains('s') {
        (0.4, 1.8, 30.0)
    } else if mode.contains('S') {
        (2.9, 3.0, 300.0)
    } else {
        (0.1, 0.6, 30.0)
    };
    let ar2 = Ar2::new(tr, td, fs).unwrap();
    let mut x: u64 = 88172645463325252;
    let mut u = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 11) as f64 / (1u64 << 53) as f64
    };
    let traces: Vec<Vec<f64>> = (0..8)
        .map(|_| {
            let s: Vec<f64> = (0..n).map(|_| if u() < 0.03 { 1.0 } else { 0.0 }).collect();
            let mut c = vec![0.0; n];
            ar2.forward(&s, &mut c);
            c.iter_mut().for_each(|c| {
                let g: f64 = (0..12).map(|_| u()).sum::<f64>() - 6.0;
                *c += noise * g;
            });
            if mode.contains('g') {
                for t in n / 3..n / 3 + n / 20 {
                    c[t] = f64::NAN;
                }
            }
            c
        })
        .collect();
    let sp = if mode.contains('a') {
        let h2: f64 = {
            let k = calab_solver::kernel::build_kernel(0.1, 0.6, 30.0).unwrap();
            k.iter().map(|h| h * h).sum::<f64>().sqrt()
        };
        let high = noise * h2 * (2.0 * (n as f64).ln()).sqrt() / ar2.dc_gain;
        Sparsity::Residual {
            target: noise * noise * (n as f64 + 2.0 * (2.0 * n as f64).sqrt()),
            low: 0.1 * high,
            high,
        }
    } else {
        Sparsity::Given(lam)
    };
    let settings = Settings {
        ar2,
        segments: vec![(0, n)],
        boxed: mode.contains('b'),
        offset: mode.contains('o') || mode.contains('a'),
        tol: 1e-6,
        max_iters: 2000,
    };
    let cells: Vec<Cell> = traces
        .iter()
        .map(|t| Cell { trace: t, sparsity: sp, offset_floor: settings.offset.then_some(-noise) })
        .collect();
    let g = Exact::cells_together(&settings, n);
    let mut ex = Exact::new(settings, Level::new());
    let mut best = f64::MAX;
    let mut sols: Vec<Solution> = (0..8).map(|_| Solution::default()).collect();
    for _ in 0..7 {
        let t0 = Instant::now();
        for (c, s) in cells.chunks(g).zip(sols.chunks_mut(g)) {
            ex.solve(c, s, &|| false).unwrap();
        }
        best = best.min(t0.elapsed().as_secs_f64());
    }
    println!(
        "{:.3} ms/cell {:.4} us/frame, {} together",
        best * 1e3 / 8.0,
        best * 1e6 / 8.0 / n as f64,
        g
    );
    for o in sols.iter().take(args.get(5).map_or(2, |s| s.parse().unwrap())) {
        let c = o.certificate.unwrap();
        println!(
            "  it {} conv {} relgap {:.2e} gap0 {:.2e} lam {:.4} {:?} off {:.4} nnz {} sum {:.3} min {:.1e}",
            o.iterations,
            o.converged,
            c.gap / c.objective,
            c.gap / c.power,
            o.lam,
            o.rule,
            o.offset,
            o.sources.iter().filter(|s| **s > 0.0).count(),
            o.sources.iter().sum::<f64>() * ar2.peak,
            o.sources.iter().fold(0.0, |a: f64, b| a.min(*b))
        );
    }
}
