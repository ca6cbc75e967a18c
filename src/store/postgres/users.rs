//! Lists of users: pages in an order, with or without a filter. Like in SQLite, where few users can
//! match, they are fetched by their terms and sorted; where many can, the index of the sort is walked
//! and each user on the way is asked.

use bytes::Bytes;
use tokio_postgres::Client;

use super::super::search::Search;
use super::super::search::users::{Column, Lookup, UserLeaf, UserSearch};
use super::super::statement::Statement as _;
use super::super::{List, Page, Place, SortKey};
use super::connection::Answer;
use super::rows;
use super::sql::Sql;
use crate::id::TenantId;

/// Up to how many users are fetched and sorted; beyond, the sort's index is walked.
const FEW: i64 = 5_000;
/// Up to how many matches are counted one by one.
pub(super) const COUNTED: i64 = 10_000;

/// Writes which rows `t` of `index_terms` a lookup finds.
fn push_lookup(sql: &mut Sql, lookup: &Lookup) {
    sql.push("t.tenant_id = $1 and t.field = ");
    sql.bind_text(&lookup.field);
    sql.push(" and ");
    sql.push_range("t.value", &lookup.values);
}

/// Writes that the user `u` meets a condition.
fn push_leaf(sql: &mut Sql, leaf: &UserLeaf) {
    match leaf {
        UserLeaf::Column(column, range) => {
            let column = match column {
                Column::UserId => "u.user_id",
                Column::CreationTime => "u.creation_time",
                Column::LastUpdated => "u.last_updated",
            };
            sql.push_range(column, range);
        }
        UserLeaf::Member(group_id) => {
            sql.push("exists (select 1 from memberships m where m.tenant_id = $1 and m.group_id = ");
            sql.bind_bytes(group_id.as_bytes());
            sql.push(" and m.user_id = u.user_id)");
        }
        // One value is asked of each user by the term's key; of many values, the users who have one
        // are gathered once.
        UserLeaf::Term(lookup) if lookup.values.value().is_some() => {
            sql.push("exists (select 1 from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(" and t.user_id = u.user_id)");
        }
        UserLeaf::Term(lookup) => {
            sql.push("u.user_id in (select t.user_id from index_terms t where ");
            push_lookup(sql, lookup);
            sql.push(")");
        }
    }
}

/// The column that users are sorted by; `None` where all are equal, so that the order of ids is left.
fn column(sort: SortKey) -> Option<&'static str> {
    match sort {
        SortKey::CreationTime => Some("creation_time"),
        SortKey::LastUpdated => Some("last_updated"),
        SortKey::GivenName => Some("given_name"),
        SortKey::MiddleName => Some("middle_name"),
        SortKey::FamilyName => Some("family_name"),
        SortKey::Name => Some("name"),
        // Nobody can sign in yet.
        SortKey::FailureCount
        | SortKey::LastSignInAttempt
        | SortKey::SignInAttemptsCount
        | SortKey::LastSignInSuccess
        | SortKey::SignInSuccessCount
        | SortKey::LastActivity
        | SortKey::BlockUntil => None,
    }
}

/// Every lookup of a search, and how many terms each finds; more than [`FEW`] are not told apart.
/// They are asked for in one statement.
async fn probe<'a>(
    client: &Client,
    tenant: &TenantId,
    search: &'a UserSearch,
) -> Answer<Vec<(&'a Lookup, i64)>> {
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
        push_lookup(&mut sql, lookup);
        sql.push(&format!(" limit {}) t)", FEW + 1));
    }
    sql.push(") probes order by number");
    let found = sql.rows(client, |row| row.try_get(0)).await?;
    Ok(lookups.into_iter().zip(found).collect())
}

fn gather<'a>(search: &'a UserSearch, lookups: &mut Vec<&'a Lookup>) {
    match search {
        Search::Is(UserLeaf::Term(lookup)) => lookups.push(lookup),
        Search::And(parts) | Search::Or(parts) => parts.iter().for_each(|part| gather(part, lookups)),
        // Whoever lacks a term is not found by it.
        Search::Not(_) | Search::All | Search::Is(UserLeaf::Column(..) | UserLeaf::Member(_)) => {}
    }
}

/// Lookups that find every user who can match, and how many terms they find, if they are few.
fn drivers<'a>(search: &'a UserSearch, probed: &[(&'a Lookup, i64)]) -> Option<(i64, Vec<&'a Lookup>)> {
    match search {
        Search::Is(UserLeaf::Term(lookup)) => {
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
        Search::All | Search::Not(_) | Search::Is(UserLeaf::Column(..) | UserLeaf::Member(_)) => None,
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
    let all: i64 = sql.value(client).await?;
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
    search: &'a UserSearch,
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
                match column(sort) {
                    Some(column) => format!("u.{column} {direction}, u.user_id {direction}"),
                    None => format!("u.user_id {direction}"),
                }
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
                push_lookup(sql, lookup);
            }
            sql.push(") found join users u on u.tenant_id = $1 and u.user_id = found.user_id where ");
        } else {
            sql.push("from users u where u.tenant_id = $1 and ");
        }
        sql.push_search(self.search, &push_leaf);
    }

    /// The page's documents, and one more if there is one. The places are found first, then the
    /// documents are fetched.
    async fn documents(&self, client: &Client, tenant: &TenantId, list: &List) -> Answer<Vec<Bytes>> {
        let mut sql = Sql::new(tenant);
        sql.push("select u.document from (select u.user_id ");
        self.push_matching(&mut sql);
        if let Place::ById { after: Some(user_id) } = &list.place {
            sql.push(" and u.user_id > ");
            sql.bind_text(user_id.as_str());
        }
        sql.push(&format!(" order by {} limit ", self.order));
        sql.bind_number(i64::from(list.limit) + 1);
        if let Place::Sorted { offset, .. } = &list.place {
            sql.push(" offset ");
            sql.bind_number(offset.cast_signed());
        }
        sql.push(&format!(
            ") wanted join users u on u.tenant_id = $1 and u.user_id = wanted.user_id order by {}",
            self.order
        ));
        sql.rows(client, |row| rows::document(row, 0)).await
    }

    /// How many users match, counted up to one more than [`COUNTED`].
    async fn count(&self, client: &Client, tenant: &TenantId) -> Answer<i64> {
        let mut sql = Sql::new(tenant);
        sql.push("select count(*) from (select 1 ");
        self.push_matching(&mut sql);
        sql.push(" limit ");
        sql.bind_number(COUNTED + 1);
        sql.push(") matching");
        sql.value(client).await
    }

    /// About how many of `all` users match, by the share of those who are looked at first.
    async fn estimate(&self, client: &Client, tenant: &TenantId, all: i64) -> Answer<i64> {
        let mut sql = Sql::new(tenant);
        sql.push("select count(*) from (select u.user_id, u.creation_time, u.last_updated from users u where u.tenant_id = $1 limit ");
        sql.bind_number(COUNTED);
        sql.push(") u where ");
        sql.push_search(self.search, &push_leaf);
        let sample: i64 = sql.value(client).await?;
        Ok((all / COUNTED * sample).clamp(COUNTED + 1, all.max(COUNTED + 1)))
    }
}
