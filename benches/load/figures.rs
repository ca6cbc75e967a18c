//! What runs measure, and what is made of several of them.

use serde::{Deserialize, Serialize};

/// What one run measured.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// How many requests were answered, or changes made.
    pub(crate) count: u64,
    /// In which time.
    pub(crate) seconds: f64,
    /// What half of them took at most, in microseconds.
    pub(crate) p50_us: u64,
    /// What all but one in a hundred took at most.
    pub(crate) p99_us: u64,
}

impl Figures {
    /// How many in a second.
    pub(crate) fn rate(&self) -> f64 {
        real(self.count) / self.seconds
    }

    /// How much longer than usual the slow ones take.
    pub(crate) fn tail(&self) -> f64 {
        real(self.p99_us) / real(self.p50_us.max(1))
    }
}

/// A limit and the server, measured one right after the other.
pub(crate) struct Pair {
    /// The limit, where there is one.
    pub(crate) limit: Option<Figures>,
    /// The server.
    pub(crate) server: Figures,
}

/// All pairs of one kind.
pub(crate) struct Series {
    /// What was done.
    pub(crate) name: &'static str,
    /// By how many connections at once.
    pub(crate) connections: u32,
    /// The pairs, one for each repetition.
    pub(crate) pairs: Vec<Pair>,
}

impl Series {
    /// A series that has nothing yet.
    pub(crate) fn new(name: &'static str, connections: u32) -> Self {
        Self { name, connections, pairs: Vec::new() }
    }

    /// The median of something of the server.
    pub(crate) fn server(&self, value: impl Fn(&Figures) -> f64) -> f64 {
        median(self.pairs.iter().map(|pair| value(&pair.server)))
    }

    /// The median of something of the limit.
    pub(crate) fn limit(&self, value: impl Fn(&Figures) -> f64) -> Option<f64> {
        let limits: Option<Vec<f64>> =
            self.pairs.iter().map(|pair| pair.limit.as_ref().map(&value)).collect();
        limits.map(|limits| median(limits.into_iter()))
    }

    /// How much of the limit the server reaches: the median of the pairs' ratios, not the ratio of
    /// the medians, because only what was measured together is comparable.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let ratios: Option<Vec<f64>> =
            self.pairs.iter().map(|pair| Some(pair.server.rate() / pair.limit?.rate())).collect();
        ratios.map(|ratios| median(ratios.into_iter()))
    }
}

/// The median; of two in the middle, their mean.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// A count as a number that can be divided.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}
