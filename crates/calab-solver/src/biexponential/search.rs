//! Levenberg-Marquardt for a few variables with bounds.

/// Steps after which a search gives up; from a good start it takes about ten.
const MAX_STEPS: usize = 300;

/// A step of this size in the logarithm of a time constant ends the search.
const LEAST_STEP: f64 = 1e-9;

/// Half the squared misfit at a point, its gradient and its Gauss-Newton curvature.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local<const N: usize> {
    pub(super) objective: f64,
    pub(super) gradient: [f64; N],
    pub(super) curvature: [[f64; N]; N],
}

/// What is minimised; `None` where no amplitude above zero fits.
pub(super) trait Objective<const N: usize> {
    fn local(&self, point: &[f64; N]) -> Option<Local<N>>;

    /// The bounds of variable `i`, which may depend on the variables before it.
    fn bounds(&self, point: &[f64; N], i: usize) -> (f64, f64);
}

/// Goes down from a start until the steps vanish.
pub(super) fn descend<const N: usize>(
    problem: &impl Objective<N>,
    start: [f64; N],
) -> Option<([f64; N], Local<N>)> {
    let mut point = bounded(problem, start);
    let mut here = problem.local(&point)?;
    let mut damping = 1e-3;
    for _ in 0..MAX_STEPS {
        let step = step(problem, &point, &here, damping);
        let next = bounded(problem, std::array::from_fn(|i| point[i] + step[i]));
        let size = (0..N).map(|i| (next[i] - point[i]).abs()).fold(0.0, f64::max);
        match problem.local(&next) {
            Some(local) if local.objective < here.objective => {
                (point, here) = (next, local);
                damping = (0.1 * damping).max(1e-12);
            }
            _ => damping *= 10.0,
        }
        if size < LEAST_STEP {
            break;
        }
    }
    Some((point, here))
}

fn bounded<const N: usize>(problem: &impl Objective<N>, mut point: [f64; N]) -> [f64; N] {
    for i in 0..N {
        let (least, most) = problem.bounds(&point, i);
        point[i] = point[i].min(most).max(least);
    }
    point
}

/// The damped Gauss-Newton step of the variables that no bound holds.
fn step<const N: usize>(
    problem: &impl Objective<N>,
    point: &[f64; N],
    here: &Local<N>,
    damping: f64,
) -> [f64; N] {
    let free: [bool; N] = std::array::from_fn(|i| {
        let (least, most) = problem.bounds(point, i);
        let held = if here.gradient[i] > 0.0 { point[i] <= least } else { point[i] >= most };
        !held && here.curvature[i][i] > 0.0
    });
    // In units of the curvature: the damping then means the same for each variable.
    let scale: [f64; N] =
        std::array::from_fn(|i| if free[i] { 1.0 / here.curvature[i][i].sqrt() } else { 0.0 });
    let mut matrix = [[0.0; N]; N];
    let mut step = [0.0; N];
    for i in 0..N {
        for j in 0..N {
            matrix[i][j] = here.curvature[i][j] * scale[i] * scale[j];
        }
        matrix[i][i] = 1.0 + damping;
        step[i] = -here.gradient[i] * scale[i];
    }
    solve(&mut matrix, &mut step);
    // No time constant changes more than threefold at once.
    std::array::from_fn(|i| (step[i] * scale[i]).clamp(-1.1, 1.1))
}

/// Gaussian elimination of a positive definite system; the solution replaces the right side.
fn solve<const N: usize>(matrix: &mut [[f64; N]; N], right: &mut [f64; N]) {
    for k in 0..N {
        let pivot = matrix[k];
        for i in k + 1..N {
            let factor = matrix[i][k] / pivot[k];
            matrix[i].iter_mut().zip(&pivot).for_each(|(x, y)| *x -= factor * y);
            right[i] -= factor * right[k];
        }
    }
    for k in (0..N).rev() {
        let known: f64 = (k + 1..N).map(|j| matrix[k][j] * right[j]).sum();
        right[k] = (right[k] - known) / matrix[k][k];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's valley as squares, `y >= 2 x` held.
    struct Valley {
        least: f64,
    }

    impl Objective<2> for Valley {
        fn local(&self, &[x, y]: &[f64; 2]) -> Option<Local<2>> {
            let (residual, rows) =
                ([1.0 - x, 10.0 * (y - x * x)], [[-1.0, 0.0], [-20.0 * x, 10.0]]);
            let sum = |f: &dyn Fn(usize) -> f64| f(0) + f(1);
            Some(Local {
                objective: 0.5 * sum(&|k| residual[k] * residual[k]),
                gradient: [0, 1].map(|i| sum(&|k| residual[k] * rows[k][i])),
                curvature: [0, 1].map(|i| [0, 1].map(|j| sum(&|k| rows[k][i] * rows[k][j]))),
            })
        }

        fn bounds(&self, _: &[f64; 2], i: usize) -> (f64, f64) {
            if i == 0 { (self.least, 10.0) } else { (-10.0, 10.0) }
        }
    }

    #[test]
    fn finds_the_bottom_of_a_curved_valley() {
        let ([x, y], _) = descend(&Valley { least: -10.0 }, [-1.2, 1.0]).unwrap();
        assert!((x - 1.0).abs() < 1e-8 && (y - 1.0).abs() < 1e-8);
    }

    #[test]
    fn a_bound_holds_and_the_rest_goes_on() {
        let ([x, y], _) = descend(&Valley { least: 1.5 }, [3.0, 1.0]).unwrap();
        assert!((x - 1.5).abs() < 1e-12 && (y - 2.25).abs() < 1e-7);
    }
}
