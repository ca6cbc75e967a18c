//! How often each source has asked for pages of late. It is kept in memory: it bounds what a server
//! does for one source, and guards no secret.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The span in which visits are counted.
const WITHIN: Duration = Duration::from_secs(60);
/// How many sources are known at once. Beyond, all are forgotten: the memory is bounded first.
const MAX_SOURCES: usize = 50_000;

/// The visits of the last minute.
pub(crate) struct Visits {
    /// How many a source can have within [`WITHIN`].
    most: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    by_source: HashMap<IpAddr, VecDeque<Duration>>,
    swept_at: Duration,
}

impl Visits {
    /// None yet; a source can have so many in a minute.
    pub(crate) fn at_most(most: usize) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Counts a visit, if it is not one too many; then after how many seconds there can be another.
    pub(crate) fn count(&self, source: IpAddr, now: Duration) -> Result<(), u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(seen.swept_at) >= WITHIN {
            seen.by_source.retain(|_, visits| visits.back().is_some_and(|last| now < *last + WITHIN));
            seen.swept_at = now;
        }
        if seen.by_source.len() >= MAX_SOURCES {
            seen.by_source.clear();
        }
        let visits = seen.by_source.entry(one_household(source)).or_default();
        while visits.front().is_some_and(|first| *first + WITHIN <= now) {
            visits.pop_front();
        }
        if visits.len() < self.most {
            visits.push_back(now);
            return Ok(());
        }
        let oldest = visits.front().copied().unwrap_or(now);
        Err((oldest + WITHIN).saturating_sub(now).as_secs().max(1))
    }
}

/// The address without the part that one customer can choose: the lower half of an IPv6 address.
fn one_household(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_has_as_many_visits_as_are_allowed_in_any_minute() {
        let visits = Visits::at_most(20);
        let (one, other) = (source("192.0.2.1"), source("192.0.2.2"));
        for second in 0..20 {
            assert_eq!(visits.count(one, at(second)), Ok(()));
        }
        assert_eq!(visits.count(one, at(20)), Err(40));
        assert_eq!(visits.count(one, at(59)), Err(1));
        assert_eq!(visits.count(other, at(59)), Ok(()));
        // What was refused does not count.
        assert_eq!(visits.count(one, at(60)), Ok(()));
        assert_eq!(visits.count(one, at(60)), Err(1));
        assert_eq!(visits.count(one, at(61)), Ok(()));
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let visits = Visits::at_most(20);
        for number in 0..20 {
            assert_eq!(visits.count(source(&format!("2001:db8::{number:x}")), at(0)), Ok(()));
        }
        assert!(visits.count(source("2001:db8::ffff:1"), at(0)).is_err());
        assert!(visits.count(source("2001:db8:0:1::1"), at(0)).is_ok());
    }

    #[test]
    fn sources_are_forgotten_after_a_minute_and_when_there_are_too_many() {
        let visits = Visits::at_most(20);
        let known = || visits.seen.lock().unwrap().by_source.len();
        for number in 0..u32::try_from(MAX_SOURCES).unwrap() {
            visits.count(IpAddr::from(number.to_be_bytes()), at(0)).unwrap();
        }
        assert_eq!(known(), MAX_SOURCES);
        visits.count(source("192.0.2.1"), at(1)).unwrap();
        assert_eq!(known(), 1);
        visits.count(source("192.0.2.2"), at(62)).unwrap();
        assert_eq!(known(), 1);
    }
}
