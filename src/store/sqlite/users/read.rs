//! Users who are read and asked, where many would have to be gathered before.

use super::super::super::reading::{self, FirstUsers, from_the_first, gathered};
use super::super::super::search::users::UserSearch;
use super::super::super::statement::Statement as _;
use super::super::super::ways::{Sample, Way};
use super::super::super::{List, Place};
use super::super::sql::Sql;
use super::condition::push_search;
use super::{Found, Listing, push_first};

impl Listing<'_> {
    /// Whether many users would be gathered before anybody is asked for a search.
    pub(super) fn gathers(&self, search: &UserSearch) -> rusqlite::Result<bool> {
        let few = self.bounds.few;
        for leaf in gathered(search) {
            if self.count_leaf(leaf, few)? > few {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first users of all in an order, and the statement that has read them.
    pub(super) fn first(&self, place: Place) -> rusqlite::Result<(Sql, FirstUsers)> {
        let list = List { filter: None, place, limit: self.bounds.read };
        let Found { sql, documents, .. } =
            Listing::of(self.connection, self.tenant, &list, self.bounds).find()?;
        Ok((sql, FirstUsers::of(documents, list.limit)))
    }

    /// The users of the page, if the first of all in the order are enough for it.
    pub(super) fn take_read(&self) -> rusqlite::Result<Option<Found>> {
        let (place, skipped) = from_the_first(self.place);
        let (sql, first) = self.first(place)?;
        let page = first.page(self.search, skipped, self.limit);
        let way = Way::Read(self.bounds.read);
        Ok(page.map(|(documents, matches)| Found { documents, matches, way, sql }))
    }

    /// How many of so many first users, in the order of their ids, match a search.
    pub(super) fn look_at_first(&self, search: &UserSearch, most: i64) -> rusqlite::Result<Sample> {
        if self.gathers(search)?
            && let Some(users) = self.first(Place::ById { after: None })?.1.read()
        {
            return Ok(reading::sample(&users, search));
        }
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) ");
        push_first(&mut sql, search, ("user_id", "asc"), most, &[]);
        push_search(&mut sql, search, "u.user_id");
        let matched = sql.value(self.connection)?;
        Ok(Sample { seen: self.users()?.min(most), matched })
    }
}
