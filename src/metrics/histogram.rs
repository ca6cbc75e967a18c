//! How often something was so long or so many: counts for fixed bounds.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::text::Exposition;

/// The bounds of a histogram, and how many of what it counts make one of what it tells.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    /// The upper bounds, each within its bucket, in ascending order.
    bounds: &'static [u64],
    /// How many make one of the unit that is told.
    unit: u64,
}

/// How long a request takes, counted in nanoseconds and told in seconds.
pub(super) const DURATIONS: Scale = Scale {
    bounds: &[
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        10_000_000_000,
    ],
    unit: 1_000_000_000,
};

/// How many changes share a commit.
pub(super) const SIZES: Scale = Scale { bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256], unit: 1 };

/// Values, counted by bounds. To add one costs two additions, and no lock.
pub(super) struct Histogram {
    scale: Scale,
    /// How many were within each bound and beyond the one before, and at last how many beyond all.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// One that has seen nothing.
    pub(super) fn new(scale: Scale) -> Self {
        let buckets = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub(super) fn add(&self, value: u64) {
        let bucket = self.scale.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts how long something took.
    pub(super) fn add_duration(&self, took: Duration) {
        self.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Tells the counts under this name, with these labels.
    pub(super) fn tell(&self, text: &mut Exposition, name: &str, labels: &[(&str, &str)]) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "what is told is rounded to 53 bits, after a hundred days"
        )]
        let told = |value: u64| (value as f64 / self.scale.unit as f64).to_string();
        let bounds = self.scale.bounds.iter().map(|bound| told(*bound)).chain(["+Inf".to_owned()]);
        let mut counted = 0;
        let with_bucket = format!("{name}_bucket");
        for (bound, bucket) in bounds.zip(&self.buckets) {
            counted += bucket.load(Ordering::Relaxed);
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            text.sample(&with_bucket, &labels, counted);
        }
        text.sample(&format!("{name}_sum"), labels, told(self.sum.load(Ordering::Relaxed)));
        text.sample(&format!("{name}_count"), labels, counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_for_its_bound_and_all_above() {
        let histogram = Histogram::new(SIZES);
        for value in [1, 2, 3, 256, 257] {
            histogram.add(value);
        }
        let mut text = Exposition::default();
        histogram.tell(&mut text, "sizes", &[("kind", "a")]);
        let text = text.into_text();
        for line in [
            "sizes_bucket{kind=\"a\",le=\"1\"} 1\n",
            "sizes_bucket{kind=\"a\",le=\"2\"} 2\n",
            "sizes_bucket{kind=\"a\",le=\"4\"} 3\n",
            "sizes_bucket{kind=\"a\",le=\"128\"} 3\n",
            "sizes_bucket{kind=\"a\",le=\"256\"} 4\n",
            "sizes_bucket{kind=\"a\",le=\"+Inf\"} 5\n",
            "sizes_sum{kind=\"a\"} 519\n",
            "sizes_count{kind=\"a\"} 5\n",
        ] {
            assert!(text.contains(line), "{line} {text}");
        }
    }

    #[test]
    fn durations_are_told_in_seconds() {
        let histogram = Histogram::new(DURATIONS);
        histogram.add(1_500_000_000);
        let mut text = Exposition::default();
        histogram.tell(&mut text, "took", &[]);
        let text = text.into_text();
        for line in ["took_bucket{le=\"0.00005\"} 0\n", "took_bucket{le=\"2.5\"} 1\n", "took_sum 1.5\n"] {
            assert!(text.contains(line), "{line} {text}");
        }
    }
}
