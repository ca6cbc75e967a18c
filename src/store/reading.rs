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
    users: Vec<(User, Bytes)>,
    /// Whether there are no others.
    are_all: bool,
}

impl FirstUsers {
    /// Those of these documents, of which there is one more than `most` if there are others; nothing if one cannot
    /// be read: the indexes still tell who matches.
    pub(super) fn of(mut documents: Vec<Bytes>, most: u32) -> Option<Self> {
        let are_all = documents.len() <= most as usize;
        documents.truncate(most as usize);
        let read = |document: Bytes| Some((User::from_document(&document).ok()?, document));
        let users = documents.into_iter().map(read).collect::<Option<_>>()?;
        Some(Self { users, are_all })
    }

    /// How many of them match a search.
    pub(super) fn sample(&self, search: &UserSearch) -> Sample {
        let count = |users: usize| i64::try_from(users).unwrap_or(i64::MAX);
        let matched = self.users.iter().filter(|(user, _)| search.finds(user)).count();
        Sample { seen: count(self.users.len()), matched: count(matched) }
    }

    /// The users of a page, and one more if there is one; nothing if it takes others to tell.
    pub(super) fn page(self, search: &UserSearch, offset: u64, limit: u32) -> Option<(Vec<Bytes>, Matches)> {
        let matches =
            if self.are_all { Matches::Exactly(self.sample(search).matched) } else { Matches::Unknown };
        let matching = self.users.into_iter().filter(|(user, _)| search.finds(user));
        let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
        let page = matching.skip(skipped).take(limit as usize + 1);
        let documents: Vec<Bytes> = page.map(|(_, document)| document).collect();
        (self.are_all || documents.len() > limit as usize).then_some((documents, matches))
    }
}
