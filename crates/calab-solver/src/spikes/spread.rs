//! What transients make of many frames, compiled for every instruction set.
//!
//! Products and sums one by one, never fused, are the same on all of them.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatch is compiled for the least instruction set"
)]

use fearless_simd::{Level, Simd, dispatch};

/// Calcium and states of some frames, their states without any transient, and what they keep of one.
pub(super) struct Frames<'a> {
    pub(super) calcium: &'a mut [f64],
    pub(super) decay: &'a mut [f64],
    pub(super) rise: &'a mut [f64],
    pub(super) plain: [&'a [f64]; 2],
    /// Discounted numbers of recorded frames.
    pub(super) seen: [&'a [f64]; 3],
}

/// Takes off frames what a transient makes of them that stands at `[x, z]` in the first one: off what
/// they have or, `FRESH`, off what they have without any.
pub(super) fn respond<const FRESH: bool>(
    level: Level,
    frames: Frames<'_>,
    powers: (&[f64], &[f64]),
    [x, z]: [f64; 2],
) {
    dispatch!(level, simd => respond_with::<_, FRESH>(simd, frames, powers, [x, z]));
}

#[inline(always)]
fn respond_with<S: Simd, const FRESH: bool>(
    _: S,
    frames: Frames<'_>,
    (d_powers, r_powers): (&[f64], &[f64]),
    [x, z]: [f64; 2],
) {
    let n = d_powers.len();
    let Frames { calcium, decay, rise, plain: [plain_decay, plain_rise], seen: [dd, dr, rr] } =
        frames;
    let (calcium, decay, rise) = (&mut calcium[..n], &mut decay[..n], &mut rise[..n]);
    let (dd, dr, rr, r_powers) = (&dd[..n], &dr[..n], &rr[..n], &r_powers[..n]);
    let (plain_decay, plain_rise) = (&plain_decay[..n], &plain_rise[..n]);
    for k in 0..n {
        let (x, z) = (x * d_powers[k], z * r_powers[k]);
        let (c, d, r) = if FRESH {
            (0.0, plain_decay[k], plain_rise[k])
        } else {
            (calcium[k], decay[k], rise[k])
        };
        calcium[k] = c + (x - z);
        decay[k] = d - (x * dd[k] - z * dr[k]);
        rise[k] = r - (x * dr[k] - z * rr[k]);
    }
}

/// Takes off frames what states `[x, z]` behind the last one make of theirs.
pub(super) fn precede(
    level: Level,
    decay: &mut [f64],
    rise: &mut [f64],
    powers: (&[f64], &[f64]),
    [x, z]: [f64; 2],
) {
    dispatch!(level, simd => precede_with(simd, decay, rise, powers, [x, z]));
}

#[inline(always)]
fn precede_with<S: Simd>(
    _: S,
    decay: &mut [f64],
    rise: &mut [f64],
    (d_powers, r_powers): (&[f64], &[f64]),
    [x, z]: [f64; 2],
) {
    let n = d_powers.len();
    let (decay, rise, r_powers) = (&mut decay[..n], &mut rise[..n], &r_powers[..n]);
    for k in 0..n {
        decay[k] -= x * d_powers[k];
        rise[k] -= z * r_powers[k];
    }
}

#[cfg(test)]
mod tests {
    use super::super::bins::{Around, Measure};
    use super::super::field::{Event, Field, FieldOptions};
    use super::super::polish::{Polish, polish};
    use super::super::shape::{Shape, Spot};
    use super::super::tests::levels;
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_same() {
        let shape = Shape::new(0.05, 0.6, 30.0, 10).unwrap();
        let value =
            |i: usize| if i.is_multiple_of(97) { f64::NAN } else { (i * 7919 % 101) as f64 - 50.0 };
        let trace: Vec<f64> = (0..1003).map(value).collect();
        let event =
            |frame: usize| Event { spot: Spot { frame, phase: frame % 10 }, amplitude: 0.3 };
        let events: Vec<Event> = (3..990).step_by(61).map(event).collect();
        let go = |level: Level| {
            let mut field =
                Field::new(&shape, &trace, 1.0, &[400], &FieldOptions::default()).unwrap();
            field.level = level;
            field.refresh(&events);
            field.add(event(444));
            let mut found = vec![0.0; 1003];
            field.survey(&field.ruler(Measure::Free), 0.0, 0..1003, &mut found);
            found.extend_from_slice(field.calcium());
            let (ruler, mut around) = (field.ruler(Measure::Free), Around::default());
            for event in &events {
                let (best, own) = field.best_without(&ruler, *event, 6, &mut around);
                found.extend(best.iter().chain([&own]).map(|candidate| candidate.value));
            }
            let how = Polish { sweeps: 3, least: 0.1 };
            let polished = polish(&mut field, events.clone(), how, &|| false).unwrap();
            assert!(polished.len() > 3);
            found.extend(polished.iter().map(|event| event.amplitude));
            found.extend_from_slice(field.calcium());
            found.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        for level in levels() {
            assert_eq!(go(level), go(Level::new()));
        }
    }
}
