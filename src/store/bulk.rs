//! What stores read and write of many users at once.

use std::fmt;

use bytes::Bytes;

use crate::directory::group::Group;
use crate::directory::password::{PasswordHash, SetBy};
use crate::id::GroupId;
use crate::time::Timestamp;

/// A part of all that a tenant has: first the groups by their ids, then the users by theirs.
pub enum Portion {
    /// Some groups.
    Groups(Vec<Group>),
    /// Some users.
    Users(Vec<Record>),
}

/// A user with what is kept beside the document.
#[derive(Clone)]
pub struct Record {
    /// The JSON of the user.
    pub document: Bytes,
    /// When an address of the user was first proved by a link or a code.
    pub proved_at: Option<Timestamp>,
    /// The groups that the user is in, by their ids, and since when.
    pub groups: Vec<(GroupId, Timestamp)>,
    /// The hash of the password and who has set it, if that was asked for.
    pub password: Option<(PasswordHash, SetBy)>,
}

impl fmt::Debug for Record {
    /// What is known of a person is personal: nothing that prints for debugging shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Record(hidden)")
    }
}

/// What a new user has from the start beside the document.
#[derive(Clone, Debug, Default)]
pub struct Arrival {
    /// The groups that take every new user, all of them, by their ids. Nothing: the user does not join
    /// these.
    pub automatic: Option<Vec<GroupId>>,
    /// Other groups, and since when the user is in each.
    pub groups: Vec<(GroupId, Timestamp)>,
    /// When an address of the user was first proved by a link or a code, elsewhere.
    pub proved_at: Option<Timestamp>,
}

impl Arrival {
    /// Every group that the user is in then, once, and since when; in the automatic ones since a moment.
    pub(super) fn memberships(&self, now: Timestamp) -> Vec<(GroupId, Timestamp)> {
        let automatic = self.automatic.iter().flatten().map(|group_id| (*group_id, now));
        let mut all: Vec<_> = self.groups.iter().copied().chain(automatic).collect();
        // Where one is named twice, the earlier moment counts.
        all.sort_unstable();
        all.dedup_by_key(|(group_id, _)| *group_id);
        all
    }
}
