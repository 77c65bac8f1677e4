//! The odds of an event in each of some bins, with events put back or taken out in thought.
//!
//! What an event makes of the correlations around it follows from the frames that were recorded, so
//! that a proposal reads the trace once, and only one that is accepted changes it.

use std::ops::RangeInclusive;

use libm::{exp, log};

use super::odds::factor;
use super::transient::Transient;
use super::window::{Event, Window};
use crate::spikes::Spot;

/// Bins whose exponent is less than the largest by so much are never drawn: all of a long range
/// together have less than the smallest chance.
const NEGLIGIBLE: f64 = 50.0;

#[derive(Default)]
pub(super) struct Survey {
    bins: (usize, usize),
    first_frame: usize,
    /// Discounted sums of what is left of the trace from each frame on.
    sums: Vec<[f64; 2]>,
    /// Mean amplitude in its deviations and exponent of the odds, by bin; none where an event is.
    standings: Vec<(f64, f64)>,
    /// Odds over the exponential of the largest exponent, and their sum.
    odds: Vec<f64>,
    sum: f64,
}

impl Survey {
    /// Reads what is left of the trace for some bins.
    pub(super) fn begin(
        &mut self,
        window: &Window,
        transient: &Transient,
        bins: RangeInclusive<usize>,
    ) {
        self.bins = bins.into_inner();
        let (first, last) = (self.bins.0, self.bins.1);
        self.first_frame = transient.shape.spot(first).frame;
        let last = transient.shape.spot(last).frame;
        let mut sums = transient.sums(&window.left[last..]);
        self.sums.clear();
        self.sums.push(sums);
        for frame in (self.first_frame..last).rev() {
            sums = transient.earlier(sums, window.left[frame]);
            self.sums.push(sums);
        }
        self.sums.reverse();
    }

    /// Adds the transient of an event to what is left, or takes off that of a negative amplitude.
    pub(super) fn add(&mut self, window: &Window, transient: &Transient, event: Event) {
        let spot = transient.shape.spot(event.bin);
        for (frame, sums) in (self.first_frame..).zip(&mut self.sums) {
            let seen = window.seen(frame.max(spot.frame));
            let change = transient.reaching(spot, frame, seen);
            (0..2).for_each(|by| sums[by] += event.amplitude * change[by]);
        }
    }

    /// Finds the odds of an event in each bin; the logarithm of their sum.
    ///
    /// Bins that hold an event have none.
    pub(super) fn weigh(&mut self, window: &Window, transient: &Transient) -> f64 {
        let mut most = f64::NEG_INFINITY;
        self.standings.clear();
        for bin in self.bins.0..=self.bins.1 {
            let standing = match window.event_at(bin) {
                None => self.standing(window, transient, bin),
                Some(_) => (0.0, f64::NEG_INFINITY),
            };
            most = most.max(standing.1);
            self.standings.push(standing);
        }
        let odds = |&(t, exponent): &(f64, f64)| {
            if exponent > most - NEGLIGIBLE { exp(exponent - most) * factor(t) } else { 0.0 }
        };
        self.odds.clear();
        self.odds.extend(self.standings.iter().map(odds));
        self.sum = self.odds.iter().sum();
        most + log(self.sum)
    }

    fn standing(&self, window: &Window, transient: &Transient, bin: usize) -> (f64, f64) {
        let spot = transient.shape.spot(bin);
        let given = window.given(spot);
        let t = given.standing(self.correlation(transient, spot));
        (t, window.rate.log_odds(spot.frame) + given.exponent(t))
    }

    /// Correlation of what is left with an event in one of the bins.
    fn correlation(&self, transient: &Transient, spot: Spot) -> f64 {
        transient.correlation(self.sums[spot.frame - self.first_frame], spot.phase)
    }

    /// What an event in one of the bins adds to the logarithm of the likelihood.
    pub(super) fn gain(&self, window: &Window, transient: &Transient, event: Event) -> f64 {
        let spot = transient.shape.spot(event.bin);
        let energy = transient.shape.energy(window.seen(spot.frame), spot.phase);
        event.amplitude * (self.correlation(transient, spot) - 0.5 * event.amplitude * energy)
    }

    /// Draws one of the bins that were weighed, and the amplitude of an event there.
    pub(super) fn draw(&self, window: &mut Window, transient: &Transient) -> Event {
        let mut chance = window.draws.uniform() * self.sum;
        let mut chosen = 0;
        for (k, &odds) in self.odds.iter().enumerate() {
            if odds > 0.0 {
                chosen = k;
                chance -= odds;
                if chance < 0.0 {
                    break;
                }
            }
        }
        let bin = self.bins.0 + chosen;
        let given = window.given(transient.shape.spot(bin));
        let amplitude = given.amplitude(self.standings[chosen].0, &mut window.draws);
        Event { bin, amplitude }
    }
}
