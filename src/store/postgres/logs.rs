//! Lists of logs: the events of the types that have a code, in an order, with or without a filter.
//!
//! Each type of event has its run in an index, and the planner merges runs, or takes another index for
//! what is asked of the logs. All that is sorted by but the time is the same for all events of a type,
//! so those orders are such merges one after the other.

use std::collections::BTreeMap;

use tokio_postgres::Client;

use super::super::search::logs::{LogLeaf, LogSearch};
use super::super::search::{Range, Search};
use super::super::statement::Statement as _;
use super::super::ways::{COUNTED, MOST_WITHIN};
use super::super::{LogSortKey, Page, Sorted};
use super::connection::Answer;
use super::events;
use super::rows::{parsed, text_of};
use super::sql::Sql;
use crate::directory::event::Recorded;
use crate::directory::log::{LogId, WORDINGS, Wording};
use crate::directory::text::fold;
use crate::id::TenantId;
use crate::secret::KeyId;

/// A page of logs, read at one moment.
pub(super) async fn list(
    client: &Client,
    tenant: &TenantId,
    search: &LogSearch,
    list: Sorted<LogSortKey>,
) -> Answer<Page<(LogId, Recorded)>> {
    let plan = Plan::of(client, tenant, search).await?;
    let mut documents = plan.documents(list).await?;
    let has_next = documents.len() > list.limit as usize;
    documents.truncate(list.limit as usize);
    let (total, total_is_estimate) = plan.total().await?;
    Ok(Page { documents, total, total_is_estimate, has_next })
}

/// That an event has a type that there are logs of, just as the partial indexes say it.
pub(super) fn is_logged() -> String {
    let types: Vec<String> = WORDINGS.iter().map(|wording| format!("type = '{}'", wording.event)).collect();
    format!("({})", types.join(" or "))
}

/// How the logs of a list are found.
struct Plan<'a> {
    client: &'a Client,
    tenant: &'a TenantId,
    search: &'a LogSearch,
    /// What is said of the types of events that can match.
    wordings: Vec<&'static Wording>,
    /// The tenant's keys with their names, folded. Keys are never removed and keep their names.
    keys: Vec<(KeyId, String)>,
}

impl<'a> Plan<'a> {
    async fn of(client: &'a Client, tenant: &'a TenantId, search: &'a LogSearch) -> Answer<Self> {
        let wordings =
            WORDINGS.iter().filter(|wording| search.settled(wording.event) != Some(false)).collect();
        let keys = if *search == Search::All {
            Vec::new()
        } else {
            let mut sql = Sql::new(tenant);
            sql.push("select key_id, name from api_keys where tenant_id = $1");
            sql.rows(client, |row| Ok((parsed(row, 0)?, fold(text_of(row, 1)?)))).await?
        };
        Ok(Self { client, tenant, search, wordings, keys })
    }

    /// The logs of the page, and one more if there is one.
    async fn documents(&self, wanted: Sorted<LogSortKey>) -> Answer<Vec<(LogId, Recorded)>> {
        let most = i64::from(wanted.limit) + 1;
        let (mut found, mut skip) = (Vec::new(), wanted.offset.cast_signed());
        for run in self.runs(wanted.sort, wanted.descending) {
            let missing = most - i64::try_from(found.len()).unwrap_or(i64::MAX);
            if missing == 0 {
                break;
            }
            let logs = self.in_order(&run, wanted, (missing, skip)).rows(self.client, events::event).await?;
            skip = if logs.is_empty() { skip - self.count(&run, skip).await? } else { 0 };
            found.extend(logs.into_iter().map(|(position, event)| (LogId::of_position(position), event)));
        }
        Ok(found)
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

    /// The logs of these types that match, by time or by position: so many, after so many.
    fn in_order(&self, run: &[&Wording], wanted: Sorted<LogSortKey>, (limit, offset): (i64, i64)) -> Sql {
        let direction = if wanted.descending { "desc" } else { "asc" };
        let mut sql = Sql::new(self.tenant);
        self.push_matching(&mut sql, run, events::COLUMNS);
        let time =
            if wanted.sort == LogSortKey::TimeStamp { format!("time {direction}, ") } else { String::new() };
        sql.push(&format!(" order by {time}position {direction} limit "));
        sql.bind_number(limit);
        sql.push(" offset ");
        sql.bind_number(offset);
        sql
    }

    /// Writes a row for each log of these types that matches.
    fn push_matching(&self, sql: &mut Sql, run: &[&Wording], columns: &str) {
        for (number, wording) in run.iter().enumerate() {
            if number > 0 {
                sql.push(" union all ");
            }
            let kind = wording.event;
            sql.push(&format!("select {columns} from events e where e.tenant_id = $1 and e.type = '{kind}'"));
            if self.search.settled(kind).is_none() {
                sql.push(" and ");
                self.push_search(sql);
            }
        }
    }

    /// How many logs match, and whether that is only about right.
    async fn total(&self) -> Answer<(u64, bool)> {
        let mut sql = Sql::new(self.tenant);
        sql.push("select logs from tenants where tenant_id = $1");
        let all: i64 = sql.value(self.client).await?;
        let (total, is_estimate) =
            if WORDINGS.iter().all(|wording| self.search.settled(wording.event) == Some(true)) {
                (all, false)
            } else {
                match self.count(&self.wordings, COUNTED + 1).await? {
                    counted if counted <= COUNTED => (counted, false),
                    _ => (self.estimate(all).await?, true),
                }
            };
        Ok((total.unsigned_abs(), is_estimate))
    }

    /// How many logs of these types match, counted up to a bound.
    async fn count(&self, run: &[&Wording], most: i64) -> Answer<i64> {
        if run.is_empty() {
            return Ok(0);
        }
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (");
        self.push_matching(&mut sql, run, "1");
        sql.push(" limit ");
        sql.bind_number(most);
        sql.push(") matching");
        sql.value(self.client).await
    }

    /// About how many of `all` logs match, by the share of the newest of those that are within its bounds.
    async fn estimate(&self, all: i64) -> Answer<i64> {
        let bounds = self.search.bounds();
        let within = Plan { search: &bounds, wordings: WORDINGS.iter().collect(), keys: Vec::new(), ..*self };
        let (all_within, order) = match bounds {
            Search::All => (all, "position desc"),
            _ => (within.count(&within.wordings, MOST_WITHIN).await?, "time desc, position desc"),
        };
        let mut sql = Sql::new(self.tenant);
        sql.push("select count(*) from (");
        let columns = "e.position, e.type, e.time, e.user_id, e.group_id, e.key_id, e.request_id";
        within.push_matching(&mut sql, &within.wordings, columns);
        sql.push(&format!(" order by {order} limit {COUNTED}) e where "));
        self.push_search(&mut sql);
        let sample: i64 = sql.value(self.client).await?;
        // More than are counted match, so that many are within the bounds.
        Ok((all_within * sample / COUNTED).clamp(COUNTED + 1, all.max(COUNTED + 1)))
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
                sql.push("(e.group_id is not null and e.group_id = ");
                sql.bind_bytes(group_id.as_bytes());
                sql.push(")");
            }
            LogLeaf::Request(id) => push_one_of(sql, "e.request_id", [id.to_string().as_str()]),
        }
    }

    fn keys_named(&self, names: &Range) -> impl Iterator<Item = &str> {
        self.keys.iter().filter(|(_, name)| names.holds(name)).map(|(id, _)| id.as_str())
    }
}

/// Writes that a column has one of these values.
fn push_one_of<'a>(sql: &mut Sql, column: &str, values: impl IntoIterator<Item = &'a str>) {
    let values: Vec<_> = values.into_iter().collect();
    if values.is_empty() {
        return sql.push("false");
    }
    sql.push(&format!("{column} in "));
    sql.push_joined(&values, ", ", "", |sql, value| sql.bind_text(value));
}

#[cfg(test)]
mod tests {
    use super::super::testing::Database;
    use super::super::{Options, migrate};
    use super::*;
    use crate::store::search::logs::parse;
    use crate::time::Timestamp;

    #[tokio::test]
    async fn the_indexes_hold_the_types_that_there_are_logs_of() {
        let database = Database::empty().await;
        migrate(&Options::new(&database.url), Timestamp(0)).await.unwrap();
        let (client, connection) =
            tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let conditions = "select pg_get_expr(indpred, indrelid) from pg_index \
                          where indexrelid::regclass::text like 'events_logs%'";
        let conditions = client.query(conditions, &[]).await.unwrap();
        assert_eq!(conditions.len(), 4);
        let expected: Vec<&str> = WORDINGS.iter().map(|wording| wording.event.as_str()).collect();
        for condition in conditions {
            // What is between quotes.
            let types: Vec<&str> = condition.get::<_, &str>(0).split('\'').skip(1).step_by(2).collect();
            assert_eq!(types, expected);
        }
    }

    #[tokio::test]
    async fn many_logs_are_counted_to_a_bound_and_estimated_beyond_it() {
        let database = Database::empty().await;
        migrate(&Options::new(&database.url), Timestamp(0)).await.unwrap();
        let (client, connection) =
            tokio_postgres::connect(&database.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id) \
                   select 'default', number, decode(repeat('00', 16), 'hex'), \
                   case when number % 3 = 0 then 'group.created' else 'user.created' end, number, '', 'admin_api', \
                   'AAAAAAAAAAAA', 'key', repeat('0', 32) from generate_series(1, 18000) number";
        client.execute(sql, &[]).await.unwrap();
        client.batch_execute("update tenants set logs = 18000; analyze").await.unwrap();
        let tenant = TenantId::default_tenant();
        let look = async |filter: &str, offset: u64| {
            let search = parse(filter).unwrap().unwrap_or(Search::All);
            let wanted = Sorted { sort: LogSortKey::Category, descending: true, offset, limit: 10 };
            let page = list(&client, &tenant, &search, wanted).await.unwrap();
            assert_eq!((page.documents.len(), page.has_next), (10, true), "{filter}");
            (page.total, page.total_is_estimate, page.documents[0].1.time.0)
        };
        assert_eq!(look("", 0).await, (18_000, false, 17_999));
        // Beyond all users come the groups.
        assert_eq!(look("", 12_000).await, (18_000, false, 18_000));
        assert_eq!(look("category:groups", 1).await, (6_000, false, 17_997));
        let (total, is_estimate, _) = look("category:users", 0).await;
        assert!(is_estimate && (10_800..=13_200).contains(&total), "{total}");
        // What came later says nothing of what was before.
        let sql = "insert into events (tenant_id, position, event_id, type, time, user_id, method, key_id, key_name, request_id) \
                   select tenant_id, position + 18000, event_id, 'group.created', time + 18000, user_id, method, key_id, key_name, \
                   request_id from events; update tenants set logs = 36000";
        client.batch_execute(sql).await.unwrap();
        let (total, is_estimate, _) = look("category:users time_stamp:<=18000", 0).await;
        assert!(is_estimate && (10_800..=13_200).contains(&total), "{total}");
    }
}
