//! Whether the clock can be believed: links, codes and keys expire by it.

use std::time::Duration;

use super::Finding;
use crate::time::{Clock, Timestamp};

const WHAT: &str = "clock";

/// By how many seconds clocks may differ that are both good.
const CLOSE: i64 = 5;
/// The first second of 2026: no machine that runs this program is in an earlier year.
const WRITTEN: Timestamp = Timestamp(1_767_225_600);

/// A time that was seen elsewhere.
pub(super) struct Seen {
    /// Where.
    pub(super) whose: &'static str,
    /// The time.
    pub(super) time: Timestamp,
    /// Whether it is a time of now, and not one that may have passed.
    pub(super) is_now: bool,
}

/// The clock as it stood when it was first looked at.
pub(super) struct Watch {
    now: Timestamp,
    elapsed: Duration,
}

impl Watch {
    pub(super) fn start(clock: &dyn Clock) -> Self {
        Self { now: clock.now(), elapsed: clock.elapsed() }
    }

    /// Compares the clock with itself, and with what was seen elsewhere since the start.
    pub(super) fn compare(&self, clock: &dyn Clock, seen: &[Seen]) -> Finding {
        let (now, elapsed) = (clock.now(), clock.elapsed());
        if now < WRITTEN {
            return Finding::broken(
                WHAT,
                "it stands in a year before 2026: let it be set, by NTP for instance",
            );
        }
        let ran = elapsed.saturating_sub(self.elapsed).as_secs().cast_signed();
        let jumped = now.0 - self.now.0 - ran;
        if jumped.abs() > CLOSE {
            return Finding::broken(
                WHAT,
                format!(
                    "it was set by {jumped} seconds while this ran: what sets it should let it run evenly"
                ),
            );
        }
        for Seen { whose, time, is_now } in seen {
            let ahead = time.0 - self.now.0;
            // Looking takes a while, in which other clocks go on.
            if ahead > CLOSE + ran || (*is_now && ahead < -CLOSE) {
                let (by, where_to) = (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
                return Finding::broken(
                    WHAT,
                    format!(
                        "{whose} is {by} seconds {where_to} it: links, codes and keys expire by the clock; let it be set, by NTP for instance"
                    ),
                );
            }
        }
        match seen {
            [] => Finding::ok(WHAT, "it runs evenly"),
            _ => Finding::ok(WHAT, "it runs evenly, and agrees with the store"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;
    use crate::time::ManualClock;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    fn state(seen: Option<(i64, bool)>) -> State {
        let clock = ManualClock::at(NOW);
        let seen = seen.map(|(ahead, is_now)| Seen { whose: "it", time: Timestamp(NOW.0 + ahead), is_now });
        Watch::start(&clock).compare(&clock, seen.as_slice()).state
    }

    #[test]
    fn what_was_seen_elsewhere_must_be_past_or_now() {
        assert!(state(None) == State::Ok);
        for (ahead, is_now, expected) in [
            (0, true, State::Ok),
            (-4, true, State::Ok),
            (-6, true, State::Broken),
            (6, true, State::Broken),
            (-1_000_000, false, State::Ok),
            (4, false, State::Ok),
            (6, false, State::Broken),
        ] {
            assert!(state(Some((ahead, is_now))) == expected, "{ahead} {is_now}");
        }
    }

    /// A clock whose time of day can be set while it runs on.
    struct Adjusted(i64);

    impl Clock for Adjusted {
        fn now(&self) -> Timestamp {
            Timestamp(NOW.0 + self.0)
        }

        fn elapsed(&self) -> Duration {
            Duration::from_secs(1_000)
        }
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_or_was_never_set_is_told() {
        for (later, expected) in [(0, State::Ok), (3, State::Ok), (60, State::Broken), (-60, State::Broken)] {
            assert!(Watch::start(&Adjusted(0)).compare(&Adjusted(later), &[]).state == expected, "{later}");
        }
        let never = ManualClock::at(Timestamp(60));
        assert!(Watch::start(&never).compare(&never, &[]).state == State::Broken);
    }

    #[test]
    fn a_look_that_takes_long_does_not_count_against_the_clock() {
        let clock = ManualClock::at(NOW);
        let watch = Watch::start(&clock);
        clock.advance(600);
        let seen = Seen { whose: "it", time: Timestamp(NOW.0 + 590), is_now: true };
        assert!(watch.compare(&clock, &[seen]).state == State::Ok);
    }
}
