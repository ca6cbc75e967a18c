//! Reading the record of what happened.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{EventList, EventPage};
use super::rows;
use crate::directory::event::Event;
use crate::id::{TenantId, UserId};

/// How many events are looked at for one answer at most; what is rare among them comes in several.
const LOOKED_AT: usize = 10_000;

const COLUMNS: &str = "position, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details";

/// The event at this position.
pub(super) fn at(
    connection: &Connection,
    tenant: &TenantId,
    position: i64,
) -> rusqlite::Result<Option<Event>> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from events where tenant_id = ?1 and position = ?2"))?
        .query_row(params![tenant.as_str(), position], |row| rows::event(row).map(|(_, event)| event))
        .optional()
}

pub(super) fn list(
    connection: &Connection,
    tenant: &TenantId,
    wanted: EventList,
) -> rusqlite::Result<EventPage> {
    match wanted.user_id {
        Some(user_id) => of_user(connection, tenant, user_id, wanted),
        None => of_all(connection, tenant, wanted),
    }
}

/// Walks the record from the wanted position on, until one more is found than is wanted.
fn of_all(connection: &Connection, tenant: &TenantId, wanted: EventList) -> rusqlite::Result<EventPage> {
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS} from events where tenant_id = ?1 and position > ?2 order by position"
    ))?;
    let mut rows = statement.query(params![tenant.as_str(), wanted.after])?;
    let mut page = EventPage { events: Vec::new(), next: None };
    let (mut looked_at, mut last) = (0, wanted.after);
    while let Some(row) = rows.next()? {
        let (position, event) = rows::event(row)?;
        let is_wanted = wanted.kind.is_none_or(|kind| kind == event.kind);
        if looked_at == LOOKED_AT || (is_wanted && page.events.len() == wanted.limit as usize) {
            page.next = Some(last);
            break;
        }
        (looked_at, last) = (looked_at + 1, position);
        if is_wanted {
            page.events.push((position, event));
        }
    }
    Ok(page)
}

/// Walks a user's events from the newest back to the wanted position, each leading to the one before
/// it, and keeps the oldest of them.
fn of_user(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    wanted: EventList,
) -> rusqlite::Result<EventPage> {
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS}, previous from events where tenant_id = ?1 and position = ?2"
    ))?;
    let mut oldest: VecDeque<(i64, Event)> = VecDeque::new();
    let mut more = false;
    let mut position = newest_of_user(connection, tenant, user_id)?;
    while let Some(at) = position.filter(|position| *position > wanted.after) {
        let (found, previous) = statement
            .query_row(params![tenant.as_str(), at], |row| Ok((rows::event(row)?, row.get("previous")?)))?;
        position = previous;
        if wanted.kind.is_none_or(|kind| kind == found.1.kind) {
            oldest.push_front(found);
            if oldest.len() > wanted.limit as usize {
                oldest.pop_back();
                more = true;
            }
        }
    }
    let next = oldest.back().map(|(position, _)| *position).filter(|_| more);
    Ok(EventPage { events: oldest.into(), next })
}

/// The position of a user's newest event: in the row of the user, or where the user was deleted.
fn newest_of_user(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
) -> rusqlite::Result<Option<i64>> {
    let key = [tenant.as_str(), user_id.as_str()];
    let present = connection
        .prepare_cached("select last_event from users where tenant_id = ?1 and user_id = ?2")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    match present {
        Some(last_event) => Ok(last_event),
        None => connection
            .prepare_cached(
                "select max(position) from events where tenant_id = ?1 and user_id = ?2 and type = 'user.deleted'",
            )?
            .query_row(key, |row| row.get(0)),
    }
}
