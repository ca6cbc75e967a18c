//! Reading all that a tenant has, and whose an identifier is.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::mpsc;

use super::super::{GroupSortKey, IdentifierKind, Portion, Record, Sorted};
use super::{groups, rows};
use crate::directory::password::{PasswordHash, SetBy};
use crate::id::{GroupId, TenantId, UserId};
use crate::store::search::Search;
use crate::time::Timestamp;

/// How many users, or groups, are read at once.
const PORTION: u32 = 500;

/// The user whose alone an identifier is.
pub(super) fn owner(
    connection: &Connection,
    tenant: &TenantId,
    kind: IdentifierKind,
    canonical: &str,
) -> rusqlite::Result<Option<UserId>> {
    connection
        .prepare_cached(
            "select user_id from identifiers \
             where tenant_id = ?1 and kind = ?2 and canonical = ?3 and claimant = ''",
        )?
        .query_row([tenant.as_str(), kind.as_str(), canonical], |row| rows::parsed(row, 0))
        .optional()
}

/// Hands over all that the tenant has, on a thread where nobody waits, until nobody takes it any more.
pub(super) fn export(
    connection: &Connection,
    tenant: &TenantId,
    with_hashes: bool,
    to: &mpsc::Sender<Portion>,
) -> rusqlite::Result<()> {
    let mut offset = 0;
    loop {
        // Groups that are equal in what they are sorted by are sorted by their ids.
        let list = Sorted { sort: GroupSortKey::Type, descending: false, offset, limit: PORTION };
        let page = groups::groups(connection, tenant, &Search::All, list)?;
        offset += page.documents.len() as u64;
        if !page.documents.is_empty() && to.blocking_send(Portion::Groups(page.documents)).is_err() {
            return Ok(());
        }
        if !page.has_next {
            break;
        }
    }
    // No id is as short as this.
    let mut last = String::new();
    loop {
        let users = users_after(connection, tenant, &last)?;
        let (Some((first, _)), Some((end, _))) = (users.first(), users.last()) else { return Ok(()) };
        let (first, end) = (first.clone(), end.clone());
        let users = with_the_rest(connection, tenant, (&first, &end), users, with_hashes)?;
        last = end;
        if to.blocking_send(Portion::Users(users)).is_err() {
            return Ok(());
        }
    }
}

/// The next users in the order of their ids, each with the id.
fn users_after(
    connection: &Connection,
    tenant: &TenantId,
    last: &str,
) -> rusqlite::Result<Vec<(String, Record)>> {
    connection
        .prepare_cached(
            "select document, user_id, proved_at from users \
             where tenant_id = ?1 and user_id > ?2 order by user_id limit ?3",
        )?
        .query_map(params![tenant.as_str(), last, PORTION], |row| {
            let proved_at = row.get::<_, Option<i64>>(2)?.map(Timestamp);
            let document = rows::document(row)?;
            Ok((row.get(1)?, Record { document, proved_at, groups: Vec::new(), password: None }))
        })?
        .collect()
}

/// The same users, whose ids are from one to another, with what is in other tables.
fn with_the_rest(
    connection: &Connection,
    tenant: &TenantId,
    (first, last): (&str, &str),
    users: Vec<(String, Record)>,
    with_hashes: bool,
) -> rusqlite::Result<Vec<Record>> {
    let between = [tenant.as_str(), first, last];
    let mut groups: HashMap<String, Vec<(GroupId, Timestamp)>> = HashMap::new();
    let mut memberships = connection.prepare_cached(
        "select user_id, group_id, creation_time from memberships indexed by memberships_user \
         where tenant_id = ?1 and user_id between ?2 and ?3 order by user_id, group_id",
    )?;
    let mut found = memberships.query(between)?;
    while let Some(row) = found.next()? {
        let membership = (GroupId::from_bytes(row.get(1)?), Timestamp(row.get(2)?));
        groups.entry(row.get(0)?).or_default().push(membership);
    }
    let mut passwords: HashMap<String, (PasswordHash, SetBy)> = HashMap::new();
    if with_hashes {
        let mut secrets = connection.prepare_cached(
            "select user_id, password_hash, set_by from secrets \
             where tenant_id = ?1 and user_id between ?2 and ?3",
        )?;
        let mut found = secrets.query(between)?;
        while let Some(row) = found.next()? {
            // A word that only a newer version of this program knows is trusted by nobody here.
            let set_by = SetBy::from_name(row.get_ref(2)?.as_str()?).unwrap_or(SetBy::Untrusted);
            passwords.insert(row.get(0)?, (PasswordHash::from_stored(row.get(1)?), set_by));
        }
    }
    let whole = users.into_iter().map(|(user_id, record)| Record {
        groups: groups.remove(&user_id).unwrap_or_default(),
        password: passwords.remove(&user_id),
        ..record
    });
    Ok(whole.collect())
}
