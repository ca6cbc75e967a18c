//! Keeping a change of a user: the row of the user, the identifiers, the terms and the events.

use rusqlite::{Connection, OptionalExtension, ToSql, ffi, params};

use super::super::{
    Arrival, DOCUMENT_SHAPE, DocumentChange, Identifier, IdentifierChange, KeepError, Row, SortNames,
    UserChange, Version,
};
use super::writer::{Outcome, failed};
use super::{answers, events, groups, outbox, person, proofs, requests, rows, secrets};
use crate::directory::event::Method;
use crate::error::Error;
use crate::id::{TenantId, UserId};

/// What the table has of a user beside the document.
pub(super) struct UserRow {
    pub(super) row: i64,
    version: i64,
    pub(super) last_event: Option<i64>,
    /// Whether there may be proofs of the user's addresses.
    pub(super) has_proofs: bool,
}

/// Applies a change of a user. Nothing is changed before what it was decided on is known to be still
/// so.
pub(super) fn keep(connection: &Connection, change: &UserChange) -> Outcome {
    let UserChange { tenant, user_id, document, .. } = change;
    let sql = |error| failed(&error);
    let first_event = rows::last_position(connection, tenant).map_err(sql)? + 1;
    let last_event = first_event + change.events.len().cast_signed() as i64 - 1;
    let mut previous = None;
    let kept = match document {
        DocumentChange::Create(row, names, arrival) => {
            if !groups::can_join(connection, tenant, arrival).map_err(sql)? {
                return Err(KeepError::Conflict);
            }
            // The ids of users who are imported can come again; others are drawn anew each time.
            if change.events.iter().any(|event| event.method == Method::Import) {
                previous = events::newest_of_user(connection, tenant, *user_id).map_err(sql)?;
            }
            insert_user(connection, change, row, names, arrival, last_event)
                .map_err(|error| if violates_index(&error) { KeepError::Exists } else { sql(error) })?;
            groups::join(connection, tenant, *user_id, &arrival.memberships(row.last_updated))
                .map_err(sql)?;
            None
        }
        DocumentChange::Replace(version, row, names) => {
            let kept = decided_on(connection, change, *version)?;
            update_user(connection, &kept, row, last_event).map_err(sql)?;
            if let Some(names) = names {
                keep_names(connection, kept.row, names).map_err(sql)?;
            }
            Some(kept)
        }
        DocumentChange::Stay(version) => {
            let kept = decided_on(connection, change, *version)?;
            if change.is_decided_on() {
                let last_event = if change.events.is_empty() { kept.last_event } else { Some(last_event) };
                raise_version(connection, &kept, last_event).map_err(sql)?;
            }
            Some(kept)
        }
        DocumentChange::Delete(version) | DocumentChange::Erase(version) => {
            let kept = decided_on(connection, change, *version)?;
            delete_user(connection, tenant, &kept).map_err(sql)?;
            groups::leave_all(connection, tenant, *user_id).map_err(sql)?;
            answers::forget_user(connection, tenant, *user_id).map_err(sql)?;
            Some(kept)
        }
    };
    for identifier in &change.identifiers {
        keep_identifier(connection, tenant, *user_id, identifier)?;
    }
    keep_terms(connection, change).map_err(sql)?;
    secrets::keep(connection, change)?;
    requests::count(connection, change).map_err(sql)?;
    if let Some(kept) = &kept {
        proofs::keep(connection, change, kept)?;
    }
    outbox::keep(connection, tenant, &change.mail).map_err(sql)?;
    answers::keep(connection, change.answer.as_deref())?;
    if let Some(kept) = kept {
        previous = kept.last_event;
    }
    if matches!(document, DocumentChange::Erase(_)) {
        person::erase(connection, tenant, *user_id, previous).map_err(sql)?;
    }
    for (position, event) in (first_event..).zip(&change.events) {
        rows::insert_event(connection, tenant, position, previous, event).map_err(sql)?;
        previous = Some(position);
    }
    Ok(true)
}

/// The row of the user, if all that a change was decided on is still so, and no limit stands in its way:
/// the version, and the proof that it uses, which is used up by this. Nothing else is written before.
fn decided_on(connection: &Connection, change: &UserChange, version: Version) -> Result<UserRow, KeepError> {
    let kept = user_row(connection, &change.tenant, change.user_id).map_err(|error| failed(&error))?;
    let kept = kept.filter(|kept| kept.version == version.0).ok_or(KeepError::Conflict)?;
    requests::check(connection, change)?;
    proofs::use_up(connection, change)?;
    Ok(kept)
}

pub(super) fn user_row(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
) -> rusqlite::Result<Option<UserRow>> {
    connection
        .prepare_cached(
            "select user_row, version, last_event, has_proofs from users where tenant_id = ?1 and user_id = ?2",
        )?
        .query_row([tenant.as_str(), user_id.as_str()], |row| {
            Ok(UserRow {
                row: row.get(0)?,
                version: row.get(1)?,
                last_event: row.get(2)?,
                has_proofs: row.get(3)?,
            })
        })
        .optional()
}

fn text(document: &[u8]) -> &str {
    std::str::from_utf8(document).expect("a document is JSON, and so UTF-8")
}

fn insert_user(
    connection: &Connection,
    change: &UserChange,
    row: &Row,
    names: &SortNames,
    arrival: &Arrival,
    last_event: i64,
) -> rusqlite::Result<()> {
    let tenant = change.tenant.as_str();
    connection
        .prepare_cached(
            "insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated, last_event, \
             name, given_name, middle_name, family_name, proved_at) \
             values (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            tenant,
            change.user_id.as_str(),
            DOCUMENT_SHAPE,
            text(&row.document),
            row.creation_time.0,
            row.last_updated.0,
            last_event,
            names.name,
            names.given_name,
            names.middle_name,
            names.family_name,
            arrival.proved_at.map(|time| time.0)
        ])?;
    connection
        .prepare_cached("update tenants set users = users + 1 where tenant_id = ?1")?
        .execute([tenant])?;
    Ok(())
}

fn update_user(connection: &Connection, kept: &UserRow, row: &Row, last_event: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update users set version = version + 1, shape = ?2, document = ?3, last_updated = ?4, last_event = ?5 \
             where user_row = ?1",
        )?
        .execute(params![kept.row, DOCUMENT_SHAPE, text(&row.document), row.last_updated.0, last_event])?;
    Ok(())
}

/// Keeps that something became of a user whose document stays as it is, and the last event of the user.
fn raise_version(connection: &Connection, kept: &UserRow, last_event: Option<i64>) -> rusqlite::Result<()> {
    connection
        .prepare_cached("update users set version = version + 1, last_event = ?2 where user_row = ?1")?
        .execute(params![kept.row, last_event])
        .map(drop)
}

/// Keeps the names that the user in a row is sorted by. Other changes leave these columns out, and with
/// them their indexes.
pub(super) fn keep_names(connection: &Connection, row: i64, names: &SortNames) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update users set name = ?2, given_name = ?3, middle_name = ?4, family_name = ?5 where user_row = ?1",
        )?
        .execute(params![row, names.name, names.given_name, names.middle_name, names.family_name])?;
    Ok(())
}

fn delete_user(connection: &Connection, tenant: &TenantId, kept: &UserRow) -> rusqlite::Result<()> {
    connection.prepare_cached("delete from users where user_row = ?1")?.execute([kept.row])?;
    connection
        .prepare_cached("update tenants set users = users - 1 where tenant_id = ?1")?
        .execute([tenant.as_str()])?;
    Ok(())
}

fn keep_identifier(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    change: &IdentifierChange,
) -> Result<(), KeepError> {
    let (tenant, user) = (tenant.as_str(), user_id.as_str());
    let claimant = |owned: bool| if owned { "" } else { user };
    let run = |sql: &str, parameters: &[&dyn ToSql]| {
        connection.prepare_cached(sql).and_then(|mut statement| statement.execute(parameters))
    };
    let (IdentifierChange::Add(identifier)
    | IdentifierChange::Remove(identifier)
    | IdentifierChange::Own(identifier)
    | IdentifierChange::Disown(identifier)) = change;
    let Identifier { id, kind, canonical, owned } = identifier;
    let kind_name = kind.as_str();
    let done = match change {
        IdentifierChange::Add(_) => run(
            "insert into identifiers (tenant_id, kind, canonical, claimant, user_id, identifier_id) \
             values (?1, ?2, ?3, ?4, ?5, ?6)",
            params![tenant, kind_name, canonical, claimant(*owned), user, id.as_bytes()],
        ),
        IdentifierChange::Remove(_) => run(
            "delete from identifiers where tenant_id = ?1 and kind = ?2 and canonical = ?3 and claimant = ?4 and user_id = ?5",
            params![tenant, kind_name, canonical, claimant(*owned), user],
        ),
        IdentifierChange::Own(_) => run(
            "update identifiers set claimant = '' \
             where tenant_id = ?1 and kind = ?2 and canonical = ?3 and claimant = ?4",
            params![tenant, kind_name, canonical, user],
        ),
        IdentifierChange::Disown(_) => run(
            "update identifiers set claimant = user_id, generation = generation + 1 \
             where tenant_id = ?1 and kind = ?2 and canonical = ?3 and claimant = '' and user_id = ?4",
            params![tenant, kind_name, canonical, user],
        ),
    };
    match done {
        Ok(1) => Ok(()),
        Ok(_) => {
            let fault = format!("user {user} has an identifier in the document that the table does not have");
            Err(KeepError::Failed(Error::Internal(fault)))
        }
        Err(error) if is_taken(&error) => Err(KeepError::Taken(*kind)),
        Err(error) => Err(failed(&error)),
    }
}

/// Whether a unique index has refused: of users and groups that have rows of their own number, their ids,
/// and the names of groups.
pub(super) fn violates_index(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE)
}

/// Whether the primary key has refused: what a change claims is another user's.
pub(super) fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
}

fn keep_terms(connection: &Connection, change: &UserChange) -> rusqlite::Result<()> {
    let (tenant, user_id) = (change.tenant.as_str(), change.user_id);
    for term in &change.removed_terms {
        connection
            .prepare_cached(
                "delete from index_terms where tenant_id = ?1 and field = ?2 and value = ?3 and user_id = ?4",
            )?
            .execute([tenant, &term.field, &term.value, user_id.as_str()])?;
    }
    for term in &change.added_terms {
        // A term that is there already is no reason to refuse the change.
        connection
            .prepare_cached(
                "insert into index_terms (tenant_id, field, value, user_id) values (?1, ?2, ?3, ?4) \
                 on conflict do nothing",
            )?
            .execute([tenant, &term.field, &term.value, user_id.as_str()])?;
    }
    Ok(())
}
