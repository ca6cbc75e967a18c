//! Users who are read and asked by what they say of themselves.
//!
//! To ask a user by the indexes for a condition on a range of values, all who meet it are gathered before, and
//! that can be everybody. Where these are many, the first users of the order are read. That they match is told
//! from the terms that their rows in the index were made from.

use bytes::Bytes;

use super::Place;
use super::search::users::{UserLeaf, UserSearch};
use super::ways::{Matches, Sample};
use crate::directory::user::User;

/// The conditions of a search whose users are gathered before anybody is asked; none where users do not tell by
/// themselves whether they match, because it asks for a group.
pub(super) fn gathered(search: &UserSearch) -> Vec<&UserLeaf> {
    let (mut leaves, mut tell) = (Vec::new(), true);
    search.each(&mut |leaf| match leaf {
        UserLeaf::Term(lookup) if lookup.values.value().is_none() => leaves.push(leaf),
        UserLeaf::Member(_) => tell = false,
        UserLeaf::Term(_) | UserLeaf::Column(..) => {}
    });
    if tell { leaves } else { Vec::new() }
}

/// The place of the first users in the order of a place, and how many who match lie before the place itself.
pub(super) fn from_the_first(place: Place) -> (Place, u64) {
    match place {
        Place::Sorted { sort, descending, offset } => (Place::Sorted { sort, descending, offset: 0 }, offset),
        Place::ById { .. } => (place, 0),
    }
}

/// The first users of an order, or all.
pub(super) struct FirstUsers {
    documents: Vec<Bytes>,
    /// Whether there are no others.
    are_all: bool,
}

impl FirstUsers {
    /// Those of these documents, of which there is one more than `most` if there are others.
    pub(super) fn of(mut documents: Vec<Bytes>, most: u32) -> Self {
        let are_all = documents.len() <= most as usize;
        documents.truncate(most as usize);
        Self { documents, are_all }
    }

    /// All of them, read; nothing if one cannot be: the indexes still tell who matches.
    pub(super) fn read(&self) -> Option<Vec<User>> {
        self.documents.iter().map(|document| User::from_document(document).ok()).collect()
    }

    /// The users of a page, and one more if there is one; nothing if it takes others, or the indexes, to tell. No
    /// more are read than that takes.
    pub(super) fn page(self, search: &UserSearch, offset: u64, limit: u32) -> Option<(Vec<Bytes>, Matches)> {
        let (mut found, mut page) = (0_u64, Vec::new());
        for document in self.documents {
            if search.finds(&User::from_document(&document).ok()?) {
                found += 1;
                if found > offset {
                    page.push(document);
                }
                if page.len() > limit as usize {
                    return Some((page, Matches::Unknown));
                }
            }
        }
        self.are_all.then_some((page, Matches::Exactly(found.cast_signed())))
    }
}

/// How many of some users match a search.
pub(super) fn sample(users: &[User], search: &UserSearch) -> Sample {
    let count = |users: usize| i64::try_from(users).unwrap_or(i64::MAX);
    Sample {
        seen: count(users.len()),
        matched: count(users.iter().filter(|user| search.finds(user)).count()),
    }
}
