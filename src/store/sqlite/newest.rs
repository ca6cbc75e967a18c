//! Reading the record of what happened from its end: for those who look at it, not those who follow it.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{DayCount, EventPage, NewestEvents};
use super::events::{COLUMNS, Walk, newest_of_user};
use super::rows;
use crate::id::{TenantId, UserId};

/// How many seconds a day has.
const DAY: i64 = 86_400;

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    wanted: NewestEvents,
) -> rusqlite::Result<EventPage> {
    match wanted.user_id {
        Some(user_id) => of_user(connection, tenant, user_id, wanted),
        None => of_all(connection, tenant, wanted),
    }
}

/// Walks the record back from the wanted position, until one more is found than is wanted.
fn of_all(connection: &Connection, tenant: &TenantId, wanted: NewestEvents) -> rusqlite::Result<EventPage> {
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS} from events where tenant_id = ?1 and position < ?2 order by position desc"
    ))?;
    let mut rows = statement.query(params![tenant.as_str(), wanted.before.unwrap_or(i64::MAX)])?;
    let mut walk = Walk::new(wanted.kind, wanted.limit);
    while let Some(row) = rows.next()? {
        if !walk.goes_on(rows::event(row)?) {
            break;
        }
    }
    Ok(walk.page)
}

/// Walks back along a user's events, each of which names the one before it.
fn of_user(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    wanted: NewestEvents,
) -> rusqlite::Result<EventPage> {
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS}, previous from events where tenant_id = ?1 and position = ?2 and user_id = ?3"
    ))?;
    let key = |position: i64| (tenant.as_str(), position, user_id.as_str());
    let mut position = match wanted.before {
        None => newest_of_user(connection, tenant, user_id)?,
        Some(before) => statement.query_row(key(before), |row| row.get("previous")).optional()?.flatten(),
    };
    let mut walk = Walk::new(wanted.kind, wanted.limit);
    while let Some(at) = position {
        let (found, previous) =
            statement.query_row(key(at), |row| Ok((rows::event(row)?, row.get("previous")?)))?;
        position = if walk.goes_on(found) { previous } else { None };
    }
    Ok(walk.page)
}

/// Counts the newest events by day and type, in that order.
pub(super) fn by_day(
    connection: &Connection,
    tenant: &TenantId,
    newest: u32,
) -> rusqlite::Result<Vec<DayCount>> {
    let mut statement = connection.prepare_cached(
        "select time / ?3, type, count(*) from \
         (select time, type from events where tenant_id = ?1 order by position desc limit ?2) group by 1, 2",
    )?;
    let rows = statement.query_map(params![tenant.as_str(), newest, DAY], |row| {
        Ok(DayCount {
            day: row.get(0)?,
            kind: rows::parsed(row, 1)?,
            count: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    })?;
    let mut counts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    counts.sort_unstable();
    Ok(counts)
}
