//! Lists of users: pages in an order, with or without a filter, found in one of the `ways`.

mod condition;
mod read;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::ops::Bound;

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::super::columns::{looked_at, order, ranges, sorted_by};
use super::super::drivers::{Drivers, can_be_looked_up, drivers};
use super::super::search::users::{Column, UserLeaf, UserSearch};
use super::super::search::{Operand, Range, Search};
use super::super::statement::Statement as _;
use super::super::ways::{
    BOUNDS, Bounds, Counted, Explanation, Matches, Sample, Way, asks_for_columns, asks_for_ids,
};
use super::super::{List, Page, Place};
use super::rows;
use super::sql::Sql;
use crate::id::{GroupId, TenantId};
use condition::{index, push_driver, push_search};

/// Where the users of a list come from.
enum Source<'a> {
    /// The index of the order: all of it, or so many users.
    Index(Option<i64>),
    /// The index of ids.
    Everybody,
    /// The users that conditions find.
    Drivers(Drivers<'a, UserLeaf>),
}

/// The users of a page, and one more if there is one.
struct Found {
    documents: Vec<Bytes>,
    matches: Matches,
    way: Way,
    /// The statement that found them.
    sql: Sql,
}

pub(super) fn list(connection: &Connection, tenant: &TenantId, list: &List) -> rusqlite::Result<Page> {
    let listing = Listing::of(connection, tenant, list, BOUNDS);
    listing.page(listing.find()?)
}

/// Finds a list, and tells how, and how many users each of the parts finds by itself.
pub(super) fn explain(
    connection: &Connection,
    tenant: &TenantId,
    list: &List,
    parts: &[UserSearch],
) -> rusqlite::Result<Explanation> {
    let listing = Listing::of(connection, tenant, list, BOUNDS);
    let found = listing.find()?;
    let (way, statement, plan) =
        (found.way, found.sql.expanded(connection)?, found.sql.explained(connection)?);
    let page = listing.page(found)?;
    let parts = parts.iter().map(|part| listing.count_alone(part)).collect::<rusqlite::Result<_>>()?;
    let users = listing.users()?.unsigned_abs();
    Ok(Explanation { users, parts, way, statement, plan, page })
}

/// A list of the users who match a search.
struct Listing<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    search: &'a UserSearch,
    place: Place,
    limit: u32,
    bounds: Bounds,
    users: OnceCell<i64>,
    sample: OnceCell<Sample>,
}

impl<'a> Listing<'a> {
    fn of(connection: &'a Connection, tenant: &'a TenantId, list: &'a List, bounds: Bounds) -> Self {
        let search = list.filter.as_ref().unwrap_or(&Search::All);
        let List { place, limit, .. } = *list;
        let (users, sample) = (OnceCell::new(), OnceCell::new());
        Self { connection, tenant, search, place, limit, bounds, users, sample }
    }

    /// How many users the tenant has.
    fn users(&self) -> rusqlite::Result<i64> {
        if let Some(users) = self.users.get() {
            return Ok(*users);
        }
        let users = self
            .connection
            .prepare_cached("select users from tenants where tenant_id = ?1")?
            .query_row([self.tenant.as_str()], |row| row.get(0))?;
        Ok(*self.users.get_or_init(|| users))
    }

    /// Finds the users of the page in the way that is least work.
    fn find(&self) -> rusqlite::Result<Found> {
        if *self.search == Search::All {
            return match self.place {
                Place::Sorted { offset, .. } => self.take_everybody(offset),
                Place::ById { .. } => self.take(Way::Everybody, &Source::Index(None)),
            };
        }
        if let Some(page) = self.drivers(i64::from(self.limit))? {
            return self.take_all(&page);
        }
        if let Some(few) = self.drivers(self.bounds.few)? {
            let way = Way::Few(few.count.unsigned_abs());
            return self.take_counting(way, &Source::Drivers(few), None);
        }
        let Bounds { walked, counted, .. } = self.bounds;
        let gathers = self.gathers(self.search)?;
        if gathers && let Some(found) = self.take_read()? {
            return Ok(found);
        }
        // A page that lies further than that is not on the way. Nor is gathering many worth while for a walk that
        // hardly gets there.
        if self.wanted() <= walked && !(gathers && self.sample()?.reach(self.wanted()) > walked) {
            let found = self.take(Way::Walk(walked.unsigned_abs()), &Source::Index(Some(walked)))?;
            if found.documents.len() > self.limit as usize || self.users()? <= walked {
                return Ok(found);
            }
        }
        let sample = self.sample()?;
        match self.many()? {
            Some(many) if many.count <= sample.reach(self.wanted()) => {
                let way = Way::Many(many.count.unsigned_abs());
                self.take_counting(way, &Source::Drivers(many), None)
            }
            _ if self.surely_many(sample)? => self.take(Way::WalkOn, &Source::Index(None)),
            _ if !asks_for_columns(self.search) => {
                self.take_counting(Way::AskEverybody, &Source::Everybody, None)
            }
            // Those who match are counted on the same walk.
            _ => {
                let most = self.wanted().max(counted + 1);
                self.take_counting(Way::WalkOn, &Source::Index(None), Some(most))
            }
        }
    }

    /// The page that was found, with the total.
    fn page(&self, found: Found) -> rusqlite::Result<Page> {
        let Found { mut documents, matches, .. } = found;
        let has_next = documents.len() > self.limit as usize;
        documents.truncate(self.limit as usize);
        let (total, total_is_estimate) = match self.place {
            Place::Sorted { offset, .. } if !has_next && (offset == 0 || !documents.is_empty()) => {
                (offset + documents.len() as u64, false)
            }
            Place::Sorted { .. } => self.total(matches)?,
            Place::ById { .. } => (self.users()?.unsigned_abs(), false),
        };
        Ok(Page { documents, total, total_is_estimate, has_next })
    }

    /// How many users match, and whether that is an estimate.
    fn total(&self, matches: Matches) -> rusqlite::Result<(u64, bool)> {
        let exact = match (self.search, matches) {
            (Search::All, _) => Some(self.users()?),
            (Search::Is(UserLeaf::Member(group_id)), _) => Some(self.members(*group_id)?),
            (_, Matches::Exactly(count)) => Some(count),
            (_, Matches::Many) => None,
            (_, Matches::Unknown) => {
                let sample = self.sample()?;
                if sample.seen == self.users()? {
                    Some(sample.matched)
                } else if self.surely_many(sample)? {
                    None
                } else {
                    Some(self.count()?).filter(|count| *count <= self.bounds.counted)
                }
            }
        };
        if let Some(exact) = exact {
            return Ok((exact.unsigned_abs(), false));
        }
        let (least, users) = (self.bounds.counted + 1, self.users()?);
        Ok((self.sample()?.estimate(users).clamp(least, users.max(least)).unsigned_abs(), true))
    }

    /// Whether more users match than are counted one by one, as good as certainly.
    fn surely_many(&self, sample: Sample) -> rusqlite::Result<bool> {
        Ok(!asks_for_ids(self.search) && sample.surely(self.users()?) > self.bounds.counted)
    }

    /// How many users of the order come before the end of the page, and one more.
    fn wanted(&self) -> i64 {
        let offset = match self.place {
            Place::Sorted { offset, .. } => offset.cast_signed(),
            Place::ById { .. } => 0,
        };
        offset.saturating_add(i64::from(self.limit)).saturating_add(1)
    }

    /// The column of the order, and its direction.
    fn order(&self) -> (&'static str, &'static str) {
        match self.place {
            Place::Sorted { sort, descending: true, .. } => (sorted_by(sort), "desc"),
            Place::Sorted { sort, descending: false, .. } => (sorted_by(sort), "asc"),
            Place::ById { .. } => ("user_id", "asc"),
        }
    }

    /// What finds every user who can match, if it finds `most` at most.
    fn drivers(&self, most: i64) -> rusqlite::Result<Option<Drivers<'a, UserLeaf>>> {
        drivers(self.search, most, &|leaf, most| self.count_leaf(leaf, most).map(Some))
    }

    /// What finds every user who can match, if it finds about half of all users at most: beyond, looking
    /// at each user is less work.
    fn many(&self) -> rusqlite::Result<Option<Drivers<'a, UserLeaf>>> {
        let count = |leaf: &UserLeaf, _| self.estimate_leaf(leaf).map(Some);
        drivers(self.search, self.users()? / 2, &count)
    }

    /// How many users a condition finds by itself, up to one more than `most`.
    fn count_leaf(&self, leaf: &UserLeaf, most: i64) -> rusqlite::Result<i64> {
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (");
        push_driver(&mut sql, leaf);
        sql.push(" limit ");
        sql.bind(most.saturating_add(1));
        sql.push(")");
        sql.value(self.connection)
    }

    /// About how many users a condition finds by itself: counted where they are few, else by its share
    /// of the first users.
    fn estimate_leaf(&self, leaf: &UserLeaf) -> rusqlite::Result<i64> {
        let Bounds { few, probed, .. } = self.bounds;
        let counted = self.count_leaf(leaf, few)?;
        if counted <= few {
            return Ok(counted);
        }
        match leaf {
            UserLeaf::Member(group_id) => self.members(*group_id),
            // Of ids, the first are no sample. More than half of all drive nothing.
            UserLeaf::Column(Column::UserId, _) => self.count_leaf(leaf, self.users()? / 2),
            UserLeaf::Column(..) | UserLeaf::Term(_) => {
                let share = self.look_at_first(&Search::Is(leaf.clone()), probed)?;
                Ok(share.estimate(self.users()?).max(few + 1))
            }
        }
    }

    /// How many users a search finds by itself.
    fn count_alone(&self, search: &UserSearch) -> rusqlite::Result<Counted> {
        let few = self.bounds.few;
        let found = drivers(search, few, &|leaf, most| self.count_leaf(leaf, most).map(Some))?;
        Ok(match found {
            Some(drivers) => Counted::Exactly(drivers.count.unsigned_abs()),
            None if can_be_looked_up(search) => Counted::MoreThan(few.unsigned_abs()),
            None => Counted::NotLookedUp,
        })
    }

    /// How many users are in a group.
    fn members(&self, group_id: GroupId) -> rusqlite::Result<i64> {
        self.connection
            .prepare_cached(
                "select coalesce(sum(users_assigned), 0) from groups where tenant_id = ?1 and group_id = ?2",
            )?
            .query_row(params![self.tenant.as_str(), group_id.as_bytes()], |row| row.get(0))
    }

    /// How many users match, counted up to one more than is counted one by one.
    fn count(&self) -> rusqlite::Result<i64> {
        let everybody = if asks_for_columns(self.search) { Source::Index(None) } else { Source::Everybody };
        let source = self.many()?.map_or(everybody, Source::Drivers);
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (select 1 ");
        self.push_matching(&mut sql, &source);
        sql.push(" limit ");
        sql.bind(self.bounds.counted + 1);
        sql.push(")");
        sql.value(self.connection)
    }

    /// How many of the first users, in the order of their ids, match.
    fn sample(&self) -> rusqlite::Result<Sample> {
        if let Some(sample) = self.sample.get() {
            return Ok(*sample);
        }
        let sample = self.look_at_first(self.search, self.bounds.sampled)?;
        Ok(*self.sample.get_or_init(|| sample))
    }

    /// The users of the page, where everybody matches. The index is walked from the tenant's end of it, and
    /// whose the rows are is asked of the page alone: asked of each row that is passed over, it would
    /// take three times as long as passing over it.
    fn take_everybody(&self, offset: u64) -> rusqlite::Result<Found> {
        let (column, direction) = self.order();
        let mut sql = Sql::new(self.tenant);
        // Nor are the rows of other tenants passed over.
        let offset = i64::try_from(offset).unwrap_or(i64::MAX).min(self.users()?);
        let index = index(column);
        let from = if direction == "asc" { ">=" } else { "<=" };
        sql.push(&format!(
            "select d.document from (select w.tenant_id, w.user_row from users w indexed by {index} \
             where w.tenant_id {from} ?1 order by w.tenant_id {direction}, {}",
            order("w", column, "w.user_id", direction)
        ));
        self.push_page_at(&mut sql, offset);
        sql.push(") p join users d on d.user_row = p.user_row where p.tenant_id = ?1");
        sql.push(&format!(" order by {}", order("d", column, "d.user_id", direction)));
        let documents = sql.rows(self.connection, rows::document)?;
        Ok(Found { documents, matches: Matches::Unknown, way: Way::Everybody, sql })
    }

    /// The users of the page. Their places are found in the index alone where that will do, then the
    /// documents are fetched.
    fn take(&self, way: Way, source: &Source<'_>) -> rusqlite::Result<Found> {
        let (column, direction) = self.order();
        let mut sql = Sql::new(self.tenant);
        sql.push("select d.document from (select u.user_row ");
        let user_id = self.push_matching(&mut sql, source);
        sql.push(&format!(" order by {}", order("u", column, user_id, direction)));
        self.push_page(&mut sql);
        sql.push(") p join users d on d.user_row = p.user_row");
        sql.push(&format!(" order by {}", order("d", column, "d.user_id", direction)));
        let documents = sql.rows(self.connection, rows::document)?;
        Ok(Found { documents, matches: Matches::Unknown, way, sql })
    }

    /// Everybody who matches, where conditions find no more users than a page holds: they are fetched
    /// at once, and sorted here.
    fn take_all(&self, page: &Drivers<'_, UserLeaf>) -> rusqlite::Result<Found> {
        let mut sql = Sql::new(self.tenant);
        sql.push(&format!("select u.document, u.{}, u.user_id ", self.order().0));
        self.push_found(&mut sql, page);
        let mut users = sql.rows(self.connection, |row| {
            let place = match row.get_ref(1)? {
                ValueRef::Integer(number) => Operand::Number(number),
                text => Operand::Text(text.as_str()?.to_owned()),
            };
            Ok((place, row.get::<_, String>(2)?, rows::document(row)?))
        })?;
        users.sort_unstable_by(|(place, id, _), (other, other_id, _)| (place, id).cmp(&(other, other_id)));
        let matches = Matches::Exactly(users.len().try_into().unwrap_or(i64::MAX));
        let offset = match self.place {
            Place::Sorted { offset, descending, .. } => {
                if descending {
                    users.reverse();
                }
                usize::try_from(offset).unwrap_or(usize::MAX)
            }
            Place::ById { .. } => 0,
        };
        let documents = users.into_iter().skip(offset).map(|(_, _, document)| document).collect();
        Ok(Found { documents, matches, way: Way::Page(page.count.unsigned_abs()), sql })
    }

    /// The same, with all who match counted on the way, or so many of them.
    fn take_counting(&self, way: Way, source: &Source<'_>, most: Option<i64>) -> rusqlite::Result<Found> {
        if let Place::ById { .. } = self.place {
            return self.take(way, source);
        }
        let (column, direction) = self.order();
        let mut sql = Sql::new(self.tenant);
        sql.push(&format!(
            "with matching as materialized (select u.user_row, u.{column} as place, u.user_id "
        ));
        let user_id = self.push_matching(&mut sql, source);
        if let Some(most) = most {
            sql.push(&format!(" order by {}", order("u", column, user_id, direction)));
            sql.push(" limit ");
            sql.bind(most);
        }
        sql.push(
            ") select n.matches, d.document from (select count(*) as matches from matching) n left join (",
        );
        sql.push("select p.user_row, p.place, p.user_id from matching p");
        sql.push(&format!(" order by {}", order("p", "place", "p.user_id", direction)));
        self.push_page(&mut sql);
        sql.push(") p on true left join users d on d.user_row = p.user_row");
        sql.push(&format!(" order by {}", order("p", "place", "p.user_id", direction)));
        let rows = sql.rows(self.connection, |row| {
            let document = row.get_ref(1)?.as_bytes_or_null()?.map(Bytes::copy_from_slice);
            Ok((row.get::<_, i64>(0)?, document))
        })?;
        let counted = rows.first().map_or(0, |(matches, _)| *matches);
        let matches = if Some(counted) == most { Matches::Many } else { Matches::Exactly(counted) };
        let documents = rows.into_iter().filter_map(|(_, document)| document).collect();
        Ok(Found { documents, matches, way, sql })
    }

    fn push_page(&self, sql: &mut Sql) {
        match self.place {
            Place::Sorted { offset, .. } => self.push_page_at(sql, offset.cast_signed()),
            Place::ById { .. } => self.push_page_at(sql, 0),
        }
    }

    /// Writes that the users of the page and one more are taken after so many others.
    fn push_page_at(&self, sql: &mut Sql, offset: i64) {
        sql.push(" limit ");
        sql.bind(i64::from(self.limit) + 1);
        sql.push(" offset ");
        sql.bind(offset);
    }

    /// Writes where users come from and which of them match, `u` being their row; gives how their id is
    /// written.
    fn push_matching(&self, sql: &mut Sql, source: &Source<'_>) -> &'static str {
        let user_id = match source {
            Source::Index(None) | Source::Everybody => {
                let column = if let Source::Everybody = source { "user_id" } else { self.order().0 };
                let index = index(column);
                sql.push(&format!("from users u indexed by {index} where u.tenant_id = ?1 and "));
                "u.user_id"
            }
            Source::Index(Some(most)) => {
                let order = self.order();
                let mut ranges = ranges(self.search, order.0);
                let after = self.after();
                ranges.extend(&after);
                push_first(sql, self.search, order, *most, &ranges);
                push_search(sql, self.search, "u.user_id");
                return "u.user_id";
            }
            Source::Drivers(drivers) => return self.push_found(sql, drivers),
        };
        push_search(sql, self.search, user_id);
        self.push_after(sql, user_id);
        user_id
    }

    /// Writes that users come from those whom conditions find, and which of them match; gives how their
    /// id is written.
    fn push_found(&self, sql: &mut Sql, drivers: &Drivers<'_, UserLeaf>) -> &'static str {
        sql.push("from (");
        for (number, leaf) in drivers.leaves.iter().enumerate() {
            if number > 0 {
                // Each user once, whom several of them may find.
                sql.push(" union ");
            }
            push_driver(sql, leaf);
        }
        sql.push(") f cross join users u where u.tenant_id = ?1 and u.user_id = f.user_id and ");
        // What needs the id alone is asked before the row is looked up.
        let user_id = "f.user_id";
        push_search(sql, &drivers.rest(self.search), user_id);
        self.push_after(sql, user_id);
        user_id
    }

    /// The ids after the one where the last page ended, if there was one.
    fn after(&self) -> Option<Range> {
        match self.place {
            Place::ById { after: Some(after) } => Some(Range {
                lower: Bound::Excluded(Operand::Text(after.as_str().to_owned())),
                upper: Bound::Unbounded,
            }),
            Place::ById { after: None } | Place::Sorted { .. } => None,
        }
    }

    /// Writes that users come after the one where the last page ended.
    fn push_after(&self, sql: &mut Sql, user_id: &str) {
        if let Some(after) = self.after() {
            sql.push(" and ");
            sql.push_range(user_id, &after);
        }
    }
}

/// Writes that users come from the first of an order, which may be bounded by ranges.
fn push_first(
    sql: &mut Sql,
    search: &UserSearch,
    (column, direction): (&str, &str),
    most: i64,
    ranges: &[&Range],
) {
    let columns = looked_at(search, column).join(", w.");
    let index = index(column);
    sql.push(&format!(
        "from (select w.user_row, w.{columns} from users w indexed by {index} where w.tenant_id = ?1"
    ));
    for range in ranges {
        sql.push(" and ");
        sql.push_range(&format!("w.{column}"), range);
    }
    sql.push(&format!(" order by {}", order("w", column, "w.user_id", direction)));
    sql.push(" limit ");
    sql.bind(most);
    sql.push(") u where ");
}
