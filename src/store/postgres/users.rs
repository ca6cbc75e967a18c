//! Lists of users: pages in an order, with or without a filter, found in one of the `ways`.
//!
//! PostgreSQL cannot be told which index to take. So each statement leaves one sensible way only: what
//! has a limit or an offset is done as it stands there, and tables are not read whole.

mod condition;
mod known;
mod read;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ops::Bound;
use std::sync::OnceLock;

use bytes::Bytes;
use tokio_postgres::Client;

use super::super::columns::{looked_at, order, ranges, sorted_by};
use super::super::drivers::{Drivers, drivers};
use super::super::reading;
use super::super::search::users::{Column, UserLeaf, UserSearch};
use super::super::search::{Operand, Range, Search};
use super::super::statement::Statement as _;
use super::super::ways::{BOUNDS, Bounds, Explanation, Matches, Sample, Way, asks_for_columns, asks_for_ids};
use super::super::{List, Page, Place};
use super::connection::Answer;
use super::rows;
use super::sql::Sql;
use crate::id::{GroupId, TenantId};
use condition::{Asking, push_driver, push_found, push_search};
use known::Known;

/// For the rest of the transaction, what can be found by an index is; and there is room to gather about
/// a million ids, beyond which the planner would read them again for each user.
const BY_INDEXES: &str =
    "set local enable_seqscan = off; set local enable_bitmapscan = off; set local work_mem = '64MB'";

/// A page of users, read at one moment.
pub(super) async fn list(client: &Client, tenant: &TenantId, list: &List) -> Answer<Page> {
    let listing = Listing::of(client, tenant, list, BOUNDS).await?;
    listing.page(listing.find().await?).await
}

/// Finds a list, and tells how, and how many users each of the parts finds by itself.
pub(super) async fn explain(
    client: &Client,
    tenant: &TenantId,
    list: &List,
    parts: &[UserSearch],
) -> Answer<Explanation> {
    let listing = Listing::of(client, tenant, list, BOUNDS).await?;
    let found = listing.find().await?;
    let (way, statement, plan) = (found.way, found.sql.expanded(), found.sql.explained(client).await?);
    let page = listing.page(found).await?;
    let mut counted = Vec::new();
    for part in parts {
        let known = Known::of(client, tenant, part, BOUNDS.few).await?;
        counted.push(known.count_alone(part, BOUNDS.few));
    }
    Ok(Explanation { users: listing.known.users.unsigned_abs(), parts: counted, way, statement, plan, page })
}

/// What is known from looking at some users.
struct Looked<'a> {
    /// How many of them match.
    all: Sample,
    /// About how many of all users each condition finds that finds more than few.
    common: Vec<(&'a UserLeaf, i64)>,
}

/// Where the users of a list come from.
enum Source<'a> {
    /// The index of the order: all of it, or so many users.
    Index(Option<i64>),
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

/// A list of the users who match a search.
struct Listing<'a> {
    client: &'a Client,
    tenant: &'a TenantId,
    search: &'a UserSearch,
    place: Place,
    limit: u32,
    bounds: Bounds,
    known: Known<'a>,
    looked: OnceLock<Looked<'a>>,
}

impl<'a> Listing<'a> {
    async fn of(client: &'a Client, tenant: &'a TenantId, list: &'a List, bounds: Bounds) -> Answer<Self> {
        let search = list.filter.as_ref().unwrap_or(&Search::All);
        let List { place, limit, .. } = *list;
        // Both are sent at once.
        let ((), known) = tokio::try_join!(
            client.batch_execute(BY_INDEXES),
            Known::of(client, tenant, search, bounds.few.max(limit.into()))
        )?;
        Ok(Self { client, tenant, search, place, limit, bounds, known, looked: OnceLock::new() })
    }

    /// Finds the users of the page in the way that is least work.
    async fn find(&self) -> Answer<Found> {
        if *self.search == Search::All {
            return self.take(Way::Everybody, &Source::Index(None)).await;
        }
        let drivers = |most| self.known.drivers(self.search, most);
        if let Some(page) = drivers(i64::from(self.limit)) {
            let way = Way::Page(page.count.unsigned_abs());
            return self.take_counting(way, &Source::Drivers(page), None).await;
        }
        let Bounds { few, walked, counted, .. } = self.bounds;
        if let Some(few) = drivers(few) {
            let way = Way::Few(few.count.unsigned_abs());
            return self.take_counting(way, &Source::Drivers(few), None).await;
        }
        let gathers = self.gathers();
        if gathers && let Some(found) = self.take_read().await? {
            return Ok(found);
        }
        // A page that lies further than that is not on the way. Nor is gathering many worth while for a walk that
        // hardly gets there.
        if self.wanted() <= walked && !(gathers && self.looked().await?.all.reach(self.wanted()) > walked) {
            let found = self.take(Way::Walk(walked.unsigned_abs()), &Source::Index(Some(walked))).await?;
            if found.documents.len() > self.limit as usize || self.known.users <= walked {
                return Ok(found);
            }
        }
        let sample = self.looked().await?.all;
        match self.many().await? {
            Some(many) if many.count <= sample.reach(self.wanted()) => {
                let way = Way::Many(many.count.unsigned_abs());
                self.take_counting(way, &Source::Drivers(many), None).await
            }
            _ if self.surely_many(sample) => self.take(Way::WalkOn, &Source::Index(None)).await,
            // Without an order and a bound the planner compares all users with all terms at once.
            _ if !asks_for_columns(self.search) => {
                self.take_counting(Way::AskEverybody, &Source::Index(None), None).await
            }
            // Those who match are counted on the same walk.
            _ => {
                let most = self.wanted().max(counted + 1);
                self.take_counting(Way::WalkOn, &Source::Index(None), Some(most)).await
            }
        }
    }

    /// The page that was found, with the total.
    async fn page(&self, found: Found) -> Answer<Page> {
        let Found { mut documents, matches, .. } = found;
        let has_next = documents.len() > self.limit as usize;
        documents.truncate(self.limit as usize);
        let (total, total_is_estimate) = match self.place {
            Place::Sorted { offset, .. } if !has_next && (offset == 0 || !documents.is_empty()) => {
                (offset + documents.len() as u64, false)
            }
            Place::Sorted { .. } => self.total(matches).await?,
            Place::ById { .. } => (self.known.users.unsigned_abs(), false),
        };
        Ok(Page { documents, total, total_is_estimate, has_next })
    }

    /// How many users match, and whether that is an estimate.
    async fn total(&self, matches: Matches) -> Answer<(u64, bool)> {
        let users = self.known.users;
        let exact = match (self.search, matches) {
            (Search::All, _) => Some(users),
            (Search::Is(UserLeaf::Member(group_id)), _) => Some(self.members(*group_id).await?),
            (_, Matches::Exactly(count)) => Some(count),
            (_, Matches::Many) => None,
            (_, Matches::Unknown) => {
                let sample = self.looked().await?.all;
                if sample.seen == users {
                    Some(sample.matched)
                } else if self.surely_many(sample) {
                    None
                } else {
                    Some(self.count().await?).filter(|count| *count <= self.bounds.counted)
                }
            }
        };
        if let Some(exact) = exact {
            return Ok((exact.unsigned_abs(), false));
        }
        let least = self.bounds.counted + 1;
        let estimate = self.looked().await?.all.estimate(users);
        Ok((estimate.clamp(least, users.max(least)).unsigned_abs(), true))
    }

    /// Whether more users match than are counted one by one, as good as certainly.
    fn surely_many(&self, sample: Sample) -> bool {
        !asks_for_ids(self.search) && sample.surely(self.known.users) > self.bounds.counted
    }

    /// How many users of the order come before the end of the page, and one more.
    fn wanted(&self) -> i64 {
        self.offset().saturating_add(i64::from(self.limit)).saturating_add(1)
    }

    /// How many users of the order come before the page.
    fn offset(&self) -> i64 {
        match self.place {
            Place::Sorted { offset, .. } => i64::try_from(offset).unwrap_or(i64::MAX),
            Place::ById { .. } => 0,
        }
    }

    /// The column of the order, and its direction.
    fn order(&self) -> (&'static str, &'static str) {
        match self.place {
            Place::Sorted { sort, descending: true, .. } => (sorted_by(sort), "desc"),
            Place::Sorted { sort, descending: false, .. } => (sorted_by(sort), "asc"),
            Place::ById { .. } => ("user_id", "asc"),
        }
    }

    /// The same for the places `p` that were found.
    fn order_of_places(&self) -> String {
        match self.order() {
            ("user_id", direction) => format!("p.user_id {direction}"),
            (_, direction) => order("p", "place", "p.user_id", direction),
        }
    }

    /// What finds every user who can match, if it finds about half of all users at most: beyond, looking
    /// at each user is less work.
    async fn many(&self) -> Answer<Option<Drivers<'a, UserLeaf>>> {
        let common = &self.looked().await?.common;
        let count = |leaf: &UserLeaf, _| {
            let estimate = common.iter().find(|(known, _)| std::ptr::eq(*known, leaf));
            Ok::<_, Infallible>(estimate.map(|(_, count)| *count).or_else(|| self.known.count(leaf)))
        };
        let Ok(found) = drivers(self.search, self.known.users / 2, &count);
        Ok(found)
    }

    /// How many users are in a group.
    async fn members(&self, group_id: GroupId) -> Answer<i64> {
        let mut sql = Sql::new(self.tenant);
        sql.push("select ");
        push_members(&mut sql, group_id);
        sql.value(self.client).await
    }

    /// How many users match, counted up to one more than is counted one by one.
    async fn count(&self) -> Answer<i64> {
        let source = self.many().await?.map_or(Source::Index(None), Source::Drivers);
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (select 1 ");
        self.push_matching(&mut sql, &source);
        sql.push(" limit ");
        sql.bind_number(self.bounds.counted + 1);
        sql.push(") matching");
        sql.value(self.client).await
    }

    /// Looks at the first users, in the order of their ids: how many match, and how common it is to meet
    /// each of the conditions that find more than few. All of it is one statement.
    async fn looked(&self) -> Answer<&Looked<'a>> {
        if let Some(looked) = self.looked.get() {
            return Ok(looked);
        }
        let Bounds { few, sampled, probed, .. } = self.bounds;
        let users = self.known.users;
        let common = self.known.counts.iter().filter(|(_, count)| *count > few).map(|(leaf, _)| *leaf);
        if self.gathers()
            && let Some(first) = self.first(Place::ById { after: None }).await?.1.read()
        {
            let estimate = |leaf: &UserLeaf| match leaf {
                // Of ids, the first are no sample.
                UserLeaf::Column(Column::UserId, _) => users,
                _ => reading::sample(&first, &Search::Is(leaf.clone())).estimate(users).max(few + 1),
            };
            let common = common.map(|leaf| (leaf, estimate(leaf))).collect();
            return Ok(self
                .looked
                .get_or_init(|| Looked { all: reading::sample(&first, self.search), common }));
        }
        let mut sql = Sql::new(self.tenant);
        sql.push("select ");
        push_share(&mut sql, self.search, sampled);
        for leaf in common.clone() {
            sql.push(", ");
            push_estimate(&mut sql, leaf, (users, users.min(probed)));
        }
        let mut row = sql.numbers(self.client).await?.into_iter();
        let all = Sample { seen: users.min(sampled), matched: row.next().unwrap_or_default() };
        let common = common.zip(row).map(|(leaf, estimate)| (leaf, estimate.max(few + 1))).collect();
        Ok(self.looked.get_or_init(|| Looked { all, common }))
    }

    /// The users of the page. Their places are found in the index alone where that will do, then the
    /// documents are fetched.
    async fn take(&self, way: Way, source: &Source<'_>) -> Answer<Found> {
        let (column, direction) = self.order();
        let mut sql = Sql::new(self.tenant);
        sql.push(&format!("select d.document from (select u.user_id, u.{column} as place "));
        self.push_matching(&mut sql, source);
        sql.push(&format!(" order by {}", order("u", column, "u.user_id", direction)));
        self.push_page(&mut sql);
        sql.push(") p cross join lateral ");
        push_document(&mut sql);
        sql.push(&format!(" order by {}", self.order_of_places()));
        let documents = sql.rows(self.client, |row| rows::document(row, 0)).await?;
        Ok(Found { documents, matches: Matches::Unknown, way, sql })
    }

    /// The same, with all who match counted on the way, or so many of them.
    async fn take_counting(&self, way: Way, source: &Source<'_>, most: Option<i64>) -> Answer<Found> {
        if let Place::ById { .. } = self.place {
            return self.take(way, source).await;
        }
        let (column, direction) = self.order();
        let mut sql = Sql::new(self.tenant);
        sql.push(&format!("with matching as materialized (select u.user_id, u.{column} as place "));
        self.push_matching(&mut sql, source);
        if let Some(most) = most {
            sql.push(&format!(" order by {} limit ", order("u", column, "u.user_id", direction)));
            sql.bind_number(most);
        }
        sql.push(
            ") select n.matches, d.document from (select count(*) as matches from matching) n \
             left join (select p.user_id, p.place from matching p",
        );
        sql.push(&format!(" order by {}", self.order_of_places()));
        self.push_page(&mut sql);
        sql.push(") p on true left join lateral ");
        push_document(&mut sql);
        sql.push(&format!(" on true order by {}", self.order_of_places()));
        let rows = sql
            .rows(self.client, |row| {
                let document: Option<&str> = row.try_get(1)?;
                Ok((row.try_get::<_, i64>(0)?, document.map(|text| Bytes::copy_from_slice(text.as_bytes()))))
            })
            .await?;
        let counted = rows.first().map_or(0, |(matches, _)| *matches);
        let matches = if Some(counted) == most { Matches::Many } else { Matches::Exactly(counted) };
        let documents = rows.into_iter().filter_map(|(_, document)| document).collect();
        Ok(Found { documents, matches, way, sql })
    }

    /// Writes that the users of the page and one more are taken after those before it.
    fn push_page(&self, sql: &mut Sql) {
        sql.push(" limit ");
        sql.bind_number(i64::from(self.limit) + 1);
        sql.push(" offset ");
        sql.bind_number(self.offset());
    }

    /// Writes where users `u` come from and which of them match.
    fn push_matching(&self, sql: &mut Sql, source: &Source<'_>) {
        let (column, _) = self.order();
        match source {
            Source::Index(None) => {
                sql.push("from users u where u.tenant_id = $1 and ");
                push_search(sql, self.search, Asking::All);
                self.push_after(sql);
            }
            Source::Index(Some(most)) => {
                let mut ranges = ranges(self.search, column);
                let after = self.after();
                ranges.extend(&after);
                push_first(sql, self.search, self.order(), *most, &ranges);
                push_search(sql, self.search, Asking::Each);
            }
            Source::Drivers(drivers) => {
                sql.push("from (select user_id from (");
                for (number, leaf) in drivers.leaves.iter().enumerate() {
                    if number > 0 {
                        // Each user once, whom several of them may find.
                        sql.push(" union ");
                    }
                    push_driver(sql, leaf);
                }
                let columns = looked_at(self.search, column).join(", w.");
                sql.push(&format!(
                    ") every offset 0) f cross join lateral (select w.{columns} from users w \
                     where w.tenant_id = $1 and w.user_id = f.user_id offset 0) u where "
                ));
                push_search(sql, &drivers.rest(self.search), Asking::Each);
                self.push_after(sql);
            }
        }
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
    fn push_after(&self, sql: &mut Sql) {
        if let Some(after) = self.after() {
            sql.push(" and ");
            sql.push_range("u.user_id", &after);
        }
    }
}

/// Writes that users `u` come from the first of an order, which may be bounded by ranges.
fn push_first(
    sql: &mut Sql,
    search: &UserSearch,
    (column, direction): (&str, &str),
    most: i64,
    ranges: &[&Range],
) {
    let columns = looked_at(search, column).join(", w.");
    sql.push(&format!("from (select w.{columns} from users w where w.tenant_id = $1"));
    for range in ranges {
        sql.push(" and ");
        sql.push_range(&format!("w.{column}"), range);
    }
    sql.push(&format!(" order by {} limit ", order("w", column, "w.user_id", direction)));
    sql.bind_number(most);
    sql.push(") u where ");
}

/// Writes how many of so many first users, in the order of their ids, match a search.
fn push_share(sql: &mut Sql, search: &UserSearch, most: i64) {
    sql.push("(select count(*) ");
    push_first(sql, search, ("user_id", "asc"), most, &[]);
    push_search(sql, search, Asking::Each);
    sql.push(")");
}

/// Writes about how many of all users meet a condition, by its share of the first ones.
fn push_estimate(sql: &mut Sql, leaf: &UserLeaf, (users, first): (i64, i64)) {
    match leaf {
        UserLeaf::Member(group_id) => push_members(sql, *group_id),
        // Of ids, the first are no sample. More than half of all drive nothing.
        UserLeaf::Column(Column::UserId, _) => {
            sql.push("(select count(*) from (");
            push_found(sql, leaf, "1");
            sql.push(&format!(" limit {users} / 2 + 1) found)"));
        }
        UserLeaf::Column(..) | UserLeaf::Term(_) => {
            push_share(sql, &Search::Is(leaf.clone()), first);
            sql.push(&format!(" * {users} / {}", first.max(1)));
        }
    }
}

/// Writes how many users are in a group.
fn push_members(sql: &mut Sql, group_id: GroupId) {
    sql.push("coalesce((select users_assigned from groups where tenant_id = $1 and group_id = ");
    sql.bind_bytes(group_id.as_bytes());
    sql.push("), 0)");
}

/// Writes the document of the user `p`. It is looked up by its key, for each user of a page.
fn push_document(sql: &mut Sql) {
    sql.push("(select w.document from users w where w.tenant_id = $1 and w.user_id = p.user_id offset 0) d");
}
