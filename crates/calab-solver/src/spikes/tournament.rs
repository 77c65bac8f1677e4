//! The largest of many gains, of which a few neighbours change at a time.

use std::ops::Range;

/// Gains that share a leaf of the tree.
const BLOCK: usize = 64;

/// Maxima side by side.
const SIDE: usize = 8;

/// Gains, and a tree of their maxima: node `k` holds the larger of nodes `2k` and `2k + 1`.
#[derive(Default)]
pub(super) struct Tournament {
    pub(super) gains: Vec<f64>,
    tree: Vec<f64>,
}

impl Tournament {
    /// Starts anew from `n` gains, which `fill` writes.
    pub(super) fn start(&mut self, n: usize, fill: impl FnOnce(&mut [f64])) {
        self.gains.resize(n, 0.0);
        fill(&mut self.gains);
        self.tree.clear();
        self.tree.resize(2 * n.div_ceil(BLOCK).next_power_of_two(), 0.0);
        self.update(&(0..n));
    }

    /// Plays again what gains in `changed` decide.
    pub(super) fn update(&mut self, changed: &Range<usize>) {
        if changed.is_empty() {
            return;
        }
        let leaves = self.tree.len() / 2;
        let (mut first, mut last) = (changed.start / BLOCK, (changed.end - 1) / BLOCK);
        for block in first..=last {
            let gains = &self.gains[block * BLOCK..self.gains.len().min((block + 1) * BLOCK)];
            self.tree[leaves + block] = largest(gains);
        }
        (first, last) = (first + leaves, last + leaves);
        while first > 1 {
            (first, last) = (first / 2, last / 2);
            for node in first..=last {
                self.tree[node] = self.tree[2 * node].max(self.tree[2 * node + 1]);
            }
        }
    }

    /// The first of the largest gains, if any is above zero.
    pub(super) fn best(&self) -> Option<(usize, f64)> {
        let largest = self.tree[1];
        if largest <= 0.0 {
            return None;
        }
        let (leaves, mut node) = (self.tree.len() / 2, 1);
        while node < leaves {
            node = 2 * node + usize::from(self.tree[2 * node] < largest);
        }
        let start = (node - leaves) * BLOCK;
        let place = self.gains[start..].iter().position(|&gain| gain >= largest)?;
        Some((start + place, largest))
    }
}

/// The largest gain, or 0.
fn largest(gains: &[f64]) -> f64 {
    let larger = |a: f64, b: f64| if b > a { b } else { a };
    let mut side = [0.0; SIDE];
    let (whole, rest) = gains.as_chunks::<SIDE>();
    for chunk in whole {
        for (largest, gain) in side.iter_mut().zip(chunk) {
            *largest = larger(*largest, *gain);
        }
    }
    side.into_iter().chain(rest.iter().copied()).fold(0.0, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_of_the_largest() {
        // The memory of one search is that of the next, shorter or longer.
        let mut tournament = Tournament::default();
        for n in [1, 1000, 63, 64, 65] {
            tournament.start(n, |gains| gains.fill(0.0));
            assert_eq!(tournament.best(), None);
            let mut value = 17_usize;
            for step in 0..200 {
                value = value * 7919 % 10_007;
                let start = value % n;
                let range = start..(start + step % 90 + 1).min(n);
                for k in range.clone() {
                    tournament.gains[k] = ((value + k * k) % 13) as f64;
                }
                tournament.update(&range);
                let largest = tournament.gains.iter().copied().fold(0.0, f64::max);
                let first = tournament.gains.iter().position(|&gain| gain >= largest).unwrap();
                let expected = (largest > 0.0).then_some((first, largest));
                assert_eq!(tournament.best(), expected);
            }
        }
    }
}
