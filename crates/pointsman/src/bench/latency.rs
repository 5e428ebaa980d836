//! Counts durations in buckets of about 1.6 % width, in constant memory.
//!
//! Boundary: numbers only.
//! Read first: [`Latency`].   Tests: at the end of this file.

use std::time::Duration;

/// Buckets per power of two, as a power of two.
const PRECISION: u32 = 6;
const BUCKETS: usize = 1 << (PRECISION + 6);

/// A distribution of durations in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Latency {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self { buckets: vec![0; BUCKETS], count: 0, max: Duration::ZERO }
    }

    /// Adds `times` equal durations.
    pub(super) fn add(&mut self, duration: Duration, times: u64) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)] += times;
        self.count += times;
        self.max = self.max.max(duration);
    }

    /// The duration that `share` of all do not exceed, to the width of a bucket.
    pub(super) fn quantile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below count")]
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return Duration::from_micros(upper(index)).min(self.max);
            }
        }
        self.max
    }

    pub(super) fn max(&self) -> Duration {
        self.max
    }
}

/// Below 2^PRECISION each value has its own bucket; above, the leading bits choose.
fn bucket(value: u64) -> usize {
    let bits = 64 - value.leading_zeros();
    let shift = bits.saturating_sub(PRECISION + 1);
    let index = (u64::from(shift) << PRECISION) + (value >> shift);
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn upper(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index >> PRECISION).saturating_sub(1);
    let lead = index - (shift << PRECISION);
    (lead << shift) + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_every_value_and_are_narrow() {
        let mut last = 0;
        for value in (0..2_000_000).step_by(7) {
            let index = bucket(value);
            assert!(index >= last, "{value}");
            last = index;
            let top = upper(index);
            assert!(top >= value && top <= value + value / 50, "{value} in bucket up to {top}");
        }
        assert_eq!(upper(bucket(u64::MAX)), u64::MAX);
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut latency = Latency::new();
        assert_eq!(latency.quantile(0.5), Duration::ZERO);
        (1..=1000).for_each(|millis| latency.add(Duration::from_millis(millis), 1));
        let near = |share, millis: u64| {
            let found = latency.quantile(share).as_millis().abs_diff(u128::from(millis));
            assert!(found <= u128::from(millis / 50), "{share}: {:?}", latency.quantile(share));
        };
        near(0.5, 500);
        near(0.99, 990);
        assert_eq!(latency.quantile(1.0), Duration::from_secs(1));
        assert_eq!(latency.max(), Duration::from_secs(1));
    }
}
