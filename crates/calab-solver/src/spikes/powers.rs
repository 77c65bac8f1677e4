//! Powers of a transient's two roots, so that what a spike changes is no recursion.

use std::f64::consts::LN_2;

use super::shape::Shape;

/// What is smaller than this, beside samples of about 1, is taken for 0: such numbers are slow.
pub(super) const NOTHING: f64 = 1e-200;

/// Frames beyond those in which something falls below a bound: of a kernel far shorter than a frame some
/// phases leave next to nothing, beside which little is much.
const MARGIN: f64 = 2.0;

/// `d^n` and `ρ^n`, with `n` going up and going down.
pub(super) struct Powers {
    up: [Vec<f64>; 2],
    down: [Vec<f64>; 2],
    /// Frames in which each falls to half.
    halving: [f64; 2],
}

impl Powers {
    /// The powers from 0 to `most`.
    pub(super) fn new(shape: &Shape, most: usize) -> Self {
        let up = [shape.decay_root, shape.rise_root].map(|root| {
            let next = |power: &f64| Some(flushed(power * root));
            std::iter::successors(Some(1.0), next).take(most + 1).collect::<Vec<_>>()
        });
        let down = [&up[0], &up[1]].map(|powers| powers.iter().rev().copied().collect());
        let [rise, decay] = shape.frames().map(|constant| LN_2 * constant);
        Self { up, down, halving: [decay, rise] }
    }

    /// The largest power.
    pub(super) fn most(&self) -> usize {
        self.up[0].len() - 1
    }

    /// Frames after which both of these have fallen below `least`, or the most: up to two halvings and two
    /// frames more than it takes, for exponents of 2 cost no logarithm.
    pub(super) fn until(&self, values: [f64; 2], least: f64) -> usize {
        let octave = |x: f64| ((x.to_bits() >> 52) & 0x7ff) as i32;
        let halvings = values.map(|x| f64::from((octave(x) + 1 - octave(least)).max(0)));
        let [decay, rise] = self.halving;
        let frames = (halvings[0] * decay).max(halvings[1] * rise) + MARGIN;
        (frames as usize).min(self.most())
    }

    /// Powers `0..n`.
    pub(super) fn up(&self, n: usize) -> (&[f64], &[f64]) {
        (&self.up[0][..n], &self.up[1][..n])
    }

    /// Powers `n, n-1, ... 1`.
    pub(super) fn down(&self, n: usize) -> (&[f64], &[f64]) {
        let range = self.most() - n..self.most();
        (&self.down[0][range.clone()], &self.down[1][range])
    }

    /// `n` frames later: powers of any `n`.
    pub(super) fn discount(&self, [mut d, mut r]: [f64; 2], mut n: usize) -> [f64; 2] {
        while n > 0 && (d != 0.0 || r != 0.0) {
            let step = n.min(self.most());
            (d, r) = (flushed(d * self.up[0][step]), flushed(r * self.up[1][step]));
            n -= step;
        }
        [d, r]
    }
}

pub(super) fn flushed(value: f64) -> f64 {
    if value.abs() < NOTHING { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_after_so_many_frames_is_below_the_least() {
        let shape = Shape::new(0.05, 0.4, 30.0, 5).unwrap();
        let powers = Powers::new(&shape, 1000);
        for (d, r) in [(1.0, 0.0), (-3.7, 3.7), (0.02, -0.9), (1e-3, 5e5)] {
            for least in [1.5, 0.03, 1e-9] {
                let n = powers.until([d, r], least);
                let left = [d * powers.up[0][n], r * powers.up[1][n]];
                assert!(left.iter().all(|x| x.abs() < least), "{d} {r} {least}: {left:?}");
                // Two halvings of the decay are 17 frames.
                let longer = n.saturating_sub(20);
                let before = [d * powers.up[0][longer], r * powers.up[1][longer]];
                assert!(n < 20 || before.iter().any(|x| x.abs() >= least), "{d} {r} {least}: {n}");
            }
        }
        assert_eq!(powers.until([1.0, 0.0], 1e-300), 1000);
        assert_eq!(powers.until([0.0, 0.0], 1e-3), 2);
    }

    #[test]
    fn powers_go_up_and_down_and_beyond_the_table() {
        let shape = Shape::new(0.05, 0.4, 30.0, 1).unwrap();
        let powers = Powers::new(&shape, 5);
        let decay = |n: usize| (0..n).fold(1.0, |power, _| power * shape.decay_root);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} {b}");
        (0..5).for_each(|n| close(powers.up(5).0[n], decay(n)));
        (0..3).for_each(|k| close(powers.down(3).0[k], decay(3 - k)));
        close(powers.discount([2.0, 1.0], 17)[0], 2.0 * decay(17));
    }
}
