//! What was asked to be sent to addresses of late, and whether there can be more.

use rusqlite::{Connection, Row, params};

use super::super::{KeepError, Request, UserChange};
use super::writer::failed;
use crate::directory::settings::{COUNTED_FOR, Counted, Limit};
use crate::time::Timestamp;

/// Fails while a limit stands in the way of what a change asks for.
pub(super) fn check(connection: &Connection, change: &UserChange) -> Result<(), KeepError> {
    let Some(request) = change.request() else { return Ok(()) };
    let mut until = None;
    for limit in request.limits {
        until = until.max(reached(connection, change, request, *limit).map_err(|error| failed(&error))?);
    }
    until.map_or(Ok(()), |until| Err(KeepError::TooOften(until)))
}

/// Until when a limit stands in the way, if it does: until the oldest request that must not count any
/// more does not.
fn reached(
    connection: &Connection,
    change: &UserChange,
    request: Request,
    limit: Limit,
) -> rusqlite::Result<Option<Timestamp>> {
    let within = limit.within.as_secs().cast_signed();
    let since = request.at.0 - within;
    let tenant = change.tenant.as_str();
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let requests: Vec<(i64, u32)> = match limit.of {
        Counted::Address => connection
            .prepare_cached(
                "select requested_at, requests from proof_requests \
                 where tenant_id = ?1 and kind = ?2 and canonical = ?3 and requested_at > ?4 order by requested_at desc",
            )?
            .query_map(params![tenant, request.kind.as_str(), request.canonical, since], read)?
            .collect::<rusqlite::Result<_>>()?,
        Counted::User => connection
            .prepare_cached(
                "select requested_at, requests from proof_requests \
                 where tenant_id = ?1 and user_id = ?2 and requested_at > ?3 order by requested_at desc",
            )?
            .query_map(params![tenant, change.user_id.as_str(), since], read)?
            .collect::<rusqlite::Result<_>>()?,
    };
    let mut counted = 0;
    for (requested_at, number) in requests {
        counted += number;
        if counted >= limit.most {
            return Ok(Some(Timestamp(requested_at + within)));
        }
    }
    Ok(None)
}

/// Counts what a change asks for. What is too old to count is forgotten.
pub(super) fn count(connection: &Connection, change: &UserChange) -> rusqlite::Result<()> {
    let Some(Request { kind, canonical, at, .. }) = change.request() else { return Ok(()) };
    let tenant = change.tenant.as_str();
    connection
        .prepare_cached("delete from proof_requests where tenant_id = ?1 and requested_at <= ?2")?
        .execute(params![tenant, at.before(COUNTED_FOR).0])?;
    connection
        .prepare_cached(
            "insert into proof_requests (tenant_id, requested_at, kind, canonical, user_id, requests) \
             values (?1, ?2, ?3, ?4, ?5, 1) on conflict do update set requests = requests + 1",
        )?
        .execute(params![tenant, at.0, kind.as_str(), canonical, change.user_id.as_str()])
        .map(drop)
}

/// Forgets what was asked for until this moment.
pub(super) fn forget(connection: &Connection, until: Timestamp) -> rusqlite::Result<bool> {
    connection
        .execute("delete from proof_requests where requested_at <= ?1", [until.0])
        .map(|forgotten| forgotten > 0)
}
