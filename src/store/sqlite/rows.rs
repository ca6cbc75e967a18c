//! Rows of the tables as values, and values as rows. Texts that an earlier version of this program
//! wrote are read with the same types that wrote them.

use std::str::FromStr;

use bytes::Bytes;
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value, json};

use super::super::{Kept, Tenant, Version};
use crate::directory::event::{Actor, Event, Personal, Recorded, Word};
use crate::directory::log::Wording;
use crate::directory::password::ResetToken;
use crate::directory::settings::{self, Choices, Settings};
use crate::id::{EventId, GroupId, IdentifierId, RequestId, TenantId, UserId};
use crate::secret::{KeyHash, TokenId};
use crate::time::Timestamp;

/// How an event says who did it, where that is no key.
const OWNER: &str = "owner";
const SERVER: &str = "server";

/// The text of a column as a type that reads itself from text.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| unknown(column))
}

pub(super) fn unknown(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::InvalidType))
}

pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<Bytes> {
    Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_bytes()?))
}

pub(super) fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let document = Bytes::copy_from_slice(row.get_ref(1)?.as_bytes()?);
    Ok(Kept { version: Version(row.get(0)?), document, has_proofs: row.get(2)? })
}

pub(super) fn tenant(row: &Row<'_>) -> rusqlite::Result<Tenant> {
    Ok(Tenant {
        id: parsed(row, 0)?,
        created_at: Timestamp(row.get(1)?),
        users: row.get::<_, i64>(2)?.unsigned_abs(),
    })
}

/// What the tenant has chosen, as it is kept.
fn kept_settings(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<settings::Chosen> {
    let kept: Option<Option<String>> = connection
        .prepare_cached("select settings from tenants where tenant_id = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))
        .optional()?;
    let read = |json: String| json.parse().map_err(|_| unknown(0));
    kept.flatten().map_or_else(|| Ok(settings::Chosen::default()), read)
}

/// What the tenant has chosen.
pub(super) fn settings(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<Settings> {
    kept_settings(connection, tenant).map(|kept| Settings::read(&kept))
}

/// Keeps what the tenant chooses now beside what it has chosen; false if there is no such tenant.
pub(super) fn choose(
    connection: &Connection,
    tenant: &TenantId,
    choices: &Choices,
) -> rusqlite::Result<bool> {
    let mut kept = kept_settings(connection, tenant)?;
    choices.apply(&mut kept);
    connection
        .execute(
            "update tenants set settings = ?2 where tenant_id = ?1",
            [tenant.as_str(), &kept.to_string()],
        )
        .map(|changed| changed == 1)
}

pub(super) fn reset_token(id: TokenId, row: &Row<'_>) -> rusqlite::Result<ResetToken> {
    Ok(ResetToken {
        id,
        tenant: parsed(row, 0)?,
        user_id: parsed(row, 1)?,
        hash: KeyHash::from_stored(row.get(2)?),
        expires_at: Timestamp(row.get(3)?),
    })
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<(i64, Recorded)> {
    let event = Recorded {
        id: EventId::from_bytes(row.get(1)?),
        kind: parsed(row, 2)?,
        time: Timestamp(row.get(3)?),
        user_id: if row.get_ref(4)?.as_str()?.is_empty() { None } else { Some(parsed(row, 4)?) },
        identifier_id: row.get::<_, Option<[u8; 16]>>(5)?.map(IdentifierId::from_bytes),
        group_id: row.get::<_, Option<[u8; 16]>>(11)?.map(GroupId::from_bytes),
        method: parsed(row, 6)?,
        actor: match row.get_ref(12)?.as_str_or_null()? {
            None => Word::Known(Actor::Key { key_id: parsed(row, 7)?, key_name: row.get(8)? }),
            Some(word) => keyless(word),
        },
        request_id: RequestId::from_hex(row.get_ref(9)?.as_str()?).ok_or_else(|| unknown(9))?,
        details: row
            .get_ref(13)?
            .as_str_or_null()?
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| unknown(13))?,
        personal: row.get_ref(10)?.as_str_or_null()?.map(personal).unwrap_or_default(),
    };
    Ok((row.get(0)?, event))
}

/// The position of a tenant's newest event, 0 if there is none.
pub(super) fn last_position(connection: &Connection, tenant: &TenantId) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("select coalesce(max(position), 0) from events where tenant_id = ?1")?
        .query_row([tenant.as_str()], |row| row.get(0))
}

/// How an actor is kept: by a word where it is no key, and the id and the name of a key.
pub(in crate::store) fn actor_columns(actor: &Actor) -> (Option<&'static str>, &str, &str) {
    match actor {
        Actor::Key { key_id, key_name } => (None, key_id.as_str(), key_name),
        Actor::Owner => (Some(OWNER), "", ""),
        Actor::Server => (Some(SERVER), "", ""),
    }
}

/// The actor without a key that is kept by this word.
pub(in crate::store) fn keyless(word: &str) -> Word<Actor> {
    match word {
        OWNER => Word::Known(Actor::Owner),
        SERVER => Word::Known(Actor::Server),
        _ => Word::Unknown(word.to_owned()),
    }
}

/// Appends an event, and counts it where there is a log of it; `previous` is the position of the event before it of the same user, if it is of
/// one.
pub(super) fn insert_event(
    connection: &Connection,
    tenant: &TenantId,
    position: i64,
    previous: Option<i64>,
    event: &Event,
) -> rusqlite::Result<()> {
    let (actor, key_id, key_name) = actor_columns(&event.actor);
    connection
        .prepare_cached(
            "insert into events (tenant_id, position, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, previous, actor, details) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            tenant.as_str(),
            position,
            event.id.as_bytes(),
            event.kind.as_str(),
            event.time.0,
            event.user_id.as_ref().map_or("", UserId::as_str),
            event.identifier_id.as_ref().map(IdentifierId::as_bytes),
            event.method.as_str(),
            key_id,
            key_name,
            std::str::from_utf8(&event.request_id.to_hex()).expect("hexadecimal digits are ASCII"),
            personal_json(&event.personal),
            event.group_id.as_ref().map(GroupId::as_bytes),
            previous,
            actor,
            event.details.as_ref().map(|details| json!(details).to_string()),
        ])?;
    if Wording::of(event.kind).is_some() {
        connection
            .prepare_cached("update tenants set logs = logs + 1 where tenant_id = ?1")?
            .execute([tenant.as_str()])?;
    }
    Ok(())
}

/// The personal values of an event as a JSON object, if there are any.
pub(in crate::store) fn personal_json(personal: &Personal) -> Option<String> {
    let mut values = Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            values.insert(name.to_owned(), Value::String(value));
        }
    };
    put("address", personal.address.clone());
    put("remote_address", personal.remote_address.map(|address| address.to_string()));
    put("user_agent", personal.user_agent.clone());
    put("reason", personal.reason.clone());
    (!values.is_empty()).then(|| Value::Object(values).to_string())
}

/// The personal values that [`personal_json`] was given.
pub(in crate::store) fn personal(json: &str) -> Personal {
    let values: Map<String, Value> = serde_json::from_str(json).unwrap_or_default();
    let text = |name: &str| values.get(name).and_then(Value::as_str).map(str::to_owned);
    Personal {
        address: text("address"),
        remote_address: text("remote_address").and_then(|address| address.parse().ok()),
        user_agent: text("user_agent"),
        reason: text("reason"),
    }
}
