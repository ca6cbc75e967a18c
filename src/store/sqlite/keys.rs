//! API keys. What happens to one is in the record alone, and in no user's chain.

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::super::{KeyChange, KeyKept};
use super::answers;
use super::rows::{self, parsed, unknown};
use super::writer::{Outcome, failed};
use crate::directory::api_key::{ApiKey, Bounds, PreviousSecret, Scope};
use crate::directory::event::Event;
use crate::id::TenantId;
use crate::secret::{KeyHash, KeyId};
use crate::time::Timestamp;

/// A statement that reads keys.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at, revoked_at, last_used_at, \
             version, rotated_at, previous_hash, previous_until, rate_limit, networks from api_keys ",
            $rest
        )
    };
}

pub(super) fn key(connection: &Connection, id: KeyId) -> rusqlite::Result<Option<ApiKey>> {
    connection.prepare_cached(select!("where key_id = ?1"))?.query_row([id.as_str()], of_row).optional()
}

/// All keys, by tenant and age.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<ApiKey>> {
    many(connection, select!("order by tenant_id, created_at, key_id"), &[])
}

/// Keys of a tenant in the order of their ids, those after this one.
pub(super) fn of_tenant(
    connection: &Connection,
    tenant: &TenantId,
    after: Option<KeyId>,
    limit: u32,
) -> rusqlite::Result<Vec<ApiKey>> {
    let after = after.as_ref().map_or("", KeyId::as_str);
    let sql = select!("where tenant_id = ?1 and key_id > ?2 order by key_id limit ?3");
    many(connection, sql, &[&tenant.as_str(), &after, &limit])
}

fn many(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<Vec<ApiKey>> {
    connection.prepare_cached(sql)?.query_map(values, of_row)?.collect()
}

fn of_row(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let time = |column: usize| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp));
    let previous = match (time(10)?, row.get(11)?, time(12)?) {
        (Some(rotated_at), Some(hash), Some(until)) => {
            Some(PreviousSecret { hash: KeyHash::from_stored(hash), rotated_at, until })
        }
        _ => None,
    };
    let networks = row.get_ref(14)?.as_str_or_null()?.unwrap_or_default();
    Ok(ApiKey {
        id: parsed(row, 0)?,
        tenant: parsed(row, 1)?,
        name: row.get(2)?,
        hash: KeyHash::from_stored(row.get(3)?),
        // A scope that only a newer version of this program knows grants nothing here.
        scopes: row.get_ref(4)?.as_str()?.split(' ').filter_map(Scope::from_name).collect(),
        created_at: Timestamp(row.get(5)?),
        expires_at: time(6)?,
        revoked_at: time(7)?,
        last_used_at: time(8)?,
        version: row.get(9)?,
        previous,
        bounds: Bounds {
            rate_limit: row
                .get_ref(13)?
                .as_str_or_null()?
                .map(|limit| limit.parse().map_err(|_| unknown(13)))
                .transpose()?,
            // What cannot be read would let the key be used from anywhere, so it is no key then.
            networks: networks
                .split_whitespace()
                .map(|network| network.parse().map_err(|_| unknown(14)))
                .collect::<rusqlite::Result<_>>()?,
        },
    })
}

/// Applies a change of a key; false if what it was decided on is another by now, or its tenant does not
/// exist.
pub(super) fn keep(connection: &Connection, change: &KeyChange) -> Outcome {
    let (key, is_kept) = match &change.kept {
        KeyKept::Create(key) => (key, insert(connection, key)),
        KeyKept::Replace(key) => (key, replace(connection, key)),
    };
    if !is_kept.map_err(|error| failed(&error))? {
        return Ok(false);
    }
    append(connection, &key.tenant, &change.events).map_err(|error| failed(&error))?;
    answers::keep(connection, change.answer.as_deref())?;
    Ok(true)
}

/// Adds what happened to the record.
fn append(connection: &Connection, tenant: &TenantId, events: &[Event]) -> rusqlite::Result<()> {
    let first = rows::last_position(connection, tenant)? + 1;
    for (position, event) in (first..).zip(events) {
        rows::insert_event(connection, tenant, position, None, event)?;
    }
    Ok(())
}

fn insert(connection: &Connection, key: &ApiKey) -> rusqlite::Result<bool> {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    let (rate_limit, networks) = key.bounds.texts();
    let added = connection.execute(
        "insert into api_keys (key_id, tenant_id, name, secret_hash, scopes, created_at, expires_at, rate_limit, networks) \
         select ?1, tenant_id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 from tenants where tenant_id = ?2",
        params![
            key.id.as_str(),
            key.tenant.as_str(),
            key.name,
            key.hash.to_stored(),
            scopes.join(" "),
            key.created_at.0,
            key.expires_at.map(|time| time.0),
            rate_limit,
            networks,
        ],
    )?;
    Ok(added == 1)
}

fn replace(connection: &Connection, key: &ApiKey) -> rusqlite::Result<bool> {
    let previous = key.previous.as_ref();
    let (rate_limit, networks) = key.bounds.texts();
    let changed = connection.execute(
        "update api_keys set version = version + 1, secret_hash = ?3, rotated_at = ?4, previous_hash = ?5, \
         previous_until = ?6, revoked_at = ?7, rate_limit = ?8, networks = ?9 where key_id = ?1 and version = ?2",
        params![
            key.id.as_str(),
            key.version,
            key.hash.to_stored(),
            previous.map(|previous| previous.rotated_at.0),
            previous.map(|previous| previous.hash.to_stored()),
            previous.map(|previous| previous.until.0),
            key.revoked_at.map(|time| time.0),
            rate_limit,
            networks,
        ],
    )?;
    Ok(changed == 1)
}

/// Notes that a key was used.
pub(super) fn touch(connection: &Connection, id: KeyId, now: Timestamp) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "update api_keys set last_used_at = max(coalesce(last_used_at, 0), ?2) where key_id = ?1",
        )?
        .execute(params![id.as_str(), now.0])
        .map(|changed| changed == 1)
}
