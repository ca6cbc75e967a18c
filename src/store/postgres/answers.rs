//! Answers that are kept for requests that are made again.

use bytes::Bytes;
use tokio_postgres::Row;

use super::super::answer::{About, Answer as Given, Earlier, FORGOTTEN_AT_ONCE, KeptAnswer};
use super::super::{KeepError, Version};
use super::connection::{Answer, Session};
use super::keep::Fault;
use super::rows::Fixed;
use crate::directory::repeat::{Fingerprint, KEPT_FOR};
use crate::id::{TenantId, UserId};
use crate::time::Timestamp;

/// What is kept since a moment of a request of this name.
pub(super) const FIND: &str = "select fingerprint, status, location, version, body from answers \
    where tenant_id = $1 and key_id = $2 and idempotency_key = $3 and kept_at > $4";

pub(super) fn earlier(row: &Row) -> Answer<Earlier> {
    let answer = |body: &str| {
        Ok(Given {
            status: row.try_get::<_, i64>(1).map(|status| u16::try_from(status).unwrap_or_default())?,
            location: row.try_get(2)?,
            version: row.try_get::<_, Option<i64>>(3)?.map(Version),
            body: Bytes::copy_from_slice(body.as_bytes()),
        })
    };
    Ok(Earlier {
        fingerprint: Fingerprint::from_stored(row.try_get::<_, Fixed<32>>(0)?.0),
        answer: row.try_get::<_, Option<&str>>(4)?.map(answer).transpose()?,
    })
}

/// Keeps the answer that comes with a change, if one does, in place of one that is too old to count. While
/// another server keeps one of the same name, this waits for what becomes of that. Where somebody whom it
/// tells of is gone, it is only kept that it was given.
pub(super) async fn keep(session: &Session, answer: Option<&KeptAnswer>) -> Result<(), Fault> {
    let Some(KeptAnswer { request, kept_at, about, answer }) = answer else { return Ok(()) };
    let told = are_there(session, &request.tenant, about).await?;
    let (about, told) = if told { (about.noted(), Some(answer)) } else { (None, None) };
    let sql = "insert into answers (tenant_id, key_id, idempotency_key, fingerprint, kept_at, user_id, status, \
               location, version, body) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
               on conflict (tenant_id, key_id, idempotency_key) do update set \
               fingerprint = excluded.fingerprint, kept_at = excluded.kept_at, \
               user_id = excluded.user_id, status = excluded.status, location = excluded.location, \
               version = excluded.version, body = excluded.body where answers.kept_at <= $11";
    let kept = session
        .execute(
            sql,
            &[
                &request.tenant.as_str(),
                &request.key_id.as_str(),
                &request.name.as_str(),
                &request.fingerprint.to_stored().as_slice(),
                &kept_at.0,
                &about,
                &i64::from(answer.status),
                &told.and_then(|told| told.location.as_ref()),
                &told.and_then(|told| told.version).map(|version| version.0),
                &told.map(|told| std::str::from_utf8(&told.body).expect("an answer is JSON, and so UTF-8")),
                &kept_at.before(KEPT_FOR).0,
            ],
        )
        .await?;
    if kept == 1 { Ok(()) } else { Err(KeepError::Repeated.into()) }
}

/// Whether all are there whom an answer tells of that goes with any of them. Whoever removes one of them from
/// now on waits until the answer is kept, and then forgets it.
async fn are_there(session: &Session, tenant: &TenantId, about: &About) -> Answer<bool> {
    let Some(users) = about.must_be_there() else { return Ok(true) };
    let sql =
        "select user_id from users where tenant_id = $1 and user_id = any($2) order by user_id for key share";
    let there = session.rows(sql, &[&tenant.as_str(), &users]).await?;
    Ok(there.len() == users.len())
}

/// Forgets what was answered that tells of a user, or may, and not that it was.
pub(super) async fn forget_user(session: &Session, tenant: &TenantId, user_id: UserId) -> Answer<()> {
    let sql = "update answers set user_id = null, location = null, version = null, body = null \
               where tenant_id = $1 and user_id in ($2, $3)";
    session.execute(sql, &[&tenant.as_str(), &user_id.as_str(), &About::SEVERAL]).await.map(drop)
}

/// Forgets some of the answers that were kept until this moment; false if there were none. Each server
/// does so, and leaves those that another is forgetting.
pub(super) async fn forget(session: &Session, until: Timestamp) -> Answer<bool> {
    let sql = "with old as (select tenant_id, key_id, idempotency_key from answers where kept_at <= $1 \
               order by kept_at limit $2 for update skip locked) \
               delete from answers using old where answers.tenant_id = old.tenant_id \
               and answers.key_id = old.key_id and answers.idempotency_key = old.idempotency_key";
    session.execute(sql, &[&until.0, &FORGOTTEN_AT_ONCE]).await.map(|forgotten| forgotten > 0)
}
