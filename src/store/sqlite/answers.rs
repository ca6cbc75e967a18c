//! Answers that are kept for requests that are made again.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::answer::{About, Answer, Earlier, FORGOTTEN_AT_ONCE, KeptAnswer};
use super::super::{KeepError, Version};
use super::writer::failed;
use crate::directory::repeat::{Fingerprint, KEPT_FOR, NamedRequest};
use crate::id::{TenantId, UserId};
use crate::time::Timestamp;

/// What is kept since a moment of a request of this name.
pub(super) fn find(
    connection: &Connection,
    request: &NamedRequest,
    since: Timestamp,
) -> rusqlite::Result<Option<Earlier>> {
    connection
        .prepare_cached(
            "select fingerprint, status, location, version, body from answers \
             where tenant_id = ?1 and key_id = ?2 and idempotency_key = ?3 and kept_at > ?4",
        )?
        .query_row(
            params![request.tenant.as_str(), request.key_id.as_str(), request.name.as_str(), since.0],
            earlier,
        )
        .optional()
}

fn earlier(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    let answer = |body: &[u8]| -> rusqlite::Result<Answer> {
        Ok(Answer {
            status: row.get(1)?,
            location: row.get(2)?,
            version: row.get::<_, Option<i64>>(3)?.map(Version),
            body: Bytes::copy_from_slice(body),
        })
    };
    Ok(Earlier {
        fingerprint: Fingerprint::from_stored(row.get(0)?),
        answer: row.get_ref(4)?.as_bytes_or_null()?.map(answer).transpose()?,
    })
}

/// Keeps the answer that comes with a change, if one does, in place of one that is too old to count. Where
/// somebody whom it tells of is gone, it is only kept that it was given.
pub(super) fn keep(connection: &Connection, answer: Option<&KeptAnswer>) -> Result<(), KeepError> {
    let Some(KeptAnswer { request, kept_at, about, answer }) = answer else { return Ok(()) };
    let told = are_there(connection, &request.tenant, about).map_err(|error| failed(&error))?;
    let (about, told) = if told { (about.noted(), Some(answer)) } else { (None, None) };
    let kept = connection
        .prepare_cached(
            "insert into answers (tenant_id, key_id, idempotency_key, fingerprint, kept_at, user_id, status, \
             location, version, body) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             on conflict do update set fingerprint = excluded.fingerprint, kept_at = excluded.kept_at, \
             user_id = excluded.user_id, status = excluded.status, location = excluded.location, \
             version = excluded.version, body = excluded.body where answers.kept_at <= ?11",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                request.tenant.as_str(),
                request.key_id.as_str(),
                request.name.as_str(),
                request.fingerprint.to_stored(),
                kept_at.0,
                about,
                answer.status,
                told.and_then(|told| told.location.as_ref()),
                told.and_then(|told| told.version).map(|version| version.0),
                told.map(|told| std::str::from_utf8(&told.body).expect("an answer is JSON, and so UTF-8")),
                kept_at.before(KEPT_FOR).0,
            ])
        })
        .map_err(|error| failed(&error))?;
    if kept == 1 { Ok(()) } else { Err(KeepError::Repeated) }
}

/// Whether all are there whom an answer tells of that goes with any of them.
fn are_there(connection: &Connection, tenant: &TenantId, about: &About) -> rusqlite::Result<bool> {
    let Some(users) = about.must_be_there() else { return Ok(true) };
    let there: i64 = connection
        .prepare_cached(
            "select count(*) from users where tenant_id = ?1 and user_id in (select value from json_each(?2))",
        )?
        .query_row(params![tenant.as_str(), serde_json::json!(users).to_string()], |row| row.get(0))?;
    Ok(usize::try_from(there) == Ok(users.len()))
}

/// Forgets what was answered that tells of a user, or may, and not that it was.
pub(super) fn forget_user(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update answers set user_id = null, location = null, version = null, body = null \
             where tenant_id = ?1 and user_id in (?2, ?3)",
        )?
        .execute([tenant.as_str(), user_id.as_str(), About::SEVERAL])
        .map(drop)
}

/// Forgets some of the answers that were kept until this moment; false if there were none.
pub(super) fn forget(connection: &Connection, until: Timestamp) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "delete from answers where rowid in (select rowid from answers where kept_at <= ?1 limit ?2)",
        )?
        .execute([until.0, FORGOTTEN_AT_ONCE])
        .map(|forgotten| forgotten > 0)
}
