//! Order statistics of a window that slides over ranked samples.

/// Rank of a sample that is not observed.
const UNOBSERVED: u32 = u32::MAX;

/// Values are ranked by this many leading bits, in two passes of half of them; what agrees in
/// all of them is compared as it stands.
const KEY_BITS: u32 = 22;
const DIGIT_BITS: u32 = KEY_BITS / 2;
const DIGITS: usize = 1 << DIGIT_BITS;

/// The rank of each sample among all observed ones, and the observed ones in order.
#[derive(Debug, Default)]
pub(crate) struct Ranks {
    of: Vec<u32>,
    sorted: Vec<f64>,
    pairs: Vec<Pair>,
    spare: Vec<Pair>,
}

/// A sample on its way to its rank.
#[derive(Debug, Clone, Copy, Default)]
struct Pair {
    key: u32,
    index: u32,
}

impl Pair {
    fn digit(self, pass: u32) -> usize {
        (self.key >> (pass * DIGIT_BITS)) as usize & (DIGITS - 1)
    }
}

impl Ranks {
    /// The rank of each sample of the values last ranked.
    pub(crate) fn of(&self) -> &[u32] {
        &self.of
    }

    /// The observed samples, ascending.
    pub(crate) fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// Ranks `values` (at most 2^32 - 1); equal ones in the order of time.
    pub(crate) fn rank(&mut self, values: &[f64]) {
        self.sort(values);
        self.of.clear();
        self.of.resize(values.len(), UNOBSERVED);
        self.sorted.clear();
        for (rank, pair) in self.pairs.iter().enumerate() {
            self.of[pair.index as usize] = rank as u32;
            self.sorted.push(values[pair.index as usize]);
        }
    }

    fn sort(&mut self, values: &[f64]) {
        let mut counts = [[0_u32; DIGITS]; 2];
        let (low, scale) = key_scale(values);
        self.pairs.clear();
        for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
            let pair = Pair { key: ((value - low) * scale) as u32, index: index as u32 };
            counts[0][pair.digit(0)] += 1;
            counts[1][pair.digit(1)] += 1;
            self.pairs.push(pair);
        }
        self.spare.resize(self.pairs.len(), Pair::default());
        for (pass, counts) in counts.iter_mut().enumerate() {
            scatter(&self.pairs, pass as u32, counts, &mut self.spare);
            std::mem::swap(&mut self.pairs, &mut self.spare);
        }
        for equal in self.pairs.chunk_by_mut(|a, b| a.key == b.key).filter(|run| run.len() > 1) {
            let value = |pair: &Pair| values[pair.index as usize];
            equal
                .sort_unstable_by(|a, b| value(a).total_cmp(&value(b)).then(a.index.cmp(&b.index)));
        }
    }
}

/// Smallest value, and the factor that spreads the others over the keys without changing their
/// order; 0 where there is nothing to spread, and the values themselves decide.
fn key_scale(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let scale = f64::from((1 << KEY_BITS) - 1) / (high - low);
    if high > low && scale.is_finite() { (low, scale) } else { (low, 0.0) }
}

/// One stable pass of the radix sort.
fn scatter(pairs: &[Pair], pass: u32, counts: &mut [u32; DIGITS], sorted: &mut [Pair]) {
    let mut start = 0;
    for count in counts.iter_mut() {
        (*count, start) = (start, start + *count);
    }
    for &pair in pairs {
        let place = &mut counts[pair.digit(pass)];
        sorted[*place as usize] = pair;
        *place += 1;
    }
}

/// The ranks in the window, one bit each, and a cursor that stays near the wanted one.
pub(crate) struct RankWindow<'a> {
    present: &'a mut [u64],
    count: usize,
    cursor: usize,
    /// How many of the ranks in the window lie below the cursor.
    below: usize,
}

impl<'a> RankWindow<'a> {
    /// An empty window over `n_ranks` ranks, in memory that is reused.
    pub(crate) fn new(present: &'a mut Vec<u64>, n_ranks: usize) -> Self {
        present.clear();
        present.resize(n_ranks / 64 + 1, 0);
        Self { present, count: 0, cursor: 0, below: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn insert(&mut self, rank: u32) {
        if rank != UNOBSERVED {
            self.present[rank as usize / 64] |= 1 << (rank % 64);
            self.below += usize::from((rank as usize) < self.cursor);
            self.count += 1;
        }
    }

    pub(crate) fn remove(&mut self, rank: u32) {
        if rank != UNOBSERVED {
            self.present[rank as usize / 64] &= !(1 << (rank % 64));
            self.below -= usize::from((rank as usize) < self.cursor);
            self.count -= 1;
        }
    }

    /// Moves the cursor to the rank that has `wanted` others of the window below it.
    pub(crate) fn select(&mut self, wanted: usize) -> Option<usize> {
        if wanted >= self.count {
            return None;
        }
        while self.below > wanted {
            self.cursor = self.last_before(self.cursor);
            self.below -= 1;
        }
        self.cursor = self.first_from(self.cursor);
        while self.below < wanted {
            self.cursor = self.first_from(self.cursor + 1);
            self.below += 1;
        }
        Some(self.cursor)
    }

    /// The first rank of the window at or after `rank`; there is one.
    fn first_from(&self, rank: usize) -> usize {
        let mut word = rank / 64;
        let mut bits = self.present[word] & (u64::MAX << (rank % 64));
        while bits == 0 {
            word += 1;
            bits = self.present[word];
        }
        word * 64 + bits.trailing_zeros() as usize
    }

    /// The last rank of the window before `rank`; there is one.
    fn last_before(&self, rank: usize) -> usize {
        let mut word = rank / 64;
        let mut bits = self.present[word] & !(u64::MAX << (rank % 64));
        while bits == 0 {
            word -= 1;
            bits = self.present[word];
        }
        word * 64 + 63 - bits.leading_zeros() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(values: &[f64]) -> Vec<f64> {
        let mut ranks = Ranks::default();
        ranks.rank(values);
        let observed = values.iter().enumerate().filter(|(_, value)| !value.is_nan());
        for (index, value) in observed {
            let found = ranks.sorted()[ranks.of()[index] as usize];
            assert_eq!(found.to_bits(), value.to_bits());
        }
        ranks.sorted().to_vec()
    }

    #[test]
    fn ranks_values_that_share_every_leading_bit() {
        assert_eq!(sorted(&[1e9 + 2.0, 1e9, 1e9 + 1.0, -1e9]), [-1e9, 1e9, 1e9 + 1.0, 1e9 + 2.0]);
        assert_eq!(sorted(&[3.0, 3.0, 3.0]), [3.0, 3.0, 3.0]);
        assert_eq!(sorted(&[f64::MAX, 0.0, f64::MIN]), [f64::MIN, 0.0, f64::MAX]);
        assert_eq!(sorted(&[3e-320, 1e-320, 2e-320]), [1e-320, 2e-320, 3e-320]);
    }

    #[test]
    fn gives_no_rank_to_unobserved_values() {
        assert_eq!(sorted(&[2.0, f64::NAN, 1.0]), [1.0, 2.0]);
        assert!(sorted(&[f64::NAN, f64::NAN]).is_empty());
    }

    #[test]
    fn cursor_finds_the_wanted_rank_after_its_own_left() {
        let mut present = Vec::new();
        let mut window = RankWindow::new(&mut present, 200);
        assert_eq!(window.select(0), None);
        for rank in [5, 70, 199] {
            window.insert(rank);
        }
        assert_eq!(window.select(1), Some(70));
        window.remove(70);
        assert_eq!(
            (window.select(1), window.select(0), window.select(2)),
            (Some(199), Some(5), None)
        );
    }
}
