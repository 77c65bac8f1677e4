use std::ops::Range;

use fearless_simd::Level;
use libm::exp;
use ndarray::Array1;
use proptest::prelude::*;

use super::bins::{Around, Measure};
use super::field::{Event, Field};
use super::*;

/// Every instruction set of this machine.
pub(crate) fn levels() -> Vec<Level> {
    let mut levels = vec![Level::baseline()];
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    levels.extend(
        [
            Level::new().as_sse4_2().map(Level::Sse4_2),
            Level::new().as_avx2().map(Level::Avx2),
            Level::new().as_avx512().map(Level::Avx512),
        ]
        .into_iter()
        .flatten(),
    );
    levels
}

const GOING: &dyn Fn() -> bool = &|| false;

/// The transient from its formula.
fn transient((rise, decay): (f64, f64), t: f64) -> f64 {
    let at = |t: f64| exp(-t / decay) - exp(-t / rise);
    let summit = rise * decay / (decay - rise) * libm::log(decay / rise);
    if t < 0.0 { 0.0 } else { at(t) / at(summit) }
}

const FS: f64 = 30.0;
const TAUS: (f64, f64) = (0.05, 0.4);

/// What a spike makes of the frames of its segment.
fn response(shape: &Shape, bin: usize, segment: &Range<usize>, n_frames: usize) -> Vec<f64> {
    let u = shape.upsample() as f64;
    let at = |i: usize| (i as f64 * u - bin as f64) / (FS * u);
    (0..n_frames).map(|i| if segment.contains(&i) { transient(TAUS, at(i)) } else { 0.0 }).collect()
}

/// Reproducible, close to Gaussian, unit variance.
fn white(n_frames: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..n_frames).map(|_| (0..12).map(|_| uniform() - 0.5).sum()).collect()
}

fn traced(shape: &Shape, spikes: &[(usize, f64)], n_frames: usize) -> Vec<f64> {
    let mut trace = vec![0.0; n_frames];
    for &(bin, amplitude) in spikes {
        let parts = response(shape, bin, &(0..n_frames), n_frames);
        trace.iter_mut().zip(parts).for_each(|(y, h)| *y += amplitude * h);
    }
    trace
}

fn shape(upsample: usize) -> Shape {
    Shape::new(TAUS.0, TAUS.1, FS, upsample).unwrap()
}

fn place(trace: &[f64], shape: &Shape, events: &Events, alpha: f64) -> (Placement, Array1<f32>) {
    let mut fit = Array1::zeros(trace.len());
    let start =
        Start { bins: &events.bins, amplitudes: &events.amplitudes, alpha, theta: 0.5 * alpha };
    let options = PlacementOptions::default();
    let placed = place_spikes(trace, shape, &[], &start, &options, fit.view_mut(), GOING).unwrap();
    (placed, fit)
}

/// Gaps, borders and a field with some events, and what stands in it from the definitions.
fn gappy() -> (Vec<f64>, [Range<usize>; 3]) {
    let mut trace = white(400, 3);
    trace[40..60].fill(f64::NAN);
    trace[141..180].fill(f64::NAN);
    trace.iter_mut().skip(200).step_by(7).for_each(|y| *y = f64::NAN);
    (trace, [0..100, 100..143, 143..400])
}

#[test]
fn correlations_and_energies_are_sums_over_recorded_frames_of_the_segment() {
    let (trace, segments) = gappy();
    for u in [1, 4] {
        let shape = shape(u);
        let options = FieldOptions { tail: 1e-12, ..FieldOptions::default() };
        let mut field = Field::new(&shape, &trace, 1.0, &[100, 143], &options).unwrap();
        let mut calcium = vec![0.0; trace.len()];
        for (bin, amplitude) in [(30 * u, 2.0), (99 * u, 1.0), (120 * u - 1, 1.5), (150 * u, 3.0)] {
            field.add(Event { spot: shape.spot(bin), amplitude: amplitude / field.unit });
            let frame = shape.spot(bin).frame;
            let segment = segments.iter().find(|s| s.contains(&frame)).unwrap();
            let parts = response(&shape, bin, segment, trace.len());
            calcium.iter_mut().zip(parts).for_each(|(c, h)| *c += amplitude * h);
        }
        let seen = |i: &usize| !trace[*i].is_nan();
        let ruler = field.ruler(Measure::Above(0.0));
        for frame in 0..trace.len() {
            let segment = segments.iter().find(|s| s.contains(&frame)).unwrap();
            let Some(found) = field.best(&ruler, frame) else { continue };
            let h = response(&shape, shape.bin(found.spot), segment, trace.len());
            let frames = || (0..trace.len()).filter(seen);
            let q: f64 = frames().map(|i| h[i] * (trace[i] - calcium[i])).sum();
            let energy: f64 = frames().map(|i| h[i] * h[i]).sum();
            // Cut off where a millionth of a millionth is left.
            assert!((found.correlation * field.unit - q).abs() < 1e-9, "{frame}");
            assert!((found.energy - energy).abs() < 1e-9 * energy, "{frame}");
            assert!(segment.contains(&(shape.bin(found.spot) / u)));
        }
    }
}

#[test]
fn an_event_taken_out_leaves_what_a_field_without_it_has() {
    let (trace, _) = gappy();
    let shape = shape(5);
    let options = FieldOptions { tail: 1e-12, ..FieldOptions::default() };
    let mut field = Field::new(&shape, &trace, 1.0, &[100, 143], &options).unwrap();
    let events = [(30, 1.0), (136, 0.5), (172, 2.0), (300, 0.7)].map(|(frame, amplitude)| {
        let event = Event { spot: shape.spot(frame * 5 - 2), amplitude };
        field.add(event);
        event
    });
    let (ruler, mut around) = (field.ruler(Measure::Free), Around::default());
    for (event, window) in events.iter().flat_map(|event| [(*event, 12), (*event, 3)]) {
        let (best, own) = field.best_without(&ruler, event, window, &mut around);
        field.add(Event { amplitude: -event.amplitude, ..event });
        let segment = field.segment(event.spot.frame);
        let frames = event.spot.frame.saturating_sub(window).max(segment.start)
            ..(event.spot.frame + window + 1).min(segment.end);
        let found = frames.filter_map(|frame| field.best(&ruler, frame));
        let expected = found.reduce(|a, b| if b.value > a.value { b } else { a }).unwrap();
        let best = best.unwrap();
        assert!((best.value - expected.value).abs() < 1e-9 * expected.value.abs());
        assert_eq!(best.spot, expected.spot);
        assert!(own.value <= best.value);
        field.add(event);
    }
}

#[test]
fn an_exchange_is_a_removal_and_an_addition() {
    let (trace, _) = gappy();
    let shape = shape(5);
    let options = FieldOptions { tail: 1e-12, ..FieldOptions::default() };
    let new = || Field::new(&shape, &trace, 1.0, &[100, 143], &options).unwrap();
    let at = |bin: usize, amplitude| Event { spot: shape.spot(bin), amplitude };
    let least = 1e-9;
    // A bin later and earlier, into another frame, over a gap, beyond all powers, and in place.
    let pairs = [(700, 701), (701, 700), (723, 739), (880, 1010), (1990, 730), (1500, 1500)];
    for (old, other) in pairs {
        for amplitude in [1.0, 0.25] {
            let (old, other) = (at(old, 1.0), at(other, amplitude));
            let (mut one, mut two) = (new(), new());
            one.add(old);
            two.add(old);
            let before = two.states.clone();
            one.add(Event { amplitude: -old.amplitude, ..old });
            one.add(other);
            let changed = two.exchange(old, other);
            for frame in 0..trace.len() {
                let (a, b) = (one.states.at(frame), two.states.at(frame));
                assert!((a[0] - b[0]).abs() + (a[1] - b[1]).abs() < least, "{frame}");
                assert!((one.calcium()[frame] - two.calcium()[frame]).abs() < least, "{frame}");
                let bits = |states: [f64; 2]| states.map(f64::to_bits);
                let same = bits(two.states.at(frame)) == bits(before.at(frame));
                assert!(same || changed.contains(&frame), "{frame}");
            }
        }
    }
}

#[test]
fn what_hardly_changes_anything_reaches_less_far() {
    let shape = shape(5);
    let trace = traced(&shape, &[(900, 1.0), (2500, 1.0)], 1000);
    let mut field = Field::new(&shape, &trace, 0.01, &[], &FieldOptions::default()).unwrap();
    let at = |bin: usize, amplitude| Event { spot: shape.spot(bin), amplitude };
    let large = field.add(at(2500, 1.0)).len();
    let small = field.add(at(2500, 0.1)).len();
    let moved = field.exchange(at(2500, 0.1), at(2501, 0.1)).len();
    assert!(moved < small && small < large, "{moved} {small} {large}");
}

#[test]
fn a_kernel_far_below_a_frame_makes_no_more_spikes_than_there_are() {
    for (decay, u) in [(0.03, 20), (0.06, 50), (0.065, 20), (0.07, 100), (0.2, 10)] {
        let shape = Shape::new(0.1 * decay, decay, 1.0, u).unwrap();
        // Each is seen in one frame, near its peak.
        let early = (0.03 * u as f64).ceil() as usize;
        let spikes: Vec<(usize, f64)> = (1..12).map(|k| (k * 31 * u - early, 1.0)).collect();
        for noise in [0.0, 0.01] {
            let ripple = |i: usize| noise * ((i * 7919 % 101) as f64 / 50.0 - 1.0);
            let mut trace: Vec<f64> = (0..400).map(ripple).collect();
            for &(bin, amplitude) in &spikes {
                let Spot { frame, phase } = shape.spot(bin);
                let (mut d, mut r) = (shape.decay[phase], shape.rise[phase]);
                for y in &mut trace[frame..] {
                    *y += amplitude * (d - r);
                    (d, r) = (d * shape.decay_root, r * shape.rise_root);
                }
            }
            let bins: Vec<usize> = spikes.iter().map(|spike| spike.0).collect();
            for known in [&bins[..], &[]] {
                let sizes = vec![1.0; known.len()];
                let start = Start { bins: known, amplitudes: &sizes, alpha: 1.0, theta: 0.5 };
                let (mut fit, options) = (Array1::zeros(400), PlacementOptions::default());
                let fit = fit.view_mut();
                let placed = place_spikes(&trace, &shape, &[], &start, &options, fit, GOING);
                let placed = placed.unwrap();
                assert_eq!(placed.bins.len(), 11, "{decay} {u} {noise} {}", known.len());
                assert!(placed.converged);
            }
        }
    }
}

#[test]
fn isolated_spikes_are_found_exactly() {
    for u in [1, 2, 5, 10, 20] {
        let shape = shape(u);
        let spikes: Vec<(usize, f64)> =
            (1..12).map(|k| (k * 97 * u + (k * 7) % u, 1.0 + (k % 3) as f64)).collect();
        let trace = traced(&shape, &spikes, 1200);
        let events =
            find_events(&trace, 0.0, &shape, &[], &EventOptions::default(), GOING).unwrap();
        let bins: Vec<usize> = spikes.iter().map(|s| s.0).collect();
        assert_eq!(events.bins, bins, "{u}");
        for (found, (_, amplitude)) in events.amplitudes.iter().zip(&spikes) {
            // The noise that stands in for none is a millionth.
            assert!((found / amplitude - 1.0).abs() < 1e-5, "{u}: {found} {amplitude}");
        }
        let (placed, fit) = place(&trace, &shape, &events, 1.0);
        let repeated: Vec<usize> =
            spikes.iter().flat_map(|s| std::iter::repeat_n(s.0, s.1 as usize)).collect();
        assert_eq!(placed.bins, repeated, "{u}");
        assert!(placed.converged && placed.pve > 1.0 - 1e-6);
        assert!(fit.iter().zip(&trace).all(|(c, y)| (f64::from(*c) - y).abs() < 1e-4));
    }
}

#[test]
fn silence_holds_no_spikes() {
    let shape = shape(10);
    for (trace, noise) in [
        (vec![], 1.0),
        (vec![0.0; 300], 0.0),
        (vec![f64::NAN; 300], f64::NAN),
        (vec![1.0], 0.1),
        (vec![-5.0; 300], 0.0),
    ] {
        let options = EventOptions::default();
        let (events, _) =
            find_events_and_null(&trace, noise, &shape, &[], &options, GOING).unwrap();
        assert!(events.bins.is_empty(), "{trace:?}");
        let (placed, fit) = place(&trace, &shape, &events, 1.0);
        assert!(placed.bins.is_empty() && placed.converged);
        assert!(fit.iter().all(|c| c.to_bits() == 0));
    }
    // Of 3000 frames of noise about a tenth exceed 4 standard deviations once.
    let options = EventOptions { detection: 5.0, ..EventOptions::default() };
    let noise = white(3000, 5);
    let (events, null) = find_events_and_null(&noise, 1.0, &shape, &[], &options, GOING).unwrap();
    assert!(events.bins.is_empty());
    assert!(0.5 < null * shape.norm() && null * shape.norm() < 5.0, "{null}");
}

#[test]
fn spikes_in_noise_are_counted() {
    let shape = shape(10);
    let spikes: Vec<(usize, f64)> = (1..40).map(|k| (k * 1000 + (k * 37) % 400, 1.0)).collect();
    let clean = traced(&shape, &spikes, 4200);
    let trace: Vec<f64> = clean.iter().zip(white(4200, 8)).map(|(c, e)| c + 0.1 * e).collect();
    let events = find_events(&trace, 0.1, &shape, &[], &EventOptions::default(), GOING).unwrap();
    let (placed, _) = place(&trace, &shape, &events, 1.0);
    assert_eq!(placed.bins.len(), spikes.len());
    for (found, (bin, _)) in placed.bins.iter().zip(&spikes) {
        // A frame is ten bins.
        assert!(found.abs_diff(*bin) <= 20, "{found} {bin}");
    }
}

#[test]
fn a_long_decay_reaches_over_the_trace() {
    let shape = Shape::new(0.1, 100.0, FS, 2).unwrap();
    let trace: Vec<f64> = (0..300).map(|i| if i < 90 { 0.0 } else { 1.0 }).collect();
    let options = EventOptions::default();
    let events = find_events(&trace, 0.1, &shape, &[], &options, GOING).unwrap();
    assert_eq!(events.bins.len(), 1);
    assert!(events.bins[0].abs_diff(180) <= 8 && (events.amplitudes[0] - 1.0).abs() < 0.1);
}

#[test]
fn units_change_nothing_else() {
    let shape = shape(4);
    let trace: Vec<f64> = traced(&shape, &[(400, 9.0), (410, 5.0)], 300)
        .iter()
        .zip(white(300, 9))
        .map(|(c, e)| c + e)
        .collect();
    let find = |scale: f64| {
        let scaled: Vec<f64> = trace.iter().map(|y| y * scale).collect();
        let options = EventOptions::default();
        find_events_and_null(&scaled, scale, &shape, &[], &options, GOING).unwrap()
    };
    let (one, null) = find(1.0);
    for scale in [libm::ldexp(1.0, -300), libm::ldexp(1.0, 200)] {
        let (events, scaled_null) = find(scale);
        assert_eq!(events.bins, one.bins);
        assert_eq!(events.objective.to_bits(), one.objective.to_bits());
        assert_eq!(scaled_null.to_bits(), (null * scale).to_bits());
        let same = |(a, b): (&f64, &f64)| a.to_bits() == (b * scale).to_bits();
        assert!(events.amplitudes.iter().zip(&one.amplitudes).all(same));
    }
}

#[test]
fn segments_and_copies_are_independent() {
    let shape = shape(10);
    let spikes: Vec<(usize, f64)> = (1..9).map(|k| (k * 331, 6.0)).collect();
    let trace: Vec<f64> =
        traced(&shape, &spikes, 280).iter().zip(white(280, 4)).map(|(c, e)| c + e).collect();
    let options = EventOptions::default();
    let one = find_events(&trace, 1.0, &shape, &[], &options, GOING).unwrap();
    let twice = find_events(&trace.repeat(2), 1.0, &shape, &[280], &options, GOING).unwrap();
    let n = one.bins.len();
    assert_eq!(twice.bins[..n], one.bins);
    let shifted: Vec<usize> = one.bins.iter().map(|bin| bin + 2800).collect();
    assert_eq!(twice.bins[n..], shifted);
    assert!((twice.objective - 2.0 * one.objective).abs() < 1e-9 * one.objective);
}

#[test]
fn interruptions_end_the_work() {
    let (shape, trace) = (shape(2), white(300, 2));
    let options = EventOptions { detection: 1.0, ..EventOptions::default() };
    let stopped = find_events(&trace, 1.0, &shape, &[], &options, &|| true);
    assert_eq!(stopped, Err(SolverError::Interrupted));
}

#[test]
fn refuses_what_lies_outside_its_range() {
    let shape = shape(2);
    let find = |trace: &[f64], noise: f64, segments: &[usize], options: &EventOptions| {
        find_events(trace, noise, &shape, segments, options, GOING).is_err()
    };
    let options = EventOptions::default();
    assert!(find(&[0.0, f64::INFINITY], 1.0, &[], &options));
    assert!(find(&[0.0, 1.0], -1.0, &[], &options));
    assert!(find(&[0.0, 1.0], f64::NAN, &[], &options));
    assert!(find(&[0.0, 1.0], 1.0, &[5], &options));
    assert!(find(&[0.0, 1.0], 1.0, &[], &EventOptions { detection: 0.0, ..options }));
    assert!(find(&[0.0, 1.0], 1.0, &[], &EventOptions { null_factor: -2.0, ..options }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    /// Whatever the trace: it ends, bins ascend and are seen, more spikes than events explain no less.
    #[test]
    fn any_trace_has_an_answer(
        trace in prop::collection::vec(
            prop_oneof![5 => -3.0..9.0_f64, 1 => Just(f64::NAN), 1 => Just(0.0)], 0..200),
        cuts in prop::collection::btree_set(0..200_usize, 0..3),
        noise in 0.0..2.0_f64,
        u in 1..6_usize,
        alpha in 0.05..5.0_f64,
    ) {
        let shape = shape(u);
        let cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < trace.len()).collect();
        let options = EventOptions::default();
        let (events, null) =
            find_events_and_null(&trace, noise, &shape, &cuts, &options, GOING).unwrap();
        prop_assert!(events.bins.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(events.amplitudes.iter().all(|a| *a > 0.0 && a.is_finite()));
        prop_assert!(events.objective.is_finite());
        prop_assert!(null >= 0.0 || trace.iter().all(|y| y.is_nan()));
        let mut fit = Array1::zeros(trace.len());
        let start = Start {
            bins: &events.bins, amplitudes: &events.amplitudes, alpha, theta: 0.5 * alpha,
        };
        let placement = PlacementOptions::default();
        let placed =
            place_spikes(&trace, &shape, &cuts, &start, &placement, fit.view_mut(), GOING).unwrap();
        prop_assert!(placed.bins.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(placed.bins.iter().all(|bin| bin / u < trace.len()));
        // Every change from no spike at all lowered the squared error, but for the first rounding.
        prop_assert!(!placed.pve.is_nan() || trace.iter().all(|y| y.is_nan()));
    }
}
