//! What windows say of the kernel, given their explanations.

use super::transient::Transient;
use super::window::Window;
use crate::spikes::Spot;

/// Unknowns of a transient: log rise, log decay, time, and gain.
const UNKNOWNS: usize = 4;
/// Share of the frames with most calcium that count as busy, and of those with least as quiet; of
/// frames with equal calcium on the border none are busy and all are quiet.
const BUSY: f64 = 0.1;
const QUIET: f64 = 0.5;

/// Sums over windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Derivatives of the log likelihood by log rise and log decay.
    pub(super) score: [f64; 2],
    /// Information on the unknowns.
    pub(super) information: [[f64; UNKNOWNS]; UNKNOWNS],
    /// Squared residuals and their number, where there is most calcium and where there is least.
    busy: [f64; 2],
    quiet: [f64; 2],
    /// Products of residuals one frame apart, and squares.
    lagged: f64,
    power: f64,
}

/// Newton's step for the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// For log rise at the same decay, and for log decay with the rise that goes with it.
    pub(super) rise: f64,
    pub(super) decay: f64,
    /// How far log rise goes with log decay.
    pub(super) follow: f64,
    /// Standard deviation of both, were the events the true ones.
    pub(super) noise: [f64; 2],
}

impl Tally {
    /// What one window says.
    pub(super) fn of(window: &Window, transient: &Transient) -> Self {
        let n = window.left.len();
        let mut slopes: [Vec<f64>; UNKNOWNS] = std::array::from_fn(|_| vec![0.0; n]);
        for event in &window.events {
            let Spot { frame, phase } = transient.shape.spot(event.bin);
            for (by, slope) in slopes.iter_mut().enumerate() {
                let table =
                    if by < 3 { transient.slope(by, phase) } else { transient.heights(phase) };
                for (sum, change) in slope[frame..].iter_mut().zip(table) {
                    *sum += event.amplitude * change;
                }
            }
        }
        let mut tally = Self::default();
        for t in (0..n).filter(|&t| window.recorded[t]) {
            let row: [f64; UNKNOWNS] = std::array::from_fn(|by| slopes[by][t]);
            for (by, change) in row.iter().enumerate() {
                if by < 2 {
                    tally.score[by] += window.left[t] * change;
                }
                for (sum, other) in tally.information[by].iter_mut().zip(row) {
                    *sum += change * other;
                }
            }
        }
        tally.compare(window);
        tally
    }

    fn compare(&mut self, window: &Window) {
        let recorded = (0..window.left.len()).filter(|&t| window.recorded[t]);
        let frames: Vec<(f64, f64)> =
            recorded.map(|t| (window.calcium(t), window.left[t] * window.left[t])).collect();
        self.power = frames.iter().map(|&(_, square)| square).sum();
        // Frames that were not recorded leave 0, and so nothing to the product.
        self.lagged = window.left.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let Some((least, most)) = borders(frames.iter().map(|&(calcium, _)| calcium).collect())
        else {
            return;
        };
        for (calcium, square) in frames {
            if calcium <= least {
                (self.quiet[0], self.quiet[1]) = (self.quiet[0] + square, self.quiet[1] + 1.0);
            } else if calcium > most {
                (self.busy[0], self.busy[1]) = (self.busy[0] + square, self.busy[1] + 1.0);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let add = |sum: &mut f64, value: &f64| *sum += value;
        let each = |sums: &mut [f64], values: &[f64]| {
            sums.iter_mut().zip(values).for_each(|(sum, value)| add(sum, value));
        };
        each(&mut self.score, &other.score);
        for (sums, values) in self.information.iter_mut().zip(&other.information) {
            each(sums, values);
        }
        each(&mut self.busy, &other.busy);
        each(&mut self.quiet, &other.quiet);
        add(&mut self.lagged, &other.lagged);
        add(&mut self.power, &other.power);
    }

    /// Newton's step, time and gain being free to follow; None where events do not determine it.
    pub(super) fn step(&self) -> Option<Step> {
        let [a0, a1] = self.without_nuisance(0)?;
        let [b0, b1] = self.without_nuisance(1)?;
        let determinant = a0 * b1 - a1 * b0;
        if !(a0 > 0.0 && b1 > 0.0 && determinant > 1e-9 * a0 * b1) {
            return None;
        }
        let [g0, g1] = self.score;
        Some(Step {
            rise: g0 / a0,
            decay: (a0 * g1 - b0 * g0) / determinant,
            follow: -a1 / a0,
            noise: [1.0 / a0.sqrt(), (a0 / determinant).sqrt()],
        })
    }

    /// A row of the information on the two times with what time and gain take of it removed.
    fn without_nuisance(&self, by: usize) -> Option<[f64; 2]> {
        let m = &self.information;
        let determinant = m[2][2] * m[3][3] - m[2][3] * m[3][2];
        if !(m[2][2] > 0.0 && m[3][3] > 0.0 && determinant > 1e-9 * m[2][2] * m[3][3]) {
            return None;
        }
        let [u, v] = [m[by][2], m[by][3]];
        let solved =
            [(m[3][3] * u - m[2][3] * v) / determinant, (m[2][2] * v - m[3][2] * u) / determinant];
        let rest = |other: usize| m[by][other] - solved[0] * m[2][other] - solved[1] * m[3][other];
        Some([rest(0), rest(1)])
    }

    /// Deviation of the residual where there is most calcium over that where there is least.
    pub(super) fn excess(&self) -> f64 {
        (self.busy[0] / self.busy[1] / (self.quiet[0] / self.quiet[1])).sqrt()
    }

    /// Correlation of residuals one frame apart.
    pub(super) fn autocorrelation(&self) -> f64 {
        self.lagged / self.power
    }
}

/// The calcium up to which a frame is quiet, and that above which it is busy; none of so few frames
/// that none would be quiet.
fn borders(mut calcium: Vec<f64>) -> Option<(f64, f64)> {
    let n = calcium.len() as f64;
    let (quiet, busy) = ((QUIET * n) as usize, ((1.0 - BUSY) * n) as usize);
    if quiet == 0 {
        return None;
    }
    let (lower, &mut most, _) = calcium.select_nth_unstable_by(busy - 1, f64::total_cmp);
    let least = match lower.len() {
        below if below < quiet => most,
        _ => *lower.select_nth_unstable_by(quiet - 1, f64::total_cmp).1,
    };
    Some((least, most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_the_step_make_newtons() {
        let information = [
            [9.0, 4.0, 1.0, 2.0],
            [4.0, 7.0, -1.0, 1.5],
            [1.0, -1.0, 6.0, 0.5],
            [2.0, 1.5, 0.5, 5.0],
        ];
        let tally = Tally { score: [0.7, -0.4], information, ..Tally::default() };
        let step = tally.step().unwrap();
        let (rise, decay) = (step.rise + step.follow * step.decay, step.decay);
        let [a, b] = [0, 1].map(|by| tally.without_nuisance(by).unwrap());
        assert!((a[0] * rise + a[1] * decay - 0.7).abs() < 1e-12);
        assert!((b[0] * rise + b[1] * decay + 0.4).abs() < 1e-12);
        let determinant = a[0] * b[1] - a[1] * b[0];
        assert!((step.noise[1].powi(2) - a[0] / determinant).abs() < 1e-12);
        assert!((step.noise[0].powi(2) - 1.0 / a[0]).abs() < 1e-12);
        assert!(Tally::default().step().is_none());
    }

    #[test]
    fn half_of_the_frames_are_quiet_and_a_tenth_are_busy() {
        assert_eq!(borders(vec![]), None);
        assert_eq!(borders(vec![1.0]), None);
        for n in 2..60 {
            let calcium: Vec<f64> = (0..n).map(|k| f64::from(k * 37 % 61)).collect();
            let (least, most) = borders(calcium.clone()).unwrap();
            let quiet = calcium.iter().filter(|&&c| c <= least).count();
            let busy = calcium.iter().filter(|&&c| c > most).count();
            assert_eq!(quiet, n as usize / 2, "{n}");
            assert_eq!(busy, n as usize - (0.9 * f64::from(n)) as usize, "{n}");
        }
    }

    #[test]
    fn frames_on_the_border_are_quiet_and_not_busy() {
        assert_eq!(borders(vec![0.0; 20]), Some((0.0, 0.0)));
    }
}
