//! The inner product, in an order of summation that is fixed and that vectors can follow.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a dispatch is compiled for the least instruction set"
)]

/// Sums side by side.
const LANES: usize = 16;

/// Sum of products of two lists of one length; the bits do not depend on the instruction set.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    let mut half = LANES / 2;
    while half > 0 {
        (0..half).for_each(|lane| sums[lane] += sums[lane + half]);
        half /= 2;
    }
    sums[0] + rest
}
