//! Lists: which part of one is wanted, in which order, and the page that answers.

use std::fmt;

use bytes::Bytes;

use super::search::users::UserSearch;
use crate::directory::event::{EventType, Recorded, Word, names};
use crate::directory::log::Wording;
use crate::id::UserId;

/// Which users, in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What they must match; all if there is nothing.
    pub filter: Option<UserSearch>,
    /// Which of them.
    pub place: Place,
    /// How many to give at most.
    pub limit: u32,
}

/// A place in a list of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the order of a key; users equal in it are sorted by id, in the same direction.
    Sorted {
        /// The key.
        sort: SortKey,
        /// Whether the largest come first.
        descending: bool,
        /// How many to pass over.
        offset: u64,
    },
    /// In the order of ids, for walks of any length.
    ById {
        /// Those after this one, who need not be there any more.
        after: Option<UserId>,
    },
}

names! {
    /// What users can be sorted by. Nobody signs in yet, so all users are equal in the first seven.
    SortKey {
        /// How often signing in failed since it last did not.
        FailureCount = "failure_count",
        /// When somebody last tried to sign in as them.
        LastSignInAttempt = "last_sign_in_attempt",
        /// How often.
        SignInAttemptsCount = "sign_in_attempts_count",
        /// When they last signed in.
        LastSignInSuccess = "last_sign_in_success",
        /// How often they did.
        SignInSuccessCount = "sign_in_success_count",
        /// When they last did anything.
        LastActivity = "last_activity",
        /// Until when signing in is blocked.
        BlockUntil = "block_until",
        /// When they came to be.
        CreationTime = "creation_time",
        /// When they were last changed.
        LastUpdated = "last_updated",
        /// The claim of this name, as are the next three. Those who have none come before all others.
        GivenName = "given_name",
        /// The middle name.
        MiddleName = "middle_name",
        /// The family name.
        FamilyName = "family_name",
        /// The whole name.
        Name = "name",
    }
}

/// Which page of a list, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sorted<Key> {
    /// What it is sorted by; what is equal in this is sorted by id, in the same direction.
    pub sort: Key,
    /// Whether the largest come first.
    pub descending: bool,
    /// How many to pass over.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u32,
}

names! {
    /// What groups can be sorted by.
    GroupSortKey {
        /// What they are called, whatever the case.
        Name = "name",
        /// Where they come from.
        Type = "type",
        /// How many applications they are assigned to.
        ClientsAssigned = "clients_assigned",
        /// How many members they have.
        UsersAssigned = "users_assigned",
        /// When they last got a member.
        LastAssigned = "last_assigned",
        /// When they came to be.
        CreationTime = "creation_time",
        /// When they were last changed.
        LastUpdated = "last_updated",
    }
}

names! {
    /// What the memberships of a user can be sorted by.
    MembershipSortKey {
        /// When they came to be.
        CreationTime = "creation_time",
    }
}

names! {
    /// What logs can be sorted by.
    LogSortKey {
        /// When it happened.
        TimeStamp = "time_stamp",
        /// What they are about.
        Category = "category",
        /// What happened.
        Code = "code",
        /// How it ended.
        Type = "type",
        /// What happened, in plain words.
        Name = "name",
    }
}

impl LogSortKey {
    /// What the logs of events of one type are all sorted by; nothing for the time, which is each
    /// log's own.
    pub fn text(self, wording: &Wording) -> Option<&'static str> {
        match self {
            Self::TimeStamp => None,
            Self::Category => Some(wording.category.as_str()),
            Self::Code => Some(wording.code.as_str()),
            Self::Type => Some(wording.r#type.as_str()),
            Self::Name => Some(wording.name),
        }
    }
}

/// Which events, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventList {
    /// Those after this position.
    pub after: i64,
    /// How many to give at most.
    pub limit: u32,
    /// Those of this user only, who need not be there any more.
    pub user_id: Option<UserId>,
    /// Those of this type only.
    pub kind: Option<EventType>,
}

/// Which events, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewestEvents {
    /// Those before this position; from the newest on if there is none.
    pub before: Option<i64>,
    /// How many to give at most.
    pub limit: u32,
    /// Those of this user only, who need not be there any more. Then `before` is the position of an
    /// event of theirs.
    pub user_id: Option<UserId>,
    /// Those of this type only.
    pub kind: Option<EventType>,
}

/// How many events of one type there were on one day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayCount {
    /// The day in UTC, counted from the first one of 1970.
    pub day: i64,
    /// The type.
    pub kind: Word<EventType>,
    /// How many.
    pub count: u64,
}

/// Some events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventPage {
    /// The events with their positions.
    pub events: Vec<(i64, Recorded)>,
    /// The position to go on after, or before where the newest come first, if there may be more.
    pub next: Option<i64>,
}

/// A page of a list.
#[derive(Clone)]
pub struct Page<T = Bytes> {
    /// What is on it: of users the JSON, of others the whole.
    pub documents: Vec<T>,
    /// How many there are on all pages.
    pub total: u64,
    /// Whether that is only about right, because there are too many to count.
    pub total_is_estimate: bool,
    /// Whether there are any after these.
    pub has_next: bool,
}

impl<T> fmt::Debug for Page<T> {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} of {})", self.documents.len(), self.total)
    }
}
