//! Writing what only the server may know: password hashes, tries and reset tokens, on the writing
//! thread.

use rusqlite::{Connection, params};

use super::super::statement::open_resets;
use super::super::{IdentifierChange, IdentifierKind, KeepError, PasswordTry, UserChange};
use super::writer::failed;
use crate::directory::password::{MailedReset, PasswordHash, ResetToken, SecretChange, SetBy};
use crate::error::Error;
use crate::id::{IdentifierId, TenantId, UserId};

pub(super) const RESET_TOKEN: &str =
    open_resets!("tenant_id, user_id, secret_hash, expires_at", "token_id = ?1");
/// Until when the link of a user works.
pub(super) const RESET_UNTIL: &str = open_resets!("expires_at", "tenant_id = ?1 and user_id = ?2");

/// Keeps what a change makes of a user's secrets: for most changes that is nothing at all.
pub(super) fn keep(connection: &Connection, change: &UserChange) -> Result<(), KeepError> {
    let of = (&change.tenant, change.user_id);
    for identifier in &change.identifiers {
        if let IdentifierChange::Remove(removed) = identifier
            && removed.kind == IdentifierKind::Email
        {
            end_reset_to(connection, of, removed.id).map_err(|error| failed(&error))?;
        }
    }
    let done = match &change.secret {
        SecretChange::Keep => Ok(()),
        SecretChange::Set(hash, by) => set(connection, of, hash, *by),
        SecretChange::Remove => remove(connection, of),
        SecretChange::StartReset(token, mailed) => {
            return start_reset(connection, of, token, mailed.as_ref());
        }
        SecretChange::EndReset => end_reset(connection, of),
        SecretChange::Distrust => distrust(connection, of),
        SecretChange::Vouch => vouch(connection, of),
    };
    done.map_err(|error| failed(&error))
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

/// Ends the link that was mailed to this email.
fn end_reset_to(connection: &Connection, of: Of, email: IdentifierId) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "delete from reset_tokens where tenant_id = ?1 and user_id = ?2 and identifier_id = ?3",
        )?
        .execute(params![of.0.as_str(), of.1.as_str(), email.as_bytes()])
        .map(drop)
}

fn distrust(connection: &Connection, of: Of) -> rusqlite::Result<()> {
    run(connection, "update secrets set set_by = 'untrusted' where tenant_id = ?1 and user_id = ?2", of)?;
    end_reset(connection, of)
}

fn vouch(connection: &Connection, of: Of) -> rusqlite::Result<()> {
    let sql = "update secrets set set_by = 'admin' \
               where tenant_id = ?1 and user_id = ?2 and set_by = 'untrusted'";
    run(connection, sql, of)
}

fn start_reset(
    connection: &Connection,
    of: Of,
    token: &ResetToken,
    mailed: Option<&MailedReset>,
) -> Result<(), KeepError> {
    let sql = |error| failed(&error);
    end_reset(connection, of).map_err(sql)?;
    connection
        .prepare_cached(
            "insert into reset_tokens (token_id, tenant_id, user_id, secret_hash, expires_at) \
             values (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                token.id.as_str(),
                of.0.as_str(),
                of.1.as_str(),
                token.hash.to_stored(),
                token.expires_at.0
            ])
        })
        .map_err(sql)?;
    let Some(mailed) = mailed else { return Ok(()) };
    let bound = connection
        .prepare_cached(
            "update reset_tokens set identifier_id = i.identifier_id, canonical = i.canonical, generation = i.generation \
             from identifiers i where token_id = ?1 and i.tenant_id = ?2 and i.kind = 'email' and i.canonical = ?3 \
             and i.claimant = '' and i.user_id = ?4 and i.identifier_id = ?5",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                token.id.as_str(),
                of.0.as_str(),
                mailed.canonical,
                of.1.as_str(),
                mailed.email.as_bytes()
            ])
        })
        .map_err(sql)?;
    if bound == 1 {
        return Ok(());
    }
    let fault = format!("user {} has a verified email in the document that the table does not have", of.1);
    Err(KeepError::Failed(Error::Internal(fault)))
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
