//! Lists of users: pages in an order, with or without a filter. Like in SQLite, where few users can
//! match, they are fetched by their terms and sorted; where many can, the index of the sort is walked
//! and each user on the way is asked.

use std::ops::Bound;

use bytes::Bytes;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use super::super::search::{Column, Lookup, Operand, Range, Search};
use super::super::{List, Page, Place, SortKey};
use super::connection::Answer;
use super::rows::{self, each, field, storable};
use crate::id::TenantId;

/// Up to how many users are fetched and sorted; beyond, the sort's index is walked.
const FEW: i64 = 5_000;
/// Up to how many matches are counted one by one.
const COUNTED: i64 = 10_000;

/// A statement that is being written, with the values bound in it. The first is the tenant.
struct Sql {
    text: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Sql {
    fn new(tenant: &TenantId) -> Self {
        Self { text: String::new(), values: vec![(Box::new(tenant.as_str().to_owned()), Type::TEXT)] }
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, value: impl ToSql + Sync + Send + 'static, kind: Type) {
        self.values.push((Box::new(value), kind));
        let number = self.values.len();
        self.push(&format!("${number}"));
    }

    fn bind_operand(&mut self, operand: &Operand) {
        match operand {
            Operand::Text(text) => self.bind(storable(text).into_owned(), Type::TEXT),
            Operand::Number(number) => self.bind(*number, Type::INT8),
        }
    }

    /// The rows that the statement gives.
    async fn rows(&self, client: &Client) -> Answer<Vec<tokio_postgres::Row>> {
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect();
        client.query_typed(&self.text, &values).await
    }

    /// The number that the statement gives.
    async fn number(&self, client: &Client) -> Answer<i64> {
        let rows = self.rows(client).await?;
        rows.first().map_or(Ok(0), |row| row.try_get(0))
    }

    /// `expression` is within the range; nothing if the range has no bounds.
    fn push_range(&mut self, expression: &str, range: &Range) {
        if let (Bound::Included(lower), Bound::Included(upper)) = (&range.lower, &range.upper)
            && lower == upper
        {
            self.push(&format!(" and {expression} = "));
            self.bind_operand(lower);
            return;
        }
        for (bound, including, excluding) in [(&range.lower, ">=", ">"), (&range.upper, "<=", "<")] {
            let (operator, operand) = match bound {
                Bound::Included(operand) => (including, operand),
                Bound::Excluded(operand) => (excluding, operand),
                Bound::Unbounded => continue,
            };
            self.push(&format!(" and {expression} {operator} "));
            self.bind_operand(operand);
        }
    }

    /// The rows of `index_terms` that a lookup finds.
    fn push_lookup(&mut self, lookup: &Lookup) {
        self.push("t.tenant_id = $1 and t.field = ");
        self.bind(field(&lookup.field).into_owned(), Type::TEXT);
        self.push_range("t.value", &lookup.values);
    }

    /// Whether the user `u` matches.
    fn push_search(&mut self, search: &Search) {
        match search {
            Search::All => self.push("true"),
            Search::And(parts) => self.push_joined(parts, " and "),
            Search::Or(parts) => self.push_joined(parts, " or "),
            Search::Not(part) => {
                self.push("not ");
                self.push_search(part);
            }
            Search::Column(column, range) => {
                self.push("(true");
                let column = match column {
                    Column::UserId => "u.user_id",
                    Column::CreationTime => "u.creation_time",
                    Column::LastUpdated => "u.last_updated",
                };
                self.push_range(column, range);
                self.push(")");
            }
            // One value is asked of each user by the term's key; of many values, the users who have
            // one are gathered once.
            Search::Term(lookup) if is_one(&lookup.values) => {
                self.push("exists (select 1 from index_terms t where ");
                self.push_lookup(lookup);
                self.push(" and t.user_id = u.user_id)");
            }
            Search::Term(lookup) => {
                self.push("u.user_id in (select t.user_id from index_terms t where ");
                self.push_lookup(lookup);
                self.push(")");
            }
        }
    }

    fn push_joined(&mut self, parts: &[Search], operator: &str) {
        self.push("(");
        for (number, part) in parts.iter().enumerate() {
            if number > 0 {
                self.push(operator);
            }
            self.push_search(part);
        }
        self.push(")");
    }
}

fn is_one(range: &Range) -> bool {
    matches!((&range.lower, &range.upper), (Bound::Included(lower), Bound::Included(upper)) if lower == upper)
}

/// Every lookup of a search, and how many terms each finds; more than [`FEW`] are not told apart.
/// They are asked for in one statement.
async fn probe<'a>(client: &Client, tenant: &TenantId, search: &'a Search) -> Answer<Vec<(&'a Lookup, i64)>> {
    let mut lookups = Vec::new();
    gather(search, &mut lookups);
    if lookups.is_empty() {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(tenant);
    for (number, lookup) in lookups.iter().enumerate() {
        sql.push(if number > 0 { " union all " } else { "select found from (" });
        sql.push(&format!(
            "(select {number} as number, count(*) as found from (select 1 from index_terms t where "
        ));
        sql.push_lookup(lookup);
        sql.push(&format!(" limit {}) t)", FEW + 1));
    }
    sql.push(") probes order by number");
    let found = each(&sql.rows(client).await?, |row| row.try_get(0))?;
    Ok(lookups.into_iter().zip(found).collect())
}

fn gather<'a>(search: &'a Search, lookups: &mut Vec<&'a Lookup>) {
    match search {
        Search::Term(lookup) => lookups.push(lookup),
        Search::And(parts) | Search::Or(parts) => parts.iter().for_each(|part| gather(part, lookups)),
        // Whoever lacks a term is not found by it.
        Search::Not(_) | Search::All | Search::Column(..) => {}
    }
}

/// Lookups that find every user who can match, and how many terms they find, if they are few.
fn drivers<'a>(search: &'a Search, probed: &[(&'a Lookup, i64)]) -> Option<(i64, Vec<&'a Lookup>)> {
    match search {
        Search::Term(lookup) => {
            let found = probed.iter().find(|(probed, _)| std::ptr::eq(*probed, lookup))?.1;
            (found <= FEW).then(|| (found, vec![lookup]))
        }
        Search::And(parts) => {
            parts.iter().filter_map(|part| drivers(part, probed)).min_by_key(|(found, _)| *found)
        }
        Search::Or(parts) => {
            let mut all = (0, Vec::new());
            for part in parts {
                let (found, mut lookups) = drivers(part, probed)?;
                all.0 += found;
                all.1.append(&mut lookups);
            }
            (all.0 <= FEW && !all.1.is_empty()).then_some(all)
        }
        Search::All | Search::Not(_) | Search::Column(..) => None,
    }
}

/// A page of users, read at one moment.
pub(super) async fn list(client: &Client, tenant: &TenantId, list: &List) -> Answer<Page> {
    let plan = Plan::of(client, tenant, list).await?;
    let mut documents = plan.documents(client, tenant, list).await?;
    let wanted = list.limit as usize;
    let has_next = documents.len() > wanted;
    documents.truncate(wanted);
    let mut sql = Sql::new(tenant);
    sql.push("select users from tenants where tenant_id = $1");
    let all = sql.number(client).await?;
    let (total, total_is_estimate) = match (&list.filter, &list.place) {
        (None, _) | (_, Place::ById { .. }) => (all, false),
        (Some(_), Place::Sorted { .. }) => match plan.count(client, tenant).await? {
            counted if counted <= COUNTED => (counted, false),
            _ => (plan.estimate(client, tenant, all).await?, true),
        },
    };
    Ok(Page { documents, total: total.unsigned_abs(), total_is_estimate, has_next })
}

/// How the users of a list are found.
struct Plan<'a> {
    search: &'a Search,
    /// Lookups that find them all, if those are few; else the index of the order is walked.
    lookups: Option<Vec<&'a Lookup>>,
    order: String,
}

impl<'a> Plan<'a> {
    async fn of(client: &Client, tenant: &TenantId, list: &'a List) -> Answer<Self> {
        let order = match list.place {
            Place::ById { .. } => "u.user_id".to_owned(),
            Place::Sorted { sort, descending, .. } => {
                let direction = if descending { "desc" } else { "asc" };
                let column = match sort {
                    SortKey::CreationTime => "creation_time",
                    SortKey::LastUpdated => "last_updated",
                };
                format!("u.{column} {direction}, u.user_id {direction}")
            }
        };
        let search = list.filter.as_ref().unwrap_or(&Search::All);
        let probed = probe(client, tenant, search).await?;
        let lookups = drivers(search, &probed).map(|(_, lookups)| lookups);
        Ok(Self { search, lookups, order })
    }

    /// Writes where the users come from and which of them match.
    fn push_matching(&self, sql: &mut Sql) {
        if let Some(lookups) = &self.lookups {
            sql.push("from (");
            for (number, lookup) in lookups.iter().enumerate() {
                if number > 0 {
                    // Each user once, who may have several of the terms.
                    sql.push(" union ");
                }
                sql.push("select distinct t.user_id from index_terms t where ");
                sql.push_lookup(lookup);
            }
            sql.push(") found join users u on u.tenant_id = $1 and u.user_id = found.user_id where ");
        } else {
            sql.push("from users u where u.tenant_id = $1 and ");
        }
        sql.push_search(self.search);
    }

    /// The page's documents, and one more if there is one. The places are found first, then the
    /// documents are fetched.
    async fn documents(&self, client: &Client, tenant: &TenantId, list: &List) -> Answer<Vec<Bytes>> {
        let mut sql = Sql::new(tenant);
        sql.push("select u.document from (select u.user_id ");
        self.push_matching(&mut sql);
        if let Place::ById { after: Some(user_id) } = &list.place {
            sql.push(" and u.user_id > ");
            sql.bind(user_id.as_str().to_owned(), Type::TEXT);
        }
        sql.push(&format!(" order by {} limit ", self.order));
        sql.bind(i64::from(list.limit) + 1, Type::INT8);
        if let Place::Sorted { offset, .. } = &list.place {
            sql.push(" offset ");
            sql.bind(offset.cast_signed(), Type::INT8);
        }
        sql.push(&format!(
            ") wanted join users u on u.tenant_id = $1 and u.user_id = wanted.user_id order by {}",
            self.order
        ));
        each(&sql.rows(client).await?, |row| rows::document(row, 0))
    }

    /// How many users match, counted up to one more than [`COUNTED`].
    async fn count(&self, client: &Client, tenant: &TenantId) -> Answer<i64> {
        let mut sql = Sql::new(tenant);
        sql.push("select count(*) from (select 1 ");
        self.push_matching(&mut sql);
        sql.push(" limit ");
        sql.bind(COUNTED + 1, Type::INT8);
        sql.push(") matching");
        sql.number(client).await
    }

    /// About how many of `all` users match, by the share of those who are looked at first.
    async fn estimate(&self, client: &Client, tenant: &TenantId, all: i64) -> Answer<i64> {
        let mut sql = Sql::new(tenant);
        sql.push("select count(*) from (select u.user_id, u.creation_time, u.last_updated from users u where u.tenant_id = $1 limit ");
        sql.bind(COUNTED, Type::INT8);
        sql.push(") u where ");
        sql.push_search(self.search);
        let sample = sql.number(client).await?;
        Ok((all / COUNTED * sample).clamp(COUNTED + 1, all.max(COUNTED + 1)))
    }
}
