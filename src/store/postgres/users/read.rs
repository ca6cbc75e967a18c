//! Users who are read and asked, where many would have to be gathered before.

use std::sync::OnceLock;

use super::super::super::Place;
use super::super::super::reading::{FirstUsers, from_the_first, gathered};
use super::super::super::search::Search;
use super::super::super::search::users::UserLeaf;
use super::super::super::ways::Way;
use super::super::connection::Answer;
use super::super::sql::Sql;
use super::{Found, Known, Listing, Source};

impl Listing<'_> {
    /// Whether many users would be gathered before anybody is asked. How many meet what is denied was not counted.
    pub(super) fn gathers(&self) -> bool {
        let are_many = |leaf: &&UserLeaf| self.known.count(leaf).is_none_or(|count| count > self.bounds.few);
        gathered(self.search).iter().any(are_many)
    }

    /// The first users of all in an order, and the statement that has read them.
    pub(super) async fn first(&self, place: Place) -> Answer<(Sql, FirstUsers)> {
        let known = Known { users: self.known.users, counts: Vec::new() };
        let (limit, looked) = (self.bounds.read, OnceLock::new());
        let everybody = Listing { search: &Search::All, place, limit, known, looked, ..*self };
        let Found { sql, documents, .. } = everybody.take(Way::Everybody, &Source::Index(None)).await?;
        Ok((sql, FirstUsers::of(documents, limit)))
    }

    /// The users of the page, if the first of all in the order are enough for it.
    pub(super) async fn take_read(&self) -> Answer<Option<Found>> {
        let (place, skipped) = from_the_first(self.place);
        let (sql, first) = self.first(place).await?;
        let page = first.page(self.search, skipped, self.limit);
        let way = Way::Read(self.bounds.read);
        Ok(page.map(|(documents, matches)| Found { documents, matches, way, sql }))
    }
}
