//! Mail that is to be sent.

use rusqlite::{Connection, Row, params};

use super::rows::parsed;
use crate::directory::mail::{Mail, MailChange, MailKind};
use crate::id::{IdentifierId, MailId, TenantId};
use crate::time::Timestamp;

/// What is to be tried at a moment and is tried by nobody, the longest due first. Kinds that this
/// program does not know are those of a later version, whose servers send them.
pub(super) fn due(connection: &Connection, now: Timestamp, limit: u32) -> rusqlite::Result<Vec<Mail>> {
    connection
        .prepare_cached(
            "select tenant_id, mail_id, kind, token_id, user_id, identifier_id, created_at, due_at, attempts \
             from outbox where due_at <= ?1 and leased_until <= ?1 \
             and kind in (select value from json_each(?2)) order by due_at limit ?3",
        )?
        .query_map(params![now.0, known_kinds(), limit], mail)?
        .collect()
}

/// How many mails wait; this many are counted at most.
pub(super) fn waiting(connection: &Connection, most: u32) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("select count(*) from (select 1 from outbox limit ?1)")?
        .query_row([most], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// The kinds of mail that this program can make, as a JSON array.
pub(super) fn known_kinds() -> String {
    let names: Vec<_> = MailKind::ALL.iter().map(|kind| kind.as_str()).collect();
    serde_json::json!(names).to_string()
}

pub(super) fn mail(row: &Row<'_>) -> rusqlite::Result<Mail> {
    let kind = MailKind::from_name(row.get_ref(2)?.as_str()?);
    Ok(Mail {
        tenant: parsed(row, 0)?,
        id: MailId::from_bytes(row.get(1)?),
        kind: kind.ok_or(rusqlite::Error::InvalidQuery)?,
        token: parsed(row, 3)?,
        user_id: parsed(row, 4)?,
        email: IdentifierId::from_bytes(row.get(5)?),
        created_at: Timestamp(row.get(6)?),
        due_at: Timestamp(row.get(7)?),
        attempts: row.get(8)?,
    })
}

/// Makes mail due that waits for a later moment and is tried by nobody.
pub(super) fn hurry(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("update outbox set due_at = ?1 where due_at > ?1 and leased_until <= ?1")?
        .execute([now.0])
        .map(|hurried| hurried > 0)
}

/// Takes a mail for oneself until a moment, and counts that it is tried; false if another has it, or
/// has tried it since it was read, or it is due later by now, or gone.
pub(super) fn claim(
    connection: &Connection,
    mail: &Mail,
    now: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "update outbox set leased_until = ?5, attempts = attempts + 1 \
             where tenant_id = ?1 and mail_id = ?2 and attempts = ?3 and due_at <= ?4 and leased_until <= ?4",
        )?
        .execute(params![mail.tenant.as_str(), mail.id.as_bytes(), mail.attempts, now.0, until.0])
        .map(|claimed| claimed == 1)
}

/// Keeps a mail until a later moment that one has taken; false if another has taken it since, or it is
/// gone.
pub(super) fn renew(connection: &Connection, mail: &Mail, until: Timestamp) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "update outbox set leased_until = ?4 where tenant_id = ?1 and mail_id = ?2 and attempts = ?3 + 1",
        )?
        .execute(params![mail.tenant.as_str(), mail.id.as_bytes(), mail.attempts, until.0])
        .map(|renewed| renewed == 1)
}

/// Lets a mail wait until a moment that one has taken; false if another has taken it since, or it is
/// gone.
pub(super) fn postpone(connection: &Connection, mail: &Mail, due_at: Timestamp) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "update outbox set due_at = ?4, leased_until = 0 \
             where tenant_id = ?1 and mail_id = ?2 and attempts = ?3 + 1",
        )?
        .execute(params![mail.tenant.as_str(), mail.id.as_bytes(), mail.attempts, due_at.0])
        .map(|postponed| postponed == 1)
}

/// Removes a mail that was sent, or need not be any more.
pub(super) fn remove(connection: &Connection, tenant: &TenantId, id: MailId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("delete from outbox where tenant_id = ?1 and mail_id = ?2")?
        .execute(params![tenant.as_str(), id.as_bytes()])
        .map(|removed| removed == 1)
}

/// Keeps what a change makes of mail: for most changes that is nothing at all.
pub(super) fn keep(connection: &Connection, tenant: &TenantId, change: &MailChange) -> rusqlite::Result<()> {
    match change {
        MailChange::Keep => Ok(()),
        MailChange::Send(mail) => connection
            .prepare_cached(
                "insert into outbox (tenant_id, mail_id, kind, token_id, user_id, identifier_id, created_at, due_at) \
                 values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                tenant.as_str(),
                mail.id.as_bytes(),
                mail.kind.as_str(),
                mail.token.as_str(),
                mail.user_id.as_str(),
                mail.email.as_bytes(),
                mail.created_at.0,
                mail.due_at.0,
            ])
            .map(drop),
        MailChange::Remove(id) => remove(connection, tenant, *id).map(drop),
    }
}
