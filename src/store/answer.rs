//! Answers that are kept for requests that are made again.

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;

use super::Version;
use crate::directory::repeat::{Fingerprint, NamedRequest};
use crate::id::UserId;
use crate::time::Timestamp;

/// How many answers are forgotten at once at most: others wait for it.
pub(super) const FORGOTTEN_AT_ONCE: i64 = 1_000;

/// What was answered to a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, as the client got it.
    pub status: u16,
    /// Where what was made is found.
    pub location: Option<String>,
    /// The version of the user that it shows, if it shows one.
    pub version: Option<Version>,
    /// The JSON.
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({} {:?})", self.status, self.version)
    }
}

/// Of whom an answer tells. It goes when the user does, and is not even kept where one of them is gone by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Of no user.
    Nobody,
    /// Of this one.
    User(UserId),
    /// Of these, each of whom is there once. They are not noted down: it goes when any user of the tenant does.
    Several(BTreeSet<UserId>),
}

impl About {
    /// What the store notes down of it: an id, or [`About::SEVERAL`].
    pub(super) fn noted(&self) -> Option<&str> {
        match self {
            Self::Nobody => None,
            Self::User(user_id) => Some(user_id.as_str()),
            Self::Several(_) => Some(Self::SEVERAL),
        }
    }

    /// Those who must be there for the answer to be kept: nobody else can see to it that it goes with them.
    pub(super) fn must_be_there(&self) -> Option<Vec<&str>> {
        match self {
            Self::Several(users) if !users.is_empty() => Some(users.iter().map(UserId::as_str).collect()),
            _ => None,
        }
    }

    /// What stands in the place of an id, and is none, where an answer tells of several users.
    pub(super) const SEVERAL: &str = "*";
}

/// An answer as it is kept, with the change that it tells of.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    /// What is answered.
    pub request: NamedRequest,
    /// When.
    pub kept_at: Timestamp,
    /// Of whom it tells.
    pub about: About,
    /// The answer.
    pub answer: Answer,
}

/// What is kept of a request that was made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// What it is known by beside its name.
    pub fingerprint: Fingerprint,
    /// Its answer; none if that told of a user who was removed since.
    pub answer: Option<Answer>,
}
