//! How a list of users is found, for an operator who wants to know why it takes as long as it does.

use std::path::Path;

use anyhow::{Context, bail};

use super::super::search::users::UserSearch;
use super::super::{List, Page};
use super::reader::at_one_moment;
use super::{look, migrate, users};
use crate::id::TenantId;

/// How a list of users is found. It holds personal values: what is searched for, and the users.
pub struct Explanation {
    /// How many users the tenant has.
    pub users: u64,
    /// How many users each part of the filter finds by itself.
    pub parts: Vec<Counted>,
    /// The way that was taken.
    pub way: Way,
    /// The statement that found the page, with the values in it.
    pub statement: String,
    /// The page.
    pub page: Page,
}

/// How many users a part of a filter finds by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// So many, or fewer: one who has several of the values counts for each.
    Exactly(u64),
    /// More than these, which is half of all; it was counted no further.
    MoreThan(u64),
    /// There is no index that finds them: each user must be asked.
    NotLookedUp,
}

/// The way in which the users of a page were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// There is nothing to match: the page was cut from the index of the order.
    Everybody,
    /// No more are found by an index than a page holds, so all of them were fetched.
    Page(u64),
    /// So few are found by an index that they were sorted.
    Few(u64),
    /// The index of the order was walked, and the page was full, or nobody left, after so many users
    /// at most.
    Walk(u64),
    /// The page was not full after the walk, so those whom an index finds were fetched and sorted, so
    /// many as they are.
    Many(u64),
    /// No index finds so few, so the walk went on until the page was full.
    WalkOn,
}

/// Finds a list of users in the store in this file, and tells how, and how many users each of the
/// parts finds by itself. It only reads, also while a server runs.
///
/// # Errors
/// A sentence naming the file when it cannot be read or is no store that is up to date, or naming the
/// tenant when there is none.
pub fn explain(
    path: &Path,
    tenant: &TenantId,
    list: &List,
    parts: &[UserSearch],
) -> anyhow::Result<Explanation> {
    if !path.exists() {
        bail!("there is no store {}", path.display());
    }
    let open = || {
        let connection = look(path)?;
        connection.pragma_update(None, "query_only", true)?;
        migrate::check_current(&connection)?;
        anyhow::Ok(connection)
    };
    let connection = open().with_context(|| format!("the store {} cannot be used", path.display()))?;
    let is_there =
        connection.prepare("select 1 from tenants where tenant_id = ?1")?.exists([tenant.as_str()])?;
    if !is_there {
        bail!("there is no tenant `{tenant}`; `bonafide tenants list` shows those there are");
    }
    Ok(at_one_moment(&connection, |connection| users::explain(connection, tenant, list, parts))?)
}
