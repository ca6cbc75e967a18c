//! The record of what happened: adding to it, and reading what has a position.

use std::time::Duration;

use serde_json::Value;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::super::sqlite::{actor_columns, keyless, personal, personal_json};
use super::super::{EventList, EventPage};
use super::connection::{Answer, Readers, Session};
use super::failure;
use super::rows::{Readable, each, id, parsed};
use crate::directory::event::{Actor, Event, EventType, Recorded, Word};
use crate::error::Error;
use crate::id::{EventId, GroupId, IdentifierId, RequestId, TenantId, UserId};
use crate::time::Timestamp;

/// How many events are looked at for one answer at most; what is rare among them comes in several.
pub(super) const LOOKED_AT: i64 = 10_000;

/// The columns that [`event`] reads.
pub(super) use super::super::statement::EVENT as COLUMNS;

/// The event at a position.
pub(super) const AT: &str = "select position, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details \
     from events where tenant_id = $1 and position = $2";

pub(super) async fn list(client: &Client, tenant: &TenantId, wanted: EventList) -> Answer<EventPage> {
    match wanted.user_id {
        Some(user_id) => of_user(client, tenant, user_id, wanted).await,
        None => of_all(client, tenant, wanted).await,
    }
}

/// Walks the record from the wanted position on.
async fn of_all(client: &Client, tenant: &TenantId, wanted: EventList) -> Answer<EventPage> {
    let (tenant, limit) = (tenant.as_str(), i64::from(wanted.limit));
    let kind = wanted.kind.map_or("", EventType::as_str);
    // Where to stop, and one more if there is one.
    let ends = client
        .query_typed(
            "select position from events where tenant_id = $1 and position > $2 order by position limit 2 offset $3",
            &[(&tenant, Type::TEXT), (&wanted.after, Type::INT8), (&(LOOKED_AT - 1), Type::INT8)],
        )
        .await?;
    let end: Option<i64> = match ends.as_slice() {
        [end, _] => Some(end.try_get(0)?),
        _ => None,
    };
    let rows = client
        .query_typed(
            &format!(
                "select {COLUMNS} from events where tenant_id = $1 and position > $2 and position <= $3 \
                 and ($4 = '' or type = $4) order by position limit $5"
            ),
            &[
                (&tenant, Type::TEXT),
                (&wanted.after, Type::INT8),
                (&end.unwrap_or(i64::MAX), Type::INT8),
                (&kind, Type::TEXT),
                (&(limit + 1), Type::INT8),
            ],
        )
        .await?;
    page(&rows, wanted.limit, end)
}

async fn of_user(
    client: &Client,
    tenant: &TenantId,
    user_id: UserId,
    wanted: EventList,
) -> Answer<EventPage> {
    let kind = wanted.kind.map_or("", EventType::as_str);
    let rows = client
        .query_typed(
            &format!(
                "select {COLUMNS} from events where tenant_id = $1 and user_id = $2 and position > $3 \
                 and ($4 = '' or type = $4) order by position limit $5"
            ),
            &[
                (&tenant.as_str(), Type::TEXT),
                (&user_id.as_str(), Type::TEXT),
                (&wanted.after, Type::INT8),
                (&kind, Type::TEXT),
                (&(i64::from(wanted.limit) + 1), Type::INT8),
            ],
        )
        .await?;
    page(&rows, wanted.limit, None)
}

/// The page of these rows, which may be one more than is wanted. Where there are not more, it goes on after
/// `end`, where looking was broken off.
pub(super) fn page(rows: &[Row], limit: u32, end: Option<i64>) -> Answer<EventPage> {
    let mut events = each(rows, event)?;
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next = if more { events.last().map(|(position, _)| *position) } else { end };
    Ok(EventPage { events, next })
}

/// All events of one address of a user, oldest first; nothing if nothing ever happened to the user.
pub(super) async fn of_identifier(
    client: &Client,
    tenant: &TenantId,
    user_id: UserId,
    identifier_id: IdentifierId,
) -> Answer<Option<Vec<Recorded>>> {
    let of: [(&(dyn ToSql + Sync), Type); 3] = [
        (&tenant.as_str(), Type::TEXT),
        (&user_id.as_str(), Type::TEXT),
        (&identifier_id.as_bytes().as_slice(), Type::BYTEA),
    ];
    let any = "select 1 from events where tenant_id = $1 and user_id = $2 limit 1";
    if client.query_typed_opt(any, &of[..2]).await?.is_none() {
        return Ok(None);
    }
    let rows = client
        .query_typed(
            &format!(
                "select {COLUMNS} from events where tenant_id = $1 and user_id = $2 and identifier_id = $3 \
                 order by position"
            ),
            &of,
        )
        .await?;
    each(&rows, |row| event(row).map(|(_, event)| event)).map(Some)
}

/// How long is waited before looking again whether events have their places.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns when the events of a user that are there now have their places.
pub(super) async fn wait_for_places(
    readers: &Readers,
    tenant: &TenantId,
    user_id: UserId,
) -> Result<(), Error> {
    let newest = "select max(sequence) from pending_events where tenant_id = $1 and user_id = $2";
    let row = readers.row(newest, &[&tenant.as_str(), &user_id.as_str()]).await?;
    let number = |row: Row| row.try_get::<_, Option<i64>>(0).map_err(|error| failure(&error));
    let Some(newest) = row.map(number).transpose()?.flatten() else { return Ok(()) };
    let left =
        "select 1 from pending_events where tenant_id = $1 and user_id = $2 and sequence <= $3 limit 1";
    while readers.row(left, &[&tenant.as_str(), &user_id.as_str(), &newest]).await?.is_some() {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

pub(super) fn event(row: &Row) -> Answer<(i64, Recorded)> {
    let user_id = row.try_get::<_, &str>(4)?;
    let event = Recorded {
        id: EventId::from_bytes(id(row, 1)?),
        kind: parsed(row, 2)?,
        time: Timestamp(row.try_get(3)?),
        user_id: if user_id.is_empty() { None } else { Some(parsed(row, 4)?) },
        identifier_id: optional_id(row, 5)?.map(IdentifierId::from_bytes),
        group_id: optional_id(row, 11)?.map(GroupId::from_bytes),
        method: parsed(row, 6)?,
        actor: match row.try_get::<_, Option<&str>>(12)? {
            None => Word::Known(Actor::Key { key_id: parsed(row, 7)?, key_name: row.try_get(8)? }),
            Some(word) => keyless(word),
        },
        request_id: parsed::<Request>(row, 9)?.0,
        details: row.try_get::<_, Option<Readable<Value>>>(13)?.map(|readable| readable.0),
        personal: row.try_get::<_, Option<&str>>(10)?.map(personal).unwrap_or_default(),
    };
    Ok((row.try_get(0)?, event))
}

fn optional_id(row: &Row, column: usize) -> Answer<Option<[u8; 16]>> {
    use super::rows::Fixed;
    Ok(row.try_get::<_, Option<Fixed<16>>>(column)?.map(|bytes| bytes.0))
}

/// The id of a request, read from its digits.
struct Request(RequestId);

impl std::str::FromStr for Request {
    type Err = ();

    fn from_str(hex: &str) -> Result<Self, ()> {
        RequestId::from_hex(hex).map(Self).ok_or(())
    }
}

/// Events as columns, each with the tenant it is of and the number of the change it belongs to.
#[derive(Default)]
pub(super) struct Columns<'a> {
    changes: Vec<i64>,
    tenants: Vec<&'a str>,
    ids: Vec<&'a [u8]>,
    types: Vec<&'static str>,
    times: Vec<i64>,
    users: Vec<&'a str>,
    identifiers: Vec<Option<&'a [u8]>>,
    methods: Vec<&'static str>,
    keys: Vec<&'a str>,
    key_names: Vec<&'a str>,
    requests: Vec<String>,
    personal: Vec<Option<String>>,
    groups: Vec<Option<&'a [u8]>>,
    actors: Vec<Option<&'static str>>,
    details: Vec<Option<String>>,
}

impl<'a> Columns<'a> {
    pub(super) fn push(&mut self, change: i64, tenant: &'a TenantId, events: &'a [Event]) {
        for event in events {
            self.changes.push(change);
            self.tenants.push(tenant.as_str());
            self.ids.push(event.id.as_bytes().as_slice());
            self.types.push(event.kind.as_str());
            self.times.push(event.time.0);
            self.users.push(event.user_id.as_ref().map_or("", UserId::as_str));
            self.identifiers.push(event.identifier_id.as_ref().map(|id| id.as_bytes().as_slice()));
            self.methods.push(event.method.as_str());
            let (actor, key_id, key_name) = actor_columns(&event.actor);
            self.actors.push(actor);
            self.keys.push(key_id);
            self.key_names.push(key_name);
            self.details.push(event.details.as_ref().map(|details| serde_json::json!(details).to_string()));
            self.requests.push(event.request_id.to_string());
            self.personal.push(personal_json(&event.personal));
            self.groups.push(event.group_id.as_ref().map(|id| id.as_bytes().as_slice()));
        }
    }

    /// The values to bind, in the order of the columns of [`append`].
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 15] {
        [
            &self.changes,
            &self.tenants,
            &self.ids,
            &self.types,
            &self.times,
            &self.users,
            &self.identifiers,
            &self.methods,
            &self.keys,
            &self.key_names,
            &self.requests,
            &self.personal,
            &self.groups,
            &self.actors,
            &self.details,
        ]
    }
}

/// Adds events to those that have no position yet, within a transaction that has locked the user or
/// the group they are about.
pub(super) async fn append(session: &Session, tenant: &TenantId, events: &[Event]) -> Answer<()> {
    let mut columns = Columns::default();
    columns.push(1, tenant, events);
    // The number is drawn after the order is made.
    let sql = "insert into pending_events (sequence, tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details) \
               select nextval('event_sequence'), tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details \
               from (select * from unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::bigint[], $6::text[], $7::bytea[], \
               $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[], $14::text[], $15::text[]) with ordinality as event \
               (change, tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details, number) \
               order by number offset 0) as event";
    session.execute(sql, &columns.values()).await.map(drop)
}
