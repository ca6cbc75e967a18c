//! Lists of users: pages in an order, with or without a filter.
//!
//! The planner of the database does not know how common a term is, so the way is chosen here. Where no
//! more users can match than a page holds, all of them are fetched. Where few can, they are found and
//! sorted, and those of the page are fetched. Else the index of the order is walked, and each user on the way is asked; but not far. If the page is not full by then, the users
//! that the least common condition finds are fetched all the same, or, where no condition finds users
//! by itself, the walk goes on to its end.

mod condition;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;

use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use super::super::search::users::{Column, UserLeaf, UserSearch};
use super::super::search::{Operand, Range, Search};
use super::super::statement::Statement as _;
use super::super::{List, Page, Place};
use super::drivers::{Drivers, FEW, drivers};
use super::explain::{Counted, Explanation, Way};
use super::rows;
use super::sql::Sql;
use crate::id::{GroupId, TenantId};
use condition::{column, index, name, push_driver, push_search};

/// How much is done in one way before another is chosen.
#[derive(Clone, Copy)]
struct Bounds {
    /// Up to how many users are fetched and sorted without trying anything else.
    few: i64,
    /// How many users a walk looks at before it is given up for another way.
    walked: i64,
    /// Up to how many matches are counted one by one.
    counted: i64,
    /// From how many users the share of those who match is estimated.
    sampled: i64,
}

/// Up to how many matches are counted one by one.
pub(super) const COUNTED: i64 = 10_000;

const BOUNDS: Bounds = Bounds { few: FEW, walked: 20_000, counted: COUNTED, sampled: 10_000 };

/// Where the users of a list come from.
enum Source<'a> {
    /// The index of the order: all of it, or so many users.
    Index(Option<i64>),
    /// The users that conditions find.
    Drivers(Drivers<'a, UserLeaf>),
}

/// What is known of how many users match.
#[derive(Clone, Copy)]
enum Matches {
    Unknown,
    /// So many.
    Exactly(i64),
    /// More than are counted one by one.
    Many,
}

/// The users of a page, and one more if there is one.
struct Found {
    documents: Vec<Bytes>,
    matches: Matches,
    way: Way,
    /// The statement that found them.
    sql: Sql,
}

/// How many of the users that were looked at match.
#[derive(Clone, Copy)]
struct Sample {
    seen: i64,
    matched: i64,
}

impl Sample {
    /// How many users to look at, at this share, to find so many.
    fn reach(self, wanted: i64) -> i64 {
        wanted.saturating_mul(self.seen).checked_div(self.matched).unwrap_or(i64::MAX)
    }

    /// About how many of all users match.
    fn estimate(self, users: i64) -> i64 {
        self.matched.saturating_mul(users) / self.seen.max(1)
    }

    /// At least so many of all users match, as good as certainly: ids are random, so the first ones are
    /// a fair sample, and five times its standard error is taken off.
    fn surely(self, users: i64) -> i64 {
        let error = 5 * (self.matched.isqrt() + 1);
        Self { matched: (self.matched - error).max(0), ..self }.estimate(users)
    }
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
    let (way, statement) = (found.way, found.sql.expanded(connection)?);
    let page = listing.page(found)?;
    let parts = parts.iter().map(|part| listing.count_alone(part)).collect::<rusqlite::Result<_>>()?;
    let users = listing.users()?.unsigned_abs();
    Ok(Explanation { users, parts, way, statement, page })
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
        // A page that lies further than that is not on the way.
        if self.wanted() <= walked {
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

    /// Whether more users match than are counted one by one, as good as certainly. Where ids are asked
    /// for, the first of them are no fair sample.
    fn surely_many(&self, sample: Sample) -> rusqlite::Result<bool> {
        let mut asks_for_ids = false;
        self.search.each(&mut |leaf| {
            asks_for_ids |= matches!(leaf, UserLeaf::Column(Column::UserId, _));
        });
        Ok(!asks_for_ids && sample.surely(self.users()?) > self.bounds.counted)
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
            Place::Sorted { sort, descending: true, .. } => (column(sort), "desc"),
            Place::Sorted { sort, descending: false, .. } => (column(sort), "asc"),
            Place::ById { .. } => ("user_id", "asc"),
        }
    }

    /// What finds every user who can match, if it finds `most` at most.
    fn drivers(&self, most: i64) -> rusqlite::Result<Option<Drivers<'a, UserLeaf>>> {
        drivers(self.search, most, &|leaf, most| self.count_leaf(leaf, most).map(Some))
    }

    /// What finds every user who can match, if it finds half of all users at most: beyond, looking at
    /// each user is less work.
    fn many(&self) -> rusqlite::Result<Option<Drivers<'a, UserLeaf>>> {
        self.drivers(self.users()? / 2)
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

    /// How many users a search finds by itself.
    fn count_alone(&self, search: &UserSearch) -> rusqlite::Result<Counted> {
        let most = self.users()? / 2;
        if let Some(drivers) = drivers(search, most, &|leaf, most| self.count_leaf(leaf, most).map(Some))? {
            return Ok(Counted::Exactly(drivers.count.unsigned_abs()));
        }
        let can_be_looked_up = drivers(search, 0, &|_, _| Ok(Some(0)))?.is_some();
        Ok(if can_be_looked_up { Counted::MoreThan(most.unsigned_abs()) } else { Counted::NotLookedUp })
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
        let source = self.many()?.map_or(Source::Index(None), Source::Drivers);
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
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) ");
        self.push_first(&mut sql, ("user_id", "asc"), self.bounds.sampled, &[]);
        push_search(&mut sql, self.search, "u.user_id");
        let matched = sql.value(self.connection)?;
        let seen = self.users()?.min(self.bounds.sampled);
        Ok(*self.sample.get_or_init(|| Sample { seen, matched }))
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
            Source::Index(None) => {
                let index = index(self.order().0);
                sql.push(&format!("from users u indexed by {index} where u.tenant_id = ?1 and "));
                "u.user_id"
            }
            Source::Index(Some(most)) => {
                self.push_first(sql, self.order(), *most, &ranges(self.search, self.order().0));
                "u.user_id"
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

    /// Writes that users come after the one where the last page ended.
    fn push_after(&self, sql: &mut Sql, user_id: &str) {
        if let Place::ById { after: Some(after) } = self.place {
            sql.push(&format!(" and {user_id} > "));
            sql.bind(after.as_str().to_owned());
        }
    }

    /// Writes that users come from the first of an order, which may be bounded by ranges.
    fn push_first(&self, sql: &mut Sql, (column, direction): (&str, &str), most: i64, ranges: &[&Range]) {
        let columns = columns(self.search, column).join(", w.");
        let index = index(column);
        sql.push(&format!(
            "from (select w.user_row, w.{columns} from users w indexed by {index} where w.tenant_id = ?1"
        ));
        for range in ranges {
            sql.push(" and ");
            sql.push_range(&format!("w.{column}"), range);
        }
        self.push_after(sql, "w.user_id");
        sql.push(&format!(" order by {}", order("w", column, "w.user_id", direction)));
        sql.push(" limit ");
        sql.bind(most);
        sql.push(") u where ");
    }
}

/// The order of a column of a table, and of the user's id among those who are equal in it.
fn order(table: &str, column: &str, user_id: &str, direction: &str) -> String {
    match column {
        "user_id" => format!("{user_id} {direction}"),
        _ => format!("{table}.{column} {direction}, {user_id} {direction}"),
    }
}

/// The columns that a search and an order look at, and the id.
fn columns<'a>(search: &UserSearch, order: &'a str) -> Vec<&'a str> {
    let mut columns = vec!["user_id", order];
    search.each(&mut |leaf| {
        if let UserLeaf::Column(column, _) = leaf {
            columns.push(name(*column));
        }
    });
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// The ranges of a column that every user who matches is in.
fn ranges<'a>(search: &'a UserSearch, of: &str) -> Vec<&'a Range> {
    match search {
        Search::Is(UserLeaf::Column(column, range)) if name(*column) == of => vec![range],
        Search::And(parts) => parts.iter().flat_map(|part| ranges(part, of)).collect(),
        _ => Vec::new(),
    }
}
