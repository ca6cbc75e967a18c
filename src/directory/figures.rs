//! The figures by which operators see how a directory is doing: how many addresses are verified, and
//! what happened on each of the last days.

use super::event::EventType;
use super::user::User;
use crate::time::Timestamp;

/// How many days are told of, today among them.
pub const DAYS: usize = 14;
/// How many seconds a day has.
const DAY: i64 = 86_400;

/// Addresses of users, and how many of them are verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// All of them.
    pub all: u64,
    /// Those known to be their user's.
    pub verified: u64,
}

impl Addresses {
    /// The emails of some users.
    pub fn emails<'a>(users: impl IntoIterator<Item = &'a User>) -> Self {
        let emails = users.into_iter().flat_map(|user| &user.emails);
        emails.fold(Self::default(), |sum, email| Self {
            all: sum.all + 1,
            verified: sum.verified + u64::from(email.verified),
        })
    }

    /// How many of a hundred are verified, rounded down; none where there are no addresses.
    pub fn percent(self) -> Option<u64> {
        (self.verified * 100).checked_div(self.all)
    }
}

/// What is counted by day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Users who came to be.
    NewUsers,
    /// Emails and phone numbers that became known to be their user's.
    Verifications,
    /// Links and codes that were made to prove an address.
    ProofsStarted,
    /// Mails that could not be sent and were given up.
    Failures,
}

impl Counted {
    /// Everything that is counted.
    pub const ALL: [Self; 4] = [Self::Verifications, Self::Failures, Self::ProofsStarted, Self::NewUsers];

    /// Whether an event of this type counts.
    pub fn counts(self, kind: EventType) -> bool {
        match self {
            Self::NewUsers => kind == EventType::UserCreated,
            Self::Verifications => matches!(kind, EventType::EmailVerified | EventType::PhoneVerified),
            Self::ProofsStarted => {
                matches!(kind, EventType::EmailProofStarted | EventType::PhoneProofStarted)
            }
            Self::Failures => kind == EventType::EmailMailGivenUp,
        }
    }
}

/// The last days in UTC, the oldest first and today at the end, counted from the first day of 1970.
pub fn last_days(now: Timestamp) -> [i64; DAYS] {
    let today = now.0.div_euclid(DAY);
    let mut day = today;
    let mut days = [today; DAYS];
    for place in days.iter_mut().rev() {
        *place = day;
        day -= 1;
    }
    days
}

/// The moment at which a day begins.
pub fn beginning(day: i64) -> Timestamp {
    Timestamp(day * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_verified_addresses_is_rounded_down_and_none_of_none() {
        let percent = |all, verified| Addresses { all, verified }.percent();
        assert_eq!(
            [percent(0, 0), percent(3, 2), percent(200, 199), percent(5, 5)],
            [None, Some(66), Some(99), Some(100)]
        );
    }

    #[test]
    fn the_last_days_end_today_in_utc() {
        let days = last_days(Timestamp(86_400 * 100 + 86_399));
        assert_eq!((days[0], days[DAYS - 1]), (87, 100));
        assert_eq!(beginning(100), Timestamp(8_640_000));
    }
}
