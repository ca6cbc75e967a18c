//! How a list of users is found, for an operator who wants to know why it takes as long as it does.

use std::path::Path;

use anyhow::{Context, bail};

use super::super::List;
use super::super::search::users::UserSearch;
use super::super::ways::Explanation;
use super::file::look;
use super::reader::at_one_moment;
use super::{migrate, users};
use crate::id::TenantId;

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
