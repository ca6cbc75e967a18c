//! What is asked for before the way to the users of a list is chosen.

use std::convert::Infallible;

use tokio_postgres::Client;

use super::super::super::drivers::{Drivers, can_be_looked_up, drivers};
use super::super::super::search::Search;
use super::super::super::search::users::{UserLeaf, UserSearch};
use super::super::super::statement::Statement as _;
use super::super::super::ways::Counted;
use super::super::connection::Answer;
use super::super::sql::Sql;
use super::condition::push_found;
use crate::id::TenantId;

/// What is known before anything is looked for. It is asked for in one statement.
pub(super) struct Known<'a> {
    /// How many users the tenant has.
    pub(super) users: i64,
    /// The conditions by which users could be found, and how many rows each finds, up to one more than a
    /// bound.
    pub(super) counts: Vec<(&'a UserLeaf, i64)>,
}

impl<'a> Known<'a> {
    /// Counts up to one more than `most` of what each condition of a search finds.
    pub(super) async fn of(
        client: &Client,
        tenant: &TenantId,
        search: &'a UserSearch,
        most: i64,
    ) -> Answer<Self> {
        let mut leaves = Vec::new();
        gather(search, &mut leaves);
        let mut sql = Sql::new(tenant);
        sql.push("select coalesce((select users from tenants where tenant_id = $1), 0)");
        for leaf in &leaves {
            sql.push(", (select count(*) from (");
            push_found(&mut sql, leaf, "1");
            sql.push(&format!(" limit {}) found)", most.saturating_add(1)));
        }
        let mut row = sql.numbers(client).await?.into_iter();
        Ok(Self { users: row.next().unwrap_or_default(), counts: leaves.into_iter().zip(row).collect() })
    }

    /// How many rows a condition finds, up to one more than was counted; nothing where it was not counted.
    pub(super) fn count(&self, leaf: &UserLeaf) -> Option<i64> {
        self.counts.iter().find(|(known, _)| std::ptr::eq(*known, leaf)).map(|(_, count)| *count)
    }

    /// What finds every user who can match, if it finds `most` at most, which is no more than was counted.
    pub(super) fn drivers(&self, search: &'a UserSearch, most: i64) -> Option<Drivers<'a, UserLeaf>> {
        let Ok(found) = drivers(search, most, &|leaf, _| Ok::<_, Infallible>(self.count(leaf)));
        found
    }

    /// How many users a search finds by itself.
    pub(super) fn count_alone(&self, search: &'a UserSearch, most: i64) -> Counted {
        match self.drivers(search, most) {
            Some(drivers) => Counted::Exactly(drivers.count.unsigned_abs()),
            None if can_be_looked_up(search) => Counted::MoreThan(most.unsigned_abs()),
            None => Counted::NotLookedUp,
        }
    }
}

/// Gathers the conditions of a search by which users could be found.
fn gather<'a>(search: &'a UserSearch, leaves: &mut Vec<&'a UserLeaf>) {
    match search {
        Search::Is(leaf) => leaves.push(leaf),
        Search::And(parts) | Search::Or(parts) => parts.iter().for_each(|part| gather(part, leaves)),
        // Whoever does not meet a condition is not found by it.
        Search::Not(_) | Search::All => {}
    }
}
