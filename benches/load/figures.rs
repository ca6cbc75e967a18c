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
    /// The limit, or what else it is measured beside, where there is anything.
    pub(crate) limit: Option<Figures>,
    /// The server.
    pub(crate) server: Figures,
}

/// All pairs of one kind.
pub(crate) struct Series {
    /// What was done.
    pub(crate) name: String,
    /// By how many connections at once.
    pub(crate) connections: u32,
    /// Whether nothing can outdo what it is measured beside.
    pub(crate) beside_a_limit: bool,
    /// The pairs, one for each repetition.
    pub(crate) pairs: Vec<Pair>,
}

impl Series {
    /// A series that has nothing yet.
    pub(crate) fn new(name: impl Into<String>, connections: u32) -> Self {
        Self { name: name.into(), connections, beside_a_limit: true, pairs: Vec::new() }
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

/// What one query takes on directories of several sizes, at one connection.
pub(crate) struct Growth {
    /// What is asked.
    pub(crate) name: String,
    /// What was measured, each time one run for each size.
    pub(crate) runs: Vec<Vec<Figures>>,
}

impl Growth {
    /// A growth of which nothing is known yet.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), runs: Vec::new() }
    }

    /// The median of what half of the requests take at most, in milliseconds, for each size.
    pub(crate) fn p50_ms(&self) -> Vec<f64> {
        let sizes = self.runs.first().map_or(0, Vec::len);
        (0..sizes).map(|size| median(self.runs.iter().map(|run| real(run[size].p50_us) / 1e3))).collect()
    }

    /// How many times as long it takes at the last size as at the first: the median of the ratios of
    /// what was measured together.
    pub(crate) fn factor(&self) -> f64 {
        median(self.runs.iter().filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            Some(real(last.p50_us) / real(first.p50_us.max(1)))
        }))
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
