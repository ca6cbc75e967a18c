//! How often each API key was used of late, where it is limited. It is kept in memory, and so counted by
//! each server for itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::directory::rate::RateLimit;
use crate::secret::KeyId;

/// How many keys are counted at least before those that are not used any more are forgotten.
const SWEPT_FROM: usize = 1_000;

/// The keys that are limited and were used of late.
#[derive(Default)]
pub(super) struct Rates(Mutex<HashMap<KeyId, Arc<Rate>>>);

impl Rates {
    /// How often this key was used, which has this limit. A key that was given another limit begins anew.
    pub(super) fn of(&self, id: KeyId, limit: RateLimit, now: Duration) -> Arc<Rate> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rate) = rates.get(&id).filter(|rate| rate.limit == limit) {
            return rate.clone();
        }
        if rates.len() >= SWEPT_FROM {
            // Those that are remembered are counted on, whoever forgets them here.
            rates.retain(|_, rate| rate.is_of_now(now) || Arc::strong_count(rate) > 1);
        }
        let rate = Arc::new(Rate { limit, counted: AtomicU64::new(0) });
        rates.insert(id, rate.clone());
        rate
    }
}

/// The requests with one key in the present span.
pub(super) struct Rate {
    limit: RateLimit,
    /// The number of the span in the upper half, and how many there were in it in the lower.
    counted: AtomicU64,
}

/// How it stands with a key's limit after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStanding {
    /// The limit.
    pub limit: RateLimit,
    /// How many more requests there may be in this span.
    pub remaining: u64,
    /// After how many seconds the next span begins.
    pub reset: u64,
    /// Whether this request was one too many.
    pub is_exceeded: bool,
}

impl Rate {
    /// Counts a request, unless it is one too many.
    pub(super) fn count(&self, now: Duration) -> RateStanding {
        let (most, span, seconds) =
            (u64::from(self.limit.requests()), self.span(now), self.limit.per().seconds());
        let before = |counted: u64| if counted >> 32 == span { counted & u64::from(u32::MAX) } else { 0 };
        let counted = self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |counted| {
            (before(counted) < most).then(|| (span << 32) | (before(counted) + 1))
        });
        RateStanding {
            limit: self.limit,
            remaining: counted.map_or(0, |counted| most - before(counted) - 1),
            reset: seconds - now.as_secs() % seconds,
            is_exceeded: counted.is_err(),
        }
    }

    fn span(&self, now: Duration) -> u64 {
        now.as_secs() / self.limit.per().seconds()
    }

    fn is_of_now(&self, now: Duration) -> bool {
        self.counted.load(Ordering::Relaxed) >> 32 == self.span(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SeededRandom;
    use crate::secret::PlainKey;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn standing(rate: &Rate, seconds: u64) -> (u64, u64, bool) {
        let RateStanding { remaining, reset, is_exceeded, .. } = rate.count(at(seconds));
        (remaining, reset, is_exceeded)
    }

    #[test]
    fn there_are_as_many_requests_in_a_span_as_the_limit_says() {
        let id = PlainKey::new(&SeededRandom::new(1)).id();
        let rate = Rates::default().of(id, "3/minute".parse().unwrap(), at(0));
        assert_eq!(standing(&rate, 10), (2, 50, false));
        assert_eq!(standing(&rate, 59), (1, 1, false));
        assert_eq!(standing(&rate, 59), (0, 1, false));
        for _ in 0..5 {
            assert_eq!(standing(&rate, 59), (0, 1, true));
        }
        assert_eq!(standing(&rate, 60), (2, 60, false));
        let rate = Rates::default().of(id, "1/second".parse().unwrap(), at(0));
        assert_eq!(standing(&rate, 7), (0, 1, false));
        assert_eq!(standing(&rate, 7), (0, 1, true));
        assert_eq!(standing(&rate, 8), (0, 1, false));
    }

    #[test]
    fn a_key_is_counted_on_when_it_is_looked_up_anew_and_begins_anew_with_another_limit() {
        let rates = Rates::default();
        let id = PlainKey::new(&SeededRandom::new(1)).id();
        let (two, three) = ("2/minute".parse().unwrap(), "3/minute".parse().unwrap());
        rates.of(id, two, at(0)).count(at(0));
        assert_eq!(standing(&rates.of(id, two, at(1)), 1), (0, 59, false));
        assert_eq!(standing(&rates.of(id, three, at(1)), 1), (2, 59, false));
    }

    #[test]
    fn keys_that_are_not_used_any_more_are_forgotten_and_no_others() {
        let (rates, random) = (Rates::default(), SeededRandom::new(1));
        let limit = "2/minute".parse().unwrap();
        let used = PlainKey::new(&random).id();
        for _ in 1..SWEPT_FROM {
            rates.of(PlainKey::new(&random).id(), limit, at(0)).count(at(0));
        }
        rates.of(used, limit, at(60)).count(at(60));
        rates.of(PlainKey::new(&random).id(), limit, at(60)).count(at(60));
        assert_eq!(rates.0.lock().unwrap().len(), 2);
        assert_eq!(standing(&rates.of(used, limit, at(61)), 61), (0, 59, false));
    }
}
