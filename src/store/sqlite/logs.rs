//! Lists of logs: the events of the types that have a code, in an order, with or without a filter.
//!
//! Where few logs can match, they are fetched by what is asked of them and sorted. Where many can,
//! the order is walked: each type of event has its run in an index, and SQLite merges runs lazily,
//! row by row. All that is sorted by but the time is the same for all events of a type, so those
//! orders are such merges one after the other.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rusqlite::Connection;

use super::super::drivers::drivers;
use super::super::search::Range;
use super::super::search::Search;
use super::super::search::logs::{LogLeaf, LogSearch};
use super::super::statement::Statement as _;
use super::super::ways::{COUNTED, FEW, MOST_WITHIN};
use super::super::{LogSortKey, Page, Sorted};
use super::sql::Sql;
use super::{events, rows};
use crate::directory::event::Recorded;
use crate::directory::log::{LogId, WORDINGS, Wording};
use crate::directory::text::fold;
use crate::id::{TenantId, UserId};
use crate::secret::KeyId;

/// How many of a user's events are followed to find the few that there are logs of; beyond, the index of
/// the logs is walked.
const FOLLOWED: i64 = 100_000;

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    search: &LogSearch,
    list: Sorted<LogSortKey>,
) -> rusqlite::Result<Page<(LogId, Recorded)>> {
    let plan = Plan::of(connection, tenant, search)?;
    match plan.lookups()? {
        Some(lookups) => plan.sort(&lookups, list),
        None => plan.walk(list),
    }
}

/// How the logs of a list are found.
struct Plan<'a> {
    connection: &'a Connection,
    tenant: &'a TenantId,
    search: &'a LogSearch,
    /// What is said of the types of events that can match.
    wordings: Vec<&'static Wording>,
    /// The tenant's keys with their names, folded. Keys are never removed and keep their names.
    keys: Vec<(KeyId, String)>,
}

/// A log that matches, and what it is sorted by.
struct Found {
    wording: &'static Wording,
    time: i64,
    position: i64,
}

impl<'a> Plan<'a> {
    fn of(connection: &'a Connection, tenant: &'a TenantId, search: &'a LogSearch) -> rusqlite::Result<Self> {
        let wordings =
            WORDINGS.iter().filter(|wording| search.settled(wording.event) != Some(false)).collect();
        let keys = if *search == Search::All { Vec::new() } else { key_names(connection, tenant)? };
        Ok(Self { connection, tenant, search, wordings, keys })
    }

    /// Conditions that find every log that can match, if those are few.
    fn lookups(&self) -> rusqlite::Result<Option<Vec<&'a LogLeaf>>> {
        let found = drivers(self.search, FEW, &|leaf, most| {
            if let LogLeaf::User(user_id) = leaf {
                return self.count_of_user(*user_id);
            }
            let mut sql = Sql::new(self.tenant);
            sql.push("select count(*) from (");
            self.push_lookup(&mut sql, leaf);
            sql.push(" limit ");
            sql.bind(most + 1);
            sql.push(")");
            sql.value(self.connection).map(Some)
        })?;
        Ok(found.map(|found| found.leaves))
    }

    /// How many logs are of a user; nothing where the user's events are too many to be followed.
    fn count_of_user(&self, user_id: UserId) -> rusqlite::Result<Option<i64>> {
        let mut sql = Sql::new(self.tenant);
        push_chain(&mut sql, user_id, "select count(*), coalesce(sum(is_logged), 0) from chain");
        let counts = sql.rows(self.connection, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (events, logs): (i64, i64) = counts.first().copied().unwrap_or_default();
        Ok(Some(logs).filter(|_| events <= FOLLOWED))
    }

    /// The page, from the few logs that the lookups find.
    fn sort(
        &self,
        lookups: &[&LogLeaf],
        wanted: Sorted<LogSortKey>,
    ) -> rusqlite::Result<Page<(LogId, Recorded)>> {
        let mut sql = Sql::new(self.tenant);
        sql.push("select e.type, e.time, e.position from (");
        for (number, lookup) in lookups.iter().enumerate() {
            if number > 0 {
                // Each log once, which may meet several of the conditions.
                sql.push(" union ");
            }
            self.push_lookup(&mut sql, lookup);
        }
        sql.push(") found cross join events e where e.tenant_id = ?1 and e.position = found.position and ");
        self.push_search(&mut sql);
        let found = sql.rows(self.connection, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let of_type = |kind: &str| self.wordings.iter().find(|wording| wording.event.as_str() == kind);
        let mut found: Vec<Found> = found
            .into_iter()
            .filter_map(|(kind, time, position)| Some(Found { wording: of_type(&kind)?, time, position }))
            .collect();
        found.sort_unstable_by_key(|found| match wanted.sort.text(found.wording) {
            None => ("", found.time, found.position),
            Some(text) => (text, 0, found.position),
        });
        if wanted.descending {
            found.reverse();
        }
        let total = found.len() as u64;
        let skipped = usize::try_from(wanted.offset).unwrap_or(usize::MAX);
        let positions =
            found.iter().skip(skipped).take(wanted.limit as usize + 1).map(|found| found.position);
        self.page(positions.collect(), wanted.limit, (total, false))
    }

    /// The page, from the indexes of the order.
    fn walk(&self, wanted: Sorted<LogSortKey>) -> rusqlite::Result<Page<(LogId, Recorded)>> {
        let most = wanted.limit as usize + 1;
        let mut positions = Vec::new();
        let mut skipped = 0;
        for run in self.runs(wanted.sort, wanted.descending) {
            if positions.len() == most {
                break;
            }
            self.in_order(&run, wanted).walk(self.connection, |row| {
                if skipped < wanted.offset {
                    skipped += 1;
                    return Ok(ControlFlow::Continue(()));
                }
                positions.push(row.get(0)?);
                Ok(if positions.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
        }
        self.page(positions, wanted.limit, self.total()?)
    }

    /// The types of events whose logs are equal in what is sorted by, but for the time; in its order.
    fn runs(&self, sort: LogSortKey, descending: bool) -> Vec<Vec<&'static Wording>> {
        let mut runs = BTreeMap::<_, Vec<_>>::new();
        for wording in &self.wordings {
            runs.entry(sort.text(wording)).or_default().push(*wording);
        }
        let runs = runs.into_values();
        if descending { runs.rev().collect() } else { runs.collect() }
    }

    /// The positions of the logs of these types that match, by time or by position.
    fn in_order(&self, run: &[&Wording], wanted: Sorted<LogSortKey>) -> Sql {
        let direction = if wanted.descending { "desc" } else { "asc" };
        let by_time = wanted.sort == LogSortKey::TimeStamp;
        let index = if by_time { "events_logs_time" } else { "events_logs" };
        let mut sql = Sql::new(self.tenant);
        self.push_matching(&mut sql, run, "e.position, e.time", index);
        let time = if by_time { format!("time {direction}, ") } else { String::new() };
        sql.push(&format!(" order by {time}position {direction}"));
        sql
    }

    /// Writes a row for each log of these types that matches.
    fn push_matching(&self, sql: &mut Sql, run: &[&Wording], columns: &str, index: &str) {
        for (number, wording) in run.iter().enumerate() {
            if number > 0 {
                sql.push(" union all ");
            }
            let kind = wording.event;
            sql.push(&format!(
                "select {columns} from events e indexed by {index} where e.tenant_id = ?1 and e.type = '{kind}'"
            ));
            if self.search.settled(kind).is_none() {
                sql.push(" and ");
                self.push_search(sql);
            }
        }
    }

    /// How many logs match, and whether that is only about right.
    fn total(&self) -> rusqlite::Result<(u64, bool)> {
        let all: i64 = self
            .connection
            .prepare_cached("select logs from tenants where tenant_id = ?1")?
            .query_row([self.tenant.as_str()], |row| row.get(0))?;
        let (total, is_estimate) =
            if WORDINGS.iter().all(|wording| self.search.settled(wording.event) == Some(true)) {
                (all, false)
            } else {
                match self.count(COUNTED + 1)? {
                    counted if counted <= COUNTED => (counted, false),
                    _ => (self.estimate(all)?, true),
                }
            };
        Ok((total.unsigned_abs(), is_estimate))
    }

    /// How many logs match, counted up to a bound.
    fn count(&self, most: i64) -> rusqlite::Result<i64> {
        if self.wordings.is_empty() {
            return Ok(0);
        }
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (");
        self.push_matching(&mut sql, &self.wordings, "1", "events_logs_time");
        sql.push(&format!(" limit {most})"));
        sql.value(self.connection)
    }

    /// About how many of `all` logs match, by the share of the newest of those that are within its bounds.
    fn estimate(&self, all: i64) -> rusqlite::Result<i64> {
        let bounds = self.search.bounds();
        let within = Plan { search: &bounds, wordings: WORDINGS.iter().collect(), keys: Vec::new(), ..*self };
        let (all_within, index, order) = match bounds {
            Search::All => (all, "events_logs", "position desc"),
            _ => (within.count(MOST_WITHIN)?, "events_logs_time", "time desc, position desc"),
        };
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (");
        let columns = "e.position, e.type, e.time, e.user_id, e.group_id, e.key_id, e.request_id";
        within.push_matching(&mut sql, &within.wordings, columns, index);
        sql.push(&format!(" order by {order} limit {COUNTED}) e where "));
        self.push_search(&mut sql);
        let sample: i64 = sql.value(self.connection)?;
        // More than are counted match, so that many are within the bounds.
        Ok((all_within * sample / COUNTED).clamp(COUNTED + 1, all.max(COUNTED + 1)))
    }

    /// The page of the logs at these positions, of which there may be one more than are wanted.
    fn page(
        &self,
        mut positions: Vec<i64>,
        limit: u32,
        (total, total_is_estimate): (u64, bool),
    ) -> rusqlite::Result<Page<(LogId, Recorded)>> {
        let has_next = positions.len() > limit as usize;
        positions.truncate(limit as usize);
        let mut documents = Vec::with_capacity(positions.len());
        for position in positions {
            let event = events::at(self.connection, self.tenant, position)?;
            documents.extend(event.map(|event| (LogId::of_position(position), event)));
        }
        Ok(Page { documents, total, total_is_estimate, has_next })
    }

    /// Writes that the event `e` matches.
    fn push_search(&self, sql: &mut Sql) {
        sql.push_search(self.search, &|sql, leaf| self.push_leaf(sql, leaf));
    }

    /// Writes that the event `e` meets a condition.
    fn push_leaf(&self, sql: &mut Sql, leaf: &LogLeaf) {
        match leaf {
            LogLeaf::Event(kinds) => push_one_of(sql, "e.type", kinds.iter().map(|kind| kind.as_str())),
            LogLeaf::Time(range) => sql.push_range("e.time", range),
            LogLeaf::Position(range) => sql.push_range("e.position", range),
            LogLeaf::Actor(key) => push_one_of(sql, "e.key_id", [key.as_str()]),
            LogLeaf::ActorName(names) => push_one_of(sql, "e.key_id", self.keys_named(names)),
            LogLeaf::User(user_id) => push_one_of(sql, "e.user_id", [user_id.as_str()]),
            LogLeaf::Group(group_id) => {
                // Where there is no group, it is another one.
                sql.push("e.group_id is ");
                sql.bind(group_id.as_bytes().to_vec());
            }
            LogLeaf::Request(id) => push_one_of(sql, "e.request_id", [id.to_string().as_str()]),
        }
    }

    /// Writes the positions of the logs that meet a condition, as an index finds them.
    fn push_lookup(&self, sql: &mut Sql, leaf: &LogLeaf) {
        let index = match leaf {
            LogLeaf::Event(_) | LogLeaf::Position(_) => "events_logs",
            LogLeaf::Time(_) => "events_logs_time",
            LogLeaf::Actor(_) | LogLeaf::ActorName(_) => "events_logs_actor",
            LogLeaf::Request(_) => "events_logs_request",
            LogLeaf::Group(group_id) => {
                sql.push("select position from events indexed by events_group where tenant_id = ?1 and group_id = ");
                return sql.bind(group_id.as_bytes().to_vec());
            }
            LogLeaf::User(user_id) => {
                sql.push("select position from (");
                push_chain(sql, *user_id, "select position from chain where is_logged");
                return sql.push(")");
            }
        };
        sql.push(&format!(
            "select e.position from events e indexed by {index} where e.tenant_id = ?1 and {} and ",
            is_logged()
        ));
        self.push_leaf(sql, leaf);
    }

    fn keys_named(&self, names: &Range) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, name)| names.holds(name)).map(|(id, _)| id.as_str())
    }
}

/// Writes that a column has one of these values.
fn push_one_of<'a>(sql: &mut Sql, column: &str, values: impl IntoIterator<Item = &'a str>) {
    let values: Vec<_> = values.into_iter().collect();
    if values.is_empty() {
        // No text is a blob. What is false by itself would make the planner drop all that stands beside
        // it, and not find the index it was told to take.
        return sql.push(&format!("{column} = x''"));
    }
    sql.push(&format!("{column} in "));
    sql.push_joined(&values, ", ", "", |sql, value| sql.bind((*value).to_owned()));
}

/// Writes a statement on the events of a user, of which the newest are the rows of `chain`: each leads to
/// the one before.
fn push_chain(sql: &mut Sql, user_id: UserId, select: &str) {
    let is_logged = is_logged();
    let newest = events::newest_of(&sql.place(user_id.as_str().to_owned()));
    sql.push(&format!(
        "with recursive chain (position, previous, is_logged) as (\
         select position, previous, {is_logged} from events where tenant_id = ?1 and position = {newest}"
    ));
    sql.push(&format!(
        " union all select e.position, e.previous, {} from chain cross join events e \
         where e.tenant_id = ?1 and e.position = chain.previous limit {}) {select}",
        is_logged.replace("type", "e.type"),
        FOLLOWED + 1
    ));
}

/// That an event has a type that there are logs of, just as the partial indexes say it.
fn is_logged() -> String {
    let types: Vec<String> = WORDINGS.iter().map(|wording| format!("type = '{}'", wording.event)).collect();
    format!("({})", types.join(" or "))
}

fn key_names(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Vec<(KeyId, String)>> {
    connection
        .prepare_cached("select key_id, name from api_keys where tenant_id = ?1")?
        .query_map([tenant.as_str()], |row| Ok((rows::parsed(row, 0)?, fold(row.get_ref(1)?.as_str()?))))?
        .collect()
}
