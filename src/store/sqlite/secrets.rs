//! Writing what only the server may know: password hashes, tries and reset tokens, on the writing
//! thread.

use rusqlite::{Connection, params};

use super::super::{PasswordTry, UserChange};
use crate::directory::password::{PasswordHash, ResetToken, SecretChange, SetBy};
use crate::id::{TenantId, UserId};

/// Keeps what a change makes of a user's secrets: for most changes that is nothing at all.
pub(super) fn keep(connection: &Connection, change: &UserChange) -> rusqlite::Result<()> {
    let of = (&change.tenant, change.user_id);
    match &change.secret {
        SecretChange::Keep => Ok(()),
        SecretChange::Set(hash, by) => set(connection, of, hash, *by),
        SecretChange::Remove => remove(connection, of),
        SecretChange::StartReset(token) => start_reset(connection, of, token),
    }
}

/// The tenant and the user whose secrets they are.
type Of<'a> = (&'a TenantId, UserId);

fn set(connection: &Connection, of: Of, hash: &PasswordHash, by: SetBy) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into secrets (tenant_id, user_id, password_hash, set_by) values (?1, ?2, ?3, ?4) \
             on conflict do update set password_hash = excluded.password_hash, set_by = excluded.set_by",
        )?
        .execute([of.0.as_str(), of.1.as_str(), hash.to_stored(), by.as_str()])?;
    run(connection, "delete from password_tries where tenant_id = ?1 and user_id = ?2", of)?;
    end_reset(connection, of)
}

fn remove(connection: &Connection, of: Of) -> rusqlite::Result<()> {
    run(connection, "delete from secrets where tenant_id = ?1 and user_id = ?2", of)?;
    run(connection, "delete from password_tries where tenant_id = ?1 and user_id = ?2", of)?;
    end_reset(connection, of)
}

fn end_reset(connection: &Connection, of: Of) -> rusqlite::Result<()> {
    run(connection, "delete from reset_tokens where tenant_id = ?1 and user_id = ?2", of)
}

fn run(connection: &Connection, sql: &str, of: Of) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([of.0.as_str(), of.1.as_str()]).map(drop)
}

fn start_reset(connection: &Connection, of: Of, token: &ResetToken) -> rusqlite::Result<()> {
    end_reset(connection, of)?;
    connection
        .prepare_cached(
            "insert into reset_tokens (token_id, tenant_id, user_id, secret_hash, expires_at) \
             values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            token.id.as_str(),
            of.0.as_str(),
            of.1.as_str(),
            token.hash.to_stored(),
            token.expires_at.0
        ])
        .map(drop)
}

/// Puts a hash in the place of another; false if that is no longer the one that is kept.
pub(super) fn rehash(
    connection: &Connection,
    (tenant, user_id, from, to): &(TenantId, UserId, PasswordHash, PasswordHash),
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "update secrets set password_hash = ?4 where tenant_id = ?1 and user_id = ?2 and password_hash = ?3",
        )?
        .execute([tenant.as_str(), user_id.as_str(), from.to_stored(), to.to_stored()])
        .map(|changed| changed == 1)
}

/// Counts a try; false if there have been too many. What is too old to count is forgotten.
pub(super) fn count_try(
    connection: &Connection,
    tenant: &TenantId,
    user_id: UserId,
    attempt: PasswordTry,
) -> rusqlite::Result<bool> {
    let (tenant, user) = (tenant.as_str(), user_id.as_str());
    connection
        .prepare_cached(
            "delete from password_tries where tenant_id = ?1 and user_id = ?2 and tried_at <= ?3",
        )?
        .execute(params![tenant, user, attempt.since.0])?;
    connection
        .prepare_cached(
            "insert into password_tries (tenant_id, user_id, tried_at, tries) \
             select tenant_id, user_id, ?3, 1 from users where tenant_id = ?1 and user_id = ?2 \
             and (select coalesce(sum(tries), 0) from password_tries where tenant_id = ?1 and user_id = ?2) < ?4 \
             on conflict do update set tries = tries + 1",
        )?
        .execute(params![tenant, user, attempt.now.0, attempt.most])
        .map(|counted| counted == 1)
}
