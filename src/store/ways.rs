//! The ways in which the users of a list can be found, and what decides between them.
//!
//! The planner of neither database knows how common a term is, so the way is chosen before. Where no
//! more users can match than a page holds, all of them are fetched. Where few can, they are found and
//! sorted, and those of the page are fetched. Else the index of the order is walked, and each user on
//! the way is asked; but not far. If the page is not full by then, the users that the least common
//! condition finds are fetched all the same, or, where no condition finds users by itself, the walk
//! goes on to its end; or, where few seem to match, everybody is asked in another order, which jumps less. Where a walk is sure to be long before it begins, because many users are gathered for
//! it, the first users are read instead (`reading.rs`).

use super::Page;
use super::search::users::{Column, UserLeaf, UserSearch};

/// Up to how many rows are fetched and sorted without looking for another way.
pub(super) const FEW: i64 = 5_000;
/// Up to how many matches are counted one by one.
pub(super) const COUNTED: i64 = 10_000;
/// Up to how many logs are counted that are within a filter's bounds in time.
pub(super) const MOST_WITHIN: i64 = 100_000;

/// How much is done in one way before another is chosen.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Up to how many users are fetched and sorted without trying anything else.
    pub(super) few: i64,
    /// How many users a walk looks at before it is given up for another way.
    pub(super) walked: i64,
    /// Up to how many matches are counted one by one.
    pub(super) counted: i64,
    /// From how many users the share of those who match is estimated.
    pub(super) sampled: i64,
    /// The same for the share of those who meet one condition.
    pub(super) probed: i64,
    /// How many users are read where many would have to be gathered.
    pub(super) read: u32,
}

pub(super) const BOUNDS: Bounds =
    Bounds { few: FEW, walked: 20_000, counted: COUNTED, sampled: 10_000, probed: 1_000, read: 2_000 };

/// What is known of how many users match.
#[derive(Clone, Copy)]
pub(super) enum Matches {
    Unknown,
    /// So many.
    Exactly(i64),
    /// More than are counted one by one.
    Many,
}

/// How many of the users that were looked at match.
#[derive(Clone, Copy)]
pub(super) struct Sample {
    pub(super) seen: i64,
    pub(super) matched: i64,
}

impl Sample {
    /// How many users to look at, at this share, to find so many.
    pub(super) fn reach(self, wanted: i64) -> i64 {
        wanted.saturating_mul(self.seen).checked_div(self.matched).unwrap_or(i64::MAX)
    }

    /// About how many of all users match.
    pub(super) fn estimate(self, users: i64) -> i64 {
        self.matched.saturating_mul(users) / self.seen.max(1)
    }

    /// At least so many of all users match, as good as certainly: ids are random, so the first ones are
    /// a fair sample, and five times its standard error is taken off.
    pub(super) fn surely(self, users: i64) -> i64 {
        let error = 5 * (self.matched.isqrt() + 1);
        Self { matched: (self.matched - error).max(0), ..self }.estimate(users)
    }
}

/// Whether a search asks for ids: then those who come first in their order are no fair sample.
pub(super) fn asks_for_ids(search: &UserSearch) -> bool {
    let mut asks = false;
    search.each(&mut |leaf| asks |= matches!(leaf, UserLeaf::Column(Column::UserId, _)));
    asks
}

/// Whether a search asks for what is in the rows of users: their ids alone, and so the index of these, do not tell
/// who matches.
pub(super) fn asks_for_columns(search: &UserSearch) -> bool {
    let mut asks = false;
    search.each(&mut |leaf| asks |= matches!(leaf, UserLeaf::Column(..)));
    asks
}

/// How a list of users is found. It holds personal values: what is searched for, and the users.
pub struct Explanation {
    /// How many users the tenant has.
    pub users: u64,
    /// How many users each part of the filter finds by itself.
    pub parts: Vec<Counted>,
    /// The way that was taken.
    pub way: Way,
    /// The statement that found the page, with the values in it.
    pub statement: String,
    /// What the database says of how it runs the statement, a line a step.
    pub plan: Vec<String>,
    /// The page.
    pub page: Page,
}

/// How many users a part of a filter finds by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// So many, or fewer: one who has several of the values counts for each.
    Exactly(u64),
    /// More than these; it was counted no further.
    MoreThan(u64),
    /// There is no index that finds them: each user must be asked.
    NotLookedUp,
}

/// The way in which the users of a page were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// There is nothing to match: the page was cut from the index of the order.
    Everybody,
    /// No more are found by an index than a page holds, so all of them were fetched.
    Page(u64),
    /// So few are found by an index that they were sorted.
    Few(u64),
    /// The index of the order was walked, and the page was full, or nobody left, after so many users
    /// at most.
    Walk(u64),
    /// Many would have been gathered before anybody was asked. So the first users were read, so many at most, and
    /// the page was full, or nobody left.
    Read(u32),
    /// The page was not full after the walk, so those whom an index finds were fetched and sorted, about
    /// so many as they are.
    Many(u64),
    /// No index finds so few, so the walk went on until the page was full.
    WalkOn,
    /// No index finds so few, and few match: everybody was asked in whatever order is least work, and those who
    /// match were sorted.
    AskEverybody,
}
