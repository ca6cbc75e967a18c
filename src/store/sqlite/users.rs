//! Lists of users: pages in an order, with or without a filter.
//!
//! The planner of the database does not know how common a term is, so the way is chosen here: where
//! few users can match, they are fetched by their terms and sorted; where many can, the index of
//! the sort is walked and each user on the way is asked.

use bytes::Bytes;
use rusqlite::Connection;

use super::super::search::Search;
use super::super::search::users::{Column, Lookup, UserLeaf, UserSearch};
use super::super::{List, Page, Place, SortKey};
use super::rows;
use super::sql::Sql;
use crate::id::TenantId;

/// Up to how many users are fetched and sorted; beyond, the sort's index is walked.
const FEW: i64 = 5_000;
/// Up to how many matches are counted one by one.
const COUNTED: i64 = 10_000;

/// Writes which rows `t` of `index_terms` a lookup finds.
fn push_lookup(sql: &mut Sql, lookup: &Lookup) {
    sql.push("t.tenant_id = ?1 and t.field = ");
    sql.bind(lookup.field.clone());
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
            sql.push("exists (select 1 from memberships m where m.tenant_id = ?1 and m.group_id = ");
            sql.bind(group_id.as_bytes().to_vec());
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

/// The column that users are sorted by; its index has its name.
pub(super) fn column(sort: SortKey) -> &'static str {
    match sort {
        SortKey::CreationTime => "creation_time",
        SortKey::LastUpdated => "last_updated",
        SortKey::GivenName => "given_name",
        SortKey::MiddleName => "middle_name",
        SortKey::FamilyName => "family_name",
        SortKey::Name => "name",
        // All users are equal in these while nobody can sign in, so what is left is the order of ids.
        SortKey::FailureCount
        | SortKey::LastSignInAttempt
        | SortKey::SignInAttemptsCount
        | SortKey::LastSignInSuccess
        | SortKey::SignInSuccessCount
        | SortKey::LastActivity
        | SortKey::BlockUntil => "id",
    }
}

/// Lookups that find every user who can match, and how many terms they find, if they are few.
fn drivers<'a>(
    connection: &Connection,
    tenant: &TenantId,
    search: &'a UserSearch,
) -> rusqlite::Result<Option<(i64, Vec<&'a Lookup>)>> {
    match search {
        Search::Is(UserLeaf::Term(lookup)) => {
            let mut sql = Sql::new(tenant);
            sql.push("select count(*) from (select 1 from index_terms t where ");
            push_lookup(&mut sql, lookup);
            sql.push(&format!(" limit {})", FEW + 1));
            let found: i64 = sql.value(connection)?;
            Ok((found <= FEW).then(|| (found, vec![lookup])))
        }
        Search::And(parts) => {
            let mut best: Option<(i64, Vec<&Lookup>)> = None;
            for part in parts {
                if let Some((found, lookups)) = drivers(connection, tenant, part)?
                    && best.as_ref().is_none_or(|(least, _)| found < *least)
                {
                    best = Some((found, lookups));
                }
            }
            Ok(best)
        }
        Search::Or(parts) => {
            let mut all = (0, Vec::new());
            for part in parts {
                let Some((found, mut lookups)) = drivers(connection, tenant, part)? else { return Ok(None) };
                all.0 += found;
                all.1.append(&mut lookups);
            }
            Ok((all.0 <= FEW && !all.1.is_empty()).then_some(all))
        }
        Search::All | Search::Not(_) | Search::Is(UserLeaf::Column(..) | UserLeaf::Member(_)) => Ok(None),
    }
}

pub(super) fn list(connection: &Connection, tenant: &TenantId, list: &List) -> rusqlite::Result<Page> {
    // One transaction, so that the page and the total are of one moment.
    let transaction = connection.unchecked_transaction()?;
    let page = page(&transaction, tenant, list)?;
    transaction.finish()?;
    Ok(page)
}

fn page(connection: &Connection, tenant: &TenantId, list: &List) -> rusqlite::Result<Page> {
    let plan = Plan::of(connection, tenant, list)?;
    let mut documents = plan.documents(connection, tenant, list)?;
    let wanted = list.limit as usize;
    let has_next = documents.len() > wanted;
    documents.truncate(wanted);
    let all = connection
        .prepare_cached("select users from tenants where tenant_id = ?1")?
        .query_row([tenant.as_str()], |row| row.get::<_, i64>(0))?;
    let (total, total_is_estimate) = match (&list.filter, &list.place) {
        (None, _) | (_, Place::ById { .. }) => (all, false),
        (Some(_), Place::Sorted { .. }) => match plan.count(connection, tenant)? {
            counted if counted <= COUNTED => (counted, false),
            _ => (plan.estimate(connection, tenant, all)?, true),
        },
    };
    Ok(Page { documents, total: total.unsigned_abs(), total_is_estimate, has_next })
}

/// How the users of a list are found.
struct Plan<'a> {
    search: &'a UserSearch,
    /// Lookups that find them all, if those are few; else the index of the order is walked.
    lookups: Option<Vec<&'a Lookup>>,
    /// The column of the order, and of its index.
    column: &'static str,
    order: String,
}

impl<'a> Plan<'a> {
    fn of(connection: &Connection, tenant: &TenantId, list: &'a List) -> rusqlite::Result<Self> {
        let (column, descending) = match list.place {
            Place::ById { .. } => ("id", false),
            Place::Sorted { sort, descending, .. } => (column(sort), descending),
        };
        let direction = if descending { "desc" } else { "asc" };
        let order = match column {
            "id" => format!("u.user_id {direction}"),
            _ => format!("u.{column} {direction}, u.user_id {direction}"),
        };
        let search = list.filter.as_ref().unwrap_or(&Search::All);
        let lookups = drivers(connection, tenant, search)?.map(|(_, lookups)| lookups);
        Ok(Self { search, lookups, column, order })
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
            sql.push(") found cross join users u where u.tenant_id = ?1 and u.user_id = found.user_id and ");
        } else {
            sql.push(&format!("from users u indexed by users_{} where u.tenant_id = ?1 and ", self.column));
        }
        sql.push_search(self.search, push_leaf);
    }

    /// The page's documents, and one more if there is one. The places are found in the index alone,
    /// then the documents are fetched.
    fn documents(
        &self,
        connection: &Connection,
        tenant: &TenantId,
        list: &List,
    ) -> rusqlite::Result<Vec<Bytes>> {
        let mut sql = Sql::new(tenant);
        sql.push("select u.document from (select u.user_row as wanted ");
        self.push_matching(&mut sql);
        if let Place::ById { after: Some(user_id) } = &list.place {
            sql.push(" and u.user_id > ");
            sql.bind(user_id.as_str().to_owned());
        }
        sql.push(&format!(" order by {} limit ", self.order));
        sql.bind(i64::from(list.limit) + 1);
        if let Place::Sorted { offset, .. } = &list.place {
            sql.push(" offset ");
            sql.bind(offset.cast_signed());
        }
        sql.push(&format!(") join users u on u.user_row = wanted order by {}", self.order));
        sql.rows(connection, rows::document)
    }

    /// How many users match, counted up to one more than [`COUNTED`].
    fn count(&self, connection: &Connection, tenant: &TenantId) -> rusqlite::Result<i64> {
        let mut sql = Sql::new(tenant);
        sql.push("select count(*) from (select 1 ");
        self.push_matching(&mut sql);
        sql.push(" limit ");
        sql.bind(COUNTED + 1);
        sql.push(")");
        sql.value(connection)
    }

    /// About how many of `all` users match, by the share of those who are looked at first.
    fn estimate(&self, connection: &Connection, tenant: &TenantId, all: i64) -> rusqlite::Result<i64> {
        let mut sql = Sql::new(tenant);
        sql.push("select count(*) from (select u.user_id, u.creation_time, u.last_updated from users u where u.tenant_id = ?1 limit ");
        sql.bind(COUNTED);
        sql.push(") u where ");
        sql.push_search(self.search, push_leaf);
        let sample: i64 = sql.value(connection)?;
        Ok((all / COUNTED * sample).clamp(COUNTED + 1, all.max(COUNTED + 1)))
    }
}
