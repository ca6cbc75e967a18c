//! Reading the record of what happened.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{EventList, EventPage};
use super::rows;
use crate::directory::event::{EventType, Recorded};
use crate::id::{IdentifierId, TenantId, UserId};

/// How many events are looked at for one answer at most; what is rare among them comes in several.
const LOOKED_AT: usize = 10_000;

pub(super) use super::super::statement::EVENT as COLUMNS;

/// The event at this position.
pub(super) fn at(
    connection: &Connection,
    tenant: &TenantId,
    position: i64,
) -> rusqlite::Result<Option<Recorded>> {
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
    let mut walk = Walk::new(wanted.kind, wanted.limit);
    while let Some(row) = rows.next()? {
        if !walk.goes_on(rows::event(row)?) {
            break;
        }
    }
    Ok(walk.page)
}

/// A walk along the record, until one more event is found than is wanted, or enough were looked at.
pub(super) struct Walk {
    /// What was found, and from where to go on if the walk was broken off.
    pub(super) page: EventPage,
    kind: Option<EventType>,
    limit: u32,
    looked_at: usize,
    last: Option<i64>,
}

impl Walk {
    /// Of one kind or all, `limit` of them at most, which is one at least.
    pub(super) fn new(kind: Option<EventType>, limit: u32) -> Self {
        let page = EventPage { events: Vec::new(), next: None };
        Self { page, kind, limit, looked_at: 0, last: None }
    }

    /// Looks at the next event. False ends the walk, before this event.
    pub(super) fn goes_on(&mut self, (position, event): (i64, Recorded)) -> bool {
        let is_wanted = self.kind.is_none_or(|kind| event.kind == kind);
        if self.looked_at == LOOKED_AT || (is_wanted && self.page.events.len() == self.limit as usize) {
            self.page.next = self.last;
            return false;
        }
        (self.looked_at, self.last) = (self.looked_at + 1, Some(position));
        if is_wanted {
            self.page.events.push((position, event));
        }
        true
    }
}

/// Walks back from a user's newest event, each leading to the one before it, to the position `?3`.
const OF_USER: &str = "with recursive chain (position, previous, type, identifier_id) as (\
     select position, previous, type, identifier_id from events where tenant_id = ?1 and position = ?2 \
     union all select e.position, e.previous, e.type, e.identifier_id from chain cross join events e \
     where e.tenant_id = ?1 and e.position = chain.previous and e.position > ?3) \
     select position from chain where position > ?3";

/// The oldest of a user's events after the wanted position. The way there leads over all newer ones,
/// because an index would be one more page to write for each change; so only their positions are read.
fn of_user(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    wanted: EventList,
) -> rusqlite::Result<EventPage> {
    let kind = wanted.kind.map_or("", EventType::as_str);
    let newest = newest_of_user(connection, tenant, user_id)?;
    let mut positions: Vec<i64> = connection
        .prepare_cached(&format!("{OF_USER} and (?4 = '' or type = ?4) order by position limit ?5"))?
        .query_map(
            params![tenant.as_str(), newest, wanted.after, kind, i64::from(wanted.limit) + 1],
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let more = positions.len() > wanted.limit as usize;
    positions.truncate(wanted.limit as usize);
    let next = positions.last().copied().filter(|_| more);
    let mut events = Vec::with_capacity(positions.len());
    for position in positions {
        events.extend(at(connection, tenant, position)?.map(|event| (position, event)));
    }
    Ok(EventPage { events, next })
}

/// All events of one address of a user, oldest first; nothing if nothing ever happened to the user.
pub(super) fn of_identifier(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    identifier_id: IdentifierId,
) -> rusqlite::Result<Option<Vec<Recorded>>> {
    let Some(newest) = newest_of_user(connection, tenant, user_id)? else { return Ok(None) };
    let positions: Vec<i64> = connection
        .prepare_cached(&format!("{OF_USER} and identifier_id = ?4 order by position"))?
        .query_map(params![tenant.as_str(), newest, 0, identifier_id.as_bytes()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut events = Vec::with_capacity(positions.len());
    for position in positions {
        events.extend(at(connection, tenant, position)?);
    }
    Ok(Some(events))
}

/// The position of a user's newest event; nothing if nothing ever happened to the user.
pub(super) fn newest_of_user(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(&format!("select {}", newest_of("?2")))?
        .query_row([tenant.as_str(), user_id.as_str()], |row| row.get(0))
}

/// Where a statement whose first value is the tenant finds the position of the newest event of the user
/// whose id is at the place `user`: in the row of the user, or where the user was last deleted or erased. Who
/// was imported can have been either several times.
pub(super) fn newest_of(user: &str) -> String {
    // By itself SQLite would walk back over all events of the tenant.
    format!(
        "coalesce((select last_event from users where tenant_id = ?1 and user_id = {user}), \
         (select max(position) from (\
         select max(position) as position from events indexed by events_of_erased \
         where tenant_id = ?1 and user_id = {user} and type = 'user.erased' \
         union all select max(position) from events indexed by events_of_deleted \
         where tenant_id = ?1 and user_id = {user} and type = 'user.deleted')))"
    )
}
